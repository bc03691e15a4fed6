from pathlib import Path

import pytest

from sercl.studies.cross_eval.analysis import Analysis, analyse
from sercl.testing.studies import CORPORA, ENCODERS, Grid, fake_study


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
