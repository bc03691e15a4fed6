import csv
import json
import os
import sys
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sercl.cli.help import unknown_flags
from sercl.cli.inputs import find_inputs
from sercl.cli.main import main
from sercl.cli.pages import PREDICT as PAGE
from sercl.cli.predict import build_parser
from sercl.errors import CheckpointError, UsageError

CLASSES = ("angry", "happy", "neutral", "sad")


@dataclass(frozen=True)
class Prediction:
    source: str
    emotion: str
    probabilities: dict[str, float]
    seconds: float


@dataclass(frozen=True)
class Failure:
    source: str
    error: str


class FakePredictor:
    """Says "happy" of everything but files whose name holds "bad", which it cannot read."""

    classes = CLASSES
    checkpoints: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.read = 0
        self.batch_seconds = 0.0

    def stream(self, inputs: Iterable[Path], batch_seconds: float) -> Iterator[Prediction | Failure]:
        self.batch_seconds = batch_seconds
        for path in inputs:
            self.read += 1
            if "bad" in path.name:
                yield Failure(str(path), "not audio")
            else:
                yield Prediction(
                    str(path), "happy", dict(zip(CLASSES, (0.1, 0.75, 0.1, 0.05), strict=True)), 1.5
                )


class Loader:
    def __init__(self) -> None:
        self.predictor = FakePredictor()
        self.calls: list[tuple[str, str, str | None, str]] = []
        self.error: Exception | None = None

    def __call__(self, checkpoint: str, device: str, encoder: str | None, precision: str) -> FakePredictor:
        self.calls.append((checkpoint, device, encoder, precision))
        if self.error is not None:
            raise self.error
        return self.predictor


@pytest.fixture
def loader(monkeypatch: pytest.MonkeyPatch) -> Loader:
    module = types.ModuleType("sercl.tasks.predictor")
    load = Loader()
    module.load, module.Failure, module.Prediction = load, Failure, Prediction  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr("sercl.cli.predict.check_checkpoint", lambda _: None)
    return load


@pytest.fixture
def talks(tmp_path: Path) -> Path:
    folder = tmp_path / "talks"
    (folder / "deep").mkdir(parents=True)
    for name in ("b.wav", "a.FLAC", "notes.txt", "._a.wav", "deep/c.mp3"):
        (folder / name).touch()
    return folder


def predict(*words: object) -> int:
    return main(["predict", "best.ckpt", *map(str, words)])


def test_table_streams_a_row_per_file(
    loader: Loader, talks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(talks) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["emotion", *CLASSES, "seconds", "file"]
    assert [line.split() for line in lines[1:]] == [
        ["happy", "0.10", "0.75", "0.10", "0.05", "1.50", str(talks / "a.FLAC")],
        ["happy", "0.10", "0.75", "0.10", "0.05", "1.50", str(talks / "b.wav")],
    ]


def test_a_long_path_is_not_cut(loader: Loader, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / ("x" * 200)
    folder.mkdir()
    (folder / "a.wav").touch()
    assert predict(folder) == 0
    assert capsys.readouterr().out.splitlines()[1].endswith(str(folder / "a.wav"))


def test_options_reach_the_predictor(loader: Loader, talks: Path) -> None:
    words = ("--device", "cpu", "--batch_seconds", "5", "--encoder", "there", "--precision", "bf16")
    assert predict(talks, *words) == 0
    assert loader.calls == [("best.ckpt", "cpu", "there", "bf16")]
    assert loader.predictor.batch_seconds == 5


def test_csv_holds_every_class(loader: Loader, talks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = talks / 'a, "quoted".wav'
    odd.touch()
    assert predict(odd, talks / "b.wav", "--format", "csv") == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [row["file"] for row in rows] == [str(odd), str(talks / "b.wav")]
    assert rows[0]["emotion"] == "happy"
    assert [float(rows[0][name]) for name in CLASSES] == [0.1, 0.75, 0.1, 0.05]


def test_of_an_ensemble_csv_and_json_name_its_models(
    loader: Loader, talks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("fold-0/best.ckpt", "fold-1/best.ckpt")
    loader.predictor.checkpoints = names
    assert predict(talks / "b.wav", "--format", "csv") == 0
    row = next(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert (row["models"], row["checkpoints"].split(";")) == ("2", list(names))
    assert predict(talks / "b.wav", "--format", "jsonl") == 0
    row = json.loads(capsys.readouterr().out)
    assert row["ensemble"] == {"models": 2, "checkpoints": list(names)}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_json_is_one_list(
    loader: Loader, tmp_path: Path, count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [tmp_path / f"声音{number}.wav" for number in range(count)]
    for path in paths:
        path.touch()
    assert predict(*paths, "--format", "json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["file"] for row in rows] == [str(path) for path in paths]
    assert rows[0]["probabilities"]["happy"] == 0.75


def test_json_of_nothing_readable_is_an_empty_list(
    loader: Loader, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.wav").touch()
    assert predict(tmp_path, "--format", "json") == 1
    assert json.loads(capsys.readouterr().out) == []


def test_jsonl_is_written_to_a_file_whole(
    loader: Loader, talks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "talks.jsonl"
    assert predict(talks, "--recursive", "--format", "jsonl", "--out", out) == 0
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [Path(row["file"]).name for row in rows] == ["a.FLAC", "b.wav", "c.mp3"]
    captured = capsys.readouterr()
    assert captured.out == ""
    assert str(out) in captured.err


def test_a_crash_leaves_the_old_file(loader: Loader, talks: Path, tmp_path: Path) -> None:
    out = tmp_path / "talks.csv"
    out.write_text("file,emotion,seconds,sad\n")
    loader.error = CheckpointError("best.ckpt: written by another version.")
    assert predict(talks, "--format", "csv", "--out", out) == 1
    assert out.read_text() == "file,emotion,seconds,sad\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["talks", "talks.csv"]


def test_an_unwritable_place_is_said_before_the_work(
    loader: Loader, talks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert predict(talks, "--out", tmp_path / "file" / "x.csv") == 1
    assert "cannot be written" in capsys.readouterr().err
    assert loader.calls == []


def test_a_bad_file_is_reported_and_the_rest_goes_on(
    loader: Loader, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("1.wav", "2bad.wav", "3.wav"):
        (tmp_path / name).touch()
    missing = tmp_path / "missing.wav"
    assert predict(tmp_path, missing, "--format", "csv") == 1
    captured = capsys.readouterr()
    assert [Path(row.split(",")[0]).name for row in captured.out.splitlines()[1:]] == ["1.wav", "3.wav"]
    assert f"error: {tmp_path / '2bad.wav'}: not audio" in captured.err
    assert f"error: {missing}: no such file or folder" in captured.err
    assert "2 of 4 inputs could not be used" in captured.err


def test_rows_come_while_later_files_are_unread(
    loader: Loader, talks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(50):
        (talks / f"more{number}.wav").touch()
    seen: list[int] = []
    monkeypatch.setattr("sercl.cli.predict._print_line", lambda line: seen.append(loader.predictor.read))
    assert predict(talks, "--format", "csv") == 0
    assert seen == list(range(53))  # the heading before any file is read, then a row after each


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "nowhere: no such file or folder"),
        (["nowhere/*.wav"], "nowhere/*.wav: no file matches"),
        (["{talks}/deep/none"], "no such file"),
        (["{empty}"], "no audio in this folder. Audio files end in .wav, .flac, .mp3"),
        (["{outer}"], "add --recursive"),
        (["{talks}", "--batch_seconds", "0"], "--batch_seconds 0.0: it must be greater than 0"),
        (["{talks}", "--batch_seconds", "x"], "--batch_seconds: 'x' is not valid. Valid: a number."),
        (["{talks}", "--format", "xml"], "unknown --format 'xml'. Valid: table, csv, json, jsonl."),
        (["{talks}", "--formt", "csv"], "unknown option --formt. Did you mean --format?"),
        ([], "a checkpoint, but no recording"),
    ],
)
def test_wrong_usage_exits_with_2_before_the_checkpoint_is_read(
    words: list[str],
    message: str,
    loader: Loader,
    talks: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty").mkdir()
    paths = {"talks": talks, "empty": tmp_path / "empty", "outer": tmp_path}
    assert predict(*(word.format(**paths) for word in words)) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""
    assert loader.calls == []


def test_help_is_a_page_whose_flags_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert predict("--help") == 0
    page = capsys.readouterr().out
    assert all(flag in page for flag in PAGE.flags)
    assert unknown_flags(PAGE.flags, lambda words: build_parser().parse_args(["c", "f", *words])) == []
    assert unknown_flags(["--formt"], lambda words: build_parser().parse_args(["c", "f", *words])) == [
        "--formt"
    ]


def test_patterns_are_expanded_and_files_come_once(talks: Path) -> None:
    inputs = find_inputs([f"{talks}/*.wav", str(talks), f"{talks}/**/*.mp3", str(talks / "notes.txt")])
    names = [path.name for path in inputs.files]
    assert names == ["b.wav", "a.FLAC", "c.mp3", "notes.txt"]
    assert inputs.unmatched == ()


def test_a_file_with_brackets_in_its_name_is_no_pattern(tmp_path: Path) -> None:
    path = tmp_path / "take[1].wav"
    path.touch()
    assert find_inputs([str(path)]).files == (path,)


def test_nothing_at_all_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to predict"):
        find_inputs([str(tmp_path)])


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
@pytest.mark.parametrize("to_file", [True, False])
def test_names_that_are_no_text_come_out_as_they_are(
    to_file: bool, loader: Loader, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.wav"
    Path(os.fsdecode(path)).touch()
    out = tmp_path / "out.csv"
    assert predict(tmp_path, "--format", "csv", *(["--out", out] if to_file else [])) == 0
    written = out.read_bytes() if to_file else capfdbinary.readouterr().out
    assert path in written
