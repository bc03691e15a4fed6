"""Whether a running test can stop: verdicts, who counts, and what is refused."""

import subprocess
import sys

import pandas as pd
import pytest

from sercl.errors import UsageError
from sercl.listening.monitoring import (
    DIFFERENT,
    EQUAL,
    MORE_ITEMS,
    MORE_LISTENERS,
    NARROW,
    STOP,
    MonitorOptions,
    monitor,
)
from sercl.listening.ratings import VOTES, Table, table_of
from sercl.testing.listeners import Group, fake_items, fake_ratings


def ratings(
    listeners: int, per_emotion: int = 24, foreign: float = 0.0, seed: int = 0, **spread: float
) -> Table:
    groups = [Group(name, listeners, ability=1.0, foreign=foreign) for name in ("German", "Chinese")]
    return fake_ratings(fake_items(("de",), per_emotion), groups, seed, **spread)


def test_a_width_is_reached_with_more_listeners() -> None:
    options = MonitorOptions(groups="native", width=0.2)
    few, many = (monitor(ratings(count), options) for count in (8, 40))
    assert [own.name for own in many.verdicts] == ["Chinese", "German"]
    assert not few.can_stop
    assert all(own.advice == MORE_LISTENERS and own.more > 0 for own in few.verdicts)
    assert many.can_stop
    assert all((own.advice, own.reason, own.more) == (STOP, NARROW, 0) for own in many.verdicts)
    assert all(own.high - own.low <= 0.2 for own in many.verdicts)


def test_few_items_are_not_mended_by_listeners() -> None:
    found = monitor(ratings(30, 4, item_sd=1.5), MonitorOptions(width=0.1)).verdicts[0]
    assert found.advice == MORE_ITEMS
    assert found.more > 16
    these = monitor(ratings(30, 4, item_sd=1.5), MonitorOptions(width=0.1, these_items=True)).verdicts[0]
    assert these.advice != MORE_ITEMS
    assert these.high - these.low < found.high - found.low


def test_groups_differ_or_are_equal() -> None:
    between = MonitorOptions(groups="native", between=("German", "Chinese"))
    (found,) = monitor(ratings(30, foreign=1.5), between).verdicts
    assert (found.name, found.reason) == ("German minus Chinese", DIFFERENT)
    assert found.low > 0
    equal = MonitorOptions(groups="native", between=("German", "Chinese"), margin=0.15)
    (found,) = monitor(ratings(60, ability_sd=0.2), equal).verdicts
    assert found.reason == EQUAL
    (open_,) = monitor(ratings(10), between).verdicts
    assert open_.advice == MORE_LISTENERS
    assert open_.text.startswith("about ")


def test_listeners_against_a_model_of_the_same_items() -> None:
    table = ratings(30, 48)
    truth = table.frame.drop_duplicates("item").set_index("item")["truth"]
    models = {"perfect": {item: (emotion, 1.0) for item, emotion in truth.items()}}
    (found,) = monitor(table, MonitorOptions(), models).verdicts
    assert (found.name, found.reason) == ("all listeners minus perfect", DIFFERENT)
    assert found.high < 0
    half = {"half": {item: models["perfect"][item] for item in list(truth.index)[::2]}}
    assert monitor(table, MonitorOptions(), half).verdicts[0].items == len(truth) / 2
    with pytest.raises(UsageError, match="none of the items"):
        monitor(table, MonitorOptions(), {"wrong": dict.fromkeys(truth.index, ("bored", 1.0))})


def test_who_is_not_done_does_not_count() -> None:
    table = ratings(10)
    frame = table.frame
    late = frame["listener"] == "German-3"
    some = Table(table.kind, pd.concat([frame[~late], frame[late][:20]]))
    found = monitor(some, MonitorOptions())
    assert (found.incomplete, found.verdicts[0].listeners) == (1, 19)
    assert monitor(table, MonitorOptions(), finished=["German-1"]).verdicts[0].listeners == 1
    assert monitor(table, MonitorOptions(), finished=[]).verdicts == ()
    assert not monitor(table, MonitorOptions(), finished=[]).can_stop


def test_the_first_listeners_have_no_interval() -> None:
    (found,) = monitor(ratings(2), MonitorOptions(these_items=True)).verdicts
    assert found.low != found.low
    assert (found.advice, found.more) == (MORE_LISTENERS, 4)


def test_more_questions_have_wider_intervals() -> None:
    table = ratings(20)
    german = Table(table.kind, table.frame[table.frame["listener_native"] == "German"])
    both = monitor(table, MonitorOptions(groups="native")).verdicts[1]
    alone = monitor(german, MonitorOptions(groups="native")).verdicts[0]
    assert both.value == alone.value
    assert both.high - both.low > alone.high - alone.low


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0.1, "between": ("a", "b"), "groups": "native"}, "--width and --between"),
        ({"between": ("a", "b")}, "--between: needs --groups"),
        ({"width": 2.0}, "--width 2.0"),
        ({"margin": 0.0}, "--margin 0.0"),
        ({"expected": 1}, "--expected 1"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        MonitorOptions(**options)


def test_answers_that_do_not_fit() -> None:
    with pytest.raises(UsageError, match="valid: native"):
        monitor(ratings(4), MonitorOptions(groups="age"))
    with pytest.raises(UsageError, match="no complete listener of French; valid: Chinese, German"):
        monitor(ratings(4), MonitorOptions(groups="native", between=("German", "French")))
    votes = table_of(VOTES, [{"item": "u1", "truth": "sad", "answer": "sad", "votes": 3}])
    with pytest.raises(UsageError, match="no single listeners"):
        monitor(votes, MonitorOptions())


def test_a_server_needs_no_torch() -> None:
    code = "import sys, sercl.listening.serving.overview; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
