"""From hidden states, pooled or per frame, to class scores: layer, standardisation and head."""

import copy
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from sercl.errors import UsageError
from sercl.imports import ClassSpec
from sercl.models.parts import check_part
from sercl.models.pooling import frame_mask
from sercl.models.standardize import Standardizer, build_standardizer, normed_vectors


class WeightedSum(nn.Module):
    """Sum hidden states with weights that are positive, sum to one and are trained.

    Args:
        num_states: Number of hidden states (blocks + 1). All start with the same weight.
    """

    def __init__(self, num_states: int) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.zeros(num_states))

    @property
    def weights(self) -> Tensor:
        """The weight of each hidden state, `[states]`: the softmax of the trained scores."""
        return self.scores.softmax(dim=0)

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """Sum `states`, each of one shape (`[batch, frames, dim]` or `[batch, dim]`), into that shape.

        Raises:
            ValueError: If there are more or fewer than `num_states`.
        """
        total = torch.zeros_like(states[0])
        for weight, state in zip(self.weights, states, strict=True):
            total = total + weight * state
        return total


LAYER_WORDS = ("last", "weighted", "auto")


def check_layer(layer: int | str, num_states: int) -> int | str:
    """Return the layer choice with "last" resolved to its number.

    Args:
        layer: Hidden state 0..N (0 = input of block 1, k = output of block k), "last", "weighted" (learned
            sum of all) or "auto" (one head per hidden state; the one decided before training is used, or
            else the best on validation data).
        num_states: N + 1.

    Raises:
        UsageError: For a number out of range or another word.
    """
    if layer == "last":
        return num_states - 1
    if layer in LAYER_WORDS:
        return layer
    if isinstance(layer, int) and 0 <= layer < num_states:
        return layer
    raise UsageError(
        f"layer {layer!r} does not exist. Valid: a hidden state 0 to {num_states - 1}, "
        f"{', '.join(repr(word) for word in LAYER_WORDS)}."
    )


class Readout(nn.Module):
    """Standardise pooled hidden states, choose or mix layers, and score the classes.

    Args:
        layer: As in `check_layer`, already resolved.
        num_states: Number of hidden states.
        dim: Size of a pooled hidden state.
        head: From `[batch, dim]` to class scores; for "auto" there is a copy for each layer.
        standardize: Whether features are standardised by statistics of the training set; "corpus" for those
            of each corpus.
        layer_norm: Whether each vector is normalised before that, see `normed_vectors`.

    Attributes:
        chosen: Index of the head whose scores are used.
        decided: Index of the head that must be chosen, if that was decided before training.
    """

    chosen: Tensor

    def __init__(
        self,
        layer: int | str,
        num_states: int,
        dim: int,
        head: nn.Module,
        standardize: bool | str = True,
        layer_norm: bool = False,
    ) -> None:
        super().__init__()
        self.layer, self.layer_norm = layer, layer_norm
        self.states = list(range(num_states)) if isinstance(layer, str) else [layer]
        self.standardizer = build_standardizer(standardize, (len(self.states), dim))
        self.mix = WeightedSum(num_states) if layer == "weighted" else None
        # Every layer's head starts from the same weights, so that only the layers' content differs.
        copies = len(self.states) if layer == "auto" else 1
        self.heads = nn.ModuleList([head, *(copy.deepcopy(head) for _ in range(copies - 1))])
        self.register_buffer("chosen", torch.tensor(0, dtype=torch.int64))
        self.decided: int | None = None

    def select(self, features: Tensor) -> Tensor:
        """Return the hidden states in use: `[batch, states, dim]` -> `[batch, len(self.states), dim]`."""
        return features if len(self.states) == features.shape[1] else features[:, self.states]

    def forward(self, features: Tensor, corpora: Sequence[str] | None = None) -> Tensor:
        """Score every candidate layer.

        Args:
            features: `[batch, len(self.states), dim]` pooled hidden states.
            corpora: Name of the corpus of each, for statistics of each corpus; None if unknown.

        Returns:
            Logits `[batch, heads, classes]`; one head, or one for each hidden state in "auto".
        """
        return self.score(self.prepare(features, corpora))

    def prepare(self, features: Tensor, corpora: Sequence[str] | None = None) -> Tensor:
        """Return the heads' input, `[batch, heads, dim]`: pooled hidden states, standardised and mixed."""
        features = self.normed(features)
        if self.standardizer is not None:
            features = self.standardizer(features, corpora)
        if self.mix is not None:
            features = self.mix(features.unbind(dim=1)).unsqueeze(1)
        return features

    def normed(self, features: Tensor) -> Tensor:
        """Return pooled hidden states as the standardiser takes them, in the same shape."""
        return normed_vectors(features) if self.layer_norm else features

    def score(self, prepared: Tensor) -> Tensor:
        """Return logits `[batch, heads, classes]` from the result of `prepare`."""
        return torch.stack([head(prepared[:, i]) for i, head in enumerate(self.heads)], dim=1)

    def choose(self, logits: Tensor) -> Tensor:
        """Return the logits of the chosen layer: `[batch, heads, classes]` -> `[batch, classes]`."""
        return logits[:, int(self.chosen)]

    def keep(self, states: Collection[int]) -> None:
        """Drop the heads of "auto" for all hidden states but some, of which the chosen one must be one."""
        if self.layer != "auto":
            return
        rows = [row for row, state in enumerate(self.states) if state in states]
        self.heads = nn.ModuleList(self.heads[row] for row in rows)
        if self.standardizer is not None:
            self.standardizer.keep(rows)
        self.chosen.fill_(rows.index(int(self.chosen)))
        self.states = [self.states[row] for row in rows]

    @property
    def chosen_state(self) -> int | None:
        """Hidden state that predictions come from; None for a weighted sum of all."""
        return None if self.layer == "weighted" else self.states[int(self.chosen)]


_WIDTH = 128
_KERNEL = 9
_DILATIONS = (1, 3, 6)


class Context(nn.Module):
    """Base of the context layers: `forward(hidden [batch, frames, dim], lengths [batch])` -> `out_dim` wide.

    The result for a clip must not depend on padding.

    Attributes:
        out_dim: Width of an output frame.
    """

    def __init__(self, out_dim: int) -> None:
        super().__init__()
        self.out_dim = out_dim


class NoContext(Context):
    """No context: frames are unchanged."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim)

    def forward(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """Return `hidden`, `[batch, frames, dim]`."""
        return hidden


class ConvContext(Context):
    """Three dilated convolutions over time, which see 40 frames (0.8 s) on each side.

    Args:
        dim: Width of a frame.
    """

    def __init__(self, dim: int) -> None:
        super().__init__(_WIDTH)
        widths = (dim, *[_WIDTH] * len(_DILATIONS))
        self.convolutions = nn.ModuleList(
            nn.Conv1d(before, _WIDTH, _KERNEL, padding=(_KERNEL - 1) // 2 * dilation, dilation=dilation)
            for before, dilation in zip(widths, _DILATIONS, strict=False)
        )

    def forward(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """Return `[batch, frames, out_dim]`; frames beyond a row's length are zero."""
        padding = ~frame_mask(hidden, lengths)[:, None, :]
        frames = hidden.transpose(1, 2).masked_fill(padding, 0.0)
        for convolution in self.convolutions:
            frames = torch.relu(convolution(frames)).masked_fill(padding, 0.0)
        return frames.transpose(1, 2)


class GruContext(Context):
    """A bidirectional GRU over time.

    Args:
        dim: Width of a frame.
    """

    def __init__(self, dim: int) -> None:
        super().__init__(_WIDTH)
        self.gru = nn.GRU(dim, _WIDTH // 2, batch_first=True, bidirectional=True)

    def forward(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """Return `[batch, frames, out_dim]`; frames beyond a row's length are zero."""
        packed = pack_padded_sequence(hidden, lengths.cpu(), batch_first=True, enforce_sorted=False)
        frames, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True, total_length=hidden.shape[1])
        return frames


CONTEXTS: Mapping[str, type[NoContext | ConvContext | GruContext]] = MappingProxyType(
    {"none": NoContext, "conv": ConvContext, "gru": GruContext}
)
"""All context layers by name."""


def build_context(context: str | Mapping[str, Any], dim: int, option: str = "model.context") -> Context:
    """Build a context layer.

    Args:
        context: "none", "conv" or "gru"; or the import path of a subclass of `Context`, which is called with
            `dim`, or a map of class_path and init_args.
        dim: Width of a frame.
        option: The option, for messages.

    Raises:
        UnknownNameError: For another name, or an argument that the class does not have.
        UsageError: For a class that cannot be built.
        ImportNotAllowedError: For a package that the user does not allow.
    """
    spec = ClassSpec.of(context, option, CONTEXTS)
    kind = spec.find(CONTEXTS, option, Context)
    return cast(Context, spec.build(kind, option, {"the width of a hidden state": dim}))


def check_context(context: Context, dim: int) -> None:
    """Raise `UsageError` unless a context layer maps `[batch, frames, dim]` to `[batch, frames, out_dim]`."""
    inputs = [torch.zeros(2, 3, dim), torch.tensor([3, 2])]
    check_part(context, "context layer", Context, inputs, [2, 3, getattr(context, "out_dim", 0)])


class FrameReadout(nn.Module):
    """A classifier of every frame.

    Args:
        layer: A hidden state 0..N, "last", or "weighted" (learned sum of all).
        num_states: Number of hidden states, N + 1.
        dim: Width of a hidden state.
        context: The context layer.
        head: From `[..., context.out_dim]` to class scores.
        dropout: Dropout probability in front of the head, 0 to below 1.
        standardize: Whether features are standardised by statistics of training frames.

    Raises:
        UsageError: For a layer that does not exist, "auto", or a dropout outside its range.

    Attributes:
        layer: The layer choice, with "last" resolved to its number.
        states: The hidden states in use.
    """

    def __init__(
        self,
        layer: int | str,
        num_states: int,
        dim: int,
        context: Context,
        head: nn.Module,
        dropout: float = 0.0,
        standardize: bool = True,
    ) -> None:
        super().__init__()
        self.layer = chosen = _frame_layer(layer, num_states)
        if not 0 <= dropout < 1:
            raise UsageError(f"dropout {dropout}: valid: 0 <= dropout < 1.")
        self.states = list(range(num_states)) if isinstance(chosen, str) else [chosen]
        self.standardizer = Standardizer((len(self.states), dim)) if standardize else None
        self.mix = WeightedSum(num_states) if chosen == "weighted" else None
        self.context = context
        self.dropout = nn.Dropout(dropout)
        self.classifier = head

    @property
    def chosen_state(self) -> int | None:
        """The hidden state in use; None for a weighted sum of all."""
        return None if self.mix is not None else self.states[0]

    def select(self, hidden_states: Sequence[Tensor], frames: int) -> Tensor:
        """Return the hidden states in use, `[batch, frames, len(states), dim]` float32.

        Args:
            hidden_states: N + 1 tensors `[batch, frames or more, dim]`.
            frames: Frames of the longest clip; an encoder may return more.
        """
        return torch.stack([hidden_states[i][:, :frames] for i in self.states], dim=2).float()

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return logits `[batch, frames, classes]` of `select`ed hidden states.

        Args:
            features: `[batch, frames, len(states), dim]`.
            lengths: `[batch]` valid frames.
        """
        if self.standardizer is not None:
            features = self.standardizer(features)
        frames = self.mix(features.unbind(dim=2)) if self.mix is not None else features[:, :, 0]
        logits: Tensor = self.classifier(self.dropout(self.context(frames, lengths)))
        return logits


def _frame_layer(layer: int | str, num_states: int) -> int | str:
    if layer == "auto":
        raise UsageError(
            f"layer 'auto' is for whole utterances. Valid here: a hidden state 0 to {num_states - 1}, "
            "'last', 'weighted'."
        )
    return check_layer(layer, num_states)
