"""The options of all adapter methods in one dataclass, for configs and the command line."""

from collections.abc import Mapping
from dataclasses import field, make_dataclass
from typing import Any

from sercl.models.adapters.bottleneck.config import BottleneckConfig
from sercl.models.adapters.bottleneck.layer import BottleneckAdapter
from sercl.models.adapters.full.config import FullConfig
from sercl.models.adapters.gating.config import GatingConfig
from sercl.models.adapters.gating.layer import GatingAdapter
from sercl.models.adapters.lora.config import LoraConfig
from sercl.models.adapters.lora.layer import LoraAdapter
from sercl.models.adapters.registry import METHODS, register

register("lora", LoraConfig, LoraAdapter)
register("bottleneck", BottleneckConfig, BottleneckAdapter)
register("gating", GatingConfig, GatingAdapter)


_CONFIGS: dict[str, type[Any]] = {"full": FullConfig} | {
    name: entry.config for name, entry in METHODS.items()
}


def _build_configs(options: Any) -> None:
    for name, config in _CONFIGS.items():
        value = getattr(options, name)
        if isinstance(value, Mapping):
            object.__setattr__(options, name, config(**value))


_Options: Any = make_dataclass(
    "_Options",
    [(name, config, field(default_factory=config)) for name, config in _CONFIGS.items()],
    namespace={"__post_init__": _build_configs},
    frozen=True,
)


class AdapterOptions(_Options):
    """Options of "full" and of each registered adapter method, in a field of its name.

    Only those of the chosen methods count. A field may be given as a plain mapping, as checkpoints hold it.
    """
