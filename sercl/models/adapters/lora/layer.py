from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from torch import nn

from sercl.errors import UsageError
from sercl.models.adapters.base import MergeableAdapter
from sercl.models.adapters.lora.config import LoraConfig
from sercl.models.adapters.lora.weight import WeightLora
from sercl.models.encoders.base import FamilyTraits

if TYPE_CHECKING:
    from peft.tuners.tuners_utils import BaseTunerLayer


class LoraAdapter(MergeableAdapter):
    """LoRA on the linear layers of one block, by peft where the block calls them, else by `WeightLora`.

    The parameters stand inside the block (`lora_A`, `lora_B`), where peft puts them.

    Args:
        hidden_size: Not used: the layers say their widths.
        config: Rank, alpha and dropout.
    """

    def __init__(self, hidden_size: int, config: LoraConfig) -> None:
        super().__init__()
        self.config = config

    def attach(self, block: nn.Module, traits: FamilyTraits) -> None:
        """Replace the linear layers by their adapted form; the output is unchanged until training.

        Raises:
            UsageError: For a rank above the smaller side of a matrix.
        """
        self._check_rank(block, traits.block_linears)
        self._inject(block, [name for name in traits.block_linears if name not in traits.raw_weight_linears])
        for name in traits.raw_weight_linears:
            linear = cast(nn.Linear, block.get_submodule(name))
            wrapped = WeightLora(linear, self.config.rank, self.config.alpha, self.config.dropout)
            block.set_submodule(name, wrapped)

    def detach(self, block: nn.Module, traits: FamilyTraits) -> None:
        """Add the updates to the weights and put the plain linear layers back."""
        for name in traits.block_linears:
            block.set_submodule(name, _merge(block.get_submodule(name)))
        del block.peft_config

    def _check_rank(self, block: nn.Module, names: Sequence[str]) -> None:
        widths = [min(cast(nn.Linear, block.get_submodule(name)).weight.shape) for name in names]
        if self.config.rank > min(widths):
            raise UsageError(
                f"LoRA rank {self.config.rank} is above the smaller side of the matrices that it updates; "
                f"valid: 1 to {min(widths)}."
            )

    def _inject(self, block: nn.Module, names: list[str]) -> None:
        import peft  # takes a second, which a run without LoRA need not spend

        config = peft.LoraConfig(
            r=self.config.rank,
            lora_alpha=self.config.alpha,
            lora_dropout=self.config.dropout,
            target_modules=names,
        )
        peft.inject_adapter_in_model(config, block)


def _merge(wrapped: nn.Module) -> nn.Module:
    if isinstance(wrapped, WeightLora):
        return wrapped.merge()
    layer = cast("BaseTunerLayer", wrapped)
    layer.merge()
    base: nn.Module = layer.get_base_layer()
    return base
