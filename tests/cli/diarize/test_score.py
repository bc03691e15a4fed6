import json
import subprocess
import sys

import pytest

from sercl.cli.diarize.pages import SCORE_PAGE
from sercl.cli.diarize.score import build_parser
from sercl.cli.help import unknown_flags
from sercl.cli.main import main
from sercl.diarization.formats import write_segments
from sercl.diarization.segments import Annotation, ScoredSegment

TRUTH = (Annotation("a", (ScoredSegment(0.39, 1.1, "angry"),), 1.22), Annotation("b", (), 2.0))


@pytest.fixture
def truth(tmp_path):
    write_segments(TRUTH, tmp_path / "truth.json")
    return tmp_path / "truth.json"


def scored(capsys, *words):
    assert main(["diarize", "score", "--json", *map(str, words)]) == 0
    return json.loads(capsys.readouterr().out)


def test_segments_against_themselves_have_no_error(truth, tmp_path, capsys):
    found = scored(capsys, "--reference", truth, "--hypothesis", truth)
    assert found["scores"]["eder"]["value"] == 0
    assert found["classes"] == ["angry", "neutral"]
    assert main(["diarize", "score", "--reference", str(truth), "--hypothesis", str(truth)]) == 0
    assert "Events found" in capsys.readouterr().out


def test_formats_may_differ(truth, tmp_path, capsys):
    write_segments([Annotation("a", (ScoredSegment(0.5, 1.22, "sad"),))], tmp_path / "found.rttm")
    found = scored(capsys, "--reference", truth, "--hypothesis", tmp_path / "found.rttm")
    scores = found["scores"]
    missed, false_alarm, confusion = 0.11 / 1.22 / 2, 0.12 / 1.22 / 2, 0.6 / 1.22 / 2
    assert scores["missed"]["value"] == pytest.approx(missed)
    assert scores["false_alarm"]["value"] == pytest.approx(false_alarm)
    assert scores["confusion"]["value"] == pytest.approx(confusion)
    assert scores["eder_time"]["value"] == pytest.approx(0.83 / 3.22)
    assert any("1 of 2 recordings have no hypothesis" in note for note in found["notes"])


def test_durations_may_be_given(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("0\t1\tsad\n")
    words = ["--reference", tmp_path / "a.txt", "--hypothesis", tmp_path / "a.txt"]
    assert any("duration of 1 recordings is not known" in note for note in scored(capsys, *words)["notes"])
    (tmp_path / "durations.csv").write_text("id,seconds\na,4\n")
    found = scored(capsys, *words, "--durations", tmp_path / "durations.csv")
    assert found["scores"]["seconds"] == 4
    assert found["notes"] == []


def test_emotions_may_be_brought_to_classes(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("0\t1\texcited\n")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "a.txt").write_text("0\t1\thappy\n")
    words = ["--reference", tmp_path / "a.txt", "--hypothesis", tmp_path / "b" / "a.txt"]
    assert scored(capsys, *words)["scores"]["eder"]["value"] == 1
    assert scored(capsys, *words, "--labels", "4")["scores"]["eder"]["value"] == 0


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (
            "0\t1\tsad\n0.5\t2\tangry\n",
            1,
            "found.txt:2: angry from 0.5 s to 2 s overlaps sad from 0 s",
        ),
        ("-1\t1\tsad\n", 1, "found.txt:1: sad from -1 s to 1 s is no stretch of time"),
        ("0\t1\tglad-ish\n", 1, "unknown emotion 'glad-ish'"),
        ("0\t1\tbored\n", 1, "recording 'found': 0 s to 1 s: unknown emotion 'bored'"),
    ],
)
def test_bad_segments_are_one_clear_message(tmp_path, capsys, text, code, said):
    path = tmp_path / "found.txt"
    path.write_text(text)
    words = ["--reference", str(path), "--hypothesis", str(path), "--labels", "4"]
    assert main(["diarize", "score", *words]) == code
    assert said in " ".join(capsys.readouterr().err.split())


def test_segments_beyond_the_recording_are_refused(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("0\t3\tsad\n")
    (tmp_path / "durations.csv").write_text("id,seconds\na,2\n")
    words = ["--reference", str(tmp_path / "a.txt"), "--hypothesis", str(tmp_path / "a.txt")]
    assert main(["diarize", "score", *words, "--durations", str(tmp_path / "durations.csv")]) == 1
    assert "recording 'a': sad from 0 s to 3 s overruns the recording" in " ".join(
        capsys.readouterr().err.split()
    )


def test_recordings_are_matched_by_name(truth, tmp_path, capsys):
    write_segments([Annotation("c", (ScoredSegment(0.0, 1.0, "sad"),))], tmp_path / "found.rttm")
    assert (
        main(["diarize", "score", "--reference", str(truth), "--hypothesis", str(tmp_path / "found.rttm")])
        == 2
    )
    assert "1 recordings of the hypothesis are not in the reference (the first is 'c')" in flat(capsys)
    assert main(["diarize", "score", "--reference", str(truth)]) == 2
    assert "--hypothesis is missing" in flat(capsys)


@pytest.mark.parametrize(
    ("text", "said"),
    [("id,length\na,1\n", "`id,seconds` is needed"), ("id,seconds\na,x\n", "seconds 'x' is no number")],
)
def test_bad_durations_are_refused(truth, tmp_path, capsys, text, said):
    path = tmp_path / "durations.csv"
    path.write_text(text)
    words = ["--reference", str(truth), "--hypothesis", str(truth), "--durations", str(path)]
    assert main(["diarize", "score", *words]) == 1
    assert said in flat(capsys)


def flat(capsys):
    return " ".join(capsys.readouterr().err.split())


def test_a_bad_file_is_found_without_torch(tmp_path):
    (tmp_path / "a.txt").write_text("0\t1\n")
    code = (
        "import sys; from sercl.cli.main import main; "
        f"words = ['--reference', {str(tmp_path / 'a.txt')!r}, '--hypothesis', 'x']; "
        "code = main(['diarize', 'score', *words]); "
        "print(code, 'torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "1 False"


def test_every_flag_of_the_short_page_exists():
    flags = [flag for flag in SCORE_PAGE.flags if flag != "--help"]
    assert not unknown_flags(flags, lambda words: build_parser().parse_args(words))
