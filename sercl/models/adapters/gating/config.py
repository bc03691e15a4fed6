from dataclasses import dataclass
from typing import Literal

from sercl.errors import UnknownNameError

INITS = ("identity", "paper")


@dataclass(frozen=True)
class GatingConfig:
    """Weighted gating: one trained factor per feature on a block's input.

    Trains D parameters per block.

    Args:
        init: "identity" (2 * sigmoid(g), g starts at 0: factor 1), or "paper" (sigmoid(g), g starts at 1:
            factor 0.731, as in arXiv 2409.16920).
    """

    init: Literal["identity", "paper"] = "identity"

    def __post_init__(self) -> None:
        if self.init not in INITS:
            raise UnknownNameError("gating init", self.init, INITS)
