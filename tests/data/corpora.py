"""Small corpora of real audio files, as manifests and in the layout of EMO-DB."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

EMOTIONS = ("angry", "happy", "neutral", "sad")
EMODB_LETTERS = {"angry": "W", "happy": "F", "neutral": "N", "sad": "T", "bored": "L"}
EMODB_SPEAKERS = ("03", "08", "09", "10", "11")


def tone(seconds: float = 0.3, rate: int = 16_000, hz: float = 200.0) -> np.ndarray:
    """Return a sine `[n]`."""
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def write_emodb(root: Path, speakers: Sequence[str] = EMODB_SPEAKERS, emotions=EMOTIONS, texts=2) -> Path:
    """Write one tone per speaker, emotion and text, each of another pitch and duration."""
    (root / "wav").mkdir(parents=True)
    number = 0
    for speaker in speakers:
        for emotion in emotions:
            for text in range(texts):
                number += 1
                path = root / "wav" / f"{speaker}a0{text + 1}{EMODB_LETTERS[emotion]}a.wav"
                soundfile.write(path, tone(0.15 + number % 7 / 20, hz=100 + 7 * number), 16_000)
    return root


def write_manifest(
    root: Path, speakers: int = 5, per_emotion: int = 2, prefix: str = "", lowest: float = 150.0
) -> Path:
    """Write tones, from `lowest` Hz on, and their manifest; ids, speakers and files begin with `prefix`."""
    root.mkdir(parents=True, exist_ok=True)
    rows = []
    for speaker in range(speakers):
        for emotion in EMOTIONS:
            for take in range(per_emotion):
                path = root / f"{prefix}{speaker}_{emotion}_{take}.wav"
                soundfile.write(path, tone(0.2, hz=lowest + 31 * len(rows)), 16_000)
                rows.append((path.name, emotion, f"{prefix}{speaker}"))
    return write_rows(root / "list.csv", rows)


def write_rows(path: Path, rows: Sequence[Sequence[object]], columns=("path", "emotion", "speaker")) -> Path:
    """Write a manifest."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
    return path
