"""RAVDESS: 24 North American actors, two statements, speech and song."""

from pathlib import Path

from sercl.corpora.base import CorpusInfo, Listing, Problem, Utterance
from sercl.corpora.patterned import Pattern, read_pattern
from sercl.errors import CorpusNotFoundError, UnknownNameError

CHANNELS = ("speech", "song")

INFO = CorpusInfo(
    name="RAVDESS",
    title="Ryerson Audio-Visual Database of Emotional Speech and Song",
    languages=("en",),
    speakers=24,
    emotions=("angry", "calm", "disgusted", "fearful", "happy", "neutral", "sad", "surprised"),
    license="CC BY-NC-SA 4.0",
    access="free download",
    layout="Actor_01/03-01-05-01-01-01-01.wav",
    notes=(
        "two sentences only, so a model can memorise them",
        "half as many neutral utterances as others: neutral has no strong intensity",
    ),
)

_PATTERN = Pattern(
    info=INFO,
    regex=r"/(?P<modality>\d\d)-(?P<channel>\d\d)-(?P<emotion>\d\d)-(?P<intensity>\d\d)"
    r"-(?P<sentence>\d\d)-(?P<repetition>\d\d)-(?P<speaker>\d\d)\.wav$",
    emotions={
        "01": "neutral",
        "02": "calm",
        "03": "happy",
        "04": "sad",
        "05": "angry",
        "06": "fearful",
        "07": "disgusted",
        "08": "surprised",
    },
    genders={f"{actor:02d}": "male" if actor % 2 else "female" for actor in range(1, 25)},
    values={
        "modality": {"01": "audio-video", "02": "video", "03": "audio"},
        "channel": {"01": "speech", "02": "song"},
        "intensity": {"01": "normal", "02": "strong"},
    },
    texts={"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"},
)


def read(root: Path, channel: str | None = "speech") -> Listing:
    """List RAVDESS.

    Sound tracks of the videos (modality 01) repeat the audio-only files (03): they are left out, and so are
    files of another channel; each is a problem of the kind "excluded".

    Args:
        root: Folder that holds `Actor_01` and so on.
        channel: "speech", "song", or None for both.

    Raises:
        CorpusNotFoundError: If no file below `root` has a RAVDESS name, or none is of that channel.
        UnknownNameError: For another channel.
    """
    if channel is not None and channel not in CHANNELS:
        raise UnknownNameError("channel", channel, CHANNELS, "Or none, for both.")
    listing = read_pattern(_PATTERN, root)
    reasons = [_why_not(item, channel) for item in listing.utterances]
    pairs = list(zip(listing.utterances, reasons, strict=True))
    kept = tuple(item for item, reason in pairs if reason is None)
    if not kept:
        raise CorpusNotFoundError(f"RAVDESS: {root}: no audio-only {channel or 'speech or song'} file.")
    left = [Problem(item.path, reason, kind="excluded") for item, reason in pairs if reason is not None]
    return Listing(kept, (*listing.problems, *left))


def _why_not(utterance: Utterance, channel: str | None) -> str | None:
    if utterance.extra["modality"] != "audio":
        return "the sound track of a video; only audio-only files (03-...) are read"
    if channel not in (None, utterance.extra["channel"]):
        return f"{utterance.extra['channel']}, and the option `channel` is {channel!r}"
    return None
