"""Options as words of a command line: one spelling, and none that is given twice with different values."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sercl.errors import UsageError

FLAG, VALUE, LIST, CLASS, FILES = "flag", "value", "list", "class", "files"
"""Kinds of options: without a value; with one; with several; a class with options of its own; `-c`."""

Kinds = Mapping[str, str]
"""Long option -> its kind."""


@dataclass(frozen=True)
class Given:
    """An option on a command line.

    Attributes:
        option: Its long name as the parser has it, without `+` and the levels `init_args`.
        value: Its value, None where it has none.
        adds: Whether it adds to a list (`--x+=1`).
        place: Position of the word.
    """

    option: str
    value: str | None
    adds: bool
    place: int


def canonical(words: Sequence[str], kinds: Kinds) -> list[str]:
    """Return the words with every option spelt as the parser has it: `-` and `_` are the same in a name.

    Args:
        words: A command line.
        kinds: The options of the command.
    """
    spellings = {name.replace("_", "-"): name for name in kinds}
    end = words.index("--") if "--" in words else len(words)
    return [*(_spelt(word, spellings) for word in words[:end]), *words[end:]]


def given(words: Sequence[str], kinds: Kinds) -> Iterator[Given]:
    """Yield the options of a command line, up to a bare `--`."""
    for place, word in enumerate(words):
        if word == "--":
            return
        if not word.startswith("--"):
            continue
        name, sign, value = word.partition("=")
        option = plain(name)
        follows = not sign and place + 1 < len(words) and kinds.get(option) != FLAG
        found = value if sign else words[place + 1] if follows else None
        yield Given(option, found, name.endswith("+"), place)


def plain(name: str) -> str:
    """Return the name of an option without `+` and the levels that classes add."""
    return name.removesuffix("+").replace(".init_args.", ".").replace(".dict_kwargs.", ".")


def check_repeats(words: Sequence[str], kinds: Kinds) -> None:
    """Raise `UsageError` for an option of one value that is given twice with different values.

    What adds to a list (`--x+=1`) may repeat, with the options of each of its items, and so may `-c`.
    """
    seen: dict[str, str | None] = {}
    lists: list[str] = []
    for word in given(words, kinds):
        if word.adds:
            lists.append(f"{word.option}.")
        repeats = word.adds or kinds.get(word.option) in (FILES, FLAG) or word.option.startswith(tuple(lists))
        if repeats:
            continue
        if word.option in seen and seen[word.option] != word.value:
            more = f" To give several: {word.option}+=VALUE." if kinds.get(word.option) == LIST else ""
            raise UsageError(
                f"{word.option} is given twice, with {seen[word.option]!r} and {word.value!r}. "
                f"Give it once.{more}"
            )
        seen[word.option] = word.value


def _spelt(word: str, spellings: Mapping[str, str]) -> str:
    name, sign, value = word.partition("=")
    if name == "-c" and "--config" in spellings:
        return "--config" + sign + value
    if not word.startswith("--") or name in spellings.values():
        return word
    plus = "+" * name.endswith("+")
    same = name.removesuffix("+").replace("_", "-")
    if same in spellings:
        return spellings[same] + plus + sign + value
    parts = name.split(".")  # of a class: its parameters have names of Python
    return ".".join([parts[0], *(part.replace("-", "_") for part in parts[1:])]) + sign + value
