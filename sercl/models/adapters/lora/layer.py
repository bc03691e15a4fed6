import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sercl.errors import UsageError
from sercl.models.adapters.base import MergeableAdapter
from sercl.models.adapters.lora.config import LoraConfig
from sercl.models.adapters.lora.quick import QuickLora
from sercl.models.adapters.peft.files import write_folder
from sercl.models.encoders.base import Encoder, FamilyTraits, Forward

if TYPE_CHECKING:
    from peft import PeftConfig
    from peft.tuners.tuners_utils import BaseTunerLayer


class WeightLora(nn.Module):
    """A linear layer whose `weight` is `W + (alpha / rank) B A`.

    WavLM's attention hands the raw weights of its projections to `multi_head_attention_forward`, so that a
    wrapper around the module's call, as peft makes, never takes effect. Here reading `.weight` does it.
    Dropout falls on the columns of A: an input feature of the update is dropped for all frames of a step
    alike, where peft draws anew for each frame.

    Args:
        base_layer: The frozen layer.
        rank: Rank of the update.
        alpha: The update is scaled by alpha / rank.
        dropout: Probability with which an input feature of the update is dropped in training.
    """

    def __init__(self, base_layer: nn.Linear, rank: int, alpha: float, dropout: float) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.lora_A = nn.Parameter(torch.empty(rank, base_layer.in_features))
        self.lora_B = nn.Parameter(torch.zeros(base_layer.out_features, rank))
        self.scaling = alpha / rank
        self.dropout = nn.Dropout(dropout)
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))  # as nn.Linear and peft do

    @property
    def weight(self) -> Tensor:
        """The adapted weight, `[out_features, in_features]`."""
        kept = self.dropout(torch.ones_like(self.lora_A[0]))
        return self.base_layer.weight + self._update(self.lora_A * kept)

    @property
    def bias(self) -> Tensor | None:
        """The frozen bias, `[out_features]`."""
        return self.base_layer.bias

    def forward(self, x: Tensor) -> Tensor:
        """Apply the adapted layer to `[..., in_features]`."""
        return F.linear(x, self.weight, self.bias)

    @torch.no_grad()
    def merge(self) -> nn.Linear:
        """Add the update to the base layer's weight and return that layer."""
        self.base_layer.weight += self._update(self.lora_A)
        return self.base_layer

    def _update(self, rows: Tensor) -> Tensor:
        return (self.scaling * (self.lora_B @ rows)).to(self.base_layer.weight.dtype)


class LoraAdapter(MergeableAdapter):
    """LoRA on the linear layers of one block, by peft where the block calls them, else by `WeightLora`.

    The parameters are inside the block (`lora_A`, `lora_B`), where peft puts them.

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

    def quick_forwards(
        self, block: nn.Module, traits: FamilyTraits, dtype: torch.dtype
    ) -> dict[nn.Module, Forward]:
        """Return functions that compute a frozen layer and its update at once."""
        layers: list[Any] = [block.get_submodule(name) for name in traits.block_linears]
        return {layer: QuickLora(layer.base_layer, dtype) for layer in layers}

    def _check_rank(self, block: nn.Module, names: Sequence[str]) -> None:
        widths = [min(cast(nn.Linear, block.get_submodule(name)).weight.shape) for name in names]
        if self.config.rank > min(widths):
            raise UsageError(
                f"LoRA rank {self.config.rank} is above the smaller side of the matrices that it updates; "
                f"valid: 1 to {min(widths)}."
            )

    def _inject(self, block: nn.Module, names: list[str]) -> None:
        import peft

        peft.inject_adapter_in_model(_peft_config(self.config, names), block)


def _peft_config(config: LoraConfig, targets: Sequence[str]) -> "PeftConfig":
    import peft  # takes a second, which a run without LoRA need not spend

    return peft.LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,  # peft calls it an int, but takes any number
        lora_dropout=config.dropout,
        target_modules=list(targets),
    )


def _merge(wrapped: nn.Module) -> nn.Module:
    if isinstance(wrapped, WeightLora):
        return wrapped.merge()
    layer = cast("BaseTunerLayer", wrapped)
    layer.merge()
    base: nn.Module = layer.get_base_layer()
    return base


def save_lora(encoder: Encoder, config: LoraConfig, folder: Path) -> None:
    """Write the LoRA of an encoder in peft's own format.

    Args:
        encoder: The encoder, with `LoraAdapter` attached.
        config: Its rank, alpha and dropout.
        folder: Where to write.

    Raises:
        OutputError: If it cannot be written.
    """
    weights: dict[str, Tensor] = {}
    targets: list[str] = []
    for name, layer in encoder.model.named_modules():
        if isinstance(layer, WeightLora):
            factors = (layer.lora_A, layer.lora_B)
        elif hasattr(layer, "base_layer"):
            factors = (layer.lora_A["default"].weight, layer.lora_B["default"].weight)
        else:
            continue
        targets.append(name)
        weights |= {
            f"base_model.model.{name}.lora_{side}.weight": value
            for side, value in zip("AB", factors, strict=True)
        }
    write_folder(folder, encoder, _peft_config(config, targets), targets, weights)
