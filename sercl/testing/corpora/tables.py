"""Fakes of the corpora that have their labels, or part of them, in a table beside the audio."""

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from sercl.testing.corpora.clips import Clips, FakeSize
from sercl.testing.corpora.names import FAKE_NAMES

_ITALIAN = {
    "angry": "anger",
    "disgusted": "disgust",
    "fearful": "fear",
    "happy": "joy",
    "neutral": "neutrality",
    "sad": "sadness",
    "surprised": "surprise",
}
_POLISH = {
    "angry": "anger",
    "fearful": "fear",
    "happy": "happiness",
    "neutral": "neutral",
    "sad": "sadness",
    "surprised": "surprised",
}


def fake_cremad(root: Path, size: FakeSize) -> Path:
    """Write a CREMA-D with `VideoDemographics.csv` and return the corpus folder."""
    names = FAKE_NAMES["CREMAD"]
    names.build(root, size)
    rows = [
        [speaker, str(20 + number), ("Male", "Female")[number % 2], "Caucasian", "Not Hispanic"]
        for number, speaker in enumerate(names.speakers)
    ]
    _write_table(root / "VideoDemographics.csv", ["ActorID", "Age", "Sex", "Race", "Ethnicity"], rows)
    return root


def fake_emozionalmente(root: Path, size: FakeSize) -> Path:
    """Write an Emozionalmente and return the corpus folder."""
    folder, clips, rows = root / "emozionalmente_dataset", Clips(size, 16_000), []
    for speaker in size.choose([f"user{number:03d}" for number in range(1, 432)]):
        for emotion, code in _ITALIAN.items():
            for number in range(size.per_emotion):
                name = f"{speaker}_{code}_{number}.wav"
                clips.write(folder / "audio" / name, emotion)
                rows.append([name, speaker, "Gli operai si alzano presto, dice.", code])
    header = ["file_name", "actor", "sentence", "emotion_expressed"]
    _write_table(folder / "metadata" / "samples.csv", header, rows)
    return folder


def fake_nemo(root: Path, size: FakeSize) -> Path:
    """Write an nEMO, whose speaker ids are padded with spaces, and return the corpus folder."""
    clips, rows = Clips(size, 24_000), []
    for speaker in size.choose(("EB0", "IG0", "KJ0", "KW0", "MP0", "MR0", "PD0", "SK0", "SS0")):
        for emotion, code in _POLISH.items():
            for number in range(1, size.per_emotion + 1):
                name = f"{speaker}_{code}_{number}.wav"
                clips.write(root / "samples" / name, emotion)
                text = "Czy to jest już koniec?"
                rows.append([name, code, text, text.lower(), f" {speaker}  ", "female", "24"])
    header = ["file_id", "emotion", "raw_text", "normalized_text", "speaker_id", "gender", "age"]
    _write_table(root / "data.tsv", header, rows, delimiter="\t")
    return root


def fake_zed(root: Path, size: FakeSize) -> Path:
    """Write a ZED: each speaker has `per_emotion` utterances per class, with one event in the middle."""
    folder, clips, table = root / "ZED", Clips(size, 16_000), {}
    for speaker in size.choose([f"spk{number}" for number in range(1, 74)]):
        emotions = [emotion for emotion in ("angry", "happy", "sad") for _ in range(size.per_emotion)]
        for number, emotion in enumerate(emotions, start=1):
            name = f"{speaker}_{number}"
            clips.write(folder / speaker / f"{name}.wav", emotion)
            table[name] = {
                "wav": f"datafolder/{speaker}/{name}.wav",
                "duration": size.seconds,
                "emotion": [{"emo": emotion, "start": 0.3 * size.seconds, "end": 0.7 * size.seconds}],
                "transcription": "and so I said no",
            }
    (folder / "ZED.json").write_text(json.dumps(table, indent=2), encoding="utf-8")
    return folder


def _write_table(
    path: Path, header: Sequence[str], rows: Iterable[Sequence[str]], delimiter: str = ","
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, delimiter=delimiter).writerows([header, *rows])
