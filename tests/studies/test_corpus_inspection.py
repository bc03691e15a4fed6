import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score
from sklearn.metrics.cluster import contingency_matrix, expected_mutual_information

from sercl.corpora.base import Listing, Problem, Utterance
from sercl.corpora.registry import read_corpus
from sercl.studies.corpus_inspection import (
    MIN_SCORE,
    Confound,
    Inspection,
    find_confounds,
    inspect,
    score_attribute,
)
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
    assert data["coverage"][0]["classes"] == {"angry": 0, "happy": 0, "neutral": 0, "sad": 1}


def test_an_empty_listing_is_no_error() -> None:
    found = _inspect([])
    assert (found.utterances, found.confounds, found.total_seconds) == (0, (), 0)


@pytest.mark.shared
def test_emodb_is_as_published(shared: Path) -> None:
    found = inspect(read_corpus("EmoDB", shared / "data" / "emodb"), "EmoDB")
    assert found.emotions == {"angry": 127, "happy": 71, "neutral": 79, "sad": 62}
    assert (found.known_speakers, found.rates, found.problems, found.duplicates) == (10, {16000: 339}, (), ())
    assert found.confounds == ()


def _scores(emotions: list[str], values: list[str | None]) -> dict[str, Confound]:
    return {item.emotion: item for item in score_attribute("text", emotions, values)}


@pytest.mark.parametrize("seed", range(3))
def test_the_score_is_adjusted_mutual_information(seed: int) -> None:
    generator = np.random.default_rng(seed)
    speakers = generator.integers(0, 8, 400)
    emotions = np.where(generator.random(400) < 0.5, speakers % 3, generator.integers(0, 3, 400))
    ours = _scores([f"e{code}" for code in emotions], [str(code) for code in speakers])
    for code in range(3):
        one = emotions == code
        expected = expected_mutual_information(contingency_matrix(speakers, one, sparse=True), 400)
        reference = (mutual_info_score(speakers, one) - expected) / (mutual_info_score(one, one) - expected)
        assert ours[f"e{code}"].score == pytest.approx(reference, abs=0.01)


def test_sentences_of_its_own_give_neutral_away_and_nothing_else() -> None:
    # PAVOQUE: four styles speak the same sentences, neutral speaks others.
    styles = ["angry", "happy", "sad", "poker"]
    emotions = [style for style in styles for _ in range(50)] + ["neutral"] * 200
    texts: list[str | None] = [f"shared {i}" for _ in styles for i in range(50)]
    texts += [f"own {i}" for i in range(200)]
    found = find_confounds(emotions, {"text": texts})
    assert [(item.attribute, item.emotion) for item in found] == [("text", "neutral")]
    assert found[0].score == pytest.approx(1)
    assert (found[0].exclusive, found[0].utterances) == (1, 200)


def test_sentences_that_occur_once_are_no_evidence() -> None:
    emotions = ["angry", "sad"] * 50
    assert find_confounds(emotions, {"text": [f"sentence {i}" for i in range(100)]}) == ()


def test_a_speaker_who_has_one_emotion_only_is_found() -> None:
    emotions = ["angry"] * 40 + ["sad"] * 40
    speakers: list[str | None] = ["a", "b"] * 20 + ["c", "d"] * 20
    assert {item.emotion for item in find_confounds(emotions, {"speaker": speakers})} == {"angry", "sad"}


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_independent_attributes_are_not_reported(seed: int) -> None:
    generator = np.random.default_rng(seed)
    emotions = [str(code) for code in generator.integers(0, 4, 300)]
    values: list[str | None] = [str(code) for code in generator.integers(0, 10, 300)]
    assert all(abs(item.score) < MIN_SCORE for item in score_attribute("x", emotions, values))


def test_utterances_of_unknown_value_are_left_out() -> None:
    emotions = ["angry"] * 30 + ["sad"] * 30
    values = ["a", "b", None] * 20
    assert _scores(emotions, values)["angry"].utterances == 20


@pytest.mark.parametrize("values", [["a"] * 4, [None] * 4, ["a", "b", None, None]])
def test_one_value_or_one_emotion_says_nothing(values: list[str | None]) -> None:
    assert score_attribute("x", ["angry", "angry", "sad", "sad"], values) == []


def test_what_keeps_it_from_training_is_said(tmp_path: Path) -> None:
    clips = [_clip(tmp_path, "a1", "sad"), replace(_clip(tmp_path, "a2", "angry"), speaker=None)]
    refused = _inspect(clips).refused
    assert refused is not None
    assert "1 of 2 utterances have no speaker" in refused
    assert "one speaker only" in str(_inspect(clips[:1]).refused)
    two = [clips[0], replace(clips[1], corpus="Other")]
    assert _inspect(two).refused is None, "folds of several corpora are cut one by one"
    four = ("angry", "happy", "neutral", "sad")
    assert _inspect([_clip(tmp_path, f"{s}{e}", e) for s in "abcde" for e in four]).refused is None


def test_utterances_whose_audio_is_unusable_are_not_kept(tmp_path: Path) -> None:
    clips = [_clip(tmp_path, "a1", "sad"), _clip(tmp_path, "a2", "sad")]
    clips[1].path.write_bytes(b"")
    coverage = _inspect(clips).coverage[0]
    assert coverage.classes["sad"] == 1
    assert coverage.unusable == 1
