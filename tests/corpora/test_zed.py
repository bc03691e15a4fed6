import json
from pathlib import Path

import pytest

from sercl.corpora.base import Segment
from sercl.corpora.zed import read
from sercl.errors import CorpusError

ANGRY = {"emo": "angry", "start": 0.39, "end": 1.1}


def build(folder: Path, **entries: object) -> Path:
    (folder / "wavs").mkdir()
    for name in entries:
        (folder / "wavs" / f"{name}.wav").touch()
    (folder / "ZED.json").write_text(json.dumps(entries), encoding="utf-8")
    return folder


def entry(name: str, *events: object, **more: object) -> dict[str, object]:
    base = {"wav": f"datafolder/wavs/{name}.wav", "duration": 1.22, "emotion": list(events)}
    return base | {"transcription": "no"} | more


def test_an_entry(tmp_path: Path) -> None:
    (utterance,) = read(build(tmp_path, spk1_1=entry("spk1_1", ANGRY))).utterances
    assert utterance.path == tmp_path / "wavs" / "spk1_1.wav"
    assert utterance.emotion == "angry"
    assert utterance.segments == (Segment(0.39, 1.1, "angry"),)
    assert (utterance.speaker, utterance.split, utterance.language) == ("spk1", "test", "en")
    assert (utterance.text, utterance.extra) == ("no", {"duration": "1.22"})


def test_several_events_are_kept_in_order_and_the_longest_names_the_utterance(tmp_path: Path) -> None:
    sad, calm = {"emo": "sad", "start": 0.0, "end": 0.2}, {"emo": "neutral", "start": 0.2, "end": 0.39}
    (utterance,) = read(build(tmp_path, spk1_1=entry("spk1_1", ANGRY, sad, calm))).utterances
    assert [segment.emotion for segment in utterance.segments] == ["sad", "angry"]
    assert utterance.emotion == "angry"


def test_no_event_is_neutral(tmp_path: Path) -> None:
    (utterance,) = read(build(tmp_path, spk1_1=entry("spk1_1"))).utterances
    assert (utterance.emotion, utterance.segments) == ("neutral", ())


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (entry("b", ANGRY | {"emo": "s"}), "unknown emotion 's'"),
        (entry("b", ANGRY | {"emo": "fear"}), "unknown emotion of ZED 'fearful'"),
        (entry("b", ANGRY | {"end": 0.3}), "0.39 s to 0.3 s is not a valid time span"),
        (entry("b", ANGRY | {"start": "x"}), "could not convert"),
        (entry("b", {"emo": "sad"}), "'start'"),
        (entry("b", "sad"), "bad emotion events"),
        (entry("b", emotion="sad"), "expected a list"),
        ({"duration": 1}, "no path `wav`"),
        ("x", "no path `wav`"),
    ],
)
def test_a_bad_entry_is_a_problem_and_costs_itself(tmp_path: Path, bad: object, reason: str) -> None:
    listing = read(build(tmp_path, a=entry("a", ANGRY), b=bad))
    assert [item.id for item in listing.utterances] == ["a"]
    problem, *unlisted = listing.problems
    assert [item.path.name for item in unlisted] == (["b.wav"] if "no path" in reason else [])
    assert reason in problem.reason
    assert problem.reason.startswith("b: ")


def test_a_root_inside_works(tmp_path: Path) -> None:
    root = build(tmp_path, spk1_1=entry("spk1_1", ANGRY))
    assert read(root / "wavs") == read(root)


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_table_that_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "ZED.json").write_text(content)
    with pytest.raises(CorpusError, match=r"ZED\.json: (.*is not valid JSON|expected a map)"):
        read(tmp_path)


@pytest.mark.parametrize("absolute", [True, False])
def test_audio_outside_of_the_folder_is_not_found(absolute: bool, tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "own.wav").touch()
    folder = build(tmp_path / "corpus", a=entry("a"))
    written = str(tmp_path / "own.wav") if absolute else "../own.wav"
    (folder / "ZED.json").write_text(json.dumps({"a": entry("a") | {"wav": written}}))
    listing = read(folder)
    assert listing.utterances == ()
    assert "missing" in {problem.kind for problem in listing.problems}
