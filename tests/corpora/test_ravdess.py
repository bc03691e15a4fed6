from collections import Counter
from pathlib import Path

import pytest
import soundfile

from sercl.corpora.ravdess import read
from sercl.errors import CorpusNotFoundError, UnknownNameError
from sercl.testing.corpora import fake_corpus


def build(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / f"{name}.wav").touch()
    return folder


def test_a_name_is_read_in_full(tmp_path: Path) -> None:
    (utterance,) = read(build(tmp_path, "03-01-06-02-02-01-12")).utterances
    assert (utterance.emotion, utterance.speaker, utterance.gender) == ("fearful", "12", "female")
    assert utterance.text == "Dogs are sitting by the door"
    assert utterance.extra == {
        "modality": "audio",
        "channel": "speech",
        "intensity": "strong",
        "sentence": "02",
        "repetition": "01",
    }


def test_channels(tmp_path: Path) -> None:
    root = build(tmp_path, "03-01-03-01-01-01-01", "03-02-03-01-01-01-01")
    assert [item.id for item in read(root).utterances] == ["03-01-03-01-01-01-01"]
    assert [item.id for item in read(root, channel="song").utterances] == ["03-02-03-01-01-01-01"]
    assert len(read(root, channel=None).utterances) == 2
    with pytest.raises(UnknownNameError, match=r"unknown channel 'sing'\. Did you mean 'song'"):
        read(root, channel="sing")


def test_sound_tracks_of_the_videos_are_left_out(tmp_path: Path) -> None:
    root = build(tmp_path, "03-01-03-01-01-01-01", "01-01-03-01-01-01-01", "02-01-03-01-01-01-01")
    assert [item.id for item in read(root).utterances] == ["03-01-03-01-01-01-01"]


def test_nothing_of_the_channel_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CorpusNotFoundError, match="no audio-only song file"):
        read(build(tmp_path, "03-01-03-01-01-01-01"), channel="song")


def test_an_unknown_code_is_a_problem(tmp_path: Path) -> None:
    listing = read(build(tmp_path, "03-01-03-01-01-01-01", "03-01-09-01-01-01-01"))
    (problem,) = listing.problems
    assert (problem.kind, "unknown emotion '09'" in problem.reason) == ("label", True)


def test_a_nested_copy_counts_once_and_is_reported(tmp_path: Path) -> None:
    build(tmp_path, "03-01-03-01-01-01-01")
    (tmp_path / "audio_speech_actors_01-24").mkdir()
    build(tmp_path / "audio_speech_actors_01-24", "03-01-03-01-01-01-01")
    listing = read(tmp_path)
    assert [item.path.parent for item in listing.utterances] == [tmp_path]
    assert [item.kind for item in listing.problems] == ["duplicate"]


def test_the_fake_has_stereo_files(tmp_path: Path) -> None:
    root = fake_corpus("RAVDESS", tmp_path, speakers=1, seconds=0.02)
    channels = Counter(soundfile.info(item.path).channels for item in read(root).utterances)
    assert channels == {1: 15, 2: 1}


@pytest.mark.shared
def test_the_real_recordings(shared: Path) -> None:
    listing = read(shared / "data" / "ravdess")
    assert listing.problems == ()
    assert Counter(item.emotion for item in listing.utterances) == {
        "angry": 24,
        "happy": 24,
        "neutral": 24,
        "sad": 24,
    }
    assert {item.speaker for item in listing.utterances} == {f"{actor:02d}" for actor in range(1, 13)}
