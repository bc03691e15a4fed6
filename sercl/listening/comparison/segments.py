"""Parts of recordings that listeners have marked: against known boundaries, each other, and models.

Errors are those of `sercl diarize score`: EDER, the share of time with the wrong emotion, with its parts
missed emotion, false alarm and confusion, in each recording that a listener has marked, and averaged. Time
that is not marked is neutral. The EDER of one listener against another is the share of time that they label
differently, whoever is the reference: their disagreement. Boundaries are compared whatever the emotions,
within a tolerance and by their median distance.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import permutations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sercl.counting import count
from sercl.errors import SegmentError, UsageError
from sercl.listening.comparison.answers import (
    Equivalence,
    Measure,
    cells_of,
    equivalence_within,
    measured,
    normal_measure,
)
from sercl.listening.comparison.marks import (
    Labeller,
    Marks,
    Reference,
    Segments,
    classes_of,
    durations_of,
    of_labeller,
)
from sercl.metrics.functional.agreement import jackknife_error, time_alpha, time_disagreement
from sercl.metrics.functional.comparison import holm
from sercl.metrics.functional.crossed import Estimate, crossed_estimates, crossed_median
from sercl.metrics.functional.eder import (
    NEUTRAL,
    Deviations,
    common_stretches,
    deviations,
    deviations_between,
    eder,
    error_parts,
    time_confusion,
)
from sercl.metrics.functional.timeline import cut, events, timeline

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

EDER, MISSED, FALSE_ALARM, CONFUSION = ERRORS = ("eder", "missed", "false_alarm", "confusion")

MOST_DRAWS = 200
"""Bootstrap samples of each kind for medians."""
EXAMPLES = 6
"""Recordings that are drawn."""


@dataclass(frozen=True)
class Boundaries:
    """How well boundaries agree.

    Attributes:
        within: Share of the reference's boundaries that were marked within the tolerance.
        start: Median distance of starts in s, of events that a marked event overlaps.
        end: The same of ends.
    """

    within: Measure
    start: Measure
    end: Measure


@dataclass(frozen=True)
class Between:
    """How well the listeners of a group agree with each other, each with each other one.

    Attributes:
        disagreement: Mean share of time that two listeners label differently.
        alpha: Krippendorff's alpha of labels over time.
        boundaries: Of one listener, as marked by another.
    """

    disagreement: Measure
    alpha: Measure
    boundaries: Boundaries


@dataclass(frozen=True)
class SegmentScores:
    """A group of listeners, or a model, on some of the recordings.

    Attributes:
        group: Its name.
        language: Of the recordings; "" for all.
        dialect: Of the recordings; "" for all.
        listeners: Number of listeners, 0 for a model.
        items: Number of recordings.
        known: How many of these have known boundaries, on which errors and boundaries are measured.
        marked: Number of listeners' recordings: a listener and a recording each.
        empty: How many of these have no marked part, and are neutral throughout.
        errors: "eder", "missed", "false_alarm" and "confusion" -> mean share of time; empty without known
            boundaries.
        boundaries: Against known ones; None if there are none.
        between: Agreement; None for fewer than two listeners of the same recording.
    """

    group: str
    language: str
    dialect: str
    listeners: int
    items: int
    known: int
    marked: int
    empty: int
    errors: dict[str, Measure]
    boundaries: Boundaries | None
    between: Between | None


@dataclass(frozen=True)
class AgainstLabeller:
    """A group of listeners against a model, on the recordings of both.

    Attributes:
        group: The group.
        model: The model.
        listeners: Number of listeners.
        items: Recordings that both have labelled.
        known: How many of these have known boundaries.
        disagreement: Mean share of time that a listener and the model label differently.
        boundaries: Of a listener, as marked by the model.
        people: EDER of the listeners; None, like the next two, without known boundaries.
        machine: EDER of the model, each recording weighted by the listeners who marked it.
        difference: EDER of the listeners minus that of the model; below 0 listeners are better.
        p: Of the test that they are equal; NaN without known boundaries.
        p_holm: Corrected for all groups and models.
        equivalence: Whether they are equal within the margin; None without known boundaries.
        parts: "missed", "false_alarm", "confusion" and "within", the share of boundaries within the tolerance
            -> listeners minus model.
    """

    group: str
    model: str
    listeners: int
    items: int
    known: int
    disagreement: Measure
    boundaries: Boundaries
    people: Measure | None
    machine: Measure | None
    difference: Measure | None
    p: float
    p_holm: float
    equivalence: Equivalence | None
    parts: dict[str, Measure]


@dataclass(frozen=True)
class Lane:
    """What a listener or a model has marked in a recording.

    Attributes:
        name: Of the listener or model.
        group: Of the listener; "" for a model.
        segments: The marked parts.
    """

    name: str
    group: str
    segments: Segments


@dataclass(frozen=True)
class Example:
    """A recording with everything that was marked in it.

    Attributes:
        item: Its name.
        duration: Length in s.
        reference: Known segments; None if they are unknown.
        error: Mean EDER of its listeners or, without known segments, their disagreement; NaN if neither.
        models: What models have found.
        listeners: What listeners have marked, by group.
    """

    item: str
    duration: float
    reference: Segments | None
    error: float
    models: tuple[Lane, ...]
    listeners: tuple[Lane, ...]


@dataclass(frozen=True)
class SegmentComparison:
    """Everything that is said about marked parts.

    Attributes:
        tolerance: Of boundaries, in s.
        classes: Every emotion that was marked, found or known.
        groups: Each group on all recordings, and by language and dialect.
        models: Each model on the same recordings.
        against: Groups against models.
        examples: A few recordings, from the least to the largest error.
    """

    tolerance: float
    classes: tuple[str, ...]
    groups: tuple[SegmentScores, ...]
    models: tuple[SegmentScores, ...]
    against: tuple[AgainstLabeller, ...]
    examples: tuple[Example, ...]


class Segmentation:
    """Marks with what they are compared with.

    Args:
        marks: What listeners have marked.
        reference: What is known of the recordings.
        labellers: Models.
        tolerance: Of boundaries, in s.
        resamples: Number of bootstrap samples.
        seed: Makes intervals repeatable.

    Raises:
        UsageError: If the reference or a model has none of the recordings.
        SegmentError: For reference segments that overlap or exceed their recording.
    """

    def __init__(
        self,
        marks: Marks,
        reference: Reference,
        labellers: Sequence[Labeller],
        tolerance: float,
        resamples: int,
        seed: int,
    ) -> None:
        self.durations, self.guessed = durations_of(marks, reference, labellers)
        kept = marks.frame["item"].isin(list(self.durations)).to_numpy(dtype=bool)
        self.without_length = int(marks.frame["item"][~kept].nunique())
        self.marks = marks.where(kept)
        self.tolerance, self.resamples, self.seed = tolerance, resamples, seed
        self.labellers = [own for own in labellers if own.segments.keys() & self.durations.keys()]
        self.strange = [own for own in labellers if own not in self.labellers]
        if not len(self.marks):
            raise UsageError("no listener has marked any part, and the length of no recording is known.")
        if reference.known and not reference.known.keys() & self.durations.keys():
            raise UsageError(
                f"--reference has none of the {count(marks.items, 'marked recording')} (the first is "
                f"{marks.frame['item'].iloc[0]!r}). Recordings are matched by name."
            )
        self.truths: dict[str, Segments] = {}
        for item, known in reference.known.items():
            if known.segments is not None and item in self.durations:
                _checked(item, known.segments, self.durations[item])
                self.truths[item] = known.segments
        every = [own.segments.values() for own in self.labellers]
        self.classes = classes_of(
            [*self.marks.segments, *self.truths.values(), *(each for found in every for each in found)]
        )
        self.neutral = self.classes.index(NEUTRAL)
        self._distances: dict[tuple[Segments, Segments, str], Deviations] = {}

    def confusion(self, reference: Segments, own: Segments, item: str) -> Tensor:
        """Return the time confusion of segments of a recording."""
        duration = self.durations[item]
        return time_confusion(_cut(reference, duration), own, duration, self.classes)

    def distances(self, reference: Segments, own: Segments, item: str) -> Deviations:
        """Return the distances of boundaries; languages and dialects ask for the same ones again."""
        key = reference, own, item
        if key not in self._distances:
            duration = self.durations[item]
            self._distances[key] = deviations(_cut(reference, duration), own, duration)
        return self._distances[key]

    def against_truth(self, own: Marks) -> "Compared":
        """Return each row against the reference, of the recordings with known boundaries."""
        return Compared(self, own, self.truths)

    def of_model(self, model: Labeller, own: Marks) -> "Compared":
        """Return what a model makes of the recording of each row with known boundaries."""
        return self.against_truth(
            replace(own, segments=tuple(model.segments[item] for item in own.frame["item"]))
        )


def _checked(item: str, segments: Segments, duration: float) -> None:
    try:
        timeline(segments, duration)
    except SegmentError as error:
        raise SegmentError(f"--reference, recording {item!r}: {error.message}", error.index) from error


class Compared:
    """Marks against other segments of the same recordings, row by row.

    Args:
        study: What they are part of.
        own: The marks.
        others: Recording -> what they are compared with.
        is_reference: Whether the marks are the reference, instead of the others.

    Attributes:
        marks: The rows of recordings that have something to be compared with.
        errors: `[rows, 4]` EDER, missed emotion, false alarm, confusion.
        distances: `[rows]` distances of boundaries.
    """

    def __init__(
        self, study: Segmentation, own: Marks, others: Mapping[str, Segments], is_reference: bool = False
    ) -> None:
        self.study = study
        self.marks = own.having(others)
        rows = [
            (*((own, others[item]) if is_reference else (others[item], own)), item)
            for item, own in zip(self.marks.frame["item"], self.marks.segments, strict=True)
        ]
        self.errors = np.zeros((0, len(ERRORS)))
        if rows:
            confusions = torch.stack([study.confusion(*row) for row in rows])
            errors = eder(confusions, study.neutral), *error_parts(confusions, study.neutral)
            self.errors = torch.stack(errors, dim=-1).numpy()
        self.distances = [study.distances(*row) for row in rows]

    @cached_property
    def counts(self) -> Floats:
        """`[rows, 2]` boundaries that were marked within the tolerance, and all."""
        tolerance = self.study.tolerance
        each = [(own.within(tolerance), own.boundaries) for own in self.distances]
        return np.array(each, dtype=np.float64).reshape(len(each), 2)

    def estimates(self) -> list[Estimate]:
        """Return the means of the errors, then the share of boundaries within the tolerance."""
        values = np.concatenate([self.errors, self.counts, np.ones((len(self.marks), 1))], axis=1)
        return crossed_estimates(self.marks.design(), values, _means, self.study.resamples, self.study.seed)

    def boundaries(self, within: Measure, is_model: bool = False) -> Boundaries:
        """Return the boundaries, of which the share within the tolerance is known."""
        design = self.marks.design()
        medians = [
            _distance(
                [own.starts if which == "start" else own.ends for own in self.distances],
                design.listener[:, None],
                design.item,
                self.study,
                is_model,
            )
            for which in ("start", "end")
        ]
        return Boundaries(within, *medians)


def _means(sums: Tensor) -> Tensor:
    """Return mean errors and the share of boundaries from `[..., 7]` sums over rows."""
    return torch.cat([sums[..., :4] / sums[..., 6:], sums[..., 4:5] / sums[..., 5:6]], dim=-1)


def _distance(
    each: Sequence[tuple[float, ...]], people: Indices, item: Indices, study: Segmentation, is_model: bool
) -> Measure:
    """Return the median of absolute distances, of which each row has several or none."""
    row = np.repeat(np.arange(len(each)), [len(own) for own in each])
    values = np.abs([value for own in each for value in own])
    found = crossed_median(values, people[row], item[row], min(study.resamples, MOST_DRAWS), study.seed)
    own = measured(found, bounded=False, votes_only=is_model)
    return replace(own, low=max(own.low, 0.0)) if own.low == own.low else own


def score_segments(
    study: Segmentation, own: Marks, group: str, language: str, dialect: str, is_model: bool = False
) -> SegmentScores:
    """Return the scores of a group, or of a model, on some recordings."""
    found = study.against_truth(own)
    errors: dict[str, Measure] = {}
    places = None
    if len(found.marks):
        *means, within = (measured(each, votes_only=is_model) for each in found.estimates())
        errors = dict(zip(ERRORS, means, strict=True))
        places = found.boundaries(within, is_model) if found.counts[:, 1].any() else None
    return SegmentScores(
        group=group,
        language=language,
        dialect=dialect,
        listeners=0 if is_model else own.listeners,
        items=own.items,
        known=found.marks.items,
        marked=len(own),
        empty=sum(all(part.emotion == NEUTRAL for part in segments) for segments in own.segments),
        errors=errors,
        boundaries=places,
        between=None if is_model else _between(study, own),
    )


def _between(study: Segmentation, own: Marks) -> Between | None:
    pairs = _Pairs(study, own)
    if not len(pairs.first):
        return None
    shares = pairs.shares()
    return Between(
        disagreement=shares[0],
        alpha=pairs.alpha(),
        boundaries=Boundaries(shares[1], pairs.distance("starts"), pairs.distance("ends")),
    )


class _Pairs:
    """Two listeners of the same recording, each pair in both orders."""

    def __init__(self, study: Segmentation, own: Marks) -> None:
        self.study, self.marks = study, own
        design = own.design()
        self.listener, self.item = design.listener, design.item
        _, recording = np.unique(own.frame["item"].to_numpy(dtype=str), return_inverse=True)
        self.rows = [np.flatnonzero(recording == index) for index in np.unique(recording)]
        orders = [pair for rows in self.rows for pair in permutations(rows.tolist(), 2)]
        self.first, self.second = np.array(orders, dtype=np.int64).reshape(-1, 2).T
        self.items = own.frame["item"].tolist()
        lengths = [study.durations[item] for item in self.items]
        self.tracks = [cut(timeline(own), length) for own, length in zip(own.segments, lengths, strict=True)]
        marked = [events(track, NEUTRAL) for track in self.tracks]
        self.distances = [
            deviations_between(marked[one], marked[other], lengths[one]) for one, other in orders
        ]
        self.grids = [self._grid(rows) for rows in self.rows if len(rows) > 1]

    def _grid(self, rows: Indices) -> tuple[Indices, Indices, Floats]:
        """Return rows, the labels `[rows, stretches]` that each gives to stretches of time, and lengths."""
        duration = self.study.durations[self.items[rows[0]]]
        tracks = [self.tracks[row] for row in rows]
        blanks = [self.study.neutral] * len(rows)
        return rows, *common_stretches(tracks, duration, self.study.classes, blanks)

    def shares(self) -> tuple[Measure, Measure]:
        """Return the mean disagreement, and the share of boundaries within the tolerance."""
        size = self.listener.max() + 1, self.item.max() + 1
        counts = np.array([(own.within(self.study.tolerance), own.boundaries) for own in self.distances])
        values = np.stack([self.apart, np.ones(len(self.apart)), *counts.T.astype(np.float64)], axis=1)
        people, other = self.listener[self.first], self.listener[self.second]
        by_listener, by_item = np.zeros((size[0], 4)), np.zeros((size[1], 4))
        np.add.at(by_listener, people, values)
        np.add.at(by_listener, other, values)
        np.add.at(by_item, self.item[self.first], values)
        whole = values.sum(axis=0)
        fewer = whole - by_listener, whole - by_item
        found = [
            self._measure(float(_ratio(whole, column)), [_ratio(each, column) for each in fewer])
            for column in (0, 2)
        ]
        return found[0], found[1]

    @cached_property
    def apart(self) -> Floats:
        """`[pairs]` share of time that each pair labels differently."""
        place = np.zeros(len(self.marks), dtype=np.int64)
        grids = {}
        for rows, labels, lengths in self.grids:
            place[rows] = np.arange(len(rows))
            ones = np.eye(len(self.study.classes))[labels]
            same = np.einsum("ask,bsk,s->ab", ones, ones, lengths)
            grids[int(rows[0])] = 1 - same / lengths.sum()
        owner = {int(row): int(rows[0]) for rows, _, _ in self.grids for row in rows}
        return np.array(
            [
                grids[owner[one]][place[one], place[other]]
                for one, other in zip(self.first.tolist(), self.second.tolist(), strict=True)
            ]
        ).clip(0, 1)

    def _measure(self, value: float, left_out: Sequence[Floats]) -> Measure:
        """Return a share with its interval, from its values without each listener and each recording."""
        sizes = [int((~np.isnan(own)).sum()) for own in left_out]
        errors = [jackknife_error(own) for own in left_out]
        known = [error for error in errors if error == error]
        error = float(np.sqrt(np.square(known).sum())) if known else float("nan")
        df = max(1, min((size for size in sizes if size > 1), default=2) - 1)
        return measured(Estimate(value, error, df, self.marks.listeners, len(np.unique(self.item))))

    def alpha(self) -> Measure:
        """Return Krippendorff's alpha over time."""
        classes = len(self.study.classes)
        people = self.listener.max() + 1
        whole = np.zeros((self.item.max() + 1, 1 + classes))
        without = np.zeros((people, 1 + classes))
        for rows, labels, lengths in self.grids:
            ones = np.eye(classes)[labels]
            counts = ones.sum(axis=0)
            own = time_disagreement(counts, lengths)
            whole[self.item[rows[0]]] += own
            change = np.zeros_like(without)
            for row, given in zip(rows, ones, strict=True):
                change[self.listener[row]] = time_disagreement(counts - given, lengths) - own
            without += own + change
        value = time_alpha(whole.sum(axis=0))
        parts = [
            jackknife_error(np.array([time_alpha(sums) for sums in without])),
            jackknife_error(np.array([time_alpha(whole.sum(axis=0) - own) for own in whole])),
        ]
        known = [part for part in parts if part == part]
        error = float(np.sqrt(np.square(known).sum())) if known else float("nan")
        return normal_measure(value, error, self.marks.listeners, len(whole))

    def distance(self, which: str) -> Measure:
        """Return the median distance of starts or ends; both orders of a pair are equal, and count once."""
        once = np.flatnonzero(self.first < self.second)
        each = [getattr(self.distances[pair], which) for pair in once]
        people = np.stack([self.listener[self.first[once]], self.listener[self.second[once]]], axis=1)
        return _distance(each, people, self.item[self.first[once]], self.study, False)


def _ratio(sums: Floats, column: int) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., column] / sums[..., column + 1])


def _cut(segments: Segments, duration: float) -> Segments:
    """Return segments without what exceeds the recording, so that they can be a reference."""
    kept = (own for own in segments if own.start < duration)
    return tuple(replace(own, end=min(own.end, duration)) for own in kept)


def against_labeller(
    study: Segmentation, own: Marks, group: str, model: Labeller, margin: float
) -> AgainstLabeller | None:
    """Return a group against a model, without Holm's correction; None without a recording of both."""
    shared = own.having(model.segments)
    if not len(shared):
        return None
    agreed = Compared(study, shared, model.segments, is_reference=True)
    apart, *_, within = agreed.estimates()
    known = shared.having(study.truths).items
    paired = _paired(study, shared, model) if known else []
    return AgainstLabeller(
        group=group,
        model=model.name,
        listeners=shared.listeners,
        items=shared.items,
        known=known,
        disagreement=measured(apart),
        boundaries=agreed.boundaries(measured(within)),
        people=measured(paired[0]) if known else None,
        machine=measured(paired[1]) if known else None,
        difference=measured(paired[2], False) if known else None,
        p=paired[2].p if known else float("nan"),
        p_holm=float("nan"),
        equivalence=equivalence_within(paired[2], margin) if known else None,
        parts={name: measured(each, False) for name, each in zip(_PARTS, paired[3:], strict=False)},
    )


_PARTS = (MISSED, FALSE_ALARM, CONFUSION, "within")


def _paired(study: Segmentation, shared: Marks, model: Labeller) -> list[Estimate]:
    """Return EDER of listeners and model, then listeners minus model of EDER, its parts and boundaries."""
    people, machine = study.against_truth(shared), study.of_model(model, shared)
    columns = (people.errors, machine.errors, people.counts, machine.counts, np.ones((len(people.marks), 1)))

    def scores(sums: Tensor) -> Tensor:
        ours, theirs = (sums[..., at : at + 4] / sums[..., 12:] for at in (0, 4))
        places, others = (sums[..., at : at + 1] / sums[..., at + 1 : at + 2] for at in (8, 10))
        return torch.cat([ours[..., :1], theirs[..., :1], ours - theirs, places - others], dim=-1)

    values = np.concatenate(columns, axis=1)
    return crossed_estimates(people.marks.design(), values, scores, study.resamples, study.seed)


@dataclass(frozen=True)
class PeopleAndModels:
    """EDER of models minus that of people, on recordings that both have labelled.

    Attributes:
        difference: Above 0 people are better.
        people: EDER of the listeners.
        models: Mean EDER of the models of each recording.
    """

    difference: Estimate
    people: float
    models: float


def people_and_models(study: Segmentation) -> PeopleAndModels | None:
    """Return how much better people are than models, averaged; None without a recording of both."""
    own = study.marks.having(study.truths)
    tested = [own.having(model.segments) for model in study.labellers]
    errors = np.full((len(tested), len(own)), np.nan)
    for model, each in enumerate(tested):
        rows = own.frame["item"].isin(list(study.labellers[model].segments)).to_numpy(dtype=bool)
        errors[model, rows] = study.of_model(study.labellers[model], each).errors[:, 0] if len(each) else []
    kept = ~np.isnan(errors).all(axis=0)
    if not kept.any():
        return None
    people = study.against_truth(own.where(kept))
    values = np.stack([np.nanmean(errors[:, kept], axis=0), people.errors[:, 0], np.ones(kept.sum())], axis=1)

    def scores(sums: Tensor) -> Tensor:
        machine, ours = sums[..., 0] / sums[..., 2], sums[..., 1] / sums[..., 2]
        return torch.stack([machine - ours, ours, machine], dim=-1)

    found = crossed_estimates(people.marks.design(), values, scores, study.resamples, study.seed)
    return PeopleAndModels(found[0], found[1].value, found[2].value)


def compare_segments(study: Segmentation, margin: float) -> SegmentComparison:
    """Return everything that is said about marked parts.

    Args:
        study: The marks with what they are compared with.
        margin: Of equivalence, in shares of EDER.
    """
    groups = list(dict.fromkeys(sorted(study.marks.frame["group"])))
    against = [
        found
        for group in groups
        for model in study.labellers
        if (found := against_labeller(study, study.marks.of_group(group), group, model, margin)) is not None
    ]
    corrected = holm({index: own.p for index, own in enumerate(against)})
    return SegmentComparison(
        tolerance=study.tolerance,
        classes=study.classes,
        groups=tuple(score_segments(study, own, *cell) for cell, own in cells_of(study.marks, groups)),
        models=tuple(
            score_segments(study, own, *cell, is_model=True)
            for model in study.labellers
            for cell, own in cells_of(of_labeller(model, study.marks), [model.name])
        ),
        against=tuple(replace(own, p_holm=corrected[index]) for index, own in enumerate(against)),
        examples=tuple(_examples(study)),
    )


def _examples(study: Segmentation) -> Iterator[Example]:
    """Yield recordings from the least to the largest error, evenly."""
    frame = study.marks.frame
    errors = {item: _error(study, item) for item in dict.fromkeys(frame["item"])}
    ranked = sorted(errors, key=lambda item: (errors[item], item))
    chosen = np.unique(np.linspace(0, len(ranked) - 1, EXAMPLES).round().astype(int))
    for item in (ranked[index] for index in chosen):
        rows = np.flatnonzero((frame["item"] == item).to_numpy(dtype=bool))
        lanes = [Lane(frame["listener"][row], frame["group"][row], study.marks.segments[row]) for row in rows]
        yield Example(
            item=str(frame["name"].iloc[rows[0]]),
            duration=study.durations[item],
            reference=study.truths.get(item),
            error=errors[item],
            models=tuple(
                Lane(own.name, "", own.segments[item]) for own in study.labellers if item in own.segments
            ),
            listeners=tuple(sorted(lanes, key=lambda own: (own.group, own.name))),
        )


def _error(study: Segmentation, item: str) -> float:
    own = study.marks.where((study.marks.frame["item"] == item).to_numpy(dtype=bool))
    if item in study.truths:
        return float(study.against_truth(own).errors[:, 0].mean())
    pairs = _Pairs(study, own)
    return float(pairs.apart.mean()) if len(pairs.first) else float("nan")


def notes_on(study: Segmentation) -> Iterator[str]:
    """Yield what the reader of the scores must know."""
    items, known = study.marks.items, len(study.truths)
    yield (
        "time that is not marked is neutral, and a recording in which nothing was marked is neutral "
        "throughout. EDER is the share of time with the wrong emotion; the disagreement of two listeners is "
        "measured in the same way."
    )
    if known < items:
        yield (
            f"the boundaries of {count(items - known, 'recording')} of {items} are unknown (--reference): "
            "agreement between listeners and with models is measured on all, errors on the others."
        )
    if study.guessed:
        yield (
            f"the length of {count(study.guessed, 'recording')} of {items} is unknown: the end of the last "
            "segment that anybody marked is used instead, so that shares of time are too large."
        )
    if study.without_length:
        left = count(study.without_length, "recording")
        yield f"{left} left out: nothing was marked, and the length is unknown."
    truth = set(classes_of(study.truths.values()))
    if study.truths and (extra := [name for name in classes_of(study.marks.segments) if name not in truth]):
        yield f"listeners also marked {', '.join(extra)}, which no reference has: such time is an error."
    yield from (f"{own.name}: has labelled none of the recordings." for own in study.strange)
    for own in study.labellers:
        if missing := len(study.durations.keys() - own.segments.keys()):
            yield f"{own.name}: has not labelled {missing} of {count(items, 'recording')}; they are left out."
