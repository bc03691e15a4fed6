"""The device on which a model runs when it is called from Python, its supply of audio, and its memory."""

import ctypes
import sys

import torch

from sercl.ahead import usable_cores
from sercl.errors import UsageError

_GPU_WORKERS = 4
_C_LIBRARY = ctypes.CDLL(None) if sys.platform == "linux" else None


def find_device(name: str) -> torch.device:
    """Return a device by name: "auto" (a GPU if available), "cpu", "cuda", "cuda:1", "mps".

    Raises:
        UsageError: For an unavailable device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"device {name!r} is not usable here: {str(error).splitlines()[0]}") from error
    return device


def default_workers(device: torch.device) -> int:
    """Return how many threads or processes decode audio ahead of an encoder that is not trained.

    On the CPU there are none: threads beside those of the model make every parallel product wait.
    """
    return 0 if device.type == "cpu" else min(_GPU_WORKERS, max(1, usable_cores() - 1))


def give_memory_back() -> None:
    """Return freed memory to the system, if the C library is glibc.

    Batches of many different lengths fragment its heap, which would grow with the number of files.
    """
    if (trim := getattr(_C_LIBRARY, "malloc_trim", None)) is not None:
        trim(0)
