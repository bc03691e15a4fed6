from pathlib import Path

import pytest

from sercl.studies.cross_eval.analysis.analysis import Analysis, analyse
from sercl.studies.cross_eval.cells import Condition
from sercl.testing.studies import CORPORA, ENCODERS, Grid, fake_study, typical_confusion


@pytest.fixture(scope="session")
def wide_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study at full width: 3 corpora, 2 encoders, 2 adapters, 5 settings, 5 folds, 3 seeds.

    One cell has failed.
    """
    grid = Grid(CORPORA, ENCODERS, adaptations=("none", "coral"), shots=(1, 4, 16))
    folder = tmp_path_factory.mktemp("wide") / "study"
    fake_study(folder, grid, failed=1, per_class=2)
    return folder


@pytest.fixture(scope="session")
def wide(wide_folder: Path) -> Analysis:
    """The analysis of `wide_folder`."""
    return analyse(wide_folder)


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    """One corpus, one encoder, one setting: as little as a study can be."""
    grid = Grid({"EmoDB": CORPORA["EmoDB"]}, {"w": ENCODERS["whisper-base"]}, ("none",), ("monolingual",))
    folder = tmp_path_factory.mktemp("bare")
    fake_study(folder, grid)
    return analyse(folder)


@pytest.fixture(scope="session")
def unfinished(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    """A study of which no cell is done."""
    folder = tmp_path_factory.mktemp("unfinished")
    fake_study(folder, Grid(CORPORA, ENCODERS, ("none",), ("zero-shot",)), missing=10_000)
    return analyse(folder)


@pytest.fixture(scope="session")
def united_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of three corpora that trains on each and on both others together."""
    settings, encoders = ("monolingual", "zero-shot", "two-stage"), {"w": ENCODERS["whisper-base"]}
    grid = Grid(CORPORA, encoders, ("none",), settings, folds=2, seeds=(1,), unions=(2,))
    folder = tmp_path_factory.mktemp("united")
    fake_study(folder, grid)
    return folder


@pytest.fixture(scope="session")
def united(united_folder: Path) -> Analysis:
    """The analysis of `united_folder`."""
    return analyse(united_folder)


def always_sad(condition: Condition) -> list[list[float]]:
    """Zero-shot onto RAVDESS, everything is called sad; all else is typical."""
    is_guess = condition.setting == "zero-shot" and condition.target == "RAVDESS"
    return [[0.0, 0.0, 0.0, 1.0]] * 4 if is_guess else typical_confusion(condition)


@pytest.fixture(scope="session")
def guessing(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    """A study in which the two of six zero-shot conditions that test RAVDESS predict one class only."""
    encoders = {"whisper-base": ENCODERS["whisper-base"]}
    folder = tmp_path_factory.mktemp("guessing")
    fake_study(folder, Grid(CORPORA, encoders, ("none",), ("monolingual", "zero-shot")), confusion=always_sad)
    return analyse(folder)
