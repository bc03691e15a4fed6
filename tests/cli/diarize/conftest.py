import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sercl.cli.main import main
from sercl.testing.corpora import fake_corpus


@pytest.fixture(scope="session")
def diarize_words(encoder, emodb, tmp_path_factory):
    """The command line of a small `diarize fit`, without `--out`; its tones are no speech to a detector.

    What its file sets may be set again after it.
    """
    small = tmp_path_factory.mktemp("small") / "small.yaml"
    small.write_text("trainer:\n  max_epochs: 2\n  accelerator: cpu\n")
    return [
        "diarize", "fit", "--data", "EmoDB", "--data.root", emodb, "--data.clips.voice", "none",
        "--data.clips.min_piece", "0.05", "--model.encoder", encoder, "--model.whisper_form", "short",
        "-c", str(small),
    ]  # fmt: skip


@pytest.fixture(scope="session")
def diarizer(diarize_words, tmp_path_factory):
    """Folder of a run of `sercl diarize fit`; tests that change its checkpoint must copy it."""
    folder = tmp_path_factory.mktemp("diarizer") / "run"
    assert main([*diarize_words, "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def classifier(fit_words, tmp_path_factory):
    """Folder of a run of `sercl fit` on the same folds."""
    folder = tmp_path_factory.mktemp("classifier") / "run"
    assert main([*fit_words, "--trainer.max_epochs", "1", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def folds(diarizer, classifier, diarize_words, fit_words, tmp_path_factory):
    """Folders `diarizer` and `classifier` with `fold0` to `fold2`; tests that change them must copy them."""
    root = tmp_path_factory.mktemp("folds")
    for name, first, words in (
        ("diarizer", diarizer, diarize_words),
        ("classifier", classifier, fit_words),
    ):
        shutil.copytree(first, root / name / "fold0")
        for index in (1, 2):
            more = ["--data.folds.index", str(index), "--trainer.max_epochs", "1"]
            assert main([*words, *more, "--out", str(root / name / f"fold{index}")]) == 0
    return root


@pytest.fixture(scope="session")
def zed(tmp_path_factory):
    """Root of a fake ZED in its true layout: six speakers, an event of each emotion."""
    return fake_corpus("ZED", tmp_path_factory.mktemp("zed"), speakers=6, per_emotion=1)


@pytest.fixture
def wav(tmp_path):
    """Write noise to a file below `tmp_path`."""

    def write(name: str, seconds: float = 1.0, rate: int = 16_000, channels: int = 1) -> Path:
        rng = np.random.default_rng(len(name))
        soundfile.write(tmp_path / name, 0.1 * rng.standard_normal((round(seconds * rate), channels)), rate)
        return tmp_path / name

    return write
