"""Corpora that are added: in the process, or by an installed package."""

import gc
import inspect
import sys
from dataclasses import replace
from typing import Literal

import pytest

from sercl import plugins
from sercl.corpora import ravdess
from sercl.corpora.base import Corpus, Listing, Utterance
from sercl.corpora.labelled import NEMO
from sercl.corpora.patterns import PATTERNS
from sercl.corpora.registry import (
    BUILT_IN,
    COMMON_OPTIONS,
    CORPORA,
    OTHER_DATA,
    adopt_corpus,
    get_corpus,
    read_corpus,
    reader_options,
    register,
)
from sercl.data import datamodules
from sercl.data.datamodules import CorpusDataModule
from sercl.errors import CorpusError, PluginError, SerclWarning, UsageError
from sercl.testing.corpora import fake_corpus
from tests.packages import find_packages, install

INFO = replace(ravdess.INFO, name="Lab")


def read(root, emotion: str = "happy", most: int = 3):
    """List Lab.

    Args:
        root: Its folder.
        emotion: What everybody
            feels.
        most: Number of utterances.
    """
    names = [f"{place}" for place in reversed(range(most))]
    return Listing(tuple(Utterance(name, root / name, emotion, "Lab", speaker=f" a{name}") for name in names))


@pytest.fixture
def own(monkeypatch):
    monkeypatch.setattr(CORPORA, "_entries", dict(CORPORA._entries))
    monkeypatch.setattr(CORPORA, "_loaded", {})
    monkeypatch.setattr(CORPORA, "_warned", set())
    yield
    datamodules._made.cache_clear()
    gc.collect()  # parsers of later tests find every class that is still alive


def test_a_registered_corpus_is_read_in_normal_form(own, tmp_path):
    register(Corpus(INFO, read))
    assert get_corpus("lab").info is INFO
    assert reader_options("Lab") == {"emotion": "happy", "most": 3}
    listing = read_corpus("Lab", tmp_path, most=2)
    assert [(item.id, item.speaker) for item in listing.utterances] == [("0", "a0"), ("1", "a1")]
    with pytest.raises(UsageError, match="corpus 'Lab' is registered already"):
        register(Corpus(INFO, read))
    assert list(CORPORA)[: len(BUILT_IN)] == list(BUILT_IN)


def test_there_is_no_fake_of_it(own, tmp_path):
    register(Corpus(INFO, read))
    with pytest.raises(UsageError, match="own corpora only, not of 'Lab'"):
        fake_corpus("lab", tmp_path)


def test_its_data_module_has_the_options_of_its_reader(own, tmp_path):
    register(Corpus(INFO, read))
    kind = datamodules.Lab
    assert issubclass(kind, CorpusDataModule)
    assert kind is datamodules.Lab
    assert [*inspect.signature(kind).parameters][:4] == ["root", "emotion", "most", "labels"]
    assert "emotion: What everybody feels." in kind.__doc__
    made = kind(tmp_path, "sad", labels="6", most=1)
    assert [item.emotion for item in made.read().utterances] == ["sad"]
    assert len(made.classes) == 6
    with pytest.raises(TypeError, match="mots"):
        kind(tmp_path, mots=1)


def picky(root, gender: Literal["F", "M"] = "F", takes: int = 3):
    return Listing(())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"takes": "x"}, "Lab: takes 'x' is not valid. Valid: a whole number"),
        ({"gender": "Q"}, "Lab: gender 'Q' is not valid. Valid: 'F' or 'M'"),
    ],
)
def test_options_of_a_reader_are_checked_however_it_is_called(own, tmp_path, options, said):
    register(Corpus(INFO, picky))
    with pytest.raises(UsageError, match=said):
        read_corpus("Lab", tmp_path, **options)
    with pytest.raises(UsageError, match=said):
        datamodules.Lab(tmp_path, **options)


@pytest.mark.parametrize("thing", [Corpus(ravdess.INFO, ravdess.read), ravdess, PATTERNS[0], NEMO], ids=type)
def test_what_can_be_a_corpus(thing):
    info = thing.INFO if thing is ravdess else thing.info
    assert adopt_corpus(info.name, thing).info is info


def of(**changes):
    return Corpus(replace(INFO, **changes), read)


def untyped(root, most=3):
    return Listing(())


def required(root, most: int):
    return Listing(())


def common(root, folds: int = 3):
    return Listing(())


@pytest.mark.parametrize(
    ("thing", "reason"),
    [
        (
            read,
            "it must be a Corpus, Pattern or LabelTable, or a module with INFO and read, but is <function",
        ),
        (of(name="Other"), "its name is 'Other'"),
        (of(emotions=("joy",)), r"its emotions \['joy'\] are not known; valid: angry, "),
        (Corpus({}, read), "its info must be a CorpusInfo, but is {}"),
        (Corpus(INFO, untyped), "its option 'most' must have a type and a default"),
        (Corpus(INFO, required), "its option 'most' must have a type and a default"),
        (Corpus(INFO, common), "its option 'folds' has a name that every corpus's options have"),
    ],
)
def test_what_cannot(thing, reason):
    with pytest.raises(UsageError, match=reason):
        adopt_corpus("Lab", thing)


def test_what_is_no_corpus_is_not_registered():
    with pytest.raises(UsageError, match=r"corpus .*'x'.*: it must be a Corpus, Pattern or LabelTable"):
        register("x")
    with pytest.raises(UsageError, match=r"its info must be a CorpusInfo"):
        register(Corpus({}, read))


@pytest.mark.parametrize("name", ["my lab", "manifest", "Language_Pair"])
def test_names_that_no_corpus_can_have(name):
    with pytest.raises(UsageError, match="cannot name a corpus"):
        adopt_corpus(name, of(name=name))


def test_names_and_options_that_data_modules_have():
    kinds = [kind for kind in vars(datamodules).values() if inspect.isclass(kind)]
    made = {kind.__name__ for kind in kinds if not inspect.isabstract(kind)}
    assert made == {*BUILT_IN, *OTHER_DATA}
    assert (*inspect.signature(CorpusDataModule).parameters,) == COMMON_OPTIONS


def test_what_a_reader_returns_is_checked(own, tmp_path):
    register(Corpus(INFO, read))
    with pytest.raises(
        CorpusError, match=r"Lab: its reader gives .* the unknown emotion 'joy'. Valid: angry"
    ):
        read_corpus("Lab", tmp_path, emotion="joy")
    register(Corpus(replace(INFO, name="Empty"), lambda root: None))
    with pytest.raises(CorpusError, match="Empty: its reader must return a Listing, but returned None"):
        read_corpus("Empty", tmp_path)


@pytest.fixture
def package(own, tmp_path, monkeypatch):
    points = {"Lab": "labdata:lab", "Broken": "labdata.no", "EmoDB": "labdata:lab"}
    text = "from tests.corpora.test_own import INFO, read, Corpus\nlab = Corpus(INFO, read)\n"
    install(tmp_path, "mylab", {plugins.CORPORA: points}, {"labdata.py": text})
    find_packages(monkeypatch, tmp_path)
    yield
    sys.modules.pop("labdata", None)


def test_a_package_adds_its_corpus(package, tmp_path):
    assert get_corpus("LAB").info == INFO
    assert datamodules.Lab(tmp_path).corpus == "Lab"
    with pytest.raises(
        PluginError, match=r"corpus 'Broken' \(sercl.corpora: labdata.no\) of the package mylab 1"
    ):
        get_corpus("broken")
    with pytest.warns(SerclWarning, match="'EmoDB' .* another corpus has this name and is used"):
        assert get_corpus("emodb") is BUILT_IN["EmoDB"]
    with pytest.raises(AttributeError):
        _ = datamodules.Absent


def test_a_broken_package_stops_no_other_corpus(package):
    with pytest.warns(SerclWarning, match="'Broken'"), pytest.warns(SerclWarning, match="'EmoDB'"):
        datamodules.make_all()
    assert "Lab" in [kind.__name__ for kind in CorpusDataModule.__subclasses__()]
