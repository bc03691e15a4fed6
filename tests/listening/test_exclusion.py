import pytest

from sercl.errors import UsageError
from sercl.listening.exclusion import ExclusionRules, apply_rules, repeated_answers
from sercl.listening.ratings import RATINGS, VOTES, Table, table_of


def answer(listener: str, item: str, said: str | None, **more: object) -> dict[str, object]:
    row = {
        "listener": listener,
        "item": item,
        "answer": said,
        "truth": "sad",
        "task": "choice",
        "kind": "item",
    }
    return {**row, "repeat": 0, "seconds": 3.0, "order": 0, **more}


def ratings() -> Table:
    rows = []
    for order in range(10):
        rows += [
            answer("careful", f"u{order}", "sad" if order % 2 else "angry", order=order),
            answer("same", f"u{order}", "sad", order=order),
            answer("quick", f"u{order}", "sad" if order % 2 else "angry", order=order, seconds=0.2),
            answer("lazy", f"u{order}", "sad" if order < 3 else None, order=order),
        ]
    for listener, said, again in (
        ("careful", "sad", "angry"),
        ("same", "angry", "sad"),
        ("quick", "sad", "sad"),
    ):
        rows.append(answer(listener, "check", said, kind="attention", order=11))
        rows.append(answer(listener, "u0", again, kind="repeat", repeat=1, order=12))
    return table_of(RATINGS, rows)


@pytest.mark.parametrize(
    ("rules", "excluded"),
    [
        (ExclusionRules(failed_checks=0), ["same"]),
        (ExclusionRules(min_seconds=0.5), ["quick"]),
        (ExclusionRules(min_answered=0.9), ["lazy"]),
        (ExclusionRules(same_in_a_row=5), ["same"]),
        (ExclusionRules(min_consistency=0.5), ["quick"]),
        (ExclusionRules(failed_checks=0, min_answered=0.9), ["lazy", "same"]),
        (ExclusionRules(failed_checks=1), []),
    ],
)
def test_each_rule(rules: ExclusionRules, excluded: list[str]) -> None:
    kept, found = apply_rules(ratings(), rules)
    assert found.excluded == excluded
    assert set(kept.frame["listener"]) == {"careful", "same", "quick", "lazy"} - set(excluded)


def test_every_listener_is_reported() -> None:
    _, found = apply_rules(ratings(), ExclusionRules(failed_checks=0, min_seconds=0.5))
    by_name = {own.listener: own for own in found.listeners}
    assert (by_name["same"].checks, by_name["same"].failed, by_name["same"].longest_run) == (1, 1, 10)
    assert by_name["quick"].fast == pytest.approx(10 / 12), "of items, checks and repetitions"
    assert by_name["lazy"].answered == pytest.approx(0.3)
    assert by_name["careful"].consistency == 1
    assert by_name["same"].reasons == ("failed 1 of 1 attention checks",)
    assert found.to_dict()["rules"]["failed_checks"] == 0


def test_rules_without_effect_are_refused() -> None:
    table = table_of(RATINGS, [answer("a", "u1", "sad", seconds=None)])
    for rules, lacks in (
        (ExclusionRules(failed_checks=0), "attention checks"),
        (ExclusionRules(min_seconds=1.0), "times of answers"),
        (ExclusionRules(min_consistency=0.5), "repeated items"),
    ):
        with pytest.raises(UsageError, match=lacks):
            apply_rules(table, rules)


def test_wrong_rules_are_refused() -> None:
    with pytest.raises(UsageError, match="0 to 1"):
        ExclusionRules(min_answered=90)
    with pytest.raises(UsageError, match="0 or more"):
        ExclusionRules(failed_checks=-1)
    with pytest.raises(UsageError, match="every listener"):
        apply_rules(table_of(RATINGS, [answer("a", "u1", "sad")]), ExclusionRules(same_in_a_row=0))
    with pytest.raises(UsageError, match="single listeners"):
        apply_rules(table_of(VOTES, [{"item": "u", "answer": "sad", "votes": 1}]), ExclusionRules())


def test_repetitions_are_compared_with_the_first_time() -> None:
    again = repeated_answers(ratings().frame)
    assert dict(zip(again["listener"], again["same"], strict=True)) == {
        "careful": True, "same": True, "quick": False
    }  # fmt: skip


def test_a_recording_in_which_nothing_was_marked_was_answered() -> None:
    parts = [("a", 0.5), ("a", 2.0), ("b", None)]
    rows = [
        answer("marker", item, None if start is None else "sad", task="segments", start=start)
        for item, start in parts
    ]
    other = answer("quitter", "a", "sad", task="segments", start=1.0)
    _, found = apply_rules(table_of(RATINGS, [*rows, other]), ExclusionRules(min_answered=0.9))
    assert [(own.listener, own.items, own.answered) for own in found.listeners] == [
        ("marker", 2, 1.0),
        ("quitter", 1, 0.5),
    ]
    assert found.excluded == ["quitter"]
