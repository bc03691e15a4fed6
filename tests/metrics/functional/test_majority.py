"""Majorities of listeners against all draws, one by one."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sercl.errors import UsageError
from sercl.metrics.functional.majority import held_out_log_loss, listeners_needed, majority_is_right


def by_hand(votes: list[int], truth: int, listeners: int) -> float:
    voters = [answer for answer, number in enumerate(votes) for _ in range(number)]
    right = []
    for draw in combinations(voters, listeners):
        most = max(map(draw.count, draw))
        winners = {answer for answer in draw if draw.count(answer) == most}
        right.append((truth in winners) / len(winners))
    return float(np.mean(right)) if right else float("nan")


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 3), min_size=2, max_size=4), st.integers(0, 3), st.integers(1, 6))
def test_every_draw_is_counted(votes: list[int], truth: int, listeners: int) -> None:
    truth %= len(votes)
    found = majority_is_right(np.array([votes]), np.array([truth]), listeners)
    assert found[0] == pytest.approx(by_hand(votes, truth, listeners), nan_ok=True)


def test_more_listeners_are_better_where_most_are_right() -> None:
    votes = np.array([[6, 3, 1]])
    curve = [majority_is_right(votes, np.array([0]), size)[0] for size in (1, 3, 5)]
    assert curve[0] == pytest.approx(0.6)
    assert curve[0] < curve[1] < curve[2]


def test_nobody_is_no_majority() -> None:
    with pytest.raises(UsageError, match="at least 1"):
        majority_is_right(np.array([[1, 1]]), np.array([0]), 0)


def test_the_number_of_listeners_is_interpolated() -> None:
    assert listeners_needed([0.6, 0.7, 0.8], [1, 3, 5], 0.75) == pytest.approx(4)
    assert listeners_needed([0.6, 0.7], [1, 3], 0.5) == 1
    assert listeners_needed([0.6, 0.7], [1, 3], 0.9) == float("inf")
    assert np.isnan(listeners_needed([], [], 0.9))


def test_held_out_loss_is_the_mean_over_draws() -> None:
    votes, losses = [3, 2, 1], []
    voters = [answer for answer, number in enumerate(votes) for _ in range(number)]
    for index, answer in enumerate(voters):
        rest = voters[:index] + voters[index + 1 :]
        losses += [-np.log((draw.count(answer) + 0.5) / (2 + 1.5)) for draw in combinations(rest, 2)]
    assert held_out_log_loss(np.array([votes]), 2)[0] == pytest.approx(np.mean(losses))
    assert np.isnan(held_out_log_loss(np.array([[1, 1]]), 2)[0])
