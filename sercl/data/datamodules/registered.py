"""A DataModule for every corpus whose reader has no options: made from the registry, not written."""

from sercl.corpora.base import CorpusInfo, Listing
from sercl.corpora.registry import CORPORA, read_corpus, reader_options
from sercl.data.datamodules.corpus import CorpusDataModule


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
