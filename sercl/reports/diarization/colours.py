"""One colour per emotion, the same in timelines of the terminal, of pictures and of pages."""

from collections.abc import Mapping
from types import MappingProxyType

from sercl.corpora.labels import EMOTIONS

COLOURS: Mapping[str, str] = MappingProxyType(
    {
        # Told apart by colour-blind readers, too, as far as the frequent ones go.
        "angry": "#d1432f",
        "happy": "#e0990b",
        "neutral": "#9aa5ae",
        "sad": "#2f6fb5",
        "fearful": "#7a4da0",
        "disgusted": "#5b8c33",
        "surprised": "#12918c",
        "calm": "#6aa5c9",
        "bored": "#8a7a66",
        "excited": "#e8722a",
    }
)
_OTHERS = ("#b0498a", "#4a5a8c", "#a0622d", "#3f7f5f", "#86613f")


def colour(emotion: str) -> str:
    """Return the colour of an emotion or class as "#rrggbb"."""
    if emotion in COLOURS:
        return COLOURS[emotion]
    place = EMOTIONS.index(emotion) if emotion in EMOTIONS else sum(emotion.encode())
    return _OTHERS[place % len(_OTHERS)]
