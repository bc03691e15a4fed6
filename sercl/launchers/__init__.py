"""Running independent work items: in this process, in several, or on a SLURM or Ray cluster."""

from sercl.launchers.choose import get_launcher
from sercl.launchers.config import LaunchConfig, RayConfig, SlurmConfig
from sercl.launchers.ranks import on_devices
from sercl.launchers.work import Launcher, Outcome, Work

__all__ = [
    "LaunchConfig",
    "Launcher",
    "Outcome",
    "RayConfig",
    "SlurmConfig",
    "Work",
    "get_launcher",
    "on_devices",
]
