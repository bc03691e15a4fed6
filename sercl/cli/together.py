"""Who speaks where all processes of a run were started from outside (torchrun, SLURM).

Each would print the same error. The first process of a machine says once what all have in common, and what
another alone has with its rank; where the first does not fail, the others speak for themselves. Only the
standard library is imported.
"""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sercl.cli.siblings import Failure, left, put

WAIT = 5.0
"""Time in s within which processes that fail alike do so."""
_LOOK = 0.05
_SPOKEN = "spoken"


@dataclass(frozen=True)
class Together:
    """This process among those of its run.

    Args:
        folder: Where those of one machine leave their failures.
        rank: Among all.
        local_rank: On this machine.
        count: How many are on this machine, None where that is not known.
    """

    folder: Path
    rank: int
    local_rank: int
    count: int | None

    @classmethod
    def found(cls) -> "Together | None":
        """Return this process among those that torchrun or SLURM has started; None where it is alone."""
        for names in (_TORCHRUN, _SLURM):
            rank, local, world, *key = (os.environ.get(name, "") for name in names)
            if rank.isdecimal() and local.isdecimal() and world.isdecimal() and int(world) > 1:
                count = os.environ.get("LOCAL_WORLD_SIZE", "")
                return cls(_folder(key), int(rank), int(local), int(count) if count.isdecimal() else None)
        return None

    def to_say(self, failure: Failure) -> list[str]:
        """Return what this process says of its failure, and of those that the others leave to it."""
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            return list(self._as_first(failure) if self.local_rank == 0 else self._as_other(failure))
        except OSError:  # nothing can be left to each other: then each speaks
            return [self._named(failure.message)]

    def _as_first(self, failure: Failure) -> Iterator[str]:
        others = self._others()
        causes = {rank: each for rank, each in others.items() if not each.lost}
        if not failure.lost or not (causes or (self.folder / _SPOKEN).exists()):
            yield self._named(failure.message)
        for rank, each in sorted(causes.items()):
            if each.message != failure.message:
                yield f"rank {self.rank + rank}: {each.message}"
        shutil.rmtree(self.folder, ignore_errors=True)

    def _others(self) -> dict[int, Failure]:
        """Return the failures of the other processes by local rank: taken away, they are said here."""
        found: dict[int, Failure] = {}
        deadline = time.monotonic() + WAIT
        while time.monotonic() < deadline and len(found) + 1 != self.count:
            for path in self.folder.glob("*.json"):
                local_rank = int(path.stem)
                if (failure := left(self.folder, local_rank)) is not None and _taken(path):
                    found[local_rank] = failure
            if (self.folder / _SPOKEN).exists():
                break
            time.sleep(_LOOK)
        return found

    def _as_other(self, failure: Failure) -> Iterator[str]:
        path = put(self.folder, self.local_rank, failure)
        deadline = time.monotonic() + WAIT
        while path.exists() and time.monotonic() < deadline:
            time.sleep(_LOOK)
        if not _taken(path) or (failure.lost and (self.folder / _SPOKEN).exists()):
            return
        (self.folder / _SPOKEN).touch()
        yield self._named(failure.message)

    def _named(self, message: str) -> str:
        return f"rank {self.rank}: {message}" if self.rank else message


_TORCHRUN = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "TORCHELASTIC_RUN_ID", "MASTER_ADDR", "MASTER_PORT")
_SLURM = ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NTASKS", "SLURM_JOB_ID", "SLURM_STEP_ID")


def _folder(key: list[str]) -> Path:
    """Return the folder of one run, the same for its processes on this machine alone."""
    parts = [
        *key,
        os.environ.get("TORCHELASTIC_RESTART_COUNT", ""),
        str(os.getppid() if not any(key) else ""),
    ]
    user = os.getuid() if hasattr(os, "getuid") else ""
    name = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"sercl-{user}-{name}"


def _taken(path: Path) -> bool:
    """Remove a failure; False where another process has been faster, and says it."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True
