import pytest

from sercl.data.datamodules import RAVDESS
from sercl.errors import UnknownNameError
from sercl.testing.corpora import fake_corpus


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Speech of two actors, and a song."""
    folder = fake_corpus(
        "RAVDESS", tmp_path_factory.mktemp("ravdess"), speakers=2, per_emotion=1, seconds=0.1
    )
    spoken = min(folder.rglob("03-01-*.wav"))
    spoken.with_name(spoken.name.replace("03-01-", "03-02-", 1)).write_bytes(spoken.read_bytes())
    return folder


@pytest.mark.parametrize(("channel", "songs", "others"), [("speech", 0, 16), ("song", 1, 0), ("all", 1, 16)])
def test_a_channel_is_chosen_by_name(root, channel, songs, others):
    names = [utterance.path.name for utterance in RAVDESS(root, channel=channel).read().utterances]
    assert sum(name.startswith("03-02") for name in names) == songs
    assert len(names) == songs + others


def test_speech_is_what_is_read_by_default(root):
    assert RAVDESS(root).channel == "speech"


def test_another_channel_is_refused_before_the_folder_is_read(tmp_path):
    with pytest.raises(UnknownNameError, match="Valid: speech, song, all"):
        RAVDESS(tmp_path / "nowhere", channel="video")
