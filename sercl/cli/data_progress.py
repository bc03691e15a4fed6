"""Progress of the check of the audio and of the encoder's pass over it: one bar per job."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from sercl.cli.console import progress


@contextmanager
def stage_progress() -> Iterator[Callable[[str, int, int], None]]:
    """Show one bar after the other on standard error while the block runs.

    Yields:
        A function told what is being done, how many clips of it are done, and how many there are.
    """
    with ExitStack() as bars:
        current: dict[str, tuple[Callable[[int], None], int]] = {}

        def on_progress(what: str, done: int, total: int) -> None:
            if what not in current:
                bars.close()
                current.clear()
                current[what] = (bars.enter_context(progress(what, total)), 0)
            advance, before = current[what]
            advance(done - before)
            current[what] = (advance, done)

        yield on_progress
