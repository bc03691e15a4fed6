import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch


def fit(words, out):
    ended = subprocess.run(
        [sys.executable, "-m", "sercl", *words, "--out", str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.slow
@pytest.mark.parametrize("adapter", ["none", "gating"])
def test_two_processes_train_one_model_on_the_same_data(fit_words, tmp_path, adapter):
    # Two batches per epoch in one process; the same two, one for each, in two. Gradients are averaged.
    words = [*fit_words, "--model.adapter", adapter, "--model.layer", "2", "--data.loader.batch_size", "24"]
    words += ["--data.loader.batch_seconds", "0", "--trainer.max_epochs", "2"]
    one, two = tmp_path / "one", tmp_path / "two"
    fit([*words, "--trainer.accumulate_grad_batches", "2"], one)
    said = fit([*words, "--trainer.devices", "2", "--trainer.strategy", "ddp"], two)
    assert said.count("Results: EmoDB") == 1
    single, double = (
        torch.load(folder / "best.ckpt", weights_only=True)["state_dict"] for folder in (one, two)
    )
    assert single.keys() == double.keys()
    for name, value in single.items():
        torch.testing.assert_close(double[name], value, rtol=1e-4, atol=1e-5, msg=name)
    tables = [list(csv.DictReader((folder / "predictions.csv").open())) for folder in (one, two)]
    assert [row["id"] for row in tables[0]] == [row["id"] for row in tables[1]]
    # Every test utterance is there once, though each process has judged a part of them.
    with (two / "folds" / "test.csv").open() as listed:
        expected = sorted(Path(row["file"]).stem for row in csv.DictReader(listed))
    assert [row["id"] for row in tables[1]] == expected
    assert list(two.rglob("results.json")) == [two / "results.json"]
    command = json.loads((two / "results.json").read_text())["environment"]["command"]
    assert command.startswith("sercl fit --data EmoDB")
