import math

import pytest

from sercl.reports.cross_eval.wording import (
    adapter_name,
    condition_name,
    listed,
    p_value,
    points,
    points_interval,
    score_text,
    short_interval,
)
from sercl.studies.cross_eval.cells import Condition
from sercl.studies.results.scores import Score

NAN = math.nan


@pytest.mark.parametrize(
    ("value", "text"), [(0.032, "+3.2"), (-0.004, "−0.4"), (0.0001, "0.0"), (-0.0001, "0.0"), (NAN, "-")]
)
def test_points(value: float, text: str) -> None:
    assert points(value) == text


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.0002, "< 0.001"), (0.034, "0.034"), (0.001, "0.001"), (1.0, "1"), (0.9999, "1"), (NAN, "-")],
)
def test_p_values(p: float, text: str) -> None:
    assert p_value(p) == text


def test_scores_and_intervals() -> None:
    score = Score(0.63, 0.572, 0.6888, "speakers", 10)
    assert score_text(score) == "63.0 (57.2 to 68.9)"
    assert short_interval(score) == "57–69"
    assert score_text(Score(0.5, NAN, NAN, "speakers", 1)) == "50.0"
    assert points_interval(Score(0.01, -0.01, 0.042, "speakers", 9)) == "−1.0 to +4.2"
    assert points_interval(Score(0.01, NAN, NAN, "speakers", 1)) == ""


def test_names() -> None:
    assert (adapter_name("none"), adapter_name("lora+gating")) == ("frozen", "lora + gating")
    condition = Condition("w", "none", "zero-shot", "A", "B", adaptation="coral")
    assert condition_name(condition) == "w, frozen, zero-shot A → B, coral"
    assert [listed(list(names)) for names in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
