from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from sercl.models.adapters.base import HookAdapter
from sercl.models.adapters.gating.config import GatingConfig
from sercl.models.encoders.base import FamilyTraits
from sercl.models.encoders.fast.adapted import changing_frames_by


class GatingAdapter(HookAdapter):
    """A factor per feature on a block's input, before attention and before the residual is taken.

    Args:
        hidden_size: Width D of the block.
        config: How the factors start.
    """

    def __init__(self, hidden_size: int, config: GatingConfig) -> None:
        super().__init__()
        start, self.ceiling = (0.0, 2.0) if config.init == "identity" else (1.0, 1.0)
        self.gate = nn.Parameter(torch.full((hidden_size,), start))

    @property
    def factors(self) -> Tensor:
        """What each feature of the input is multiplied by, `[D]`: between 0 and 2, or 0 and 1 ("paper")."""
        return self.ceiling * self.gate.sigmoid()

    def hook(self, block: nn.Module, traits: FamilyTraits) -> RemovableHandle:
        """Hook the block's input."""
        return block.register_forward_pre_hook(self._scale, with_kwargs=True)

    @changing_frames_by("_scaled")
    def _scale(
        self, block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if args:
            return (self._scaled(args[0]), *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": self._scaled(kwargs["hidden_states"])}

    def _scaled(self, hidden: Tensor) -> Tensor:
        return hidden * self.factors.to(hidden.dtype)
