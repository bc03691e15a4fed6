"""DataModules of registered corpora: written where a reader has options, else made from the registry."""

from pathlib import Path

from sercl.audio.augment import AugmentConfig
from sercl.corpora.base import CorpusInfo, Listing
from sercl.corpora.esd import LANGUAGES
from sercl.corpora.folds import FoldConfig
from sercl.corpora.ravdess import CHANNELS
from sercl.corpora.registry import CORPORA, read_corpus, reader_options
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


class PAVOQUE(CorpusDataModule):
    """PAVOQUE: German, one speaker, so every figure is speaker-dependent; also the options of every corpus.

    Args:
        root: Folder of the corpus.
        outtakes: Whether to read the outtakes, too: repeated prompts, of unknown emotion.
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


def plain_datamodules(module: str) -> dict[str, type[CorpusDataModule]]:
    """Return name -> class of every corpus whose reader takes a root folder and nothing else.

    Args:
        module: Import path from which the classes can be imported.
    """
    return {
        name: _datamodule(corpus.info, module) for name, corpus in CORPORA.items() if not reader_options(name)
    }


def _datamodule(info: CorpusInfo, module: str) -> type[CorpusDataModule]:
    doc = f"{info.title} ({', '.join(info.languages)}); {info.license}. Files: {info.layout}"
    body = {"__doc__": doc, "__module__": module, "corpus": info.name, "read": _read}
    return type(info.name, (CorpusDataModule,), body)


def _read(self: CorpusDataModule) -> Listing:
    """List the corpus."""
    return read_corpus(self.corpus, self.root)
