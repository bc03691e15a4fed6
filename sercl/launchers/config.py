"""Options for where work items run."""

import re
from dataclasses import dataclass, field

from sercl.errors import UnknownNameError, UsageError

LAUNCHERS = ("local", "slurm", "ray")
EXECUTORS = ("slurm", "local")
MOST = 10**6
"""Largest valid value of all numbers: minutes, cores, GB, jobs."""
MOST_GPUS = 1000
MOST_LOCAL_JOBS = 256
"""Maximum number of processes for work items on one machine."""


def _check(name: str, value: float, least: int, most: int = MOST) -> None:
    if not least <= value <= most:
        raise UsageError(f"{name} is {value}; it must be {least} or more, and at most {most}.")


def _check_word(name: str, value: str) -> None:
    # submitit writes it into a script, where what follows a line break would be a command.
    if not re.fullmatch(r"[\w.,:+&|*()\[\]@/=-]*", value, flags=re.ASCII):
        raise UsageError(
            f"{name} is {value[:60]!r}; valid: letters, digits and any of . , : + & | * ( ) [ ] @ / = - _"
        )


@dataclass(frozen=True)
class SlurmConfig:
    """Resources of a SLURM job; there is one job per work item.

    Args:
        partition: Partition; empty for the cluster's default.
        account: Account that is charged; empty for the user's default.
        qos: Quality of service; empty for the cluster's default.
        constraint: Features that a node must have, such as "a100"; empty for none.
        minutes: Time limit of a job.
        cpus: Cores of a job.
        memory: Main memory of a job in GB; 0 for the cluster's default.
        gpus: GPUs of a job.
        setup: Shell commands before the job's Python starts, such as "module load cuda". From the command
            line or your own file ~/.config/sercl/slurm_setup.sh, never from a study's file.
        executor: slurm, or local to run jobs through submitit on this machine, without SLURM.

    Raises:
        UnknownNameError: For another executor.
        UsageError: For a number out of range.
    """

    partition: str = ""
    account: str = ""
    qos: str = ""
    constraint: str = ""
    minutes: int = 240
    cpus: int = 4
    memory: float = 0.0
    gpus: int = 0
    setup: list[str] = field(default_factory=list)
    executor: str = "slurm"

    def __post_init__(self) -> None:
        if self.executor not in EXECUTORS:
            raise UnknownNameError("executor of slurm", self.executor, EXECUTORS)
        for name in ("partition", "account", "qos", "constraint"):
            _check_word(f"slurm.{name}", getattr(self, name))
        _check("slurm.minutes", self.minutes, 1)
        _check("slurm.cpus", self.cpus, 1)
        _check("slurm.memory", self.memory, 0)
        _check("slurm.gpus", self.gpus, 0, MOST_GPUS)


@dataclass(frozen=True)
class RayConfig:
    """The Ray cluster, and the resources of a work item on it.

    Args:
        address: Address of the cluster: "auto" for the one that this machine belongs to, or "host:port";
            empty starts Ray on this machine only. From the command line, never from a study's file.
        cpus: Cores per work item.
        gpus: GPUs per work item; a fraction (0.5) shares one.

    Raises:
        UsageError: For a number out of range.
    """

    address: str = ""
    cpus: int = 1
    gpus: float = 0.0

    def __post_init__(self) -> None:
        _check("ray.cpus", self.cpus, 1)
        _check("ray.gpus", self.gpus, 0, MOST_GPUS)


@dataclass(frozen=True)
class LaunchConfig:
    """Where work items run, and how many at a time.

    Args:
        launcher: local (this machine), slurm (a SLURM cluster, through submitit) or ray (a Ray cluster).
        jobs: Maximum number of parallel trainings; 0 for one on this machine, and on a cluster as many as
            it grants. Several on this machine run in separate processes, which share its cores and use its
            GPUs in turn.
        slurm: Resources of a SLURM job.
        ray: The Ray cluster.

    Raises:
        UnknownNameError: For another launcher.
        UsageError: For a negative number of jobs.
    """

    launcher: str = "local"
    jobs: int = 0
    slurm: SlurmConfig = SlurmConfig()
    ray: RayConfig = RayConfig()

    def __post_init__(self) -> None:
        if self.launcher not in LAUNCHERS:
            raise UnknownNameError("launcher", self.launcher, LAUNCHERS)
        if self.launcher == "local" and self.jobs > MOST_LOCAL_JOBS:
            raise UsageError(f"jobs is {self.jobs}; at most {MOST_LOCAL_JOBS} run at a time on one machine.")
        _check("jobs", self.jobs, 0)

    def check_devices(self, devices: int) -> None:
        """Raise `UsageError` if work items would have fewer cores or GPUs than they use devices.

        Args:
            devices: Number of devices of a work item; a process runs for each.
        """
        if self.launcher == "local":
            if max(1, self.jobs) * devices > MOST_LOCAL_JOBS:
                raise UsageError(
                    f"jobs is {self.jobs}, each of {devices} processes (--trainer.devices); at most "
                    f"{MOST_LOCAL_JOBS} processes run at a time on one machine."
                )
            return
        own = self.slurm if self.launcher == "slurm" else self.ray
        for name, count in (("gpus", own.gpus), ("cpus", own.cpus)):
            if devices > 1 and 0 < count < devices:
                option = f"--launch.{self.launcher}.{name}"
                raise UsageError(
                    f"{option} {count:g}: a training runs in {devices} processes (--trainer.devices "
                    f"{devices}), each of which needs one. Give {option} {devices}."
                )
