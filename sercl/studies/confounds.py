"""Confounds: attributes that distinguish the emotions of a corpus, which a model may learn instead."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MIN_SCORE = 0.1
"""Confounds that remove less than this fraction of the uncertainty are not reported."""

MAX_P = 0.01
"""Confounds that chance alone would produce more often than this are not reported."""

PERMUTATIONS = 199

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Confound:
    """An attribute whose values distinguish one emotion from the rest better than chance.

    Attributes:
        attribute: "text", "speaker", "sampling rate" or another property of an utterance.
        emotion: The emotion that it reveals.
        score: Fraction of the uncertainty about "this emotion or not" that knowing the attribute removes,
            beyond what it removes for shuffled emotions; 1 if it determines the emotion. It is mutual
            information, adjusted for chance (Vinh et al. 2010), so many rare values alone do not raise it.
        p: Fraction of the shuffled corpora that score at least as high.
        exclusive: Fraction of the emotion's utterances whose value no other emotion has.
        utterances: Utterances of the emotion whose value is known.
    """

    attribute: str
    emotion: str
    score: float
    p: float
    exclusive: float
    utterances: int


def find_confounds(
    emotions: Sequence[str], attributes: Mapping[str, Sequence[str | None]], seed: int = 0
) -> tuple[Confound, ...]:
    """Find the attributes that reveal an emotion.

    Args:
        emotions: Emotion of each utterance.
        attributes: Attribute -> its value for each utterance, None where unknown (those are left out).
        seed: Seed of the shuffles.

    Returns:
        The confounds with `score >= MIN_SCORE` and `p <= MAX_P`, the strongest first.
    """
    found = [
        confound
        for name, values in attributes.items()
        for confound in score_attribute(name, emotions, values, seed)
        if confound.score >= MIN_SCORE and confound.p <= MAX_P
    ]
    return tuple(sorted(found, key=lambda item: (-item.score, item.attribute, item.emotion)))


def score_attribute(
    attribute: str, emotions: Sequence[str], values: Sequence[str | None], seed: int = 0
) -> list[Confound]:
    """Score one attribute against every emotion; nothing where it has one value, or there is one emotion."""
    known = [(emotion, value) for emotion, value in zip(emotions, values, strict=True) if value is not None]
    names, emotion_codes = _codes([emotion for emotion, _ in known])
    kinds, value_codes = _codes([value for _, value in known])
    if len(names) < 2 or len(kinds) < 2:
        return []
    shape = (len(kinds), len(names))
    table = _table(value_codes, emotion_codes, shape)
    observed, shuffled = _uncertainty(table), _shuffled_uncertainty(value_codes, emotion_codes, shape, seed)
    expected = shuffled.mean(axis=0)
    # Where every value occurs once, nothing is uncertain for shuffled emotions either: no evidence.
    scores = 1 - np.divide(observed, expected, out=np.ones_like(observed), where=expected > 1e-9)
    p = (1 + (shuffled <= observed + 1e-12).sum(axis=0)) / (1 + PERMUTATIONS)
    exclusive = np.where((table > 0).sum(axis=1, keepdims=True) == 1, table, 0).sum(axis=0) / table.sum(
        axis=0
    )
    totals = table.sum(axis=0)
    return [
        Confound(attribute, name, float(scores[i]), float(p[i]), float(exclusive[i]), int(totals[i]))
        for i, name in enumerate(names)
    ]


def _codes(words: Sequence[str]) -> tuple[list[str], Codes]:
    names = sorted(set(words))
    index = {name: code for code, name in enumerate(names)}
    return names, np.array([index[word] for word in words], dtype=np.int64)


def _table(values: Codes, emotions: Codes, shape: tuple[int, int]) -> Codes:
    """Return `[values, emotions]` counts."""
    return np.bincount(values * shape[1] + emotions, minlength=shape[0] * shape[1]).reshape(shape)


def _uncertainty(table: Codes) -> Floats:
    """Return, for each emotion, the conditional entropy (nats) of "this emotion or not" given the value."""
    sizes = table.sum(axis=1, keepdims=True)
    share = table / sizes
    entropy = _plogp(share) + _plogp(1 - share)
    result: Floats = -(sizes * entropy).sum(axis=0) / sizes.sum()
    return result


def _plogp(share: Floats) -> Floats:
    return share * np.log(share, out=np.zeros_like(share), where=share > 0)


def _shuffled_uncertainty(values: Codes, emotions: Codes, shape: tuple[int, int], seed: int) -> Floats:
    """Return `[PERMUTATIONS, emotions]` uncertainties for shuffled emotions."""
    generator = np.random.default_rng(seed)
    return np.stack(
        [_uncertainty(_table(values, generator.permutation(emotions), shape)) for _ in range(PERMUTATIONS)]
    )
