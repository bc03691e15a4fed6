"""The arguments of `sercl diarize fit` and `evaluate` in the form that the parsers accept."""

from argparse import ArgumentParser
from collections.abc import Iterator, Sequence

from sercl.errors import UsageError, same_name

_OF_CLIPS = ("clips", "loader", "augment")
"""Options of the clips; all others after `--data` belong to a corpus."""

UNCOVERED = ("neutral", "error")
"""As in `metrics.functional.eder`, which imports torch."""

_DATA, _CORPORA = "--data", "--data.corpora"
_SEVERAL = "Corpora"
"""The data module of several corpora as one."""


def with_clips(words: Sequence[str]) -> list[str]:
    """Make `--data NAME` name a corpus to build clips from; each further `--data NAME` adds one.

    `--data EmoDB --data.root emodb` becomes `--data Diarization --data.corpora+=EmoDB --data.corpora.root
    emodb`. Arguments that name `Diarization` themselves are unchanged. After `--data Corpora`,
    `--data.corpora` is an option of this one.

    Args:
        words: Arguments of the command line.

    Raises:
        UsageError: For `--data` without a name.
    """
    chosen = [value for name, value in _options(words) if name == _DATA]
    if not chosen or "Diarization" in {value.rpartition(".")[2] for value in chosen}:
        return list(words)
    return [_DATA, "Diarization", *_rewritten(words)]


def evaluated_data(words: Sequence[str]) -> list[str]:
    """Return the arguments of `diarize evaluate`; with clip options, `--data` names the corpus of clips.

    Args:
        words: Arguments of the command line.

    Raises:
        UsageError: As `with_clips`.
    """
    return with_clips(words) if any(word.startswith("--data.clips") for word in words) else list(words)


def add_uncovered(parser: ArgumentParser) -> None:
    """Add the option for how time without a hypothesis segment is counted."""
    parser.add_argument(
        "--uncovered",
        choices=UNCOVERED,
        default=UNCOVERED[0],
        help="How time without a hypothesis segment counts: as neutral, or as an error as in SpeechBrain.",
    )


def _rewritten(words: Sequence[str]) -> Iterator[str]:
    following, chosen = iter(words), ""
    for word in following:
        name, sign, value = word.partition("=")
        if name == _DATA:
            chosen = value if sign else next(following)
            yield f"{_CORPORA}+={chosen}"
        elif name.startswith(f"{_DATA}.") and _is_of_corpus(name.split(".")[1].rstrip("+"), chosen):
            yield f"{_CORPORA}{name.removeprefix(_DATA)}{sign}{value}"
        else:
            yield word


def _is_of_corpus(option: str, chosen: str) -> bool:
    """Whether an option after `--data.` is one of the corpus that was named last, and not of the clips."""
    if option == "corpora":
        return same_name(chosen.rpartition(".")[2], [_SEVERAL]) is not None
    return option not in (*_OF_CLIPS, "help")


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    for index, word in enumerate(words):
        name, sign, value = word.partition("=")
        if name == _DATA and not sign:
            if index + 1 == len(words):
                raise UsageError("--data needs the name of a corpus, such as --data EmoDB.")
            value = words[index + 1]
        yield name, value
