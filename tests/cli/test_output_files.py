"""A file that the user names is replaced only if it is an earlier output of the same command."""

import argparse
from pathlib import Path

import pytest

from sercl.cli.diarize.outputs import check_outputs, write_outputs
from sercl.cli.main import main
from sercl.cli.predict import _output
from sercl.diarization.segments import Annotation, ScoredSegment
from sercl.errors import UsageError
from sercl.listening import ratings
from sercl.reports.predictions import FORMATS
from sercl.reports.rendering import FORMATS as PICTURES
from sercl.reports.rendering import check_picture, picture_file
from sercl.tasks.predictor import Prediction

OTHERS = {
    "notes": "my notes\n",
    "manifest": "path,emotion,speaker\na.wav,sad,1\n",
    "list": '["a"]\n',
    "binary": "\0\1\2",
}
PREDICTIONS = [Prediction("a.wav", "sad", {"angry": 0.25, "sad": 0.75}, 1.5)]
ITEM = Annotation("a", (ScoredSegment(0, 1, "neutral", 0.9), ScoredSegment(1, 2, "sad", 0.8)), 2.0)


@pytest.fixture(params=OTHERS)
def other(request, tmp_path):
    """A file that no command of sercl has written."""
    path = tmp_path / "other.txt"
    path.write_text(OTHERS[request.param])
    yield path
    assert path.read_text() == OTHERS[request.param]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("found", [PREDICTIONS, []])
def test_predictions_replace_predictions(format, found, tmp_path):
    path = str(tmp_path / "predictions")
    for _ in range(2):
        with _output(path) as write:
            for line in FORMATS[format](found, ("angry", "sad"), ()):
                write(line)


def test_predictions_replace_nothing_else(other):
    with pytest.raises(UsageError, match="exists and would be lost"), _output(str(other)):
        pass


def diarize(out, format, **more):
    own = {"plot": None, "html": None, "audio": None, "checkpoint": "best.ckpt"}
    return argparse.Namespace(out=out and str(out), format=format, **own | more)


@pytest.mark.parametrize("format", ["table", "json", "rttm", "textgrid", "audacity", "csv"])
def test_segments_replace_segments(format, tmp_path):
    options = diarize(tmp_path / "segments", format)
    for _ in range(2):
        check_outputs(options, ["a", "b"])
        write_outputs(options, [(Path("a.wav"), ITEM), (Path("b.wav"), ITEM)])


@pytest.mark.parametrize("format", ["table", "json", "rttm", "csv"])
def test_segments_replace_nothing_else(format, other):
    with pytest.raises(UsageError, match="not segments of `sercl diarize`"):
        check_outputs(diarize(other, format), ["a"])


def test_every_file_of_a_folder_is_looked_at(tmp_path):
    (tmp_path / "b.txt").write_text("my notes\n")
    with pytest.raises(UsageError, match=r"b\.txt: exists"):
        check_outputs(diarize(tmp_path, "audacity"), ["a", "b"])


def test_a_page_replaces_a_page_only(other, wav_file):
    options = diarize(None, "csv", html=str(other.with_suffix(".html")))
    for _ in range(2):
        check_outputs(options, ["a"])
        write_outputs(argparse.Namespace(**{**vars(options), "format": "table"}), [(wav_file, ITEM)])
    with pytest.raises(UsageError, match="not a page of `sercl diarize`"):
        check_outputs(diarize(None, "csv", html=str(other)), ["a"])


@pytest.fixture
def wav_file(tmp_path):
    import numpy as np
    import soundfile

    soundfile.write(tmp_path / "a.wav", np.zeros(32_000), 16_000)
    return tmp_path / "a.wav"


@pytest.mark.parametrize("suffix", PICTURES)
def test_pictures_replace_pictures_of_sercl_only(suffix, tmp_path):
    from matplotlib.figure import Figure

    path = tmp_path / f"picture{suffix}"
    for _ in range(2):
        check_picture(path)
        with picture_file(path, {}) as figure:
            figure.add_subplot()
    Figure().savefig(path)
    with pytest.raises(UsageError, match="not a picture of sercl"):
        check_picture(path)


def test_answers_replace_answers_only(tmp_path):
    path = tmp_path / "ratings.parquet"
    ratings.write_table(ratings.table_of(ratings.RATINGS, []), path)
    ratings.check_file(path)
    for content in ("my notes\n", "PAR1"):
        path.write_text(content)
        with pytest.raises(UsageError, match="not answers of a listening test"):
            ratings.check_file(path)


def test_a_manifest_is_never_replaced(tmp_path, emodb, capsys):
    words = ["corpus", "manifest", "EmoDB", "--root", str(emodb), "--out", str(tmp_path / "own.csv")]
    assert main(words) == 0
    before = (tmp_path / "own.csv").read_text() + "edited by hand\n"
    (tmp_path / "own.csv").write_text(before)
    assert main(words) == 2
    assert "own.csv: exists and would be lost" in capsys.readouterr().err
    assert (tmp_path / "own.csv").read_text() == before


def test_an_empty_file_is_replaced(tmp_path):
    (tmp_path / "new.png").touch()
    check_picture(tmp_path / "new.png")
