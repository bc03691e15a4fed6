"""Memory that runs out: which, and how work goes on with smaller batches. Imports no torch."""

import re
import warnings
from collections.abc import Callable, Sized
from typing import TypeVar

from sercl.errors import SerclWarning

Batch = TypeVar("Batch", bound=Sized)
Item = TypeVar("Item")
Result = TypeVar("Result")

# By name: naming the types would import torch.
_GPU = re.compile(
    r"^(CUDA|HIP|MPS backend|XPU) (error: )?out of memory|CUBLAS_STATUS_ALLOC_FAILED", re.MULTILINE
)
_MAIN = re.compile(
    r"DefaultCPUAllocator: (can't allocate|not enough) memory|Cannot allocate memory|std::bad_alloc"
    r"|could not create a (memory object|primitive)$",  # oneDNN, when its generated code no longer fits
    re.MULTILINE,
)


def exhausted(error: BaseException, kind: str = "") -> str | None:
    """Return which memory has run out, "memory" or "GPU memory"; None for another error.

    Args:
        error: The error.
        kind: Name of a further type that it has had in another process.
    """
    names = {*(each.__name__ for each in type(error).__mro__), kind}
    text = str(error) if isinstance(error, RuntimeError | OSError | MemoryError) else ""
    if "OutOfMemoryError" in names or _GPU.search(text):
        return "GPU memory"
    if any(name.endswith("MemoryError") for name in names) or _MAIN.search(text):
        return "memory"
    return None


def by_halves(
    work: Callable[[Batch], list[Result]],
    batch: Batch,
    halves: Callable[[Batch], tuple[Batch, Batch]],
    option: str = "",
    is_allowed: Callable[[], bool] = lambda: True,
    what: str = "a batch of {} clips",
) -> list[Result]:
    """Return the results of a batch; if memory runs out, those of its halves one after the other.

    Args:
        work: Returns the results of a batch, and keeps nothing of one that fails.
        batch: The batch.
        halves: Returns both halves of a batch of at least two items.
        option: The option that makes batches smaller, for the warning, if there is one.
        is_allowed: Whether halves may be computed, asked when memory has run out.
        what: What a batch is called in the warning; {} stands for its length.

    Raises:
        Exception: What `work` raises, also for a single item that does not fit into memory.
    """
    try:
        return work(batch)
    except Exception as error:
        memory = exhausted(error)
        if memory is None or len(batch) < 2 or not is_allowed():
            raise
    # Not within `except`, where the error keeps the tensors of the whole batch alive.
    first, second = halves(batch)
    warn_of_parts(memory, what.format(len(batch)), "its halves are computed one after the other", option)
    return [
        result
        for half in (first, second)
        for result in by_halves(work, half, halves, option, is_allowed, what)
    ]


def halves_of(items: list[Item]) -> tuple[list[Item], list[Item]]:
    """Return both halves of at least two items."""
    return items[: len(items) // 2], items[len(items) // 2 :]


def warn_of_parts(memory: str, what: str, instead: str, option: str) -> None:
    """Warn that a batch did not fit into memory.

    Args:
        memory: Which memory, as of `exhausted`.
        what: What did not fit, such as "a batch of 12 clips".
        instead: What is done with it instead.
        option: The option that makes batches smaller, if there is one.
    """
    advice = f" Smaller batches ({option}) save the attempt." if option else ""
    text = f"{what} did not fit into {memory}: {instead}.{advice}"
    warnings.warn(text, SerclWarning, stacklevel=2)
