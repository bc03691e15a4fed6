"""Errors of a process that has lost the others of its run, as torch raises them."""

import re

from sercl.errors import SerclError

_LOST = re.compile(
    r"gloo/|NCCL|Connection (closed|reset) by peer|Broken pipe|[Ss]ocket [Tt]imeout|connection was closed"
)
_TIMEOUT = re.compile(r"[Tt]imed out (?:waiting |after )?(\d+) ?(ms|seconds)|(Timeout)\(ms\)=(\d+)")
_LOST_TYPES = {"DistBackendError", "DistNetworkError", "DistStoreError"}
NO_ANSWER = (
    "has not responded for {:.0f} s: it hangs, or was suspended. --trainer.strategy.timeout sets how long to "
    "wait."
)


def is_lost_connection(error: BaseException) -> bool:
    """Whether a process could not continue because another one of the run has ended or is unreachable."""
    if isinstance(error, SerclError) or not isinstance(error, RuntimeError):
        return False
    return type(error).__name__ in _LOST_TYPES or _LOST.search(str(error)) is not None


def waited(error: BaseException) -> float | None:
    """Return the time after which waiting for another process was given up, in s; None for another error."""
    found = _TIMEOUT.search(str(error)) if is_lost_connection(error) else None
    if found is None:
        return None
    return float(found[1]) if found[2] == "seconds" else int(found[1] or found[4]) / 1000
