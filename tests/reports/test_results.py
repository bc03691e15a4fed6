import math

import pytest
from rich.console import Console, RenderableType

from sercl.reports.results import percent, recalls_of_a_guess, results_table
from sercl.studies.results.scores import evaluate
from tests.studies.samples import predictions

CLASSES = ("angry", "happy", "neutral", "sad")


def shown(content: RenderableType) -> str:
    console = Console(width=100, record=True, file=None, force_terminal=False)
    with console.capture() as capture:
        console.print(content)
    return capture.get()


def line_of(text: str, start: str) -> list[str]:
    return next(line for line in text.splitlines() if line.split()[:1] == [start]).split()


def test_scores_stand_with_their_intervals_and_classes() -> None:
    truth = [0, 0, 1, 1, 2, 2, 3, 3] * 5
    predicted = [0, 1, 1, 1, 2, 2, 3, 0] * 5
    speakers = [f"s{index // 8}" for index in range(40)]
    text = shown(
        results_table(
            evaluate(predictions(truth, predicted, speakers=speakers)), "Test on X", ["mind the gap."]
        )
    )
    assert text.startswith("Test on X")
    # recalls are 1/2, 1, 1, 1/2; every speaker is alike, so the interval is a point
    assert line_of(text, "UAR") == ["UAR", "75.0", "75.0", "to", "75.0"]
    assert line_of(text, "angry") == ["angry", "50.0", "50.0", "50.0", "10"]
    assert line_of(text, "happy") == ["happy", "100.0", "66.7", "80.0", "10"]
    assert "Note: 40 utterances; intervals resample the 5 speakers." in text
    assert "Note: mind the gap." in text
    assert "unbalanced" not in text
    assert "every utterance was predicted as" not in text


def test_a_long_title_is_not_broken() -> None:
    title = "Results: RAVDESS (source) -> RAVDESS (target), test part"
    assert (
        shown(results_table(evaluate(predictions([0, 1], [0, 1], speakers=["a", "b"])), title)).splitlines()[
            0
        ]
        == title
    )


def test_what_the_numbers_hide_is_said() -> None:
    truth, predicted = [0] * 9 + [1] * 3, [0] * 12
    text = shown(results_table(evaluate(predictions(truth, predicted, speakers=[None] * 12))))
    assert "no utterance of neutral, sad" in text
    assert "the classes are unbalanced (3 to 9 utterances)" in text
    assert "resample utterances, not speakers, and are therefore too narrow" in text
    assert "every utterance was predicted as angry" in text
    assert line_of(text, "sad") == ["sad", "-", "-", "-", "0"]


def test_one_utterance_has_no_interval() -> None:
    text = shown(results_table(evaluate(predictions([0], [0], speakers=["s"]))))
    assert line_of(text, "UAR") == ["UAR", "100.0", "-"]
    assert "no interval" in text


@pytest.mark.parametrize(("value", "text"), [(0.5, "50.0"), (1, "100.0"), (0.12345, "12.3"), (math.nan, "-")])
def test_percent(value: float, text: str) -> None:
    assert percent(value) == text


@pytest.mark.parametrize(
    ("recalls", "expected"),
    [([0, 1, 0], True), ([0, 1, float("nan")], True), ([0.0, 0.9], False), ([1, 1], False), ([1.0], False)],
)
def test_recalls_of_a_guess(recalls: list[float], expected: bool) -> None:
    assert recalls_of_a_guess(recalls) is expected


def test_one_class_that_is_right_is_no_guess() -> None:
    text = shown(results_table(evaluate(predictions([1, 1], [1, 1], speakers=["a", "b"]))))
    assert "every utterance was predicted as" not in text
