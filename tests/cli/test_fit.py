import csv
import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
import yaml

import sercl
from sercl.cli.main import main
from sercl.cli.run_folder import check_claim
from sercl.tasks.classification import EmotionClassifier
from tests.cli.words import replaced
from tests.processes import alone, killed_when


@pytest.fixture(scope="module")
def run(fit_words, tmp_path_factory):
    """The folder of a finished run with a frozen encoder."""
    folder = tmp_path_factory.mktemp("run") / "run"
    assert main([*fit_words, "--out", str(folder)]) == 0
    return folder


def results(folder):
    return json.loads((folder / "results.json").read_text())


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_everything_that_is_needed_to_evaluate_it(run):
    for name in ("best.ckpt", "last.ckpt", "config.yaml", "results.json", "predictions.csv", "confusion.png"):
        assert (run / name).stat().st_size > 0, name
    found = results(run)
    assert found["environment"]["seed"] == 42
    assert found["model"]["fingerprint"]
    assert [row["name"] for row in found["scores"]["per_class"]] == ["angry", "happy", "neutral", "sad"]
    assert 0 <= found["scores"]["uar"]["low"] <= found["scores"]["uar"]["high"] <= 1
    assert found["stages"][0]["stopped_early"] is False
    assert any("epoch limit" in note for note in found["notes"])


def test_the_scores_of_the_test_stand_in_the_logs_of_the_run(run):
    tables = [rows(path) for path in (run / "logs" / "csv").glob("*/metrics.csv")]
    (tested,) = [row for table in tables for row in table if row.get("test/uar")]
    scores = results(run)["scores"]
    assert float(tested["test/uar"]) == pytest.approx(scores["uar"]["value"], abs=1e-6)
    for own in scores["per_class"]:
        assert float(tested[f"test/recall/{own['name']}"]) == pytest.approx(own["recall"], abs=1e-6)


def test_the_exact_lists_are_kept_and_disjoint(run):
    parts = {
        part: {row["file"] for row in rows(run / "folds" / f"{part}.csv")}
        for part in ("train", "validation", "test")
    }
    assert all(parts.values())
    assert sum(map(len, parts.values())) == len(set().union(*parts.values()))
    assert len(rows(run / "predictions.csv")) == len(parts["test"])


def test_scores_derive_from_the_predictions(run):
    predictions = rows(run / "predictions.csv")
    correct = sum(row["truth"] == row["predicted"] for row in predictions) / len(predictions)
    assert results(run)["scores"]["wa"]["value"] == pytest.approx(correct)


def test_the_configuration_runs_again_to_the_same_scores(run, tmp_path, capsys):
    assert main(["fit", "--config", str(run / "config.yaml"), "--out", str(tmp_path / "again")]) == 0
    assert capsys.readouterr().out.count("Audio: ") == 1
    assert rows(tmp_path / "again" / "predictions.csv") == rows(run / "predictions.csv")


def test_the_saved_lists_run_again_as_csv_folds(run, fit_words, tmp_path):
    words = [
        "--data.folds.scheme",
        "csv",
        "--data.folds.lists",
        str(run / "folds"),
        "--out",
        str(tmp_path / "again"),
    ]
    assert main([*fit_words, *words]) == 0
    assert rows(tmp_path / "again" / "predictions.csv") == rows(run / "predictions.csv")


def test_the_checkpoint_predicts_what_the_test_part_was_given(run, emodb, capsys):
    predictor = sercl.load(run / "best.ckpt", device="cpu")
    row = rows(run / "predictions.csv")[0]
    path = min(Path(emodb).rglob(f"{row['utterance']}.wav"))
    assert predictor.predict(path)[0].probabilities["angry"] == pytest.approx(float(row["p_angry"]), abs=1e-3)
    assert main(["predict", str(run / "best.ckpt"), str(path), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["emotion"] == row["predicted"]


def test_test_and_validate_take_the_runs_own_data(run, capsys, tmp_path):
    assert main(["test", "--ckpt", str(run / "best.ckpt"), "--json", "--out", str(tmp_path)]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["scores"] == results(run)["scores"]
    assert rows(tmp_path / "predictions.csv") == rows(run / "predictions.csv")
    assert main(["validate", "--ckpt", str(run / "best.ckpt"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["part"] == "validation"


def test_test_takes_another_corpus(run, ravdess, capsys):
    words = ["--data", "RAVDESS", "--data.root", ravdess, "--json"]
    assert main(["test", "--ckpt", str(run / "best.ckpt"), *words]) == 0
    assert json.loads(capsys.readouterr().out)["data"]["name"] == "RAVDESS"


def test_what_is_not_evaluated_is_not_shown_as_used(run, ravdess, capsys):
    assert main(["test", "--ckpt", str(run / "best.ckpt"), "--data", "RAVDESS", "--data.root", ravdess]) == 0
    parts = {line.split()[0] for line in capsys.readouterr().out.splitlines() if "RAVDESS (en)" in line}
    assert parts == {"whole"}


def test_training_speakers_are_not_tested_as_unseen(run, emodb, capsys, tmp_path):
    # The checkpoint is of fold 0: selected on the speakers whom fold 1 tests, and trained on the others.
    words = ["test", "--ckpt", str(run / "best.ckpt"), "--data", "EmoDB", "--data.root", emodb]
    assert main([*words, "--data.folds.index", "1", "--json"]) == 0
    assert any("are validation speakers" in note for note in json.loads(capsys.readouterr().out)["notes"])
    words += ["--data.folds.index", "2"]
    assert main(words) == 1
    assert "seen in training" in capsys.readouterr().err
    assert main([*words, "--data.folds.allow_speaker_overlap", "true", "--json"]) == 0
    assert any("speaker-dependent" in note for note in json.loads(capsys.readouterr().out)["notes"])


def test_a_run_is_not_replaced_by_accident(run, fit_words, capsys):
    before = (run / "results.json").read_bytes()
    assert main([*fit_words, "--out", str(run)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main([*fit_words, "--out", str(run), "--resume", "--overwrite"]) == 2
    assert (run / "results.json").read_bytes() == before
    check_claim(run, resume=False, overwrite=True)  # on request, as all that it holds is the run's


def test_a_complete_run_says_so_where_it_is_to_go_on(run, fit_words, tmp_path, capsys):
    shutil.copytree(run, tmp_path / "run")
    assert main([*fit_words, "--out", str(tmp_path / "run"), "--resume"]) == 0
    assert "The training of this run is complete. It is evaluated again." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (["--data.root", "/nowhere"], 1, "/nowhere"),
        (["--data", "EmoBD"], 2, "EmoDB"),
        (["--data.rooot", "x"], 2, "--data.root"),
        (["--model.adapter", "lorra"], 2, "lora"),
        (["--model.adapters.peft.r", "2"], 2, "--model.adapters.peft.r 2: has no effect with adapter none"),
        (["--model.adapters.lora.rank", "4"], 2, "choose an adapter with lora"),
        (["--model.encoder", "whisper-bas"], 2, "whisper-base"),
        (["--model.encoder", "openai/whisper-base"], 1, "no network"),
        (["--model.layer", "17"], 2, "17"),
        (["--data.folds.index", "9"], 2, "9"),
        (["--data.folds.count", "40"], 2, "speakers"),
        (["--trainer.max_epochs", "many"], 2, "max_epochs"),
        (["--config", "absent.yaml"], 2, "absent.yaml"),
    ],
)
def test_wrong_input_gives_one_message(fit_words, tmp_path, capsys, change, code, said):
    assert main([*replaced(fit_words, *change), "--out", str(tmp_path / "run")]) == code
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_an_unwritable_output_is_named(fit_words, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main([*fit_words, "--out", str(tmp_path / "file" / "run")]) == 1
    assert "--out" in capsys.readouterr().err


def test_two_stages_train_one_after_the_other(encoder, emodb, ravdess, tmp_path):
    words = [
        "fit", "--data", "LanguagePair", "--data.setting", "two-stage", "--data.switch_epoch", "1",
        "--data.source", "EmoDB", "--data.source.root", emodb, "--data.target", "RAVDESS",
        "--data.target.root", ravdess, "--model.encoder", encoder, "--model.whisper_form", "short",
        "--model.adapter", "gating", "--trainer.max_epochs", "2", "--out", str(tmp_path / "run"),
    ]  # fmt: skip
    assert main(words) == 0
    stages = results(tmp_path / "run")["stages"]
    assert [(stage["stage"], stage["epochs"]) for stage in stages] == [("source", 1), ("target", 2)]
    first, second = (torch.load(stage["checkpoint"], weights_only=True) for stage in stages)
    changed = {
        name
        for name, value in second["state_dict"].items()
        if not torch.equal(value, first["state_dict"][name])
    }
    assert any(name.startswith("readout.heads") for name in changed)
    assert any("gating" in name for name in changed)
    # The second optimiser has seen the steps of the second stage alone.
    steps = {int(state["step"]) for state in second["optimizer_states"][0]["state"].values()}
    assert steps == {second["global_step"]}
    out = tmp_path / "validate"
    assert main(["validate", "--ckpt", stages[1]["checkpoint"], "--out", str(out)]) == 0
    listed = {row["file"] for row in rows(tmp_path / "run" / "folds" / "target" / "validation.csv")}
    assert {f"{row['utterance']}.wav" for row in rows(out / "predictions.csv")} == listed


@pytest.fixture
def two_stages(encoder, emodb, ravdess):
    return [
        "fit", "--data", "LanguagePair", "--data.setting", "two-stage", "--data.switch_epoch", "2",
        "--data.source", "EmoDB", "--data.source.root", emodb, "--data.target", "RAVDESS",
        "--data.target.root", ravdess, "--model.encoder", encoder, "--model.whisper_form", "short",
        "--model.adapter", "gating", "--trainer.max_epochs", "3",
        "--checkpoint.monitor", "epoch", "--checkpoint.mode", "min",  # the first epoch is the best
    ]  # fmt: skip


def test_two_stages_can_go_together_as_in_the_study(two_stages, tmp_path, monkeypatch, capsys):
    checkpoint, start = [], EmotionClassifier.on_train_start

    def noted(task):
        checkpoint.append({name: value.clone() for name, value in task.readout.state_dict().items()})
        start(task)

    monkeypatch.setattr(EmotionClassifier, "on_train_start", noted)
    words = ["--data.select_on", "target", "--data.continue_from", "last", "--data.epoch_budget", "shared"]
    assert main([*two_stages, *words, "--out", str(tmp_path / "run")]) == 0
    found = results(tmp_path / "run")
    assert [(stage["stage"], stage["epochs"]) for stage in found["stages"]] == [("source", 2), ("target", 1)]
    source = tmp_path / "run" / "source"
    best, last = (
        torch.load(source / name, weights_only=True)["state_dict"] for name in ("best.ckpt", "last.ckpt")
    )
    for name, value in checkpoint[1].items():
        assert torch.equal(value, last[f"readout.{name}"]), name
    assert any(not torch.equal(value, best[f"readout.{name}"]) for name, value in checkpoint[1].items())
    notes = [
        "selected on target: the validation part of RAVDESS",
        "the first stage was also selected on target: the validation part of RAVDESS",
        "the second stage continued from the last weights of the first; both stages share one budget of "
        "epochs",
    ]
    assert found["notes"][:3] == notes
    assert found["data"]["select_on"] == "target"
    assert found["data"]["splits"]["source validation"]["corpus"] == "RAVDESS"
    shown = " ".join(capsys.readouterr().out.split())
    assert all(shown.count(f"Note: {note}") == 1 for note in notes), "once, with the results"
    assert all(note in shown for note in notes)


def test_two_stages_go_on_from_the_best_by_default(two_stages, tmp_path):
    assert main([*two_stages, "--out", str(tmp_path / "run")]) == 0
    check_claim(tmp_path / "run", resume=False, overwrite=True)
    found = results(tmp_path / "run")
    assert [stage["epochs"] for stage in found["stages"]] == [2, 3]
    assert "the first stage was selected on source: the validation part of EmoDB" in found["notes"]
    assert any("best weights of the first; each stage has its own budget" in note for note in found["notes"])


def test_last_weights_must_be_kept_for_a_stage_to_go_on_from(two_stages, tmp_path, capsys):
    words = [
        "--data.continue_from",
        "last",
        "--checkpoint.save_last",
        "false",
        "--out",
        str(tmp_path / "run"),
    ]
    assert main([*two_stages, *words]) == 2
    assert "Give --checkpoint.save_last true" in " ".join(capsys.readouterr().err.split())


def test_selecting_on_the_target_is_said_with_the_result(encoder, emodb, ravdess, tmp_path, capsys):
    words = [
        "fit", "--data", "LanguagePair", "--data.select_on", "target", "--data.source", "EmoDB",
        "--data.source.root", emodb, "--data.target", "RAVDESS", "--data.target.root", ravdess,
        "--model.encoder", encoder, "--model.whisper_form", "short", "--trainer.max_epochs", "1",
        "--out", str(tmp_path / "run"),
    ]  # fmt: skip
    assert main(words) == 0
    assert "target" in " ".join(results(tmp_path / "run")["notes"])
    assert results(tmp_path / "run")["data"]["select_on"] == "target"


@pytest.mark.slow
def test_a_run_killed_in_mid_epoch_resumes_to_the_same_weights(fit_words, tmp_path):
    # With dropout in encoder adapters and head, every random draw must be the same again.
    words = [
        *fit_words,
        "--model.adapter",
        "lora+gating",
        "--model.dropout",
        "0.2",
        "--data.loader.batch_size",
        "8",
    ]
    killed = tmp_path / "killed"
    in_second_epoch = killed_when(lambda task, batch: (task.current_epoch, batch) == (1, 2))
    assert alone([*words, "--out", str(killed)], tmp_path / "said", in_second_epoch).code == -9
    for extra in (["--out", str(killed), "--resume"], ["--out", str(tmp_path / "whole")]):
        assert main([*words, *extra]) == 0
    resumed, whole = (
        torch.load(folder / "last.ckpt", weights_only=True) for folder in (killed, tmp_path / "whole")
    )
    assert resumed["global_step"] == whole["global_step"]
    for name, value in whole["state_dict"].items():
        assert torch.equal(resumed["state_dict"][name], value), name
    assert rows(killed / "predictions.csv") == rows(tmp_path / "whole" / "predictions.csv")


def test_every_flag_of_the_short_page_exists(fit_words):
    from sercl.cli.help import unknown_flags
    from sercl.cli.pages import FIT as PAGE

    assert not unknown_flags(PAGE.flags, parse_with(fit_words))


def parse_with(words):
    """Return a function that parses a command line with `words` before it, and runs nothing."""
    from sercl.cli.lightning import Cli

    def parse(more):
        sys.argv[1:] = [*words[1:], *more]
        return Cli("fit")

    return parse


def test_print_config_is_a_configuration(fit_words, capsys):
    assert main([*fit_words, "--print_config"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["model"]["adapter"] == "none"


@pytest.mark.shared
@pytest.mark.slow
def test_real_recordings_and_a_real_encoder(shared, tmp_path):
    words = ["fit", "--data", "EmoDB", "--data.root", str(shared / "data" / "emodb"), "--model.encoder"]
    words += [str(shared / "models" / "whisper-tiny.en-encoder"), "--model.whisper_form", "short"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    assert results(tmp_path / "run")["scores"]["uar"]["value"] > 0.75
