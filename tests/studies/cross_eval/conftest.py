from pathlib import Path

import pytest

from sercl.testing.studies import CORPORA, ENCODERS, Grid, fake_study


@pytest.fixture(scope="session")
def grid() -> Grid:
    """Two corpora, one encoder, two adapters, and every setting; 2 folds and 2 seeds."""
    corpora = {name: CORPORA[name] for name in ("EmoDB", "RAVDESS")}
    encoders = {"whisper-base": ENCODERS["whisper-base"]}
    return Grid(corpora, encoders, adaptations=("none", "speaker"), shots=(0, 4), folds=2, seeds=(1, 2))


@pytest.fixture(scope="session")
def folder(grid: Grid, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small study that was done to its end."""
    own_folder = tmp_path_factory.mktemp("study")
    fake_study(own_folder, grid, speakers=6)
    return own_folder
