"""Many small models of the same shape as one module, with a single matrix product for all."""

from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn


class StackedLinear(nn.Module):
    """`[models, rows, in]` -> `[models, rows, out]`, each model with its own weights.

    Args:
        layers: One linear layer per model, all of the same shape and with a bias; their weights are copied.

    Attributes:
        weight: `[models, in, out]`: transposed, which makes batched products a third faster.
        bias: `[models, 1, out]`.
    """

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        super().__init__()
        weights = torch.stack([layer.weight.detach().mT for layer in layers])
        self.weight = nn.Parameter(weights.contiguous())
        self.bias = nn.Parameter(torch.stack([layer.bias.detach()[None] for layer in layers]))

    def forward(self, x: Tensor) -> Tensor:
        """Map `[models, rows, in]` to `[models, rows, out]`."""
        return torch.baddbmm(self.bias, x, self.weight)


class StackedWeightedSum(nn.Module):
    """`[models, rows, states, dim]` -> `[models, rows, dim]`: a `WeightedSum` per model.

    Args:
        models: Number of models.
        num_states: Number of hidden states. All start with the same weight.
    """

    def __init__(self, models: int, num_states: int) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.zeros(models, num_states))

    @property
    def weights(self) -> Tensor:
        """The weight of each hidden state in each model, `[models, states]`."""
        return self.scores.softmax(dim=-1)

    def forward(self, states: Tensor) -> Tensor:
        """Sum over the states."""
        models, rows = states.shape[:2]
        weights = self.weights[:, None].expand(-1, rows, -1).flatten(0, 1)
        return torch.bmm(weights.unsqueeze(1), states.flatten(0, 1)).view(models, rows, -1)


class StackedProbe(nn.Module):
    """Heads of the same shape in parallel, optionally on weighted sums of hidden states.

    Args:
        heads: One head per model, as `heads.build_head` makes them, without dropout; weights are copied.
        num_states: Number of hidden states that each model sums, or None if its input is a single one.
    """

    def __init__(self, heads: Sequence[nn.Sequential], num_states: int | None = None) -> None:
        super().__init__()
        self.mix = None if num_states is None else StackedWeightedSum(len(heads), num_states)
        self.head = nn.Sequential(*(_stacked(modules) for modules in zip(*heads, strict=True)))

    def forward(self, x: Tensor) -> Tensor:
        """Score the classes.

        Args:
            x: `[models, rows, dim]`, or `[models, rows, states, dim]` with weighted sums.

        Returns:
            Logits `[models, rows, classes]`.
        """
        scores: Tensor = self.head(x if self.mix is None else self.mix(x))
        return scores

    def state(self, model: int) -> dict[str, Tensor]:
        """Return copies of a model's weights under the names of `head.state_dict()` of a single head.

        With weighted sums there is also "mix.scores", as in `WeightedSum`.
        """
        state = {}
        for name, stacked in self.state_dict().items():
            key, own = name.removeprefix("head."), stacked[model]
            shaped = own.mT if key.endswith(".weight") else own.squeeze(0) if key.endswith(".bias") else own
            state[key] = shaped.clone()
        return state

    def keep(self, models: Tensor) -> None:
        """Drop all models except those at the indices `models`, `[kept]`."""
        self.put([parameter.detach()[models] for parameter in self.parameters()])

    def put(self, weights: Iterable[Tensor]) -> None:
        """Set new weights, in the order of `parameters`; they may be those of fewer or more models."""
        values = iter(weights)
        for module in self.modules():
            for name, _ in list(module.named_parameters(recurse=False)):
                setattr(module, name, nn.Parameter(next(values)))


def _stacked(modules: tuple[nn.Module, ...]) -> nn.Module:
    first = modules[0]
    if isinstance(first, nn.Linear):
        return StackedLinear([cast(nn.Linear, module) for module in modules])
    if isinstance(first, nn.Dropout) and first.p == 0:
        return nn.Identity()  # keeps the numbering of the single head
    if isinstance(first, nn.ReLU):
        return nn.ReLU()
    raise NotImplementedError(f"{first} cannot be stacked")
