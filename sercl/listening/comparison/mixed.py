"""Crossed logistic mixed models of being right, of listeners alone and with a model as another judge.

    right ~ emotion + group * language * dialect * judge + (1 | listener) + (1 | item) + (1 | speaker)
            + (1 | item:judge) + (1 | listener:items)

of which each data set gets the terms that it identifies. The last two say that an item may be harder for one
group than for another, and that listeners may differ in what a language or dialect costs them. Without them,
p-values of the very contrasts that are tested are too small (Barr et al. 2013, "Random effects structure for
confirmatory hypothesis testing").

Items and speakers are as different for a model as for listeners, but independently: `(1 | item:machine)` and
`(1 | speaker:machine)`, where a machine is no listener. A model answers an item once, which hardly tells
whether it fails where listeners do. A term for what both share is often estimated to be all or nothing, and
if all, the standard error of listeners minus model is too small: it was found in 7 % of simulated tests
without a difference. Without the term, the test is right for a model that finds other items hard, and careful
for one that finds the same ones hard (`benchmarks/listening.py` has both).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sercl.counting import count
from sercl.errors import UsageError
from sercl.listening.comparison.against import Shared, shared_with
from sercl.listening.comparison.answers import Answers, Measure
from sercl.listening.comparison.contrasts import (
    Cell,
    Contrast,
    Weights,
    cells_of,
    holm_by_kind,
    wanted_contrasts,
)
from sercl.listening.comparison.models import Model
from sercl.metrics.functional.mixed_logistic import ABSENT, MixedData, MixedFit, fit_mixed_logistic

LISTENERS_MINUS_MODEL, BY_ITEMS = "listeners minus model", "listeners minus model, by items"
"""Kinds of contrasts with a model as a judge; the others are those of `contrasts`."""

LISTENER, ITEM, SPEAKER, ITEM_BY_JUDGE, LISTENER_BY_ITEMS = (
    "listener", "item", "speaker", "item:judge", "listener:items",
)  # fmt: skip
"""Random factors."""

OF_MACHINE = ":machine"
"""Ends the name of a factor whose levels are others for a model than for listeners."""

FEW = 3
"""Fewest levels of a random factor."""

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Codes = Mapping[str, Indices]
Progress = Callable[[str, int, int], None]
"""Called with what is done, how much of it is done, and how much there is."""


@dataclass(frozen=True)
class MixedModel:
    """A fitted mixed model.

    Attributes:
        judge: Name of the model that is a judge beside the listeners; "" for listeners alone.
        formula: What was fitted.
        answers: Number of answers.
        deviations: Random factor -> its standard deviation, in log-odds.
        at_bound: Random factors whose standard deviation is 0.
        contrasts: Differences in log-odds; p_holm is corrected over all models.
        problem: Why contrasts are not shown, or which; "" if nothing is wrong.
    """

    judge: str
    formula: str
    answers: int
    deviations: dict[str, float]
    at_bound: tuple[str, ...]
    contrasts: tuple[Contrast, ...]
    problem: str


@dataclass(frozen=True)
class _Design:
    """Answers as a mixed model has them.

    Attributes:
        formula: What is fitted.
        data: For the fit.
        cells: Group or judge, language and dialect of the first columns of the fixed effects.
    """

    formula: str
    data: MixedData
    cells: list[Cell]


def mixed_models_of(
    own: Answers,
    models: Sequence[Model],
    standard: str | None,
    on_progress: Progress = lambda what, done, total: None,
) -> tuple[MixedModel, ...]:
    """Fit listeners alone, and listeners with each model; none where single listeners are not known.

    Args:
        own: The answers.
        models: Systems, each of which becomes a judge of the items that it was tested on.
        standard: Dialect that is the standard; by default items without a dialect, or with "standard".
        on_progress: Called with what is done, how many fits are done, and their number.
    """
    if own.votes_only:
        return ()
    what, total = "fitting mixed models", 1 + len(models)
    on_progress(what, 0, total)
    found = [_fitted("", own, None, wanted_contrasts(cells_of(own), standard))]
    for done, model in enumerate(models, start=1):
        on_progress(what, done, total)
        if (shared := shared_with(own, model)) is not None:
            cells = cells_of(shared.answers)
            found.append(_fitted(model.name, shared.answers, shared, _against(cells, model.name)))
    on_progress(what, total, total)
    every = holm_by_kind([contrast for model in found for contrast in model.contrasts])
    parts = iter(every)
    return tuple(replace(model, contrasts=tuple(next(parts) for _ in model.contrasts)) for model in found)


def deviations_of(own: Answers) -> dict[str, float]:
    """Return the standard deviations of the random factors of listeners alone, in log-odds.

    Raises:
        UsageError: If single listeners are not known, or the model cannot be fitted.
    """
    if own.votes_only:
        raise UsageError(
            "votes: how much listeners differ can only be seen where single listeners are known."
        )
    fit = fit_mixed_logistic(_design(own, None).data)
    if not fit.converged:
        raise UsageError("the mixed model of the answers did not converge: too few listeners or items.")
    return fit.deviations


def _fitted(
    judge: str, own: Answers, shared: Shared | None, wanted: Iterator[tuple[str, str, Weights]]
) -> MixedModel:
    try:
        design = _design(own, shared)
    except UsageError as error:
        return MixedModel(judge, "", len(own), {}, (), (), str(error))
    fit = fit_mixed_logistic(design.data)
    endless = {design.cells[index] for index in fit.unbounded if index < len(design.cells)}
    contrasts = tuple(
        _contrast(kind, name, weights, fit, design, own)
        for kind, name, weights in wanted
        if fit.converged and not endless & set(weights)
    )
    return MixedModel(
        judge, design.formula, len(design.data.right), fit.deviations, fit.at_bound, contrasts,
        _problem(fit, endless),
    )  # fmt: skip


def _problem(fit: MixedFit, endless: set[Cell]) -> str:
    if not fit.converged:
        return "did not converge: too few listeners or items for so many terms, or groups that do not overlap"
    if endless:
        names = "; ".join(sorted(", ".join(filter(None, cell)) for cell in endless))
        return f"all answers are right, or all wrong, in {names}: their contrasts have no estimate"
    return ""


def _contrast(
    kind: str, name: str, weights: Weights, fit: MixedFit, design: _Design, own: Answers
) -> Contrast:
    effects = np.zeros(len(fit.effects))
    effects[: len(design.cells)] = [weights.get(cell, 0.0) for cell in design.cells]
    found = fit.test(effects)
    low, high = found.interval()
    measure = Measure(found.value, low, high, own.listeners, own.items)
    return Contrast(kind, name, measure, found.p, found.p)


def _against(cells: Sequence[Cell], judge: str) -> Iterator[tuple[str, str, Weights]]:
    """Yield each group minus the model, over all items; then how that differs between kinds of items."""
    for group in dict.fromkeys(group for group, _, _ in cells):
        places = [place for own, *place in cells if own == group]
        each = [_difference(group, judge, *place) for place in places]
        mean = {cell: sign / len(each) for own in each for cell, sign in own.items()}
        yield LISTENERS_MINUS_MODEL, f"{group} minus {judge}", mean
        for place, own in zip(places[1:], each[1:], strict=True):
            name = f"{group} minus {judge}, on {_named(places[0])} more than on {_named(place)}"
            yield BY_ITEMS, name, {**each[0], **{cell: -sign for cell, sign in own.items()}}


def _difference(group: str, judge: str, language: str, dialect: str) -> Weights:
    return {(group, language, dialect): 1.0, (judge, language, dialect): -1.0}


def _named(place: Sequence[str]) -> str:
    return ", ".join(filter(None, place)) or "items without a language"


def _design(own: Answers, shared: Shared | None) -> _Design:
    """Return the data of the fit; the model's answers follow those of the listeners."""
    frame = own.frame.assign(
        right=(own.answer == own.truth).astype(np.float64), truth=own.truth, judge=own.frame["group"],
        machine="",
    )  # fmt: skip
    if shared is not None:
        items = frame.drop_duplicates("item").sort_values("item")
        items = items.assign(judge=shared.model.name, listener=None, machine="/machine")
        frame = pd.concat([frame, items.assign(right=shared.right)], ignore_index=True)
    cells = list(zip(frame["judge"], frame["language"], frame["dialect"], strict=True))
    names = sorted(set(cells))
    fixed = np.eye(len(names))[[names.index(cell) for cell in cells]]
    factors = _factors(frame, is_against=shared is not None)
    judges = ["group"] * (own.frame["group"].nunique() > 1) + ["judge"] * (shared is not None)
    places = [name for name in ("language", "dialect") if own.frame[name].nunique() > 1]
    emotions = _sum_coded(frame["truth"].to_numpy(np.int64))
    terms = ["emotion"] * (emotions.shape[1] > 0) + [" * ".join([*judges, *places]) or "1"]
    formula = " + ".join(["right ~ " + terms[0], *terms[1:], *(f"(1 | {name})" for name in factors)])
    data = MixedData(
        frame["right"].to_numpy(np.float64),
        np.ones(len(frame)),
        np.concatenate([fixed, emotions], axis=1),
        factors,
    )
    return _Design(formula, data, names)


def _factors(frame: pd.DataFrame, is_against: bool) -> Codes:
    """Return the random factors that the data identify; items and speakers are others for a machine."""
    place = frame["language"].str.cat(frame["dialect"], sep="/")
    voice = frame["speaker"].where(frame["speaker"].notna(), None)
    person = frame["listener"]
    several_places = place.nunique() > 1
    factors = {
        LISTENER: _codes(person),
        ITEM: _codes(frame["item"] + frame["machine"]),
        SPEAKER: _codes(frame["language"].str.cat(voice.astype(object), sep="/") + frame["machine"]),
        ITEM_BY_JUDGE: _codes(frame["item"].str.cat(frame["judge"], sep="/")),
        LISTENER_BY_ITEMS: _codes(person.str.cat(place, sep="/")) if several_places else None,
    }
    alone = frame["judge"][frame["machine"] == ""].nunique() == 1
    levels = {name: set(codes) - {ABSENT} for name, codes in factors.items() if codes is not None}
    is_known = voice.notna().all() and len(levels[SPEAKER]) < len(levels[ITEM])
    left_out = {ITEM_BY_JUDGE: alone, SPEAKER: not is_known}
    found = {
        f"{name}{OF_MACHINE if is_against and name in (ITEM, SPEAKER) else ''}": codes
        for name, codes in factors.items()
        if codes is not None and not left_out.get(name) and len(levels[name]) >= FEW
    }
    people, clips = len(levels[LISTENER]), frame["item"].nunique()
    if min(people, clips) < FEW:
        raise UsageError(
            f"{count(people, 'listener')} and {count(clips, 'item')}: at least {FEW} of both are needed to "
            "see how much they differ"
        )
    return found


def _codes(values: "pd.Series[str]") -> Indices:
    """Return a number per level, `ABSENT` where there is none."""
    return np.asarray(pd.factorize(values.to_numpy(dtype=object), use_na_sentinel=True)[0], dtype=np.int64)


def _sum_coded(truth: Indices) -> Floats:
    """Return effects of emotions that sum to 0, so that cells are means, `[rows, classes - 1]`."""
    codes = np.unique(truth, return_inverse=True)[1]
    size = int(codes.max()) + 1
    rows = np.concatenate([np.eye(size - 1), -np.ones((1, size - 1))])
    return np.asarray(rows[codes])
