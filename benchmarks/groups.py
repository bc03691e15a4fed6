"""Simulate the test between groups of speakers: coverage of its interval, and false alarms."""

import numpy as np
from numpy.typing import NDArray

from sercl.metrics.functional.groups import group_test

TIMES = 2000
CLASSES = 4
WITHIN = 0.4
"""Standard deviation, in log-odds, of the classes of one speaker."""

CASES = (  # sizes, shared speakers, recalls, spreads of speakers, utterances per class
    ((5, 5), 0, (0.7, 0.7), (0.8, 0.8), 5),
    ((5, 20), 0, (0.7, 0.7), (0.8, 0.8), 5),
    ((6, 40), 0, (0.7, 0.7), (0.8, 0.8), 5),
    ((20, 20), 0, (0.7, 0.7), (0.8, 0.8), 5),
    ((5, 20), 0, (0.7, 0.7), (1.5, 0.3), 5),
    ((20, 5), 0, (0.7, 0.7), (1.5, 0.3), 5),
    ((10, 20), 0, (0.7, 0.5), (0.8, 0.8), 5),
    ((20, 5), 0, (0.95, 0.95), (0.8, 0.8), 10),
    ((10, 10), 0, (0.7, 0.7), (0.0, 0.0), 2),
    ((5, 5), 5, (0.7, 0.7), (0.8, 0.8), 5),
    ((30, 30), 30, (0.7, 0.7), (0.8, 0.8), 5),
    ((10, 12), 5, (0.7, 0.7), (0.8, 0.8), 5),
)


def main() -> None:
    """Print a line per case."""
    for case in CASES:
        covered, significant, untested = simulate(np.random.default_rng(0), *case)
        sizes, shared, recalls, spreads, _ = case
        kinds = f"{sizes[0]:2} and {sizes[1]:2} speakers, {shared:2} in both"
        said = (
            f"{100 * significant:4.1f} % p < 0.05"
            if recalls[0] == recalls[1] and spreads[0] == spreads[1]
            else ""
        )
        print(
            f"{kinds}, recall {recalls[0]:.2f} and {recalls[1]:.2f}, spread {spreads[0]} and {spreads[1]}: "
            f"covers {100 * covered:.1f} %  {said}  ({untested} without a test)"
        )


def simulate(
    rng: np.random.Generator,
    sizes: tuple[int, int],
    shared: int,
    recalls: tuple[float, float],
    spreads: tuple[float, float],
    per_class: int,
) -> tuple[float, float, int]:
    """Return how often the interval covers the true difference, p is below 0.05, and there is no test."""
    people = sum(sizes) - shared
    true = [
        _ability(np.random.default_rng(1), 100_000, *own).mean() for own in zip(recalls, spreads, strict=True)
    ]
    tests = []
    for _ in range(TIMES):
        base = rng.normal(size=(people, 1))  # the same speaker is as easy in both groups
        totals = rng.integers(1, 2 * per_class, size=(2, people, CLASSES))
        rights = [
            rng.binomial(total, _ability(rng, people, recall, spread, base))
            for total, recall, spread in zip(totals, recalls, spreads, strict=True)
        ]
        first, second = (_confusions(right, total) for right, total in zip(rights, totals, strict=True))
        first[sizes[0] :], second[: sizes[0] - shared] = 0, 0
        tests.append(group_test(first, second))
    known = [test for test in tests if not np.isnan(test.p)]
    covered = np.mean([test.low <= true[0] - true[1] <= test.high for test in known])
    return float(covered), float(np.mean([test.p < 0.05 for test in known])), len(tests) - len(known)


def _ability(
    rng: np.random.Generator,
    people: int,
    recall: float,
    spread: float,
    base: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return the probability that an utterance is right, `[people, classes]`."""
    base = rng.normal(size=(people, 1)) if base is None else base
    odds = np.log(recall / (1 - recall)) + spread * base
    odds = odds + min(spread, WITHIN) * rng.normal(size=(people, CLASSES))
    return np.asarray(1 / (1 + np.exp(-odds)))


def _confusions(right: NDArray[np.int64], total: NDArray[np.int64]) -> NDArray[np.int64]:
    found = np.zeros((len(right), 1, CLASSES, CLASSES), dtype=np.int64)
    for index in range(CLASSES):
        found[:, 0, index, index] = right[:, index]
        found[:, 0, index, (index + 1) % CLASSES] = (total - right)[:, index]
    return found


if __name__ == "__main__":
    main()
