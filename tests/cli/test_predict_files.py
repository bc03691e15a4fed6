"""`sercl predict` with a real checkpoint on files of every odd kind; test_predict.py has the printing."""

import csv

import numpy as np
import pytest
import soundfile

from sercl.cli.main import main
from sercl.testing.corpora import tone

CLASSES = ("angry", "happy", "neutral", "sad")


@pytest.fixture(scope="module")
def checkpoint(fit_words, tmp_path_factory):
    folder = tmp_path_factory.mktemp("predict") / "run"
    # Clips as recorded: the length that an encoder takes is that of a clip after trimming.
    words = [*fit_words, "--preprocess.trim", "none", "--model.layer", "1", "--trainer.max_epochs", "1"]
    words += ["--out", str(folder)]
    assert main(words) == 0
    return folder / "best.ckpt"


@pytest.fixture
def predict(checkpoint, capsys):
    """Predict, and return exit code, rows of the CSV and what was said on standard error."""

    def run(*words):
        code = main(["predict", str(checkpoint), *map(str, words), "--format", "csv"])
        printed = capsys.readouterr()
        return code, list(csv.DictReader(printed.out.splitlines(keepends=True))), printed.err

    return run


def write(path, seconds=0.3, rate=16_000, channels=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = tone("sad", seconds, rate)
    soundfile.write(path, np.stack([samples] * channels, axis=1), rate)
    return path


def files(rows):
    return [row["file"] for row in rows]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("empty", "no audio in this folder"),
        ("empty/*.wav", "no file matches"),
        ("absent.wav", "no such file"),
    ],
)
def test_what_stands_for_no_file_is_said_and_the_rest_predicted(word, said, predict, tmp_path):
    (tmp_path / "empty").mkdir()
    code, rows, error = predict(tmp_path / word)
    assert (code, rows) == (2, [])
    assert said in error
    good = write(tmp_path / "good.wav")
    code, rows, error = predict(tmp_path / word, good)
    assert (code, files(rows)) == (1, [str(good)])
    assert f"error: {tmp_path / word}: {said}" in error
    assert "1 of 2 inputs could not be used" in error


def test_every_format_rate_and_number_of_channels(predict, tmp_path):
    made = [
        write(tmp_path / "a.wav"),
        write(tmp_path / "b.flac", rate=44_100, channels=2),
        write(tmp_path / "c.ogg", rate=22_050),
        write(tmp_path / "d.mp3", rate=48_000),
        write(tmp_path / "e.aiff", rate=8_000),
    ]
    code, rows, _ = predict(tmp_path)
    assert (code, files(rows)) == (0, list(map(str, made)))
    for row in rows:
        assert sum(float(row[name]) for name in CLASSES) == pytest.approx(1, abs=1e-5)
        assert row["emotion"] == max(CLASSES, key=lambda name: float(row[name]))
        assert float(row["seconds"]) == pytest.approx(0.3, abs=0.1)


def test_files_that_are_no_audio_or_too_long_for_the_encoder_stop_nothing(predict, tmp_path):
    write(tmp_path / "1.wav")
    write(tmp_path / "2.wav", seconds=11)  # the tiny Whisper takes 10 s
    (tmp_path / "3.wav").write_text("not audio")
    write(tmp_path / "4.wav")
    (tmp_path / "notes.txt").write_text("not audio either")
    code, rows, error = predict(tmp_path, tmp_path / "notes.txt")
    assert (code, files(rows)) == (1, [str(tmp_path / "1.wav"), str(tmp_path / "4.wav")])
    assert f"error: {tmp_path / '2.wav'}: encoder " in error
    assert "too long" in error
    for name in ("3.wav", "notes.txt"):
        assert f"error: {tmp_path / name}: cannot be decoded" in error
    assert "3 of 5 inputs could not be used" in error


@pytest.mark.parametrize("name", ["csv", "json", "jsonl", "table"])
def test_results_go_into_a_folder_that_is_not_there_yet(name, checkpoint, tmp_path, capsys):
    good, out = write(tmp_path / "good.wav"), tmp_path / "new" / "deep" / f"out.{name}"
    assert main(["predict", str(checkpoint), str(good), "--format", name, "--out", str(out)]) == 0
    assert str(good) in out.read_text()
    printed = capsys.readouterr()
    assert printed.out == ""
    assert str(out) in printed.err
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_a_long_recording_is_answered_and_pointed_to_diarize(predict, tmp_path, monkeypatch):
    monkeypatch.setattr("sercl.cli.predict.LONG_SECONDS", 1.0)
    long, short = write(tmp_path / "long.wav", 1.5), write(tmp_path / "short.wav")
    code, rows, error = predict(long, short)
    assert (code, len(rows)) == (0, 2)
    assert f"Longer than 1 s: {long}. The probabilities are for the whole recording" in error
    assert "`sercl diarize`" in error
    assert "Longer" not in predict(short)[2]


def test_a_recording_beyond_the_encoder_is_pointed_to_diarize(predict, tmp_path):
    code, rows, error = predict(write(tmp_path / "long.wav", 11.0))  # the tiny Whisper takes 10 s
    assert (code, rows) == (1, [])
    assert "`sercl diarize` labels emotions over time in recordings of any length" in error


@pytest.mark.slow
def test_several_processes_give_the_same_rows_in_the_same_order(predict, tmp_path):
    paths = [write(tmp_path / f"{i}.wav", 0.3 + 0.1 * (i % 3)) for i in range(70)]
    (tmp_path / "20.wav").write_bytes(b"no audio")
    alone, shared = predict(tmp_path), predict(tmp_path, "--devices", "2", "--device", "cpu")
    assert shared[0] == alone[0] == 1
    assert files(shared[1]) == files(alone[1])
    assert len(shared[1]) == len(paths) - 1
    assert "20.wav" in shared[2]
    for ours, theirs in zip(shared[1], alone[1], strict=True):
        assert [float(ours[name]) for name in CLASSES] == pytest.approx(
            [float(theirs[name]) for name in CLASSES], abs=1e-4
        )


def test_processes_cannot_share_one_device(predict, tmp_path):
    code, _, error = predict(write(tmp_path / "a.wav"), "--devices", "2", "--device", "cuda:1")
    assert code == 2
    assert "CUDA_VISIBLE_DEVICES" in error
