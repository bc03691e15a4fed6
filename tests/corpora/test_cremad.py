from pathlib import Path

import pytest

from sercl.corpora.cremad import TABLE, read
from sercl.errors import ManifestError
from sercl.testing.corpora import fake_corpus


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return fake_corpus("CREMAD", tmp_path, speakers=2, per_emotion=1, seconds=0.02, same_audio=True)


@pytest.mark.parametrize("inside", [".", "AudioWAV"])
def test_sex_and_age_come_from_the_table(root: Path, inside: str) -> None:
    people = {(item.speaker, item.gender, item.extra["age"]) for item in read(root / inside).utterances}
    assert people == {("1001", "male", "20"), ("1002", "female", "21")}


def test_without_the_table_they_are_unknown(root: Path) -> None:
    (root / TABLE).unlink()
    listing = read(root)
    assert listing.problems == ()
    assert {(item.gender, item.extra.get("age")) for item in listing.utterances} == {(None, None)}


def test_an_actor_who_is_not_in_the_table_stays_unknown(root: Path) -> None:
    (root / TABLE).write_text("ActorID,Age,Sex\n1002,40,Female\n")
    people = {(item.speaker, item.gender, item.extra.get("age")) for item in read(root).utterances}
    assert people == {("1001", None, None), ("1002", "female", "40")}


def test_another_table_is_an_error(root: Path) -> None:
    (root / TABLE).write_text("actor,age\n1001,3\n")
    with pytest.raises(ManifestError, match=r"VideoDemographics\.csv:1: no column 'ActorID'"):
        read(root)


def test_levels_and_texts(root: Path) -> None:
    first = read(root).utterances[0]
    assert (first.id, first.extra["level"]) == ("1001_IEO_ANG_MD", "medium")
    assert first.text == "It's eleven o'clock."
