import json
from pathlib import Path

import pytest

from sercl.cli.main import main
from sercl.listening.ratings import write_table
from sercl.testing.listeners import Group, fake_items, fake_ratings
from sercl.testing.listening import fake_listening_test
from tests.listening.serving.conftest import client
from tests.listening.serving.test_app import tokens, whole_session
from tests.studies.runs import fake_run


def run(*words: object) -> int:
    return main(["listen", "monitor", *map(str, words)])


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("monitor") / "ratings.parquet"
    items = sorted(fake_items(("de",), 12), key=lambda item: (item["item"][-2:], item["truth"]))
    write_table(fake_ratings(items, [Group("German", 20), Group("Chinese", 20, foreign=2.0)]), path)
    classes = sorted({item["truth"] for item in items})
    utterances = [item["item"] for item in items]
    fake_run(path.parent / "run", 0.9, classes=classes, speakers=1, utterances=utterances)
    return path


def test_a_table_of_ratings(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(file, "--groups", "native", "--between", "[German,Chinese]") == 0
    text = capsys.readouterr().out
    assert "German minus Chinese" in text
    assert "The test can stop." in text
    assert run(file, "--groups", "native", "--width", 0.02) == 0
    text = capsys.readouterr().out
    assert "more item" in text
    assert "The test should go on." in text


def test_json_and_models(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(file, "--predictions", file.parent / "run", "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)["verdicts"]
    assert found["name"] == "all listeners minus run"
    assert found["items"] == 12


def test_a_test_that_is_served(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("fastapi", reason="the extra `listen` is not installed")
    fake_listening_test(tmp_path / "test", items=2)
    with client(tmp_path / "test", links=2) as (browser, server):
        whole_session(browser, tokens(server)[0])
    assert run(tmp_path / "test", "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)["verdicts"]
    assert (found["listeners"], found["low"], found["advice"]) == (1, None, "add listeners")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--margin", "0.1"), "--margin: has no effect"),
        (("--answers", "x"), "--answers: has no effect"),
        (("--predictions", "nowhere"), "no such folder"),
        (("--predictions", ".", "--width", "0.1"), "--width: has no effect"),
        (("--between", "[a,b]"), "needs --groups"),
    ],
)
def test_wrong_use(
    file: Path, words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(file, *words) == 2
    assert message in capsys.readouterr().err


def test_nothing_to_monitor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "nothing") == 2
    assert "no such folder of a test" in capsys.readouterr().err
