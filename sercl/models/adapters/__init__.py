from sercl.models.adapters.attach import AttachedAdapters, attach
from sercl.models.adapters.base import Adapter, BlockAdapter, EncoderAdapter, HookAdapter, MergeableAdapter
from sercl.models.adapters.registry import (
    METHODS,
    AdapterMethod,
    AdapterOptions,
    adapter_names,
    depends_on_length,
    load_methods,
    methods_of,
    parse_adapter,
    refuse_unused,
    register,
)

__all__ = [
    "METHODS",
    "Adapter",
    "AdapterMethod",
    "AdapterOptions",
    "AttachedAdapters",
    "BlockAdapter",
    "EncoderAdapter",
    "HookAdapter",
    "MergeableAdapter",
    "adapter_names",
    "attach",
    "depends_on_length",
    "load_methods",
    "methods_of",
    "parse_adapter",
    "refuse_unused",
    "register",
]
