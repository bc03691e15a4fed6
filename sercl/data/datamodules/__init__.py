"""DataModules by name: every registered corpus, a manifest, Hugging Face datasets, and pairs of them."""

from sercl.data.datamodules.base import EmotionDataModule
from sercl.data.datamodules.corpus import CorpusDataModule, plain_datamodules
from sercl.data.datamodules.diarization import Diarization
from sercl.data.datamodules.esd import ESD, PAVOQUE, RAVDESS
from sercl.data.datamodules.manifest import HuggingFace, Manifest
from sercl.data.datamodules.pair import LanguagePair

# Importable by name, so that `--data EmoDB` and a stored class path find them.
globals().update(plain_datamodules(__name__))

__all__ = [
    "ESD",
    "PAVOQUE",
    "RAVDESS",
    "CorpusDataModule",
    "Diarization",
    "EmotionDataModule",
    "HuggingFace",
    "LanguagePair",
    "Manifest",
]
