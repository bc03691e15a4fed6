"""Predictions made by hand, for tests of what is made from them."""

from collections.abc import Sequence

import numpy as np

from sercl.studies.results.predictions import Predictions

CLASSES = ("angry", "happy", "neutral", "sad")


def predictions(
    truth: Sequence[int],
    *predicted: Sequence[int],
    speakers: Sequence[str | None] | None = None,
    utterances: Sequence[str] | None = None,
    folds: Sequence[int] | None = None,
) -> Predictions:
    """One row of predictions per run, each on the same utterances."""
    count, runs = len(truth), len(predicted)
    names = utterances or [f"u{index}" for index in range(count)]
    flat = np.concatenate([np.asarray(row) for row in predicted])
    return Predictions(
        classes=CLASSES,
        runs=tuple((0, seed) for seed in range(runs)),
        run=np.repeat(np.arange(runs), count),
        fold=np.tile(np.asarray(folds if folds is not None else [0] * count), runs),
        utterance=np.tile(np.array(names, dtype=object), runs),
        speaker=np.tile(np.array(speakers or [None] * count, dtype=object), runs),
        truth=np.tile(np.asarray(truth), runs),
        predicted=flat,
        probabilities=np.eye(len(CLASSES))[flat],
    )


def drawn(
    seed: int, share: float, speakers: int = 8, per_class: int = 3, effect: float = 0.0, prefix: str = ""
) -> Predictions:
    """A system that is right with probability `share`, more or less so by speaker."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(speakers), len(CLASSES) * per_class)
    truth = np.tile(np.repeat(np.arange(len(CLASSES)), per_class), speakers)
    odds = np.log(share / (1 - share)) + effect * rng.normal(size=speakers)[who]
    right = rng.random(len(truth)) < 1 / (1 + np.exp(-odds))
    wrong = (truth + rng.integers(1, len(CLASSES), len(truth))) % len(CLASSES)
    names = [f"{prefix}s{index}" for index in who]
    utterances = [f"{prefix}u{index}" for index in range(len(truth))]
    return predictions(
        truth.tolist(), np.where(right, truth, wrong).tolist(), speakers=names, utterances=utterances
    )
