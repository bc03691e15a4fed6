import json
import os
import shutil
import sys
from functools import partial

import numpy as np
import pytest
import soundfile

from sercl.cli.diarize.outputs import build_parser, recording_names
from sercl.cli.help import unknown_flags
from sercl.cli.main import main
from sercl.cli.pages import DIARIZE as PAGE
from sercl.diarization.formats import read_segments

PLAIN = ["--smoothing", "none", "--min_seconds", "0", "--device", "cpu"]


def run(diarizer, *words):
    return main(["diarize", str(diarizer / "best.ckpt"), *map(str, words), "--device", "cpu"])


def test_a_table_and_a_timeline(diarizer, wav, capsys):
    assert run(diarizer, wav("a.wav", 2.0)) == 0
    output = capsys.readouterr().out
    assert "a.wav  0:02" in output
    assert "0:00  " in output
    assert "Confidence" in output


def test_a_pipe_lists_all_segments_also_beside_a_page(diarizer, wav, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sercl.cli.diarize.outputs.MOST_SEGMENTS", 0)
    for words in ((), ("--html", tmp_path / "a.html")):
        assert run(diarizer, wav("a.wav", 2.0), *words) == 0
        assert "more (all" not in capsys.readouterr().out


@pytest.mark.parametrize("format", ["json", "rttm", "csv"])
def test_formats_of_several_recordings_go_to_standard_output_or_a_file(
    diarizer, wav, tmp_path, capsys, format
):
    files = [wav("a.wav"), wav("bb.wav", 1.5)]
    assert run(diarizer, *files, "--format", format) == 0
    printed = capsys.readouterr().out
    out = tmp_path / "out" / f"found.{format}"
    assert run(diarizer, *files, "--format", format, "--out", out) == 0
    assert out.read_text() == printed
    items = read_segments(out)
    assert [item.id for item in items] == ["a", "bb"]
    assert [item.segments[-1].end for item in items] == [1.0, 1.5]


@pytest.mark.parametrize(("format", "suffix"), [("textgrid", ".TextGrid"), ("audacity", ".txt")])
def test_formats_of_one_recording_fill_a_folder(diarizer, wav, tmp_path, capsys, format, suffix):
    files = [wav("a.wav"), wav("bb.wav")]
    assert run(diarizer, *files, "--format", format) == 2
    assert "Give --out FOLDER" in capsys.readouterr().err
    assert run(diarizer, *files, "--format", format, "--out", tmp_path / "out") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"a{suffix}", f"bb{suffix}"]
    assert run(diarizer, files[0], "--format", format, "--out", tmp_path / f"one{suffix}") == 0
    assert (tmp_path / f"one{suffix}").is_file()
    capsys.readouterr()
    assert run(diarizer, files[0], "--format", format) == 0
    assert capsys.readouterr().out == (tmp_path / f"one{suffix}").read_text()


def test_a_bad_file_is_reported_and_does_not_stop_the_rest(diarizer, wav, tmp_path, capsys):
    (tmp_path / "bad.wav").write_text("no audio")
    good = wav("good.wav")
    words = [tmp_path / "bad.wav", tmp_path / "absent.wav", wav("short.wav", 0.02), good]
    out = tmp_path / "found.json"
    assert run(diarizer, *words, "--format", "json", "--out", out) == 1
    error = capsys.readouterr().err
    assert "bad.wav: cannot be decoded" in error
    assert "absent.wav: no such file" in error
    assert "short.wav: 20 ms long, too short for one frame" in error
    assert "3 of 4 inputs could not be used" in error
    assert [item.id for item in read_segments(out)] == ["good"]


def test_nothing_usable_writes_nothing(diarizer, tmp_path, capsys):
    (tmp_path / "bad.wav").write_text("no audio")
    words = ["--html", tmp_path / "a.html", "--plot", tmp_path / "a.png"]
    assert run(diarizer, tmp_path / "bad.wav", *words) == 1
    assert not (tmp_path / "a.html").exists()
    assert run(diarizer, tmp_path / "absent.wav") == 2


def test_a_picture_and_a_page(diarizer, wav, tmp_path):
    words = ["--plot", tmp_path / "out" / "a.png", "--html", tmp_path / "pages" / "a.html"]
    assert run(diarizer, wav("a.wav", 2.0), wav("b.wav", rate=44_100, channels=2), *words) == 0
    assert (tmp_path / "out" / "a.png").stat().st_size > 5000
    text = (tmp_path / "pages" / "a.html").read_text()
    assert "Emotions in 2 recordings" in text
    assert text.count("data:audio/wav;base64,") == 2
    assert run(diarizer, wav("a.wav", 2.0), "--html", tmp_path / "pages" / "a.html", "--audio", "link") == 0
    assert 'src="../a.wav"' in (tmp_path / "pages" / "a.html").read_text()


def test_a_table_may_go_to_a_file(diarizer, wav, tmp_path, capsys):
    assert run(diarizer, wav("a.wav"), "--out", tmp_path / "a.txt") == 0
    assert "Confidence" in (tmp_path / "a.txt").read_text()
    assert capsys.readouterr().out == ""


def test_post_processing_can_be_changed(diarizer, wav, tmp_path):
    def count(*words):
        out = tmp_path / "found.json"
        assert run(diarizer, wav("a.wav", 4.0), "--format", "json", "--out", out, *words) == 0
        return len(read_segments(out)[0].segments)

    assert count("--smoothing", "none", "--min_seconds", "0") > count("--min_seconds", "4")
    assert count("--smoothing", "viterbi", "--switch_penalty", "1e6") == 1
    assert count("--threshold", "1", "--smoothing", "none", "--min_seconds", "0") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--median_seconds", "-1"], "post.median_seconds is -1"),
        (["--threshold", "2"], "must be a probability"),
        (["--smoothing", "mean"], "mean"),
        (["--format", "srt"], "srt"),
        (["--plot", "a.gif"], ".gif"),
        (["--device", "tpu"], "tpu"),
        (["--switch_penalty", "much"], "--switch_penalty"),
        (["--html", "."], "is a folder"),
    ],
)
def test_what_cannot_be_is_refused(diarizer, wav, words, said, capsys):
    assert main(["diarize", str(diarizer / "best.ckpt"), str(wav("a.wav")), *words]) in (1, 2)
    assert said in capsys.readouterr().err


def test_a_name_that_rttm_cannot_hold_is_refused_before_the_model_runs(diarizer, wav, capsys):
    assert run(diarizer, wav("a b.wav"), "--format", "rttm") == 2
    assert "RTTM separates its fields by spaces" in capsys.readouterr().err


def test_stretches_without_speech_are_marked(diarizer, tmp_path):
    samples = np.concatenate([np.zeros(16_000), 0.1 * np.random.default_rng(0).standard_normal(16_000)])
    soundfile.write(tmp_path / "a.wav", samples, 16_000)
    out = tmp_path / "found.json"
    assert run(diarizer, tmp_path / "a.wav", "--vad", "--format", "json", "--out", out) == 0
    (item,) = json.loads(out.read_text())["recordings"]
    assert item["pauses"] == [[0.0, 2.0]]
    assert [segment["emotion"] for segment in item["segments"]] == ["neutral"]


def test_a_classifier_is_refused_and_says_what_to_ask_it_with(classifier, diarizer, wav, emodb, capsys):
    assert run(classifier, wav("a.wav")) == 1
    assert "this is a classification checkpoint, not diarization. Use it with `sercl predict`" in flat(capsys)
    assert main(["predict", str(diarizer / "best.ckpt"), str(wav("a.wav"))]) == 1
    assert "Use it with `sercl diarize`" in flat(capsys)
    data = ["--data", "EmoDB", "--data.root", emodb]
    assert main(["test", "--ckpt", str(diarizer / "best.ckpt"), *data]) == 1
    assert "a diarization checkpoint, not classification" in flat(capsys)


def flat(capsys):
    return " ".join(capsys.readouterr().err.split())


def test_names_are_unique():
    from pathlib import Path

    files = [Path("x/a.wav"), Path("/y/a.wav"), Path("b.wav")]
    assert recording_names(files) == ["x-a.wav", "y-a.wav", "b"]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser writes everywhere")
def test_a_place_that_cannot_be_written_is_refused_first(diarizer, wav, tmp_path, capsys):
    place = tmp_path / "locked"
    place.mkdir(mode=0o500)
    assert run(diarizer, wav("a.wav"), "--html", place / "a.html") == 1
    assert "cannot be written" in capsys.readouterr().err
    shutil.rmtree(place)


def parse(words):
    return build_parser().parse_args(["a.ckpt", "a.wav", *words])


def test_every_flag_of_the_short_page_exists():
    assert not unknown_flags([flag for flag in PAGE.flags if flag != "--help"], partial(parse))


@pytest.mark.parametrize(
    "words", [[], ["--help"], ["fit", "--help"], ["evaluate", "-h"], ["score", "--help"]]
)
def test_help(words, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["sercl"])
    assert main(["diarize", *words]) == 0
    assert f"Usage: sercl diarize {words[0] if words and words[0][0] != '-' else 'CHECKPOINT'}" in (
        capsys.readouterr().out
    )


@pytest.mark.slow
def test_several_processes_give_the_same_segments_in_the_same_order(diarizer, wav, tmp_path):
    paths = [wav(f"{name}.wav", 1.0 + 0.5 * number) for number, name in enumerate("cab")]
    for name, devices in (("one", "1"), ("two", "2")):
        out = tmp_path / f"{name}.rttm"
        assert run(diarizer, *paths, "--format", "rttm", "--out", out, "--devices", devices) == 0
    assert (tmp_path / "two.rttm").read_text() == (tmp_path / "one.rttm").read_text()
