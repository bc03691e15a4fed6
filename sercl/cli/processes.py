"""Several processes of one command: Lightning starts the others by running the command line again."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from lightning.pytorch.utilities import rank_zero_only


def is_first() -> bool:
    """Whether this process is the one that prints and writes."""
    return int(getattr(rank_zero_only, "rank", 0) or 0) == 0


@contextmanager
def restartable(command: str) -> Iterator[None]:
    """Let `sys.argv` be the whole command line while the block runs, as Lightning's launcher needs it.

    Args:
        command: Name of the command ("fit", "diarize fit"), which the dispatcher has taken off `sys.argv`.
    """
    before = sys.argv
    script = getattr(sys.modules["__main__"], "__file__", None) or before[0]
    sys.argv = [script, *command.split(), *before[1:]]
    try:
        yield
    finally:
        sys.argv = before
