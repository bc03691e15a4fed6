import re
from dataclasses import fields

import pytest
import yaml

from sercl.errors import ResultsError, UsageError
from sercl.listening.instructions import Instructions
from sercl.listening.serving import questionnaire, texts


@pytest.mark.parametrize("code", ["de", "zh"])
def test_every_language_has_the_same_texts(code):
    english, other = (texts.load([each])[each] for each in ("en", code))
    assert set(english) == set(other)
    for name, text in english.items():
        assert texts._words(text) == texts._words(other[name]), name


def test_texts_of_pages_do_not_replace_instructions():
    assert not set(texts.load(["en"])["en"]) & {field.name for field in fields(Instructions)}


def test_every_text_that_the_pages_use_exists_and_every_text_is_used():
    known = {*texts.load(["en"])["en"], *(field.name for field in fields(Instructions))}
    pages = texts.PACKAGED.with_name("pages")
    code = "".join((pages / name).read_text() for name in ("listen.js", "marking.js"))
    used = set(re.findall(r"\btext\('([a-z_0-9]+)'", code))
    assert len(used) > 30
    assert used <= known
    assert {name for name in texts.load(["en"])["en"] if f"'{name}'" not in code} == set()


def test_a_further_language_needs_every_text(tmp_path):
    with pytest.raises(UsageError, match=r"--texts.*'fr'"):
        texts.load(["fr"])
    french = dict(texts.load(["en"])["en"])
    (tmp_path / "fr.yaml").write_text(yaml.safe_dump(french))
    assert texts.load(["en", "fr"], tmp_path)["fr"] == french
    (tmp_path / "fr.yaml").write_text(yaml.safe_dump({**french, "item": "un"}))
    with pytest.raises(ResultsError, match=r"item: lacks \{number\}"):
        texts.load(["fr"], tmp_path)
    (tmp_path / "fr.yaml").write_text(yaml.safe_dump({"start": "Allons"}))
    with pytest.raises(ResultsError, match="lacks 'resume'"):
        texts.load(["fr"], tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{name: Native, type: text, label: {en: a}}", "its name"),
        ("{name: a, type: songs, label: {en: a}}", "'songs' is not known"),
        ("{name: a, type: choice, label: {en: a}}", "a choice has options"),
        ("{name: a, type: text, label: {de: a}}", "lacks the language en"),
        ("{name: a, label: {en: a}}", "type is missing"),
    ],
)
def test_wrong_questionnaires_are_refused(tmp_path, line, message):
    (tmp_path / "own.yaml").write_text(f"questions: [{line}]")
    with pytest.raises(ResultsError, match=message):
        questionnaire.load(tmp_path / "own.yaml", ["en"])
