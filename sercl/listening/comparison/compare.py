"""Everything that is said about listeners, and about listeners and models, from one table."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from sercl.corpora.cells import key_of
from sercl.errors import UsageError
from sercl.listening.comparison.against import (
    AgainstModel,
    Ceilings,
    Majorities,
    against_model,
    shared_with,
    with_holm,
)
from sercl.listening.comparison.answers import Answers, Measure, answers_of, cells_of, measured
from sercl.listening.comparison.claims import Claim, claims_of
from sercl.listening.comparison.contrasts import Contrast, contrasts_of
from sercl.listening.comparison.groups import GroupScores, score_group
from sercl.listening.comparison.knowledge import KNOWLEDGE, by_knowledge
from sercl.listening.comparison.marks import Labeller, Reference, marks_of
from sercl.listening.comparison.mixed import MixedModel, Progress, mixed_models_of
from sercl.listening.comparison.models import Model
from sercl.listening.comparison.segments import (
    Segmentation,
    SegmentComparison,
    compare_segments,
    notes_on,
)
from sercl.listening.exclusion import repeated_answers
from sercl.listening.items import stem_of
from sercl.listening.ratings import LISTENER, RATINGS, SIMULATED, Table, first_marks, has_choices
from sercl.metrics.functional.crossed import Crossed, crossed_estimates


@dataclass(frozen=True)
class CompareOptions:
    """How listeners are compared.

    Args:
        groups: Column of listeners whose values are groups, such as `native`; or `knowledge`: native, l2,
            none. These are by how well they know the language of the item.
        native: Column with the native language of listeners, for these groups and the claims of the study.
        standard: Dialect that is the standard; by default items without a dialect, or with "standard".
        units: What intervals are over, beside listeners: `items`, or the `speakers` of items.
        margin: Margin of equivalence, in shares of UAR, set before the data are seen.
        eder_margin: The same of marked parts, in shares of EDER.
        mixed_models: Whether crossed logistic mixed models are fitted: of listeners, and with each model.
        tolerance: Distance in s within which a marked boundary is where it should be.
        resamples: Number of bootstrap samples.
        seed: Makes the bootstrap repeatable.
    """

    groups: str | None = None
    native: str = "native"
    standard: str | None = None
    units: Literal["items", "speakers"] = "items"
    margin: float = 0.05
    eder_margin: float = 0.05
    mixed_models: bool = True
    tolerance: float = 0.25
    resamples: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value, score in (("margin", self.margin, "UAR"), ("eder_margin", self.eder_margin, "EDER")):
            if not 0 < value < 1:
                raise UsageError(
                    f"--{name} {value}: a share of {score} between 0 and 1 is needed, such as 0.05."
                )
        if not 0 < self.tolerance < 60:
            raise UsageError(f"--tolerance {self.tolerance}: seconds above 0 are needed, such as 0.25.")
        if self.resamples < 100:
            raise UsageError(f"--resamples {self.resamples}: at least 100 are needed.")


@dataclass(frozen=True)
class Comparison:
    """The result of `compare`.

    Attributes:
        options: As given.
        kind: "ratings" or "votes".
        groups: Scores of each group, on all items and by language and dialect; empty without choices.
        consistency: Group -> share of repeated items that its listeners answered alike.
        majorities: Group -> number of listeners -> UAR of their majority.
        held_out: Group -> number of listeners -> how badly they predict another one, in nats.
        models: Groups against models.
        contrasts: Differences between groups, languages and dialects.
        mixed_models: The same and differences from models in log-odds, by crossed logistic mixed models.
        segments: Marked parts of recordings; None if there are none.
        claims: The claims of the study.
        notes: What was left out, and what the data do not allow.
    """

    options: CompareOptions
    kind: str
    groups: tuple[GroupScores, ...]
    consistency: dict[str, Measure]
    majorities: dict[str, dict[int, Measure]]
    held_out: dict[str, dict[int, Measure]]
    models: tuple[AgainstModel, ...]
    contrasts: tuple[Contrast, ...]
    mixed_models: tuple[MixedModel, ...]
    segments: SegmentComparison | None
    claims: tuple[Claim, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


def compare(
    table: Table,
    models: Sequence[Model],
    options: CompareOptions = CompareOptions(),
    reference: Reference = Reference(),
    labellers: Sequence[Labeller] = (),
    on_progress: Progress = lambda what, done, total: None,
) -> Comparison:
    """Score listeners by group, language and dialect, and against models.

    Args:
        table: Ratings or votes.
        models: Systems that were tested on some of the items.
        options: How.
        reference: What is known of recordings in which parts were marked.
        labellers: Models that have labelled some of these recordings.
        on_progress: Called with what is done, how much of it is done, and how much there is.

    Raises:
        UsageError: If there is nothing to score, an option names what the table does not have, or a reference
            or a model is of no use for it.
    """
    truths = {name: truth for model in reversed(models) for name, truth in model.truths.items()}
    named = {str(name): truths[key] for name in table.frame["item"].unique() if (key := _key(name)) in truths}
    scored = table
    if options.groups == KNOWLEDGE and table.kind == RATINGS and KNOWLEDGE not in table.listener_columns:
        scored = by_knowledge(table, options.native)
    _check_tested(table, models)
    segments = _segmentation(scored, options, reference, labellers)
    base = Comparison(
        options=options,
        kind=table.kind,
        groups=(),
        consistency={},
        majorities={},
        held_out={},
        models=(),
        contrasts=(),
        mixed_models=(),
        segments=None if segments is None else compare_segments(segments, options.eder_margin),
        claims=_claims(table, models, named, options, segments),
        notes=() if segments is None else tuple(notes_on(segments)),
    )
    if segments is not None and not has_choices(table):
        if models:
            raise UsageError(
                "--predictions: nobody chose an emotion in these ratings. Models that label parts of "
                "recordings are given as --hypothesis."
            )
        return replace(base, notes=(*_not_people(table), _INTERVALS[options.units], *base.notes))
    return _with_choices(base, scored, models, named, on_progress)


def _with_choices(
    base: Comparison, table: Table, models: Sequence[Model], truths: dict[str, str], on_progress: Progress
) -> Comparison:
    """Return a comparison with all scores of choices between emotions, or of votes."""
    options = base.options
    answers = answers_of(table, options.groups, truths, options.units == "speakers")
    groups = list(dict.fromkeys(sorted(answers.frame["group"])))
    by_group = {group: answers.where((answers.frame["group"] == group).to_numpy()) for group in groups}
    majorities = {
        group: Majorities(own, options.seed) for group, own in by_group.items() if not own.rates_only
    }
    against = list(_against(by_group, majorities, models, options, on_progress))
    mixed = mixed_models_of(answers, models, options.standard, on_progress) if options.mixed_models else ()
    return replace(
        base,
        groups=tuple(
            score_group(own, *cell, options.resamples, options.seed)
            for cell, own in cells_of(answers, groups)
        ),
        consistency=_consistency(table, options) if table.kind == RATINGS else {},
        majorities={group: own.curve() for group, own in majorities.items()},
        held_out={group: own.loss_curve() for group, own in majorities.items()},
        models=with_holm(against),
        contrasts=contrasts_of(answers, options.standard, options.resamples, options.seed),
        mixed_models=mixed,
        notes=(
            *_untested(models, against),
            *_not_people(table),
            *_notes(answers, against),
            *_of_mixed(mixed),
            *base.notes,
        ),
    )


def _segmentation(
    table: Table, options: CompareOptions, reference: Reference, labellers: Sequence[Labeller]
) -> Segmentation | None:
    if not len(first_marks(table)):
        if reference.known or labellers:
            option = "--reference" if reference.known else "--hypothesis"
            raise UsageError(f"{option} has no effect: nobody marked parts of recordings (task segments).")
        return None
    marks = marks_of(table, options.groups, reference, options.units == "speakers")
    return Segmentation(marks, reference, labellers, options.tolerance, options.resamples, options.seed)


def _key(name: object) -> str:
    return key_of(stem_of(str(name)))


def _against(
    by_group: dict[str, Answers],
    majorities: dict[str, Majorities],
    models: Sequence[Model],
    options: CompareOptions,
    on_progress: Progress,
) -> Iterator[AgainstModel]:
    total = len(by_group) * len(models)
    for place, (group, own) in enumerate(by_group.items()):
        ceilings = Ceilings(options.seed)
        for number, model in enumerate(models):
            on_progress("comparing with models", place * len(models) + number, total)
            if (shared := shared_with(own, model)) is not None:
                ways = options.margin, options.resamples, options.seed
                yield against_model(shared, group, *ways, majorities.get(group), ceilings)


def _consistency(table: Table, options: CompareOptions) -> dict[str, Measure]:
    """Return how often listeners give the same answer again, by group."""
    again = repeated_answers(table.frame)
    if not len(again):
        return {}
    column = f"listener_{options.groups}" if options.groups else None
    people = table.frame.drop_duplicates("listener").set_index("listener")
    group = (
        again["listener"].map(people[column]) if column else again["listener"].map(lambda _: "all listeners")
    )
    found = {}
    for name in sorted(group.dropna().unique()):
        own = again[group == name]
        listener, item = (
            own[key].astype("category").cat.codes.to_numpy(np.int64) for key in ("listener", "item")
        )
        design = Crossed(
            listener, item, np.zeros(listener.max() + 1, np.int64), np.zeros(item.max() + 1, np.int64)
        )
        values = np.stack([own["same"].to_numpy(np.float64), np.ones(len(own))], axis=1)
        share = crossed_estimates(
            design, values, lambda sums: sums[..., :1] / sums[..., 1:], options.resamples, options.seed
        )
        found[str(name)] = measured(share[0])
    return found


def _claims(
    table: Table,
    models: Sequence[Model],
    truths: dict[str, str],
    options: CompareOptions,
    segments: Segmentation | None,
) -> tuple[Claim, ...]:
    if table.kind != RATINGS:
        return ()
    column = options.native if options.native in table.listener_columns else None
    answers = (
        answers_of(table, column, truths, options.units == "speakers")
        if segments is None or has_choices(table)
        else None
    )
    return claims_of(answers, models, options.standard, options.resamples, options.seed, segments)


def _not_people(table: Table) -> Iterator[str]:
    if SIMULATED in table.listener_columns:
        people = table.frame.groupby("listener")[f"{LISTENER}{SIMULATED}"].first()
        yield (
            f"{people.notna().sum()} of {len(people)} listeners are simulated: their answers are random "
            "numbers, and say nothing about people."
        )


_MOST_NAMED = 3
"""Models that a note names one by one; of more, the table of the terms says which."""

_UNITS = {"items": "items of the same speakers", "speakers": "speakers"}
_INTERVALS = {
    name: f"intervals are for other listeners of the group and other {units}."
    for name, units in _UNITS.items()
}


def _notes(answers: Answers, against: Sequence[AgainstModel]) -> Iterator[str]:
    unit = "speakers" if answers.by_speaker else "items"
    if answers.votes_only:
        yield (
            f"single listeners are not known: intervals are over {unit}, and say nothing on other listeners. "
            "Self-consistency, error consistency between listeners, a noise ceiling of confusions, groups, "
            "mixed models and the claims of the study need single listeners."
        )
    else:
        yield _INTERVALS[unit]
    if answers.rates_only:
        yield (
            "only recognition rates are known, not what was answered instead: Hu, d', criterion, confusions, "
            "agreement, majorities and soft labels need all answers."
        )
    elif extra := answers.columns[len(answers.classes) :]:
        yield (
            f"listeners also answered {', '.join(extra)}, which no item is: such answers count as errors. A "
            "model that cannot give them has an easier task."
        )
    yield from _left_out(against)


def _of_mixed(fitted: Sequence[MixedModel]) -> Iterator[str]:
    if fitted:
        yield (
            "mixed models describe the log-odds of being right, in which a difference near the ceiling is "
            "larger than in UAR; where both disagree, say so."
        )
    said: dict[str, list[str]] = {}
    for own in fitted:
        if own.problem:
            said.setdefault(own.problem, []).append(own.judge)
        if own.at_bound:
            bound = f"no variation of {', '.join(own.at_bound)} is seen (at its bound, 0)"
            said.setdefault(bound, []).append(own.judge)
    for text, judges in said.items():
        yield f"mixed models of {_judges(judges, len(fitted) - 1)}: {text}."


def _judges(names: Sequence[str], models: int) -> str:
    """Return who the judges are: listeners alone (""), and with models."""
    machines = [name for name in names if name]
    parts = ["listeners"] if "" in names else []
    if len(machines) > _MOST_NAMED:
        return "; ".join([*parts, f"listeners and {len(machines)} of {models} models"])
    return "; ".join([*parts, *(f"listeners and {name}" for name in machines)])


def _check_tested(table: Table, models: Sequence[Model]) -> None:
    """Raise `UsageError` if there are models, but none was tested on an item."""
    names = table.frame["item"].unique()
    if models and has_choices(table) and all((own.rows(names) < 0).all() for own in models):
        first = models[0]
        raise UsageError(
            f"--predictions: none of these models was tested on any of the items ({names[0]}, ...): "
            f"{first.name} was tested on {min(first.items)}, ... Give runs that were tested on the corpus of "
            "the items: `sercl test --ckpt FILE --out FOLDER`."
        )


def _untested(models: Sequence[Model], against: Sequence[AgainstModel]) -> Iterator[str]:
    compared = {own.model for own in against}
    if untested := [own.name for own in models if own.name not in compared]:
        yield f"models that were tested on none of the items: {'; '.join(untested)}."


def _left_out(against: Sequence[AgainstModel]) -> Iterator[str]:
    for own in against:
        if own.contradicting:
            yield (
                f"{own.contradicting} items left out of {own.group} against {own.model}, since "
                "their emotions differ."
            )
