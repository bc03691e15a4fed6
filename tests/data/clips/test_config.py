import pytest

from sercl.data.clips.config import ClipConfig
from sercl.errors import UnknownNameError, UsageError


def test_the_patterns_of_the_study_are_the_default():
    assert ClipConfig().patterns == {"NE": 0.25, "EN": 0.25, "NEN": 0.25, "E": 0.25}


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"voice": "webrtc"}, UnknownNameError, "silero, none"),
        ({"loudness": "rms"}, UnknownNameError, "match, first, keep"),
        ({"patterns": {"NX": 1.0}}, UsageError, "'NX' is not a word of E"),
        ({"patterns": {"": 1.0}}, UsageError, "'' is not a word"),
        ({"patterns": {"NE": -1.0}}, UsageError, "NE has probability -1"),
        ({"patterns": {"NE": 0.0}}, UsageError, "no pattern"),
        ({"patterns": {}}, UsageError, "no pattern"),
        ({"min_piece": 0.0}, UsageError, "min_piece is 0"),
        ({"crossfade": 1e308}, UsageError, "crossfade is 1e"),
        ({"per_epoch": 2**62}, UsageError, "at most 1000000"),
        ({"neutral_rounds": 10**9}, UsageError, "at most 1000"),
        ({"crossfade": -0.1}, UsageError, r"clips\.crossfade"),
        ({"max_seconds": float("nan")}, UsageError, r"clips\.max_seconds"),
    ],
)
def test_wrong_options_are_named(options, error, named):
    with pytest.raises(error, match=named):
        ClipConfig(**options)
