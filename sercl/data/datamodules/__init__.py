"""DataModules by name: every registered corpus, a manifest, Hugging Face datasets, and pairs of them."""

from sercl.data.datamodules.base import EmotionDataModule
from sercl.data.datamodules.corpus import CorpusDataModule
from sercl.data.datamodules.diarization import Diarization
from sercl.data.datamodules.own import HuggingFace, Manifest
from sercl.data.datamodules.pair import LanguagePair
from sercl.data.datamodules.registered import ESD, PAVOQUE, RAVDESS, plain_datamodules

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
