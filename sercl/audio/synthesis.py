"""A corpus of SYNTHETIC emotional speech in Mandarin, German and English, for the demo and for tests.

There are no human speakers and no feelings: espeak-ng, a formant synthesiser, reads everyday sentences, and
an emotion is a shift of tempo, pitch, pitch range, loudness and spectral tilt (`sercl.audio.prosody`), with
random variation between speakers, between utterances and in strength. The corpus shows that a pipeline works
from wav files to results, and that a model learns. Scores on it say nothing about human speech: never report
them as emotion recognition.

All random numbers depend on the seed and the names of the clips: the same call writes the same bytes.
"""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
import soundfile
from scipy.signal import resample_poly

from sercl.audio.espeak import Synthesizer
from sercl.audio.files import Samples
from sercl.audio.prosody import BETWEEN_SPEAKERS, EMOTION_PROSODY, Prosody, color, draw, express
from sercl.errors import UnknownNameError, UsageError
from sercl.files import atomic_path, open_text

SENTENCES: Mapping[str, tuple[str, ...]] = {
    "zh": (
        "火车十点到北京。",
        "书放在窗户旁边的桌子上。",
        "他们明天去看望奶奶。",
        "商店下午六点关门。",
        "我把钥匙放在门口了。",
        "这条路一直通到河边。",
        "她今天穿了一件蓝色的外套。",
        "厨房里还有两个苹果。",
        "会议改到星期三上午了。",
        "邻居家的狗在院子里。",
    ),
    "de": (
        "Der Zug kommt um zehn Uhr in Berlin an.",
        "Das Buch liegt auf dem Tisch am Fenster.",
        "Morgen besuchen sie ihre Großmutter.",
        "Der Laden schließt um sechs Uhr abends.",
        "Ich habe den Schlüssel neben die Tür gelegt.",
        "Dieser Weg führt bis hinunter zum Fluss.",
        "Sie trägt heute einen blauen Mantel.",
        "In der Küche sind noch zwei Äpfel.",
        "Die Sitzung ist auf Mittwoch verlegt.",
        "Der Hund der Nachbarn ist im Hof.",
    ),
    "en": (
        "The train arrives in London at ten.",
        "The book is on the table by the window.",
        "They will visit their grandmother tomorrow.",
        "The shop closes at six in the evening.",
        "I have put the key next to the door.",
        "This road leads down to the river.",
        "She is wearing a blue coat today.",
        "There are two more apples in the kitchen.",
        "The meeting has been moved to Wednesday.",
        "The neighbours' dog is in the yard.",
    ),
}
"""ISO 639-1 code -> sentences."""


SYNTHESIZER = "espeak-ng"
"""The synthesiser named in the manifests, so that every result says that the speech is synthetic."""

RATE = 16_000
"""Sampling rate of the corpus, Hz."""

VOICES = {"zh": "cmn", "de": "de", "en": "en-us"}
"""ISO 639-1 code -> espeak-ng's name of the language."""

COLUMNS = ("id", "path", "emotion", "speaker", "gender", "language", "text", "synthetic")
"""Columns of the manifests."""

# Female and male in turn. None of them breathes: espeak-ng's breath uses the C library's random numbers,
# which other code of the process uses, too.
_VARIANTS = ("f1", "m3", "f4", "m1", "steph", "m7", "linda", "m4", "belinda", "m2", "Andrea", "m6")
_GENDERS = ("female", "male")
_GAIN_DB = (-4.0, 4.0)
_NOISE_DBFS = (-75.0, -55.0)


@dataclass(frozen=True)
class DemoSpeaker:
    """A voice with habits.

    Attributes:
        id: Unique in the corpus: "zh-01".
        language: A key of `VOICES`.
        gender: "female" or "male".
        voice: espeak-ng's name of the voice.
        habits: How the speaker differs from the plain voice in every utterance.
    """

    id: str
    language: str
    gender: str
    voice: str
    habits: Prosody


@dataclass(frozen=True)
class DemoUtterance:
    """One row of a manifest; `path` is relative to it."""

    id: str
    path: str
    emotion: str
    speaker: str
    gender: str
    language: str
    text: str
    synthetic: str = SYNTHESIZER


def build_demo_corpus(
    root: Path | str,
    *,
    languages: Sequence[str] = tuple(VOICES),
    speakers: int = 6,
    sentences: int = 10,
    seed: int = 0,
    on_progress: Callable[[int], None] | None = None,
) -> Path:
    """Write synthetic emotional speech: every speaker says every sentence once in every emotion.

    The clips are `root/<language>/<speaker>/<id>.wav` (16 kHz, 16 bit, mono), listed in one manifest for each
    language, `root/<language>.csv`, which is written last.

    Args:
        root: Folder; created if missing. Existing files are replaced.
        languages: Of "zh", "de" and "en".
        speakers: Per language, 1..12, female and male in turn.
        sentences: Per speaker and emotion, 1..10.
        seed: Seed of all random numbers.
        on_progress: Called with the number of clips written since the last call.

    Returns:
        The folder.

    Raises:
        MissingExtraError: The package espeakng-loader is not installed.
        UnknownNameError: A language that is not supported.
        UsageError: Too many or too few speakers or sentences.
        OutputError: The folder cannot be written.
    """
    _check(languages, speakers, sentences)
    for language in languages:
        rows: list[DemoUtterance] = []
        for speaker in _speakers(language, speakers, seed):
            rows += _record(Path(root), speaker, sentences, seed)
            if on_progress is not None:
                on_progress(sentences * len(EMOTION_PROSODY))
        _write_manifest(Path(root) / f"{language}.csv", rows)
    return Path(root)


def render(
    synthesizer: Synthesizer, text: str, emotion: str, habits: Prosody, generator: np.random.Generator
) -> Samples:
    """Synthesise a text with an emotion, with random gain and noise as in a recording.

    Args:
        synthesizer: The voice.
        text: In the voice's language.
        emotion: A key of `EMOTION_PROSODY`.
        habits: The speaker's.
        generator: Random generator of all variation.

    Returns:
        Samples `[n]`, float32 in -1..1, at `RATE`.
    """
    prosody = express(emotion, habits, generator)
    spoken = synthesizer.speak(
        text, tempo=np.exp(prosody.tempo), semitones=prosody.semitones, span=np.exp(prosody.span)
    )
    clean = color(resample_poly(spoken, RATE, synthesizer.rate), RATE, prosody)
    noise = generator.standard_normal(len(clean)) * 10 ** (generator.uniform(*_NOISE_DBFS) / 20)
    gain = 10 ** (generator.uniform(*_GAIN_DB) / 20)
    return np.asarray(np.clip((clean + noise) * gain, -1, 1), dtype=np.float32)


def _check(languages: Sequence[str], speakers: int, sentences: int) -> None:
    for language in languages:
        if language not in VOICES:
            raise UnknownNameError("demo language", language, VOICES)
    if not 1 <= speakers <= len(_VARIANTS):
        raise UsageError(f"speakers must be within 1..{len(_VARIANTS)} per language, not {speakers}")
    most = len(SENTENCES["en"])
    if not 1 <= sentences <= most:
        raise UsageError(f"sentences must be within 1..{most} per speaker and emotion, not {sentences}")


def _speakers(language: str, count: int, seed: int) -> Iterator[DemoSpeaker]:
    for index, variant in enumerate(_VARIANTS[:count]):
        name = f"{language}-{index + 1:02d}"
        habits = draw(BETWEEN_SPEAKERS, _generator(seed, name))
        voice = f"{VOICES[language]}+{variant}"
        yield DemoSpeaker(name, language, _GENDERS[index % len(_GENDERS)], voice, habits)


def _record(root: Path, speaker: DemoSpeaker, sentences: int, seed: int) -> Iterator[DemoUtterance]:
    """Write the clips of a speaker, and report each."""
    synthesizer = Synthesizer(speaker.voice)
    for number, text in enumerate(SENTENCES[speaker.language][:sentences], start=1):
        for emotion in EMOTION_PROSODY:
            name = f"{speaker.id}-{number:02d}-{emotion}"
            path = f"{speaker.language}/{speaker.id}/{name}.wav"
            samples = render(synthesizer, text, emotion, speaker.habits, _generator(seed, name))
            with atomic_path(root / path, sync=False) as temporary:
                soundfile.write(temporary, samples, RATE, subtype="PCM_16")
            yield DemoUtterance(name, path, emotion, speaker.id, speaker.gender, speaker.language, text)


def _write_manifest(path: Path, rows: Sequence[DemoUtterance]) -> None:
    with open_text(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([getattr(row, column) for column in COLUMNS] for row in rows)


def _generator(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng([seed, crc32(name.encode())])
