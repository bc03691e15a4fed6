"""The names of `sercl` itself: found, listed, typed, and loaded at first use."""

import ast
from pathlib import Path

import pytest

import sercl

SOURCE = Path(sercl.__file__).read_text(encoding="utf-8")


def test_every_public_name_is_found_and_documented() -> None:
    assert dir(sercl) == sorted(sercl.__all__)
    for name in sercl.__all__:
        assert getattr(sercl, name).__doc__, name


def test_types_and_homes_agree() -> None:
    imports = [node for node in ast.walk(ast.parse(SOURCE)) if isinstance(node, ast.ImportFrom)]
    typed = {alias.name: node.module for node in imports for alias in node.names}
    assert typed.items() >= sercl._HOMES.items()
    assert sorted([*sercl._HOMES, "__version__"]) == sercl.__all__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'sercl' has no attribute 'lode'"):
        sercl.lode  # noqa: B018
