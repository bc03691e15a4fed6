"""Cross-lingual speech emotion recognition with self-supervised encoders and adapters.

Importing this package imports neither torch nor pandas; the public names load what they need on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sercl.version import __version__

__all__ = ["__version__", "compare", "diarize", "embed", "load", "read_corpus", "read_results"]

if TYPE_CHECKING:
    from sercl.corpora.registry import read_corpus
    from sercl.features.embedding import embed
    from sercl.studies.comparison import compare
    from sercl.studies.reading import read_results
    from sercl.tasks.diarizer import diarize
    from sercl.tasks.predictor import load

_HOMES = {
    "compare": "sercl.studies.comparison",
    "diarize": "sercl.tasks.diarizer",
    "embed": "sercl.features.embedding",
    "load": "sercl.tasks.predictor",
    "read_corpus": "sercl.corpora.registry",
    "read_results": "sercl.studies.reading",
}
"""Public name -> the module that defines it."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sercl' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
