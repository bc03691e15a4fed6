import csv
import json
import sys
from dataclasses import replace
from importlib.metadata import version

import pytest

import sercl
from sercl.data.datamodules import Manifest
from sercl.errors import OutputError, SpeakerOverlapError
from sercl.json_text import plain
from sercl.studies.results.predictions import Predictions
from sercl.studies.training.results import environment, save, speaker_overlap_notes, summarise
from sercl.studies.training.stages import StageResult
from sercl.tasks.classification import EmotionClassifier
from sercl.testing.encoders import tiny_encoder
from tests.data.corpora import write_manifest

CLASSES = ("angry", "happy", "neutral", "sad")
STAGE = StageResult("train", "run/best.ckpt", "val/loss", 0.5, 3, 14, True, 2, 1.5)


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    folder = tiny_encoder("whisper", tmp_path_factory.mktemp("encoder"))
    return EmotionClassifier(str(folder), layer=2, whisper_form="short", dropout=0.25)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    module = Manifest(write_manifest(tmp_path_factory.mktemp("own"), prefix="s"))
    module.setup()
    return module


def predicted(utterances, labels, guesses):
    probabilities = [[0.7 if index == guess else 0.1 for index in range(4)] for guess in guesses]
    names = [utterance.id for utterance in utterances]
    return Predictions.of_one_run(
        CLASSES, names, [item.speaker for item in utterances], labels, probabilities
    )


@pytest.fixture
def scored(data):
    """The test part, everything right but the first angry one, which is taken for sad."""
    split = data.splits["test"]
    return predicted(split.utterances, split.labels, [3, *split.labels[1:]])


def test_scores_derive_from_the_rows(task, data, scored):
    found = summarise(task, data, scored, "test")
    assert (found.part, found.scores.n) == ("test", 8)
    assert found.scores.confusion[0] == (1, 0, 0, 1)
    assert found.scores.uar.value == pytest.approx((0.5 + 3) / 4)
    assert found.scores.classes == ("angry", "happy", "neutral", "sad")


def test_intervals_are_over_the_speakers_of_the_rows(task, data):
    every = [utterance for split in data.splits.values() for utterance in split.utterances]
    everyone = predicted(every, [0] * len(every), [0] * len(every))
    found = summarise(task, data, everyone, "test").scores.uar
    assert (found.unit, found.count) == ("speakers", 5)


def test_what_the_model_is_stands_beside_its_scores(task, data, scored):
    model = summarise(task, data, scored, "test").to_dict()["model"]
    assert (model["family"], model["blocks"], model["layer"], model["chosen_state"]) == ("whisper", 2, 2, 2)
    assert model["trainable"]["head"] == 16 * 4 + 4
    assert model["hyper_parameters"]["dropout"] == 0.25
    assert len(model["fingerprint"]) == 64


@pytest.mark.parametrize(("early", "noted"), [(True, False), (False, True)])
def test_training_that_was_cut_short_is_noted(task, data, scored, early, noted):
    found = summarise(task, data, scored, "test", [replace(STAGE, stopped_early=early, ended_by="")])
    assert any("ended at its epoch limit (14)" in note for note in found.notes) is noted
    assert set(data.report.notes) <= set(found.notes)


@pytest.mark.parametrize("end", ["step limit", "time limit"])
def test_the_limit_that_cut_training_short_is_named(task, data, scored, end):
    found = summarise(task, data, scored, "test", [replace(STAGE, stopped_early=False, ended_by=end)])
    assert any(f"ended at its {end} (in epoch 14), not by early stopping" in note for note in found.notes)


def test_a_part_that_was_not_scored_as_a_whole_is_noted(task, data, scored):
    whole = len(data.splits["test"].utterances)
    utterances = data.splits["test"].utterances
    notes = summarise(task, data, predicted(utterances[:1], [0], [0]), "test").notes
    assert f"only 1 of {whole} test utterances are scored (--trainer.limit_test_batches)" in notes
    assert not any("are scored" in note for note in summarise(task, data, scored, "test").notes)


def test_training_that_diverged_is_noted(task, data, scored):
    notes = [
        summarise(task, data, scored, "test", [replace(STAGE, score=None, monitor=name)]).notes
        for name in ("val/loss", "None")  # the second: nothing was monitored
    ]
    assert any("stage 'train' diverged: val/loss" in note for note in notes[0])
    assert not any("diverged" in note for note in notes[1])


def test_the_environment_names_versions_seed_and_command(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["sercl fit", "--data.root", "my corpus"])
    found = environment(7)
    assert found["command"] == "sercl fit --data.root 'my corpus'"
    assert (found["seed"], found["sercl"]) == (7, sercl.__version__)
    assert found["packages"]["torch"] == version("torch")


def test_a_run_is_saved_as_json_and_a_table(task, data, scored, tmp_path):
    found = summarise(task, data, scored, "test", [STAGE], seed=1, seconds=2.345)
    save(found, scored, tmp_path / "run")
    stored = json.loads((tmp_path / "run" / "results.json").read_text())
    assert stored == plain(found.to_dict())
    assert (stored["seconds"], stored["stages"][0]["epoch"]) == (2.35, 4)
    with (tmp_path / "run" / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    tested = data.splits["test"].utterances
    assert [(row["utterance"], row["speaker"]) for row in rows] == [
        (item.id, item.speaker) for item in tested
    ]
    assert (rows[0]["truth"], rows[0]["predicted"], rows[0]["p_sad"]) == ("angry", "sad", "0.700000")
    assert sum(float(rows[0][f"p_{name}"]) for name in found.scores.classes) == pytest.approx(1)


def test_no_number_of_a_results_file_is_one_that_json_does_not_have(task, data, tmp_path):
    one = predicted(data.splits["test"].utterances[:1], [0], [0])
    unselected = replace(STAGE, monitor="None", score=None)
    save(summarise(task, data, one, "test", [unselected]), one, tmp_path)
    text = (tmp_path / "results.json").read_text()
    json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} in results.json"))


def test_an_unwritable_place_is_an_output_error(task, data, scored, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        save(summarise(task, data, scored, "test"), scored, tmp_path / "file" / "run")


def test_validation_speakers_are_named_and_training_speakers_refused():
    seen_speakers = {"train": ["ESD 0001", "ESD 0002"], "validation": ["ESD 0009", "ESD 0010"]}
    chosen = (
        "2 of 2 speakers in test are validation speakers, on whom the checkpoint was selected but not "
        "trained (ESD 0009, ESD 0010)"
    )
    assert speaker_overlap_notes(seen_speakers, ["ESD 0009", "ESD 0010"], "test", allowed=False) == [chosen]
    assert speaker_overlap_notes(seen_speakers, ["ESD 0009"], "validation", allowed=False) == []
    assert speaker_overlap_notes(seen_speakers, ["ESD 0003"], "test", allowed=False) == []
    with pytest.raises(
        SpeakerOverlapError, match=r"1 of 2 speakers in test were seen in training \(ESD 0001\)"
    ):
        speaker_overlap_notes(seen_speakers, ["ESD 0001", "ESD 0009"], "test", allowed=False)
    dependent, selected = speaker_overlap_notes(seen_speakers, ["ESD 0001", "ESD 0009"], "test", allowed=True)
    assert dependent.startswith("speaker-dependent: 1 of 2")
    assert "ESD 0009" in selected
