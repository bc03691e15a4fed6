"""Scores of predictions. Importing this package imports no torch; a score's row is loaded on first use."""

from typing import TYPE_CHECKING, Any

__all__ = ["AVERAGES", "Average", "register"]

if TYPE_CHECKING:
    from sercl.metrics.functional.classification import AVERAGES, Average, register


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'sercl.metrics' has no attribute {name!r}")
    from sercl.metrics.functional import classification

    return getattr(classification, name)
