import json
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sercl.corpora.base import Segment
from sercl.corpora.labels import EMOTIONS
from sercl.corpora.manifest_cells import BadCellError, interval, path_of, seconds, segments, split_name
from sercl.errors import CorpusError, UnknownNameError


@given(st.floats(0, 1e6, allow_subnormal=False))
def test_a_time_is_read_from_text_and_from_a_number(value: float) -> None:
    assert seconds(repr(value), "start") == seconds(value, "start") == value


@pytest.mark.parametrize(
    "cell", ["soon", "", "-0.1", "nan", "inf", float("nan"), -1, [1], "1,5", "0:30", "1_5"]
)
def test_what_is_no_time_is_named_with_its_column(cell: object) -> None:
    with pytest.raises(BadCellError, match=r"^end .* is not a time\. Give seconds, 0 or more, such as 1\.25"):
        seconds(cell, "end")


def test_a_bad_cell_is_an_error_of_the_corpus() -> None:
    assert issubclass(BadCellError, CorpusError)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({}, (None, None)),
        ({"start": "0.5"}, (0.5, None)),
        ({"end": 2}, (None, 2.0)),
        ({"start": 0, "end": "0.25"}, (0.0, 0.25)),
        ({"start": "nan", "end": " 0.25\u00a0"}, (None, 0.25)),
        ({"start": "-", "end": "None"}, (None, None)),
    ],
)
def test_a_stretch_may_be_open_at_both_ends(
    cells: dict[str, object], expected: tuple[float | None, float | None]
) -> None:
    assert interval(cells) == expected


@pytest.mark.parametrize("cells", [{"end": 0}, {"start": 2, "end": 2}, {"start": "3", "end": "2.9"}])
def test_an_end_must_come_after_its_start(cells: dict[str, object]) -> None:
    with pytest.raises(BadCellError, match="is not after start"):
        interval(cells)


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        (None, None),
        ("train", "train"),
        (" Dev ", "validation"),
        ("nan", None),
        ("EVAL", "validation"),
        ("testing", "test"),
    ],
)
def test_splits_go_by_many_names(cell: object, name: str | None) -> None:
    assert split_name(cell) == name


def test_a_decimal_comma_is_read_only_where_asked_for() -> None:
    assert interval({"start": "0,5", "end": "1.25"}, decimal_comma=True) == (0.5, 1.25)
    for cell in ("0,5", "1.000,5"):
        with pytest.raises(BadCellError, match="is not a time"):
            interval({"start": cell}, decimal_comma=cell != "0,5")


def test_another_split_is_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"split 'tset'\. Did you mean 'test'"):
        split_name("tset")


events = st.lists(
    st.tuples(st.floats(0, 100), st.floats(0.01, 100), st.sampled_from(EMOTIONS)).map(
        lambda event: {"start": event[0], "end": event[0] + event[1], "emotion": event[2]}
    ),
    max_size=3,
)


@given(events)
def test_events_are_read_from_json_text_and_from_lists(given_events: list[dict[str, object]]) -> None:
    expected = tuple(Segment(e["start"], e["end"], e["emotion"]) for e in given_events)  # type: ignore[arg-type]
    assert segments(given_events) == segments(json.dumps(given_events)) == expected


def test_an_empty_cell_has_no_events() -> None:
    assert segments(None) == ()


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("[{", "is not valid JSON"),
        ('{"emotion": "sad"}', "is not a list of events"),
        ([{"emotion": "sad", "start": 0}], "needs exactly emotion, start and end"),
        ([{"emotion": "sad", "start": 0, "end": 1, "extra": 1}], "needs exactly"),
        ([{"emotion": "sad", "start": 1, "end": 1}], "is not after start"),
        ([{"emotion": "sad", "start": None, "end": 1}], "start 'null' is not a time"),
        (["sad"], "needs exactly"),
    ],
)
def test_events_of_another_shape_show_the_right_one(cell: object, said: str) -> None:
    with pytest.raises(BadCellError, match=said):
        segments(cell)


def test_an_event_of_an_unknown_emotion_is_answered_with_near_names() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'angry'"):
        segments([{"emotion": "angrry", "start": 0, "end": 1}])


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("0 days 00:01:02.500000", 62.5),
        ("1 days 00:00:01", 86401.0),
        ("0:01:02.5", 62.5),
        ("00:00:00", 0.0),
        (timedelta(minutes=1), 60.0),
        (Decimal("1.25"), 1.25),
    ],
)
def test_lengths_of_time_of_other_programs_are_seconds(cell: object, number: float) -> None:
    assert seconds(cell, "start") == number
    assert interval({"start": cell, "end": "NaT"}) == (number, None)


@pytest.mark.parametrize("cell", ["0:61:00", "1:2", "-0:00:01", "1:00:00:00", "0 days"])
def test_what_only_looks_like_one_is_refused(cell: str) -> None:
    with pytest.raises(BadCellError, match="is not a time"):
        seconds(cell, "start")


@pytest.mark.parametrize("cell", ["Val.", "devel", " Development ", "DEV"])
def test_more_words_for_validation(cell: str) -> None:
    assert split_name(cell) == "validation"


def test_a_path_may_stand_in_the_map_of_another_library() -> None:
    assert path_of({"bytes": None, "path": "a.wav"}) == path_of("a.wav") == path_of(b"a.wav") == "a.wav"
    assert path_of({"path": None}) is path_of(None) is None
    with pytest.raises(BadCellError, match="contains audio data"):
        path_of({"bytes": b"RIFF", "path": "a.wav"})
