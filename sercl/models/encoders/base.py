"""The wrapper of all speech encoders, and its output."""

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from sercl.batch import AudioBatch, Stretches
from sercl.errors import ClipLengthError, EncoderError, UsageError
from sercl.models.encoders.fast.packed import JoinedStates, join
from sercl.models.encoders.fast.trained import Stem
from sercl.models.encoders.fingerprint import decisive_settings, state_fingerprints
from sercl.models.encoders.masking import NO_MASKS, SpanMasks, frame_mask, spec_augment
from sercl.models.encoders.regularization import (
    CHECKPOINT,
    PublishedRates,
    Regularization,
    has_dropout,
    set_dropout,
)


@dataclass(frozen=True)
class EncoderOutput:
    """Hidden states of a batch of clips.

    Attributes:
        hidden_states: N + 1 tensors `[batch, frames, dim]` for N blocks: 0 is the input of block 1, k the
            output of block k. If the encoder ends in a norm (stable-layer-norm models and Whisper), it is
            applied to the last one. Frames beyond a row's length are meaningless.
        lengths: `[batch]` int64, valid frames per row.
    """

    hidden_states: Sequence[Tensor]
    lengths: Tensor

    @property
    def mask(self) -> Tensor:
        """`[batch, frames]` bool, true where a frame is valid."""
        return frame_mask(self.lengths, self.hidden_states[0].shape[1])

    def clips(self, state: int) -> list[Tensor]:
        """Return the valid frames `[frames, dim]` of each clip at a hidden state."""
        states = self.hidden_states
        # Clips of Whisper's padded form end in frames of silence.
        rows: Iterable[Tensor] = states.clips(state) if isinstance(states, JoinedStates) else states[state]
        return [row[:length] for row, length in zip(rows, self.lengths.tolist(), strict=True)]

    def only(self, wanted: Tensor) -> "EncoderOutput":
        """Return some of the valid frames, in order and without gaps; all those of a clip with none of them.

        Args:
            wanted: `[batch, frames]` bool.
        """
        kept = wanted & self.mask
        kept = torch.where(kept.any(dim=1, keepdim=True), kept, self.mask)
        lengths = kept.sum(dim=1)
        order = kept.byte().argsort(dim=1, descending=True, stable=True)[:, : int(lengths.max())]
        states = [state.take_along_dim(order.unsqueeze(-1), dim=1) for state in self.hidden_states]
        return EncoderOutput(states, lengths)


def frames_in(parts: Sequence[Stretches], frames: int, rate: float) -> Tensor:
    """Return which frames have their middle in one of the parts of their clip, `[batch, frames]` bool.

    Args:
        parts: Of each clip.
        frames: Number of frames.
        rate: Frames per second; frame i covers `i / rate` to `(i + 1) / rate` s.
    """
    middles = (torch.arange(frames, dtype=torch.float64) + 0.5) / rate
    inside = torch.zeros(len(parts), frames, dtype=torch.bool)
    for row, own in enumerate(parts):
        for start, end in own:
            inside[row] |= (middles >= start) & (middles < end)
    return inside


@contextmanager
def collect_states(blocks: nn.ModuleList, skipped: Collection[int] = ()) -> Iterator[list[Tensor]]:
    """Collect the input of the first block and the output of each block of the forward pass inside.

    The hooks exist only within the context, so that a block recomputed in the backward pass collects nothing.
    They are the first pre-hook and the last output hook of a block: an adapter that scales a block's input by
    a pre-hook does not change hidden state 0, one that changes a block's output changes the hidden state.

    A skipped block (LayerDrop) returns its input from before the adapters: N blocks still have N + 1 hidden
    states, and those before and after it are equal. It is run nevertheless, so that its weights have a
    gradient of zero, which distributed training needs for every weight.

    Args:
        blocks: The transformer blocks.
        skipped: Indices of the blocks skipped in this pass.

    Yields:
        A list with `len(blocks) + 1` tensors `[batch, frames, dim]` after the forward pass.
    """
    states: list[Tensor] = []

    def take_input(block: nn.Module, args: tuple[Tensor, ...]) -> None:
        states.append(args[0])

    def take_output(block: nn.Module, args: Any, output: Tensor | tuple[Tensor, ...]) -> Any:
        hidden = output[0] if isinstance(output, tuple) else output
        if len(states) - 1 not in skipped:
            states.append(hidden)
            return None
        states.append(torch.where(torch.zeros_like(hidden, dtype=torch.bool), hidden, states[-1]))
        return (states[-1], *output[1:]) if isinstance(output, tuple) else states[-1]

    with ExitStack() as hooks:
        hooks.enter_context(blocks[0].register_forward_pre_hook(take_input, prepend=True))
        for block in blocks:
            hooks.enter_context(block.register_forward_hook(take_output))
        yield states


SAMPLE_RATE = 16_000

Forward = Callable[..., Any]
"""Called with a module and the arguments of its `forward`, in place of that."""

States = Callable[[Tensor, Tensor], Sequence[Tensor]]
"""Maps waveforms `[batch, samples]` and their int64 lengths to hidden states `[batch, frames, dim]`."""


@dataclass(frozen=True)
class FamilyTraits:
    """Names of the modules of a family that adapters and freezing need. All names are dotted and relative.

    Attributes:
        block_linears: The attention projections and feed-forward matrices of a block, the targets of LoRA.
        feed_forward: The module of a block whose output is the feed-forward output.
        raw_weight_linears: Those of `block_linears` that attention reads through `.weight` without calling
            the module, so that wrapping or hooking the module has no effect.
        feed_forward_outputs: Those of `block_linears` that are the last of a feed-forward, whose input IA3
            scales.
        front_end: The convolutional front end, relative to the model.
        fixed: Parameters, relative to the model, that no setting trains.
        final_norm: The norm after the last block, relative to the model; None if there is none.
        first_droppable: The first block that LayerDrop may skip.
    """

    block_linears: tuple[str, ...]
    feed_forward: str
    raw_weight_linears: tuple[str, ...] = ()
    feed_forward_outputs: tuple[str, ...] = ()
    front_end: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    final_norm: str | None = None
    first_droppable: int = 0


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint of transformers, from which a family builds an `Encoder`.

    Attributes:
        name: As requested: short name, hub id or folder.
        model: The model that `AutoModel` builds from it, cut, in float32, without heads.
        preprocessor: Content of `preprocessor_config.json`, None if there is none.
        whisper_form: "padded" or "short"; ignored by other families.
        final_norm: Whether the last hidden state passes the norm after the last block, if there is one.
    """

    name: str
    model: PreTrainedModel
    preprocessor: Mapping[str, Any] | None = None
    whisper_form: str = "padded"
    final_norm: bool = True


class Encoder(nn.Module, ABC):
    """A pre-trained speech encoder; the result for a clip does not depend on padding or on its batch.

    Created by `load_encoder`. In training mode the checkpoint's dropouts are active, and the options of
    `regularize`.

    A family is a subclass with `blocks`, `frame_lengths`, `encode` and `use_preprocessing`. Its constructor
    sets `hidden_size`, `frames_per_second`, `min_samples`, and `max_samples` where there is a longest clip;
    `sercl.testing.encoders.check_encoder` checks it.

    Args:
        model: The transformers model, without decoder or heads.
        name: As requested: short name, hub id or folder.
        family: The checkpoint's `model_type`.
        traits: Names of the modules of this family.
        preprocessing: How waveforms become the model's input, as plain data for checkpoints.

    Attributes:
        location: Where it was loaded from: the absolute path of a folder, or its name.
        blocks: The transformer blocks that were kept.
        hidden_size: Width of the hidden states.
        frames_per_second: Frames of hidden states per second of audio.
        min_samples: Samples of the shortest clip with one frame.
        max_samples: Samples of the longest clip, or None without a limit.
        fingerprint: SHA-256 of the weights as loaded, before adapters and training.
        config: Plain data from which `rebuild_encoder` builds the same encoder without weights.
        published: SpecAugment and LayerDrop as the checkpoint was published with.
    """

    location: str
    hidden_size: int
    frames_per_second: float
    min_samples: int
    max_samples: int | None = None
    fingerprint: str
    config: dict[str, Any]
    published: PublishedRates = PublishedRates()
    _inference: States | None = None  # set by `inference` for its duration
    _stem: tuple[Stem, int] | None = None  # set by `adapted_training`, with the first block that comes after
    _masks: tuple[SpanMasks, SpanMasks] = (NO_MASKS, NO_MASKS)
    _layer_drop: float = 0.0

    def __init__(
        self,
        model: PreTrainedModel,
        name: str,
        family: str,
        traits: FamilyTraits,
        preprocessing: dict[str, Any],
    ) -> None:
        super().__init__()
        self.model = model
        self.name, self.family, self.location = name, family, name
        self.traits, self.preprocessing = traits, preprocessing
        if not hasattr(model, "mask_filling"):  # for Whisper, and without a checkpoint
            model.register_buffer("mask_filling", torch.zeros(()), persistent=False)

    @property
    @abstractmethod
    def blocks(self) -> nn.ModuleList:
        """The transformer blocks that were kept."""

    @property
    def settings(self) -> dict[str, Any]:
        """What determines the hidden states besides weights and preprocessing, as plain data."""
        return decisive_settings(self.model.config)

    @abstractmethod
    def use_preprocessing(self, preprocessing: Mapping[str, Any]) -> None:
        """Prepare waveforms like another encoder of this family, whose `preprocessing` is given."""

    @property
    def num_states(self) -> int:
        """Number of hidden states: one more than blocks."""
        return len(self.blocks) + 1

    def train(self, mode: bool = True) -> Self:
        """Set training mode; batch norms (of one kind of HuBERT) keep the statistics of the checkpoint.

        Statistics of a batch depend on its padding and its other clips, and would not be in checkpoints.
        """
        super().train(mode)
        for module in self.model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self

    def state_fingerprints(self) -> tuple[str, ...]:
        """Return a SHA-256 for each of the `num_states` hidden states, of the settings and weights behind it.

        They cover the current weights, not those that were loaded, and neither waveform preprocessing nor
        hooks. A cut encoder has the fingerprints of the whole one, unless its final norm follows another
        block.
        """
        return state_fingerprints(self.model, self.blocks, self.traits.final_norm)

    @abstractmethod
    def frame_lengths(self, samples: Tensor) -> Tensor:
        """Return the valid frames, int64, of clips of `samples` samples (any shape)."""

    @abstractmethod
    def encode(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """Run the model and return the last hidden state `[batch, frames, dim]`.

        Args:
            waveforms: `[batch, samples]` float32, zero beyond each row's length.
            lengths: `[batch]` int64 on the device of `waveforms`.
        """

    def encode_batch(self, batch: AudioBatch) -> EncoderOutput:
        """Encode a batch as `forward` does, and keep the frames of `batch.speech` only.

        Raises:
            ClipLengthError: As of `forward`; it names the utterance.
        """
        try:
            output: EncoderOutput = self(batch.waveforms, batch.lengths)
        except ClipLengthError as error:
            raise ClipLengthError(error.row, error.reason, batch.ids[error.row]) from error
        if batch.speech is None:
            return output
        return output.only(
            frames_in(batch.speech, output.mask.shape[1], self.frames_per_second).to(output.lengths.device)
        )

    def forward(self, waveforms: Tensor, lengths: Tensor) -> EncoderOutput:
        """Encode a padded batch.

        Args:
            waveforms: `[batch, samples]` float, 16 kHz mono; values beyond a row's length are ignored.
            lengths: `[batch]` integers, valid samples per row.

        Raises:
            ClipLengthError: A clip is shorter than `min_samples` or longer than `max_samples`.
        """
        self._check_lengths(lengths.tolist())
        lengths = lengths.to(waveforms.device, torch.int64)
        waveforms = waveforms.float().masked_fill(~frame_mask(lengths, waveforms.shape[1]), 0.0)
        if self._stem is not None:
            states: Sequence[Tensor] = self._after(*self._stem, waveforms, lengths.tolist())
        elif self._inference is None or torch.is_grad_enabled():
            states = self.states(waveforms, lengths)
        else:
            with torch.autocast(waveforms.device.type, enabled=False):
                states = self._inference(waveforms, lengths)
        return EncoderOutput(states, self.frame_lengths(lengths))

    def states(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        """Return the hidden states of waveforms as `encode` takes them."""
        with collect_states(self.blocks, self._skipped()) as states:
            last = self.encode(waveforms, lengths)
        return (*states[:-1], last)

    def _after(self, stem: Stem, first: int, waveforms: Tensor, samples: Sequence[int]) -> JoinedStates:
        """Return the hidden states of clips, of which `stem` gives those up to the input of block `first`."""
        found = [stem(row[:length]) for row, length in zip(waveforms, samples, strict=True)]
        clips = [len(states[first]) for states in found]
        rows = join([states[first] for states in found])
        more = self.block_arguments(clips)
        states = [torch.cat(own) for own in zip(*(states[:first] for states in found), strict=True)]
        states.append(rows)
        for block in self.blocks[first:]:
            output = block(states[-1][None], attention_mask=None, clips=clips, **more)
            states.append((output[0] if isinstance(output, tuple) else output).squeeze(0))
        if self.traits.final_norm is not None:
            states[-1] = self.model.get_submodule(self.traits.final_norm)(states[-1])
        return JoinedStates([state[: sum(clips)] for state in states], clips)

    def block_arguments(self, clips: Sequence[int]) -> dict[str, Any]:
        """Return what blocks are called with besides their input, for clips of so many frames each."""
        return {}

    def regularize(self, options: Regularization, trains_encoder: bool = False) -> None:
        """Set the random regularization in training mode; must be called before adapters are attached.

        Args:
            options: Dropout, SpecAugment and LayerDrop.
            trains_encoder: Whether the encoder's own weights are trained; dropout then has another default.
        """
        dropout, masks, drop = (
            options.chosen(part, trains_encoder) for part in ("dropout", "spec_augment", "layer_drop")
        )
        if dropout != CHECKPOINT:
            set_dropout(self.model, _number(dropout))
        own = self.published
        if masks == CHECKPOINT:
            self._masks = (own.time, own.features)
        else:
            self._masks = (replace(own.time, share=_number(masks)), NO_MASKS)
        self._layer_drop = own.layer_drop if drop == CHECKPOINT else _number(drop)

    @property
    def is_regularized(self) -> bool:
        """Whether dropout, SpecAugment or LayerDrop, those of adapters aside, is active in training mode."""
        return has_dropout(self.model) or any(masks.share for masks in self._masks) or self._layer_drop > 0

    def _skipped(self) -> set[int]:
        """Draw which blocks LayerDrop skips in this pass."""
        if not (self.training and self._layer_drop):
            return set()
        draws = torch.rand(len(self.blocks)) < self._layer_drop
        return {index for index in draws.nonzero().flatten().tolist() if index >= self.traits.first_droppable}

    def _augmented(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """Mask `[batch, frames, dim]` in training if SpecAugment is on; `lengths` are valid frames."""
        if not self.training or not any(masks.share for masks in self._masks):
            return hidden
        return spec_augment(hidden, lengths.tolist(), *self._masks, self.model.mask_filling)

    def keep_blocks(self, count: int) -> None:
        """Drop later blocks, and the final norm with them; hidden states 0 to `count` stay as they are.

        Args:
            count: Number of blocks to keep, at least 1.
        """
        if count < len(self.blocks):
            del self.blocks[count:]
            if self.traits.final_norm is not None:
                self.model.set_submodule(self.traits.final_norm, nn.Identity())

    def fast_states(self, dtype: torch.dtype, depth: int | None = None) -> States | None:
        """Build a faster function for the same hidden states on the CPU, without gradients; see `inference`.

        Args:
            dtype: Precision of the products: float32 or bfloat16.
            depth: Return only the hidden states from 0 to this one, before any final norm; None for all.

        Returns:
            A function of prepared waveforms and lengths with its own copy of the weights, or None if this
            family has none or a part of the model is not as expected. Hooks of a block that
            `fast.adapted.changes_of` finds are its business; there are no others.
        """
        return None

    def _check_lengths(self, samples: Sequence[int]) -> None:
        if min(samples) < self.min_samples:
            raise ClipLengthError(
                samples.index(min(samples)),
                f"encoder {self.name!r}: a clip of {_milliseconds(min(samples))} is too short for one frame, "
                f"which takes {_milliseconds(self.min_samples)} ({self.min_samples} samples at 16 kHz). "
                "Leave shorter clips out or pad them with silence.",
            )
        if self.max_samples is not None and max(samples) > self.max_samples:
            raise ClipLengthError(
                samples.index(max(samples)),
                f"encoder {self.name!r}: a clip of {max(samples) / SAMPLE_RATE:.2f} s is too long, the limit "
                f"is {self.max_samples / SAMPLE_RATE:g} s. Cut it into shorter ones.",
            )

    def trainable(self, parts: str) -> None:
        """Choose which parameters are trained; the rest is frozen.

        Args:
            parts: "none"; "all"; "blocks" (all but the convolutional front end); or "top:K" (the last K
                blocks and the final norm). Whisper's sinusoidal positions stay frozen in every case.

        Raises:
            UsageError: `parts` is not one of these, or K is not between 1 and the number of blocks.
        """
        chosen = self._chosen_modules(parts)
        self.requires_grad_(False)
        for module in chosen:
            module.requires_grad_(True)
        frozen = (*self.traits.fixed, *(self.traits.front_end if parts == "blocks" else ()))
        for path in frozen:
            self.model.get_submodule(path).requires_grad_(False)

    def _chosen_modules(self, parts: str) -> list[nn.Module]:
        if parts == "none":
            return []
        if parts in ("all", "blocks"):
            return [self.model]
        prefix, _, count = parts.partition(":")
        if prefix != "top" or not count.isdecimal() or not 1 <= int(count) <= len(self.blocks):
            raise UsageError(
                f"unknown encoder part {parts!r}. Valid: 'none', 'all', 'blocks', 'top:K' with K from 1 to "
                f"{len(self.blocks)}, the number of blocks of {self.name!r}."
            )
        norm = self.traits.final_norm
        top: list[nn.Module] = list(self.blocks)[-int(count) :]
        return top if norm is None else [*top, self.model.get_submodule(norm)]

    def checkpoint_gradients(self) -> None:
        """Recompute blocks in the backward pass: less memory, about a third more time, the same numbers."""
        # Not through transformers' own switch, which does nothing in evaluation mode: that is where a frozen
        # encoder with adapters is.
        for block in self.blocks:
            setattr(block, "forward", functools.partial(_recomputed, block.forward))  # noqa: B010


def _recomputed(forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*args, **kwargs)
    return checkpoint(forward, *args, use_reentrant=False, **kwargs)


def _number(choice: float | str) -> float:
    return 0.0 if isinstance(choice, str) else choice


def _milliseconds(samples: int) -> str:
    return f"{1000 * samples / SAMPLE_RATE:g} ms"


def check_bins(name: str, prepared: int, wanted: int) -> None:
    """Raise `EncoderError` if the frames of a feature extractor do not have the width that an encoder needs.

    Args:
        name: The encoder.
        prepared: Values per frame of the feature extractor.
        wanted: Values per frame of the encoder's input.
    """
    if prepared != wanted:
        raise EncoderError(
            f"encoder {name!r}: its feature extractor makes frames of {prepared} values, but config.json "
            f"says {wanted}. Restore preprocessor_config.json, or fetch the checkpoint again."
        )
