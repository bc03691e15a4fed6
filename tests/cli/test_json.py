"""Every key that `--json` prints is in docs/json.md, and every key there is printed."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sercl.cli.main import main
from sercl.diarization.formats import jsonfile
from sercl.diarization.segments import Annotation, ScoredSegment
from sercl.json_text import json_text, plain
from sercl.listening.ratings import write_table
from sercl.studies.cross_eval.study_file import study_to_dict
from sercl.testing.listeners import Group, fake_items, fake_ratings
from sercl.testing.studies import fake_study
from tests.features.rows import SPACE, fill, rows
from tests.listening.comparison.test_compare import whole
from tests.listening.comparison.test_segments import marked
from tests.studies.runs import fake_run

PAGE = Path(__file__).resolve().parents[2] / "docs" / "json.md"
SCORE = ("value", "low", "high", "unit", "count")


def documented() -> dict[str, list[str]]:
    """First command of a table -> its keys, scores spelt out."""
    tables: dict[str, list[str]] = {}
    command = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("`sercl "):
            command = re.findall(r"`sercl ([^`]+)`", line)[0]
        elif line.startswith("| `"):
            _, keys, what, _ = line.split("|", 3)
            names = re.findall(r"`([^`]+)`", keys)
            if what.strip().startswith("score"):
                names = [f"{name}.{part}" for name in names for part in SCORE]
            tables.setdefault(command, []).extend(names)
    return tables


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the path of each value, `[]` for an entry of a list; names keep their dots apart by NUL."""
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from leaves(item, f"{path}\0{name}" if path else name)
    elif isinstance(value, list) and value:
        for item in value:
            yield from leaves(item, f"{path}[]")
    else:
        yield path, value


def pattern(key: str) -> re.Pattern[str]:
    text = re.escape(key.replace(".", "\0")).replace(r"\*\*", "\1").replace(r"\*", "[^\0]+?")
    text = re.sub(r"\\?\x00\x01", "(\0.*)?", text)
    return re.compile(text)


def check(command: str, content: Any) -> None:
    keys = documented()[command]
    patterns = [pattern(key) for key in keys]

    def is_known(path: str, value: Any) -> bool:
        # What is empty or null stands for what would be below it.
        below = ("", "[]", "\0value", "\0any") if value in (None, [], {}) else ("",)
        return any(own.fullmatch(path + end) for own in patterns for end in below)

    lacking = {path.replace("\0", ".") for path, value in leaves(content) if not is_known(path, value)}
    assert not lacking, f"docs/json.md lacks these keys of sercl {command}: {sorted(lacking)[:9]}"
    tops = {re.split(r"[.\[]", key.removeprefix("[]."))[0] for key in keys}
    first = content[0] if isinstance(content, list) else content
    assert tops == set(first), "keys of docs/json.md that are not printed, or the reverse"
    assert plain(content) == content, "numbers are rounded alike"


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    assert main(list(words)) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def data(encoder: str, emodb: str) -> list[str]:
    """Options of a small corpus and a tiny encoder."""
    model = ["--model.encoder", encoder, "--model.whisper_form", "short"]
    return ["--data", "EmoDB", "--data.root", emodb, *model]


def test_the_page_has_every_command_that_prints_json() -> None:
    assert set(documented()) == {
        "fit", "compare", "compare RUN --group_by COLUMN", "layer-probe", "cross-eval",
        "corpus inspect", "corpus list", "features info",
        "features prune", "predict --format json", "diarize fit", "diarize score",
        "listen import", "listen compare", "listen monitor", "listen power",
        "diarize --format json",
    }  # fmt: skip


def test_corpora(emodb: str, capsys) -> None:
    check("corpus list", printed(capsys, "corpus", "list", "--json"))
    check("corpus inspect", printed(capsys, "corpus", "inspect", "EmoDB", "--root", emodb, "--json"))


def test_comparisons(tmp_path: Path, capsys) -> None:
    first = fake_run(tmp_path / "a", 0.5, {"model": {"adapter": None}})
    second = fake_run(tmp_path / "b", 0.9, {"model": {"adapter": "lora"}}, seed=1)
    check("compare", printed(capsys, "compare", str(first), str(second), "--json"))


def test_listeners(tmp_path: Path, capsys) -> None:
    (tmp_path / "a.csv").write_text("listener,item,answer\na,u1,sad\nb,u1,angry\nb,u2,purple\n")
    words = ["--on_error", "skip", "--exclude.min_answered", "0.5", "--out", str(tmp_path / "r.parquet")]
    check("listen import", printed(capsys, "listen", "import", str(tmp_path / "a.csv"), *words, "--json"))
    check("listen compare", plain(whole()[0].to_dict()))
    check("listen compare", plain(marked().to_dict()))
    write_table(fake_ratings(fake_items(("de",), 3), [Group("German", 4)]), tmp_path / "m.parquet")
    check("listen monitor", printed(capsys, "listen", "monitor", str(tmp_path / "m.parquet"), "--json"))
    sizes = ["--listeners", "[20]", "--items", "[96]", "--simulations", "100"]
    check("listen power", printed(capsys, "listen", "power", *sizes, "--json"))


def test_segment_files(tmp_path: Path, capsys) -> None:
    (tmp_path / "truth.csv").write_text("id,start,end,emotion,duration\na,0,1,sad,2\nb,0,1,angry,2\n")
    (tmp_path / "found.csv").write_text("id,start,end,emotion\na,0.5,1,sad\n")
    words = ["--reference", str(tmp_path / "truth.csv"), "--hypothesis", str(tmp_path / "found.csv")]
    for more in ([], ["--uncovered", "error", "--labels", "4"]):
        check("diarize score", printed(capsys, "diarize", "score", *words, *more, "--json"))


def test_what_diarize_writes(tmp_path: Path) -> None:
    found = (ScoredSegment(0.0, 1 / 3, "sad", 0.51239), ScoredSegment(1 / 3, 2.0, "neutral"))
    jsonfile.write([Annotation("a", found, 2.0, ((0.5, 2 / 3),))], tmp_path / "a.json")
    check("diarize --format json", json.loads((tmp_path / "a.json").read_text()))


def test_the_store(tmp_path: Path, capsys) -> None:
    fill(tmp_path / "store", SPACE, rows(3))
    words = ["--dir", str(tmp_path / "store"), "--json"]
    check("features info", printed(capsys, "features", "info", *words))
    for more in (["--dry-run"], []):
        check("features prune", printed(capsys, "features", "prune", "--all", *more, *words))


def test_studies(tmp_path: Path) -> None:
    check("cross-eval", json.loads(json_text(study_to_dict(fake_study(tmp_path)))))


@pytest.mark.slow
def test_training_predictions_probes_and_the_store(
    fit_words: list[str], data: list[str], emodb: str, tmp_path: Path, capsys
) -> None:
    store, run = str(tmp_path / "store"), tmp_path / "run"
    kept = printed(capsys, *fit_words, "--out", str(run), "--features.dir", store, "--json")
    check("fit", kept)
    assert json.loads((run / "results.json").read_text()) == kept
    clip = str(min(Path(emodb).rglob("*.wav")))
    predict = ["predict", str(run / "best.ckpt"), clip, "--format", "json"]
    check("predict --format json", printed(capsys, *predict))
    probe = ["layer-probe", *data, "--features.dir", store, "--probe.max_epochs", "2"]
    check("layer-probe", printed(capsys, *probe, "--out", str(tmp_path / "probe"), "--json"))
    check("features info", printed(capsys, "features", "info", "--dir", store, "--json"))


@pytest.mark.slow
def test_diarizers(data: list[str], tmp_path: Path, capsys) -> None:
    trainer = ["--trainer.max_epochs", "1", "--trainer.accelerator", "cpu"]
    words = ["diarize", "fit", *data, *trainer, "--out", str(tmp_path / "run"), "--json"]
    check("diarize fit", printed(capsys, *words))


def test_the_best_epoch_is_counted_alike_on_the_screen_and_in_json() -> None:
    from rich.console import Console

    from sercl.reports.results import stages_table
    from tests.reports.test_results_training import STAGE

    console = Console(width=150, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(stages_table([STAGE]))
    assert f" {STAGE.to_dict()['epoch']} " in console.export_text()
    assert STAGE.to_dict()["epoch"] == STAGE.epoch + 1
