import csv
import json
import sys
from pathlib import Path

import pytest
import yaml

from sercl.cli.help import unknown_flags
from sercl.cli.main import main
from sercl.cli.pages import DIARIZE_FIT
from sercl.cli.run_folder import check_claim
from sercl.diarization.formats import read_segments
from sercl.tasks import checkpoint as checkpoints


def results(folder):
    return json.loads((folder / "results.json").read_text())


def test_a_run_leaves_everything_that_is_needed_to_evaluate_it(diarizer):
    for name in ("best.ckpt", "last.ckpt", "config.yaml", "results.json", "folds/test.csv"):
        assert (diarizer / name).stat().st_size > 0, name
    check_claim(diarizer, resume=False, overwrite=True)
    found = results(diarizer)
    assert [system["name"] for system in found["systems"]] == ["diarizer", "all neutral"]
    scores = found["systems"][0]["scores"]
    parts = sum(scores[part]["value"] for part in ("missed", "false_alarm", "confusion"))
    assert scores["eder"]["value"] == pytest.approx(parts)
    assert found["stages"][0]["monitor"] == "val/eder"
    assert any("epoch limit" in note for note in found["notes"])


def test_the_scores_of_the_test_stand_in_the_logs_of_the_run(diarizer):
    tables = [list(csv.DictReader(path.open())) for path in (diarizer / "logs" / "csv").glob("*/metrics.csv")]
    (tested,) = [row for table in tables for row in table if row.get("test/eder")]
    scores = results(diarizer)["systems"][0]["scores"]
    assert float(tested["test/eder"]) == pytest.approx(scores["eder"]["value"], abs=1e-6)
    assert "test/eder/angry" in tested


def test_the_best_epoch_is_that_of_the_lowest_error(diarizer):
    best = checkpoints.read(diarizer / "best.ckpt")
    (saver,) = (state for name, state in best["callbacks"].items() if name.startswith("ModelCheckpoint"))
    assert saver["monitor"] == "val/eder"
    assert float(saver["best_model_score"]) == pytest.approx(results(diarizer)["stages"][0]["score"])


def test_a_system_that_finds_nothing_misses_every_emotion(diarizer):
    scores = results(diarizer)["systems"][1]["scores"]
    assert scores["missed"]["value"] == pytest.approx(scores["eder"]["value"])
    assert scores["false_alarm"]["value"] == scores["confusion"]["value"] == 0


def test_the_segments_of_every_system_are_kept(diarizer):
    truth = read_segments(diarizer / "segments" / "reference.json")
    found = read_segments(diarizer / "segments" / "diarizer.json")
    assert [item.id for item in truth] == [item.id for item in found]
    assert len(truth) == results(diarizer)["data"]["recordings"]


def test_the_configuration_runs_again_to_the_same_scores(diarizer, tmp_path):
    words = ["diarize", "fit", "--config", str(diarizer / "config.yaml"), "--out", str(tmp_path / "again")]
    assert main(words) == 0
    assert results(tmp_path / "again")["systems"] == results(diarizer)["systems"]
    assert yaml.safe_load((diarizer / "config.yaml").read_text())["data"]["class_path"].endswith(
        "Diarization"
    )


def test_the_output_says_how_to_use_the_result(diarize_words, tmp_path, capsys):
    assert main([*diarize_words, "--trainer.max_epochs", "1", "--out", str(tmp_path / "run")]) == 0
    output = capsys.readouterr().out
    assert f"sercl diarize {tmp_path / 'run' / 'best.ckpt'} FILE_OR_FOLDER" in output
    assert "all neutral" in output
    for epochs in (1, 2):  # it had ended; it goes on
        limit = ["--trainer.max_epochs", str(epochs)]
        assert main([*diarize_words, *limit, "--out", str(tmp_path / "run"), "--resume", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["stages"][0]["epochs"] == epochs


def test_a_run_without_a_folder_is_named_after_what_it_is(diarize_words, encoder):
    from sercl.cli.run_folder import default_folder

    folder = default_folder(parse_with(diarize_words[2:])([]).config)
    assert folder == Path("checkpoints") / f"diarize-EmoDB-speaker0-{Path(encoder).name}-frozen-seed42"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--checkpoint.monitor", "val/edr"], "Did you mean 'val/eder'"),
        (["--checkpoint.mode", "max"], "Give --checkpoint.mode min"),
        (["--early_stopping.monitor", "val/uar"], "Give --early_stopping.mode max"),
        (["--model.layer", "auto"], "layer 'auto' is for whole utterances"),
        (["--model.adapters.gating.init", "paper"], "gating.init paper: has no effect with adapter"),
        (["--data.labels", "{up: [happy], down: [sad]}"], "diarization needs the class 'neutral'"),
    ],
)
def test_what_cannot_be_trained_is_refused(words, said, diarize_words, tmp_path, capsys):
    assert main([*diarize_words, *words, "--out", str(tmp_path / "run")]) == 2
    assert said in capsys.readouterr().err


def test_data_for_utterances_are_refused(diarize_words, emodb, tmp_path, capsys):
    path = tmp_path / "data.yaml"
    path.write_text(yaml.safe_dump({"data": {"class_path": "EmoDB", "init_args": {"root": emodb}}}))
    model = diarize_words[diarize_words.index("--model.encoder") :]
    assert main(["diarize", "fit", "-c", str(path), *model, "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert "the data EmoDB are for classification" in error
    assert "--data EmoDB" in error


def parse_with(words):
    """Return a function that parses a command line with `words` before it, and runs nothing."""
    from sercl.cli.diarize.fit import parse

    def parse_more(more):
        sys.argv[1:] = [*words, *more]
        return parse()

    return parse_more


def test_every_flag_of_the_short_page_exists(diarize_words, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["sercl diarize fit"])
    assert not unknown_flags(DIARIZE_FIT.flags, parse_with(diarize_words[2:]))
