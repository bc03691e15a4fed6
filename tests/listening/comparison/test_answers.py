import numpy as np
import pytest

from sercl.errors import UsageError
from sercl.listening.comparison.answers import ANOTHER, EVERYBODY, UNKNOWN, answers_of
from sercl.listening.ratings import RATINGS, VOTES, table_of

ROW = {"task": "choice", "kind": "item", "repeat": 0}


def table(*answers: tuple[str, str, str | None, str | None]):
    rows = [
        {**ROW, "listener": who, "item": item, "truth": truth, "answer": said, "listener_native": who[0]}
        for who, item, truth, said in answers
    ]
    return table_of(RATINGS, rows)


def test_confusions_and_votes() -> None:
    own = answers_of(
        table(("a1", "u1", "sad", "sad"), ("b1", "u1", "sad", "other"), ("a1", "u2", "angry", "sad")),
        None,
        {},
    )
    assert own.classes == ("angry", "sad")
    assert own.columns == ("angry", "sad", "other")
    assert own.confusion().tolist() == [[0, 1, 0], [0, 1, 1]]
    assert own.votes().tolist() == [[0, 1, 1], [0, 1, 0]]
    assert own.by_listener().tolist() == [[1, 1], [2, -1]]
    assert set(own.frame["group"]) == {EVERYBODY}


def test_a_truth_that_only_predictions_know() -> None:
    own = answers_of(table(("a1", "u1", None, "sad"), ("a1", "u9", None, "sad")), None, {"u1": "sad"})
    assert own.items == 1
    with pytest.raises(UsageError, match="--items"):
        answers_of(table(("a1", "u1", None, "sad")), None, {})


def test_groups_are_columns_of_listeners() -> None:
    own = answers_of(table(("a1", "u1", "sad", "sad"), ("b1", "u1", "sad", "sad")), "native", {})
    assert own.frame["group"].tolist() == ["a", "b"]
    with pytest.raises(UsageError, match="valid: native"):
        answers_of(table(("a1", "u1", "sad", "sad")), "dialect", {})
    unknown = table_of(RATINGS, [{**ROW, "listener": "x", "item": "u", "truth": "sad", "answer": "sad",
                                  "listener_native": None}])  # fmt: skip
    assert answers_of(unknown, "native", {}).frame["group"].tolist() == [UNKNOWN]


def test_rates_become_right_and_other_answers() -> None:
    rates = table_of(VOTES, [{"item": "u1", "truth": "sad", "answer": "sad", "rate": 0.9, "listeners": 20}])
    own = answers_of(rates, None, {})
    assert own.columns == ("sad", ANOTHER)
    assert own.confusion().tolist() == [[18, 2]]
    assert own.rates_only
    assert own.listeners == 0
    with pytest.raises(UsageError, match="no single listeners"):
        answers_of(rates, "native", {})


def test_only_answers_are_scored() -> None:
    with pytest.raises(UsageError, match="only practice"):
        answers_of(table(("a1", "u1", "sad", None)), None, {})
    assert np.isclose(answers_of(table(("a1", "u1", "sad", "sad")), None, {}).weight.sum(), 1)
