"""How the trainings of a condition are built: options with overrides, and facts about encoders."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from sercl.audio.preprocess import PreprocessConfig
from sercl.data.report import Progress, reporting
from sercl.data.settings import ADVERSARIAL, BY_CORPUS
from sercl.errors import UnknownOptionError, UsageError
from sercl.features.space import FeatureSpace
from sercl.features.wanted import wanted_of
from sercl.imports import ClassSpec, spelled
from sercl.models import heads, losses, pooling
from sercl.models.adapters.peft.config import FOLDER
from sercl.models.adapters.registry import AdapterOptions, methods_of, parse_adapter, refuse_unused
from sercl.models.encoders import Encoder, load_encoder
from sercl.models.encoders.source import PRESETS
from sercl.studies.cross_eval.cells import ENCODER_LANGUAGES, Condition, StudyEncoder
from sercl.studies.cross_eval.plan.options import Override, StudyOptions, conditions_of, matches
from sercl.studies.cross_eval.plan.trainings import Recipe
from sercl.studies.heads.config import ProbeOptions
from sercl.studies.training.trainers import TrainerOptions
from sercl.tasks.models import RANDOM, initial_weights
from sercl.tasks.optim import ALGORITHMS, SCHEDULES, OptimizerConfig


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
            EncoderError: If it cannot be found or read.
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
        preprocessing: How clips become its input.
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
        preprocess: What is done to clips before the encoders.
    """

    def __init__(self, precision: str = "fp32", preprocess: PreprocessConfig = PreprocessConfig.RAW) -> None:
        self.precision, self.preprocess = precision, preprocess
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
                preprocessing={**encoder.preprocessing, **self.preprocess.settings()},
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
            encoder = self.load(spec)
            wanted = wanted_of(encoder, pooling, precision=self.precision, preprocess=self.preprocess)
            self._spaces[key] = wanted.asked
        return self._spaces[key]

    def described(self, spec: EncoderSpec) -> StudyEncoder:
        """Return the entry of an encoder in `study.json`."""
        facts = self.facts(spec)
        source = PRESETS[spec.encoder].hub_id if spec.encoder in PRESETS else spec.encoder
        return StudyEncoder(source, facts.family, facts.fingerprint, ENCODER_LANGUAGES.get(source))

    def release(self) -> None:
        """Free the memory of the encoder that is loaded."""
        self._kept = None


Options = dict[str, Any]
Resolve = Callable[[Options], Options]
"""Completes and checks options of the model: missing ones get defaults, invalid ones raise."""

POOLINGS = ("mean", "mean+std")
"""Poolings without weights, which stored hidden states have."""

_SAME_RESULT = ("encoder", "revision", "labels", "encoder_config", "gradient_checkpointing", "save_full")
"""Options of paths and speed, which do not affect results; the encoder is identified by its fingerprint."""

_PROBE_FIELDS = [item.name for item in fields(ProbeOptions) if item.name != "seeds"]


class Recipes:
    """The recipe of every condition; conditions with the same options share one.

    Args:
        options: Options of the study.
        model: Options of the model for all conditions.
        probe: Options of the heads on a frozen encoder.
        trainer: Options of training with adapters.
        label_map: Class -> emotions that belong to it.
        encoders: Identifies encoders.
        resolve: Completes and checks options of the model.
        model_class: Import path of the model's class, if it is the user's own.
    """

    def __init__(
        self,
        options: StudyOptions,
        model: Options,
        probe: ProbeOptions,
        trainer: TrainerOptions,
        label_map: Mapping[str, list[str]],
        encoders: Encoders,
        resolve: Resolve,
        model_class: str | None = None,
    ) -> None:
        if probe.seeds is not None:
            raise UsageError("probe.seeds: the seeds of a study are set by study.seeds, for every adapter.")
        self._options, self._model, self._probe = options, model, probe
        self._trainer, self._label_map = trainer, dict(label_map)
        self._encoders, self._resolve, self._model_class = encoders, resolve, model_class
        self._resolved: dict[str, Options] = {}
        self._known: dict[str, Recipe] = {}
        self._of: dict[Condition, Recipe] = {}

    def __call__(self, condition: Condition) -> Recipe:
        """Return the recipe of a condition.

        Raises:
            UsageError: For options that do not exist or cannot be combined.
            EncoderError: If the encoder cannot be loaded.
        """
        if condition not in self._of:
            self._of[condition] = self._shared(condition)
        return self._of[condition]

    def _shared(self, condition: Condition) -> Recipe:
        """Return the recipe of a condition, the same object as that of others with the same options."""
        model = self.model_options(condition)
        probe = self._probe_options(condition) if condition.adapter == "none" else {}
        key = json.dumps([model, probe], sort_keys=True, default=str)
        if key not in self._known:
            frozen = condition.adapter == "none" and not self._trains_alone(model)
            if condition.adapter == "none" and not frozen:
                _check_alone(condition)
            self._known[key] = self._frozen(model, probe) if frozen else self._adapted(model)
        return self._known[key]

    def _trains_alone(self, model: Options) -> bool:
        """Whether the model has parts that cannot be trained many at a time on stored hidden states."""
        return self._model_class is not None or has_own_parts(model)

    def check(self, on_progress: Progress | None = None) -> None:
        """Build every recipe of the study, so that errors are reported before anything is read or run.

        Args:
            on_progress: Called with the number of conditions done; the first of each encoder loads it.

        Raises:
            UsageError: As `__call__`, or if the grid is empty.
            EncoderError: If an encoder cannot be loaded.
        """
        weight = (self._model.get("adversarial") or {}).get("weight")
        if weight and ADVERSARIAL not in self._options.adaptation:
            raise UsageError(
                f"model.adversarial.weight is {weight}, but study.adaptation does not have 'adversarial', "
                "which switches it on where there is a target. Add it there, or leave the weight out."
            )
        if self._options.continue_from == "last" and not self._trainer.saving.get("save_last"):
            raise UsageError(
                "study.continue_from last: second stages continue from the last weights of the first, "
                "which checkpoint.save_last false does not save. Give checkpoint.save_last true."
            )
        conditions, _ = conditions_of(self._options)
        if not conditions:
            raise UsageError(
                "study: its lists and what it excludes leave no condition to run. Settings other than "
                "monolingual need at least two corpora in study.corpora."
            )
        for condition in conditions:
            self.model_options(condition)  # of all, before the first encoder is loaded
        for condition in reporting(conditions, "reading encoders", on_progress):
            self(condition)
        used = list(dict.fromkeys(condition.adapter for condition in conditions))
        for model in self._resolved.values():
            refuse_unused(used, AdapterOptions(**model["adapters"]))

    def model_options(self, condition: Condition) -> Options:
        """Return the options of the model of a condition, of adapters those that it uses."""
        options = merged(self._model, self._options.encoder_options[condition.encoder])
        for override in self._options.overrides:
            if self._holds(override, condition):
                options = merged(options, override.model)
        options |= {"adapter": condition.adapter, "labels": self._label_map}
        options["adversarial"] = _adversarial(options, condition)
        key = json.dumps(options, sort_keys=True, default=str)
        if key not in self._resolved:
            self._resolved[key] = _spelled(self._resolve(options))
        resolved = self._resolved[key]
        used = methods_of(condition.adapter)
        adapters = {name: value for name, value in resolved["adapters"].items() if name in used}
        return {**resolved, "adapters": adapters}

    def _holds(self, override: Override, condition: Condition) -> bool:
        return matches(self._options.named_alike(override.when), condition)

    def _probe_options(self, condition: Condition) -> Options:
        options = asdict(self._probe)
        for override in self._options.overrides:
            for name in override.probe if self._holds(override, condition) else ():
                if name not in _PROBE_FIELDS:
                    raise UnknownOptionError(f"probe.{name}", [f"probe.{own}" for own in _PROBE_FIELDS], "")
                options[name] = override.probe[name]
        return options

    def _frozen(self, model: Options, probe: Options) -> Recipe:
        if model["pooling"] not in POOLINGS:
            raise UsageError(
                f"model.pooling {model['pooling']}: heads on a frozen encoder use {' or '.join(POOLINGS)}."
            )
        spec = EncoderSpec.of(model)
        layers = _layers(model["layer"], self._encoders.facts(spec).states)
        config = ProbeOptions(**probe).config()
        if config.standardize == BY_CORPUS:
            raise UsageError(
                f"probe.standardize {BY_CORPUS}: in a study this is an adaptation, which results name. Give "
                f"study.adaptation: [{BY_CORPUS}], and leave it out."
            )
        decides = replace(config, seeds=(0,)).deciding | {
            "kind": "frozen",
            "space": self._encoders.space(spec, model["pooling"]).name,
            "layers": layers,
            "classes": list(self._label_map.items()),
        }
        return Recipe(model, decides, config, layers)

    def _adapted(self, model: Options) -> Recipe:
        self._trainer.check_shardable(
            parse_adapter(model["adapter"]) or None,
            head_first=bool(model["head_first"]),
            adversarial=bool(model["adversarial"]["weight"]),
        )
        facts = self._encoders.facts(EncoderSpec.of(model))
        decides = {
            "kind": "adapted",
            "encoder": facts.fingerprint,
            "preprocessing": dict(facts.preprocessing),
            "model": _deciding(model),
            "training": self._trainer.deciding,
            "classes": list(self._label_map.items()),
        }
        if model["head_first"] or model["adapter"] == "none":  # uses stored hidden states
            decides["precision"] = self._encoders.precision
        if self._model_class is not None:
            decides["class"] = self._model_class
        return Recipe(model, decides, model_class=self._model_class)


def _spelled(model: Options) -> Options:
    """Return options with names of parts as they are listed: other spellings are the same computation."""
    parts: Options = {name: {**short, **named} for name, (short, named, _) in _PARTS.items()}
    optimizer = _with_names(model["optimizer"], {"algorithm": ALGORITHMS, "schedule": SCHEDULES})
    return {**_with_names(model, parts), "optimizer": optimizer}


def _with_names(options: Options, named: Mapping[str, Iterable[str]]) -> Options:
    texts = {name: options[name] for name in named if isinstance(options.get(name), str)}
    return options | {name: spelled(text, named[name]) for name, text in texts.items()}


def has_own_parts(model: Mapping[str, Any]) -> bool:
    """Return whether a model has a pooling, head, loss, optimiser or schedule beside sercl's short defaults.

    Raises:
        UsageError: For one that does not exist.
    """
    own = False
    for name, (short, named, given) in _PARTS.items():
        option, value = f"model.{name}", model[name]
        every = {**short, **named}
        spec = ClassSpec.of(value, option, every)
        kind = spec.find(every, option)
        if kind in losses.TORCH_LOSSES.values():
            spec.check(kind, option, filled=losses.FROM_TRAINING)
        else:
            spec.check(kind, option, given)
        own = own or spec.name not in short or not isinstance(value, str)
    return own or not OptimizerConfig(**model["optimizer"]).is_default_kind


_PARTS: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any], Any]] = {
    "pooling": (pooling.POOLINGS, {}, pooling.CALLED_WITH),
    "head": (heads.HEADS, heads.TORCH_HEADS, heads.CALLED_WITH),
    "loss": (losses.LOSSES, losses.TORCH_LOSSES, losses.CALLED_WITH),
}
"""Option -> its short names, the classes of torch that it accepts, and the arguments that sercl sets."""


def _check_alone(condition: Condition) -> None:
    """Raise `UsageError` for a label-free adaptation that only heads on stored hidden states have."""
    if condition.adaptation != "none":
        raise UsageError(
            f"study.adaptation {condition.adaptation}: changes stored hidden states, which a frozen encoder "
            "with a model class, head, pooling, loss, optimizer or schedule of your own does not use. Leave "
            "the adaptation out, or these options."
        )


def _deciding(model: Options) -> Options:
    own = {name: value for name, value in model.items() if name not in _SAME_RESULT}
    # Options added later are hashed only if not at their defaults: earlier results keep their addresses.
    own["optimizer"] = _unlike({"algorithm": "adamw", "monitor": None}, model["optimizer"])
    own["layer_norm"] = model["adapter"] == "none" if own["layer_norm"] is None else own["layer_norm"]
    own["head_init"] = initial_weights(
        own["head_init"], model["adapter"], model["layer"], heads.names_one_layer(model["head"])
    )
    own = _unlike({"loss": "cross-entropy", "layer_norm": False, "head_init": RANDOM}, own)
    if FOLDER in model["adapters"].get("peft", {}):
        raise UsageError(
            f"model.adapters.peft.{FOLDER}: a study starts from the pre-trained encoder. Leave it out, or "
            "continue with `sercl fit`."
        )
    return own


def _unlike(defaults: Mapping[str, Any], options: Mapping[str, Any]) -> Options:
    return {name: value for name, value in options.items() if name not in defaults or value != defaults[name]}


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> Options:
    """Return options updated with others, group by group."""
    result = dict(base)
    for name, value in over.items():
        inner = result.get(name)
        both = isinstance(inner, Mapping) and isinstance(value, Mapping) and "class_path" not in value
        result[name] = merged(inner, value) if both else value  # type: ignore[arg-type]
    return result


def _layers(layer: Any, states: int) -> tuple[int, ...] | None:
    if layer in (None, "auto"):
        return None
    if layer == "last":
        return (states - 1,)
    if isinstance(layer, int) and 0 <= layer < states:
        return (layer,)
    raise UsageError(
        f"model.layer {layer}: with a frozen encoder a study uses a hidden state from 0 to {states - 1}, "
        "last, or auto."
    )


def _adversarial(options: Options, condition: Condition) -> Options:
    """Return the group of that name: its defaults, which are off, for conditions without this adaptation."""
    if condition.adaptation != ADVERSARIAL:
        return {}
    given = options.get("adversarial") or {}
    return {**given, "weight": given.get("weight") or DEFAULT_WEIGHT}


DEFAULT_WEIGHT = 1.0
"""Weight of the domain classifier's loss where the file gives none."""
