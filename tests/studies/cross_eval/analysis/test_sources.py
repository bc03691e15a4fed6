from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sercl.studies.cross_eval.analysis.analysis import Analysis, analyse
from sercl.studies.cross_eval.analysis.scores import score_conditions
from sercl.studies.cross_eval.analysis.source_curves import source_curves
from sercl.studies.cross_eval.analysis.sources import (
    ALL_OTHERS,
    OTHER_LANGUAGES,
    Sources,
    chosen_single,
    oracle_single,
)
from sercl.studies.cross_eval.cells import Condition, StudyCorpus
from sercl.studies.cross_eval.study_file import read_predictions
from sercl.testing.studies import CORPORA, ENCODERS, Grid, fake_study

FOUR = {**CORPORA, "PAVOQUE": StudyCorpus("PAVOQUE", ("de",), "speaker", 5)}
ON_EMODB = Condition("w", "none", "zero-shot", "ESD + RAVDESS + PAVOQUE", "EmoDB")
BEST = {"ESD": {"RAVDESS": 0.9, "PAVOQUE": 0.9, "ESD": 0.9, "EmoDB": 0.3}, "PAVOQUE": {"EmoDB": 0.8}}
"""ESD crosses best except to EmoDB, for which PAVOQUE is best; all else has a recall of 0.5."""


def confusion(condition: Condition) -> list[list[float]]:
    right = BEST.get(condition.source, {}).get(condition.target, 0.5)
    return [[right if row == column else (1 - right) / 3 for column in range(4)] for row in range(4)]


@pytest.fixture(scope="module")
def analysis(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    """A study of four corpora, two of them German, that trains on every union."""
    folder: Path = tmp_path_factory.mktemp("study")
    settings = ("monolingual", "zero-shot", "transfer", "two-stage")
    encoders = {"w": ENCODERS["whisper-base"]}
    grid = Grid(FOUR, encoders, ("none",), settings, folds=2, seeds=(1,), unions=(2, 3))
    fake_study(folder, grid, confusion=confusion)
    return analyse(folder)


def test_unions_are_called_by_what_they_are_to_the_target(analysis: Analysis) -> None:
    sources = Sources(analysis.study)
    assert sources.kind_of(ON_EMODB) == ALL_OTHERS
    assert sources.kind_of(replace(ON_EMODB, source="ESD + RAVDESS")) == OTHER_LANGUAGES
    assert sources.kind_of(replace(ON_EMODB, source="ESD + PAVOQUE")) == "2 sources"
    assert sources.kind_of(replace(ON_EMODB, source="ESD")) == ""
    assert sources.corpora_of(ON_EMODB) == ("ESD", "RAVDESS", "PAVOQUE")


def test_the_best_single_source_is_chosen_without_the_target(analysis: Analysis) -> None:
    sources = Sources(analysis.study)
    chosen = chosen_single(ON_EMODB, analysis.scores, sources)
    oracle = oracle_single(ON_EMODB, analysis.scores, sources)
    assert (chosen, oracle) == (replace(ON_EMODB, source="ESD"), replace(ON_EMODB, source="PAVOQUE"))
    # What the target's own scores are does not matter.
    without = {own: score for own, score in analysis.scores.items() if own.target != "EmoDB"}
    mixed = {
        **without,
        **{own: analysis.scores[ON_EMODB] for own in analysis.scores if own.target == "EmoDB"},
    }
    assert chosen_single(ON_EMODB, mixed, sources) == chosen
    two_stage = replace(ON_EMODB, setting="two-stage")
    assert chosen_single(two_stage, analysis.scores, sources) == replace(two_stage, source="ESD")


@pytest.mark.parametrize(
    "absent",
    [
        Condition("w", "none", "monolingual", "ESD", "ESD"),
        Condition("w", "none", "zero-shot", "ESD", "PAVOQUE"),
        Condition("w", "none", "zero-shot", "RAVDESS", "EmoDB"),
    ],
)
def test_no_single_source_is_chosen_where_not_all_can_be_compared(
    analysis: Analysis, absent: Condition
) -> None:
    scores = {own: score for own, score in analysis.scores.items() if own != absent}
    assert len(scores) == len(analysis.scores) - 1
    sources = Sources(analysis.study)
    assert chosen_single(ON_EMODB, scores, sources) is None
    assert (oracle_single(ON_EMODB, scores, sources) is None) == (absent.target == "EmoDB")


def test_unions_are_tested_against_both_single_sources(analysis: Analysis) -> None:
    families = {family.name: family for family in analysis.families}
    for name, single in (("union", "ESD"), ("union-oracle", "PAVOQUE")):
        own = [item for item in families[name].comparisons if item.first == ON_EMODB]
        assert [item.second.source for item in own] == [single]
        (overall,) = (item for item in families[name].overall if item.first.setting == "zero-shot")
        assert [first.target for first, _ in overall.members] == list(FOUR)
        difference = overall.paired.difference
        assert difference.low <= difference.value <= difference.high
        assert all(item.sources == ALL_OTHERS for item in families[name].comparisons)
    of_languages = families["languages"].comparisons
    assert {item.first.target for item in of_languages} == {"EmoDB", "PAVOQUE"}
    assert {item.sources for item in of_languages} == {OTHER_LANGUAGES}


def test_means_do_not_mix_unions_with_single_sources(analysis: Analysis) -> None:
    families = {family.name: family for family in analysis.families}
    sources = Sources(analysis.study)
    for item in families["zero-shot"].overall:
        assert len({sources.kind_of(first) for first, _ in item.members}) == 1
    kinds = [item.sources for item in families["zero-shot"].overall]
    assert sorted(kinds) == sorted(["", "2 sources", ALL_OTHERS, OTHER_LANGUAGES])
    two_stage = families["source"].comparisons
    assert {item.second.setting for item in two_stage} == {"transfer"}
    assert len([item for item in two_stage if item.first == replace(ON_EMODB, setting="two-stage")]) == 1


def test_curves_run_from_one_corpus_to_all_others(analysis: Analysis) -> None:
    curves = {curve.condition: curve for curve in analysis.source_curves}
    assert len(curves) == 2 * 4  # settings, targets
    curve = curves[replace(ON_EMODB, source="")]
    assert {size: own.sources for size, own in curve.points.items()} == {1: 3, 2: 3, 3: 1}
    assert curve.points[3].uar == analysis.scores[ON_EMODB].uar
    singles = [
        analysis.scores[replace(ON_EMODB, source=name)].uar.value for name in ("ESD", "RAVDESS", "PAVOQUE")
    ]
    one = curve.points[1]
    assert one.uar.value == pytest.approx(np.mean(singles))
    assert (one.lowest, one.highest) == (min(singles), max(singles))
    assert one.uar.low < one.uar.value < one.uar.high
    assert (one.uar.unit, one.uar.count) == ("speakers", 10)
    assert curve.ceiling is not None
    assert curve.ceiling.condition.source == "EmoDB"


def test_one_of_several_unions_does_not_stand_for_all(tmp_path: Path) -> None:
    grid = Grid(FOUR, {"w": ENCODERS["whisper-base"]}, ("none",), ("zero-shot",), seeds=(1,), unions=(2, 3))
    study = fake_study(tmp_path, grid)
    kept = [
        own
        for own in study.records
        if len(own.cell.condition.source.split(" + ")) != 2 or own.cell.condition.source == "ESD + RAVDESS"
    ]

    predictions = read_predictions(tmp_path, study)
    scores = score_conditions({record.cell.condition: predictions[record.cell.condition] for record in kept})
    curves = source_curves(scores, replace(study, records=tuple(kept)), predictions)
    assert {tuple(curve.points) for curve in curves} == {(1, 3)}
