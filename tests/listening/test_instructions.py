from dataclasses import fields

import pytest
import yaml

from sercl.corpora.labels import EMOTIONS
from sercl.errors import ResultsError, UnknownNameError, UsageError
from sercl.listening.instructions import PACKAGED, Instructions, available, chosen, load
from sercl.listening.protocol import EXTRA_ANSWERS

LANGUAGES = sorted(path.stem for path in PACKAGED.glob("*.yaml"))


def content(code):
    return yaml.safe_load((PACKAGED / f"{code}.yaml").read_text(encoding="utf-8"))


def test_english_german_and_chinese_are_there():
    assert set(LANGUAGES) >= {"de", "en", "zh"}
    assert list(available()) == LANGUAGES


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_language_has_the_same_keys(code):
    own, english = content(code), content("en")
    assert list(own) == list(english) == [field.name for field in fields(Instructions)]
    assert list(own["answers"]) == list(english["answers"]) == [*EMOTIONS[:-2], "unknown", *EXTRA_ANSWERS]
    for name in ("age_groups", "hearing_answers"):
        assert len(own[name]) == len(english[name])
    for name, text in english.items():
        if isinstance(text, str):
            assert own[name].strip()
            assert own[name].count("{") == text.count("{")


@pytest.mark.parametrize("code", LANGUAGES)
def test_labels_differ_so_that_an_answer_is_known(code):
    texts = load(PACKAGED / f"{code}.yaml")
    assert len(set(texts.answers.values())) == len(texts.answers)
    assert len(set(texts.levels)) == 5
    assert texts.label("sad") in texts.attention_to("sad")
    assert "2" in texts.block_title(2, 3)


def test_a_class_without_a_label_is_called_by_its_name():
    assert load(PACKAGED / "en.yaml").label("negative") == "negative"


def test_a_further_file_adds_a_language_and_replaces_one(tmp_path):
    own = {**content("en"), "title": "Qu'entendez-vous ?"}
    for code in ("fr", "en"):
        (tmp_path / f"{code}.yaml").write_text(yaml.safe_dump(own, allow_unicode=True), encoding="utf-8")
    found = chosen(("fr", "en", "de"), tmp_path)
    assert list(found) == ["fr", "en", "de"]
    assert load(found["fr"]).title == load(found["en"]).title == "Qu'entendez-vous ?"
    assert found["de"].parent == PACKAGED


def test_a_language_without_a_file_is_refused(tmp_path):
    with pytest.raises(UnknownNameError, match=r"Valid: de, en, zh.*fr\.yaml"):
        chosen(("fr",))
    with pytest.raises(UsageError, match="none is given"):
        chosen(())
    with pytest.raises(UsageError, match="no file such as en"):
        chosen(("en",), tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"welcome": None}, "welcome: expected a text"),
        ({"attention": "Choose it."}, r"attention: lacks \{answer\}"),
        ({"answers": ["Sad"]}, "answers: expected an object"),
    ],
)
def test_a_bad_file_is_refused(tmp_path, change, message):
    (tmp_path / "en.yaml").write_text(yaml.safe_dump({**content("en"), **change}))
    with pytest.raises(ResultsError, match=message):
        chosen(("en",), tmp_path)


def test_a_missing_key_and_broken_yaml_are_refused(tmp_path):
    path = tmp_path / "en.yaml"
    path.write_text(yaml.safe_dump({key: text for key, text in content("en").items() if key != "pause"}))
    with pytest.raises(ResultsError, match="pause is missing"):
        load(path)
    path.write_text("a: [")
    with pytest.raises(ResultsError, match="cannot be read"):
        load(path)
    with pytest.raises(ResultsError, match="cannot be read"):
        load(tmp_path / "none.yaml")
