"""What docs/security.md promises: each promise names a test that is there, and some are tested here."""

import ast
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from sercl.audio.scan import AudioSpan, Measures
from sercl.audio.scan_cache import ScanCache
from sercl.audio.speech_cache import SpeechCache
from sercl.corpora.hub_audio import HubAudio
from sercl.corpora.table_folders import remember_folders
from sercl.data.datamodules.own import CACHE
from sercl.files import cache_folder, ensure_folder
from sercl.reports.cross_eval.html import html_report
from sercl.reports.cross_eval.tables import latex_report, markdown_table
from sercl.reports.style import TextTable
from sercl.studies.cross_eval.analysis.analysis import analyse
from sercl.testing.studies import CORPORA, ENCODERS, Grid, fake_study
from tests.features.rows import SPACE, fill, rows

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
EVIL = '<script>alert("x")</script>\n\\input{x}'


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_every_promise_names_a_test(file: str, name: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_no_promise_is_without_a_test() -> None:
    promises = re.split(r"\n\* ", PAGE)[1:]
    assert len(promises) > 15
    assert all("`tests/" in promise for promise in promises)


def calls(path: Path) -> list[ast.Call]:
    """Return the calls in a module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def test_nothing_is_unpickled_that_a_file_contains() -> None:
    """A launcher pickles work for its own processes; nothing else may, and torch loads weights only."""
    refused = {"pickle.loads", "pickle.load", "joblib.load", "np.load", "dill.load", "yaml.unsafe_load"}
    for path in (ROOT / "sercl").rglob("*.py"):
        for call in calls(path):
            name, options = (
                ast.unparse(call.func),
                {each.arg: ast.unparse(each.value) for each in call.keywords},
            )
            if name == "torch.load":
                assert options.get("weights_only") == "True", path
            if name.endswith((".fit", ".test", ".validate", ".predict")) and "ckpt_path" in options:
                assert options.get("weights_only") == "True", path
            assert not name.endswith(("load_from_checkpoint",)), path
            assert "trust_remote_code" not in options, path
            assert name not in refused or path.name == "process.py", path


def test_names_are_escaped_in_reports(tmp_path: Path) -> None:
    grid = Grid(
        {EVIL: CORPORA["EmoDB"], "RAVDESS": CORPORA["RAVDESS"]},
        {"whisper-base": ENCODERS["whisper-base"]},
        ("none",),
        ("monolingual", "zero-shot"),
    )
    fake_study(tmp_path, grid, speakers=4, per_class=1)
    analysis = analyse(tmp_path)
    page = html_report(analysis, tmp_path)
    assert "alert" in page
    assert '<script>alert("x")' not in page
    lines = latex_report(analysis).split("\n")
    assert not any("\\input" in line for line in lines if not line.startswith("%"))


def test_markdown_has_no_markup_of_names() -> None:
    table = TextTable("t", EVIL, ("a",), ((EVIL,), ("[x](javascript:y)",)))
    text = markdown_table(table)
    assert "<script" not in text
    assert "](" not in text


def fill_scans(folder: Path) -> None:
    clip = folder.parents[1] / "a.wav"
    clip.touch()
    cache = ScanCache(folder / "features")
    cache.remember([(cache.identify({0: AudioSpan(clip)})[0], Measures(1.0, 16_000, 1, -3.0, "d"))])


CACHES: dict[str, Callable[[Path], object]] = {
    "audio checks": fill_scans,
    "speech": lambda folder: SpeechCache(folder / "features").remember({"key": ()}, "silero"),
    "hidden states": lambda folder: fill(folder / "features", SPACE, rows(1)),
    "hub": lambda folder: HubAudio(folder / "hub", folder).file_of(b"RIFF"),
    "tables": lambda folder: remember_folders(folder.parents[1] / "m.csv", [Path("/a/b/c/d.wav")]),
}


@pytest.mark.parametrize("home", ["XDG_CACHE_HOME", "HOME"])
@pytest.mark.parametrize("name", CACHES)
def test_each_cache_is_the_users_alone(
    name: str, home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever is filled first makes the folder of all."""
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv(home, str(tmp_path / ".cache" if home == "XDG_CACHE_HOME" else tmp_path))
    CACHES[name](tmp_path / ".cache" / "sercl")
    assert cache_folder() == tmp_path / ".cache" / "sercl"
    assert cache_folder().stat().st_mode & 0o777 == 0o700
    assert any(path.is_file() for path in cache_folder().rglob("*"))


def test_the_cache_of_datasets_is_the_users_alone_wherever_the_others_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("HOME", str(tmp_path))
    ensure_folder(CACHE.expanduser())
    assert (tmp_path / ".cache" / "sercl").stat().st_mode & 0o777 == 0o700
