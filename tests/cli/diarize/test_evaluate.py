import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sercl.cli.diarize.evaluate import parse
from sercl.cli.help import unknown_flags
from sercl.cli.main import main
from sercl.cli.pages import DIARIZE_EVALUATE
from sercl.diarization.formats import read_segments
from sercl.tasks import checkpoint as checkpoints
from sercl.tasks.diarization import EmotionDiarizer
from sercl.tasks.diarizer import Diarizer


@pytest.fixture
def own(diarizer, tmp_path):
    """A copy of the run, whose checkpoint may change."""
    return shutil.copytree(diarizer, tmp_path / "own")


def evaluated(capsys, checkpoint, *words):
    assert main(["diarize", "evaluate", str(checkpoint), "--json", *map(str, words)]) == 0
    return json.loads(capsys.readouterr().out)


def said(capsys, code, *words):
    assert main(["diarize", "evaluate", *map(str, words)]) == code
    return " ".join(capsys.readouterr().err.split())


def test_the_own_test_clips_give_what_training_said(diarizer, capsys):
    found = evaluated(capsys, diarizer / "best.ckpt")
    assert found["systems"] == json.loads((diarizer / "results.json").read_text())["systems"]


def test_zed_is_taken_whole_from_its_true_layout(diarizer, zed, tmp_path, capsys):
    words = ["--data", "ZED", "--data.root", zed, "--out", tmp_path / "out"]
    found = evaluated(capsys, diarizer / "best.ckpt", *words)
    assert found["data"]["name"] == "ZED, all recordings"
    assert (found["data"]["recordings"], len(found["data"]["speakers"])) == (18, 6)
    first, second = found["systems"]
    assert (first["scores"]["eder"]["unit"], first["scores"]["eder"]["count"]) == ("speakers", 6)
    assert second["scores"]["missed"]["value"] == pytest.approx(0.4)  # the event is from 0.3 to 0.7 of a clip
    assert [row["recordings"] for row in first["scores"]["by_emotion"]] == [6, 6, 0, 6]
    assert first["scores"]["boundaries"] <= 2 * first["scores"]["events_found"]
    truth = read_segments(tmp_path / "out" / "segments" / "reference.json")
    assert [segment.emotion for segment in truth[0].segments] == ["neutral", "angry", "neutral"]
    assert (tmp_path / "out" / "timelines.png").stat().st_size > 5000


def test_the_tail_that_no_frame_covers_may_be_an_error(diarizer, zed, tmp_path, capsys, monkeypatch):
    whole = Diarizer.frames

    def without_the_last(self, source):
        frames = whole(self, source)
        return replace(frames, probabilities=frames.probabilities[:-3])

    monkeypatch.setattr(Diarizer, "frames", without_the_last)
    words = ["--data", "ZED", "--data.root", zed]
    lenient = evaluated(capsys, diarizer / "best.ckpt", *words)["systems"][0]["scores"]
    strict = evaluated(
        capsys, diarizer / "best.ckpt", *words, "--uncovered", "error", "--out", tmp_path / "out"
    )["systems"]
    scores = strict[0]["scores"]
    assert (lenient["uncovered"], scores["uncovered"]) == ("neutral", "error")
    assert lenient["uncovered_seconds"] == 0 < scores["uncovered_seconds"]
    # Every recording is of one length, and an error in the tail was one before or is one now.
    share = scores["uncovered_seconds"] / scores["seconds"]
    assert lenient["eder"]["value"] <= scores["eder"]["value"] <= lenient["eder"]["value"] + share + 1e-9
    assert strict[1]["name"] == "all neutral"
    assert strict[1]["scores"]["missed"]["value"] == pytest.approx(0.4)
    folder = tmp_path / "out" / "segments"
    compared = ["--reference", folder / "reference.json", "--hypothesis", folder / "diarizer.json"]
    assert main(["diarize", "score", "--json", *map(str, compared), "--uncovered", "error"]) == 0
    again = json.loads(capsys.readouterr().out)["scores"]
    assert again["eder"]["value"] == pytest.approx(scores["eder"]["value"], abs=1e-6)


def test_the_output_is_a_table_with_notes(diarizer, zed, capsys):
    words = ["--data", "ZED", "--data.root", str(zed)]
    assert main(["diarize", "evaluate", str(diarizer / "best.ckpt"), *words]) == 0
    output = capsys.readouterr().out
    for part in ("all neutral", "Above diarizer", "Boundary error", "intervals resample the 6 speakers"):
        assert part in output, part
    assert "EDER counts time not covered by any segment as neutral" in " ".join(output.split())


def test_a_corpus_without_segments_gives_clips_of_its_test_part(diarizer, ravdess, capsys):
    words = ["--data", "RAVDESS", "--data.root", ravdess, "--data.clips.voice", "none"]
    found = evaluated(capsys, diarizer / "best.ckpt", *words, "--data.clips.min_piece", "0.05")
    assert found["data"]["name"] == "RAVDESS, test clips"


def test_tuning_says_that_the_results_of_the_training_are_older(own, zed, capsys):
    words = [
        "diarize",
        "evaluate",
        str(own / "best.ckpt"),
        "--tune",
        "--data",
        "ZED",
        "--data.root",
        str(zed),
    ]
    assert main(words) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert f"{own / 'results.json'} keeps the scores with the earlier post-processing" in said


def test_tuning_is_done_on_validation_and_kept_in_the_checkpoint(own, zed, wav, capsys):
    before = checkpoints.read(own / "best.ckpt")
    found = evaluated(capsys, own / "best.ckpt", "--tune", "--data", "ZED", "--data.root", zed)
    tuning = found["tuning"]["diarizer"]
    assert tuning["eder"] <= tuning["before"]
    assert tuning["recordings"] == len(
        (own / "folds" / "clips" / "validation.jsonl").read_text().splitlines()
    )
    after = checkpoints.read(own / "best.ckpt")
    assert after["hyper_parameters"]["post"] == tuning["post"] == found["systems"][0]["post"]
    assert after["sercl"]["tuned"]["on"] == "EmoDB"
    assert all(torch.equal(value, after["state_dict"][name]) for name, value in before["state_dict"].items())
    assert vars(EmotionDiarizer.restore(own / "best.ckpt").post) == tuning["post"]
    assert (
        evaluated(capsys, own / "best.ckpt", "--data", "ZED", "--data.root", zed)["systems"]
        == found["systems"]
    )


def test_tuning_never_looks_at_the_test(own, zed, tmp_path, capsys):
    other = shutil.copytree(zed, tmp_path / "other" / "ZED")
    table = json.loads((zed / "ZED.json").read_text())
    for entry in table.values():
        entry["emotion"] = []
    (other / "ZED.json").write_text(json.dumps(table))
    again = shutil.copytree(own, tmp_path / "again")
    first, second = (
        evaluated(capsys, run / "best.ckpt", "--tune", "--data", "ZED", "--data.root", root)
        for run, root in ((own, zed), (again, other))
    )
    assert first["tuning"] == second["tuning"]
    assert first["systems"] != second["systems"]


def test_a_classifier_slid_over_the_recordings_stands_beside(diarizer, classifier, zed, capsys):
    words = ["--data", "ZED", "--data.root", zed, "--baseline", classifier / "best.ckpt"]
    found = evaluated(
        capsys, diarizer / "best.ckpt", *words, "--baseline_window", "0.3", "--baseline_hop", "0.1"
    )
    assert [system["name"] for system in found["systems"]] == ["diarizer", "classifier", "all neutral"]
    first, second, _ = (system["scores"]["eder"]["value"] for system in found["systems"])
    assert found["systems"][1]["difference"]["value"] == pytest.approx(second - first)
    assert found["systems"][0]["difference"] is None


@pytest.fixture(autouse=True)
def own_recordings(zed, monkeypatch):
    """Tables of these tests are not beside the recordings."""
    monkeypatch.setenv("SERCL_ALLOW_FOLDERS", str(zed))


def write_table(folder, zed, rows):
    """Write a manifest with segments on the recordings of a ZED."""
    wavs = sorted(zed.rglob("*.wav"))
    path = folder / "list.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "emotion", "speaker", "segments"])
        for wav, (speaker, segments) in zip(wavs, rows, strict=False):
            text = (
                json.dumps([{"start": a, "end": b, "emotion": e} for a, b, e in segments]) if segments else ""
            )
            writer.writerow([wav, segments[0][2] if segments else "neutral", speaker, text])
    return path


def test_any_manifest_with_segments_will_do(diarizer, zed, tmp_path, capsys):
    path = write_table(tmp_path, zed, [("a", [(0.0, 0.1, "sad"), (0.2, 0.3, "angry")]), ("b", [])])
    found = evaluated(capsys, diarizer / "best.ckpt", "--data", "Manifest", "--data.root", path)
    assert found["data"]["recordings"] == 2
    scores = found["systems"][0]["scores"]
    assert scores["events"] == 2
    assert [row["recordings"] for row in scores["by_emotion"]] == [1, 0, 1, 1]


@pytest.mark.parametrize(
    ("segments", "reason"),
    [
        ([(0.0, 0.2, "sad"), (0.1, 0.3, "angry")], "angry from 0.1 s to 0.3 s overlaps sad"),
        ([(0.0, 9.0, "sad")], "overruns the recording"),
        ([(0.0, 0.2, "bored")], "unknown emotion 'bored'"),
    ],
)
def test_a_bad_reference_is_one_clear_message_or_left_out(diarizer, zed, tmp_path, capsys, segments, reason):
    path = write_table(tmp_path, zed, [("a", segments), ("b", [(0.0, 0.1, "sad")])])
    words = [diarizer / "best.ckpt", "--data", "Manifest", "--data.root", path]
    error = said(capsys, 1, *words)
    assert reason in error
    assert "list: 1 problem (1 with a bad label)" in error
    found = evaluated(capsys, *words, "--data.on_error", "skip")
    assert found["data"]["recordings"] == 1
    assert any("1 recordings left out: label" in note for note in found["notes"])


def test_a_negative_time_is_found_where_it_is_written(diarizer, zed, tmp_path, capsys):
    path = write_table(tmp_path, zed, [("a", [(-0.1, 0.2, "sad")])])
    error = said(capsys, 1, diarizer / "best.ckpt", "--data", "Manifest", "--data.root", path)
    assert "list.csv:2: start '-0.1' is not a time" in error


def test_recordings_without_any_event_are_scored(diarizer, zed, tmp_path, capsys):
    path = write_table(tmp_path, zed, [("a", [(0.0, 0.1, "neutral")]), ("b", []), ("c", [])])
    found = evaluated(capsys, diarizer / "best.ckpt", "--data", "Manifest", "--data.root", path)
    scores = found["systems"][1]["scores"]
    assert scores["eder"]["value"] == 0
    assert (scores["events"], scores["boundary_error"]["value"]) == (0, None)


def test_voices_of_the_training_are_refused(diarizer, emodb, capsys):
    words = ["--data", "EmoDB", "--data.root", emodb, "--data.folds.index", "2"]
    words += ["--data.clips.voice", "none", "--data.clips.min_piece", "0.05"]
    error = said(capsys, 1, diarizer / "best.ckpt", *words)
    assert "speakers in test were seen in training" in error
    found = evaluated(capsys, diarizer / "best.ckpt", *words, "--data.folds.allow_speaker_overlap", "true")
    assert any("speaker-dependent" in note for note in found["notes"])


def test_copies_of_training_recordings_are_leakage(diarizer, classifier, emodb, tmp_path, capsys):
    with (diarizer / "folds" / "train.csv").open() as listed:
        names = [Path(row["file"]).name for row in csv.DictReader(listed)]
    rows = [["path", "emotion", "split"]]
    for number, name in enumerate(names[:4]):
        shutil.copy(min(Path(emodb).rglob(name)), tmp_path / f"{number}.wav")
        rows.append([f"{number}.wav", "sad", "test"])
    table = tmp_path / "list.csv"
    table.write_text("\n".join(map(",".join, rows)))
    words = ["--data", "Manifest", "--data.root", table]
    words += ["--baseline", classifier / "best.ckpt"]
    notes = evaluated(capsys, diarizer / "best.ckpt", *words)["notes"]
    known = "leakage: 4 of 4 recordings in test were trained on"
    assert any(note.startswith(known) for note in notes)
    assert any(note.startswith(f"the baseline is {known}") for note in notes)


def test_what_cannot_be_evaluated_is_refused(diarizer, classifier, zed, tmp_path, capsys):
    data = ["--data", "ZED", "--data.root", zed]
    assert "not diarization. Use it with `sercl predict`" in said(capsys, 1, classifier / "best.ckpt", *data)
    baseline = ["--baseline", diarizer / "best.ckpt"]
    assert "not classification" in said(capsys, 1, diarizer / "best.ckpt", *data, *baseline)
    assert "set --data.labels 4." in said(capsys, 2, diarizer / "best.ckpt", *data, "--data.labels", "6")
    shutil.copy(diarizer / "best.ckpt", tmp_path / "alone.ckpt")
    assert "no config.yaml beside it" in said(capsys, 2, tmp_path / "alone.ckpt")
    assert "no config.yaml beside it" in said(capsys, 2, tmp_path / "alone.ckpt", *data, "--tune")
    hop = ["--baseline", classifier / "best.ckpt", "--baseline_hop", "3"]
    assert "the hop must be above 0" in said(capsys, 2, diarizer / "best.ckpt", *data, *hop)


def test_every_flag_of_the_short_page_exists():
    flags = [flag for flag in DIARIZE_EVALUATE.flags if flag != "--help"]
    assert not unknown_flags(flags, lambda words: parse(["a.ckpt", "--data", "ZED", *words]))
