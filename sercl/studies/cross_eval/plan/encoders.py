"""What a study needs to know about an encoder before anything is trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sercl.features.space import FeatureSpace
from sercl.features.wanted import wanted_of
from sercl.models.encoders import Encoder, load_encoder
from sercl.models.encoders.source import PRESETS
from sercl.studies.cross_eval.cells import ENCODER_LANGUAGES, StudyEncoder


@dataclass(frozen=True)
class EncoderSpec:
    """The options of a model that select its encoder.

    Attributes:
        encoder: Short name, hub id or folder.
        revision: On the hub.
        whisper_form: "padded" or "short".
        last_block: Where it is cut.
    """

    encoder: str
    revision: str | None
    whisper_form: str
    last_block: int | None

    @classmethod
    def of(cls, model: Mapping[str, Any]) -> "EncoderSpec":
        """Return those of a model's options."""
        return cls(model["encoder"], model["revision"], model["whisper_form"], model["last_block"])

    def load(self) -> Encoder:
        """Load the encoder.

        Raises:
            UnknownNameError: For an unknown encoder name.
            UsageError: For a block or a Whisper form that does not exist.
            EncoderError: Where it cannot be found or read.
        """
        return load_encoder(
            self.encoder,
            revision=self.revision,
            last_block=self.last_block,
            whisper_form=self.whisper_form,
        )


@dataclass(frozen=True)
class EncoderFacts:
    """An encoder without its weights.

    Attributes:
        family: Its architecture.
        fingerprint: Hash of its weights.
        preprocessing: How waveforms become its input.
        states: Number of its hidden states.
    """

    family: str
    fingerprint: str
    preprocessing: Mapping[str, Any]
    states: int


class Encoders:
    """The encoders of a study, loaded on first use; only the last one is kept in memory.

    Args:
        precision: Of stored hidden states.
    """

    def __init__(self, precision: str = "fp32") -> None:
        self.precision = precision
        self._facts: dict[EncoderSpec, EncoderFacts] = {}
        self._spaces: dict[tuple[EncoderSpec, str], FeatureSpace] = {}
        self._kept: tuple[EncoderSpec, Encoder] | None = None

    def load(self, spec: EncoderSpec) -> Encoder:
        """Return an encoder; raises as `EncoderSpec.load`."""
        if self._kept is None or self._kept[0] != spec:
            self._kept = None  # two at once might not fit into memory
            self._kept = (spec, spec.load())
        return self._kept[1]

    def facts(self, spec: EncoderSpec) -> EncoderFacts:
        """Return the description of an encoder; raises as `EncoderSpec.load`."""
        if spec not in self._facts:
            encoder = self.load(spec)
            self._facts[spec] = EncoderFacts(
                family=encoder.family,
                fingerprint=encoder.fingerprint,
                preprocessing=dict(encoder.preprocessing),
                states=encoder.num_states,
            )
        return self._facts[spec]

    def space(self, spec: EncoderSpec, pooling: str) -> FeatureSpace:
        """Return the feature space of an encoder's stored hidden states.

        Raises:
            UnknownNameError: For a pooling with weights of its own.
        """
        key = (spec, pooling)
        if key not in self._spaces:
            self._spaces[key] = wanted_of(self.load(spec), pooling, precision=self.precision).asked
        return self._spaces[key]

    def described(self, spec: EncoderSpec) -> StudyEncoder:
        """Return the entry of an encoder in `study.json`."""
        facts = self.facts(spec)
        source = PRESETS[spec.encoder].hub_id if spec.encoder in PRESETS else spec.encoder
        return StudyEncoder(source, facts.family, facts.fingerprint, ENCODER_LANGUAGES.get(source))

    def release(self) -> None:
        """Free the memory of the encoder that is loaded."""
        self._kept = None
