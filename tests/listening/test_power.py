"""Power of listening tests: that the analysis is that of `compare`, tests of nothing, what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from sercl.corpora.labels import EMOTIONS
from sercl.errors import UsageError
from sercl.listening.comparison.answers import answers_of
from sercl.listening.comparison.contrasts import contrasts_of
from sercl.listening.power import (
    CLASSES,
    PowerOptions,
    Spread,
    Tests,
    analyse,
    design_of,
    find_power,
    simulate,
    spread_of,
)
from sercl.listening.ratings import CHOICE, ITEM, RATINGS, Table, table_of

KINDS = {
    "groups": "groups",
    "native": "native advantage",
    "dialect": "dialect",
    "dialect-by-group": "dialect by group",
}
LANGUAGES = {"German": "de", "Chinese": "zh"}


def ratings(tests: Tests, test: str, speakers: int | None) -> Table:
    """Return the first simulated test as a table."""
    rows = []
    for group, kind, listener, item in np.ndindex(tests.right.shape[1:]):
        if not tests.heard[group, listener, item]:
            continue
        native = list(LANGUAGES)[group]
        language, dialect = (
            (list(LANGUAGES.values())[kind], None) if test == "native" else ("de", ("", "swiss")[kind])
        )
        truth = EMOTIONS[item % CLASSES]
        right = tests.right[0, group, kind, listener, item]
        speaker = f"{kind}-{0 if speakers is None else (item // CLASSES) % speakers}"
        rows.append(
            {"item": f"{kind}-{item}", "language": language, "dialect": dialect or None, "truth": truth,
             "answer": truth if right else EMOTIONS[(item + 1) % CLASSES], "speaker": speaker,
             "listener": f"{group}-{listener}", "listener_native": native, "task": CHOICE, "kind": ITEM,
             "repeat": 0}
        )  # fmt: skip
    return table_of(RATINGS, rows)


@pytest.mark.parametrize(
    ("test", "speakers", "heard"),
    [(test, None, None) for test in KINDS]
    + [("dialect", 6, None), ("groups", None, 8), ("native", None, 16)],
    ids=[*KINDS, "over speakers", "a third of the items", "two thirds"],
)
def test_a_simulated_test_is_analysed_as_by_compare(
    test: str, speakers: int | None, heard: int | None
) -> None:
    options = PowerOptions(test=test, units="items" if speakers is None else "speakers", speakers=speakers)
    design = design_of(options)
    tests = simulate(design, Spread(), 1, 8, 24, speakers, np.random.default_rng(3), heard)
    difference, error, df = (float(own[0]) for own in analyse(tests, design, speakers))
    own = answers_of(ratings(tests, test, speakers), "native", {}, speakers is not None)
    found = next(row for row in contrasts_of(own, None, 3000, 0) if row.kind == KINDS[test])
    assert abs(found.difference.value) == pytest.approx(abs(difference), abs=1e-6)
    half = (found.difference.high - found.difference.low) / 2
    assert half == pytest.approx(stats.t.ppf(0.975, df) * error, rel=0.06)


@pytest.mark.parametrize("test", ["groups", "native", "dialect", "model"])
def test_nothing_is_rarely_found(test: str) -> None:
    options = PowerOptions(test=test, difference=0.0, listeners=(15,), items=(48,), simulations=1000)
    found = find_power(options).cells[0].power
    assert 0.02 < found < 0.08


def test_listeners_that_differ_by_the_margin_are_rarely_called_equal() -> None:
    sizes = {"listeners": (40,), "items": (384,), "simulations": 500}
    at_margin = find_power(PowerOptions(test="equivalence", difference=0.1, margin=0.1, uar=0.9, **sizes))
    equal = find_power(PowerOptions(test="equivalence", margin=0.1, uar=0.9, **sizes))
    assert at_margin.cells[0].power < 0.08
    assert equal.cells[0].power > 0.9


def test_more_listeners_or_items_have_more_power() -> None:
    found = find_power(
        PowerOptions(test="dialect-by-group", listeners=(5, 20), items=(24, 96), simulations=400)
    )
    powers = {(cell.listeners, cell.items): cell.power for cell in found.cells}
    assert powers[5, 24] < powers[5, 96] < powers[20, 96]
    assert powers[5, 24] < powers[20, 24]
    assert found.smallest is not None
    assert found.smallest.power >= 0.8
    assert found == find_power(found.options)
    assert all(cell.low < cell.power < cell.high for cell in found.cells)


def test_the_same_answers_to_more_items_have_more_power() -> None:
    options = PowerOptions(
        test="dialect", listeners=(30,), items=(24, 48, 96), heard=24, simulations=400, difference=0.08
    )
    few, more, many = (cell.power for cell in find_power(options).cells)
    assert few < more < many
    whole = find_power(replace(options, heard=None)).cells
    assert whole[0].power == pytest.approx(few, abs=0.07)
    assert whole[2].power > many, "listeners who hear all items give four times as many answers"


def test_each_item_is_heard_by_as_many() -> None:
    tests = simulate(design_of(PowerOptions()), Spread(), 1, 9, 48, None, np.random.default_rng(0), 16)
    assert (tests.heard.sum(axis=2) == 16).all()
    assert np.ptp(tests.heard.sum(axis=1)) <= 1
    by_emotion = tests.heard.reshape(2, 9, -1, CLASSES).sum(axis=2)
    assert (by_emotion == 4).all()
    nothing = find_power(
        PowerOptions(difference=0.0, listeners=(12,), items=(48,), heard=16, simulations=1000)
    )
    assert 0.02 < nothing.cells[0].power < 0.08


def test_no_size_may_be_enough() -> None:
    options = PowerOptions(difference=0.01, listeners=(5,), items=(8,), simulations=100)
    assert find_power(options).smallest is None


def test_listeners_that_differ_more_need_more() -> None:
    options = [
        PowerOptions(listeners=(15,), items=(48,), simulations=400, spread=Spread(listener=own))
        for own in (0.2, 1.2)
    ]
    powers = [find_power(own).cells[0].power for own in options]
    assert powers[0] > powers[1] + 0.2


def test_the_spread_of_a_pilot_replaces_the_defaults() -> None:
    found = spread_of({"listener": 0.7, "item": 0.4, "item:judge": 0.1})
    assert (found.listener, found.item, found.item_by_judge) == (0.7, 0.4, 0.1)
    assert found.speaker == Spread().speaker


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"margin": 0.05}, "--margin: has no effect"),
        ({"speakers": 10}, "--speakers: is needed with"),
        ({"units": "speakers"}, "--speakers: is needed with"),
        ({"units": "speakers", "speakers": 2}, "at least 5"),
        ({"units": "speakers", "speakers": 30}, "more than the 24 items"),
        ({"listeners": (1,)}, "--listeners 1"),
        ({"items": (26,)}, "--items 26"),
        ({"items": ()}, "--items"),
        ({"heard": 6}, "--heard 6: as many of each of 4 emotions"),
        ({"heard": 48}, "--heard 48: more than the 24 items"),
        ({"simulations": 10}, "--simulations 10"),
        ({"difference": -0.1}, "--difference -0.1"),
        ({"power": 1.0}, "--power 1.0"),
    ],
)
def test_what_cannot_be_simulated_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        PowerOptions(**options)


def test_a_difference_needs_room() -> None:
    with pytest.raises(UsageError, match="between 0 and 1"):
        find_power(PowerOptions(uar=0.3, difference=0.4))
    with pytest.raises(UsageError, match="log-odds"):
        Spread(listener=-1)
