"""What determines the value of a hidden state besides the audio. Imports no torch."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

COMPUTATION = 1
"""Increase this when decoding, resampling, encoders or pooling give other numbers than before."""


@dataclass(frozen=True)
class FeatureSpace:
    """Everything except the audio that determines the value of a row: rows of one space are comparable.

    Attributes:
        states: Fingerprint of each hidden state of a row, in order.
        preprocessing: How waveforms become the model's input, plain values.
        pooling: "mean", "mean+std", or "frames" for none.
        precision: Of the forward pass: "fp32", "bf16" or "fp16".
        width: Size of a hidden state: of a pooled vector, or of a frame.
        encoder: Name of the encoder, for display; different names may have the same weights.
        computation: `COMPUTATION` of the version that computed the rows.
    """

    states: tuple[str, ...]
    preprocessing: Mapping[str, str | float | bool]
    pooling: str
    precision: str
    width: int
    encoder: str
    computation: int = COMPUTATION

    @property
    def name(self) -> str:
        """A hash of all but the encoder's name; the name of the folder."""
        content = json.dumps(asdict(replace(self, encoder="")), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:32]

    def positions_in(self, other: "FeatureSpace") -> tuple[int, ...] | None:
        """Return the positions of this space's states in rows of another; None if it lacks any."""
        same = replace(other, states=self.states, encoder=self.encoder)
        if same != self or not set(self.states) <= set(other.states):
            return None
        return tuple(other.states.index(state) for state in self.states)

    def only(self, positions: Sequence[int]) -> Self:
        """Return the space of rows with only some of the states, in the order given."""
        return replace(self, states=tuple(self.states[position] for position in positions))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return the space that `to_dict` described; raises `TypeError` or `KeyError` for anything else."""
        return cls(**{**data, "states": tuple(data["states"])})
