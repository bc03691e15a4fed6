"""A test of marked parts is built, served, exported, read back, and compared with the truth and a model."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sercl.cli.main import main
from sercl.data.config import LoaderConfig
from sercl.data.datamodules import ZED
from sercl.diarization.formats import write_segments
from sercl.diarization.segments import Annotation
from sercl.listening.build import BuildOptions, build
from sercl.listening.protocol import ITEM, Item, Protocol, read
from sercl.listening.ratings import read_table
from sercl.testing.corpora import fake_corpus
from tests.listening.conftest import PLAIN
from tests.listening.serving.conftest import BACKGROUND, answer_of, client
from tests.listening.serving.test_app import begin, items_of, tokens

pytest.importorskip("fastapi", reason="the extra `listen` is not installed")

OPTIONS = BuildOptions(per_emotion=2, min_seconds=0.1, task="segments", practice=1, attention=1, repeats=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built test of recordings with known boundaries, which two listeners have done."""
    where = tmp_path_factory.mktemp("marks")
    root = fake_corpus("ZED", where / "zed", speakers=4)
    build(ZED(root, loader=LoaderConfig(min_seconds=0.05)), OPTIONS, PLAIN, where / "test")
    made = read(where / "test")
    with client(where / "test", links=2) as (browser, server):
        for token, knows in zip(tokens(server), (True, False), strict=True):
            plan = begin(browser, token)
            browser.post(f"/t/{token}/api/background", json=BACKGROUND)
            for item in items_of(plan):
                given = answer_of(item, made.answers)
                if item["task"] == "segments":
                    given["parts"] = truth_of(made.by_key[item["key"]]) if knows else []
                reply = browser.post(f"/t/{token}/api/answers", json=[given])
                assert reply.status_code == 200, reply.text
    return where


def truth_of(item: Item) -> list[dict[str, object]]:
    """Return the events of an item in the form of an answer."""
    return [
        {"start": own.start, "end": own.end, "answer": own.emotion}
        for own in item.segments or ()
        if own.emotion != "neutral"
    ]


def write_model(protocol: Protocol, path: Path) -> None:
    """Write what a model may find in the files of a test: the truth, which it calls angry throughout."""
    items = [
        Annotation(
            item.key,
            tuple(replace(own, emotion="angry") for own in item.segments or () if own.emotion != "neutral"),
            item.seconds,
        )
        for item in protocol.of(ITEM)
    ]
    write_segments(items, path)


def compared(folder: Path, ratings: Path, capsys: pytest.CaptureFixture[str], *words: str) -> dict:
    capsys.readouterr()
    reference = ("--reference", str(folder / "test" / "protocol.json"), *words)
    assert main(["listen", "compare", str(ratings), *reference, "--resamples", "100", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_answers_are_compared_with_the_protocol(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = read(folder / "test")
    out = tmp_path / "ratings.parquet"
    assert main(["listen", "answers", str(folder / "test"), "--out", str(out)]) == 0
    write_model(made, tmp_path / "angry.json")
    found = compared(folder, out, capsys, "--hypothesis", str(tmp_path / "angry.json"))
    (people,) = found["segments"]["groups"]
    items = made.of(ITEM)
    assert (people["listeners"], people["items"], people["marked"]) == (2, 6, 12)
    assert people["empty"] == 6, "one of the two has marked nothing"
    event = {item.key: sum(each["end"] - each["start"] for each in truth_of(item)) for item in items}
    missed = sum(event[item.key] / item.seconds for item in items) / 12
    assert people["errors"]["eder"]["value"] == pytest.approx(missed, abs=1e-6)
    assert people["errors"]["missed"]["value"] == pytest.approx(missed, abs=1e-6)
    assert people["boundaries"]["within"]["value"] == 0.5
    (model,) = found["segments"]["models"]
    wrong = sum(event[item.key] / item.seconds for item in items if item.truth != "angry") / 6
    assert model["errors"]["confusion"]["value"] == pytest.approx(wrong, abs=1e-6)
    assert model["errors"]["eder"]["value"] == pytest.approx(wrong, abs=1e-6)


def test_an_exported_table_is_read_back_as_it_was(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, again = tmp_path / "ratings.parquet", tmp_path / "again.parquet"
    assert main(["listen", "answers", str(folder / "test"), "--out", str(out)]) == 0
    read_table(out).frame.to_csv(tmp_path / "marks.csv", index=False)
    items = str(folder / "test" / "protocol.json")
    words = ["listen", "import", str(tmp_path / "marks.csv"), "--items", items, "--out", str(again)]
    assert main(words) == 0
    columns = ["listener", "item", "task", "start", "end", "answer", "kind", "repeat", "truth", "protocol"]
    both = [read_table(path).frame[columns] for path in (out, again)]
    assert both[0].equals(both[1])
    first, second = (compared(folder, path, capsys) for path in (out, again))
    assert first == second
