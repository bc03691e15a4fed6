"""Every corpus by name."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial, wraps
from pathlib import Path
from types import FunctionType, MappingProxyType, ModuleType
from typing import get_type_hints

from sercl import plugins
from sercl.corpora import cremad, esd, iemocap, pavoque, ravdess, zed
from sercl.corpora.base import Corpus, CorpusInfo, Listing
from sercl.corpora.labelled import LABELLED, LabelTable, read_labelled
from sercl.corpora.labels import EMOTIONS
from sercl.corpora.patterned import Pattern, read_pattern, unique_listing
from sercl.corpora.patterns import PATTERNS
from sercl.errors import CorpusError, UnknownNameError, UsageError, plain_name, same_name
from sercl.plugins import Registry
from sercl.type_hints import fits, plain_type

_READERS = tuple(Corpus(module.INFO, module.read) for module in (esd, pavoque, iemocap, zed, ravdess, cremad))
_PATTERNED = tuple(Corpus(pattern.info, partial(read_pattern, pattern)) for pattern in PATTERNS)

BUILT_IN: Mapping[str, Corpus] = MappingProxyType(
    {corpus.info.name: corpus for corpus in (*_READERS, *_PATTERNED, *LABELLED)}
)
"""The corpora that sercl reads itself, by name."""

OTHER_DATA = ("Manifest", "HuggingFace", "Corpora", "LanguagePair", "Diarization")
"""What `--data` takes besides registered corpora; no corpus can have such a name."""

COMMON_OPTIONS = ("root", "labels", "on_error", "folds", "loader", "augment", "where")
"""Options that every corpus has; no reader's own option can have such a name."""


def adopt_corpus(name: str, thing: object) -> Corpus:
    """Return the corpus that an entry point or `register` gives.

    Args:
        name: The name that it gets.
        thing: A `Corpus`, `Pattern` or `LabelTable`, or a module with `INFO` and `read`.

    Raises:
        UsageError: For anything else, or for facts or options that no corpus can have.
    """
    corpus = _corpus_of(thing)
    _check_facts(name, corpus.info)
    _check_options(corpus)
    return corpus if isinstance(thing, Pattern | LabelTable) else Corpus(corpus.info, _normal(corpus))


def _corpus_of(thing: object) -> Corpus:
    match thing:
        case Corpus():
            return thing
        case Pattern():
            return Corpus(thing.info, partial(read_pattern, thing))
        case LabelTable():
            return Corpus(thing.info, partial(read_labelled, thing))
        case ModuleType() if callable(getattr(thing, "read", None)) and hasattr(thing, "INFO"):
            return Corpus(thing.INFO, thing.read)
    raise UsageError(
        f"it must be a Corpus, Pattern or LabelTable, or a module with INFO and read, but is {thing!r:.80}"
    )


def _check_facts(name: str, info: object) -> None:
    if not isinstance(info, CorpusInfo):
        raise UsageError(f"its info must be a CorpusInfo, but is {info!r:.80}")
    if info.name != name:
        raise UsageError(f"its name is {info.name!r}; give the entry the same name")
    if not name.isidentifier() or same_name(name, OTHER_DATA):
        raise UsageError(f"{name!r} cannot name a corpus; valid: letters and digits, none of {OTHER_DATA}")
    if unknown := set(info.emotions) - set(EMOTIONS):
        raise UsageError(f"its emotions {sorted(unknown)} are not known; valid: {', '.join(EMOTIONS)}")


def _check_options(corpus: Corpus) -> None:
    for option in reader_parameters(corpus):
        if option.name in COMMON_OPTIONS:
            raise UsageError(f"its option {option.name!r} has a name that every corpus's options have")
        if option.default is option.empty or option.annotation is option.empty:
            raise UsageError(f"its option {option.name!r} must have a type and a default")


def _normal(corpus: Corpus) -> Callable[..., Listing]:
    """Return a reader whose listings are in normal form: names spelt one way, ids unique and in order."""

    @wraps(corpus.read)
    def read(root: Path, **options: object) -> Listing:
        listing = corpus.read(root, **options)
        name = corpus.info.name
        if not isinstance(listing, Listing):
            raise CorpusError(f"{name}: its reader must return a Listing, but returned {listing!r:.80}")
        for item in listing.utterances:
            if item.emotion not in EMOTIONS:
                raise CorpusError(
                    f"{name}: its reader gives {item.path} the unknown emotion {item.emotion!r}. Valid: "
                    f"{', '.join(EMOTIONS)}."
                )
        made = unique_listing(listing.utterances, listing.problems)
        notes = (*listing.notes, *made.notes)
        return replace(listing, utterances=made.utterances, problems=made.problems, notes=notes)

    return read


CORPORA: Registry[Corpus] = Registry("corpus", plugins.CORPORA, adopt_corpus, BUILT_IN, plain_name)
"""Registered corpora by their names; case, punctuation and accents do not matter ("emo-db" is "EmoDB")."""


def register(corpus: Corpus | Pattern | LabelTable) -> None:
    """Add a corpus of your own to this process; its DataModule is then in `sercl.data.datamodules`.

    Args:
        corpus: Its facts and its reader, whose options have types and defaults.

    Raises:
        UsageError: For a name that there is already, or for facts or options that no corpus can have.
    """
    CORPORA.register(_name_of(corpus), corpus)


def _name_of(corpus: object) -> str:
    info = getattr(corpus, "info", None)
    return info.name if isinstance(info, CorpusInfo) else f"{corpus!r:.80}"


def get_corpus(name: str) -> Corpus:
    """Return a registered corpus.

    Args:
        name: Its name; case, punctuation and accents do not matter ("emo-db" is "EmoDB").

    Raises:
        UnknownNameError: For a name that is not registered.
        PluginError: For a corpus of an installed package that cannot be used.
    """
    if name in CORPORA:
        return CORPORA[name]
    hint = "Any other corpus can be read from a manifest (CSV, TSV, JSONL, Parquet)."
    raise UnknownNameError("corpus", name, CORPORA.names(), hint)


def reader_options(name: str) -> dict[str, object]:
    """Return the options of a corpus's own reader, with their defaults."""
    return {option.name: option.default for option in reader_parameters(get_corpus(name))}


def reader_parameters(corpus: Corpus) -> list[inspect.Parameter]:
    """Return the options of a corpus's own reader, with their types and defaults."""
    types = get_type_hints(inspect.unwrap(corpus.read)) if isinstance(corpus.read, FunctionType) else {}
    return [item.replace(annotation=types.get(item.name, item.annotation)) for item in _parameters(corpus)]


def _parameters(corpus: Corpus) -> list[inspect.Parameter]:
    return [item for item in inspect.signature(corpus.read).parameters.values() if item.name != "root"]


def read_corpus(name: str, root: Path | str, **options: object) -> Listing:
    """List a registered corpus.

    Args:
        name: Corpus name, as for `get_corpus`.
        root: Its folder.
        **options: Options of that corpus's reader (ESD: `language`; PAVOQUE: `outtakes`; RAVDESS: `channel`).

    Raises:
        UnknownNameError: For a corpus that is not registered, or an option that its reader does not have.
        UsageError: For an option of another type.
        CorpusNotFoundError: If the folder does not hold this corpus.
        CorpusError: If one of its label files cannot be read at all.
    """
    corpus = get_corpus(name)
    check_reader_options(corpus, options)
    return corpus.read(Path(root), **options)


def check_reader_options(corpus: Corpus, options: Mapping[str, object]) -> None:
    """Check the options of a corpus's own reader before it is called.

    Args:
        corpus: The corpus.
        options: Option -> value.

    Raises:
        UnknownNameError: For an option that the reader does not have.
        UsageError: For a value of another type.
    """
    types = {item.name: item.annotation for item in reader_parameters(corpus)}
    for option, value in options.items():
        if option not in types:
            raise UnknownNameError(f"option of {corpus.info.name}", option, types or ["none"])
        if not fits(value, types[option]):
            valid = plain_type(str(types[option]))
            raise UsageError(f"{corpus.info.name}: {option} {value!r} is not valid. Valid: {valid}.")
