"""Methods of the package peft by name, and their configurations from plain arguments."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_type_hints

from sercl.errors import UnknownNameError, UsageError
from sercl.type_hints import fits

if TYPE_CHECKING:
    from peft import PeftConfig

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "dora": {"use_dora": True},
    "olora": {"init_lora_weights": "olora"},
    "pissa": {"init_lora_weights": "pissa"},
    "rslora": {"use_rslora": True},
}
"""Methods that are LoRA with these arguments."""

REFUSED: Mapping[str, str] = {
    "adaption_prompt": "it adds prompts to language models",
    "boft": "it compiles an extension for CUDA when it is attached",
    "xlora": "it mixes adapters that are already trained",
    "poly": "it needs the task of each example",
    "shadow": "it runs a second model beside the encoder",
    "trainable_tokens": "it trains embeddings of tokens, which speech encoders do not have",
}
"""Methods of peft that sercl does not train, and why."""

ADALORA = "adalora"

_WITHOUT_EFFECT: Mapping[str, frozenset[str]] = {
    ADALORA: frozenset(
        {"r", "use_rslora", "use_dora", "use_bdlora", "lora_bias", "rank_pattern", "alpha_pattern"}
        | {"init_lora_weights"}
    ),
    "adamss": frozenset(
        {"use_asa", "asa_target_subspaces", "init_warmup", "final_warmup", "mask_interval"}
        | {"asa_importance_beta", "asa_uncertainty_beta", "asa_schedule_exponent"}
    ),
}
"""Method -> arguments of its configuration that it does not read, or that sercl does not train.

AdaMSS's adaptive subspaces freeze weights during a training, whose state no checkpoint holds."""

_UNPLANNED = 2**31 - 1
"""Number of steps of AdaLoRA, which peft requires, until a training sets it."""

_SINCE = {"adamss": (0, 20)}
"""Methods whose random start is in checkpoints only from this version of peft on."""

FOLDER = "folder"
"""An option that is not one of peft's arguments: a folder in peft's own format."""

TARGETS, ALL_LINEAR = "target_modules", "all-linear"
NORMS = ("ln_tuning",)
"""Methods that train the norms, where all others change matrices."""

_MANAGED = {
    "alora_invocation_tokens",
    "auto_mapping",
    "base_model_name_or_path",
    "bias",
    "ensure_weight_tying",
    "exclude_modules",
    "fan_in_fan_out",
    "feedforward_modules",
    "inference_mode",
    "layer_replication",
    "layers_pattern",
    "layers_to_transform",
    "modules_to_save",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "revision",
    TARGETS,
    "target_parameters",
    "task_type",
    "trainable_token_indices",
    "use_qalora",
}
"""Arguments that sercl sets itself, or that concern parts which an encoder does not have."""

_PARTS = {
    "bias",
    "exclude_modules",
    "layer_replication",
    "layers_to_transform",
    "modules_to_save",
    "target_parameters",
    "trainable_token_indices",
}
"""Those of them that determine which parts of a model are trained."""

_NEEDS_DATA = ("corda", "eva", "loftq", "lora_ga")
"""Initialisations of LoRA that are computed from data or a quantised model."""


def methods() -> list[str]:
    """Return the methods of the installed peft that change modules of a model, and the variants of LoRA."""
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    own = [
        kind.value.lower()
        for kind, config in PEFT_TYPE_TO_CONFIG_MAPPING.items()
        if TARGETS in _names(config)
    ]
    return sorted({*own, *VARIANTS} - REFUSED.keys() - _too_old())


def _too_old() -> set[str]:
    import peft

    version = tuple(int(part) for part in peft.__version__.split(".")[:2])
    return {name for name, since in _SINCE.items() if version < since}


def check_method(name: str) -> None:
    """Raise `UsageError` unless `name` is a method that can be trained: the word after `peft:`."""
    if name in REFUSED:
        raise UsageError(f"adapter peft:{name} cannot be trained here: {REFUSED[name]}. {_other_methods()}")
    if name in _too_old():
        since = ".".join(map(str, _SINCE[name]))
        raise UsageError(f"adapter peft:{name} needs peft {since} or newer: pip install --upgrade peft")
    if not name:
        raise UsageError(f"adapter 'peft': name a method of peft, such as peft:dora. {_other_methods()}")
    if name not in methods():
        raise UnknownNameError("peft method", name, methods(), _reason(name))


def _reason(name: str) -> str:
    from peft.utils import PeftType

    if name.upper() in PeftType.__members__:
        return f"{name} adds prompts or embeddings, which speech encoders do not take."
    return "Methods are those of the installed peft."


def _other_methods() -> str:
    return f"Valid: {', '.join(f'peft:{name}' for name in methods())}."


def config_class(method: str) -> "type[PeftConfig]":
    """Return peft's configuration of a method."""
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
    from peft.utils import PeftType

    kind: type[PeftConfig] = PEFT_TYPE_TO_CONFIG_MAPPING[
        PeftType["LORA" if method in VARIANTS else method.upper()]
    ]
    return kind


def valid_arguments(method: str) -> list[str]:
    """Return the arguments that a user may give to a method, `target_modules` among them."""
    managed = _MANAGED | VARIANTS.get(method, {}).keys() | _WITHOUT_EFFECT.get(method, frozenset())
    names = [
        name
        for name in _names(config_class(method))
        if name not in managed and not name.startswith("megatron") and not name.endswith("_config")
    ]
    return [TARGETS, FOLDER, *names]


def check_arguments(method: str, arguments: Mapping[str, Any]) -> None:
    """Raise `UsageError` for an argument that a method does not have, or a value of another type."""
    valid = valid_arguments(method)
    hints = get_type_hints(config_class(method))
    for name, value in arguments.items():
        if name not in valid:
            raise UnknownNameError(f"argument of peft:{method}", name, valid)
        if name != TARGETS:
            _check_type(method, name, value, float if name.endswith("alpha") else hints[name])
            _check_range(method, name, value)
    start = arguments.get("init_lora_weights")
    if isinstance(start, str) and start.lower() in _NEEDS_DATA:
        raise UsageError(
            f"peft:{method}: init_lora_weights {start!r} is computed from data or a quantised model, which "
            "is not done here. Choose true, gaussian, orthogonal, or peft:pissa or peft:olora."
        )


def build_config(
    method: str, arguments: Mapping[str, Any], targets: Sequence[str], feed_forward: Sequence[str]
) -> "PeftConfig":
    """Return peft's configuration of a method for modules of one model.

    Args:
        method: As `check_method` takes it.
        arguments: As `check_arguments` takes them.
        targets: Full names of the modules to adapt.
        feed_forward: Those of them that are the last of a feed-forward.
    """
    kind = config_class(method)
    given = {name: value for name, value in arguments.items() if name != TARGETS}
    if "feedforward_modules" in _names(kind):
        given["feedforward_modules"] = list(feed_forward)
    if method == ADALORA:
        given = {"total_step": _UNPLANNED, **given}
    with_variant = {**given, **VARIANTS.get(method, {})}
    try:
        return kind(target_modules=list(targets), **with_variant)
    except ImportError as error:
        raise UsageError(f"peft:{method} needs a package that is not installed: {error}") from error
    except (TypeError, ValueError) as error:
        raise UsageError(f"peft:{method}: {error}") from error


def depends_on_length(method: str, arguments: Mapping[str, Any]) -> bool:
    """Return whether what a method does at a step depends on the length of the training."""
    return method == ADALORA and arguments.get("total_step") is None


def method_of(content: Mapping[str, Any]) -> str:
    """Return the method of a configuration in peft's own format, as `check_method` takes it."""
    kind = str(content.get("peft_type")).lower()
    if kind != "lora":
        return kind
    return next((name for name, own in VARIANTS.items() if own.items() <= content.items()), "lora")


def arguments_of(method: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments in a configuration in peft's own format that differ from the defaults.

    Raises:
        UsageError: For an argument that is not supported here.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(config_class(method))}
    valid = valid_arguments(method)
    unlike = sorted(
        name for name in _PARTS & content.keys() if content[name] not in (defaults.get(name), None)
    )
    if unlike:
        raise UsageError(
            f"{unlike[0]}: {content[unlike[0]]!r} is not supported; valid: {defaults[unlike[0]]}."
        )
    given = {name: value for name, value in content.items() if name in valid and value is not None}
    return {name: value for name, value in given.items() if value != {} and value != defaults.get(name)}


def _names(config: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(config) if field.init]


def _check_range(method: str, name: str, value: Any) -> None:
    """Refuse what peft itself accepts in silence."""
    valid = next((valid for end, valid in _RANGES.items() if name.endswith(end)), None)
    if valid is not None and isinstance(value, int | float) and not valid[0] <= value < valid[1]:
        raise UsageError(
            f"--model.adapters.peft.{name} {value}: not valid for peft:{method}. Valid: {valid[2]}."
        )


_RANGES = {
    "alpha": (math.ulp(0.0), math.inf, "a number above 0"),
    "beta1": (math.ulp(0.0), 1.0, "a number between 0 and 1"),
    "beta2": (math.ulp(0.0), 1.0, "a number between 0 and 1"),
    "deltaT": (1, math.inf, "a number of steps, 1 or more"),
    "dropout": (0.0, 1.0, "a number from 0 to below 1"),
    "orth_reg_weight": (0.0, math.inf, "a number, 0 or more"),
    "target_r": (1, math.inf, "a rank, 1 or more"),
    "tfinal": (0, math.inf, "a number of steps, 0 or more"),
    "tinit": (0, math.inf, "a number of steps, 0 or more"),
    "total_step": (1, math.inf, "a number of steps, 1 or more"),
}
"""End of an argument's name -> lowest valid value, lowest above it that is not valid, and both in words."""


def _check_type(method: str, name: str, value: Any, hint: Any) -> None:
    if not fits(value, hint):
        shown = str(getattr(hint, "__name__", hint)).replace("typing.", "")
        raise UsageError(
            f"--model.adapters.peft.{name} {value!r}: not valid for peft:{method}. Valid: {shown}."
        )
