import pytest
import torch

from sercl.batch import AudioBatch
from sercl.tasks.classification import EmotionClassifier
from sercl.testing.encoders import tiny_encoder


@pytest.fixture(scope="session")
def whisper(tmp_path_factory):
    """Folder of a tiny random Whisper encoder with three blocks."""
    return str(tiny_encoder("whisper", tmp_path_factory.mktemp("whisper")))


@pytest.fixture
def build(whisper):
    """Build a classifier on the tiny Whisper encoder, cheap in its short form."""

    def build(**options):
        torch.manual_seed(0)
        return EmotionClassifier(**{"encoder": whisper, "whisper_form": "short", **options})

    return build


@pytest.fixture
def batch():
    """Three clips of different lengths."""
    generator = torch.Generator().manual_seed(1)
    clips = [0.1 * torch.randn(n, generator=generator) for n in (4000, 6400, 8000)]
    return AudioBatch.from_clips(clips, labels=[0, 2, 3], ids=["a", "b", "c"])


@pytest.fixture
def fit_standardizer():
    """Fit a classifier's standardiser on batches, as `on_fit_start` does on the training set."""

    def fit(task, *batches):
        task.fit_standardizer(task.readout.standardizer, batches)
        return task.eval()

    return fit


@pytest.fixture
def batches():
    """Two batches of six clips of different lengths."""
    generator = torch.Generator().manual_seed(1)

    def batch(name):
        clips = [0.1 * torch.randn(n, generator=generator) for n in (4000, 8000, 5000, 6400, 7000, 4400)]
        return AudioBatch.from_clips(clips, [0, 2, 3, 0, 1, 0], [f"{name}{number}" for number in range(6)])

    return [batch("a"), batch("b")]
