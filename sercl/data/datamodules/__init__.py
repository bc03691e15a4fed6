"""DataModules by name: every registered corpus, a manifest, Hugging Face datasets, and pairs of them."""

from functools import cache

from sercl.corpora.registry import CORPORA
from sercl.data.datamodules.base import EmotionDataModule
from sercl.data.datamodules.corpus import CorpusDataModule
from sercl.data.datamodules.diarization import Diarization
from sercl.data.datamodules.joined import Corpora
from sercl.data.datamodules.own import HuggingFace, Manifest
from sercl.data.datamodules.pair import LanguagePair
from sercl.data.datamodules.registered import ESD, RAVDESS, made_datamodules, make_datamodule

# Importable by name, so that `--data EmoDB` and stored class paths find them.
globals().update(made_datamodules(__name__))

__all__ = [
    "ESD",
    "RAVDESS",
    "Corpora",
    "CorpusDataModule",
    "Diarization",
    "EmotionDataModule",
    "HuggingFace",
    "LanguagePair",
    "Manifest",
    "make_all",
]


def __getattr__(name: str) -> type[CorpusDataModule]:
    """Make the class of a corpus that a package, or `sercl.corpora.registry.register`, has added."""
    if name.startswith("_") or name not in CORPORA.names():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _made(name)


def make_all() -> None:
    """Make the class of every registered corpus, so that parsers know its short name.

    A corpus of an installed package that cannot be used is left out with a warning.
    """
    for name in CORPORA:
        if name not in globals():
            _made(name)


@cache
def _made(name: str) -> type[CorpusDataModule]:
    return make_datamodule(CORPORA[name], __name__)
