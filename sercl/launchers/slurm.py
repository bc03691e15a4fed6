"""Work as jobs of a SLURM cluster, through submitit, or as submitit's local jobs without SLURM."""

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from sercl.errors import MissingExtraError, SerclError
from sercl.launchers.config import SlurmConfig
from sercl.launchers.work import Outcome, Work, describe, serve

if TYPE_CHECKING:
    from submitit import AutoExecutor, Job

_LARGEST_ARRAY = 1000
"""Maximum number of jobs per submission: SLURM's MaxArraySize is 1001 by default."""
_LOOK = 0.5
"""Time in s between two checks of the jobs."""
_TERMINATED = 128 + signal.SIGTERM


class Slurm:
    """One job per work item; leaving the run early cancels the jobs.

    The cluster must see the same files, and this environment, at the same paths. Files of submitit go to a
    folder `.submitit` above the logs of the work items.

    Args:
        config: Resources of a job.
        jobs: Maximum number of waiting and running jobs; 0 for all, or for one at a time with the executor
            "local".

    Raises:
        MissingExtraError: If submitit is not installed.
    """

    def __init__(self, config: SlurmConfig, jobs: int) -> None:
        self._submitit = _submitit()
        self.config = config
        self.jobs = min(jobs or (_LARGEST_ARRAY if config.executor == "slurm" else 1), _LARGEST_ARRAY)

    def run(self, works: Sequence[Work]) -> Iterator[Outcome]:
        """Yield outcomes in order of completion.

        Raises:
            SerclError: If SLURM rejects the jobs.
        """
        if not works:
            return
        executor = self._executor(_common_folder(works))
        waiting = list(works)
        running: list[tuple[Work, Job[Outcome]]] = []
        with _sigterm_as_exit():
            try:
                while waiting or running:
                    free = self.jobs - len(running)
                    sent, waiting = waiting[:free], waiting[free:]
                    running += zip(sent, _submit(executor, sent), strict=True)
                    ended = _first_ended(running)
                    running = [pair for pair in running if pair not in ended]
                    yield from (_outcome(work, job) for work, job in ended)
            finally:
                for _, job in running:
                    job.cancel(check=False)

    def _executor(self, folder: Path) -> "AutoExecutor":
        try:
            executor: AutoExecutor = self._submitit.AutoExecutor(
                folder / ".submitit", cluster=self.config.executor
            )
        except RuntimeError as error:
            raise SerclError(
                f"the launcher slurm: {error} Run it where `sbatch` and `srun` are, or choose another one."
            ) from error
        executor.update_parameters(**_parameters(self.config))
        return executor


class _Job:
    """What a job does; submitit puts it into the queue again when its time is over, up to three times."""

    def __call__(self, work: Work) -> Outcome:
        """Run a work item."""
        return serve(work)

    def checkpoint(self, work: Work) -> Any:
        """Return what the job does next: the same, which goes on from what the work item has saved."""
        return _submitit().helpers.DelayedSubmission(self, work)


def _submitit() -> Any:
    # By default it is SIGUSR2, for which a training does not wait until it has saved its newest step.
    os.environ.setdefault("SUBMITIT_PREEMPT_SIGNAL", "USR1")
    try:
        import submitit
    except ImportError as error:
        raise MissingExtraError("submitit", "slurm", "the launcher slurm") from error
    return submitit


def _parameters(config: SlurmConfig) -> dict[str, Any]:
    """Return the options under submitit's names; unset ones are left to the cluster."""
    wanted = {
        "name": "sercl",
        "timeout_min": config.minutes,
        "cpus_per_task": config.cpus,
        "gpus_per_node": config.gpus,
        "mem_gb": config.memory,
        "stderr_to_stdout": True,
        "slurm_partition": config.partition,
        "slurm_account": config.account,
        "slurm_qos": config.qos,
        "slurm_constraint": config.constraint,
        f"{config.executor}_setup": config.setup,
    }
    return {name: value for name, value in wanted.items() if value}


def _common_folder(works: Sequence[Work]) -> Path:
    return Path(os.path.commonpath([work.log.absolute().parent for work in works]))


def _submit(executor: "AutoExecutor", works: Sequence[Work]) -> "list[Job[Outcome]]":
    if not works:
        return []
    try:
        return executor.map_array(_Job(), works)
    except (RuntimeError, OSError) as error:
        raise SerclError(f"SLURM rejected the jobs. {describe(error)}") from error


def _first_ended(running: "Sequence[tuple[Work, Job[Outcome]]]") -> "list[tuple[Work, Job[Outcome]]]":
    while not (ended := [pair for pair in running if pair[1].done()]):
        time.sleep(_LOOK)
    return ended


def _outcome(work: Work, job: "Job[Outcome]") -> Outcome:
    try:
        return job.result()
    except Exception:  # an error of submitit, or of the job's Python before the work began
        error = f"its job {job.job_id} ended without a result (state {job.state}); see {job.paths.stdout}"
        return Outcome(work.name, error, 0.0)


@contextmanager
def _sigterm_as_exit() -> Iterator[None]:
    """Exit the block cleanly on SIGTERM, which would otherwise end the process and leave its jobs behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    if before == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _exit(number: int, frame: FrameType | None) -> None:
    raise SystemExit(_TERMINATED)
