from pathlib import Path

import pytest

from sercl.corpora.labels import EMOTIONS
from sercl.corpora.registry import CORPORA, get_corpus, read_corpus, reader_options
from sercl.errors import UnknownNameError


@pytest.mark.parametrize(
    ("name", "registered"),
    [
        ("esd", "ESD"),
        ("emo-db", "EmoDB"),
        ("EMO-DB", "EmoDB"),
        ("CREMA-D", "CREMAD"),
        ("cremad", "CREMAD"),
        ("JL-Corpus", "JLCorpus"),
        ("EmoV-DB", "EmoVDB"),
        ("Oréau", "Oreau"),
        ("cafe", "CaFE"),
        ("NEMO", "nEMO"),
    ],
)
def test_spelling_does_not_matter(name: str, registered: str) -> None:
    assert get_corpus(name).info.name == registered


def test_names_serve_as_class_names_and_are_distinct() -> None:
    assert all(name.isidentifier() and name == corpus.info.name for name, corpus in CORPORA.items())
    assert len({name.lower() for name in CORPORA}) == len(CORPORA) == 22


@pytest.mark.parametrize("name", sorted(CORPORA))
def test_facts_are_complete(name: str) -> None:
    info = CORPORA[name].info
    assert info.title
    assert info.license
    assert info.access
    assert info.layout
    assert all(len(language) == 2 for language in info.languages)
    assert set(info.emotions) <= set(EMOTIONS)


def test_an_unknown_corpus_is_answered_with_near_names_and_the_manifest() -> None:
    with pytest.raises(UnknownNameError, match=r"Did you mean 'RAVDESS'.*manifest"):
        get_corpus("ravdes")


def test_options_belong_to_the_reader(tmp_path: Path) -> None:
    assert reader_options("esd") == {"language": None}
    assert reader_options("pavoque") == {"outtakes": False}
    assert reader_options("ravdess") == {"channel": "speech"}
    assert reader_options("emodb") == {}
    with pytest.raises(UnknownNameError, match=r"option of ESD 'langauge'\. Did you mean 'language'"):
        read_corpus("ESD", tmp_path, langauge="zh")
    with pytest.raises(UnknownNameError, match="unknown option of EmoDB 'language'"):
        read_corpus("EmoDB", tmp_path, language="zh")
