import math
import multiprocessing
from types import SimpleNamespace

import pytest

from sercl.cli import console
from sercl.cli.parser import restrict_imports
from sercl.launchers import process, ranks
from sercl.testing.corpora import fake_corpus
from sercl.testing.encoders import tiny_encoder
from tests.processes import as_forked_rank

# Commands restrict imports for the whole process; the parser tests name modules of their own, one absent.
restrict_imports(["tests", "no"])


@pytest.fixture(scope="session", autouse=True)
def _no_lines_of_progress():
    """Print none, whatever the machine: they come after some time of work."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(console, "EVERY", math.inf)
        yield


@pytest.fixture(scope="session")
def encoder(tmp_path_factory):
    """Folder of a tiny random Whisper encoder with three blocks."""
    return str(tiny_encoder("whisper", tmp_path_factory.mktemp("encoder")))


@pytest.fixture(scope="session")
def emodb(tmp_path_factory):
    """A fake EMO-DB: ten speakers, three clips per speaker and emotion."""
    return str(fake_corpus("EmoDB", tmp_path_factory.mktemp("emodb"), speakers=10, per_emotion=2))


@pytest.fixture(scope="session")
def ravdess(tmp_path_factory):
    """A fake RAVDESS: eight actors."""
    return str(fake_corpus("RAVDESS", tmp_path_factory.mktemp("ravdess"), speakers=8))


@pytest.fixture(scope="session")
def crossed(encoder, emodb, ravdess):
    """What a small study crosses: one encoder, two corpora, two settings."""
    return {
        "encoders": {"tiny": {"encoder": encoder, "whisper_form": "short"}},
        "corpora": {
            "EmoDB": {"class_path": "EmoDB", "init_args": {"root": emodb}},
            "RAVDESS": {"class_path": "RAVDESS", "init_args": {"root": ravdess}},
        },
        "settings": ["monolingual", "zero-shot"],
    }


@pytest.fixture(scope="session")
def fit_words(encoder, emodb, tmp_path_factory):
    """The command line of a small fit, without `--out`; what its file sets may be set again after it."""
    small = tmp_path_factory.mktemp("small") / "small.yaml"
    small.write_text("trainer:\n  max_epochs: 3\n  accelerator: cpu\n")
    return [
        "fit", "--data", "EmoDB", "--data.root", emodb, "--model.encoder", encoder,
        "--model.whisper_form", "short", "-c", str(small),
    ]  # fmt: skip


@pytest.fixture
def _forked_ranks(monkeypatch):
    """Fork the processes of trainings, and of their devices: each would import torch for many seconds."""
    forking = SimpleNamespace(
        get_context=lambda method: multiprocessing.get_context("fork"),
        parent_process=multiprocessing.parent_process,
    )
    monkeypatch.setattr(process, "multiprocessing", forking)
    monkeypatch.setattr(ranks, "_as_rank", as_forked_rank)
