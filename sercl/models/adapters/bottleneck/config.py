from dataclasses import dataclass
from typing import Literal

from sercl.errors import UnknownNameError, UsageError

INITS = ("identity", "paper")


@dataclass(frozen=True)
class BottleneckConfig:
    """Bottleneck adapter (Houlsby et al. 2019) on the feed-forward's output x: x + Up(ReLU(Down(x))).

    Down goes from D to D/reduction, Up back to D. Trains 2 * D * D/reduction + D/reduction + D parameters
    per block.

    Args:
        reduction: D is divided by this (rounded down); from 1 to D.
        init: "identity" (Up starts at zero, so that the encoder starts unchanged), or "paper" (both start as
            torch starts a linear layer, as in arXiv 2409.16920).
    """

    reduction: int = 16
    init: Literal["identity", "paper"] = "identity"

    def __post_init__(self) -> None:
        if self.reduction < 1:
            raise UsageError(f"bottleneck reduction {self.reduction}: at least 1 is needed.")
        if self.init not in INITS:
            raise UnknownNameError("bottleneck init", self.init, INITS)
