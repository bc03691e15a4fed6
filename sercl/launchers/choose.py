from sercl.launchers.config import LaunchConfig
from sercl.launchers.local import InProcess, Processes
from sercl.launchers.work import Launcher


def get_launcher(config: LaunchConfig) -> Launcher:
    """Return what runs pieces of work as a configuration says.

    Raises:
        MissingExtraError: Where submitit or Ray is asked for and not installed.
    """
    return Processes(config.jobs) if config.jobs > 1 else InProcess()
