"""A test hands every score to the loggers and to whoever called it, by class, too."""

import csv

import lightning.pytorch as L
import pytest
import torch
from lightning.pytorch.loggers import CSVLogger

from sercl.data.clips.config import ClipConfig
from sercl.data.datamodules import Diarization, Manifest
from sercl.metrics.eder import DiarizationMetrics
from sercl.studies.results.predictions import Predictions
from sercl.studies.results.scores import evaluate
from sercl.studies.training.fit import score
from sercl.tasks.classification import EmotionClassifier
from sercl.tasks.diarization import EmotionDiarizer
from sercl.testing.encoders import tiny_encoder
from tests.data.corpora import write_manifest

CLASSES = ("angry", "happy", "neutral", "sad")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return str(tiny_encoder("whisper", tmp_path_factory.mktemp("encoder"), blocks=1))


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_manifest(tmp_path_factory.mktemp("table"))


def trainer(folder):
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    return L.Trainer(accelerator="cpu", logger=CSVLogger(folder, name="", version=""), **quiet)


def logged(folder):
    with (folder / "metrics.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    return {name: float(value) for name, value in row.items() if "/" in name}


def classifier(encoder):
    torch.manual_seed(0)
    return EmotionClassifier(encoder, layer=1, whisper_form="short", standardize=False)


def test_every_score_of_a_classifier_is_returned_and_logged(encoder, table, tmp_path):
    task, data = classifier(encoder), Manifest(table)
    (found,) = trainer(tmp_path).test(task, datamodule=data, verbose=False)
    ids, truth, probabilities = zip(*task.predicted, strict=True)
    expected = evaluate(Predictions.of_one_run(CLASSES, ids, [None] * len(ids), truth, probabilities))
    named = {f"test/{name}": score.value for name, score in expected.averages.items()}
    assert {"test/uar", "test/wa", "test/macro_f1"} == set(named)
    for own in expected.per_class:
        named |= {f"test/recall/{own.name}": own.recall, f"test/precision/{own.name}": own.precision}
    assert found == pytest.approx(named, abs=1e-6, nan_ok=True)
    assert logged(tmp_path) == pytest.approx(found, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize(("part", "prefix"), [("test", "test"), ("validation", "val")])
def test_the_scores_of_a_part_are_named_after_it(part, prefix, encoder, table, tmp_path):
    task, data = classifier(encoder), Manifest(table)
    data.setup()
    score(task, data, trainer(tmp_path), part)
    assert {name.partition("/")[0] for name in logged(tmp_path)} == {prefix}


def test_every_score_of_a_diarizer_is_returned_and_logged(encoder, table, tmp_path):
    torch.manual_seed(0)
    task = EmotionDiarizer(encoder, layer="last", whisper_form="short", standardize=False)
    data = Diarization([Manifest(table)], ClipConfig(voice="none", min_piece=0.05))
    (found,) = trainer(tmp_path).test(task, datamodule=data, verbose=False)
    metrics = DiarizationMetrics(CLASSES)
    for clip in task.diarized:
        metrics.update(clip.reference, clip.hypothesis, clip.duration)
    expected = {f"test/{name}": float(value) for name, value in metrics.compute().items()}
    assert {"test/eder", "test/eder/angry", "test/recall/neutral"} <= expected.keys()
    assert found == pytest.approx(expected, abs=1e-6, nan_ok=True)
    assert logged(tmp_path) == pytest.approx(found, abs=1e-6, nan_ok=True)
