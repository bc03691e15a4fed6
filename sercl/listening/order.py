"""The order in which each listener hears a test: practice, then the blocks. No torch.

Every choice is made by SHA-256 of the seed and what is chosen, not by a random generator, whose numbers may
change with its version: listener 7 of a test gets the same order for ever, on every machine.
"""

import hashlib
from collections.abc import Iterable, Sequence

from sercl.errors import UnknownNameError, UsageError
from sercl.listening.protocol import ATTENTION, ITEM, PRACTICE, REPEAT, Protocol

RANDOM, LATIN_SQUARE = METHODS = ("random", "latin-square")
_LONGEST_GAP = 8
"""Items between an item and its repeat, where the block has as many."""


def check_method(name: str) -> None:
    """Raise `UnknownNameError` for a method that does not exist."""
    if name not in METHODS:
        raise UnknownNameError("order", name, METHODS)


def presentation(protocol: Protocol, listener: int) -> tuple[str, ...]:
    """Return the keys of all items in the order of a listener.

    Args:
        protocol: The test.
        listener: Number of the listener, from 0, in order of enrolment.

    Raises:
        UsageError: For a negative number.
    """
    return tuple(key for _, keys in presented_blocks(protocol, listener) for key in keys)


def presented_blocks(protocol: Protocol, listener: int) -> list[tuple[str, tuple[str, ...]]]:
    """Return the blocks in the order of a listener, each with its keys; that of the practice is first."""
    if listener < 0:
        raise UsageError(f"listener {listener}: listeners are numbered from 0.")
    practice = shuffled([item.key for item in protocol.of(PRACTICE)], protocol.seed, "practice")
    names = [block.name for block in protocol.blocks]
    blocks = [(name, block_order(protocol, name, listener)) for name in _arranged(protocol, names, listener)]
    return [(PRACTICE, tuple(practice)), *blocks] if practice else blocks


def block_order(protocol: Protocol, block: str, listener: int) -> tuple[str, ...]:
    """Return the keys of a block in the order of a listener.

    Repeats come at least `gap` items after what they repeat, attention checks at even distances.
    """
    seed = protocol.order.seed
    keys = _arranged(protocol, [item.key for item in protocol.of(ITEM, block)], listener)
    repeats = {item.key: str(item.repeats) for item in protocol.of(REPEAT, block)}
    whole = _with_repeats(keys, repeats, f"{seed} {listener}")
    checks = shuffled([item.key for item in protocol.of(ATTENTION, block)], seed, f"{listener} checks")
    return tuple(_spread(whole, checks))


def _arranged(protocol: Protocol, names: Sequence[str], listener: int) -> list[str]:
    order = protocol.order
    if order.method == RANDOM:
        return shuffled(names, order.seed, str(listener))
    base = shuffled(names, order.seed, "square")
    return [base[index] for index in square_row(len(base), listener)]


def square_row(size: int, row: int) -> list[int]:
    """Return a row of the balanced Latin square of Williams (1949), as indices.

    In `size` consecutive rows each index is in each position once; in all rows (`size` of them, twice as many
    if it is odd) each follows each other one equally often.

    Args:
        size: Number of conditions.
        row: From 0; rows repeat after `square_rows(size)`.
    """
    if size == 0:
        return []
    turn = row % square_rows(size)
    zigzag = [(step + 1) // 2 if step % 2 else (size - step // 2) % size for step in range(size)]
    found = [(index + turn) % size for index in zigzag]
    return found[::-1] if turn >= size else found


def square_rows(size: int) -> int:
    """Return the number of different rows of the square: `size`, or twice that if it is odd."""
    return size if size % 2 == 0 else 2 * size


def shuffled(names: Iterable[str], seed: int, purpose: str) -> list[str]:
    """Return names in an order that depends on nothing but their set, the seed and the purpose."""
    return sorted(names, key=lambda name: draw(seed, purpose, name))


def draw(*parts: object) -> str:
    """Return a hexadecimal SHA-256 of some values: the same for the same values, else unpredictable."""
    text = "\x1f".join(map(str, parts))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def gap(items: int, repeats: int) -> int:
    """Return how many items are at least between an item and its repeat, in a block of so many."""
    return min(_LONGEST_GAP, max(0, min(items - 1, repeats - 1)))


def _with_repeats(keys: Sequence[str], repeats: dict[str, str], draws: str) -> list[str]:
    """Insert each repeat somewhere after its item, or all at the end where one would follow too soon."""
    spread, tail = list(keys), []
    least = gap(len(keys), len(repeats))
    in_order = sorted(repeats, key=lambda key: keys.index(repeats[key]))
    for key in in_order:
        first = spread.index(repeats[key]) + 1 + least
        if first > len(spread) - 1:
            tail.append(key)
        else:
            spread.insert(first + int(draw(draws, key), 16) % (len(spread) - first + 1), key)
    spread += tail
    soonest = min((spread.index(key) - spread.index(repeats[key]) for key in repeats), default=least + 1)
    return spread if soonest > least else [*keys, *in_order]


def _spread(keys: Sequence[str], checks: Sequence[str]) -> list[str]:
    """Insert attention checks at even distances."""
    whole = list(keys)
    for number in range(len(checks), 0, -1):
        whole.insert(number * len(keys) // (len(checks) + 1), checks[number - 1])
    return whole
