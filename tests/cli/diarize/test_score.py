import csv
import json
import subprocess
import sys

import pytest

from sercl.cli.diarize.score import build_parser
from sercl.cli.diarize.words import UNCOVERED as OFFERED
from sercl.cli.help import unknown_flags
from sercl.cli.main import main
from sercl.cli.pages import DIARIZE_SCORE
from sercl.diarization.formats import write_segments
from sercl.diarization.segments import Annotation, ScoredSegment
from sercl.metrics.functional.eder import UNCOVERED


def frame_segments(case):
    """The segments of a golden case, without sercl: frame i covers i * stride to i * stride + window."""
    rows, first = [], 0
    for label, count in case["frame_labels_rle"]:
        last = first + count
        rows.append((first * case["stride"], (last - 1) * case["stride"] + case["window"], label))
        first = last
    return rows


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
    assert scores["missed"]["value"] == pytest.approx(missed, abs=1e-6)
    assert scores["false_alarm"]["value"] == pytest.approx(false_alarm, abs=1e-6)
    assert scores["confusion"]["value"] == pytest.approx(confusion, abs=1e-6)
    assert scores["eder_time"]["value"] == pytest.approx(0.83 / 3.22, abs=1e-6)
    assert any("1 of 2 recordings have no hypothesis" in note for note in found["notes"])


def test_durations_may_be_given(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("0\t1\tsad\n")
    words = ["--reference", tmp_path / "a.txt", "--hypothesis", tmp_path / "a.txt"]
    assert any("duration of 1 recordings is unknown" in note for note in scored(capsys, *words)["notes"])
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
        ("-1\t1\tsad\n", 1, "found.txt:1: sad from -1 s to 1 s is not a valid time span"),
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
    [("id,length\na,1\n", "`id,seconds` is needed"), ("id,seconds\na,x\n", "seconds 'x' is not a time")],
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
    flags = [flag for flag in DIARIZE_SCORE.flags if flag != "--help"]
    assert not unknown_flags(flags, lambda words: build_parser().parse_args(words))


@pytest.mark.shared
@pytest.mark.parametrize("form", ["csv", "json"])
def test_the_rule_of_speechbrain_gives_its_golden_values(shared, tmp_path, capsys, form):
    cases = json.loads((shared / "golden" / "eder.json").read_text())
    for number, case in enumerate(cases):
        folder = tmp_path / str(number)
        folder.mkdir()
        truth, found = folder / f"truth.{form}", folder / f"found.{form}"
        events = [(item["start"], item["end"], item["emotion"]) for item in case["reference"]]
        write_rows(truth, events, case["duration"])
        write_rows(found, frame_segments(case), None)
        (folder / "durations.csv").write_text(f"id,seconds\nclip,{case['duration']}\n")
        words = ["--reference", truth, "--hypothesis", found, "--durations", folder / "durations.csv"]
        result = scored(capsys, *words, "--uncovered", "error")["scores"]
        assert result["eder"]["value"] == pytest.approx(case["eder"], abs=1e-6)
        assert result["uncovered"] == "error"
        covered = (sum(count for _, count in case["frame_labels_rle"]) - 1) * case["stride"] + case["window"]
        assert result["uncovered_seconds"] == pytest.approx(max(0, case["duration"] - covered), abs=1e-6)
    all_cases = {f"clip{number}": case for number, case in enumerate(cases)}
    write_segments(
        [annotation(id, case, case["reference"]) for id, case in all_cases.items()], tmp_path / "t.json"
    )
    guesses = {
        id: [dict(zip(("start", "end", "emotion"), row, strict=True)) for row in frame_segments(case)]
        for id, case in all_cases.items()
    }
    write_segments([annotation(id, case, guesses[id]) for id, case in all_cases.items()], tmp_path / "f.json")
    words = ["--reference", tmp_path / "t.json", "--hypothesis", tmp_path / "f.json", "--uncovered", "error"]
    mean = sum(case["eder"] for case in cases) / len(cases)
    assert scored(capsys, *words)["scores"]["eder"]["value"] == pytest.approx(mean, abs=1e-6)


def annotation(id, case, segments):
    own = tuple(ScoredSegment(item["start"], item["end"], item["emotion"]) for item in segments)
    return Annotation(id, own, case["duration"])


def write_rows(path, rows, duration):
    if path.suffix == ".csv":
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([["id", "start", "end", "emotion"], *(["clip", *row] for row in rows)])
        return
    segments = [dict(zip(("start", "end", "emotion"), row, strict=True)) for row in rows]
    recording = {"id": "clip", "segments": segments} | ({} if duration is None else {"duration": duration})
    path.write_text(json.dumps({"recordings": [recording]}))


def test_the_table_says_what_time_without_a_segment_counts_as(tmp_path, capsys):
    (tmp_path / "truth.txt").write_text("0.39\t1.10\tangry\n")
    (tmp_path / "hypothesis").mkdir()
    (tmp_path / "hypothesis" / "truth.txt").write_text("0\t0.6\tneutral\n0.6\t1.2\tangry\n")
    (tmp_path / "durations.csv").write_text("id,seconds\ntruth,1.22\n")
    words = ["--reference", tmp_path / "truth.txt", "--hypothesis", tmp_path / "hypothesis"]
    words += ["--durations", tmp_path / "durations.csv"]
    strict = scored(capsys, *words, "--uncovered", "error")["scores"]["eder"]["value"]
    lenient = scored(capsys, *words)["scores"]["eder"]["value"]
    assert (strict, strict - lenient) == pytest.approx((0.2704918032786885, 0.02 / 1.22), abs=2e-6)
    for rule, said in (
        ("neutral", "any segment as neutral"),
        ("error", "any segment as an error, as SpeechBrain does: 0.02 s"),
    ):
        assert main(["diarize", "score", *map(str, words), "--uncovered", rule]) == 0
        assert said in " ".join(capsys.readouterr().out.split())


def test_missing_recordings_and_events_alone_are_named_under_the_strict_rule(truth, tmp_path, capsys):
    write_segments([Annotation("a", (ScoredSegment(0.5, 1.22, "sad"),))], tmp_path / "found.rttm")
    words = ["--reference", truth, "--hypothesis", tmp_path / "found.rttm", "--uncovered", "error"]
    notes = scored(capsys, *words)["notes"]
    assert any(
        "1 of 2 recordings have no hypothesis" in note and "wrong throughout" in note for note in notes
    )
    assert any("1 hypotheses have non-neutral segments only" in note for note in notes)


def test_the_option_knows_the_rules_of_the_metric():
    assert OFFERED == UNCOVERED
