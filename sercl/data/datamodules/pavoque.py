from pathlib import Path

from sercl.audio.augment import AugmentConfig
from sercl.corpora.base import Listing
from sercl.corpora.folds import FoldConfig
from sercl.corpora.registry import read_corpus
from sercl.data.config import LoaderConfig
from sercl.data.datamodules.corpus import CorpusDataModule, Labels


class PAVOQUE(CorpusDataModule):
    """PAVOQUE: German, one speaker, so every figure is speaker-dependent; also the options of every corpus.

    Args:
        root: Folder of the corpus.
        outtakes: Whether to read the outtakes too: repeated prompts, of unknown emotion.
    """

    corpus = "PAVOQUE"

    def __init__(
        self,
        root: Path | str,
        outtakes: bool = False,
        labels: Labels = "4",
        on_error: str = "raise",
        folds: FoldConfig = FoldConfig(),
        loader: LoaderConfig = LoaderConfig(),
        augment: AugmentConfig = AugmentConfig(),
    ) -> None:
        super().__init__(root, labels, on_error, folds, loader, augment)
        self.outtakes = outtakes

    def read(self) -> Listing:
        """List the corpus, with or without its outtakes."""
        return read_corpus(self.corpus, self.root, outtakes=self.outtakes)
