"""Whether plain data fits the type of an option, and what messages call the type."""

import types
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec

_PLAIN = (bool, int, float, str, list, dict, type(None))
_UNIONS = (Union, types.UnionType)
_SEQUENCES = (Sequence, Iterable)
_NAMES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "NoneType": "null",
    "Path": "a path",
    "dict": "a map",
    "list": "a list",
    "tuple": "a list such as [0,1]",
}


def plain_type(text: str) -> str:
    """Describe a type: `<class 'int'>` is "a whole number", `typing.Literal['a', 'b']` "'a' or 'b'"."""
    text = text.removeprefix("typing.").removeprefix("<class '").removesuffix("'>")
    if text.startswith("dict["):
        return "a map"
    if text.startswith("Literal["):
        return text[len("Literal[") : -1].replace(", ", " or ")
    name = text.rsplit(".", maxsplit=1)[-1]
    return _NAMES.get(name, text)


def fits(value: Any, hint: Any) -> bool:
    """Return whether plain data fits a type; anything fits a class that is not plain data, such as a path."""
    try:
        msgspec.convert(value, _of_plain_data(hint))
    except msgspec.ValidationError:
        return False
    except TypeError:  # a type that msgspec does not know: plain data may be right
        return isinstance(value, _PLAIN)
    return True


def _of_plain_data(hint: Any) -> Any:
    """Return a type without what is not plain data: `float | Tensor` is float, `Path` is anything."""
    origin: Any = get_origin(hint)
    inner = get_args(hint)
    if origin in _UNIONS:
        known = {each for each in map(_of_plain_data, inner) if each is not Any}
        return Union[tuple(known)] if known - {type(None)} and Any not in inner else Any  # noqa: UP007
    if inner and origin in (tuple, list, set, dict, *_SEQUENCES):
        return origin[tuple(each if each is ... else _of_plain_data(each) for each in inner)]
    is_other = isinstance(hint, type) and hint not in (*_PLAIN, tuple, set)
    return Any if is_other else hint


def hints_of(kind: Callable[..., Any]) -> dict[str, Any]:
    """Return argument -> its type, of a class or function; none if they cannot be read."""
    called: Any = kind
    try:
        return get_type_hints(called.__init__ if isinstance(kind, type) else called)
    except (NameError, TypeError, AttributeError):  # some only exist for type checkers
        return {}
