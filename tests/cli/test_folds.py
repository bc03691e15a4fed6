import json
from pathlib import Path
from statistics import median

import pandas as pd
import pytest
import yaml

import sercl
from sercl.cli import folds
from sercl.cli.main import main
from sercl.cli.run_folder import check_claim
from sercl.errors import CheckpointError, ResultsError, UsageError
from sercl.json_text import json_text
from sercl.metrics.functional.classification import AVERAGES
from sercl.studies.comparison import compare
from sercl.studies.results.predictions import Predictions, read_csv
from sercl.studies.results.scores import evaluate
from sercl.studies.training.folds import has_all, planned, with_fold
from sercl.tasks.classification import ClassifierEnsemble, EmotionClassifier
from sercl.tasks.models import UtteranceModel
from tests.cli.test_processes import HALVES, assert_same_weights
from tests.cli.words import replaced


def all_folds(words, out, *more):
    """Return the words of a run of three folds."""
    return [
        *replaced(words, "--data.folds.index", "all"),
        "--data.folds.count", "3", "--trainer.max_epochs", "2", "--out", str(out), *more,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def words(encoder, emodb):
    return [
        "fit", "--data", "EmoDB", "--data.root", emodb, "--model.encoder", encoder,
        "--model.whisper_form", "short", "--trainer.accelerator", "cpu",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def run(words, tmp_path_factory):
    """The folder of a finished run of three folds and two seeds."""
    folder = tmp_path_factory.mktemp("folds") / "run"
    assert main(all_folds(words, folder, "--seeds", "[0,1]")) == 0
    return folder


def test_every_fold_and_seed_has_its_own_folder_and_exact_lists(run):
    tested = []
    for fold in range(3):
        own = run / "seed-1" / f"fold-{fold}"
        for name in (
            "best.ckpt",
            "config.yaml",
            "results.json",
            "predictions.csv",
            "folds/test.csv",
            "log.txt",
        ):
            assert (own / name).stat().st_size > 0, name
        config = yaml.safe_load((own / "config.yaml").read_text())
        assert config["seed_everything"] == 1
        assert config["data"]["init_args"]["folds"]["index"] == fold
        tested.append(set(pd.read_csv(own / "folds" / "test.csv")["file"]))
    assert sum(map(len, tested)) == len(set().union(*tested))


def test_scores_pool_the_test_utterances_of_all_folds(run):
    pooled = read_csv(run / "predictions.csv")
    assert pooled.runs == ((0, 0), (0, 1))
    assert set(pooled.fold) == {0, 1, 2}
    frames = [
        pd.read_csv(run / f"seed-{seed}" / f"fold-{fold}" / "predictions.csv").assign(seed=seed, fold=fold)
        for seed in (0, 1)
        for fold in range(3)
    ]
    by_hand = evaluate(Predictions.from_frame(pd.concat(frames)))
    content = json.loads((run / "results.json").read_text())
    assert content["scores"] == json.loads(json_text(by_hand.to_dict()))
    assert content["scores"]["uar"]["unit"] == "speakers"
    assert content["scores"]["uar"]["count"] == 10
    assert [(own["seed"], own["fold"]) for own in content["folds"]] == [
        (s, f) for s in (0, 1) for f in range(3)
    ]
    assert set(content["folds"][0]["averages"]) == set(AVERAGES)
    assert (run / "confusion.png").stat().st_size > 0


def test_a_note_of_several_folds_is_given_once_with_their_folders(run):
    """The same fold has the same lists with each seed, and so the same notes."""
    notes = json.loads((run / "results.json").read_text())["notes"]
    of_some = [note.partition(": ") for note in notes if note.startswith("seed-")]
    of_lists = [(folders, said) for folders, _, said in of_some if "few utterances" in said]
    assert of_lists
    assert all("seed-0/" in folders and "seed-1/" in folders for folders, _ in of_lists)
    said = [said for _, _, said in of_some]
    assert len(said) == len(set(said))
    own = json.loads((run / "seed-1" / "fold-2" / "results.json").read_text())["notes"]
    assert {said for folders, _, said in of_some if "seed-1/fold-2" in folders} <= set(own)


def test_the_whole_is_read_and_compared_as_any_run(run):
    found = sercl.read_results(run)
    assert found.kind == "run"
    assert len(found.trainings) == 6
    assert set(found.trainings["fold"]) == {0, 1, 2}
    assert found.predictions.groupby("seed")["utterance"].nunique().nunique() == 1
    assert not found.predictions.duplicated(["seed", "utterance"]).any()
    assert evaluate(Predictions.from_frame(found.predictions)).uar.value == pytest.approx(
        float(found.scores.set_index("score").loc["uar", "value"])
    )
    row = compare(run, run).rows[0]
    assert row.paired.difference.value == 0
    assert row.paired.test is not None
    assert row.paired.test.count == 10


def test_a_fold_of_the_whole_is_what_a_single_run_trains(run, words, tmp_path):
    single = [*words, "--data.folds.count", "3", "--trainer.max_epochs", "2", "--seed_everything", "1"]
    assert main([*single, "--data.folds.index", "2", "--out", str(tmp_path / "one")]) == 0
    one, own = (folder / "predictions.csv" for folder in (tmp_path / "one", run / "seed-1" / "fold-2"))
    assert one.read_text() == own.read_text()
    assert "folds" not in json.loads((tmp_path / "one" / "results.json").read_text())
    assert "seeds" not in (tmp_path / "one" / "config.yaml").read_text()


def test_the_models_of_all_folds_predict_as_an_ensemble(run, emodb, capsys):
    path = sorted(Path(emodb).rglob("*.wav"))[0]
    single = [
        sercl.load(own / "best.ckpt", device="cpu").predict(path)[0].probabilities
        for own in sorted(run.glob("seed-*/fold-*"))
    ]
    found = sercl.load(run, device="cpu")
    assert found.checkpoints == tuple(
        f"seed-{seed}/fold-{fold}/best.ckpt" for seed in (0, 1) for fold in range(3)
    )
    for name, value in found.predict(path)[0].probabilities.items():
        assert value == pytest.approx(sum(own[name] for own in single) / 6, abs=1e-5)
    assert main(["predict", str(run), str(path), "--format", "json"]) == 0
    said = capsys.readouterr()
    assert "means over the 6 models" in said.err
    (row,) = json.loads(said.out)
    assert row["ensemble"] == {"models": 6, "checkpoints": list(found.checkpoints)}


def test_a_folder_of_one_fold_predicts_with_its_model(run, emodb, capsys):
    own = run / "seed-0" / "fold-1"
    assert sercl.load(own, device="cpu").checkpoints == ()
    path = str(sorted(Path(emodb).rglob("*.wav"))[0])
    assert main(["predict", str(own), path, "--format", "json"]) == 0
    by_folder = capsys.readouterr()
    assert "the only one in" in by_folder.err
    assert main(["predict", str(own / "best.ckpt"), path, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(by_folder.out)


def test_an_ensemble_is_scored_on_another_corpus_by_its_mean_probabilities(run, ravdess, tmp_path, capsys):
    words = ["test", "--data", "RAVDESS", "--data.root", ravdess, "--trainer.accelerator", "cpu"]
    each = []
    for own in sorted(run.glob("seed-*/fold-*")):
        out = tmp_path / own.parent.name / own.name
        assert main([*words, "--ckpt", str(own / "best.ckpt"), "--out", str(out)]) == 0
        each.append(read_csv(out / "predictions.csv"))
    capsys.readouterr()
    assert main([*words, "--ckpt", str(run), "--out", str(tmp_path / "all"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["part"], found["scores"]["n"]) == ("whole", 8 * 4 * 2)
    assert found["model"]["ensemble"] == [
        f"seed-{seed}/fold-{fold}/best.ckpt" for seed in (0, 1) for fold in range(3)
    ]
    assert any(note.startswith("ensemble: mean of the probabilities of 6 models") for note in found["notes"])
    predicted = read_csv(tmp_path / "all" / "predictions.csv")
    assert list(predicted.utterance) == list(each[0].utterance)
    mean = sum(own.probabilities for own in each) / 6
    assert predicted.probabilities == pytest.approx(mean, abs=1e-5)
    assert (tmp_path / "all" / "confusion.png").stat().st_size > 0


def test_an_ensemble_is_not_scored_on_speakers_that_a_model_of_it_has_seen(run, emodb, tmp_path, capsys):
    assert main(["test", "--ckpt", str(run)]) == 2
    assert "its models together were trained on every speaker" in capsys.readouterr().err
    words = ["--ckpt", str(run), "--data", "EmoDB", "--data.root", emodb, "--trainer.accelerator", "cpu"]
    assert main(["test", *words]) == 1
    assert "were seen in training" in capsys.readouterr().err
    assert main(["test", *words, "--data.folds.allow_speaker_overlap", "true", "--json"]) == 0
    notes = json.loads(capsys.readouterr().out)["notes"]
    assert any(note.startswith("speaker-dependent: ") for note in notes)


def test_an_ensemble_has_seen_what_any_of_its_models_has(run):
    ensemble = ClassifierEnsemble.restore(run)
    for part in ("train", "validation"):
        assert ensemble.seen_speakers[part] == sorted(
            {name for task in ensemble.tasks for name in task.seen_speakers[part]}
        )
    assert len(ensemble.seen_speakers["train"]) == 10
    assert all(task.recordings["train"] < ensemble.recordings["train"] for task in ensemble.tasks)
    ensemble.tasks[1].recordings = None
    assert ensemble.recordings is None


def test_a_shared_frozen_encoder_runs_once(run, emodb, monkeypatch):
    found, called = sercl.load(run, device="cpu"), []
    pool = UtteranceModel.pool
    monkeypatch.setattr(UtteranceModel, "pool", lambda self, batch: called.append(1) or pool(self, batch))
    found.predict(sorted(Path(emodb).rglob("*.wav"))[0])
    assert len(called) == 1


def test_folders_that_are_no_finished_run_of_folds_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="is a folder without a checkpoint"):
        sercl.load(tmp_path)
    (tmp_path / "best.ckpt").touch()
    with pytest.raises(CheckpointError, match="its training has not ended"):
        sercl.load(tmp_path)
    (tmp_path / "fold-0").mkdir()
    with pytest.raises(CheckpointError, match="not all of its folds"):
        sercl.load(tmp_path)


@pytest.fixture(scope="module")
def final(run, words):
    """The folder of the final model, trained after the folds."""
    assert main(all_folds(words, run, "--seeds", "[0,1]", "--resume", "--final")) == 0
    return run / "final"


def test_the_final_model_is_trained_on_everything_with_what_the_folds_chose(run, final):
    whole, own = (json.loads((folder / "results.json").read_text()) for folder in (run, final))
    stages = [fold["stages"][0] for fold in whole["folds"]]
    config = yaml.safe_load((final / "config.yaml").read_text())
    assert config["trainer"]["max_epochs"] == own["stages"][0]["epochs"] == median(s["epoch"] for s in stages)
    states = [stage["chosen_state"] for stage in stages]
    assert states.count(config["model"]["layer"]) == max(map(states.count, states))
    assert own["model"]["chosen_state"] == config["model"]["layer"]
    assert config["seed_everything"] == 0
    assert len(pd.read_csv(final / "folds" / "train.csv")) == whole["scores"]["n"] / 2  # of two seeds
    assert len(pd.read_csv(final / "folds" / "test.csv")) == 0
    for folder in (run, run / "seed-0" / "fold-0", final):
        check_claim(folder, resume=False, overwrite=True)
    task = EmotionClassifier.restore(final / "best.ckpt")
    assert len(task.seen_speakers["train"]) == 10
    assert task.seen_speakers["validation"] == []


def test_the_final_model_has_no_score_of_its_own_but_that_of_the_folds_as_its_estimate(run, final, capsys):
    whole, own = (json.loads((folder / "results.json").read_text()) for folder in (run, final))
    assert (own["part"], own["scores"]) == (None, None)
    scores = {name: whole["scores"][name] for name in AVERAGES}
    assert own["estimate"] == {"folder": "..", "scores": scores}
    assert own["notes"][0].startswith("trained on everything: it has no score of its own")
    assert not any("epoch limit" in note for note in own["notes"])
    with pytest.raises(ResultsError, match="without scores of its own"):
        sercl.read_results(final)
    assert sercl.read_results(run).kind == "run"
    with pytest.raises(UsageError, match="a model that is trained on everything"):
        compare(run, final)


def test_the_final_model_predicts_and_is_scored_on_other_data_only(run, final, emodb, ravdess, capsys):
    path = str(sorted(Path(emodb).rglob("*.wav"))[0])
    assert main(["predict", str(run), path]) == 0
    assert f"The model trained on everything is {final}" in capsys.readouterr().err.replace("\n", "")
    assert main(["predict", str(final), path, "--format", "json"]) == 0
    assert "ensemble" not in json.loads(capsys.readouterr().out)[0]
    test = ["test", "--ckpt", str(final), "--trainer.accelerator", "cpu"]
    assert main(test) == 1
    assert "no utterance in test" in capsys.readouterr().err
    assert main([*test, "--data", "EmoDB", "--data.root", emodb]) == 1
    assert "were seen in training" in capsys.readouterr().err
    assert main([*test, "--data", "RAVDESS", "--data.root", ravdess, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["part"] == "whole"


def test_a_final_model_is_kept_until_the_folds_choose_anew(run, final, words, monkeypatch, capsys):
    train, called = folds.train_one, []
    monkeypatch.setattr(folds, "train_one", lambda *given: called.append(given[1].name) or train(*given))
    resumed = all_folds(words, run, "--seeds", "[0,1]", "--resume", "--final")
    assert main(resumed) == 0
    assert called == []
    config = yaml.safe_load((final / "config.yaml").read_text())
    (final / "config.yaml").write_text(yaml.safe_dump(config | {"seed_everything": 9}))
    assert main(resumed) == 0
    assert called == ["final"]
    assert yaml.safe_load((final / "config.yaml").read_text()) == config
    (final / "results.json").unlink()
    monkeypatch.setattr(folds, "train_one", lambda *given: 1 / 0)
    capsys.readouterr()
    assert main(resumed) == 1
    assert "Failed: final: ZeroDivisionError" in capsys.readouterr().err
    monkeypatch.setattr(folds, "train_one", train)
    assert main(resumed) == 0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], "the epochs and the layer that the folds choose"),
        (["--data.folds.test_list", "x.csv"], "test_list with --final: holds utterances back"),
        (["--model.adapter", "lora", "--model.head_first", "true"], "head_first with --final"),
        (["--model.optimizer.schedule", "plateau"], "schedule with --final: the rates follow validation"),
        (["--model.optimizer.warmup", "0.1"], "the rates follow from the length of training"),
        (["--model.adapter", "peft:adalora"], "its schedule follows from the length of training"),
    ],
)
def test_folds_that_cannot_choose_for_a_final_model_are_refused(words, more, said, tmp_path, capsys):
    index = ["--data.folds.index", "all"] if more else []
    assert main([*words, *index, *more, "--final", "--out", str(tmp_path / "run")]) == 2
    assert said in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], "--model.layer auto: the layer is chosen on validation"),
        (
            ["--model.layer", "1", "--model.optimizer.schedule", "newbob"],
            "newbob: follows a validation value",
        ),
        (
            ["--model.layer", "1", "--early_stopping.patience", "3"],
            "--early_stopping.patience 3: has no effect",
        ),
        (["--data.folds.index", "1"], "index 1 has no effect with the scheme 'none'"),
    ],
)
def test_training_on_everything_refuses_what_needs_validation(words, more, said, tmp_path, capsys):
    assert main([*words, "--data.folds.scheme", "none", *more, "--out", str(tmp_path / "run")]) == 2
    assert said in capsys.readouterr().err.replace("\n", " ")


def test_all_folds_of_a_pair_train_both_stages_and_a_final_model(encoder, emodb, ravdess, tmp_path, capsys):
    words = ["fit", "--data", "LanguagePair", "--data.setting", "two-stage", "--data.switch_epoch", "2"]
    for role, name, root in (("source", "EmoDB", emodb), ("target", "RAVDESS", ravdess)):
        words += [f"--data.{role}", name, f"--data.{role}.root", root]
        words += [f"--data.{role}.folds.count", "2", f"--data.{role}.folds.index", "all"]
    words += ["--model.encoder", encoder, "--model.whisper_form", "short", "--model.adapter", "bottleneck"]
    words += ["--trainer.accelerator", "cpu", "--trainer.max_epochs", "3", "--out", str(tmp_path / "run")]
    assert main([*words, "--final", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [fold["folder"] for fold in found["folds"]] == ["fold-0", "fold-1"]
    assert found["scores"]["n"] == 8 * 4 * 2
    assert [stage["stage"] for stage in found["folds"][0]["stages"]] == ["source", "target"]
    final = json.loads((tmp_path / "run" / "final" / "results.json").read_text())
    best = [[fold["stages"][stage]["epoch"] for fold in found["folds"]] for stage in range(2)]
    assert [stage["epochs"] for stage in final["stages"]] == [int(median(own) + 0.5) for own in best]
    assert not any("selected on" in note for note in final["notes"])
    for folder in ("", "final"):
        assert main(["predict", str(tmp_path / "run" / folder), emodb, "--recursive", "--format", "csv"]) == 0
    assert "fold-0/target/best.ckpt;fold-1/target/best.ckpt" in capsys.readouterr().out


def test_a_failed_fold_leaves_the_others_and_resume_trains_it(words, tmp_path, monkeypatch, capsys):
    folder, train = tmp_path / "run", folds.train_one
    called = []

    def failing(command, own, *given):
        called.append(own.name)
        if own.name == "fold-1" and len(called) < 4:
            raise RuntimeError("out of luck")
        train(command, own, *given)

    monkeypatch.setattr(folds, "train_one", failing)
    assert main(all_folds(words, folder)) == 1
    said = capsys.readouterr()
    assert "Failed: fold-1: RuntimeError: out of luck" in said.err
    assert "2 of 3 are done" in said.err
    assert not (folder / "results.json").exists()
    assert main(all_folds(words, folder)) == 2  # as for any run that is there
    assert main(all_folds(words, folder, "--resume", "--json")) == 0
    assert called == ["fold-0", "fold-1", "fold-2", "fold-1"]
    content = json.loads(capsys.readouterr().out)
    assert [own["folder"] for own in content["folds"]] == ["fold-0", "fold-1", "fold-2"]
    assert main(all_folds(words, folder, "--resume", "--model.layer", "1")) == 2


def test_ctrl_c_ends_the_whole_and_resume_goes_on(words, tmp_path, monkeypatch, capsys):
    folder, train = tmp_path / "run", folds.train_one
    called = []

    def interrupted(command, own, *given):
        called.append(own.name)
        if len(called) == 2:
            raise KeyboardInterrupt
        train(command, own, *given)

    monkeypatch.setattr(folds, "train_one", interrupted)
    assert main(all_folds(words, folder)) == 130
    assert "continues with --resume" in capsys.readouterr().err
    assert main(all_folds(words, folder, "--resume")) == 0
    assert called == ["fold-0", "fold-1", "fold-1", "fold-2"]


def test_seeds_may_be_added_but_not_left_out(run, words, capsys):
    assert main(all_folds(words, run, "--resume", "--seeds", "[0]")) == 2
    assert "--seeds is [0], was [0, 1]" in capsys.readouterr().err


@pytest.mark.usefixtures("_forked_ranks")
def test_folds_are_trained_in_parallel(run, words, tmp_path):
    out = tmp_path / "parallel"
    assert main(all_folds(words, out, "--seeds", "[1]", "--jobs", "2")) == 0
    one, two = (folder / "seed-1" / "fold-2" / "predictions.csv" for folder in (run, out))
    assert one.read_text() == two.read_text()


@pytest.mark.usefixtures("_forked_ranks")
def test_folds_are_trained_on_two_devices_each(words, tmp_path):
    small = [
        *replaced(words, "--data.folds.index", "all"),
        "--data.folds.count",
        "2",
        "--model.adapter",
        "gating",
    ]
    small += [
        "--data.loader.batch_size",
        "24",
        "--data.loader.batch_seconds",
        "0",
        "--trainer.max_epochs",
        "1",
    ]
    one, two = tmp_path / "one", tmp_path / "two"
    assert main([*small, *HALVES, "--out", str(one)]) == 0
    assert main([*small, "--trainer.devices", "2", "--out", str(two)]) == 0
    first, second = (pd.read_csv(folder / "predictions.csv") for folder in (one, two))
    pd.testing.assert_frame_equal(first, second, atol=1e-4)
    for fold in ("fold-0", "fold-1"):
        assert_same_weights(one / fold / "best.ckpt", two / fold / "best.ckpt")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--jobs", "2"], "a single fold is trained"),
        (["--seeds", "[1,1]"], "each once"),
        (["--seeds", "[1,2]", "--seed_everything", "3"], "has no effect beside --seeds [1,2]"),
        (["--data.folds.index", "all", "--trainer.devices", "[0,1]"], "give the number of devices"),
        (["--data.folds.index", "all", "--trainer.devices", "2", "--jobs", "200"], "at most 256 processes"),
        (["--data.folds.index", "every"], "every"),
    ],
)
def test_options_without_effect_or_meaning_are_refused(words, more, said, tmp_path, capsys):
    assert main([*words, *more, "--out", str(tmp_path / "run")]) == 2
    assert said in capsys.readouterr().err


def test_other_commands_say_that_they_need_one_fold(run, emodb, capsys):
    ckpt = str(run / "seed-0" / "fold-0" / "best.ckpt")
    words = ["test", "--ckpt", ckpt, "--data", "EmoDB", "--data.root", emodb, "--data.folds.index", "all"]
    assert main(words) == 2
    assert "Give one fold here" in capsys.readouterr().err


def test_only_folds_that_say_all_change():
    data = {"source": {"folds": {"index": "all"}}, "target": {"folds": {"index": 3}}}
    assert has_all(data)
    assert with_fold(data, 2) == {"source": {"folds": {"index": 2}}, "target": {"folds": {"index": 3}}}
    assert with_fold([data], 1)[0]["source"]["folds"]["index"] == 1
    assert not has_all(with_fold(data, 2))
    assert [run.folder for run in planned([0, 1], 42, None)] == ["fold-0", "fold-1"]
    assert [run.folder for run in planned([4], 42, [7])] == ["seed-7/fold-4"]


@pytest.mark.usefixtures("_forked_ranks")
def test_diarizers_are_trained_on_two_devices_each(encoder, emodb, tmp_path):
    words = [
        "diarize", "fit", "--data", "EmoDB", "--data.root", emodb, "--data.clips.voice", "none",
        "--data.clips.min_piece", "0.05", "--data.loader.batch_size", "9", "--data.loader.batch_seconds", "0",
        "--model.encoder", encoder, "--model.whisper_form", "short", "--seeds", "[3]",
        "--trainer.accelerator", "cpu", "--trainer.max_epochs", "1",
    ]  # fmt: skip
    one, two = tmp_path / "one", tmp_path / "two"
    assert main([*words, *HALVES, "--out", str(one)]) == 0
    assert main([*words, "--trainer.devices", "2", "--out", str(two)]) == 0
    assert_same_weights(one / "seed-3" / "fold-0" / "best.ckpt", two / "seed-3" / "fold-0" / "best.ckpt")


def test_diarizers_of_all_folds_and_seeds_are_evaluated_together(encoder, emodb, tmp_path, capsys):
    words = [
        "diarize", "fit", "--data", "EmoDB", "--data.root", emodb, "--data.folds.count", "2",
        "--data.folds.index", "all", "--seeds", "[3,4]", "--final",
        "--data.clips.per_epoch", "6", "--model.encoder", encoder,
        "--model.whisper_form", "short", "--trainer.accelerator", "cpu", "--trainer.max_epochs", "1",
        "--out", str(tmp_path / "run"),
    ]  # fmt: skip
    assert main(words) == 0
    found = sercl.read_results(tmp_path / "run")
    assert found.kind == "diarization"
    names = {f"seed-{seed}-fold-{fold}" for seed in (3, 4) for fold in (0, 1)}
    assert set(found.scores["run"]) == {"all", *names}
    assert any(note.startswith("mean of 2 seeds") for note in found.notes["note"])
    uar = found.scores[(found.scores["run"] == "all") & (found.scores["score"] == "uar")]
    assert set(uar["unit"]) == {"speakers"}
    assert set(uar["count"]) == {10}
    counts = found.scores.drop_duplicates("run").set_index("run")["n"]
    assert counts["all"] == counts.drop("all").sum()
    assert (tmp_path / "run" / "segments" / "diarizer.json").is_file()
    final = tmp_path / "run" / "final"
    content = json.loads((final / "results.json").read_text())
    whole = json.loads((tmp_path / "run" / "results.json").read_text())["systems"][0]["scores"]
    assert content["estimate"]["scores"]["eder"] == whole["eder"]
    assert content["data"]["splits"]["test"]["utterances"] == 0
    clip = str(sorted(Path(emodb).rglob("*.wav"))[0])
    capsys.readouterr()
    assert main(["diarize", str(final), clip, "--format", "json"]) == 0
    assert main(["diarize", str(tmp_path / "run"), clip]) == 1
    assert f"holds the models of 4 folds. Give one of them, such as {tmp_path}" in capsys.readouterr().err
    assert main(["diarize", "evaluate", str(final / "best.ckpt")]) == 2
    assert "is trained on everything" in capsys.readouterr().err
