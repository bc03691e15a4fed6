import csv
import io
import json

from sercl.listening import plain
from sercl.listening.instructions import available, load
from sercl.listening.order import presentation
from tests.listening.samples import ANSWERS, protocol

ENGLISH = load(available()["en"])


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_the_table_of_stimuli_gives_nothing_away():
    made = protocol()
    found = rows(plain.stimuli_table(made, ENGLISH))
    assert list(found[0]) == list(plain.STIMULI)
    assert [row["key"] for row in found] == sorted(made.by_key)
    known = {"EmoDB", "EmoDB 03", "male", *(item.utterance for item in made.items)}
    for row in found:
        assert not known & set(row.values())
        if row["kind"] != "attention":
            assert not set(ANSWERS) & set(row.values())
            assert row["prompt"] == ENGLISH.choice


def test_the_table_of_orders_has_every_listener():
    made = protocol()
    found = rows(plain.orders_table(made, 3))
    for listener in range(3):
        own = [row for row in found if row["listener"] == str(listener)]
        assert tuple(row["key"] for row in own) == presentation(made, listener)
        assert [row["position"] for row in own] == [str(number) for number in range(1, len(own) + 1)]
        assert all(row["block"] == made.by_key[row["key"]].block for row in own)


def timeline(made, listener=0, code="en"):
    return json.loads(plain.timeline(made, load(available()[code]), listener))


def test_a_timeline_is_made_of_trials_of_jspsych():
    made = protocol()
    content = timeline(made, 2)
    assert (content["protocol"], content["listener"]) == (made.hash, 2)
    trials = content["timeline"]
    assert {trial["type"] for trial in trials} == {
        "preload",
        "audio-button-response",
        "html-button-response",
    }
    assert sorted(trials[0]["audio"]) == sorted(item.file for item in made.items)
    asked = [trial for trial in trials if trial["type"] == "audio-button-response"]
    assert tuple(trial["data"]["item"] for trial in asked) == presentation(made, 2)
    for trial in asked:
        assert trial["stimulus"] == made.by_key[trial["data"]["item"]].file
        assert trial["data"]["answers"] == list(ANSWERS)
        assert len(trial["choices"]) == len(ANSWERS)
        assert trial["response_allowed_while_playing"] is False
        assert set(trial["data"]) == {"item", "block", "kind", "protocol", "question", "answers"}


def test_confidence_is_asked_after_each_answer_if_at_all():
    trials = [trial for trial in timeline(protocol())["timeline"] if "data" in trial]
    assert [trial["data"]["question"] for trial in trials] == ["answer", "confidence"] * (len(trials) // 2)
    assert all(
        one["data"]["item"] == two["data"]["item"] for one, two in zip(trials[::2], trials[1::2], strict=True)
    )
    trials = [trial for trial in timeline(protocol(confidence=False))["timeline"] if "data" in trial]
    assert {trial["data"]["question"] for trial in trials} == {"answer"}


def test_labels_are_in_the_language_and_names_are_not():
    first = next(trial for trial in timeline(protocol(), code="zh")["timeline"] if "data" in trial)
    assert first["choices"] == ["愤怒", "高兴", "中性", "悲伤"]
    assert first["data"]["answers"] == list(ANSWERS)
