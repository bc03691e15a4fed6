"""Result files in the exact forms that the tools write."""

import contextlib
import csv
import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sercl.corpora.labels import EMOTIONS
from sercl.errors import RatingsError, UnknownNameError, UsageError
from sercl.listening.importing.files import Imported, faults_text, import_files, in_shares
from sercl.listening.importing.result_file import Fault, ImportOptions
from sercl.listening.items import Items, read_items
from sercl.listening.ratings import RATINGS, VOTES, read_table, table_of, write_table

# As webMUSHRA's write.php writes it with fputcsv: text with spaces is quoted, "NA" is unanswered.
LSS = """session_test_id,participant_id,native,trial_id,stimuli_rating,stimuli,rating_time
test,p1,German,t1,angry,k1,5210
test,p1,German,t1,NA,k2,2210
test,p2,"Mandarin Chinese",t1,sad,k1,1210
"""
LSS_SCALES = """session_test_id,participant_id,trial_id,stimuli_rating1,stimuli_rating2,stimuli,rating_time
test,p1,t1,angry,4,k1,5210
test,p1,t1,NA,NA,k2,2210
"""
# lms.csv has spaces around the rating.
LMS = """session_test_id,participant_id,trial_id,stimuli_rating,stimuli,rating_time
test,p1,t1," angry ",k1,5210
test,p1,t1," sad ",k2,5210
"""
PYMUSHRA = """responses_time;responses_stimulus;questionaire_uuid;responses_stimulusRating;wm_id;wm_date
1771;k1;u-1;['angry', 4];t1;2026-01-01 10:00:00
900;k2;u-2;sad;t1;2026-01-01 10:00:00
"""
JSPSYCH = """"rt","stimulus","response","trial_type","trial_index","time_elapsed","subject"
"","","","preload","0","100","s1"
"1500","audio/k1.wav","0","audio-button-response","1","2000","s1"
"900","[""audio/k2.wav""]","3","audio-button-response","2","4000","s1"
"""
BUTTONS = ["angry", "happy", "neutral", "sad"]


def read(
    folder: Path, name: str, text: str, options: ImportOptions = ImportOptions(), items: Items = Items()
) -> Imported:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return import_files([path], items, options)


def rows(found: Imported, *columns: str) -> list[tuple]:
    frame = found.table.frame[list(columns)]
    return [tuple(None if pd.isna(cell) else cell for cell in row) for row in frame.itertuples(index=False)]


def test_a_table_of_sercls_own_is_taken_as_it_is(tmp_path: Path) -> None:
    row = {"listener": "L1", "item": "day 1/a.wav", "task": "choice", "answer": "other", "repeat": 1}
    more = {"kind": "repeat", "truth": "sad", "order": 7, "source": "log.jsonl:9", "listener_native": "de"}
    write_table(table_of(RATINGS, [{**row, **more}]), tmp_path / "own.parquet")
    found = import_files([tmp_path / "own.parquet"], Items())
    wanted = read_table(tmp_path / "own.parquet").frame
    pd.testing.assert_frame_equal(found.table.frame, wanted)
    assert not found.faults
    assert list(found.formats.values()) == ["sercl"]


def test_what_has_no_effect_on_a_table_of_sercls_own_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.parquet"
    for items, options in ((Items(path), ImportOptions()), (Items(), ImportOptions(raters=3))):
        with pytest.raises(UsageError, match="taken as it is"):
            import_files([path], items, options)


def test_webmushra_with_one_scale(tmp_path: Path) -> None:
    found = read(tmp_path, "lss.csv", LSS)
    assert found.formats == {tmp_path / "lss.csv": "webmushra"}
    assert rows(found, "listener", "item", "answer", "seconds", "listener_native", "source") == [
        ("p1", "k1", "angry", 5.21, "German", "lss.csv:2"),
        ("p1", "k2", None, 2.21, "German", "lss.csv:3"),
        ("p2", "k1", "sad", 1.21, "Mandarin Chinese", "lss.csv:4"),
    ]
    assert found.faults == ()
    assert found.table.frame["session"].unique().tolist() == ["test"]


def test_webmushra_with_several_scales(tmp_path: Path) -> None:
    found = read(tmp_path, "lss.csv", LSS_SCALES)
    assert rows(found, "answer", "confidence") == [("angry", 4.0), (None, None)]
    turned = read(
        tmp_path,
        "lss.csv",
        LSS_SCALES.replace("angry,4", "4,angry"),
        ImportOptions(scales=["valence", "answer"]),
    )
    assert rows(turned, "answer") == [("angry",), (None,)]
    assert any("valence" in note for note in turned.notes), "what is left out is counted"
    with pytest.raises(UsageError, match="one of them must be `answer`"):
        ImportOptions(scales=["valence"])


def test_more_scales_than_are_named_are_a_fault(tmp_path: Path) -> None:
    found = read(tmp_path, "lss.csv", LSS_SCALES, ImportOptions(scales=["answer"]))
    assert [fault.line for fault in found.faults] == [2, 3]
    assert "--scales" in found.faults[0].message


def test_webmushra_with_several_stimuli_on_a_page(tmp_path: Path) -> None:
    assert rows(read(tmp_path, "lms.csv", LMS), "item", "answer") == [("k1", "angry"), ("k2", "sad")]


def test_a_mixed_test_is_listed_by_line(tmp_path: Path) -> None:
    # Trials with one and with two scales under one test id: webMUSHRA writes rows of different length.
    found = read(tmp_path, "lss.csv", LSS_SCALES + "test,p1,t1,happy,k3,100\n")
    (fault,) = found.faults
    assert (fault.line, str(fault)) == (4, f"{tmp_path / 'lss.csv'}:4: 6 cells, but the header has 7 columns")


def test_pymushra(tmp_path: Path) -> None:
    found = read(tmp_path, "test.csv", PYMUSHRA)
    expected = [("u-1", "k1", "angry", 4.0, 1.771, "u-1"), ("u-2", "k2", "sad", None, 0.9, "u-2")]
    assert rows(found, "listener", "item", "answer", "confidence", "seconds", "session") == expected
    lists = [{"responses_stimulus": "k1", "responses_stimulusRating": ["angry", 5], "questionaire_uuid": "u"}]
    assert rows(read(tmp_path, "t.json", json.dumps(lists)), "answer", "confidence") == [("angry", 5.0)]


def test_jspsych(tmp_path: Path) -> None:
    found = read(tmp_path, "data.csv", JSPSYCH, ImportOptions(choices=BUTTONS))
    expected = [("s1", "k1", "angry", 1.5, 1), ("s1", "k2", "sad", 0.9, 2)]
    assert rows(found, "listener", "item", "answer", "seconds", "order") == expected
    assert "data.csv: left out 1 trial of preload" in found.notes


def test_jspsych_json_of_several_participants_and_forms(tmp_path: Path) -> None:
    trial = {"trial_type": "audio-button-response", "trial_index": 1, "stimulus": "k1.wav", "rt": 900}
    people = [
        [{**trial, "response": 1, "subject": "a", "choices": BUTTONS}],
        [{**trial, "response": {"answer": "sad", "confidence": "3"}, "subject": "b"}],
    ]
    found = read(tmp_path, "data.json", json.dumps(people))
    assert rows(found, "listener", "answer", "confidence") == [("a", "happy", None), ("b", "sad", 3.0)]


def test_the_timeline_of_a_built_test(tmp_path: Path) -> None:
    # As `sercl listen build --to jspsych` writes its trials: the confidence is a trial of its own.
    about = {
        "trial_type": "audio-button-response",
        "trial_index": 1,
        "stimulus": "audio/k1.wav",
        "subject": "a",
    }
    about |= {"item": "k1", "block": "b1", "kind": "attention", "protocol": "abc"}
    answer = {**about, "question": "answer", "answers": BUTTONS, "response": 3, "rt": 800}
    sure = {**about, "question": "confidence", "answers": [1, 2, 3, 4, 5], "response": 4}
    sure |= {"trial_type": "html-button-response", "stimulus": "<p>How sure are you?</p>"}
    lost = {**sure, "item": "k2"}
    page = {
        "trial_type": "html-button-response",
        "trial_index": 0,
        "stimulus": "<p>Welcome</p>",
        "response": 0,
    }
    found = read(tmp_path, "data.json", json.dumps([page, answer, sure, lost]))
    assert rows(found, "item", "answer", "confidence", "kind", "protocol", "block") == [
        ("k1", "sad", 5.0, "attention", "abc", "b1")
    ]
    assert [fault.line for fault in found.faults] == [4]
    assert "data.json: left out 1 trial of html-button-response" in found.notes


def test_a_jspsych_file_without_a_participant_is_one_listener(tmp_path: Path) -> None:
    found = read(tmp_path, "p7.csv", JSPSYCH.replace(',"subject"', ',"time"'), ImportOptions(choices=BUTTONS))
    assert set(found.table.frame["listener"]) == {"p7"}
    assert any("taken as one listener" in note for note in found.notes)


def test_a_button_needs_its_name(tmp_path: Path) -> None:
    found = read(tmp_path, "data.csv", JSPSYCH)
    assert [fault.line for fault in found.faults] == [3, 4]
    assert "--choices" in found.faults[0].message


def test_any_table_with_named_columns(tmp_path: Path) -> None:
    text = "who;file;resp;L1;ms\nanna;x/u1.wav;Wut;German;1200\nben;x/u1.wav;2;English;900\n"
    columns = {
        "listener": "who",
        "item": "file",
        "answer": "resp",
        "listener_native": "L1",
        "milliseconds": "ms",
    }
    found = read(tmp_path, "a.csv", text, ImportOptions(columns=columns, answers={"2": "happy"}))
    expected = [("anna", "u1", "angry", "German", 1.2), ("ben", "u1", "happy", "English", 0.9)]
    assert rows(found, "listener", "item", "answer", "listener_native", "seconds") == expected
    with pytest.raises(UnknownNameError, match="unknown column 'itm'"):
        ImportOptions(columns={"itm": "file"})


def test_segments(tmp_path: Path) -> None:
    text = "listener,item,start,end,answer\na,r1,0.5,1.25,angry\na,r1,2,3,sad\na,r2,3,2,sad\n"
    found = read(tmp_path, "s.csv", text)
    assert rows(found, "task", "start", "end", "repeat") == [
        ("segments", 0.5, 1.25, 0),
        ("segments", 2.0, 3.0, 0),
    ]
    assert [fault.line for fault in found.faults] == [4]


def test_nothing_marked_is_a_row_without_an_answer(tmp_path: Path) -> None:
    text = (
        "listener,item,task,start,end,answer\na,r1,segments,,,\na,r2,segments,,,sad\na,r3,segments,1,,sad\n"
    )
    found = read(tmp_path, "s.csv", text)
    assert rows(found, "item", "task", "start", "answer") == [("r1", "segments", None, None)]
    assert [fault.line for fault in found.faults] == [3, 4]
    assert "'sad' without a region" in found.faults[0].message


def test_votes_per_item(tmp_path: Path) -> None:
    text = "clip,angry,sad,other\n1001_IEO_NEU_XX,0,10,1\nbad,1,,0\nnone,0,0,0\n"
    found = read(tmp_path, "v.csv", text, ImportOptions(columns={"item": "clip"}))
    assert found.table.kind == VOTES
    assert rows(found, "item", "answer", "votes")[:3] == [
        ("1001_IEO_NEU_XX", "angry", 0), ("1001_IEO_NEU_XX", "sad", 10), ("1001_IEO_NEU_XX", "other", 1),
    ]  # fmt: skip
    assert [(fault.line, fault.message) for fault in found.faults] == [
        (3, "no number of votes for sad"), (4, "an item without votes"),
    ]  # fmt: skip


def test_recognition_rates_per_item(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("utterance,emotion\n03a01Fa,happy\n")
    items = read_items(tmp_path / "items.csv")
    options = ImportOptions(columns={"item": "clip", "rate": "percent"}, raters=20)
    found = in_shares(read(tmp_path, "r.tsv", "clip\tpercent\n03a01Fa.wav\t90.00\n", options, items))
    assert rows(found, "item", "truth", "answer", "rate", "listeners") == [
        ("03a01Fa", "happy", "happy", 0.9, 20)
    ]
    assert any("percentages" in note for note in found.notes)
    without = read(tmp_path, "r.tsv", "clip\tpercent\n03a01Fa.wav\t90\n", options)
    assert "--items" in without.faults[0].message


def test_bad_rows_are_listed_and_never_dropped(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("utterance,emotion\nk1,angry\n")
    text = LSS + "test,p3,German,t1,furious joy,k1,10\ntest,p3,German,t1,sad,k1\ntest,,German,t1,sad,k1,9\n"
    found = read(tmp_path, "lss.csv", text, items=read_items(tmp_path / "items.csv"))
    assert [fault.line for fault in found.faults] == [3, 5, 6, 7]
    assert len(found.table.frame) + len(found.faults) == len(text.splitlines()) - 1


def test_repetitions_are_numbered(tmp_path: Path) -> None:
    text = "listener,item,answer\na,u1,sad\na,u2,sad\nb,u1,sad\na,u1,angry\n"
    found = read(tmp_path, "a.csv", text)
    assert rows(found, "listener", "item", "order", "repeat") == [
        ("a", "u1", 0, 0), ("a", "u2", 1, 0), ("b", "u1", 0, 0), ("a", "u1", 2, 1),
    ]  # fmt: skip


def test_names_and_addresses_are_not_copied(tmp_path: Path) -> None:
    text = LSS.replace("native", "email").replace("German", "a@b.de")
    found = read(tmp_path, "lss.csv", text)
    assert not found.table.listener_columns
    assert any("may name people" in note for note in found.notes)


def test_unusable_files(tmp_path: Path) -> None:
    with pytest.raises(RatingsError, match="no known format: its columns are a, b"):
        read(tmp_path, "x.csv", "a,b\n1,2\n")
    with pytest.raises(RatingsError, match="is empty"):
        read(tmp_path, "x.csv", "")
    with pytest.raises(RatingsError, match="twice"):
        read(tmp_path, "x.csv", "item,item\n1,2\n")
    with pytest.raises(RatingsError, match="JSON"):
        read(tmp_path, "x.json", "{")
    with pytest.raises(RatingsError, match="no such file"):
        import_files([tmp_path / "none.csv"], Items())
    with pytest.raises(UnknownNameError, match="format of results"):
        read(tmp_path, "x.doc", "a")
    with pytest.raises(UsageError, match="no file"):
        import_files([], Items())


def test_votes_and_ratings_are_not_mixed(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("listener,item,answer\na,u1,sad\n")
    (tmp_path / "b.csv").write_text("item,angry,sad\nu1,1,2\n")
    with pytest.raises(UsageError, match="two kinds"):
        import_files([tmp_path / "a.csv", tmp_path / "b.csv"], Items())


WORD = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=8).map(lambda text: f"x{text}x")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(WORD, WORD, st.sampled_from(EMOTIONS), st.none() | st.integers(1, 9), st.floats(0.1, 99),
        WORD), min_size=1, max_size=8, unique_by=lambda row: row[:2],
    )
)  # fmt: skip
def test_own_columns_are_read_back_unchanged(tmp_path: Path, answers: list[tuple]) -> None:
    given_rows = [
        {"listener": who, "item": item, "answer": answer, "confidence": sure, "seconds": time, "order": index,
         "repeat": 0, "task": "choice", "kind": "item", "listener_native": native,
         "source": f"r.csv:{index + 2}"}
        for index, (who, item, answer, sure, time, native) in enumerate(answers)
    ]  # fmt: skip
    with (tmp_path / "r.csv").open("w", newline="") as file:
        writer = csv.DictWriter(
            file, [name for name in given_rows[0] if name != "source"], extrasaction="ignore"
        )
        writer.writeheader()
        writer.writerows(given_rows)
    found = import_files([tmp_path / "r.csv"], Items())
    assert found.faults == ()
    pd.testing.assert_frame_equal(found.table.frame, table_of(RATINGS, given_rows).frame)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.sampled_from([".csv", ".json", ".jsonl", ".tsv"]))
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    with contextlib.suppress(RatingsError, UsageError):
        import_files([path], Items(), ImportOptions(format="ratings"))


def test_many_bad_rows_of_one_kind_do_not_hide_another():
    path = Path("rates.csv")
    faults = [Fault(path, line, f"item 'clip {line}' is not in emodb.csv") for line in range(2, 479)]
    lines = faults_text([*faults, Fault(path, 500, "rate -3 is below 0")]).splitlines()
    assert lines[0] == "rates.csv:2: item 'clip 2' is not in emodb.csv"
    assert lines[3:] == ["... and 474 more like this", "rates.csv:500: rate -3 is below 0"]
    kinds = [Fault(path, line, "x" * line) for line in range(2, 30)]
    assert faults_text(kinds).splitlines()[-1] == "... and 18 for other reasons"
    assert faults_text([]) == ""
