"""Running what a study lacks, and telling what came of it."""

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sercl.files import write_text
from sercl.launchers import Launcher, Outcome
from sercl.studies.grid.results import LOG, cell_folder, is_done
from sercl.studies.grid.works import Task

Report = Callable[[Task, Outcome], None]
"""Told what has ended."""


@dataclass
class Failures:
    """What went wrong.

    Attributes:
        trainings: Address of a training -> error.
        cells: Address of a test -> error.
    """

    trainings: dict[str, str] = field(default_factory=dict)
    cells: dict[str, str] = field(default_factory=dict)


def run_pending(
    waves: Iterable[Sequence[Task]],
    folder: Path,
    launcher: Launcher,
    on_end: Report = lambda task, outcome: None,
) -> Failures:
    """Run every piece of work that a study lacks; one that fails takes only those down that need it.

    Args:
        waves: The pieces of work; those of a wave need only what those before have done.
        folder: Folder of the study.
        launcher: Runs them.
        on_end: Told what has ended.

    Returns:
        What failed.
    """
    failures = Failures()
    for wave in waves:
        ready = [task for task in wave if not task.needs & failures.trainings.keys()]
        for task in wave:
            if task not in ready:
                _give_up(task, failures, folder, on_end)
        by_name = {task.work.name: task for task in ready}
        for outcome in launcher.run([task.work for task in ready]):
            task = by_name[outcome.name]
            if outcome.error is not None:
                _note(task, outcome.error, failures, folder)
            on_end(task, outcome)
    return failures


def _give_up(task: Task, failures: Failures, folder: Path, on_end: Report) -> None:
    (needed,) = task.needs & failures.trainings.keys()
    error = f"the training that it starts from failed: {failures.trainings[needed]}"
    write_text(task.work.log, error + "\n")
    _note(task, error, failures, folder)
    on_end(task, Outcome(task.work.name, error, 0.0))


def _note(task: Task, error: str, failures: Failures, folder: Path) -> None:
    """Remember a failure, and put the log where the report looks for it."""
    for address in task.trainings:
        failures.trainings[address] = error
    for address in task.cells:
        if is_done(folder, address):  # by a batch, which keeps its results one by one, before it failed
            continue
        place = cell_folder(folder, address)
        failures.cells[address] = error
        place.mkdir(parents=True, exist_ok=True)
        if task.work.log.is_file():
            shutil.copyfile(task.work.log, place / LOG)
