"""A test is built, answered in the form of another tool, and read back: the answers are those given."""

import csv
import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sercl.listening import plain, webmushra
from sercl.listening.importing.files import import_files
from sercl.listening.instructions import available, load
from sercl.listening.items import read_items
from sercl.listening.order import presentation
from sercl.listening.protocol import PROTOCOL, REPEAT, write
from tests.listening.samples import protocol

some_tests = st.builds(
    protocol,
    items=st.integers(2, 6),
    repeats=st.integers(0, 2),
    checks=st.integers(0, 2),
    practice=st.integers(0, 2),
    blocks=st.integers(1, 2),
    confidence=st.booleans(),
    method=st.sampled_from(["random", "latin-square"]),
    seed=st.integers(0, 99),
    answers=st.sampled_from(
        [("angry", "happy", "sad"), ("angry", "happy", "neutral", "sad", "other", "unsure")]
    ),
)
few = settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])


def given_answers(made, draw):
    """Return the answers of two listeners: (listener, key, answer, confidence, milliseconds), in order."""
    return [
        (
            listener,
            key,
            draw(st.sampled_from(made.answers)),
            draw(st.integers(1, 5)) if made.confidence else None,
            draw(st.integers(300, 9000)),
        )
        for listener in range(2)
        for key in presentation(made, listener)
    ]


def expected(made, answers):
    found = []
    for listener, key, answer, confidence, milliseconds in answers:
        item = made.by_key[key]
        truth = item.truth if item.kind != "attention" else "sad"
        found.append(
            {
                "listener": f"p{listener}",
                "item": item.utterance,
                "corpus": item.corpus,
                "language": item.language,
                "speaker": item.speaker,
                "gender": item.gender,
                "truth": truth,
                "task": item.task,
                "kind": item.kind,
                "block": item.block,
                "protocol": made.hash,
                "answer": answer,
                "confidence": None if confidence is None else float(confidence),
                "seconds": milliseconds / 1000,
                "repeat": int(item.kind == REPEAT),
            }
        )
    return found


def imported(path, folder):
    found = import_files([path], read_items(folder / PROTOCOL))
    assert not found.faults
    return found.table.frame


def check(frame, wanted):
    for name in wanted[0]:
        column = [None if cell != cell else cell for cell in frame[name].tolist()]
        assert column == [row[name] for row in wanted], name


@few
@given(made=some_tests, data=st.data())
def test_what_webmushra_writes_is_read_as_it_was_answered(made, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("test")
    made = write(made, folder)
    answers = given_answers(made, data.draw)
    with (folder / "lss.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        scales = ["stimuli_rating1", "stimuli_rating2"] if made.confidence else ["stimuli_rating"]
        rows.writerow(["session_test_id", "participant", "trial_id", *scales, "stimuli", "rating_time"])
        for listener, key, answer, confidence, milliseconds in answers:
            ratings = [answer, confidence] if made.confidence else [answer]
            block = made.by_key[key].block
            rows.writerow([webmushra.test_id(made, "en"), f"p{listener}", block, *ratings, key, milliseconds])
    check(imported(folder / "lss.csv", folder), expected(made, answers))


@few
@given(made=some_tests, data=st.data())
def test_what_jspsych_saves_is_read_as_it_was_answered(made, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("test")
    made = write(made, folder)
    answers = given_answers(made, data.draw)
    by_listener = {(listener, key): rest for listener, key, *rest in answers}
    saved = []
    for listener in range(2):
        content = json.loads(plain.timeline(made, load(available()["en"]), listener))
        for index, trial in enumerate(content["timeline"]):
            about = {"trial_type": trial["type"], "trial_index": index, "listener": f"p{listener}"}
            if "data" not in trial:
                saved.append({**about, "rt": 100, "response": 0})
                continue
            answer, confidence, milliseconds = by_listener[listener, trial["data"]["item"]]
            value = answer if trial["data"]["question"] == "answer" else confidence
            response = trial["data"]["answers"].index(value)
            saved.append({**about, **trial["data"], "rt": milliseconds, "response": response})
    (folder / "data.json").write_text(json.dumps(saved))
    check(imported(folder / "data.json", folder), expected(made, answers))
