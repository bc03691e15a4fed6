"""A manifest of an invented corpus in two dialects, with everything that utterances can be selected by."""

from itertools import product
from pathlib import Path

from sercl.corpora.base import Utterance
from sercl.corpora.manifest import write_manifest
from sercl.testing.corpora.clips import Clips, FakeSize

_EMOTIONS = ("angry", "happy", "neutral", "sad")
_ROOMS = ("studio", "office")


def fake_dialects(root: Path, speakers: int = 10, takes: int = 2, seconds: float = 0.3) -> Path:
    """Write German speech, of which the last 40 % of the speakers speak Bavarian, and its manifest.

    Speakers are "00", "01", ..., female and male in turn; the takes of each are from the rooms "studio" and
    "office" in turn (the extra column `room`).

    Args:
        root: Where to write it.
        speakers: How many speakers.
        takes: Utterances per speaker and emotion.
        seconds: Length of an utterance.

    Returns:
        The manifest, in a file "german.csv".
    """
    clips = Clips(FakeSize(seconds=seconds), 16_000)
    utterances = []
    for speaker, emotion, take in product(range(speakers), _EMOTIONS, range(takes)):
        path = root / f"{speaker:02d}_{emotion}_{take}.wav"
        clips.write(path, emotion)
        utterances.append(
            Utterance(
                id=path.stem,
                path=path,
                emotion=emotion,
                corpus="german",
                language="de",
                speaker=f"{speaker:02d}",
                gender=("female", "male")[speaker % 2],
                dialect="bavarian" if speaker >= speakers * 6 // 10 else None,
                session=f"day {speaker // 5 + 1}",
                extra={"room": _ROOMS[take % len(_ROOMS)]},
            )
        )
    write_manifest(utterances, root / "german.csv")
    return root / "german.csv"
