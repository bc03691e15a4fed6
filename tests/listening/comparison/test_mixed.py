"""Mixed models of listeners and models: planted differences, and what has no estimate."""

from dataclasses import replace

import numpy as np
import pytest

from sercl.errors import UsageError
from sercl.listening.comparison.answers import Answers, answers_of
from sercl.listening.comparison.contrasts import DIALECT, DIALECT_BY_GROUP, GROUPS, NATIVE
from sercl.listening.comparison.mixed import (
    BY_ITEMS,
    ITEM_BY_JUDGE,
    LISTENERS_MINUS_MODEL,
    deviations_of,
    mixed_models_of,
)
from sercl.listening.ratings import VOTES, table_of
from sercl.testing.listeners import Group, fake_items, fake_ratings
from tests.listening.comparison.test_compare import model

ITEMS = fake_items(("de", "zh"), 6, {"zh": "tianjin"})


def answers(*groups: Group, seed: int = 0, items: list = ITEMS, **spread: float) -> Answers:
    return answers_of(fake_ratings(items, groups, seed, **spread), "native", {})


def test_planted_differences_are_found_in_log_odds() -> None:
    own = answers(
        Group("German", 12, ability=1.5, foreign=0.8, dialect=1.5),
        Group("Chinese", 12, ability=1.5, foreign=0.8, dialect=0.0),
    )
    (found,) = mixed_models_of(own, [], None)
    assert found.judge == found.problem == ""
    assert found.formula.startswith(
        "right ~ emotion + group * language * dialect + (1 | listener) + (1 | item)"
    )
    contrasts = {row.kind: row for row in found.contrasts}
    assert set(contrasts) == {GROUPS, NATIVE, DIALECT, DIALECT_BY_GROUP}
    native, dialect = contrasts[NATIVE].difference, contrasts[DIALECT_BY_GROUP].difference
    assert native.low < 0.8 < native.high
    assert native.low > 0
    assert dialect.low < -1.5 < dialect.high
    assert dialect.high < 0
    assert found.deviations["listener"] == pytest.approx(0.5, abs=0.35)
    assert found.deviations["item"] == pytest.approx(0.8, abs=0.35)
    assert all(row.p_holm >= row.p for row in found.contrasts)


def test_a_model_is_another_judge() -> None:
    own = answers(Group("German", 12, ability=1.0), items=fake_items(("de", "zh"), 12))
    models = [model(fake_items(("de", "zh"), 12), 0.99), model(fake_items(("fr",), 3), 0.5)]
    found = mixed_models_of(own, models, None)
    assert [row.judge for row in found] == ["", "w, monolingual"]
    assert "judge" in found[1].formula
    assert "(1 | item) + (1 | speaker)" in found[0].formula
    assert "(1 | item:machine) + (1 | speaker:machine)" in found[1].formula
    by_kind = {row.kind: row for row in found[1].contrasts}
    assert by_kind.keys() == {LISTENERS_MINUS_MODEL, BY_ITEMS}
    assert by_kind[LISTENERS_MINUS_MODEL].difference.high < 0
    assert by_kind[BY_ITEMS].name == "German minus w, monolingual, on de more than on zh"


def test_items_are_others_for_a_model_than_for_listeners() -> None:
    items = fake_items(("de",), 12)
    groups = [Group("German", 10, ability=1.0), Group("Chinese", 10, ability=1.0, foreign=0.0)]
    own = answers(*groups, items=items, item_sd=1.0)
    easy = own.frame.assign(right=own.answer == own.truth).groupby("item")["right"].mean()
    easiest = set(easy.sort_values().index[12:])
    hard = model(items, 0.75)
    for name, row in hard.items.items():
        is_right = name in easiest
        hard.predicted[row] = np.eye(4)[hard.truth[row] if is_right else (hard.truth[row] + 1) % 4]
    found = mixed_models_of(own, [hard], None)[1]
    assert f"(1 | {ITEM_BY_JUDGE})" in found.formula, "an item may be harder for one of two groups"
    half = {row.name: row.difference.high - row.difference.low for row in found.contrasts}
    # Of 48 independent answers with items that differ by 1.0: 1 / sqrt(48 * 0.75 * 0.25), and more.
    assert min(half.values()) > 2 * 2 * 0.33


def test_a_difference_that_is_as_large_for_all_is_not_between_groups() -> None:
    found = 0
    for seed in range(30):
        alike = [Group(name, 8, ability=1.0, foreign=0.0, dialect=0.5) for name in ("German", "Chinese")]
        (fit,) = mixed_models_of(answers(*alike, seed=seed, items=fake_items(("de", "zh"), 4)), [], None)
        found += next(row.p for row in fit.contrasts if row.kind == NATIVE) < 0.05
    assert found <= 5  # 5 % and three binomial errors


def test_what_is_wrong_is_said() -> None:
    own = answers(Group("German", 6), items=fake_items(("de",), 4))
    no_errors = replace(own, answer=own.truth)
    (found,) = mixed_models_of(no_errors, [], None)
    assert "all answers are right, or all wrong" in found.problem
    assert found.contrasts == ()
    (few,) = mixed_models_of(own.where((own.frame["listener"] < "German-2").to_numpy()), [], None)
    assert "2 listeners and 16 items" in few.problem
    (equal,) = mixed_models_of(answers(Group("German", 12), ability_sd=0.0, item_sd=0.0), [], None)
    assert equal.at_bound


def test_votes_have_no_listeners() -> None:
    rows = [{"item": f"u{index}", "truth": "sad", "answer": "sad", "votes": 3 + index} for index in range(4)]
    votes = answers_of(table_of(VOTES, rows), None, {})
    assert mixed_models_of(votes, [], None) == ()
    with pytest.raises(UsageError, match="single listeners"):
        deviations_of(votes)


def test_the_deviations_of_a_pilot() -> None:
    own = answers(Group("German", 30, ability=1.0, dialect=0.0, foreign=0.0), items=fake_items(("de",), 24))
    found = deviations_of(own)
    assert found["listener"] == pytest.approx(0.5, abs=0.2)
    assert found["item"] == pytest.approx(0.8, abs=0.2)
    assert np.isfinite(list(found.values())).all()
