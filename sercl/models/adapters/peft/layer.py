import copy
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from sercl.errors import SerclWarning, UnknownNameError, UsageError
from sercl.models.adapters.base import EncoderAdapter
from sercl.models.adapters.peft.config import (
    ADALORA,
    ALL_LINEAR,
    FOLDER,
    NORMS,
    TARGETS,
    build_config,
    check_arguments,
    check_method,
)
from sercl.models.adapters.peft.files import load_weights, read_folder, weights_of, write_folder
from sercl.models.adapters.peft.ranks import Ranks
from sercl.models.encoders.base import Encoder

if TYPE_CHECKING:
    from peft import PeftModel
    from peft.tuners.tuners_utils import BaseTunerLayer


class EffectiveLinear(nn.Module):
    """A layer of peft whose `weight` and `bias` are those of the equivalent linear layer.

    WavLM's attention passes the raw weights of its projections to `multi_head_attention_forward` and never
    calls them. If a method maps its input linearly, its outputs for the unit vectors are the columns of the
    effective weight. Dropout then drops an input feature for all frames of a step.

    Args:
        adapted: The layer of peft, around a linear layer.
    """

    def __init__(self, adapted: "BaseTunerLayer") -> None:
        super().__init__()
        self.adapted = adapted

    @property
    def weight(self) -> Tensor:
        """The adapted weight, `[out_features, in_features]`."""
        base = self.adapted.get_base_layer().weight
        units = torch.eye(base.shape[1], dtype=base.dtype, device=base.device)
        with torch.autocast(base.device.type, enabled=False):
            # Without the bias: adding and subtracting it would lose precision.
            return (self._without_bias(units) - self._without_bias(units[:1] * 0)).T

    @property
    def bias(self) -> Tensor | None:
        """The adapted bias, `[out_features]`."""
        base = self.adapted.get_base_layer().weight
        with torch.autocast(base.device.type, enabled=False):
            output: Tensor = self.adapted(base.new_zeros(1, base.shape[1]))
        return output[0]

    def forward(self, x: Tensor) -> Tensor:
        """Apply the adapted layer to `[..., in_features]`."""
        output: Tensor = self.adapted(x)
        return output

    def _without_bias(self, x: Tensor) -> Tensor:
        bias = self.adapted.get_base_layer().bias
        swapped = {} if bias is None else {"base_layer.bias": torch.zeros_like(bias)}
        output: Tensor = functional_call(self.adapted, swapped, (x,))
        return output


class PeftAdapter(EncoderAdapter):
    """A method of peft on the linear layers of an encoder's blocks.

    Args:
        method: As `check_method` takes it: "dora".
        options: Arguments of the method's configuration in peft; or `folder`, one in peft's own format, to
            continue from.

    Attributes:
        options: The arguments, those of the folder among them.

    Raises:
        UsageError: For an argument that the method does not have, and for a folder of another method.
    """

    def __init__(self, method: str, options: Mapping[str, Any]) -> None:
        super().__init__()
        check_method(method)
        self.method, self._weights = method, None
        self.options = dict(options)
        self.ranks: Ranks | None = None
        if FOLDER in options:
            self.options, self._weights = read_folder(method, self.options)
        check_arguments(method, self.options)

    @property
    def model(self) -> "PeftModel":
        """The encoder's model as peft's own."""
        return self._model[0]

    def attach(self, encoder: Encoder, blocks: Sequence[int]) -> None:
        """Let peft replace the modules.

        Raises:
            UsageError: For target modules that do not exist, for what peft refuses, and for weights of
                another encoder.
        """
        before = set(encoder.state_dict())
        targets = self._targets(encoder, blocks)
        probes = _Probes(encoder.model, targets)
        # Inside a tuple, where torch does not look: the encoder's tensors must not be listed twice.
        self._model = (self._adapted(encoder, targets),)
        changed = probes.changed()
        self._say_start(probes)
        self.ranks = Ranks(self.model, self.options) if self.method == ADALORA else None
        if self._weights is not None:
            load_weights(self.model, self._weights, self.ranks)
        self._read_weights(encoder, blocks)
        self.kept = frozenset(
            name
            for name in encoder.state_dict()
            if (name not in before and ".base_layer." not in name)
            or name.removeprefix("model.").replace(".adapted.", ".").startswith(changed)
        )

    def merge(self, encoder: Encoder) -> None:
        """Fold the adapter into the weights and put the plain modules back.

        Raises:
            UsageError: For a method that cannot be merged.
        """
        for path, layer in _layers(encoder.model):
            try:
                layer.merge()
            except (NotImplementedError, ValueError, RuntimeError) as error:
                raise UsageError(f"peft:{self.method} cannot be merged: {error}") from error
            encoder.model.set_submodule(path, layer.get_base_layer())
        del encoder.model.peft_config

    def save(self, encoder: Encoder, folder: Path) -> None:
        """Write the adapter in peft's own format.

        Raises:
            OutputError: If it cannot be written.
        """
        with _in_place(encoder.model):
            if self.ranks is not None:
                self.ranks.describe()
            targets = [path for path, _ in _layers(encoder.model)]
            weights = weights_of(self.model)
        write_folder(folder, encoder, self.model.peft_config["default"], targets, weights)

    def begin_training(self, steps: float) -> None:
        """Set the schedule of AdaLoRA's ranks.

        Raises:
            UsageError: For a training that is too short for it.
        """
        if self.ranks is not None:
            self.ranks.begin(steps)

    def penalty(self) -> Tensor | None:
        """Return AdaLoRA's penalty, None for other methods."""
        return None if self.ranks is None else self.ranks.penalty()

    def after_step(self, step: int) -> None:
        """Cut AdaLoRA's ranks."""
        if self.ranks is not None:
            self.ranks.after_step(step)

    def figures(self) -> dict[str, float]:
        """Return the mean rank of AdaLoRA."""
        return {} if self.ranks is None else {"rank": self.ranks.mean}

    def _adapted(self, encoder: Encoder, targets: Sequence[str]) -> "PeftModel":
        import peft  # takes a second, so only where it is needed

        last = tuple(f".{name}" for name in encoder.traits.feed_forward_outputs)
        feed_forward = [name for name in targets if last and name.endswith(last)]
        config = build_config(self.method, self.options, targets, feed_forward)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # of transformers, about what peft reads
                return peft.get_peft_model(encoder.model, config)
        except (ImportError, ValueError, TypeError, KeyError, RuntimeError) as error:
            raise UsageError(f"peft:{self.method} does not fit this encoder: {error}") from error

    def _targets(self, encoder: Encoder, blocks: Sequence[int]) -> list[str]:
        """Return the full names of the modules to adapt."""
        wanted = self.options.get(TARGETS)
        inside = next(name for name, module in encoder.model.named_modules() if module is encoder.blocks)
        if wanted is None:
            own = [(index, self._own_targets(encoder, index)) for index in blocks]
            return [f"{inside}.{index}.{name}" for index, names in own for name in names]
        leaves = {
            f"{inside}.{index}.{name}": module
            for index in blocks
            for name, module in encoder.blocks[index].named_modules()
            if hasattr(module, "weight")
        }
        linears = [name for name, module in leaves.items() if isinstance(module, nn.Linear)]
        return linears if wanted == ALL_LINEAR else _matching(self.method, wanted, list(leaves), linears)

    def _own_targets(self, encoder: Encoder, index: int) -> Sequence[str]:
        if self.method not in NORMS:
            return encoder.traits.block_linears
        modules = encoder.blocks[index].named_modules()
        return [name for name, module in modules if isinstance(module, nn.LayerNorm)]

    def _say_start(self, probes: "_Probes") -> None:
        if probes.start_differs():
            warnings.warn(
                f"peft:{self.method} starts at random: the encoder's hidden states are not those that it was "
                "pre-trained to give before the first step.",
                SerclWarning,
                stacklevel=2,
            )

    def _read_weights(self, encoder: Encoder, blocks: Sequence[int]) -> None:
        """Make attention that reads raw weights read the adapted ones."""
        from peft.tuners.tuners_utils import BaseTunerLayer

        for index in blocks:
            for name in encoder.traits.raw_weight_linears:
                layer = encoder.blocks[index].get_submodule(name)
                if isinstance(layer, BaseTunerLayer):
                    wrapped = EffectiveLinear(layer)
                    if index == blocks[0]:
                        self._check_linear(wrapped, encoder.name)
                    encoder.blocks[index].set_submodule(name, wrapped)

    @torch.no_grad()
    def _check_linear(self, layer: EffectiveLinear, encoder: str) -> None:
        """Refuse a method that is not linear in its input."""
        moved = copy.deepcopy(layer).eval()
        for parameter in (each for each in moved.parameters() if each.requires_grad):
            parameter.add_(0.1 * _noise(parameter.shape).to(parameter))
        x = _noise((1, 4, moved.weight.shape[1])).to(moved.weight)
        if not torch.allclose(moved(x), F.linear(x, moved.weight, moved.bias), 1e-3, 1e-3):
            raise UsageError(
                f"peft:{self.method} does not work on {encoder}: its attention reads the weights of its "
                "projections without calling them, and this method does not only change weights. Adapt the "
                "feed-forward alone (--model.adapters.peft.target_modules "
                "[intermediate_dense,output_dense]), or choose another method, such as peft:dora or lora."
            )


@contextmanager
def _in_place(model: nn.Module) -> Iterator[None]:
    """Within the context, keep every layer of peft where peft put it."""
    wrapped = {name: each for name, each in model.named_modules() if isinstance(each, EffectiveLinear)}
    for name, each in wrapped.items():
        model.set_submodule(name, cast(nn.Module, each.adapted))
    try:
        yield
    finally:
        for name, each in wrapped.items():
            model.set_submodule(name, each)


def _layers(model: nn.Module) -> "list[tuple[str, BaseTunerLayer]]":
    """Return the layers of peft in a model, with the paths at which they are found."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    found = [(name, module) for name, module in model.named_modules() if isinstance(module, BaseTunerLayer)]
    return [(name.removesuffix(".adapted"), layer) for name, layer in found]


def _matching(method: str, wanted: Any, modules: Sequence[str], linears: Sequence[str]) -> list[str]:
    """Return the modules whose names end as the user says; an error lists the linear layers."""
    names = [wanted] if isinstance(wanted, str) else wanted
    if not isinstance(names, list | tuple) or not names or not all(isinstance(each, str) for each in names):
        raise UsageError(
            f"peft:{method}: target_modules {wanted!r}. Valid: a list of names, or {ALL_LINEAR}."
        )
    for name in names:
        if not any(f".{module}".endswith(f".{name}") for module in modules):
            last = list(dict.fromkeys(linear.rpartition(".")[2] for linear in linears))
            raise UnknownNameError("target module", name, [ALL_LINEAR, *last])
    return [module for module in modules if f".{module}".endswith(tuple(f".{name}" for name in names))]


class _Probes:
    """Outputs of linear layers before they are adapted, to detect what attaching has changed."""

    def __init__(self, model: nn.Module, targets: Sequence[str]) -> None:
        self._model = model
        modules = ((name, model.get_submodule(name)) for name in targets)
        self._before = {name: _probe(layer) for name, layer in modules if isinstance(layer, nn.Linear)}

    def changed(self) -> tuple[str, ...]:
        """Return the paths of those whose own weights have changed, with a dot."""
        layers = {name: cast("BaseTunerLayer", self._model.get_submodule(name)) for name in self._before}
        return tuple(
            f"{name}."
            for name, layer in layers.items()
            if not torch.equal(_probe(layer.get_base_layer()), self._before[name])
        )

    def start_differs(self) -> bool:
        """Return whether the first of them now has another output."""
        for name, before in self._before.items():
            layer = copy.deepcopy(self._model.get_submodule(name)).eval()
            return not torch.allclose(_probe(layer), before, 1e-2, 1e-2 * float(before.abs().max()))
        return False


@torch.no_grad()
def _probe(layer: nn.Module) -> Tensor:
    weight = cast(Tensor, getattr(layer, "base_layer", layer).weight)
    output: Tensor = layer(_noise((1, 4, weight.shape[1])).to(weight))
    return output


def _noise(shape: Sequence[int]) -> Tensor:
    return torch.randn(tuple(shape), generator=torch.Generator().manual_seed(0))
