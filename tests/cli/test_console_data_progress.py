from contextlib import contextmanager

import pytest

from sercl.cli import console
from sercl.cli.console import stage_progress


@pytest.fixture
def bars(monkeypatch):
    """Every bar that is opened: what for, how far it came, and whether it was closed."""
    opened = []

    @contextmanager
    def bar(what, total):
        entry = {"what": what, "total": total, "done": 0, "open": True}
        opened.append(entry)
        yield lambda steps: entry.update(done=entry["done"] + steps)
        entry["open"] = False

    monkeypatch.setattr(console, "progress", bar)
    return opened


def test_one_bar_after_the_other_counts_what_it_is_reported(bars):
    with stage_progress() as on_progress:
        for done in (3, 7, 10):
            on_progress("train", done, 10)
        on_progress("test", 2, 4)
        assert [bar["open"] for bar in bars] == [False, True]
    assert bars == [
        {"what": "train", "total": 10, "done": 10, "open": False},
        {"what": "test", "total": 4, "done": 2, "open": False},
    ]


def test_without_work_there_is_no_bar(bars):
    with stage_progress():
        pass
    assert bars == []
