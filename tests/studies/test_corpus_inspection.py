import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sercl.corpora.base import Listing, Problem, Utterance
from sercl.corpora.registry import read_corpus
from sercl.studies.corpus_inspection import Inspection, inspect
from sercl.testing.corpora import fake_corpus

RATE = 8000


def _clip(root: Path, name: str, emotion: str, seconds: float = 0.5, rate: int = RATE) -> Utterance:
    path = root / f"{name}.wav"
    generator = np.random.default_rng(sum(map(ord, name)))
    soundfile.write(path, generator.uniform(-0.5, 0.5, round(seconds * rate)), rate)
    return Utterance(name, path, emotion, "Toy", "de", speaker=name[0], gender="female")


def _inspect(utterances: Sequence[Utterance], problems: Sequence[Problem] = ()) -> Inspection:
    return inspect(Listing(tuple(utterances), tuple(problems)), "Toy")


def test_counts_per_emotion_speaker_language_and_gender(tmp_path: Path) -> None:
    clips = [_clip(tmp_path, "a1", "sad"), _clip(tmp_path, "a2", "angry"), _clip(tmp_path, "b1", "sad")]
    clips[2] = replace(clips[2], speaker=None, language="zh", gender=None)
    found = _inspect(clips)
    assert (found.corpus, found.utterances, found.files) == ("Toy", 3, 3)
    assert list(found.emotions.items()) == [("angry", 1), ("sad", 2)]
    assert found.speakers == {"a": {"angry": 1, "sad": 1}, "unknown": {"sad": 1}}
    assert found.known_speakers == 1
    assert found.languages == {"de": 2, "zh": 1}
    assert found.genders == {"female": {"angry": 1, "sad": 1}, "unknown": {"sad": 1}}


def test_durations_rates_and_channels(tmp_path: Path) -> None:
    clips = [_clip(tmp_path, "a1", "sad", 0.5), _clip(tmp_path, "a2", "sad", 1.5, rate=16000)]
    soundfile.write(tmp_path / "a3.wav", np.full((RATE, 2), 0.1), RATE)
    found = _inspect([*clips, replace(clips[0], id="a3", path=tmp_path / "a3.wav", emotion="angry")])
    assert found.seconds == {"angry": (1.0,), "sad": (0.5, 1.5)}
    assert found.total_seconds == 3.0
    assert found.rates == {RATE: 2, 16000: 1}
    assert found.channels == {1: 2, 2: 1}


def test_segments_of_one_file_are_measured_one_by_one(tmp_path: Path) -> None:
    whole = _clip(tmp_path, "a", "sad", seconds=2)
    parts = [replace(whole, id=str(i), start=0.5 * i, end=0.5 * i + 0.25) for i in range(4)]
    found = _inspect(parts)
    assert (found.utterances, found.files) == (4, 1)
    assert found.seconds["sad"] == (0.25,) * 4


def test_faults_stand_beside_the_problems_of_the_reader(tmp_path: Path) -> None:
    clips = [_clip(tmp_path, name, "sad") for name in ("a1", "a2", "a3", "a4", "a5")]
    clips[0].path.unlink()
    clips[1].path.write_bytes(b"RIFF but no more")
    clips[2].path.write_bytes(b"")
    soundfile.write(clips[3].path, np.zeros(RATE), RATE)
    found = _inspect(clips, [Problem(tmp_path / "labels.txt", "no label", line=3)])
    assert [problem.kind for problem in found.problems] == [
        "label",
        "missing",
        "unreadable",
        "empty",
        "silent",
    ]
    assert found.problem_kinds == dict.fromkeys(["label", "missing", "unreadable", "empty", "silent"], 1)
    assert found.problems[1].path == clips[0].path
    assert len(found.seconds["sad"]) == 2


def test_duplicates_are_found_by_their_samples_and_contradictions_are_reported(tmp_path: Path) -> None:
    clips = [_clip(tmp_path, "a1", "sad"), _clip(tmp_path, "b1", "angry"), _clip(tmp_path, "c1", "happy")]
    samples, _ = soundfile.read(clips[0].path)
    for name, emotion in (("a2", "sad"), ("a3", "angry")):
        # Another container, the same samples.
        soundfile.write(tmp_path / f"{name}.flac", samples, RATE)
        clips.append(replace(clips[0], id=name, path=tmp_path / f"{name}.flac", emotion=emotion))
    (group,) = _inspect(clips).duplicates
    assert group.ids == ("a1", "a2", "a3")
    assert group.contradicts
    (group,) = _inspect(clips[:4]).duplicates
    assert not group.contradicts


def test_what_label_schemes_keep_and_drop(tmp_path: Path) -> None:
    emotions = ("angry", "excited", "fearful", "bored")
    found = _inspect([_clip(tmp_path, f"a{i}", emotion) for i, emotion in enumerate(emotions)])
    four, six, seven = found.coverage
    assert (four.scheme, four.classes) == ("4", {"angry": 1, "happy": 1, "neutral": 0, "sad": 0})
    assert four.dropped == {"fearful": 1, "bored": 1}
    assert (six.classes["fearful"], six.dropped) == (1, {"bored": 1})
    assert list(seven.classes)[-1] == "surprised"


def test_pavoque_s_sentences_give_neutral_away(tmp_path: Path) -> None:
    found = inspect(read_corpus("PAVOQUE", fake_corpus("PAVOQUE", tmp_path, per_emotion=12)), "PAVOQUE")
    assert ("text", "neutral") in {(item.attribute, item.emotion) for item in found.confounds}
    # The style is the label in other words, so it is no news.
    assert "style" not in {item.attribute for item in found.confounds}


def test_an_emotion_recorded_at_another_rate_is_a_confound(tmp_path: Path) -> None:
    clips = [_clip(tmp_path, f"a{i}", "sad") for i in range(12)]
    clips += [_clip(tmp_path, f"b{i}", "angry", rate=16000) for i in range(12)]
    attributes = {item.attribute for item in _inspect([replace(c, speaker="x") for c in clips]).confounds}
    assert attributes == {"sampling rate"}


def test_progress_counts_every_utterance(tmp_path: Path) -> None:
    done: list[int] = []
    clips = tuple(_clip(tmp_path, f"a{i}", "sad") for i in range(5))
    inspect(Listing(clips), "Toy", on_progress=done.append)
    assert sum(done) == 5


def test_plain_data_survives_json(tmp_path: Path) -> None:
    clips = [_clip(tmp_path, "a1", "sad"), _clip(tmp_path, "a2", "angry")]
    clips[1].path.unlink()
    data = json.loads(json.dumps(_inspect(clips).to_dict()))
    assert data["seconds"] == {"sad": {"count": 1, "total": 0.5, "min": 0.5, "median": 0.5, "max": 0.5}}
    assert data["problems"][0]["path"] == str(clips[1].path)
    assert data["coverage"][0]["classes"] == {"angry": 1, "happy": 0, "neutral": 0, "sad": 1}


def test_an_empty_listing_is_no_error() -> None:
    found = _inspect([])
    assert (found.utterances, found.confounds, found.total_seconds) == (0, (), 0)


@pytest.mark.shared
def test_emodb_is_as_published(shared: Path) -> None:
    found = inspect(read_corpus("EmoDB", shared / "data" / "emodb"), "EmoDB")
    assert found.emotions == {"angry": 127, "happy": 71, "neutral": 79, "sad": 62}
    assert (found.known_speakers, found.rates, found.problems, found.duplicates) == (10, {16000: 339}, (), ())
    assert found.confounds == ()
