"""Predicting and diarizing many files with several processes of this machine, each with its own GPU or cores.

At the top this module imports no torch: a process must know its share of the machine before torch is loaded.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from sercl.errors import UsageError
from sercl.launchers.config import MOST_LOCAL_JOBS
from sercl.launchers.pool import Pool

if TYPE_CHECKING:
    from sercl.diarization.segments import Annotation
    from sercl.tasks.diarizer import Diarizer
    from sercl.tasks.predictor import Failure, Prediction

FILES = 32
"""Most files that a process gets at a time, so that it can batch them by length."""

Item = TypeVar("Item")


def check_processes(processes: int, device: str) -> None:
    """Raise `UsageError` for a number of processes that is out of range, or for one device of its own.

    Args:
        processes: How many share the files.
        device: The device that is asked for.
    """
    if not 1 <= processes <= MOST_LOCAL_JOBS:
        raise UsageError(f"--devices {processes}: valid: 1 to {MOST_LOCAL_JOBS}.")
    if processes > 1 and device not in ("auto", "cpu", "cuda"):
        raise UsageError(
            f"--device {device} with --devices {processes}: several processes cannot share one device. Give "
            "--device auto, cpu or cuda; CUDA_VISIBLE_DEVICES=0,2 chooses among GPUs."
        )


class _Shared:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.__exit__()


class SharedPredictor(_Shared):
    """A `Predictor` of files in several processes; to be used as a context.

    Args:
        checkpoint: As for `sercl.load`; so are all others but the last.
        device: Device of each process.
        encoder: Folder of the encoder.
        precision: Of the encoder.
        processes: How many.

    Raises:
        ProcessFailedError: With the message of whatever `sercl.load` raises.

    Attributes:
        classes: As of `Predictor`.
        checkpoints: As of `Predictor`.
    """

    classes: tuple[str, ...]
    checkpoints: tuple[str, ...]

    def __init__(
        self, checkpoint: str | Path, device: str, encoder: str | None, precision: str, processes: int
    ) -> None:
        super().__init__(Pool(partial(_predictor, checkpoint, device, encoder, precision), processes))
        self._processes = processes
        ((self.classes, self.checkpoints),) = self._pool.each([None])

    def stream(self, files: Sequence[Path], batch_seconds: float = 60.0) -> "Iterator[Prediction | Failure]":
        """Yield the results of files, in order, as `Predictor.stream` does."""
        size = max(1, min(FILES, -(-len(files) // self._processes)))  # few files are shared, too
        for found in self._pool.each((own, batch_seconds) for own in _windows(files, size)):
            yield from found


class SharedDiarizer(_Shared):
    """A `Diarizer` of files in several processes; to be used as a context.

    Args:
        checkpoint: As for `sercl.diarize`; so are the others but the last.
        device: Device of each process.
        encoder: Folder of the encoder.
        post: What differs from the checkpoint's own post-processing, by name.
        vad: Whether non-speech is neutral.
        precision: Of the encoder.
        processes: How many.

    Raises:
        ProcessFailedError: With the message of whatever `sercl.diarize` raises.
    """

    def __init__(
        self,
        checkpoint: str | Path,
        device: str,
        encoder: str | None,
        post: Mapping[str, Any],
        vad: bool,
        precision: str,
        processes: int,
    ) -> None:
        own = (checkpoint, device, encoder, post, vad, precision)
        super().__init__(Pool(partial(_diarizing, *own), processes))

    def stream(self, files: Iterable[Path]) -> "Iterator[Annotation | Failure]":
        """Yield the segments of files, in order, as `Diarizer.stream` does."""
        yield from self._pool.each(files)


def _windows(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    rest = iter(items)
    while window := list(islice(rest, size)):
        yield window


def _predictor(
    checkpoint: str | Path, device: str, encoder: str | None, precision: str
) -> Callable[[Any], Any]:
    from sercl.tasks.predictor import load

    predictor = load(checkpoint, device, encoder, precision=precision)

    def predict(asked: tuple[Sequence[Path], float] | None) -> Any:
        if asked is None:
            return predictor.classes, predictor.checkpoints
        return list(predictor.stream(*asked))

    return predict


def load_diarizer(
    checkpoint: str | Path,
    device: str,
    encoder: str | None,
    post: Mapping[str, Any],
    vad: bool,
    precision: str,
) -> "Diarizer":
    """Load a diarizer with changed post-processing; arguments are those of `SharedDiarizer`."""
    from sercl.tasks.diarizer import diarize

    diarizer = diarize(checkpoint, device, encoder, vad=vad, precision=precision)
    diarizer.post = replace(diarizer.post, **post)
    return diarizer


def _diarizing(*options: Any) -> "Callable[[Path], Annotation | Failure]":
    diarizer = load_diarizer(*options)
    return lambda path: next(iter(diarizer.stream([path])))
