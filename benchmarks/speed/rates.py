"""The machine's current speed: the rate of a plain matrix product, and the load of other processes."""

import os
import time
from pathlib import Path

import torch

SIZE = 2048


class MatrixRate:
    """Times work, and in between a plain 2048 x 2048 matrix product, so that both run under the same
    conditions.

    Args:
        device: "cpu" or "cuda".
        dtype: Precision of the matrix product.
        peak: Operations per second to compare with, in place of the product's.

    Attributes:
        seconds: Time of the work alone, of finished laps.
        possible: Operations that the machine could have done in that time.
    """

    def __init__(self, device: str, dtype: torch.dtype, peak: float | None = None) -> None:
        self._left, self._right = (torch.randn(SIZE, SIZE, device=device).to(dtype) for _ in range(2))
        self._products = 50 if device == "cuda" else 3
        self._device, self._peak = device, peak
        self.seconds = self.possible = 0.0
        self._rate()
        self.start()

    def start(self) -> None:
        """Begin a lap."""
        self._before, self._begin = self._peak or self._rate(), time.perf_counter()

    def lap(self, least: float = 0.0) -> None:
        """End a lap and begin the next; nothing happens if it has lasted for less than `least` seconds."""
        wait_for(self._device)
        seconds = time.perf_counter() - self._begin
        if seconds < least:
            return
        after = self._peak or self._rate()
        self.seconds += seconds
        self.possible += seconds * (self._before + after) / 2
        self._before, self._begin = after, time.perf_counter()

    @property
    def peak(self) -> float:
        """Operations per second that the machine could have done, on average."""
        return self.possible / self.seconds

    def _rate(self) -> float:
        wait_for(self._device)
        begin = time.perf_counter()
        for _ in range(self._products):
            torch.mm(self._left, self._right)
        wait_for(self._device)
        return self._products * 2 * SIZE**3 / (time.perf_counter() - begin)


def wait_for(device: str) -> None:
    """Wait until a GPU has finished its work."""
    if device == "cuda":
        torch.cuda.synchronize()


class Others:
    """The fraction of the cores that other processes use, from construction on; Linux only."""

    def __init__(self) -> None:
        self._busy, self._own, self._begin = busy_seconds(), own_seconds(), time.perf_counter()

    @property
    def share(self) -> float | None:
        """0 to 1, or None if the system does not report it."""
        if self._busy is None:
            return None
        busy, own = busy_seconds() - self._busy, own_seconds() - self._own
        return max(0.0, busy - own) / ((time.perf_counter() - self._begin) * os.cpu_count())


def busy_seconds() -> float | None:
    statistics_file = Path("/proc/stat")
    if not statistics_file.exists():
        return None
    user, nice, system, _, _, irq, soft, steal, *_ = map(int, statistics_file.read_text().split()[1:11])
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


def own_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
