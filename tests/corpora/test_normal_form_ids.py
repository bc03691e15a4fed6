from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sercl.corpora.base import Utterance
from sercl.corpora.normal_form import made_ids

ROOT = Path("/data/mine")
Clip = tuple[str, float | None, float | None]
PATHS = st.lists(
    st.tuples(
        st.sampled_from(["a.wav", "x/a.wav", "y/a.wav", "y/a.flac", "b.wav", "x/z/b.wav", "../other/a.wav"]),
        st.sampled_from([None, 0.0, 0.5]),
        st.sampled_from([None, 1.0, 1.25]),
    ),
    unique=True,
    max_size=10,
)


def rows(clips: list[Clip], root: Path = ROOT) -> list[Utterance]:
    return [
        Utterance("", Path(str(root / path).replace("mine/../", "")), "sad", "x", start=start, end=end)
        for path, start, end in clips
    ]


def ids(clips: list[Clip], given: list[str | None] | None = None) -> list[str]:
    return made_ids(rows(clips), ROOT, given or [None] * len(clips))


@settings(deadline=None)
@given(PATHS, st.randoms())
def test_ids_are_unique_and_do_not_know_the_order(clips: list[Clip], random: object) -> None:
    made = ids(clips)
    # No start and a start of 0 are one interval, but without both it is the whole file.
    intervals = {(path, start or 0.0, end, start is None and end is None) for path, start, end in clips}
    assert len(set(made)) == len(intervals)
    order = list(range(len(clips)))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert ids([clips[i] for i in order]) == [made[i] for i in order]


@settings(deadline=None)
@given(PATHS)
def test_ids_do_not_know_where_the_files_lie(clips: list[Clip]) -> None:
    moved = Path("/elsewhere/mine")
    assert made_ids(rows(clips, moved), moved, [None] * len(clips)) == ids(clips)


def test_the_shortest_name_that_no_other_file_has() -> None:
    clips = [(path, None, None) for path in ("c.wav", "x/a.wav", "y/a.wav", "z/b.wav", "z/b.flac")]
    assert ids(clips) == ["c", "x/a", "y/a", "z/b.wav", "z/b.flac"]


def test_the_intervals_of_a_file() -> None:
    clips = [("long.wav", 0.0, 0.5), ("long.wav", 0.5, 1.25), ("long.wav", 2.0, None), ("b.wav", 1.0, 2.0)]
    assert ids(clips) == ["long@0-0_5", "long@0_5-1_25", "long@2-", "b"]


def test_absolute_paths_are_named_from_where_they_part() -> None:
    clips = [(f"/far/{name}", None, None) for name in ("x/1/a.wav", "x/2/a.wav")]
    assert ids(clips) == ["1/a", "2/a"]


def test_a_chosen_id_stays_unless_it_repeats() -> None:
    clips = [("x/a.wav", None, None), ("b.wav", None, None), ("c.wav", None, None), ("d.wav", None, None)]
    assert ids(clips, ["b", None, "u", "u"]) == ["b", "b.wav", "c", "d"]
