"""Studies that train on several corpora at once."""

import csv

import pandas as pd
import pytest
import yaml

from sercl.cli.main import main
from sercl.studies.cross_eval.study_file import read_study
from sercl.testing.corpora import fake_corpus

NAMES = ("EmoDB", "RAVDESS", "EMOVO")


@pytest.fixture(scope="module")
def content(crossed, tmp_path_factory):
    """A small study of a frozen encoder and three corpora; its store is shared by the tests of this file."""
    emovo = fake_corpus("EMOVO", tmp_path_factory.mktemp("emovo"), speakers=6)
    third = {"EMOVO": {"class_path": "EMOVO", "init_args": {"root": str(emovo)}}}
    return {
        "study": {
            **crossed,
            "corpora": {**crossed["corpora"], **third},
            "settings": ["monolingual", "zero-shot", "two-stage", "few-shot"],
            "sources": ["single", "all-but-target"],
            "weights": "by-corpus",
            "adaptation": ["none", "coral"],
            "exclude": [{"when": {"setting": "few-shot", "adaptation": "coral"}}],
            "shots": [1],
            "draws": 1,
            "seeds": [1],
            "folds": [0],
        },
        "trainer": {"max_epochs": 1, "accelerator": "cpu"},
        "features": {"dir": str(tmp_path_factory.mktemp("store"))},
        "preprocess": {"trim": "none", "loudness": "none"},
    }


@pytest.fixture(scope="module")
def run(content, tmp_path_factory):
    """Run the study with some of its keys changed, and return its folder."""

    def call(*more, out=None, **changes):
        folder = tmp_path_factory.mktemp("study")
        path, out = folder / "in.yaml", out or folder / "out"
        path.write_text(
            yaml.safe_dump({**content, "study": {**content["study"], **changes}}, sort_keys=False)
        )
        assert main(["cross-eval", "-c", str(path), "--out", str(out), *more]) == 0
        return out

    return call


@pytest.fixture(scope="module")
def done(run):
    """The finished study; not to be changed."""
    return run()


def lists(out, record):
    """Part -> corpora in the list of a cell."""
    found = {}
    for path in (out / "cells" / record.address / "folds").glob("*.csv"):
        with path.open() as file:
            found[path.stem] = {row["corpus"] for row in csv.DictReader(file)}
    return found


def test_a_union_is_a_source_in_cells_predictions_and_lists(done):
    study = read_study(done)
    assert {record.status for record in study.records} == {"done"}
    frame = pd.read_parquet(done / "predictions.parquet")
    unions = {"RAVDESS + EMOVO": "EmoDB", "EmoDB + EMOVO": "RAVDESS", "EmoDB + RAVDESS": "EMOVO"}
    assert set(frame.source) == {*NAMES, *unions}
    for source, target in unions.items():
        assert set(frame[frame.source == source].target) == {target}
        of_union = frame[frame.source == source]
        assert set(of_union.setting) == {"zero-shot", "two-stage", "few-shot", "target-only"}
        assert set(of_union[of_union.setting == "zero-shot"].adaptation) == {"none", "coral"}
    records = [item for item in study.records if item.cell.condition.source == "EmoDB + RAVDESS"]
    for record in records:
        own = lists(done, record)
        if record.cell.condition.setting == "zero-shot":
            assert own["train"] == own["validation"] == {"EmoDB", "RAVDESS"}
            assert own["test"] == {"EMOVO"}
        if record.cell.condition.setting == "two-stage":
            assert own["source-train"] == {"EmoDB", "RAVDESS"}
            assert own["train"] == {"EMOVO"}


def test_single_sources_are_the_same_computations_without_unions(done, run):
    alone = read_study(run(sources=["single"], weights="proportional", settings=["zero-shot"]))
    known = {record.cell: record.address for record in read_study(done).records}
    assert {record.cell: record.address for record in alone.records}.items() <= known.items()


def test_adapters_train_on_a_union(run):
    out = run(
        adapters=["lora"],
        settings=["zero-shot", "two-stage"],
        sources=["all-but-target"],
        adaptation=["none", "adversarial"],
        exclude=[],
        test=["EMOVO"],
        folds=[0],
    )
    study = read_study(out)
    assert {record.status for record in study.records} == {"done"}
    assert {record.cell.condition.source for record in study.records} == {"EmoDB + RAVDESS"}
    assert len(study.records) == 3


def test_a_dry_run_names_unions_and_what_they_lack(content, run, capsys):
    two = {name: own for name, own in content["study"]["corpora"].items() if name != "EMOVO"}
    run("--dry-run", corpora=two, settings=["zero-shot"], adaptation=["none"])
    said = " ".join(capsys.readouterr().out.split())
    assert "all-but-target: for EmoDB this is RAVDESS alone, a single source" in said
    assert "(2 conditions)" in said
    run("--dry-run", sources=["all-but-language"], settings=["zero-shot"], adaptation=["none"])
    said = " ".join(capsys.readouterr().out.split())
    assert "(3 conditions)" in said
    assert "balanced by corpus" in said
