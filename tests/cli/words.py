"""Words of command lines, as tests put them together."""

from collections.abc import Sequence


def replaced(words: Sequence[str], option: str, value: str) -> list[str]:
    """Return the words with another value of an option, which may not be given twice, or with it added."""
    if option not in words:
        return [*words, option, value]
    place = list(words).index(option) + 1
    return [*words[:place], value, *words[place + 1 :]]
