import csv
import io
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sercl.files import from_csv_cell
from sercl.reports.predictions import FORMATS
from sercl.tasks.predictor import Prediction

CLASSES = ("angry", "sad")


def prediction(source: str, angry: float = 0.25, seconds: float = 1.5) -> Prediction:
    probabilities = {"angry": angry, "sad": 1 - angry}
    return Prediction(source, max(probabilities, key=probabilities.__getitem__), probabilities, seconds)


def text(name: str, *predictions: Prediction) -> str:
    return "".join(f"{line}\n" for line in FORMATS[name](predictions, CLASSES))


def test_a_table_has_a_heading_and_columns_that_line_up() -> None:
    heading, *rows = text("table", prediction("a b.wav"), prediction("c.wav", 0.9, 61.25)).splitlines()
    assert heading.split() == ["emotion", "angry", "sad", "seconds", "file"]
    assert [row.split(maxsplit=4) for row in rows] == [
        ["sad", "0.25", "0.75", "1.50", "a b.wav"],
        ["angry", "0.90", "0.10", "61.25", "c.wav"],
    ]
    assert {row.index(".wav") - len(name) for row, name in zip(rows, ("a b", "c"), strict=True)} == {
        heading.index("file")
    }


def test_a_table_of_nothing_has_no_heading() -> None:
    assert text("table") == ""


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")), st.floats(0, 1))
def test_csv_and_json_give_every_name_and_number_back(name: str, angry: float) -> None:
    one = prediction(name, angry)
    (row,) = csv.DictReader(io.StringIO(text("csv", one), newline=""))
    assert from_csv_cell(row["file"]) == name
    assert float(row["angry"]) == pytest.approx(angry, abs=1e-6)
    (item,) = json.loads(text("json", one))
    assert item == json.loads(text("jsonl", one))
    assert (item["file"], item["emotion"], item["seconds"]) == (name, one.emotion, 1.5)
    assert item["probabilities"]["sad"] == pytest.approx(1 - angry, abs=1e-6)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_json_is_one_list_of_any_length(count: int) -> None:
    assert len(json.loads(text("json", *[prediction("a.wav")] * count))) == count
    assert len(text("jsonl", *[prediction("a.wav")] * count).splitlines()) == count
    assert len(text("csv", *[prediction("a.wav")] * count).splitlines()) == count + 1


@pytest.mark.parametrize("name", FORMATS)
def test_names_of_any_script_stand_as_they_are(name: str) -> None:
    assert "声音 ä.wav" in text(name, prediction("声音 ä.wav"))


@pytest.mark.parametrize("name", FORMATS)
def test_lines_come_while_later_predictions_are_still_to_be_made(name: str) -> None:
    made = []

    def endless():
        for number in itertools.count():
            made.append(number)
            yield prediction(f"{number}.wav")

    lines = FORMATS[name](endless(), CLASSES)
    list(itertools.islice(lines, 3))
    assert len(made) <= 3
