import subprocess
import sys

import pytest

from sercl import plugins
from sercl.errors import PluginError, SerclWarning, UsageError
from sercl.plugins import SCORES, Registry, adopt_named, modules
from tests.packages import find_packages, install


class Thing:
    def __init__(self, name):
        self.name = name


def registry(**options):
    return Registry("score", SCORES, adopt_named(Thing), {"a": Thing("a"), "b": Thing("b")}, **options)


THINGS = """
from tests.test_plugins import Thing
c, own, wrong, other = Thing("c"), Thing("a"), 3, Thing("else")
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    points = {"z": "lab.things:z", "c": "lab.things:c", "a": "lab.things:own", "broken": "lab.absent:x",
              "wrong": "lab.things:wrong", "other": "lab.things:other"}  # fmt: skip
    install(tmp_path, "mylab", {SCORES: points}, {"lab/things.py": THINGS})
    find_packages(monkeypatch, tmp_path)
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "lab"]:
        del sys.modules[name]


def test_names_are_known_without_an_import(package):
    found = registry()
    assert found.names() == ["a", "b", "broken", "c", "other", "wrong", "z"]
    assert [name in found for name in ("a", "c", "broken", "d")] == [True, True, True, False]
    assert found.plugin("a") is None
    assert str(found.plugin("c")) == "mylab 1.0"
    assert modules() == ("lab",)
    assert "lab" not in sys.modules


def test_a_look_up_imports_one_package(package):
    assert registry()["c"].name == "c"
    assert registry()["b"].name == "b"
    with pytest.raises(KeyError):
        registry()["d"]
    assert registry().get("d") is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("broken", "ModuleNotFoundError: No module named 'lab.absent'. Upgrade or fix"),
        ("wrong", "it must be of the class Thing, but is of int"),
        ("other", "its name is 'else'"),
        ("z", "AttributeError"),
    ],
)
def test_an_unusable_one_is_an_error_when_it_is_named(package, name, reason):
    with pytest.raises(PluginError) as error:
        registry()[name]
    message = str(error.value)
    assert message.startswith(f"score '{name}' (sercl.scores: lab.")
    assert f"of the package mylab 1.0 cannot be used: {reason}" in message
    assert message.endswith("pip uninstall mylab")


def test_unusable_ones_are_left_out_with_a_warning(package):
    with pytest.warns(SerclWarning) as warned:
        found = list(registry())
    assert found == ["a", "b", "c"]
    assert len(warned) == 5


def test_a_name_of_sercl_stays_its_own(package):
    own = registry()
    with pytest.warns(
        SerclWarning,
        match="score 'a' .* another score has this name and is used. Give its entry point another name",
    ):
        assert own["a"] is own._entries["a"]


def test_one_name_in_two_packages_is_in_neither(package, tmp_path, monkeypatch):
    install(tmp_path / "other", "theirlab", {SCORES: {"C": "lab.things:c"}})
    find_packages(monkeypatch, tmp_path / "other")
    found = registry(key=str.lower)
    assert found.find("C") in found.names()
    with pytest.raises(PluginError, match=r"(mylab|theirlab) 1\.0 adds one of this name, too"):
        found["c"]


def test_a_registered_one_comes_before_those_of_packages(package):
    found = registry()
    found.register("new", Thing("new"))
    with pytest.warns(SerclWarning):
        assert list(found) == ["a", "b", "new", "c"]
    for taken in ("new", "a", "c"):
        with pytest.raises(UsageError, match=f"score {taken!r} is registered already"):
            found.register(taken, Thing(taken))
    for thing, reason in (
        (3, "must be of the class Thing, but is of int"),
        (Thing("else"), "its name is 'else'"),
    ):
        with pytest.raises(UsageError, match=f"score 'more': .*{reason}"):
            found.register("more", thing)
    assert "more" not in found


def test_an_import_that_asks_for_itself_ends(tmp_path, monkeypatch):
    text = "from tests.test_plugins import Thing, LOOP\nseen = 'x' in LOOP, [*LOOP]\nx = Thing('x')\n"
    install(tmp_path, "loop", {SCORES: {"x": "looping:x"}}, {"looping.py": text})
    find_packages(monkeypatch, tmp_path)
    with pytest.warns(SerclWarning, match="its import asks for itself"):
        assert LOOP["x"].name == "x"


LOOP = registry()


def test_an_entry_point_into_sercl_allows_nothing_of_it(tmp_path, monkeypatch):
    points = {"one": "sercl.models.encoders:Wav2Vec2Encoder.of", "two": "my_lab.encoders:two", "odd": "a b:c"}
    install(tmp_path, "mylab", {plugins.ENCODERS: points})
    find_packages(monkeypatch, tmp_path)
    assert modules() == ("my_lab",)


def test_without_packages_there_is_what_sercl_has():
    code = "from sercl.plugins import installed; import sys; print(installed(), 'torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "() False\n"


@pytest.mark.parametrize("damage", [b"\xff", b"a line without a value\n"])
def test_a_package_with_damaged_metadata_adds_nothing_and_harms_no_other(tmp_path, monkeypatch, damage):
    install(tmp_path, "whole", {SCORES: {"x": "whole:x"}})
    install(tmp_path, "damaged", {SCORES: {"y": "damaged:y"}})
    with (tmp_path / "damaged-1.0.dist-info" / "entry_points.txt").open("ab") as file:
        file.write(damage)
    with pytest.warns(SerclWarning, match="^damaged in .* pip install --force-reinstall damaged$"):
        find_packages(monkeypatch, tmp_path)
    assert "x" in registry().names()
    assert "y" not in registry().names()


def test_a_package_whose_name_cannot_be_read_is_used_without_it(tmp_path, monkeypatch):
    install(tmp_path, "damaged", {SCORES: {"x": "damaged:x"}})
    (tmp_path / "damaged-1.0.dist-info" / "METADATA").write_bytes(b"Name: \xff")
    find_packages(monkeypatch, tmp_path)
    assert str(registry().plugin("x")).startswith("an unnamed package")
