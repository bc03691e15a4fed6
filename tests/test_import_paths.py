"""Classes that users name by import path: of allowed packages only, with checked arguments."""

import sys

import pytest

from sercl import imports
from sercl.errors import ImportNotAllowedError, UnknownNameError, UsageError
from sercl.imports import ClassSpec, find_class


class Head:
    def __init__(self, dim, classes, width=3, *, bias):
        pass


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A module of the user's that says when it is imported."""
    (tmp_path / "mymodule.py").write_text("IMPORTED = True\nclass Model: pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(imports, "_allowed", set())
    yield "mymodule"
    sys.modules.pop("mymodule", None)


def test_a_package_that_is_not_allowed_is_not_imported(mine, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["sercl fit"])
    with pytest.raises(ImportNotAllowedError, match=r"SERCL_ALLOW_IMPORTS=mymodule sercl fit \.\.\."):
        find_class("mymodule.Model", "--model")
    assert "mymodule" not in sys.modules


def test_a_package_that_is_not_installed_is_said_so(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["sercl fit"])
    with pytest.raises(ImportNotAllowedError, match=r"'nowhere', which is not installed here.*install it"):
        find_class("nowhere.Model", "--model")


def test_an_allowed_one_is_and_the_variable_allows_packages(mine, monkeypatch):
    monkeypatch.setenv("SERCL_ALLOW_IMPORTS", "other, mymodule")
    assert find_class("mymodule.Model", "--model").__name__ == "Model"
    said = r"--model: there is no class 'Modle' in mymodule\. Did you mean 'Model'\? Valid: Model\."
    with pytest.raises(UsageError, match=said):
        find_class("mymodule.Modle", "--model")
    with pytest.raises(UsageError, match="It has no subclass of Head"):
        find_class("mymodule.Modle", "--model", Head)


def test_a_name_that_only_begins_like_an_allowed_one_is_not_allowed(mine):
    imports.allow("mymod")
    with pytest.raises(ImportNotAllowedError):
        find_class("mymodule.Model", "--model")


def test_a_missing_module_says_how_to_find_it(mine):
    imports.allow("nowhere")
    with pytest.raises(UsageError, match=r"no module 'nowhere'.*PYTHONPATH"):
        find_class("nowhere.Model", "--model")
    with pytest.raises(UsageError, match="is not an import path"):
        find_class("Model", "--model")


@pytest.mark.parametrize(
    "value",
    [
        {"class_path": "a.B", "init_args": {"x": 1}},
        {"class_path": "a.B", "x": 1},
    ],
)
def test_a_spec_is_a_name_or_a_class_path_with_arguments(value):
    assert ClassSpec.of(value, "model.head") == ClassSpec("a.B", {"x": 1})
    assert ClassSpec.of("linear", "model.head") == ClassSpec("linear")


@pytest.mark.parametrize(
    "value", [3, {"init_args": {}}, {"class_path": 3}, {"class_path": "a", "init_args": 3}]
)
def test_anything_else_is_refused(value):
    with pytest.raises(UsageError, match=r"--model.head: .*class_path"):
        ClassSpec.of(value, "model.head")


def test_unknown_and_missing_arguments_are_named():
    two = ("a width", "a number")
    ClassSpec("Head", {"bias": 1, "width": 2}).check(Head, "model.head", two)
    with pytest.raises(UnknownNameError, match=r"argument of --model.head Head 'widht'.*Valid: width, bias"):
        ClassSpec("Head", {"bias": 1, "widht": 2}).check(Head, "model.head", two)
    with pytest.raises(UnknownNameError, match="'dim'"):
        ClassSpec("Head", {"bias": 1, "dim": 2}).check(Head, "model.head", two)
    with pytest.raises(UsageError, match=r"missing: bias"):
        ClassSpec("Head").check(Head, "model.head", two)
