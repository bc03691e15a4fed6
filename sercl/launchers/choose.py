"""Chooses the launcher of a configuration."""

from sercl.launchers.config import LaunchConfig
from sercl.launchers.local import InProcess, Processes
from sercl.launchers.ray_cluster import RayCluster
from sercl.launchers.slurm import Slurm
from sercl.launchers.work import Launcher


def get_launcher(config: LaunchConfig, devices: int = 1) -> Launcher:
    """Return the launcher of a configuration.

    Args:
        config: The configuration.
        devices: How many devices a work item uses at most.

    Raises:
        MissingExtraError: If submitit or Ray is asked for and not installed.
    """
    if config.launcher == "slurm":
        return Slurm(config.slurm, config.jobs)
    if config.launcher == "ray":
        return RayCluster(config.ray, config.jobs)
    return Processes(config.jobs, devices) if config.jobs > 1 else InProcess()
