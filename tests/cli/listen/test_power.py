import json
from pathlib import Path

import pytest

from sercl.cli.main import main
from sercl.listening.ratings import write_table
from sercl.testing.listeners import Group, fake_items, fake_ratings

QUICK = ("--listeners", "[5,20]", "--items", "[24,96]", "--simulations", "100")


def run(*words: str) -> int:
    return main(["listen", "power", *QUICK, *words])


def test_a_table_and_the_smallest_test(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--test", "dialect", "--difference", "0.2") == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "A dialect costs 20 points; UAR 70.0 %" in text
    assert "Fewest answers with power 0.8" in text
    assert run("--difference", "0.001") == 0
    assert "No number of listeners and items here" in " ".join(capsys.readouterr().out.split())


def test_curves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "power.svg"
    words = "--test", "native", "--difference", "0.1", "--heard", "12"
    assert run(*words, "--figure", str(picture)) == 0
    text = capsys.readouterr().out
    assert "of which each listener hears 12" in " ".join(text.split())
    chart = text[text.index("over the number of items") :].splitlines()
    assert [line.split()[0] for line in chart[1:12]] == [str(size) for size in range(100, -1, -10)]
    assert sum(line.count("●") for line in chart) == sum(line.count("■") for line in chart) == 2
    assert chart[12].split() == ["24", "96"]
    assert "each listener hears 12" in picture.read_text()
    assert run("--figure", "power.bmp") == 2
    assert ".svg" in capsys.readouterr().err
    assert main(["listen", "power", "--listeners", "[5]", "--items", "[48]", "--simulations", "100"]) == 0
    assert "at the right" not in capsys.readouterr().out


def test_curves_that_end_in_one_row_have_their_signs(capsys: pytest.CaptureFixture[str]) -> None:
    many = "--listeners", "[20,80,90]", "--items", "[48,192]", "--simulations", "100"
    assert main(["listen", "power", *many, "--difference", "0.3"]) == 0
    top = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("  100 "))
    assert top.endswith("▲ ● 20   ■ 80   ▲ 90")


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert [(cell["listeners"], cell["items"]) for cell in content["cells"]] == [
        (5, 24),
        (5, 96),
        (20, 24),
        (20, 96),
    ]
    assert content["options"]["spread"]["item"] == 1.0


def test_a_pilot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "pilot.parquet"
    write_table(fake_ratings(fake_items(("de",), 6), [Group("German", 10), Group("Chinese", 10)]), file)
    assert run("--pilot", str(file), "--groups", "native", "--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert content["options"]["spread"]["item"] != 1.0
    assert 0.5 < content["options"]["uar"] < 0.9
    assert run("--pilot", str(file), "--spread.item", "2") == 2
    assert "has no effect with --pilot" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--groups", "native"), "without --pilot"),
        (("--pilot", "nowhere.parquet"), "no such file"),
        (("--margin", "0.1"), "no effect on --test groups"),
        (("--spread.item", "-1"), "log-odds"),
        (("--test", "accents"), "accents"),
    ],
)
def test_wrong_use(words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*words) == 2
    assert message in capsys.readouterr().err
