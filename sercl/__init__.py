"""Cross-lingual speech emotion recognition with self-supervised encoders and adapters.

Importing this package imports neither torch nor lightning; the public names load what they need on first use.
"""

from typing import TYPE_CHECKING, Any

from sercl.version import __version__

__all__ = ["__version__", "diarize", "load"]

if TYPE_CHECKING:
    from sercl.tasks.diarizer import diarize
    from sercl.tasks.predictor import load


def __getattr__(name: str) -> Any:
    if name == "load":
        from sercl.tasks.predictor import load

        return load
    if name == "diarize":
        from sercl.tasks.diarizer import diarize

        return diarize
    raise AttributeError(f"module 'sercl' has no attribute {name!r}")
