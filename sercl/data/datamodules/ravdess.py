from pathlib import Path

from sercl.audio.augment import AugmentConfig
from sercl.corpora.base import Listing
from sercl.corpora.folds import FoldConfig
from sercl.corpora.ravdess import CHANNELS
from sercl.corpora.registry import read_corpus
from sercl.data.config import LoaderConfig
from sercl.data.datamodules.corpus import CorpusDataModule, Labels
from sercl.errors import UnknownNameError


class RAVDESS(CorpusDataModule):
    """RAVDESS: English, 24 actors, two statements, speech and song; also the options of every corpus.

    Args:
        root: Folder of the corpus.
        channel: "speech", "song", or "all" for both.
    """

    corpus = "RAVDESS"

    def __init__(
        self,
        root: Path | str,
        channel: str = "speech",
        labels: Labels = "4",
        on_error: str = "raise",
        folds: FoldConfig = FoldConfig(),
        loader: LoaderConfig = LoaderConfig(),
        augment: AugmentConfig = AugmentConfig(),
    ) -> None:
        super().__init__(root, labels, on_error, folds, loader, augment)
        if channel not in (*CHANNELS, "all"):
            raise UnknownNameError("channel", channel, (*CHANNELS, "all"))
        self.channel = None if channel == "all" else channel

    def read(self) -> Listing:
        """List the corpus, of one channel."""
        return read_corpus(self.corpus, self.root, channel=self.channel)
