import pytest

from sercl.cli.main import main
from sercl.listening.ratings import read_table
from sercl.listening.serving.store import Store, verify
from sercl.testing.listening import fake_listening_test
from tests.listening.serving.conftest import client
from tests.listening.serving.test_app import tokens, whole_session

pytest.importorskip("fastapi", reason="the extra `listen` is not installed")


def run(code, *words):
    assert main(["listen", *map(str, words)]) == code


@pytest.fixture
def test_folder(tmp_path):
    """A test that one person has finished, and another not begun."""
    fake_listening_test(tmp_path / "test", items=2)
    with client(tmp_path / "test", links=2) as (browser, server):
        whole_session(browser, tokens(server)[0])
    return tmp_path / "test"


@pytest.fixture
def served(monkeypatch):
    """What uvicorn was called with."""
    calls = []
    monkeypatch.setattr("uvicorn.run", lambda app, **options: calls.append((app, options)))
    return calls


def test_a_test_is_served_and_its_links_are_printed(test_folder, served, capsys):
    run(0, "serve", test_folder, "--links", 12, "--open-places", 5, "--port", 9000)
    printed = capsys.readouterr().out
    assert printed.count("One person:    http://127.0.0.1:9000/t/") == 10
    assert "12 links for one person" in printed
    assert "Open link:     http://127.0.0.1:9000/open/" in printed
    assert "Administrator: http://127.0.0.1:9000/admin/#" in printed
    ((_, options),) = served
    assert (options["host"], options["port"], options["access_log"]) == ("127.0.0.1", 9000, False)
    run(0, "serve", test_folder, "--url", "https://lab.org/listen/german/")
    assert "https://lab.org/listen/german/t/" in capsys.readouterr().out


def test_the_administrators_token_stays_and_is_readable_by_its_owner_alone(test_folder, served, capsys):
    run(0, "serve", test_folder)
    run(0, "serve", test_folder)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Administrator")]
    assert len(set(lines)) == 1
    assert (test_folder / "answers" / "admin-token").stat().st_mode & 0o077 == 0
    assert (test_folder / "answers").stat().st_mode & 0o077 == 0


def test_answers_are_exported_backed_up_and_withdrawn(test_folder, tmp_path, capsys):
    run(0, "answers", test_folder, "--out", tmp_path / "ratings.parquet")
    assert "5 rows of 1 listener" in capsys.readouterr().out
    frame = read_table(tmp_path / "ratings.parquet").frame
    assert len(frame) == 5
    run(0, "backup", test_folder, "--out", tmp_path / "copy")
    assert "10 entries, verified" in capsys.readouterr().out
    with Store(tmp_path / "copy") as store:
        token = store.reader().execute("SELECT token FROM sessions").fetchone()[0]
    run(0, "withdraw", test_folder, f"http://127.0.0.1:8000/t/{token}/")
    assert "Removed the contents of 9 entries" in capsys.readouterr().out
    verify(test_folder / "answers")
    run(1, "answers", test_folder, "--out", tmp_path / "none.parquet")
    assert "has no answers to this test yet" in " ".join(capsys.readouterr().err.split())


def test_wrong_use_says_what_is_valid(test_folder, tmp_path, served, capsys):
    for words, code, message in (
        (["serve", test_folder, "--links", -1], 2, "--links: must be 0 or more"),
        (["serve", test_folder, "--url", "lab.org"], 2, "--url: must begin with http://"),
        (["serve", tmp_path / "nothing"], 1, "no such file"),
        (["withdraw", test_folder, "wrong"], 2, "there is no such link"),
        (["backup", test_folder], 2, "--out"),
        (["backup", test_folder, "--out", test_folder], 1, "has content"),
        (["answers", tmp_path, "--out", "x.parquet"], 1, "no such file"),
    ):
        run(code, *words)
        assert message in " ".join(capsys.readouterr().err.split()), words
    assert served == []


def test_a_served_test_cannot_be_served_twice_or_changed_beside(test_folder, served, capsys):
    with client(test_folder) as (_, server):
        run(1, "serve", test_folder)
        run(1, "withdraw", test_folder, tokens(server)[0])
    printed = " ".join(capsys.readouterr().err.split())
    assert printed.count("is being served") == 2
    assert "administrator's page" in printed
