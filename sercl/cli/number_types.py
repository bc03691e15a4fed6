"""Types of options in which a whole number and a fraction mean different things."""

import types
from typing import Any, Union, get_args, get_origin

_UNIONS = (Union, types.UnionType)
_CONTAINERS = (list, tuple, dict, set)


def int_first(hint: Any) -> Any:
    """Return a type in which int comes before float in every union, so that `1` is read as an int.

    Parsers try the members of a union in order, and the order in `Optional[Union[int, float]]` is that of
    whichever module was imported first: of unions that it holds equal, typing keeps one.

    Args:
        hint: A type, or a type hint.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin not in (*_UNIONS, *_CONTAINERS):
        return hint
    inner = [int_first(argument) for argument in arguments]
    if origin in _UNIONS and {int, float} <= set(inner):
        first, second = sorted((inner.index(int), inner.index(float)))
        inner[first], inner[second] = int, float
    if all(new is old for new, old in zip(inner, arguments, strict=True)):
        return hint
    # Of a tuple, typing keeps the order.
    return Union[tuple(inner)] if origin in _UNIONS else origin[tuple(inner)]  # noqa: UP007
