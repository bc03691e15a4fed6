"""DataModules of registered corpora: built from their readers, or written out if they need more."""

from collections.abc import Callable, Sequence
from inspect import Parameter, Signature, signature
from pathlib import Path
from types import MappingProxyType
from typing import Any

from docstring_parser import parse

from sercl.audio.augment import AugmentConfig
from sercl.corpora.base import Corpus, Listing
from sercl.corpora.esd import LANGUAGES
from sercl.corpora.folds import FoldConfig
from sercl.corpora.ravdess import CHANNELS
from sercl.corpora.registry import BUILT_IN, check_reader_options, read_corpus, reader_parameters
from sercl.data.config import LoaderConfig
from sercl.data.datamodules.corpus import Conditions, CorpusDataModule, Labels
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
        where: Conditions = None,
    ) -> None:
        super().__init__(root, labels, on_error, folds, loader, augment, where)
        if language not in (*LANGUAGES, ALL):
            raise UnknownNameError("language of ESD", language, (*LANGUAGES, ALL))
        self.language = None if language == ALL else language
        self.corpus = "ESD" if self.language is None else f"ESD {language}"

    def read(self) -> Listing:
        """List the corpus, of one language or both."""
        return read_corpus("ESD", self.root, language=self.language)


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
        where: Conditions = None,
    ) -> None:
        super().__init__(root, labels, on_error, folds, loader, augment, where)
        if channel not in (*CHANNELS, "all"):
            raise UnknownNameError("channel", channel, (*CHANNELS, "all"))
        self.channel = None if channel == "all" else channel

    def read(self) -> Listing:
        """List the corpus, of one channel."""
        return read_corpus(type(self).corpus, self.root, channel=self.channel)


def made_datamodules(module: str) -> dict[str, type[CorpusDataModule]]:
    """Return name -> class of all corpora of sercl whose class is not written here.

    Args:
        module: Import path from which the classes can be imported.
    """
    written = {kind.__name__ for kind in (ESD, RAVDESS)}
    return {name: make_datamodule(BUILT_IN[name], module) for name in BUILT_IN if name not in written}


def make_datamodule(corpus: Corpus, module: str) -> type[CorpusDataModule]:
    """Return the DataModule of a corpus, with the options of its reader.

    Args:
        corpus: Its facts and its reader.
        module: Import path from which the class can be imported.
    """
    info, options = corpus.info, reader_parameters(corpus)
    body: dict[str, Any] = {
        "__module__": module,
        "corpus": info.name,
        "read": _read,
        "_options": MappingProxyType({}),
    }
    doc = f"{info.title} ({', '.join(info.languages)}); {info.license}. Files: {info.layout}"
    if options:
        body["__init__"] = _constructor(corpus, options)
        doc += f"\n\nArgs:\n    root: Folder of the corpus.\n{_described(corpus.read, options)}"
    return type(info.name, (CorpusDataModule,), {"__doc__": doc, **body})


def _constructor(corpus: Corpus, options: Sequence[Parameter]) -> Callable[..., None]:
    """Return a constructor whose signature has the options of a reader after the root folder."""
    this, root, *common = signature(CorpusDataModule.__init__).parameters.values()
    own = [option.replace(kind=Parameter.POSITIONAL_OR_KEYWORD) for option in options]
    whole = Signature([this, root, *own, *common], return_annotation=None)

    def construct(*args: Any, **kwargs: Any) -> None:
        given = whole.bind(*args, **kwargs)
        given.apply_defaults()
        values = given.arguments
        options = {option.name: values.pop(option.name) for option in own}
        check_reader_options(corpus, options)
        values[this.name]._options = options
        CorpusDataModule.__init__(**values)

    construct.__name__ = construct.__qualname__ = "__init__"
    construct.__signature__ = whole  # type: ignore[attr-defined]
    return construct


def _described(read: Callable[..., Listing], options: Sequence[Parameter]) -> str:
    """Return the lines of a reader's docstring about its options."""
    descriptions = {item.arg_name: item.description for item in parse(read.__doc__ or "").params}
    lines = (
        f"    {option.name}: {' '.join((descriptions.get(option.name) or '').split())}" for option in options
    )
    return "\n".join(lines)


def _read(self: Any) -> Listing:
    """List the corpus."""
    return read_corpus(type(self).corpus, self.root, **self._options)
