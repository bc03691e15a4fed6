import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from sercl.corpora.labels import EMOTIONS
from sercl.diarization.postprocess import PostConfig, to_segments
from sercl.diarization.segments import Annotation, ScoredSegment
from sercl.reports.diarization.timeline import (
    cell_names,
    clock,
    letters,
    recording_text,
    row_seconds,
    scale,
    summary,
    timeline_text,
)
from tests.reports.diarization.samples import ITEM, NOTHING


def shown(item, width=80, **options):
    console = Console(file=io.StringIO(), width=width, **options)
    console.print(recording_text(item, f"{item.id}.wav", width))
    return console.file.getvalue()


def test_a_row_shows_each_emotion_where_it_is():
    row, marks = timeline_text(ITEM, 46).plain.splitlines()
    assert row == "0:00  " + "─" * 10 + "██████ angry ███████" + "─" * 5 + " " * 5
    assert marks.startswith("      0 s")


def test_a_recording_shows_name_events_and_confidence():
    text = shown(ITEM)
    assert "talk.wav  0:04  angry 2.0 s (50 %), neutral 2.0 s (50 %)" in text
    assert "Confidence:" not in text
    assert "0:01.00   0:03.00      2.00   angry           0.80" in text
    assert "neutral throughout" in shown(NOTHING)


def test_a_label_that_is_seldom_the_most_probable_has_its_number_explained():
    turns = np.full((90, 4), 0.02)
    turns[:, 3] = 0.09
    for frame in range(90):
        turns[frame, frame % 3] = 0.87
    segments = to_segments(turns, ("angry", "happy", "neutral", "sad"), 0.02, 1.8, PostConfig())
    assert [(segment.emotion, segment.confidence) for segment in segments] == [("sad", pytest.approx(0.09))]
    text = " ".join(shown(Annotation("a", segments, 1.8)).split())
    assert "Confidence: mean probability of the emotion in the segment, before smoothing" in text


def test_a_long_list_of_segments_is_cut_and_the_rest_counted():
    segments = tuple(ScoredSegment(i, i + 1.0, ("sad", "angry")[i % 2], 0.9) for i in range(50))
    item = Annotation("a", segments, 50.0)
    console = Console(file=io.StringIO(), width=80)
    console.print(recording_text(item, "a.wav", 80, most=30))
    text = console.file.getvalue()
    assert "and 20 more" in text
    assert text.count("0.90") == 30
    assert shown(item).count("0.90") == 50
    assert "more" not in shown(item)


TALK = Annotation(
    "talk",
    tuple(
        ScoredSegment(start, start + 1.0, name, 0.9)
        for start, name in enumerate(("sad", "surprised", "neutral", "own", "angry"))
    ),
    5.0,
)


def test_without_colours_each_emotion_has_a_letter_and_a_legend():
    lines = shown(TALK, width=20).splitlines()
    assert any(line.startswith("0:00  SSSUU") and line.endswith("AAA") for line in lines)
    assert "surprised   2 own\n" in shown(TALK, width=40)
    text = shown(TALK)
    assert "A angry   S sad   U surprised   2 own   ─ neutral" in text
    assert "█" not in text
    assert "blank: no speech" not in text
    assert "blank: no speech" in shown(ITEM)


def test_colours_have_a_legend_of_blocks():
    text = shown(TALK, force_terminal=True, color_system="truecolor")
    assert "█ angry" in text
    assert "S sad" not in text


def test_no_colour_on_a_terminal_gives_letters():
    assert "SSS" in shown(TALK, force_terminal=True, no_color=True)


def test_emotions_have_the_order_of_classes():
    assert summary(TALK).split(", ") == [
        f"{name} 1.0 s (20 %)" for name in ("angry", "sad", "surprised", "own", "neutral")
    ]
    known = letters(EMOTIONS[:2] + EMOTIONS[3:])
    assert len(set(known.values())) == len(known)


def test_colours_are_for_terminals_only():
    assert "\x1b[" not in shown(ITEM)
    assert "38;2;209;67;47" in shown(ITEM, force_terminal=True, color_system="truecolor")


def test_a_long_recording_has_rows_of_equal_time():
    long = Annotation("long", (ScoredSegment(0.0, 7200.0, "sad"),), 7200.0)
    rows = timeline_text(long, 60).plain.splitlines()
    assert [row.split()[0] for row in rows][:2] == ["0:00", "15:00"]
    assert len(rows) == 8


@pytest.mark.parametrize(
    ("duration", "row"), [(4.0, 4.0), (61.0, 60), (3600.0, 600), (7200.0, 900), (0.0, 1.0)]
)
def test_the_time_of_a_row(duration, row):
    assert row_seconds(duration) == row


@given(st.floats(0.03, 20_000), st.integers(8, 200))
def test_a_scale_never_leaves_its_row(duration, cells):
    assert len(scale(duration, cells)) <= cells


@given(st.integers(1, 50))
def test_every_cell_has_a_name(cells):
    names = list(cell_names(ITEM, 0.0, 4.0, cells))
    assert len(names) == cells
    assert set(names) <= {"neutral", "angry", ""}


def test_times():
    assert [clock(5), clock(725.25, 2), clock(3725)] == ["0:05", "12:05.25", "1:02:05"]
    assert clock(59.999, 2) == "1:00.00"
    assert summary(NOTHING) == "neutral throughout"
