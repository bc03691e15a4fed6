"""Several corpora as one through the commands."""

import csv
import json

import pytest
import torch
import yaml

from sercl.cli.main import main
from sercl.data.datamodules import RAVDESS, Corpora, EmoDB
from sercl.tasks import checkpoint as checkpoints
from sercl.tasks.models import UtteranceModel
from sercl.testing.corpora import fake_corpus
from tests.processes import launched

RAW = ["--preprocess.trim", "none", "--preprocess.loudness", "none"]
BY_CORPUS = ["--model.standardize", "corpus"]


@pytest.fixture(scope="module")
def model_words(encoder, tmp_path_factory):
    """The options of a small model on the CPU; what its file sets may be set again."""
    small = tmp_path_factory.mktemp("small") / "small.yaml"
    small.write_text("trainer:\n  max_epochs: 2\n  accelerator: cpu\n")
    return ["--model.encoder", encoder, "--model.whisper_form", "short", "-c", str(small)]


@pytest.fixture(scope="module")
def both(emodb, ravdess):
    """The options of two corpora as one."""
    return [
        "--data", "Corpora", "--data.weights", "by-corpus", "--data.corpora+=EmoDB", "--data.corpora.root",
        emodb, "--data.corpora+=RAVDESS", "--data.corpora.root", ravdess,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def named(emodb, ravdess, tmp_path_factory):
    """A file with two corpora under names of one's own."""
    corpora = {
        "Berlin": {"class_path": "EmoDB", "init_args": {"root": emodb}},
        "Toronto": {"class_path": "RAVDESS", "init_args": {"root": ravdess}},
    }
    path = tmp_path_factory.mktemp("named") / "data.yaml"
    path.write_text(yaml.safe_dump({"data": {"class_path": "Corpora", "init_args": {"corpora": corpora}}}))
    return str(path)


@pytest.fixture(scope="module")
def run(model_words, named, tmp_path_factory):
    """Folder of a run whose corpora are standardised separately."""
    folder = tmp_path_factory.mktemp("run") / "run"
    assert main(["fit", "-c", named, *model_words, *RAW, *BY_CORPUS, "--out", str(folder)]) == 0
    return folder


def results(folder):
    return json.loads((folder / "results.json").read_text())


def test_corpora_of_a_map_have_its_names(run):
    found = results(run)["data"]
    assert found["name"] == "Berlin + Toronto"
    assert set(found["corpora"]) == {"Berlin", "Toronto"}


def test_each_corpus_is_standardised_by_its_own_training_part(run, emodb, ravdess):
    (note,) = [note for note in results(run)["notes"] if "standardised" in note]
    assert note == "each corpus is standardised by statistics of its own (Berlin, Toronto)"
    stored = checkpoints.read(run / "best.ckpt")
    assert stored["sercl"]["standardized_corpora"] == ["Berlin", "Toronto"]
    means = stored["state_dict"]["readout.standardizer.mean"]
    task = UtteranceModel.restore(run / "best.ckpt")
    data = Corpora({"Berlin": EmoDB(emodb), "Toronto": RAVDESS(ravdess)})
    data.use_preprocessing(task.as_trained)
    data.setup()
    batches = list(data.reference_dataloader())
    with torch.inference_mode():
        features = torch.cat([task.readout.normed(task.pool(batch)) for batch in batches])
    names = [name for batch in batches for name in batch.corpora]
    assert len(names) == len(data.splits["train"].utterances)
    for row, corpus in enumerate(("Berlin", "Toronto"), start=1):
        own = features[[name == corpus for name in names]]
        torch.testing.assert_close(means[row], own.mean(dim=0), rtol=1e-3, atol=1e-4)
    assert not torch.allclose(means[1], means[2], rtol=1e-2)


def test_another_corpus_is_standardised_by_all_together(run, emodb, capsys, tmp_path):
    assert main(["test", "--ckpt", str(run / "best.ckpt"), "--out", str(tmp_path / "own"), "--json"]) == 0
    own = json.loads(capsys.readouterr().out)
    assert own["scores"] == results(run)["scores"]
    words = ["--data", "EmoDB", "--data.root", emodb, "--out", str(tmp_path / "other"), "--json"]
    assert main(["test", "--ckpt", str(run / "best.ckpt"), *words]) == 0
    notes = json.loads(capsys.readouterr().out)["notes"]
    assert any("EmoDB, of which there are none, by those of all of them together" in note for note in notes)


def test_the_target_of_a_pair_is_standardised_by_its_training_part(model_words, emodb, ravdess, tmp_path):
    pair = [
        "--data", "LanguagePair", "--data.source", "EmoDB", "--data.source.root", emodb, "--data.target",
        "RAVDESS", "--data.target.root", ravdess,
    ]  # fmt: skip
    words = [*pair, *model_words, *RAW]
    assert main(["fit", *words, *BY_CORPUS, "--out", str(tmp_path / "run")]) == 0
    notes = results(tmp_path / "run")["notes"]
    assert "each corpus is standardised by statistics of its own (EmoDB, RAVDESS)" in notes
    assert any("target audio without labels was used: " in note for note in notes)
    probe = ["layer-probe", *words, "--probe.standardize", "corpus", "--out", str(tmp_path / "probe")]
    assert main(probe) == 0
    notes = results(tmp_path / "probe")["results"][0]["notes"]
    assert any("the target by its training part without labels" in note for note in notes)


@pytest.mark.parametrize("value", ["true", "false", "corpus"])
def test_the_choice_of_statistics_is_read_as_what_it_is(model_words, emodb, capsys, value):
    words = ["layer-probe", "--data", "EmoDB", "--data.root", emodb, *model_words, "--print_config"]
    assert main([*words, "--probe.standardize", value, "--model.standardize", value]) == 0
    options = yaml.safe_load(capsys.readouterr().out)
    expected = yaml.safe_load(value)
    assert options["probe"]["standardize"] == expected
    assert options["model"].get("init_args", options["model"])["standardize"] == expected


def test_two_corpora_of_one_name_cannot_be_standardised_apart(model_words, emodb, tmp_path, capsys):
    pair = [
        "--data", "LanguagePair", "--data.source", "EmoDB", "--data.source.root", emodb, "--data.target",
        "EmoDB", "--data.target.root", emodb,
    ]  # fmt: skip
    assert main(["fit", *pair, *model_words, *BY_CORPUS, "--out", str(tmp_path / "run")]) == 2
    assert "source and target are both called EmoDB" in capsys.readouterr().err


def test_an_adapter_changes_what_statistics_are_taken_of(both, model_words, tmp_path, capsys):
    words = ["fit", *both, *model_words, *RAW, "--model.adapter", "lora", "--out", str(tmp_path / "run")]
    assert main([*words, *BY_CORPUS]) == 2
    assert "do not hold for the adapter 'lora'" in capsys.readouterr().err
    assert main([*words, "--trainer.max_epochs", "1"]) == 0
    assert "weights by-corpus: 96 training utterances" in capsys.readouterr().out


def test_a_diarizer_is_trained_on_them(both, model_words, tmp_path):
    clips = ["--data.clips.voice", "none", "--data.clips.min_piece", "0.05", "--trainer.max_epochs", "1"]
    assert main(["diarize", "fit", *both, *model_words, *clips, "--out", str(tmp_path / "run")]) == 0
    data = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["data"]["init_args"]
    (own,) = data["corpora"]
    assert own["init_args"]["weights"] == "by-corpus"
    assert len(own["init_args"]["corpora"]) == 2


def test_a_study_trains_few_shots_with_them_as_source(crossed, tmp_path):
    joined = {"class_path": "Corpora", "init_args": {"corpora": list(crossed["corpora"].values())}}
    root = fake_corpus("EMOVO", tmp_path / "emovo", speakers=6)
    third = {"class_path": "EMOVO", "init_args": {"root": str(root)}}
    study = {
        **crossed, "corpora": {"Both": joined, "Third": third}, "train": ["Both"], "test": ["Third"],
        "settings": ["few-shot"], "shots": [0, 1], "folds": [0], "seeds": [1], "draws": 1,
    }  # fmt: skip
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump({"study": study, "trainer": {"accelerator": "cpu"}}))
    assert main(["cross-eval", "-c", str(path), "--out", str(tmp_path / "out")]) == 0


@pytest.mark.slow
def test_two_processes_give_what_one_gives(both, model_words, tmp_path):
    words = ["fit", *both, *model_words, *RAW, *BY_CORPUS, "--data.loader.batch_size", "96"]
    assert main([*words, "--out", str(tmp_path / "one")]) == 0
    two = ["--data.loader.batch_size", "48", "--trainer.devices", "2", "--trainer.strategy", "ddp"]
    ended = launched([*words[:-2], *two, "--out", str(tmp_path / "two")], tmp_path / "said")
    assert ended.code == 0, ended.err
    folders = [tmp_path / "one", tmp_path / "two"]
    first, second = (checkpoints.read(folder / "best.ckpt")["state_dict"] for folder in folders)
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=1e-4, atol=1e-4, msg=name)
    rows = [list(csv.DictReader((folder / "predictions.csv").open(newline=""))) for folder in folders]
    assert [row["utterance"] for row in rows[0]] == [row["utterance"] for row in rows[1]]
