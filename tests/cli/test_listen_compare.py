import json
from dataclasses import replace
from pathlib import Path

import pytest

from sercl.cli.help import unknown_flags
from sercl.cli.listen.compare import build_parser
from sercl.cli.main import main
from sercl.cli.pages import LISTEN_COMPARE as PAGE
from sercl.diarization.formats import write_segments
from sercl.diarization.segments import Annotation, filled
from sercl.listening.ratings import write_table
from sercl.testing.listeners import Group, Marker, fake_items, fake_marks, fake_ratings, fake_recordings
from tests.studies.runs import fake_run

QUICK = ("--resamples", "100")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("listen")
    items = fake_items(("de",), 3)
    items.sort(key=lambda item: (item["item"][-1], item["truth"]))
    write_table(fake_ratings(items, [Group("German", 4), Group("Chinese", 4)]), path / "ratings.parquet")
    classes = sorted({item["truth"] for item in items})
    fake_run(path / "run", 0.9, classes=classes, speakers=1, utterances=[item["item"] for item in items])
    return path


def run(folder: Path, *words: str) -> int:
    return main(["listen", "compare", str(folder / "ratings.parquet"), *QUICK, *words])


def test_tables_and_a_report(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "report"
    assert run(folder, "--predictions", str(folder / "run"), "--groups", "native", "--out", str(out)) == 0
    text = capsys.readouterr().out
    assert "Chinese minus German on de" in text
    assert "Report:" in text
    assert {file.name for file in out.iterdir()} == {
        "report.html", "report.md", "report.tex", "scores.csv", "comparison.json",
    }  # fmt: skip
    assert "sercl listen compare" in (out / "report.html").read_text()


def test_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "--predictions", str(folder / "run"), "--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert [own["group"] for own in content["groups"]] == ["all listeners"]
    assert content["models"][0]["items"] == 12


def test_models_of_other_items_are_an_error_or_the_first_note(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_run(tmp_path / "other", 0.9, classes=["angry", "sad"], speakers=1, utterances=["x1", "x2"])
    assert run(folder, "--predictions", str(tmp_path / "other"), "--json") == 2
    said = capsys.readouterr()
    assert "none of these models was tested on any of the items" in said.err
    assert "other was tested on x1" in said.err
    assert said.out == ""
    assert run(folder, "--predictions", str(folder / "run"), str(tmp_path / "other"), "--json") == 0
    notes = json.loads(capsys.readouterr().out)["notes"]
    assert notes[0].startswith("models that were tested on none of the items: other")


def test_only_the_claims(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "--claims") == 0
    assert "cannot be tested" in capsys.readouterr().out
    assert run(folder, "--claims", "--json") == 0
    assert [own["name"] for own in json.loads(capsys.readouterr().out)] == [
        "within", "across", "dialect", "segments",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def talks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Marked parts, their truth, and what a model has found, as `sercl diarize` writes it."""
    path = tmp_path_factory.mktemp("talks")
    recordings = fake_recordings(8)
    write_table(fake_marks(recordings, [Marker(listeners=4)]), path / "ratings.parquet")
    truth = [Annotation(own.item, (own.event,), own.duration) for own in recordings]
    late = [
        replace(own, segments=(replace(own.segments[0], start=own.segments[0].end - 0.3),)) for own in truth
    ]
    write_segments(truth, path / "truth.json")
    write_segments(
        [replace(own, segments=filled(own.segments, own.duration)) for own in late], path / "net.json"
    )
    return path


def test_marked_parts(talks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--reference", str(talks / "truth.json"), "--hypothesis", str(talks / "net.json"))
    assert run(talks, *words, "--groups", "native", "--out", str(tmp_path)) == 0
    text = capsys.readouterr().out
    for part in ("Errors in marking emotions", "supported", "each other"):
        assert part in text
    page = (tmp_path / "report.html").read_text()
    assert "Models that mark" in page
    assert "Margin of equivalence, EDER" in page
    assert "Margin of equivalence<" not in page
    assert run(talks, *words, "--json", "--tolerance", "1") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["segments"]["tolerance"] == 1
    assert found["segments"]["against"][0]["model"] == "net"
    assert run(talks, *words, "--claims") == 0
    assert "EDER: models" in " ".join(capsys.readouterr().out.split())


def test_marked_parts_without_a_reference(talks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(talks, "--hypothesis", str(talks / "net.json")) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "boundaries of 8 recordings of 8 are unknown" in text
    assert "(--reference)" in text
    assert "Errors in marking" not in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--reference", "nowhere.json"), "--reference nowhere.json: no such file"),
        (("--hypothesis", "nowhere"), "--hypothesis nowhere: no such file"),
        (("--tolerance", "0"), "--tolerance"),
        (("--predictions", "nowhere"), "no such folder"),
        (("--groups", "age"), "valid: native"),
        (("--margin", "2"), "--margin"),
        (("--eder_margin", "0"), "--eder_margin"),
        (("--standard", "swiss"), "--standard swiss"),
    ],
)
def test_wrong_use(
    folder: Path, words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, *words) == 2
    assert message in capsys.readouterr().err


def test_marks_are_needed_for_a_reference(
    folder: Path, talks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, "--reference", str(talks / "truth.json")) == 2
    assert "--reference has no effect" in capsys.readouterr().err


def test_a_missing_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path) == 2
    assert "listen import" in capsys.readouterr().err


def test_the_page_names_options_that_exist() -> None:
    assert unknown_flags(PAGE.flags, lambda words: build_parser().parse_args(["r.parquet", *words])) == []
