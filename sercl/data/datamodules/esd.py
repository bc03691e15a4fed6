from pathlib import Path

from sercl.audio.augment import AugmentConfig
from sercl.corpora.base import Listing
from sercl.corpora.esd import LANGUAGES
from sercl.corpora.folds import FoldConfig
from sercl.corpora.registry import read_corpus
from sercl.data.config import LoaderConfig
from sercl.data.datamodules.corpus import CorpusDataModule, Labels
from sercl.errors import UnknownNameError

ALL = "all"


class ESD(CorpusDataModule):
    """ESD: the same 350 sentences by ten Mandarin and ten English speakers; also the options of every corpus.

    Args:
        root: Folder of the corpus.
        language: "zh" (speakers 0001 to 0010), "en" (0011 to 0020), or "all".
    """

    def __init__(
        self,
        root: Path | str,
        language: str = ALL,
        labels: Labels = "4",
        on_error: str = "raise",
        folds: FoldConfig = FoldConfig(),
        loader: LoaderConfig = LoaderConfig(),
        augment: AugmentConfig = AugmentConfig(),
    ) -> None:
        super().__init__(root, labels, on_error, folds, loader, augment)
        if language not in (*LANGUAGES, ALL):
            raise UnknownNameError("language of ESD", language, (*LANGUAGES, ALL))
        self.language = None if language == ALL else language
        self.corpus = "ESD" if self.language is None else f"ESD {language}"

    def read(self) -> Listing:
        """List the corpus, of one language or both."""
        return read_corpus("ESD", self.root, language=self.language)
