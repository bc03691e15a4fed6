import json
from pathlib import Path

import pytest

from sercl.cli.help import unknown_flags
from sercl.cli.listen.importing import build_parser
from sercl.cli.main import main
from sercl.cli.pages import LISTEN_IMPORT as PAGE
from sercl.listening.ratings import read_table

LSS = """session_test_id,participant_id,trial_id,stimuli_rating,stimuli,rating_time
test,p1,t1,angry,k1,5210
test,p1,t1,sad,k2,300
test,p2,t1,sad,k1,1210
test,p2,t1,angry,k2,1210
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "lss.csv").write_text(LSS)
    (tmp_path / "items.csv").write_text(
        "utterance,path,emotion,kind\nu1,k1.wav,angry,item\nu2,k2.wav,sad,attention\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> int:
    return main(["listen", "import", *words])


def test_a_table_is_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("lss.csv", "--items", "items.csv", "--out", "r.parquet") == 0
    printed = capsys.readouterr()
    assert "webmushra" in printed.out
    assert "told apart by the column 'participant_id'" in printed.err
    assert read_table(folder / "r.parquet").frame["item"].tolist() == ["u1", "u2", "u1", "u2"]


def test_json_and_nothing_else(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("lss.csv", "--items", "items.csv", "--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["rows"], content["listeners"], content["items"], content["faults"]) == (4, 2, 2, [])
    assert (folder / "ratings.parquet").is_file()


def test_bad_rows_stop_it_unless_they_may_be_left_out(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "lss.csv").write_text(LSS + "test,p2,t1,purple,k1,1\n")
    assert run("lss.csv") == 1
    assert "lss.csv:6: answer 'purple'" in capsys.readouterr().err
    assert not (folder / "ratings.parquet").exists()
    assert run("lss.csv", "--on_error", "skip") == 0
    assert "lss.csv:6: answer 'purple'" in capsys.readouterr().err
    assert len(read_table(folder / "ratings.parquet").frame) == 4


def test_exclusion_is_reported(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("lss.csv", "--items", "items.csv", "--exclude.failed_checks", "0") == 0
    out = capsys.readouterr().out
    assert "failed 1 of 1 attention checks" in out
    assert "Kept 1 of 2 listeners" in out
    report = json.loads((folder / "ratings.exclusions.json").read_text())
    assert [own["listener"] for own in report["listeners"] if own["reasons"]] == ["p2"]
    assert set(read_table(folder / "ratings.parquet").frame["listener"]) == {"p1"}


def test_rules_from_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "rules.yaml").write_text("failed_checks: 0\n")
    assert run("lss.csv", "--items", "items.csv", "--rules", "rules.yaml") == 0
    assert set(read_table(folder / "ratings.parquet").frame["listener"]) == {"p1"}
    words = ("lss.csv", "--items", "items.csv", "--rules", "rules.yaml")
    assert run(*words, "--exclude.min_answered", "0.5") == 2
    (folder / "rules.yaml").write_text("failed: 0\n")
    assert run(*words) == 2
    assert "failed_checks" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("none.csv",), "no such file"),
        (("lss.csv", "--out", "r.csv"), "Parquet"),
        (("lss.csv", "--format", "excel"), "unknown format of results"),
        (("lss.csv", "--columns", "{itm: a}"), "unknown column"),
        (("lss.csv", "--exclude.fast_share", "5"), "0 to 1"),
    ],
)
def test_wrong_use(
    folder: Path, words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == 2
    assert message in capsys.readouterr().err


def test_an_unknown_action_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["listen", "imprt"]) == 2
    assert "'import'" in capsys.readouterr().err


def test_the_page_names_options_that_exist() -> None:
    assert unknown_flags(PAGE.flags, lambda words: build_parser().parse_args(["a.csv", *words])) == []
