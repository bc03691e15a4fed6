"""Work as tasks of a Ray cluster."""

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sercl.errors import MissingExtraError, SerclError
from sercl.launchers.config import RayConfig
from sercl.launchers.work import Outcome, Work, serve

if TYPE_CHECKING:
    from ray import ObjectRef

_REACH = 10.0
"""Time in s within which a cluster must accept a connection."""


class RayCluster:
    """One task, in a separate process, per work item; leaving the run early stops the tasks.

    Every node must see the same files, and this environment, at the same paths.

    Args:
        config: The cluster, and the resources of a task.
        jobs: Maximum number of parallel tasks; 0 for as many as the cluster has room for.

    Raises:
        MissingExtraError: Where Ray is not installed.
    """

    def __init__(self, config: RayConfig, jobs: int) -> None:
        self._ray = _ray()
        self.config, self.jobs = config, jobs

    def run(self, works: Sequence[Work]) -> Iterator[Outcome]:
        """Yield outcomes in order of completion.

        Raises:
            SerclError: If the cluster cannot be reached, or this machine has no room for a single task.
        """
        if not works:
            return
        waiting = list(works)
        running: dict[ObjectRef[Outcome], Work] = {}
        with _connected(self._ray, self.config):
            if not self.config.address:  # a cluster may grow
                check_room(self._ray.nodes(), self.config)
            try:
                while waiting or running:
                    free = (self.jobs or len(works)) - len(running)
                    sent, waiting = waiting[:free], waiting[free:]
                    running.update({self._start(work): work for work in sent})
                    [ended], _ = self._ray.wait(list(running))
                    yield self._outcome(running.pop(ended), ended)
            finally:
                for task in running:
                    self._ray.cancel(task, force=True)

    def _start(self, work: Work) -> "ObjectRef[Outcome]":
        # A worker is not used again: seeds, threads and GPU memory of one training never reach the next.
        task = self._ray.remote(max_calls=1, max_retries=0)(serve)
        options = {"name": work.name, "num_cpus": self.config.cpus, "num_gpus": self.config.gpus}
        return task.options(**options).remote(work)  # type: ignore[no-any-return]

    def _outcome(self, work: Work, task: "ObjectRef[Outcome]") -> Outcome:
        try:
            return self._ray.get(task)  # type: ignore[no-any-return]
        except self._ray.exceptions.RayError as error:
            first = str(error).strip().splitlines()[0]
            return Outcome(work.name, f"its process died ({type(error).__name__}: {first})", 0.0)


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("ray", "ray", "the launcher ray") from error
    return ray


@contextmanager
def _connected(ray: Any, config: RayConfig) -> Iterator[None]:
    """Connect to the cluster while the block runs; an existing connection is used and kept."""
    if ray.is_initialized():
        yield
        return
    # By default Ray reports usage statistics to its developers.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        _check_reachable(config.address)
        ray.init(address=config.address or "local", log_to_driver=False, configure_logging=False)
    except (OSError, RuntimeError, ValueError) as error:
        raise SerclError(
            f"no Ray cluster at {config.address!r}: {error}. Start one with `ray start --head`, or leave the "
            "address empty to start Ray on this machine alone."
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def check_room(nodes: Sequence[Mapping[str, Any]], config: RayConfig) -> None:
    """Raise `SerclError` if no node could ever run a task: Ray would wait forever."""
    found = [node["Resources"] for node in nodes if node["Alive"]]
    if not any(each.get("CPU", 0) >= config.cpus and each.get("GPU", 0) >= config.gpus for each in found):
        most = {name: max((each.get(name, 0) for each in found), default=0) for name in ("CPU", "GPU")}
        raise SerclError(
            f"a work item needs {config.cpus} cores and {config.gpus:g} GPUs of Ray, but this machine "
            f"has {most['CPU']:g} and {most['GPU']:g}. Lower --launch.ray.cpus or --launch.ray.gpus."
        )


def _check_reachable(address: str) -> None:
    """Raise `OSError` if nothing listens at "host:port": Ray itself would retry for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=_REACH).close()
