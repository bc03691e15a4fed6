"""The arguments of `sercl listen build` in the form that its parser accepts."""

from collections.abc import Sequence

_DATA, _CORPORA = "--data", "--data.corpora"
_SHARED = ("labels", "loader", "augment", "weights")
"""Options that several corpora share."""


def with_corpora(words: Sequence[str]) -> list[str]:
    """Make several `--data NAME`, each followed by its own options, one `--data Corpora`.

    `--data A --data.root x --data B --data.root y` becomes `--data Corpora --data.corpora+=A
    --data.corpora.root x --data.corpora+=B --data.corpora.root y`. They share labels and loader.

    Args:
        words: Arguments of the command line.
    """
    starts = [word for word in words if word.partition("=")[0] == _DATA]
    return list(words) if len(starts) < 2 else [_DATA, "Corpora", *_joined(words)]


def _joined(words: Sequence[str]) -> list[str]:
    found: list[str] = []
    names_next = False
    for word in words:
        name, sign, value = word.partition("=")
        if names_next:
            found.append(f"{_CORPORA}+={word}")
            names_next = False
        elif name == _DATA:
            names_next = not sign
            found += [f"{_CORPORA}+={value}"] if sign else []
        elif name.startswith(f"{_DATA}.") and name.split(".")[1] not in (*_SHARED, "corpora", "help"):
            found.append(f"{_CORPORA}{name.removeprefix(_DATA)}{sign}{value}")
        else:
            found.append(word)
    return found
