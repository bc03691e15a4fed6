from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sercl.files import write_text
from sercl.launchers import Outcome, Work
from sercl.studies.cross_eval.run.results import CellResults, cell_folder
from sercl.studies.cross_eval.run.session import run_pending
from sercl.studies.cross_eval.run.works import WorkItem
from sercl.studies.results.records import LOG


class FakeLauncher:
    """Makes the given work items fail, and writes a log of everything."""

    def __init__(self, *failing: str) -> None:
        self.failing, self.ran = failing, list[str]()

    def run(self, works: Sequence[Work]) -> Iterator[Outcome]:
        for work in reversed(works):  # no order is promised
            self.ran.append(work.name)
            write_text(work.log, f"log of {work.name}")
            yield Outcome(work.name, "ValueError: broken" if work.name in self.failing else None, 1.0)


def task(folder: Path, name: str, needs: str = "") -> WorkItem:
    call: Callable[[], None] = lambda: None  # noqa: E731
    work = Work(name, call, folder / "logs" / f"{name}.txt")
    return WorkItem(work, frozenset({name}), frozenset({f"test of {name}"}), frozenset(needs.split()))


def test_what_fails_takes_down_only_what_needs_it(tmp_path: Path) -> None:
    first = [task(tmp_path, "a"), task(tmp_path, "b")]
    second = [task(tmp_path, "on a", needs="a"), task(tmp_path, "on b", needs="b")]
    launcher = FakeLauncher("a")
    ended: list[tuple[str, str | None]] = []
    failures = run_pending(
        [first, second],
        CellResults(tmp_path),
        launcher,
        lambda task, outcome: ended.append((task.work.name, outcome.error)),
    )
    assert launcher.ran == ["b", "a", "on b"]
    assert failures.trainings == {
        "a": "ValueError: broken",
        "on a": "the training that it starts from failed: ValueError: broken",
    }
    assert failures.cells.keys() == {"test of a", "test of on a"}
    assert sorted(name for name, _ in ended) == ["a", "b", "on a", "on b"]
    assert dict(ended)["on b"] is None


def test_the_log_stands_where_the_report_looks_for_it(tmp_path: Path) -> None:
    waves = [[task(tmp_path, "a")], [task(tmp_path, "on a", needs="a")]]
    run_pending(waves, CellResults(tmp_path), FakeLauncher("a"))
    assert (cell_folder(tmp_path, "test of a") / LOG).read_text() == "log of a"
    assert "starts from failed" in (cell_folder(tmp_path, "test of on a") / LOG).read_text()
    assert not cell_folder(tmp_path, "test of b").exists()


def test_nothing_failed(tmp_path: Path) -> None:
    failures = run_pending([[task(tmp_path, "a")]], CellResults(tmp_path), FakeLauncher())
    assert (failures.trainings, failures.cells) == ({}, {})
