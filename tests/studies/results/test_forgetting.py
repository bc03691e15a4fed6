import json
from math import isnan, nan
from pathlib import Path

import numpy as np
import pytest

from sercl.errors import ResultsError, UsageError
from sercl.json_text import json_text
from sercl.metrics.functional.classification import AVERAGES
from sercl.studies.results.forgetting import Forgetting, SourceTest
from sercl.studies.results.paired import compare
from sercl.studies.results.predictions import Predictions
from sercl.studies.results.scores import evaluate

CLASSES = ("angry", "happy", "sad")


def drawn(right: float, seed: int, speakers: int = 8, classes: tuple[str, ...] = CLASSES) -> Predictions:
    """Predictions of which a given fraction is right; the same utterances for every seed."""
    rng = np.random.default_rng(seed)
    truth = np.tile(np.arange(len(classes)), 4 * speakers)
    said = np.where(rng.random(len(truth)) < right, truth, (truth + 1) % len(classes))
    names = np.asarray(classes)
    who = np.array([f"s{index // 12}" for index in range(len(truth))])
    return Predictions.from_labels(names[truth], names[said], who, classes=classes)


BEFORE, AFTER = drawn(0.9, 1), drawn(0.5, 2)
FORGOTTEN = Forgetting.of(SourceTest("EmoDB", BEFORE, AFTER))


def test_scores_are_those_of_each_state_and_the_difference_is_paired() -> None:
    for own, predictions in ((FORGOTTEN.before, BEFORE), (FORGOTTEN.after, AFTER)):
        assert {name: own[name] for name in AVERAGES} == evaluate(predictions).averages
        assert own["recall/sad"].value == evaluate(predictions).per_class[2].recall
        assert (own["uar"].unit, own["uar"].count) == ("speakers", 8)
    expected = compare(AFTER, BEFORE)
    assert FORGOTTEN.paired.difference == expected.difference
    assert FORGOTTEN.paired.test == expected.test
    assert expected.test is not None
    assert FORGOTTEN.paired.p_holm == expected.test.p
    assert FORGOTTEN.paired.difference.high < 0


@pytest.mark.parametrize("speakers", [8, 5, 1])
def test_what_is_written_is_read_back(speakers: int) -> None:
    """With few speakers there is no interval: NaN in Python, null in JSON."""
    own = Forgetting.of(
        SourceTest("EmoDB", drawn(0.9, 1, speakers=speakers), drawn(0.5, 2, speakers=speakers))
    )
    text = json_text(own.to_dict())
    found = Forgetting.from_dict(json.loads(text), Path("results.json"), "Again.")
    assert json_text(found.to_dict()) == text
    assert found.paired.test is not None
    assert own.paired.test is not None
    assert isnan(found.paired.test.low) == isnan(own.paired.test.low)


def test_a_broken_record_is_named() -> None:
    content = json.loads(json_text(FORGOTTEN.to_dict()))
    content["before"]["uar"]["value"] = "high"
    with pytest.raises(ResultsError, match=r"forgetting\.before\S*: expected a number, got a text\. Again\."):
        Forgetting.from_dict(content, Path("results.json"), "Again.")
    with pytest.raises(ResultsError, match="forgetting"):
        Forgetting.from_dict([], Path("results.json"), "Again.")


def test_the_table_has_a_row_per_score_and_the_test_of_uar() -> None:
    frame = FORGOTTEN.to_frame().set_index("score")
    assert list(frame.index) == list(FORGOTTEN.before)
    row = frame.loc["uar"]
    assert (row["tested"], row["count"], row["unit"]) == ("EmoDB", 8, "speakers")
    assert row["before_low"] == FORGOTTEN.before["uar"].low
    assert row["difference_high"] == FORGOTTEN.paired.difference.high
    assert row["p"] == row["p_holm"] == FORGOTTEN.paired.p_holm
    others = frame.drop(index="uar")
    assert others[["difference_low", "difference_high", "p", "p_holm"]].isna().all(axis=None)
    assert (others["difference"] == others["after"] - others["before"]).all()


def test_a_test_on_other_classes_is_refused() -> None:
    with pytest.raises(UsageError, match="the classes of the two systems differ"):
        Forgetting.of(SourceTest("EmoDB", BEFORE, drawn(0.5, 2, classes=("angry", "happy", "calm"))))


def test_a_class_that_the_source_lacks_has_no_recall() -> None:
    truth, said = np.array(["angry", "sad"] * 12), np.array(["angry", "angry"] * 12)
    own = Predictions.from_labels(truth, said, np.repeat([f"s{k}" for k in range(6)], 4), classes=CLASSES)
    found = Forgetting.of(SourceTest("EmoDB", own, own))
    assert found.before["recall/happy"].value == pytest.approx(nan, nan_ok=True)
    assert found.paired.difference.value == 0
