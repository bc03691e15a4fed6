"""The table of adapter methods, and the names that stand for combinations of them."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sercl.errors import UnknownNameError, UsageError
from sercl.models.adapters.base import BlockAdapter

ALONE = ("none", "full")
"""Choices that are no adapter: a frozen encoder, and training the encoder itself."""


@dataclass(frozen=True)
class Method:
    """A registered adapter method.

    Attributes:
        name: What the user writes.
        config: Frozen dataclass of its options, with the default of each.
        build: Called as `build(hidden_size, config)`, once per block.
    """

    name: str
    config: type[Any]
    build: Callable[[int, Any], BlockAdapter]


METHODS: dict[str, Method] = {}
"""Every adapter method by name, in the order in which a combination attaches them."""


def register(name: str, config: type[Any], build: Callable[[int, Any], BlockAdapter]) -> None:
    """Add an adapter method.

    Args:
        name: What the user writes; letters only.
        config: Frozen dataclass of its options.
        build: Class or function that makes the adapter of one block from its width and a `config`.

    Raises:
        ValueError: For a name that is taken or is not made of letters.
    """
    if name in METHODS or name in ALONE or not name.isalpha():
        raise ValueError(
            f"adapter {name!r} is already registered or not a valid name; registered: {', '.join(METHODS)}"
        )
    METHODS[name] = Method(name, config, build)


def parse_adapter(spec: str) -> tuple[str, ...]:
    """Return the adapter methods that `spec` names, in the order in which they are attached.

    Args:
        spec: "none"; "full"; or registered methods joined by "+" in any order ("lora+bottleneck+gating").

    Returns:
        () for "none", ("full",) for "full", else the methods.

    Raises:
        UnknownNameError: For a name that is not registered.
        UsageError: For a method named twice, or "none" or "full" beside another.
    """
    names = [name.strip() for name in spec.split("+")]
    for name in names:
        if name not in METHODS and name not in ALONE:
            raise UnknownNameError("adapter", name, [*ALONE, *METHODS], "Join several by '+'.")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UsageError(f"adapter {spec!r}: {twice[0]!r} appears twice; name each method once.")
    if len(names) > 1 and set(names) & set(ALONE):
        raise UsageError(
            f"adapter {spec!r}: 'none' and 'full' cannot be combined; only {', '.join(METHODS)} can be "
            f"joined."
        )
    return ("full",) if names == ["full"] else tuple(name for name in METHODS if name in names)
