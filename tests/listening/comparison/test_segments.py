"""Marked parts against known boundaries, each other and models: by hand, by property and by simulation."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sercl.corpora.base import Segment
from sercl.errors import SegmentError, UsageError
from sercl.listening.comparison.compare import CompareOptions, Comparison, compare
from sercl.listening.comparison.marks import Known, Labeller, Reference, marks_of
from sercl.listening.comparison.segments import (
    Segmentation,
    SegmentComparison,
    compare_segments,
    people_and_models,
    score_segments,
)
from sercl.listening.ratings import RATINGS, Table, table_of
from sercl.metrics.functional.eder import eder, time_confusion
from sercl.reports.listening.wording import better
from sercl.testing.listeners import (
    FakeRecording,
    Group,
    Marker,
    fake_items,
    fake_marks,
    fake_ratings,
    fake_recordings,
    marked_event,
)
from tests.listening.comparison.test_compare import model
from tests.listening.comparison.test_marks import row, table

QUICK = CompareOptions(resamples=100)
TALKS = {"one": Segment(2.0, 4.0, "sad"), "two": Segment(1.0, 3.0, "angry")}
"""Two recordings of 10 s with an event each."""


def known(*names: str) -> Reference:
    return Reference({}, {name: Known(10.0, (TALKS[name],)) for name in names})


def by_hand() -> Table:
    """Return what two listeners have marked in two recordings."""
    return table(
        row("a", "one", 2.1, 4.5, "sad"),  # 0.1 s missed, 0.5 s false alarm
        row("a", "two", 1.0, 2.0, "happy"),  # 1 s missed, 1 s confusion
        row("b", "one"),  # 2 s missed
        row("b", "two", 1.0, 3.0, "angry"),
    )


def segments_of(given: Table, reference: Reference, *models: Labeller) -> SegmentComparison:
    found = compare(given, [], QUICK, reference, models).segments
    assert found is not None
    return found


def test_errors_by_hand() -> None:
    (people,) = segments_of(by_hand(), known(*TALKS)).groups
    assert (people.listeners, people.items, people.known, people.marked, people.empty) == (2, 2, 2, 4, 1)
    assert {name: own.value for name, own in people.errors.items()} == pytest.approx(
        {"eder": 4.6 / 40, "missed": 3.1 / 40, "false_alarm": 0.5 / 40, "confusion": 1 / 40}
    )
    assert people.boundaries is not None
    assert people.boundaries.within.value == pytest.approx(4 / 8)  # of "a" start, start; of "b" both of "two"
    assert people.boundaries.start.value == pytest.approx(0.0)  # 0, 0, 0.1
    assert people.boundaries.end.value == pytest.approx(0.5)  # 0, 0.5, 1


def test_agreement_by_hand() -> None:
    (people,) = segments_of(by_hand(), known(*TALKS)).groups
    between = people.between
    assert between is not None
    # "one": 2.4 s of 10; "two": 1 s another emotion, 1 s only one of them.
    assert between.disagreement.value == pytest.approx((0.24 + 0.2) / 2)
    # Of "a" in "one" none of 2, of both in "two" 1 of 2.
    assert between.boundaries.within.value == pytest.approx(2 / 6)
    assert between.boundaries.start.value == pytest.approx(0.0)
    assert between.boundaries.end.value == pytest.approx(1.0)
    # Time: 40 s of labels; angry 2, happy 1, sad 2.4, neutral 34.6.
    expected = 1 - (4.4 / 20) / (1 - (2**2 + 1 + 2.4**2 + 34.6**2) / 40**2)
    assert between.alpha.value == pytest.approx(expected)


def test_a_model_by_hand() -> None:
    net = Labeller("net", {"one": (Segment(2.0, 3.0, "sad"),), "other": ()}, {"one": 10.0})
    found = segments_of(by_hand(), known(*TALKS), net)
    (machine,), (against,) = found.models, found.against
    assert (machine.group, machine.listeners, machine.items, machine.between) == ("net", 0, 1, None)
    assert machine.errors["eder"].value == pytest.approx(0.1)
    assert (against.listeners, against.items, against.known) == (2, 1, 1)
    assert against.people is not None
    assert against.people.value == pytest.approx((0.06 + 0.2) / 2)
    assert against.difference is not None
    assert against.difference.value == pytest.approx(0.03)
    assert against.parts["missed"].value == pytest.approx((0.01 + 0.2) / 2 - 0.1)
    assert against.parts["within"].value == pytest.approx(1 / 4 - 1 / 2)
    assert against.disagreement.value == pytest.approx((0.16 + 0.1) / 2)  # 0.1 + 1.5 s, and 1 s
    assert any("net: has not labelled 1 of 2 recordings" in note for note in notes(by_hand(), net))


def notes(given: Table, *models: Labeller, reference: Reference | None = None) -> tuple[str, ...]:
    return compare(given, [], QUICK, reference or known(*TALKS), models).notes


def test_unknown_boundaries_leave_agreement() -> None:
    reference = Reference({}, {**known("one").known, "two": Known(10.0, None)})
    net = Labeller("net", {"one": (), "two": ()}, {})
    found = segments_of(by_hand(), reference, net)
    assert (found.groups[0].known, found.groups[0].between.disagreement.value) == (1, pytest.approx(0.22))
    assert found.groups[0].errors["eder"].value == pytest.approx((0.06 + 0.2) / 2)
    assert (found.against[0].items, found.against[0].known) == (2, 1)
    text = " ".join(notes(by_hand(), net, reference=reference))
    assert "the boundaries of 1 recording of 2 are unknown" in text
    nothing = segments_of(by_hand(), Reference(), net)
    assert nothing.groups[0].errors == {}
    assert nothing.groups[0].boundaries is None
    assert (nothing.against[0].difference, nothing.against[0].parts) == (None, {})
    assert nothing.against[0].disagreement.value > 0
    assert "the length of 2 recordings of 2 is unknown" in " ".join(
        notes(by_hand(), reference=Reference({}, {}))
    )


def test_a_recording_without_marks_and_length_is_left_out() -> None:
    given = table(row("a", "one", 1.0, 2.0, "sad"), row("b", "one"), row("a", "empty"))
    found = compare(given, [], QUICK)
    assert found.segments.groups[0].items == 1
    assert any("1 recording left out: nothing was marked" in note for note in found.notes)
    with pytest.raises(UsageError, match="no listener has marked any part"):
        compare(table(row("a", "one")), [], QUICK)


def test_what_is_of_no_use_is_refused() -> None:
    choices = fake_ratings(fake_items(("de",), 2), [Group("German", 2)])
    for more, message in (
        ((known("one"),), "--reference has no effect"),
        ((Reference(), [Labeller("net", {}, {})]), "--hypothesis has no effect"),
    ):
        with pytest.raises(UsageError, match=message):
            compare(choices, [], QUICK, *more)
    with pytest.raises(UsageError, match="--reference has none of the 2 marked recordings"):
        compare(by_hand(), [], QUICK, Reference({}, {"else": Known(1.0, ())}))
    beyond = Reference({}, {"one": Known(3.0, (TALKS["one"],))})
    with pytest.raises(SegmentError, match=r"--reference, recording 'one': sad .* overruns"):
        compare(by_hand(), [], QUICK, beyond)
    with pytest.raises(UsageError, match="--tolerance"):
        CompareOptions(tolerance=0)
    other = Labeller("net", {"else": ()}, {})
    assert "net: has labelled none of the recordings." in notes(by_hand(), other)


def reference_of(recordings: list[FakeRecording]) -> Reference:
    return Reference({}, {own.item: Known(own.duration, (own.event,)) for own in recordings})


def model_of(recordings: list[FakeRecording], spread: float, seed: int = 0, name: str = "net") -> Labeller:
    rng = np.random.default_rng(seed)
    found = {own.item: marked_event(own, spread, 0.05, 0.1, rng) for own in recordings}
    return Labeller(name, {item: () if part is None else (part,) for item, part in found.items()}, {})


@settings(max_examples=15)
@given(seed=st.integers(0, 999))
def test_a_listener_who_marks_the_truth_makes_no_error(seed: int) -> None:
    recordings = fake_recordings(4, seed=seed)
    perfect = fake_marks(recordings, [Marker(listeners=2, spread=0, missed=0, confused=0)], seed)
    (own,) = segments_of(perfect, reference_of(recordings)).groups
    assert {score.value for score in own.errors.values()} == {0.0}
    assert (own.boundaries.within.value, own.boundaries.start.value) == (1.0, 0.0)
    assert (own.between.disagreement.value, own.between.alpha.value) == (0.0, 1.0)


@settings(max_examples=10)
@given(seed=st.integers(0, 999))
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    recordings = fake_recordings(4, seed=seed)
    given = fake_marks(recordings, [Marker(listeners=3)], seed)
    mixed = Table(RATINGS, given.frame.sample(frac=1, random_state=seed).reset_index(drop=True))
    models = [model_of(recordings, 0.4, seed)]
    assert repr(segments_of(mixed, reference_of(recordings), *models)) == repr(
        segments_of(given, reference_of(recordings), *models)
    )


@settings(max_examples=10)
@given(seed=st.integers(0, 999))
def test_disagreement_is_the_eder_of_one_against_another(seed: int) -> None:
    recordings = fake_recordings(3, seed=seed)
    given = fake_marks(recordings, [Marker(listeners=4)], seed)
    reference = reference_of(recordings)
    own = marks_of(given, None, reference)
    classes = ("angry", "happy", "neutral", "sad")
    expected = []
    for recording in recordings:
        rows = np.flatnonzero(own.frame["item"] == recording.item)
        expected += [
            eder(time_confusion(own.segments[a], own.segments[b], recording.duration, classes), 2).item()
            for a in rows
            for b in rows
            if a != b
        ]
    (found,) = segments_of(given, reference).groups
    assert found.between.disagreement.value == pytest.approx(np.mean(expected))


@cache
def marked() -> Comparison:
    """Return choices and marks of two groups on items of two languages, with two models."""
    recordings = fake_recordings(10, ("de", "zh"))
    marks = fake_marks(recordings, [Marker("German", 6), Marker("Chinese", 5, spread=0.5)])
    items = fake_items(("de", "zh"), 2)
    choices = fake_ratings(items, [Group("German", 6), Group("Chinese", 5)])
    both = table_of(RATINGS, [*choices.frame.to_dict("records"), *marks.frame.to_dict("records")])
    models = [model_of(recordings, 1.2), model_of(recordings, 1.5, 1, "small")]
    options = CompareOptions(groups="native", resamples=100)
    return compare(both, [model(items, 0.7)], options, reference_of(recordings), models)


def test_groups_languages_and_models() -> None:
    found = marked()
    own = found.segments
    assert [(row.group, row.language) for row in own.groups] == [
        (group, language) for group in ("Chinese", "German") for language in ("", "de", "zh")
    ]
    assert [(row.group, row.language) for row in own.models][:3] == [
        ("net", ""),
        ("net", "de"),
        ("net", "zh"),
    ]
    assert own.groups[0].errors["eder"].value > own.groups[3].errors["eder"].value
    assert all(row.p_holm >= row.p for row in own.against)
    assert len(own.against) == 4
    assert len(own.examples) == 6
    errors = [example.error for example in own.examples]
    assert errors == sorted(errors)
    assert {lane.group for lane in own.examples[0].listeners} == {"Chinese", "German"}
    assert found.groups[0].items == 16, "choices are scored beside"


def test_the_claim_on_segments() -> None:
    claim = marked().claims[-1]
    assert (claim.name, claim.score, claim.verdict) == ("segments", "EDER", "supported")
    assert claim.difference.value == pytest.approx(claim.parts["models"] - claim.parts["people"])
    assert claim.difference.low > 0
    tested = [own for own in marked().claims if own.difference is not None]
    assert [own.name for own in tested] == ["within", "segments"]
    assert claim.p < claim.p_holm <= 2 * claim.p
    assert [own.score for own in marked().claims[:3]] == ["UAR"] * 3


def test_what_the_claim_needs() -> None:
    def needs(*more: object) -> str:
        claims = {own.name: own for own in compare(by_hand(), [], QUICK, *more).claims}
        assert claims["within"].needs == "choices between emotions (task choice)"
        return claims["segments"].needs

    assert "--reference" in needs()
    assert "--hypothesis" in needs(known(*TALKS))
    assert needs(known(*TALKS), [Labeller("net", {"one": (), "two": ()}, {})]) == ""
    alone = compare(fake_ratings(fake_items(("de",), 2), [Group("German", 2)]), [], QUICK)
    assert "task segments" in alone.claims[-1].needs


def test_predictions_without_choices_are_refused() -> None:
    with pytest.raises(UsageError, match="--predictions: nobody chose an emotion"):
        compare(by_hand(), [model(fake_items(("de",), 1), 0.5)], QUICK)


def test_intervals_over_speakers() -> None:
    recordings = fake_recordings(18)
    given = fake_marks(recordings, [Marker(listeners=6)])
    speakers = {own.item: f"s{index % 6}" for index, own in enumerate(recordings)}
    table = Table(RATINGS, given.frame.assign(speaker=given.frame["item"].map(speakers)))
    options = CompareOptions(resamples=100, units="speakers")
    (own,) = compare(table, [], options, reference_of(recordings)).segments.groups
    assert (own.items, own.errors["eder"].items, own.boundaries.start.items) == (18, 6, 6)
    assert own.between.disagreement.items == 6


def study_of(seed: int, people: float, machine: float) -> Segmentation:
    """Return 8 listeners and a model on 16 recordings."""
    recordings = fake_recordings(16, seed=seed)
    marks = marks_of(
        fake_marks(recordings, [Marker(listeners=8, spread=people, missed=0.05)], seed), None, Reference()
    )
    models = [model_of(recordings, machine, seed + 1)]
    return Segmentation(marks, reference_of(recordings), models, 0.25, 200, seed)


@cache
def expected(spread: float) -> tuple[float, float]:
    """Return EDER and share of boundaries of many listeners and recordings."""
    recordings = fake_recordings(300, seed=1000)
    marks = marks_of(
        fake_marks(recordings, [Marker(listeners=30, spread=spread, missed=0.05)], 1000), None, Reference()
    )
    study = Segmentation(marks, reference_of(recordings), [], 0.25, 2, 0)
    found = study.against_truth(marks)
    hits, every = found.counts.sum(axis=0)
    return float(found.errors[:, 0].mean()), float(hits / every)


@pytest.mark.slow
def test_intervals_cover() -> None:
    covered = np.zeros((60, 2))
    for seed in range(60):
        study = study_of(seed, 0.25, 0.25)
        eder_, *_, within = study.against_truth(study.marks).estimates()
        for column, (own, true) in enumerate(zip((eder_, within), expected(0.25), strict=True)):
            low, high = own.interval()
            covered[seed, column] = low <= true <= high
    assert (covered.mean(axis=0) >= 0.88).all(), covered.mean(axis=0)


@pytest.mark.slow
def test_a_model_that_marks_as_listeners_do_is_rarely_called_different() -> None:
    # Factors of listeners and recordings, each of mean exp(0.045), make the mean spread of people larger.
    found = [people_and_models(study_of(seed, 0.3, 0.3 * np.exp(0.09))).difference.p for seed in range(60)]
    assert np.mean(np.array(found) < 0.05) <= 0.12
    worse = [people_and_models(study_of(seed, 0.2, 1.0)).difference.p for seed in range(10)]
    assert np.mean(np.array(worse) < 0.05) > 0.7


def test_equality_within_a_margin() -> None:
    study = study_of(3, 0.2, 0.25)
    found = {margin: compare_segments(study, margin).against[0] for margin in (0.01, 0.3)}
    assert [own.equivalence.equivalent for own in found.values()] == [False, True]
    assert [better(own) for own in found.values()] == ["not decided", "equal within 30 points"]
    assert better(replace(found[0.3], p_holm=0.01)).endswith("better, though within 30 points")
    half = 2 * found[0.3].difference.value - found[0.3].difference.low  # the test agrees with the interval
    assert found[0.3].equivalence.p < 0.05 < 0.3 - abs(half)


def test_scores_are_the_same_each_time() -> None:
    found = [repr(compare_segments(study_of(1, 0.2, 0.5), 0.05)) for _ in range(2)]
    assert found[0] == found[1]
    study = study_of(1, 0.2, 0.5)
    assert score_segments(study, study.marks, "all listeners", "", "").group == "all listeners"
