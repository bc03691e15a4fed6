"""The claims of the study, each with its test on a user's data.

1. Models are stronger within a language: UAR of a model of the items' own language minus that of native
listeners. 2. People lose less across languages: what models lose from the own to another language, minus
what people lose. 3. A dialect hurts those more who do not speak the language: a difference of differences.
4. People mark segments better than models: EDER of models minus that of listeners, on the same recordings.

Native listeners are those whose native language is that of the item; the others hear a foreign language.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sercl.corpora.languages import UNKNOWN
from sercl.data.settings import MONOLINGUAL, ZERO_SHOT
from sercl.errors import UsageError
from sercl.listening.comparison.answers import Answers, Measure, measured
from sercl.listening.comparison.contrasts import language_of
from sercl.listening.comparison.models import Model
from sercl.listening.comparison.segments import Segmentation, people_and_models
from sercl.metrics.functional.comparison import holm
from sercl.metrics.functional.crossed import Estimate, crossed_estimates
from sercl.metrics.functional.intervals import SIGNIFICANT

Floats = NDArray[np.float64]

SUPPORTED, CONTRADICTED, OPEN, UNTESTED = "supported", "contradicted", "not decided", "cannot be tested"

WITHIN, ACROSS, DIALECTS, MARKING = "within", "across", "dialect", "segments"

_STATEMENTS = {
    WITHIN: "Within a language, models recognise emotions better than native listeners.",
    ACROSS: "Across languages, people lose less than models.",
    DIALECTS: "A dialect costs listeners of another language more than native listeners.",
    MARKING: "People mark where an emotion begins and ends better than models.",
}

_SCORES = {WITHIN: "UAR", ACROSS: "UAR", DIALECTS: "UAR", MARKING: "EDER"}


@dataclass(frozen=True)
class Claim:
    """One claim.

    Attributes:
        name: Its short name.
        statement: In words.
        verdict: "supported", "contradicted", "not decided" (the interval includes 0) or "cannot be tested".
        score: What is compared: "UAR" or "EDER".
        difference: What is tested, in shares of the score; positive supports the claim; None if it cannot be
            tested.
        p: Of the test that it is 0.
        p_holm: Corrected for all claims that can be tested.
        parts: The scores that the difference is made of, by name.
        needs: What the data lack; "" if nothing.
    """

    name: str
    statement: str
    verdict: str
    score: str
    difference: Measure | None
    p: float
    p_holm: float
    parts: dict[str, float]
    needs: str


@dataclass(frozen=True)
class _Parts:
    """Hits and answers in named conditions, and the sum of their UARs that is tested."""

    weights: dict[str, float]
    hits: dict[str, Floats]
    counted: dict[str, Floats]


def claims_of(
    native: Answers | None,
    models: Sequence[Model],
    standard: str | None,
    resamples: int,
    seed: int,
    segments: Segmentation | None = None,
) -> tuple[Claim, ...]:
    """Return every claim with its test.

    Args:
        native: The answers, grouped by the native language of listeners; None if nobody chose an emotion.
        models: Conditions of studies, of which monolingual and zero-shot ones are used.
        standard: Dialect that is the standard; by default items without a dialect, or with "standard".
        resamples: Number of bootstrap samples.
        seed: Makes the result repeatable.
        segments: Marked parts; None if nobody marked any.
    """
    claims = []
    for name, score in _SCORES.items():
        try:
            if name == MARKING:
                difference, parts = _marking(segments)
            else:
                difference, parts = _of_choices(name, native, models, standard, resamples, seed)
        except _LacksError as error:
            claims.append(
                Claim(name, _STATEMENTS[name], UNTESTED, score, None, np.nan, np.nan, {}, str(error))
            )
            continue
        value, p = measured(difference, False), difference.p
        claims.append(Claim(name, _STATEMENTS[name], OPEN, score, value, p, np.nan, parts, ""))
    corrected = holm({index: own.p for index, own in enumerate(claims)})
    return tuple(
        replace(own, p_holm=corrected[index], verdict=_verdict(own, corrected[index]))
        for index, own in enumerate(claims)
    )


class _LacksError(UsageError):
    """What the data lack for a claim."""


def _verdict(own: Claim, p_holm: float) -> str:
    if own.difference is None:
        return UNTESTED
    if not p_holm < SIGNIFICANT:
        return OPEN
    return SUPPORTED if own.difference.value > 0 else CONTRADICTED


def _of_choices(
    name: str,
    own: Answers | None,
    models: Sequence[Model],
    standard: str | None,
    resamples: int,
    seed: int,
) -> tuple[Estimate, dict[str, float]]:
    """Return what is tested, and the UARs that it is made of."""
    if own is None:
        raise _LacksError("choices between emotions (task choice)")
    parts = _FINDERS[name](own, models, standard)
    classes = len(own.classes)
    onehot = np.eye(classes)[own.truth]
    columns = [onehot * values[:, None] for part in (parts.hits, parts.counted) for values in part.values()]
    weights = torch.tensor(list(parts.weights.values()), dtype=torch.float64)

    def scores(sums: Tensor) -> Tensor:
        hits, every = sums.reshape(*sums.shape[:-1], 2, len(weights), classes).unbind(-3)
        each = (hits / every).nanmean(dim=-1)
        return torch.cat([(each * weights).sum(dim=-1, keepdim=True), each], dim=-1)

    found = crossed_estimates(own.design(), np.concatenate(columns, axis=1), scores, resamples, seed)
    difference, *each = found
    if np.isnan(difference.value) or not difference.error > 0:
        raise _LacksError("items of every emotion")
    return difference, {part: one.value for part, one in zip(parts.weights, each, strict=True)}


def _marking(segments: Segmentation | None) -> tuple[Estimate, dict[str, float]]:
    """Return EDER of models minus that of people, and both."""
    if segments is None:
        raise _LacksError("marked parts of recordings (task segments)")
    if not segments.truths:
        raise _LacksError("known boundaries of the marked recordings (--reference)")
    found = people_and_models(segments)
    if found is None:
        raise _LacksError("segments that a model has found in the marked recordings (--hypothesis)")
    if not found.difference.error > 0:
        raise _LacksError("recordings that people and models label differently well")
    return found.difference, {"models": found.models, "people": found.people}


def _native_rows(own: Answers) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which answers are of native listeners, and which of listeners of another language."""
    languages = {group: language_of(group) for group in own.frame["group"].unique()}
    theirs = own.frame["group"].map(lambda group: languages[group] or "").to_numpy(dtype=object)
    item = own.frame["language"].to_numpy(dtype=object)
    known = (theirs != "") & (item != "") & (item != UNKNOWN)
    if not known.any():
        raise _LacksError("the native language of listeners (--native COLUMN), and the language of items")
    native = known & (theirs == item)
    if not native.any():
        raise _LacksError("listeners whose native language is that of items")
    return native, known & (theirs != item)


def _right_of(own: Answers, models: Sequence[Model], setting: str) -> Floats:
    """Return how often the models of a setting are right, `[rows]`; NaN for items that none was tested on."""
    found = []
    for model in models:
        if model.condition is not None and model.condition.setting == setting and not model.condition.tags:
            rows = model.rows(own.frame["item"])
            names = [list(model.classes).index(name) if name in model.classes else -1 for name in own.classes]
            truth = np.array(names)[own.truth]
            known = (rows >= 0) & (truth >= 0)
            right = np.full(len(own), np.nan)
            right[known] = model.predicted[rows[known], truth[known]]
            found.append(right)
    if not found or np.isnan(found).all():
        raise _LacksError(f"a study with {setting} predictions of these items (--predictions)")
    with np.errstate(invalid="ignore"):
        tested = ~np.isnan(found)
        return np.asarray(
            np.where(tested.any(axis=0), np.nansum(found, axis=0) / np.maximum(tested.sum(axis=0), 1), np.nan)
        )


def _within(own: Answers, models: Sequence[Model], standard: str | None) -> _Parts:
    native, _ = _native_rows(own)
    machine = _right_of(own, models, MONOLINGUAL)
    kept = (native & ~np.isnan(machine)) * own.weight
    hit = (own.answer == own.truth).astype(np.float64)
    return _parts({"models": (1.0, kept, machine), "native listeners": (-1.0, kept, hit)})


def _across(own: Answers, models: Sequence[Model], standard: str | None) -> _Parts:
    native, foreign = _native_rows(own)
    if not foreign.any():
        raise _LacksError("listeners who hear another language than their own")
    within, across = _right_of(own, models, MONOLINGUAL), _right_of(own, models, ZERO_SHOT)
    both = ~np.isnan(within) & ~np.isnan(across)
    ours, theirs = (native & both) * own.weight, (foreign & both) * own.weight
    hit = (own.answer == own.truth).astype(np.float64)
    return _parts(
        {
            "models, own language": (1.0, ours, within),
            "models, other language": (-1.0, theirs, across),
            "people, own language": (-1.0, ours, hit),
            "people, other language": (1.0, theirs, hit),
        }
    )


def _dialect(own: Answers, models: Sequence[Model], standard: str | None) -> _Parts:
    native, foreign = _native_rows(own)
    names = ("", "standard") if standard is None else (standard,)
    plain = own.frame["dialect"].isin(names).to_numpy()
    with_dialect = own.frame["language"].isin(own.frame["language"][~plain].unique()).to_numpy()
    if plain.all() or not (plain & with_dialect).any():
        raise _LacksError("items of a dialect and of its standard language (column dialect)")
    if not (foreign & with_dialect).any():
        raise _LacksError("listeners of another language who hear the dialect")
    hit = (own.answer == own.truth).astype(np.float64)
    conditions = {
        "others, standard": (1.0, foreign & plain & with_dialect),
        "others, dialect": (-1.0, foreign & ~plain),
        "natives, standard": (-1.0, native & plain & with_dialect),
        "natives, dialect": (1.0, native & ~plain),
    }
    return _parts({name: (weight, kept * own.weight, hit) for name, (weight, kept) in conditions.items()})


_FINDERS = {WITHIN: _within, ACROSS: _across, DIALECTS: _dialect}


def _parts(conditions: dict[str, tuple[float, Floats, Floats]]) -> _Parts:
    for name, (_, counted, _) in conditions.items():
        if not counted.any():
            raise _LacksError(f"answers in the condition: {name}")
    return _Parts(
        weights={name: weight for name, (weight, _, _) in conditions.items()},
        hits={name: counted * np.nan_to_num(hit) for name, (_, counted, hit) in conditions.items()},
        counted={name: counted for name, (_, counted, _) in conditions.items()},
    )
