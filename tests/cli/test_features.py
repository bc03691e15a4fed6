import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from sercl.cli.features import build_parser
from sercl.cli.help import unknown_flags
from sercl.cli.main import main
from sercl.cli.pages import FEATURES as PAGE
from sercl.features.space import FeatureSpace
from tests.features.rows import SPACE, fill, rows
from tests.features.test_upkeep import HALF, age, cut


@pytest.fixture
def root(tmp_path: Path) -> Path:
    fill(tmp_path / "store", SPACE, rows(5))
    age(fill(tmp_path / "store", HALF, rows(3)) / "space.json", days=40)
    return tmp_path / "store"


def _run(*words: object) -> int:
    return main(["features", *map(str, words)])


def _spaces(root: Path) -> set[str]:
    return {path.name for path in root.iterdir()}


def test_info_prints_a_table(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("info", "--dir", root) == 0
    text = capsys.readouterr().out
    assert "tiny" in text
    assert "bf16" in text


def test_info_prints_json_and_nothing_else(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("info", "--dir", root, "--json") == 0
    infos = json.loads(capsys.readouterr().out)
    assert [info["rows"] for info in infos] == [5, 3]
    assert FeatureSpace.from_dict(infos[0]["space"]) == SPACE


def test_info_verifies_and_tells_damage_with_the_way_out(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = cut(min((root / SPACE.name).glob("*.arrow")))
    assert _run("info", "--dir", root, "--verify", "--json") == 0
    damaged = json.loads(capsys.readouterr().out)[0]["damaged"]
    assert path.name in damaged[0]
    assert f"sercl features prune --damaged --dir {root}" in damaged[0]
    assert _run("prune", "--damaged", "--dir", root) == 0
    assert "Removed" in capsys.readouterr().out
    assert not path.exists()
    assert _spaces(root) == {SPACE.name, HALF.name}


def test_the_default_store_is_that_of_the_user(user_cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("info") == 0
    assert str(user_cache / "sercl" / "features") in capsys.readouterr().out.replace("\n", "")


def test_prune_removes_what_it_says(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("prune", "--dir", root, "--older-than", 30)
    assert _run(*words, "--dry-run") == 0
    assert "Would remove" in capsys.readouterr().out
    assert _spaces(root) == {SPACE.name, HALF.name}
    assert _run(*words, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["removed"] is True
    assert [item["path"] for item in found["items"]] == [str(root / HALF.name)]
    assert _spaces(root) == {SPACE.name}
    assert _run("prune", "--dir", root, "--encoder", "tiny") == 0
    assert _spaces(root) == set()
    assert _run("prune", "--dir", root, "--all") == 0
    assert "Nothing to remove" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["inf"], "unknown features action 'inf'. Did you mean 'info'?"),
        (["prune"], "say what to remove: --older-than DAYS"),
        (["prune", "--all", "--encoder", "tiny"], "leave it out, or leave out --older-than and --encoder"),
        (["prune", "--older-than", "-1"], "--older-than is -1.0; it must be 0 or more"),
        (["prune", "--older-than", "long"], "'long' is not valid"),
        (["prune", "--olderthan", "3"], "Did you mean --older_than"),
        (["info", "--all"], "unknown option --all"),
    ],
)
def test_wrong_usage_is_one_message(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(*words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_an_unknown_encoder_is_answered_with_those_there_are(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("prune", "--dir", root, "--encoder", "tinny") == 2
    assert "Did you mean 'tiny'" in capsys.readouterr().err


def test_the_page_tells_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run() == 0
    page = capsys.readouterr().out
    assert all(flag in page for flag in PAGE.flags)
    unknown = set(PAGE.flags)
    for name in ("info", "prune"):
        unknown &= set(unknown_flags(PAGE.flags, partial(_parse, name)))
    assert unknown == set()


def test_no_torch_is_loaded(root: Path) -> None:
    code = (
        "import sys; from sercl.cli.main import main; "
        f"main(['features', 'info', '--dir', {str(root)!r}]); sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False)
    assert done.returncode == 0


def _parse(name: str, words: list[str]) -> object:
    return build_parser(name).parse_args(words)
