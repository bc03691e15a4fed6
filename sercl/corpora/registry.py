"""Every corpus by name."""

import inspect
import unicodedata
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

from sercl.corpora import cremad, esd, iemocap, pavoque, ravdess, zed
from sercl.corpora.base import Corpus, Listing
from sercl.corpora.labelled import LABELLED
from sercl.corpora.patterned import read_pattern
from sercl.corpora.patterns import PATTERNS
from sercl.errors import UnknownNameError

_READERS = tuple(Corpus(module.INFO, module.read) for module in (esd, pavoque, iemocap, zed, ravdess, cremad))
_PATTERNED = tuple(Corpus(pattern.info, partial(read_pattern, pattern)) for pattern in PATTERNS)

CORPORA: Mapping[str, Corpus] = MappingProxyType(
    {corpus.info.name: corpus for corpus in (*_READERS, *_PATTERNED, *LABELLED)}
)
"""Registered corpora by their names."""


def get_corpus(name: str) -> Corpus:
    """Return a registered corpus.

    Args:
        name: Its name; case, punctuation and accents do not matter ("emo-db" is "EmoDB").

    Raises:
        UnknownNameError: For a name that is not registered.
    """
    for known, corpus in CORPORA.items():
        if _key(known) == _key(name):
            return corpus
    hint = "Any other corpus can be read from a manifest (CSV, TSV, JSONL, Parquet)."
    raise UnknownNameError("corpus", name, CORPORA, hint)


def reader_options(name: str) -> dict[str, object]:
    """Return the options of a corpus's own reader, with their defaults."""
    parameters = inspect.signature(get_corpus(name).read).parameters.values()
    return {item.name: item.default for item in parameters if item.name != "root"}


def read_corpus(name: str, root: Path | str, **options: object) -> Listing:
    """List a registered corpus.

    Args:
        name: Corpus name, as for `get_corpus`.
        root: Its folder.
        **options: Options of that corpus's reader (ESD: `language`; PAVOQUE: `outtakes`; RAVDESS: `channel`).

    Raises:
        UnknownNameError: For a corpus that is not registered, or an option that its reader does not have.
        CorpusNotFoundError: Where the folder does not hold this corpus.
        CorpusError: Where one of its label files cannot be read at all.
    """
    corpus = get_corpus(name)
    valid = reader_options(name)
    for option in options:
        if option not in valid:
            raise UnknownNameError(f"option of {corpus.info.name}", option, valid or ["none"])
    return corpus.read(Path(root), **options)


def _key(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name)
    return "".join(char for char in plain.lower() if char.isalnum())
