import pytest

from sercl.audio.preprocess import PreprocessConfig
from sercl.data.datamodules import EmoDB
from sercl.listening.build import BuildOptions, build
from sercl.testing.corpora import fake_corpus

# Tones are no speech to a detector, so nothing is trimmed.
PLAIN = PreprocessConfig(trim="none", loudness="bs1770")


@pytest.fixture(scope="session")
def emodb(tmp_path_factory):
    """A fake EMO-DB of six speakers, whose clips are half a second long."""
    return fake_corpus("EmoDB", tmp_path_factory.mktemp("emodb"), speakers=6, per_emotion=2, seconds=0.5)


@pytest.fixture(scope="session")
def test_folder(emodb, tmp_path_factory):
    """A built test, which tests must not change."""
    folder = tmp_path_factory.mktemp("listening") / "test"
    build(EmoDB(emodb), BuildOptions(per_emotion=4, min_seconds=0.1), PLAIN, folder)
    return folder
