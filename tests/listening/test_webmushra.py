from dataclasses import replace

import pytest
import yaml

from sercl.errors import UsageError
from sercl.listening import webmushra
from sercl.listening.instructions import available, load
from sercl.listening.order import presented_blocks
from sercl.listening.protocol import ATTENTION, REPEAT
from tests.listening.samples import ANSWERS, protocol

KEYS = {
    "generic": {"type", "id", "name", "content", "language"},
    "consent": {"type", "id", "name", "content", "language", "mustConsent"},
    "volume": {"type", "id", "name", "content", "stimulus", "defaultVolume"},
    "likert_single_stimulus": {
        *("type", "id", "name", "content", "showWaveform", "mustRate", "mustPlayback"),
        *("stimuli", "maxStimuli", "response"),
    },
    "finish": {
        *("type", "id", "name", "content", "popupContent", "showResults", "showErrors", "writeResults"),
        "questionnaire",
    },
}
"""Page type -> every key that webMUSHRA 1.4 reads, or that its documentation names."""

TOP = ["testname", "testId", "bufferSize", "stopOnErrors", "showButtonPreviousPage", "remoteService"]
POINT = {"value", "label", "img", "imgSelected", "imgHigherResponseSelected"}
QUESTION = {"type", "name", "label", "optional", "min", "max", "default", "response"}


def config(made, language="en", listener=None):
    texts = load(available()[language])
    return yaml.safe_load(webmushra.config(made, texts, language, "configs/german", listener))


def likerts(content):
    return [page for page in content["pages"] if page["type"] == "likert_single_stimulus"]


@pytest.mark.parametrize("language", ["en", "de", "zh"])
@pytest.mark.parametrize("listener", [None, 0, 5])
@pytest.mark.parametrize("confidence", [True, False])
def test_every_key_that_is_read_is_there(language, listener, confidence):
    content = config(protocol(confidence=confidence), language, listener)
    assert list(content) == [*TOP, "language", "pages"]
    assert {page["type"] for page in content["pages"]} == set(KEYS)
    for page in content["pages"]:
        assert set(page) == KEYS[page["type"]]
        assert all(page[key] is not None for key in page)
    for page in likerts(content):
        scales = page["response"] if confidence else [page["response"]]
        assert all(set(point) == POINT for scale in scales for point in scale)
    (finish,) = [page for page in content["pages"] if page["type"] == "finish"]
    assert content["pages"][-1] == finish
    assert all(set(question) == QUESTION for question in finish["questionnaire"])


def test_one_scale_or_two_but_never_both_in_a_test():
    for confidence in (True, False):
        content = config(protocol(confidence=confidence))
        kinds = {isinstance(page["response"][0], list) for page in likerts(content)}
        assert kinds == {confidence}
    first, second = (protocol(confidence=confidence) for confidence in (True, False))
    assert (
        webmushra.test_id(first, "en") != webmushra.test_id(second, "en") != webmushra.test_id(second, "de")
    )


def test_values_are_the_answers_and_the_levels():
    (answers, levels) = likerts(config(protocol(), "de"))[0]["response"]
    assert [point["value"] for point in answers] == list(ANSWERS)
    assert [point["label"] for point in answers] == ["Wütend", "Fröhlich", "Neutral", "Traurig"]
    assert [point["value"] for point in levels] == [1, 2, 3, 4, 5]


def test_the_pages_of_a_listener_are_in_the_order_of_the_protocol():
    made = protocol(method="latin-square")
    for listener in (0, 3):
        keys = [key for page in likerts(config(made, listener=listener)) for key in page["stimuli"]]
        assert keys == [key for _, own in presented_blocks(made, listener) for key in own]
        assert all(len(page["stimuli"]) == 1 for page in likerts(config(made, listener=listener)))


def test_shuffled_pages_have_everything_once_and_repeats_after_their_items():
    made = protocol()
    pages = likerts(config(made))
    keys = [key for page in pages for key in page["stimuli"]]
    assert sorted(keys) == sorted(made.by_key)
    for each in made.of(REPEAT):
        owners = [
            index for index, page in enumerate(pages) if {each.key, each.repeats} & set(page["stimuli"])
        ]
        assert len(owners) == 2
        assert each.repeats in pages[owners[0]]["stimuli"]
    assert {page["id"] for page in pages} == {"practice", "block-1", "block-2"}


def test_an_attention_check_says_what_to_answer():
    made = protocol()
    for page in likerts(config(made)):
        kinds = {made.by_key[key].kind for key in page["stimuli"]}
        assert (ATTENTION in kinds) == ("please choose “Sad”" in page["content"])
        assert kinds == {ATTENTION} or ATTENTION not in kinds


def test_buttons_of_another_language_are_english():
    assert config(protocol(), "zh")["language"] == "en"
    assert config(protocol(), "de")["language"] == "de"


def test_the_title_is_that_of_the_test_or_of_the_language():
    assert config(protocol(), "de")["testname"] == "What do you hear?"
    assert config(protocol(title=None), "de")["testname"] == "Was hören Sie?"


def test_files_are_below_the_folder_and_names_are_safe():
    content = config(protocol())
    for page in likerts(content):
        assert all(path == f"configs/german/audio/{key}.wav" for key, path in page["stimuli"].items())
    sent = [content["testId"], *(page["id"] for page in content["pages"])]
    sent += [question["name"] for question in content["pages"][-1]["questionnaire"]]
    assert not any(character in word for word in sent for character in "&+%")


@pytest.mark.parametrize("name", ["happy+excited", "a & b", "100 %", 'a"b', "a\\b"])
def test_answers_that_are_not_sent_correctly_are_refused(name):
    with pytest.raises(UsageError, match="which webMUSHRA does not send"):
        webmushra.check(protocol(answers=("angry", name)), 0)


def test_segments_and_a_square_without_orders_are_refused():
    made = protocol()
    with pytest.raises(UsageError, match="cannot mark segments"):
        webmushra.check(replace(made, items=tuple(replace(each, task="segments") for each in made.items)), 1)
    with pytest.raises(UsageError, match="--orders N"):
        webmushra.check(protocol(method="latin-square"), 0)
    webmushra.check(protocol(method="latin-square"), 2)


def test_markup_in_texts_is_escaped():
    texts = replace(load(available()["en"]), choice="A < B?")
    content = yaml.safe_load(webmushra.config(protocol(), texts, "en", "configs/x"))
    assert any("A &lt; B?" in page["content"] for page in likerts(content))
