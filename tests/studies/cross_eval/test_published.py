from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from sercl.studies.cross_eval.cells import StudyCorpus, StudyEncoder
from sercl.studies.cross_eval.published import ALL, ENCODER_LANGUAGES, FIGURES, LORA, Match, matches
from sercl.studies.cross_eval.read import read_answers
from sercl.studies.cross_eval.scores import score_conditions
from sercl.testing.studies import Grid, fake_study

STUDIED = {
    "ESD": StudyCorpus("ESD", ("zh",), "paper", 5),
    "PAVOQUE": StudyCorpus("PAVOQUE", ("de",), "paper", 5),
    "IEMOCAP": StudyCorpus("IEMOCAP", ("en",), "paper", 5),
}
ENCODERS = {language: StudyEncoder(source, "wav2vec2", "0") for source, language in ENCODER_LANGUAGES.items()}


def found(folder: Path, grid: Grid) -> tuple[Match, ...]:
    study = fake_study(folder, grid, speakers=5, per_class=1)
    return matches(score_conditions(read_answers(folder, study), study.classes), study)


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


def test_every_figure_finds_its_condition(whole: tuple[Match, ...]) -> None:
    times = Counter(id(match.figure) for match in whole)
    # In transfer the source does not enter: two sources of a target are one computation, and match once.
    assert all(times[id(figure)] == 1 for figure in FIGURES)
    for match in whole:
        assert match.corpora.split(" -> ")[-1] == match.own.condition.target
        assert (" -> " in match.corpora) == (match.figure.setting == "zero-shot")
        condition = match.own.condition
        assert condition.encoder == match.figure.encoder
        assert STUDIED[condition.target].languages == (match.figure.target,)
        assert set(condition.adapter.split("+")) == set(match.figure.adapter.split("+"))
        assert condition.adaptation == "none"
        assert match.differences == ()


def test_the_figures_are_those_of_the_study() -> None:
    by_place = {(f.setting, f.encoder, f.target, f.adapter): f for f in FIGURES}
    assert len(by_place) == len(FIGURES) == 18
    assert by_place["monolingual", "zh", "zh", ALL].accuracy == 0.939
    assert by_place["zero-shot", "de", "zh", LORA].accuracy == 0.585
    assert by_place["zero-shot", "zh", "de", ALL].recalls == {"happy": 0.14}
    assert by_place["transfer", "zh", "en", ALL].accuracy == 0.677


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
