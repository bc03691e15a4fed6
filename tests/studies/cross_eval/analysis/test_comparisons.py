from dataclasses import replace
from pathlib import Path

import pytest

from sercl.metrics.functional.comparison import holm
from sercl.studies.cross_eval.analysis.comparisons import (
    Family,
    adaptation_pairs,
    adapter_pairs,
    baseline_pairs,
    compare_conditions,
    monolingual_of,
    source_pairs,
    zero_shot_pairs,
)
from sercl.studies.cross_eval.analysis.scores import score_conditions
from sercl.studies.cross_eval.cells import Condition, Study, StudyCorpus, StudyEncoder
from sercl.studies.cross_eval.study_file import read_predictions, read_study
from sercl.testing.studies import CORPORA, ENCODERS, Grid, fake_study

MONO = Condition("w", "none", "monolingual", "B", "B")
ZERO = Condition("w", "none", "zero-shot", "A", "B")


@pytest.fixture(scope="module")
def families(folder: Path):
    """The families of the small study by name."""
    study = read_study(folder)
    return {item.name: item for item in compared(folder, study)}


def compared(folder: Path, study: Study) -> tuple[Family, ...]:
    predictions = read_predictions(folder, study)
    return compare_conditions(predictions, study, score_conditions(predictions))


def test_adapters_meet_in_the_same_condition(folder: Path) -> None:
    study = read_study(folder)
    lora, gating = replace(ZERO, adapter="lora"), replace(ZERO, adapter="gating")
    other = replace(lora, target="C")
    assert adapter_pairs([ZERO, lora, gating, other], study) == [(lora, ZERO), (gating, ZERO), (gating, lora)]


def test_zero_shot_meets_monolingual_of_its_target_and_encoder(folder: Path) -> None:
    study = read_study(folder)
    wrong = replace(MONO, source="A", target="A")
    adapted = replace(MONO, adapter="lora")
    conditions = [wrong, adapted, MONO, ZERO, replace(ZERO, adaptation="coral")]
    study = replace(study, corpora={"B": StudyCorpus("B", ("de",), "speaker", 5)})
    study = replace(study, encoders={"w": StudyEncoder("w", "whisper", "0")})
    pairs = zero_shot_pairs(conditions, study)
    assert pairs == [(ZERO, MONO), (replace(ZERO, adaptation="coral"), MONO)]


def test_an_encoder_of_the_target_language_stands_in(folder: Path) -> None:
    study = replace(
        read_study(folder),
        corpora={"B": StudyCorpus("B", ("de",), "speaker", 5)},
        encoders={
            "w": StudyEncoder("a/zh", "wav2vec2", "0", "zh"),
            "d": StudyEncoder("facebook/wav2vec2-base-de-voxpopuli-v2", "wav2vec2", "1"),
        },
    )
    native = replace(MONO, encoder="d")
    assert monolingual_of(ZERO, [native], study) == native
    assert monolingual_of(ZERO, [native, MONO], study) == MONO
    foreign = replace(study, encoders={**study.encoders, "d": StudyEncoder("b/en", "wav2vec2", "1", "en")})
    assert monolingual_of(ZERO, [native], foreign) is None


def test_adaptation_and_two_stage_meet_what_they_differ_from(folder: Path) -> None:
    study = read_study(folder)
    coral = replace(ZERO, adaptation="coral")
    alone = replace(coral, select_on="target")
    assert adaptation_pairs([ZERO, coral, alone], study) == [(coral, ZERO)]
    two, transfer = replace(ZERO, setting="two-stage"), replace(ZERO, setting="transfer")
    assert source_pairs([two, transfer, replace(two, adapter="x")], study) == [(two, transfer)]


def test_few_shot_meets_the_same_clips_alone(folder: Path) -> None:
    study = read_study(folder)
    few, alone = (replace(ZERO, setting=name, shots=4) for name in ("few-shot", "target-only"))
    others = [replace(few, shots=1), replace(few, adapter="lora"), replace(few, adaptation="coral")]
    assert baseline_pairs([few, *others, alone], study) == [(few, alone)]


def test_a_study_has_its_families(families) -> None:
    assert list(families) == ["adapters", "zero-shot", "adaptation", "source", "few-shot"]
    assert len(families["zero-shot"].comparisons) == 8  # 2 adapters, 2 pairs, plain and adapted
    assert len(families["zero-shot"].overall) == 4
    assert [len(item.members) for item in families["zero-shot"].overall] == [2] * 4
    for family in families.values():
        for item in (*family.overall, *family.comparisons):
            assert item.first != item.second
            assert item.first.target == item.second.target


def test_one_computation_is_not_tested_twice(families) -> None:
    # With one encoder, transfer is monolingual on the target: both pairs of adapters are the same two runs.
    adapters = [item.first.setting for item in families["adapters"].comparisons]
    assert adapters.count("monolingual") == 2
    assert "transfer" not in adapters


def test_holm_covers_each_table(families) -> None:
    family = families["adapters"]
    overall = holm({index: item.paired.test.p for index, item in enumerate(family.overall)})
    assert [item.paired.p_holm for item in family.overall] == pytest.approx(list(overall.values()))
    few_shot = [item.paired for item in family.comparisons if item.first.setting == "few-shot"]
    own = holm({index: paired.test.p for index, paired in enumerate(few_shot)})
    assert [paired.p_holm for paired in few_shot] == pytest.approx(list(own.values()))


def test_large_effects_are_found_and_small_ones_are_not(tmp_path: Path) -> None:
    corpora = {name: CORPORA[name] for name in ("EmoDB", "RAVDESS")}
    encoders = {"w": ENCODERS["whisper-base"]}
    grid = Grid(corpora, encoders, adapters=("none", "lora", "same"), settings=("monolingual",), seeds=(1, 2))

    def confusion(condition: Condition) -> list[list[float]]:
        right = 0.9 if condition.adapter == "lora" else 0.6
        return [[right if row == column else (1 - right) / 3 for column in range(4)] for row in range(4)]

    study = fake_study(tmp_path, grid, confusion=confusion)
    (family,) = compared(tmp_path, study)
    by_name = {(item.first.adapter, item.second.adapter): item.paired for item in family.overall}
    assert by_name["lora", "none"].p_holm < 0.01
    assert by_name["lora", "none"].difference.value > 0.15
    assert by_name["same", "lora"].difference.value < -0.15
    assert by_name["same", "none"].p_holm > 0.05
    assert by_name["same", "none"].difference.low < 0 < by_name["same", "none"].difference.high
