"""Fake corpora in the layout of the real ones, built when a test needs them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import soundfile

from sercl.corpora.registry import get_corpus
from sercl.errors import UsageError
from sercl.testing.corpora.clips import Clips, FakeSize, tone
from sercl.testing.corpora.dialects import fake_dialects
from sercl.testing.corpora.esd import fake_esd
from sercl.testing.corpora.iemocap import fake_iemocap
from sercl.testing.corpora.names import FAKE_NAMES
from sercl.testing.corpora.pavoque import fake_pavoque
from sercl.testing.corpora.tables import fake_cremad, fake_emozionalmente, fake_nemo, fake_zed

__all__ = ["FakeSize", "fake_corpus", "fake_dialects", "fake_esd", "fake_iemocap", "fake_pavoque", "tone"]


def fake_corpus(
    name: str,
    root: Path,
    *,
    speakers: int | Sequence[str] | None = None,
    per_emotion: int = 2,
    seconds: float = 0.3,
    same_audio: bool = False,
) -> Path:
    """Build a small corpus in its true layout, with tones whose pitch and level depend on the emotion.

    Args:
        name: A registered corpus.
        root: Where to write it.
        speakers: How many speakers, or their codes; None takes up to four.
        per_emotion: Utterances per speaker and emotion. ZED: per speaker and kind of event. IEMOCAP: for
            each of the four classes, and one of each other label.
        seconds: Length of an utterance.
        same_audio: Whether utterances of one emotion share their audio, through hard links where the file
            system has them: for fakes of thousands of files.

    Returns:
        The corpus folder, to be given to its reader.

    Raises:
        UnknownNameError: For a corpus that is not registered.
        UsageError: For more speakers or utterances than the corpus has, or a corpus of another package.
    """
    known = get_corpus(name).info.name
    if known not in {*_BUILDERS, *FAKE_NAMES}:
        raise UsageError(f"fakes are built of sercl's own corpora only, not of {known!r}.")
    size = FakeSize(speakers, per_emotion, seconds, same_audio)
    build = _BUILDERS.get(known) or FAKE_NAMES[known].build
    return build(root, size)


def _fake_ravdess(root: Path, size: FakeSize) -> Path:
    """Write a RAVDESS; as in the real one, a few files are stereo: here the first of each actor."""
    FAKE_NAMES["RAVDESS"].build(root, size)
    for actor in sorted(root.iterdir()):
        first = min(actor.glob("*.wav"))
        rate = soundfile.info(first).samplerate
        first.unlink()
        Clips(size, rate).write(first, "neutral", channels=2)
    return root


_BUILDERS: Mapping[str, Callable[[Path, FakeSize], Path]] = {
    "CREMAD": fake_cremad,
    "ESD": fake_esd,
    "Emozionalmente": fake_emozionalmente,
    "IEMOCAP": fake_iemocap,
    "PAVOQUE": fake_pavoque,
    "RAVDESS": _fake_ravdess,
    "ZED": fake_zed,
    "nEMO": fake_nemo,
}
