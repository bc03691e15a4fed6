from pathlib import Path

import numpy as np
import pytest

from sercl.studies.cross_eval.analysis.scores import score_conditions
from sercl.studies.cross_eval.cells import Condition
from sercl.studies.cross_eval.study_file import read_predictions, read_study
from sercl.testing.studies import CORPORA, ENCODERS, Grid, fake_study, typical_confusion

ONE = Grid({"EmoDB": CORPORA["EmoDB"]}, {"w": ENCODERS["whisper-base"]}, ("none",), ("monolingual",))


def test_the_same_study_is_the_same(tmp_path: Path) -> None:
    first, second = (fake_study(tmp_path / name, ONE, failed=1) for name in "ab")
    assert first == second == read_study(tmp_path / "a")
    files = [(tmp_path / name / "predictions.parquet").read_bytes() for name in "ab"]
    assert files[0] == files[1]
    (failed,) = [record for record in first.records if record.status == "failed"]
    assert (tmp_path / "a" / "cells" / failed.address / "log.txt").read_text().startswith("out of GPU memory")


def test_predictions_are_drawn_from_the_confusion_matrix(tmp_path: Path) -> None:
    study = fake_study(tmp_path, ONE, speakers=40, per_class=12, speaker_effect=0)
    (own,) = score_conditions(read_predictions(tmp_path, study)).values()
    shares = np.array(own.confusion) / np.sum(own.confusion, axis=1, keepdims=True)
    assert shares == pytest.approx(np.array(typical_confusion(study.conditions[0])), abs=0.06)


def test_speakers_differ_as_much_as_asked(tmp_path: Path) -> None:
    widths = []
    for effect in (0.0, 2.0):
        study = fake_study(tmp_path / str(effect), ONE, speakers=20, speaker_effect=effect)
        (own,) = score_conditions(read_predictions(tmp_path / str(effect), study)).values()
        widths.append(own.uar.high - own.uar.low)
    assert widths[1] > 1.3 * widths[0]


def test_conditions_are_paired(tmp_path: Path) -> None:
    grid = Grid(ONE.corpora, ONE.encoders, ("none", "lora"), ("monolingual",), seeds=(1,))

    def half(_: Condition) -> list[list[float]]:
        return [[0.5 if row == column else 0.5 / 3 for column in range(4)] for row in range(4)]

    study = fake_study(tmp_path, grid, confusion=half, speaker_effect=0, speakers=40)
    first, second = (own.predicted for own in read_predictions(tmp_path, study).values())
    assert np.mean(first == second) > 0.5  # 0.33 if they were drawn independently


def test_the_grid_crosses_everything_but_corpora_with_themselves() -> None:
    assert len(list(Grid(CORPORA, ENCODERS).conditions())) == 4 * (3 + 6 + 6 + 6 + 6 * 5 + 3 * 4)


def test_equal_addresses_have_equal_predictions(tmp_path: Path) -> None:
    corpora = {name: CORPORA[name] for name in ("EmoDB", "RAVDESS")}
    grid = Grid(corpora, ONE.encoders, ("none",), ("monolingual", "transfer"), seeds=(1,))
    study = fake_study(tmp_path, grid)
    answers = read_predictions(tmp_path, study)
    mono = next(item for item in answers if item.setting == "monolingual" and item.target == "EmoDB")
    transfer = next(item for item in answers if item.setting == "transfer" and item.target == "EmoDB")
    addresses = [{r.address for r in study.records if r.cell.condition == c} for c in (mono, transfer)]
    assert addresses[0] == addresses[1]
    assert answers[mono].predicted.tolist() == answers[transfer].predicted.tolist()


def test_one_speaker_is_tested_in_every_fold(tmp_path: Path) -> None:
    study = fake_study(tmp_path, ONE, speakers=1, per_class=10)
    (own,) = read_predictions(tmp_path, study).values()
    assert set(own.speaker) == {"EmoDB-00"}
    assert [int((own.fold == fold).sum()) for fold in range(5)] == [24] * 5  # 8 utterances, 3 seeds
