from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle

from sercl.errors import UsageError
from sercl.models.adapters.base import HookAdapter
from sercl.models.adapters.bottleneck.config import BottleneckConfig
from sercl.models.encoders.base import FamilyTraits
from sercl.models.encoders.fast.adapted import changing_frames_by


class BottleneckAdapter(HookAdapter):
    """Two small linear layers on the output of a block's feed-forward, added to it.

    Args:
        hidden_size: Width D of the block.
        config: Reduction and start.

    Raises:
        UsageError: For a reduction above D.
    """

    def __init__(self, hidden_size: int, config: BottleneckConfig) -> None:
        super().__init__()
        if config.reduction > hidden_size:
            raise UsageError(
                f"bottleneck reduction {config.reduction} is too large for width {hidden_size}; valid: 1 "
                f"to {hidden_size}."
            )
        width = hidden_size // config.reduction
        self.down, self.up = nn.Linear(hidden_size, width), nn.Linear(width, hidden_size)
        if config.init == "identity":
            nn.init.zeros_(self.up.weight)
            nn.init.zeros_(self.up.bias)

    def hook(self, block: nn.Module, traits: FamilyTraits) -> RemovableHandle:
        """Hook the block's feed-forward."""
        return block.get_submodule(traits.feed_forward).register_forward_hook(self._add)

    @changing_frames_by("_changed")
    def _add(self, module: nn.Module, args: object, output: Tensor) -> Tensor:
        return self._changed(output)

    def _changed(self, output: Tensor) -> Tensor:
        inner = output.to(self.down.weight.dtype)
        change: Tensor = self.up(F.relu(self.down(inner)))
        return output + change.to(output.dtype)
