"""How often one participant or address may ask: a bucket of requests that fills up steadily. No torch."""

import time
from dataclasses import dataclass, field

_MOST_KEYS = 20_000


@dataclass
class Limit:
    """A limit on requests.

    Attributes:
        rate: Requests per second in the long run.
        burst: Requests at once.
    """

    rate: float
    burst: float
    _left: dict[str, tuple[float, float]] = field(default_factory=dict)

    def wait(self, key: str, now: float | None = None) -> float:
        """Count a request; return 0, or the seconds after which it may be sent again."""
        now = time.monotonic() if now is None else now
        left, before = self._left.pop(key, (self.burst, now))
        left = min(self.burst, left + (now - before) * self.rate)
        allowed = left >= 1
        self._left[key] = (left - 1 if allowed else left, now)
        if len(self._left) > _MOST_KEYS:
            del self._left[next(iter(self._left))]  # the one that has asked least recently
        return 0.0 if allowed else (1 - left) / self.rate
