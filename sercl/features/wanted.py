"""Which hidden states of an encoder are requested, and which are stored with them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sercl.audio.preprocess import PreprocessConfig
from sercl.errors import UnknownNameError, UsageError
from sercl.features.config import PRECISIONS
from sercl.features.space import COMPUTATION, FeatureSpace
from sercl.models.encoders import Encoder
from sercl.models.pooling import POOLINGS, Pooling, build_pooling

FRAMES = "frames"
"""Instead of the name of a pooling: keep every valid frame."""


@dataclass(frozen=True)
class Wanted:
    """Hidden states of an encoder.

    Attributes:
        space: What is computed and stored if something is missing.
        computed: The hidden states of `space`, as indices of the encoder's.
        view: The requested ones, as positions in `computed`.
    """

    space: FeatureSpace
    computed: tuple[int, ...]
    view: tuple[int, ...]

    @property
    def asked(self) -> FeatureSpace:
        """The space of only the requested hidden states."""
        return self.space.only(self.view)


def wanted_of(
    encoder: Encoder,
    pooling: str = "mean",
    states: Sequence[int] | None = None,
    precision: str = "fp32",
    preprocess: PreprocessConfig = PreprocessConfig.RAW,
) -> Wanted:
    """Return which hidden states of an encoder to store.

    Pooled hidden states are small and all come from one pass, so all are stored, whichever are requested; of
    frames only the requested ones.

    Args:
        encoder: The encoder.
        pooling: A pooling without parameters, or `FRAMES`.
        states: Indices of the requested hidden states; None for all.
        precision: Of the forward pass: fp32, bf16 or fp16.
        preprocess: What is done to clips before the encoder.

    Raises:
        UnknownNameError: For another pooling or precision.
        UsageError: For a hidden state that the encoder does not have, or one with adapters.
    """
    if precision not in PRECISIONS:
        raise UnknownNameError("precision", precision, PRECISIONS)
    _check_plain(encoder)
    asked = tuple(range(encoder.num_states) if states is None else states)
    check_states(asked, encoder.num_states)
    computed = tuple(sorted(asked)) if pooling == FRAMES else tuple(range(encoder.num_states))
    fingerprints = encoder.state_fingerprints()
    space = FeatureSpace(
        states=tuple(fingerprints[state] for state in computed),
        preprocessing={**encoder.preprocessing, **preprocess.settings()},
        pooling=pooling,
        precision=precision,
        width=_width(pooling, encoder.hidden_size),
        encoder=encoder.name,
        computation=_computation(encoder),
    )
    return Wanted(space, computed, tuple(computed.index(state) for state in asked))


def _computation(encoder: Encoder) -> int:
    # What was first stored of Whisper's padded form was averaged over the silence after the clip, too.
    return COMPUTATION + (encoder.preprocessing.get("whisper_form") == "padded")


def _width(pooling: str, hidden_size: int) -> int:
    if pooling == FRAMES:
        return hidden_size
    return frozen_pooling(pooling, hidden_size, FRAMES).out_dim


def frozen_pooling(name: str, hidden_size: int, *others: str) -> Pooling:
    """Build a pooling without parameters.

    Args:
        name: "mean" or "mean+std".
        hidden_size: Width of a hidden state.
        others: Other valid values, for the message.

    Raises:
        UnknownNameError: For another pooling.
    """
    frozen = [each for each in POOLINGS if build_pooling(each, hidden_size).frozen]
    if name not in frozen:
        raise UnknownNameError("pooling of hidden states", name, [*frozen, *others])
    return build_pooling(name, hidden_size)


def check_states(states: Sequence[int], count: int) -> None:
    """Raise `UsageError` unless `states` are different hidden states from 0 to `count` - 1."""
    wrong = [state for state in states if not 0 <= state < count]
    if wrong or not states or len(set(states)) < len(states):
        named = f"hidden state {wrong[0]}" if wrong else f"hidden states {list(states)}"
        raise UsageError(f"{named}: valid: 0 to {count - 1}, each once, at least one.")


def _check_plain(encoder: Encoder) -> None:
    """Refuse an encoder whose hidden states depend on more than its weights and settings."""
    # The hooks of torch, for which it has no public function.
    kinds = ("_forward_hooks", "_forward_pre_hooks")
    if any(getattr(module, kind) for module in encoder.modules() for kind in kinds):
        raise UsageError(
            f"encoder {encoder.name!r} has adapters or hooks; hidden states are stored only without them."
        )
