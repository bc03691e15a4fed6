"""Do intervals of listening tests cover, and do tests of nothing find nothing? By simulated listeners.

    python benchmarks/listening.py --studies 1000

Each row simulates whole listening tests with known abilities, and counts how often the 95 % interval holds
the true value, or a difference that is not there is called significant: 93 to 97 %, and 3 to 7 %, are asked
for.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from sercl.listening.comparison.against import paired_estimates, shared_with
from sercl.listening.comparison.answers import Answers, answers_of
from sercl.listening.comparison.contrasts import DIALECT_BY_GROUP, GROUPS, NATIVE, contrasts_of
from sercl.listening.comparison.groups import score_group
from sercl.listening.comparison.models import Model
from sercl.testing.listeners import (
    CLASSES,
    Group,
    Listening,
    expected_recall,
    fake_items,
    fake_ratings,
)

RESAMPLES = 400
ITEMS = fake_items(("de", "zh"), 12, {"zh": "tianjin"})
ALIKE = (
    Group("German", 15, ability=1.0, foreign=0.0, dialect=0.5),
    Group("Chinese", 15, ability=1.0, foreign=0.0, dialect=0.5),
)


@dataclass(frozen=True)
class Row:
    """A simulation: its name, what is counted, and the function of a seed that says whether it happened."""

    name: str
    counted: str
    happens: Callable[[int], bool]


def answers(
    seed: int, groups: tuple[Group, ...], items: list[dict[str, str | None]], **spread: float
) -> Answers:
    """Return the answers of one simulated test."""
    return answers_of(fake_ratings(items, groups, seed, **spread), "native", {})


def covers(
    listeners: int, per_emotion: int, ability: float, people: float, clips: float
) -> Callable[[int], bool]:
    """Return whether the interval of the UAR holds the true recall."""
    items = fake_items(("de",), per_emotion)
    group = (Group("German", listeners, ability=ability),)
    true = expected_recall(Listening(ability=ability, ability_sd=people, item_sd=clips))

    def happens(seed: int) -> bool:
        own = answers(seed, group, items, ability_sd=people, item_sd=clips)
        found = score_group(own, "g", "", "", RESAMPLES, seed).uar
        return found.low <= true <= found.high

    return happens


def is_found(kind: str, groups: tuple[Group, ...]) -> Callable[[int], bool]:
    """Return whether the first contrast of a kind is significant."""

    def happens(seed: int) -> bool:
        found = contrasts_of(answers(seed, groups, ITEMS), None, RESAMPLES, seed)
        return next(own.p for own in found if own.kind == kind) < 0.05

    return happens


def equal_model(covering: bool) -> Callable[[int], bool]:
    """Return whether listeners and a model of the same ability differ, or whether the interval holds 0."""
    items = fake_items(("de",), 12)
    group = (Group("German", 20, ability=1.0),)
    true = expected_recall(Listening(ability=1.0, ability_sd=0.5, item_sd=0.8))
    names = sorted({str(item["truth"]) for item in items}, key=["angry", "happy", "neutral", "sad"].index)
    truth = np.array([names.index(str(item["truth"])) for item in items])
    rows = {str(item["item"]): row for row, item in enumerate(items)}

    def happens(seed: int) -> bool:
        rng = np.random.default_rng(seed + 10_000)
        said = np.where(rng.random(len(items)) < true, truth, (truth + 1) % CLASSES)
        each = np.eye(CLASSES)[said]
        model = Model("m", None, tuple(names), rows, truth, each, each)
        shared = shared_with(answers(seed, group, items), model)
        assert shared is not None
        difference = paired_estimates(shared, RESAMPLES, seed)[2]
        low, high = difference.interval(bounded=False)
        return bool(low <= 0 <= high) if covering else bool(difference.p < 0.05)

    return happens


ROWS = (
    Row("UAR, 20 listeners, 48 items", "covered", covers(20, 12, 1.0, 0.5, 0.8)),
    Row("UAR, 10 listeners, 48 items", "covered", covers(10, 12, 1.0, 0.8, 0.5)),
    Row("UAR, 40 listeners, 20 items", "covered", covers(40, 5, 0.5, 0.3, 1.2)),
    Row("UAR, 20 listeners, nothing but chance", "covered", covers(20, 12, 1.0, 0.0, 0.0)),
    Row("UAR near the ceiling", "covered", covers(20, 12, 3.0, 0.5, 0.8)),
    Row("listeners minus a model that is as good", "found", equal_model(False)),
    Row("two groups that are equally good", "found", is_found(GROUPS, ALIKE)),
    Row("native advantage that is not there", "found", is_found(NATIVE, ALIKE)),
    Row("dialect that costs both groups the same", "found", is_found(DIALECT_BY_GROUP, ALIKE)),
    Row(
        "dialect that costs one group 1 log-odds more",
        "found (planted)",
        is_found(
            DIALECT_BY_GROUP,
            (
                Group("German", 15, ability=1.0, foreign=0.0, dialect=1.5),
                Group("Chinese", 15, ability=1.0, foreign=0.0, dialect=0.5),
            ),
        ),
    ),
)


def main() -> None:
    """Print a row per simulation."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=1000, help="simulated listening tests per row")
    parser.add_argument("--seed", type=int, default=0, help="first seed")
    options = parser.parse_args()
    print(f"| simulation | counted | of {options.studies} tests, % | 95 % interval |")
    print("|---|---|---:|---:|")
    for row in ROWS:
        count = sum(row.happens(options.seed + index) for index in range(options.studies))
        ends = stats.binomtest(count, options.studies).proportion_ci(method="wilson")
        share = 100 * count / options.studies
        print(
            f"| {row.name} | {row.counted} | {share:.1f} | {100 * ends.low:.1f} to {100 * ends.high:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
