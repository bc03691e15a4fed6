"""Marks, references and segments of models are read, and matched by name."""

from dataclasses import replace
from pathlib import Path

import pytest

from sercl.corpora.base import Segment
from sercl.diarization.formats import write_segments
from sercl.diarization.segments import Annotation
from sercl.errors import UsageError
from sercl.listening.comparison.marks import (
    Reference,
    durations_of,
    marks_of,
    read_labellers,
    read_reference,
)
from sercl.listening.protocol import ATTENTION, ITEM, write
from sercl.listening.protocol import SEGMENTS as TASK
from sercl.listening.ratings import RATINGS, SEGMENTS, Table, table_of
from tests.listening.samples import SEGMENTS as TRUTH
from tests.listening.samples import protocol


def row(listener: str, item: str, *part: object, **more: object) -> dict[str, object]:
    """Return a row of a table: a marked part, or none."""
    own = {"listener": listener, "item": item, "task": SEGMENTS, "kind": ITEM, "repeat": 0, "source": "log:1"}
    return {**own, **dict(zip(("start", "end", "answer"), part, strict=False)), **more}


def table(*rows: dict[str, object]) -> Table:
    return table_of(RATINGS, rows)


def marked_test(folder: Path, known: bool = True) -> str:
    """Write a test of marked parts and return its hash."""
    plan = protocol(items=2, repeats=1, checks=1, practice=1, blocks=1)
    items = tuple(
        own if own.kind == ATTENTION else replace(own, task=TASK, segments=TRUTH if known else None)
        for own in plan.items
    )
    return write(replace(plan, items=items), folder).hash


def test_a_protocol_knows_boundaries_lengths_and_keys(tmp_path: Path) -> None:
    given = marked_test(tmp_path / "test")
    for path in (tmp_path / "test", tmp_path / "test" / "protocol.json"):
        found = read_reference([path])
        assert set(found.known) == {"u-i100", "u-i101"}, "no practice, no checks, and repeats are items"
        assert (found.known["u-i100"].duration, found.known["u-i100"].segments) == (1.5, TRUTH)
        assert found.known["u-i100"].protocol == given
        assert found.name("audio/i100.wav") == found.name("I100") == "u-i100"
        assert found.name("another.wav") == "another"


def test_unknown_boundaries_leave_the_lengths(tmp_path: Path) -> None:
    marked_test(tmp_path / "test", known=False)
    known = read_reference([tmp_path / "test"]).known["u-i100"]
    assert (known.duration, known.segments) == (1.5, None)


def test_segment_files_are_references_and_models(tmp_path: Path) -> None:
    marked_test(tmp_path / "test")
    segments = (Segment(0.2, 0.9, "sad"),)
    write_segments([Annotation("talk", segments, 2.0)], tmp_path / "truth.json")
    write_segments([Annotation("i100", segments, 1.5)], tmp_path / "model.rttm")
    write_segments([Annotation("i101", segments, 1.5)], tmp_path / "grids", "textgrid")
    found = read_reference([tmp_path / "test", tmp_path / "truth.json"])
    assert found.known["talk"].duration == 2.0
    rttm, grids = read_labellers([tmp_path / "model.rttm", tmp_path / "grids"], found)
    assert (rttm.name, grids.name) == ("model", "grids")
    assert [own.emotion for own in rttm.segments["u-i100"]] == ["sad"], "named after the file of the test"
    assert grids.durations == {"u-i101": 1.5}


def test_what_is_given_twice_is_refused(tmp_path: Path) -> None:
    write_segments([Annotation("talk", (), 2.0)], tmp_path / "a.json")
    with pytest.raises(UsageError, match="'talk' is known already"):
        read_reference([tmp_path / "a.json"] * 2)
    with pytest.raises(UsageError, match="two models called 'a'"):
        read_labellers([tmp_path / "a.json"] * 2, Reference())


def test_marks_are_parts_of_listeners_and_recordings() -> None:
    given = table(
        row("b", "Talk.wav", 2.0, 3.0, "sad"),
        row("a", "Talk.wav"),
        row("b", "Talk.wav", 0.5, 1.0, None),
        row("b", "Talk.wav", 0.0, 9.0, "angry", repeat=1),
        row("b", "try", 0.0, 9.0, "angry", kind="practice"),
        row("c", "Talk.wav", answer="sad", task="choice"),
    )
    found = marks_of(given, None, Reference())
    assert found.frame[["listener", "item", "name"]].to_numpy().tolist() == [
        ["a", "talk", "Talk.wav"],
        ["b", "talk", "Talk.wav"],
    ]
    assert found.segments == ((), (Segment(0.5, 1.0, "unsure"), Segment(2.0, 3.0, "sad")))
    assert durations_of(found, Reference(), []) == ({"talk": 3.0}, 1)


def test_overlapping_parts_are_refused_with_their_source() -> None:
    given = table(row("a", "u", 0, 2, "sad"), row("a", "u", 1, 3, "angry", source="marks.csv:7"))
    with pytest.raises(UsageError, match=r"listener 'a', recording 'u' \(marks.csv:7\): angry from 1 s"):
        marks_of(given, None, Reference())


def test_marks_of_another_version_of_the_test_are_refused(tmp_path: Path) -> None:
    given = marked_test(tmp_path / "test")
    reference = read_reference([tmp_path / "test"])
    assert len(marks_of(table(row("a", "u-i100", protocol=given)), None, reference)) == 1
    with pytest.raises(UsageError, match="another version of the test"):
        marks_of(table(row("a", "u-i100", protocol="0" * 64)), None, reference)


def test_columns_and_speakers_are_checked() -> None:
    with pytest.raises(UsageError, match="--groups age"):
        marks_of(table(row("a", "u")), "age", Reference())
    with pytest.raises(UsageError, match="--units speakers"):
        marks_of(table(row("a", "u", speaker="s")), None, Reference(), by_speaker=True)
