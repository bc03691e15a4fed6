from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from sercl.studies.cross_eval.analysis.published import ALL, FIGURES, LORA, Match, matches
from sercl.studies.cross_eval.analysis.scores import score_conditions
from sercl.studies.cross_eval.cells import ENCODER_LANGUAGES, StudyCorpus, StudyEncoder
from sercl.studies.cross_eval.study_file import read_predictions
from sercl.testing.studies import Grid, fake_study

STUDIED = {
    "ESD": StudyCorpus("ESD", ("zh",), "paper", 5),
    "PAVOQUE": StudyCorpus("PAVOQUE", ("de",), "paper", 5),
    "IEMOCAP": StudyCorpus("IEMOCAP", ("en",), "paper", 5),
}
ENCODERS = {language: StudyEncoder(source, "wav2vec2", "0") for source, language in ENCODER_LANGUAGES.items()}


def found(folder: Path, grid: Grid) -> tuple[Match, ...]:
    study = fake_study(folder, grid, speakers=5, per_class=1)
    return matches(score_conditions(read_predictions(folder, study)), study)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Match, ...]:
    """The matches of a study that did all that was published, and more."""
    adapters = ("none", LORA, "gating+bottleneck+lora")
    grid = Grid(
        STUDIED,
        ENCODERS,
        adapters,
        select_on=("target",),
        seeds=(1,),
        shots=(),
        adaptations=("none", "coral"),
    )
    return found(tmp_path_factory.mktemp("whole"), grid)


@pytest.fixture(scope="module")
def listening(tmp_path_factory: pytest.TempPathFactory) -> tuple[Match, ...]:
    """The same with the 48 items of the listening test as the test part of every fold."""
    corpora = {name: replace(corpus, folds="paper+list") for name, corpus in STUDIED.items()}
    grid = Grid(corpora, ENCODERS, (LORA, ALL), select_on=("target",), seeds=(1,), shots=())
    return found(tmp_path_factory.mktemp("listening"), grid)


def test_every_figure_finds_its_condition(whole: tuple[Match, ...]) -> None:
    times = Counter(id(match.figure) for match in whole)
    # In transfer the source does not enter: two sources of a target are one computation, and match once.
    assert all(times[id(figure)] == (figure.test == "folds") for figure in FIGURES)
    for match in whole:
        assert match.corpora.split(" -> ")[-1] == match.own.condition.target
        assert (" -> " in match.corpora) == (match.figure.setting == "zero-shot")
        condition = match.own.condition
        assert condition.encoder == match.figure.encoder
        assert STUDIED[condition.target].languages == (match.figure.target,)
        assert set(condition.adapter.split("+")) == set(match.figure.adapter.split("+"))
        assert condition.adaptation == "none"
        assert match.differences == ()


def test_figures_of_the_listening_test_stand_beside_what_was_tested_on_a_list(
    listening: tuple[Match, ...],
) -> None:
    times = Counter(id(match.figure) for match in listening)
    assert all(times[id(figure)] == (figure.test == "listening") for figure in FIGURES)
    for match in listening:
        assert match.tags == ("listening test",)
        read_off = ("the published figure was read off a plot",) * (match.figure.setting == "two-stage")
        # The fake tests four utterances of each of five speakers.
        assert match.differences == (f"{match.own.utterances} test utterances, not 48", *read_off)


def test_two_stages_that_select_as_sercl_does_say_so(tmp_path: Path) -> None:
    corpora = {name: replace(STUDIED[name], folds="paper+list") for name in ("ESD", "PAVOQUE")}
    for match in found(tmp_path, Grid(corpora, ENCODERS, (ALL,), ("two-stage",), seeds=(1,))):
        assert (
            "first stage selected on the source; the study selected both stages on the target"
            in match.differences
        )


def test_the_figures_are_those_of_the_study() -> None:
    """As the study's logs have them, in percent; the recalls are angry, happy, neutral, sad."""
    accuracies = {
        (f.setting, f.encoder, f.target, f.adapter): round(100 * f.accuracy, 1)
        for f in FIGURES
        if f.test == "folds"
    }
    assert accuracies == {
        ("monolingual", "de", "de", LORA): 97.8, ("monolingual", "de", "de", ALL): 97.9,
        ("monolingual", "zh", "zh", LORA): 87.0, ("monolingual", "zh", "zh", ALL): 93.9,
        ("monolingual", "en", "en", LORA): 64.3, ("monolingual", "en", "en", ALL): 64.6,
        ("zero-shot", "de", "zh", LORA): 58.5, ("zero-shot", "de", "zh", ALL): 56.0,
        ("zero-shot", "zh", "de", LORA): 65.3, ("zero-shot", "zh", "de", ALL): 70.7,
        ("transfer", "de", "zh", LORA): 83.6, ("transfer", "de", "zh", ALL): 87.5,
        ("transfer", "zh", "de", LORA): 98.8, ("transfer", "zh", "de", ALL): 98.8,
        ("transfer", "zh", "en", LORA): 66.3, ("transfer", "zh", "en", ALL): 67.7,
        ("transfer", "de", "en", LORA): 65.0, ("transfer", "de", "en", ALL): 66.0,
    }  # fmt: skip
    listening = {
        (f.setting, f.encoder, f.target): round(100 * f.accuracy, 1) for f in FIGURES if f.test == "listening"
    }
    assert listening == {
        ("monolingual", "de", "de"): 97.5, ("monolingual", "zh", "zh"): 97.1,
        ("monolingual", "en", "en"): 55.4,
        ("zero-shot", "de", "zh"): 47.9, ("zero-shot", "zh", "de"): 77.1,
        ("transfer", "de", "zh"): 90.4, ("transfer", "zh", "de"): 100.0,
        ("two-stage", "de", "zh"): 89.2, ("two-stage", "zh", "de"): 100.0,
        ("transfer", "de", "en"): 67.1, ("transfer", "zh", "en"): 73.8,
    }  # fmt: skip
    assert all(f.adapter == ALL for f in FIGURES if f.test == "listening")
    recalls = {
        (f.setting, f.encoder, f.target, f.adapter): [round(100 * value, 1) for value in f.recalls.values()]
        for f in FIGURES
        if f.recalls
    }
    assert recalls == {
        ("monolingual", "de", "de", ALL): [98.8, 96.0, 96.8, 100.0],
        ("monolingual", "zh", "zh", ALL): [94.8, 88.0, 98.8, 94.0],
        ("monolingual", "en", "en", ALL): [76.8, 44.4, 62.4, 74.8],
        ("zero-shot", "de", "zh", ALL): [58.0, 64.8, 58.8, 42.4],
        ("zero-shot", "zh", "de", ALL): [86.0, 14.0, 86.4, 96.4],
        ("transfer", "de", "zh", ALL): [86.8, 78.0, 94.4, 90.8],
        ("transfer", "zh", "de", ALL): [99.2, 98.0, 98.0, 100.0],
    }
    for figure in FIGURES:
        if figure.recalls:
            # Test parts are balanced: accuracy is the mean recall. The published recalls are rounded to 0.1.
            assert abs(figure.accuracy - sum(figure.recalls.values()) / 4) < 0.001
            assert list(figure.recalls) == ["angry", "happy", "neutral", "sad"]


def test_what_was_done_otherwise_is_said(tmp_path: Path) -> None:
    corpora = {"mandarin": replace(STUDIED["ESD"], folds="official"), "german": STUDIED["PAVOQUE"]}
    encoders = {"own": StudyEncoder("my/encoder", "wav2vec2", "0", "de")}
    grid = Grid(corpora, encoders, (LORA,), ("zero-shot",), folds=3, seeds=(1,))
    (match,) = found(tmp_path, grid)
    assert match.own.condition.target == "mandarin"
    assert match.differences == (
        "encoder my/encoder",
        "selected on the source; the study selected on the target",
        "folds 'official', not the study's",
        "3 of 5 folds",
    )


def test_other_languages_of_esd_and_unknown_encoders_do_not_match(tmp_path: Path) -> None:
    corpora = {"ESD": replace(STUDIED["ESD"], languages=("en",)), "PAVOQUE": STUDIED["PAVOQUE"]}
    unknown = StudyEncoder("openai/whisper-base", "whisper", "0")
    zh = next(item for item in ENCODERS.values() if "chinese" in item.source)
    grid = Grid(corpora, {"zh": zh, "w": unknown}, (LORA,), ("monolingual", "zero-shot"), seeds=(1,))
    assert found(tmp_path, grid) == ()
