import json
from pathlib import Path

import pytest

from sercl.cli.help import unknown_flags
from sercl.cli.listen.compare import build_parser
from sercl.cli.main import main
from sercl.cli.pages import LISTEN_COMPARE as PAGE
from sercl.listening.ratings import write_table
from sercl.testing.listeners import Group, fake_items, fake_ratings
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


def test_only_the_claims(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "--claims") == 0
    assert "cannot be tested" in capsys.readouterr().out
    assert run(folder, "--claims", "--json") == 0
    assert [own["name"] for own in json.loads(capsys.readouterr().out)] == [
        "within", "across", "dialect", "segments",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--predictions", "nowhere"), "no such folder"),
        (("--groups", "age"), "valid: native"),
        (("--margin", "2"), "--margin"),
        (("--standard", "swiss"), "--standard swiss"),
    ],
)
def test_wrong_use(
    folder: Path, words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, *words) == 2
    assert message in capsys.readouterr().err


def test_a_missing_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path) == 2
    assert "listen import" in capsys.readouterr().err


def test_the_page_names_options_that_exist() -> None:
    assert unknown_flags(PAGE.flags, lambda words: build_parser().parse_args(["r.parquet", *words])) == []
