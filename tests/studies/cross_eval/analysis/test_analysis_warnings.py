from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sercl.studies.cross_eval.analysis.analysis import ReportWarning, analyse, find_warnings
from sercl.studies.cross_eval.cells import CellRecord, Condition, Study
from sercl.studies.cross_eval.study_file import write_study
from sercl.testing.studies import CORPORA, ENCODERS, Grid, fake_study

PLAIN = Grid({"EmoDB": CORPORA["EmoDB"]}, {"w": ENCODERS["whisper-base"]}, ("none",), ("monolingual",))


def warnings_of(folder: Path) -> dict[str, list[ReportWarning]]:
    kinds: dict[str, list[ReportWarning]] = {}
    for warning in analyse(folder).warnings:
        kinds.setdefault(warning.kind, []).append(warning)
    return kinds


def with_records(folder: Path, study: Study, change: Callable[[CellRecord], CellRecord]) -> None:
    write_study(replace(study, records=tuple(map(change, study.records))), folder)


def test_a_sound_study_has_none(tmp_path: Path) -> None:
    fake_study(tmp_path, PLAIN)
    assert warnings_of(tmp_path) == {}


def test_cells_that_predict_one_class(tmp_path: Path) -> None:
    grid = replace(PLAIN, corpora=CORPORA, settings=("zero-shot",))
    fake_study(tmp_path, grid, confusion=lambda item: [[item.target == "ESD", 1.0, 0.0, 0.0]] * 4)
    (warning,) = warnings_of(tmp_path)["guess"]
    assert warning.text.startswith(
        "4 conditions with cells that predict one class for every test utterance, 4 of them in all cells"
    )
    assert "w, frozen, zero-shot ESD -> EmoDB: 15 of 15 cells, always happy" in warning.details


def test_failed_and_missing_cells(tmp_path: Path) -> None:
    fake_study(tmp_path, PLAIN, failed=1, missing=2)
    failed, missing, _ = warnings_of(tmp_path)["incomplete"]
    assert failed.text.startswith("1 of 15 cells failed")
    assert "w, frozen, monolingual EmoDB, fold 2, seed 2" in failed.details[0]
    assert "out of GPU memory" in failed.details[0]
    assert "2 of 15 cells have not been run" in missing.text


def test_a_repeat_that_lacks_a_fold(tmp_path: Path) -> None:
    fake_study(tmp_path, PLAIN, failed=1)
    _, left_out = warnings_of(tmp_path)["incomplete"]
    assert "1 condition with fewer repeats than were run" in left_out.text
    assert left_out.details == ("w, frozen, monolingual EmoDB: 1 left out",)


def test_what_is_known_of_corpora_is_said_first_and_once(tmp_path: Path) -> None:
    study = fake_study(tmp_path, replace(PLAIN, corpora=CORPORA))
    noted = {
        name: replace(corpus, notes=("nobody speaks", f"{name} is small"))
        for name, corpus in study.corpora.items()
    }
    write_study(replace(study, corpora=noted), tmp_path)
    found = [warning for warning in analyse(tmp_path).warnings if warning.kind == "data"]
    names = list(CORPORA)
    assert [warning.text for warning in found] == [
        f"{', '.join(names)}: nobody speaks.",
        *(f"{name}: {name} is small." for name in names),
    ]
    assert analyse(tmp_path).warnings[0] == found[0]


def perfect(condition: Condition) -> list[list[float]]:
    return [[float(truth == said) for said in range(4)] for truth in range(4)]


def test_an_exact_interval_over_utterances_is_named(tmp_path: Path) -> None:
    fake_study(tmp_path / "unknown", PLAIN, speakers=0, per_class=15, confusion=perfect)
    _, exact = warnings_of(tmp_path / "unknown")["speakers"]
    assert exact.text.startswith("1 condition with a score of exactly 0 or 100 %")
    assert "treats each utterance as a different speaker" in exact.text
    (detail,) = exact.details
    assert detail.startswith("w, frozen, monolingual EmoDB: UAR, WA, Macro-F1, recall of angry, ")
    fake_study(tmp_path / "known", PLAIN, confusion=perfect)
    assert "speakers" not in warnings_of(tmp_path / "known")


def test_shared_speakers(tmp_path: Path) -> None:
    study = fake_study(tmp_path, PLAIN)
    with_records(tmp_path, study, lambda record: replace(record, shared_speakers=("spike",)))
    (warning,) = warnings_of(tmp_path)["speakers"]
    assert warning.text.startswith("EmoDB: 1 tested speaker also seen in training")
    assert "speaker-dependent" in warning.text


def test_unknown_and_few_speakers(tmp_path: Path) -> None:
    grid = replace(PLAIN, folds=2)
    fake_study(tmp_path / "unknown", grid, speakers=0, per_class=15)
    (warning,) = warnings_of(tmp_path / "unknown")["speakers"]
    assert "EmoDB: speakers are unknown, so intervals and tests resample utterances" in warning.text
    fake_study(tmp_path / "few", grid, speakers=4, per_class=10)
    (warning,) = warnings_of(tmp_path / "few")["speakers"]
    assert "EmoDB: 4 speakers, so intervals" in warning.text


def test_five_speakers_cannot_give_a_small_p_value(tmp_path: Path) -> None:
    grid = replace(PLAIN, adapters=("none", "lora"))
    fake_study(tmp_path, grid, speakers=5, per_class=8)
    (warning,) = warnings_of(tmp_path)["test"]
    assert "With 5 speakers no paired test can give p below 0.062" in warning.text


def test_selection_on_the_target_and_adaptation(tmp_path: Path) -> None:
    corpora = {name: CORPORA[name] for name in ("EmoDB", "RAVDESS")}
    grid = replace(
        PLAIN,
        corpora=corpora,
        settings=("zero-shot",),
        select_on=("source", "target"),
        adaptations=("none", "coral"),
    )
    fake_study(tmp_path, grid)
    found = warnings_of(tmp_path)
    assert found["selection"][0].text.startswith("4 zero-shot conditions selected")
    assert "(coral)" in found["adaptation"][0].text


def test_tiny_and_unbalanced_test_sets(tmp_path: Path) -> None:
    fake_study(tmp_path / "tiny", PLAIN, per_class=1)
    assert "tiny test set (angry 10, happy 10" in warnings_of(tmp_path / "tiny")["size"][0].text
    assert "balance" not in warnings_of(tmp_path / "tiny")


def test_training_that_the_epoch_limit_ended(tmp_path: Path) -> None:
    study = fake_study(tmp_path, PLAIN)
    with_records(tmp_path, study, lambda record: replace(record, early_stopped=record.cell.fold > 0))
    (warning,) = warnings_of(tmp_path)["training"]
    assert warning.text.startswith("3 of 15 trainings ended at a limit")
    assert warning.details == ("w, frozen, monolingual EmoDB: 3",)


def test_a_single_seed(tmp_path: Path) -> None:
    fake_study(tmp_path, replace(PLAIN, seeds=(42,)))
    assert "One seed only for adapter none" in warnings_of(tmp_path)["repeats"][0].text


def test_notes_are_said_once(tmp_path: Path) -> None:
    study = fake_study(tmp_path, PLAIN)
    with_records(
        tmp_path, replace(study, warnings=("of the study",)), lambda r: replace(r, notes=("of a cell",))
    )
    assert [warning.text for warning in warnings_of(tmp_path)["note"]] == ["of the study", "of a cell"]


@pytest.mark.parametrize("absent", [True, False])
def test_classes_that_are_rare_or_absent(tmp_path: Path, absent: bool) -> None:
    study = fake_study(tmp_path, PLAIN)
    analysis = analyse(tmp_path)
    ((condition, own),) = analysis.scores.items()
    support = (0, 40, 40, 40) if absent else (20, 40, 40, 40)
    found = find_warnings(study, {condition: replace(own, support=support)}, (), {})
    expected = "no test utterance of angry" if absent else "unbalanced test set (20 to 40"
    assert expected in found[0].text
