from sercl.models.adapters.attach import AttachedAdapters, attach
from sercl.models.adapters.options import AdapterOptions
from sercl.models.adapters.registry import METHODS, parse_adapter, register

__all__ = ["METHODS", "AdapterOptions", "AttachedAdapters", "attach", "parse_adapter", "register"]
