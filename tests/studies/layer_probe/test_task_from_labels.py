"""A probe task made of arrays: labels, speakers, and folds that are cut or given."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sercl.corpora.base import Utterance
from sercl.corpora.folds import FoldConfig, make_folds
from sercl.errors import FoldError, UsageError
from sercl.studies.heads.config import ProbeConfig
from sercl.studies.layer_probe.folds import probe_study
from sercl.studies.layer_probe.task import ProbeTask, probe_task

SPEAKERS = [f"s{index // 12}" for index in range(96)]
LABELS = [("angry", "happy", "sad")[index % 3] for index in range(96)]


def features(seed: int = 0) -> np.ndarray:
    """`[96, 3, 8]`: layer 1 knows the label, the others are noise."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((96, 3, 8)).astype(np.float32)
    values[:, 1, :3] += 4 * np.eye(3)[np.arange(96) % 3]
    return values


def test_folds_are_cut_by_speaker() -> None:
    task = ProbeTask.from_labels(LABELS, SPEAKERS, FoldConfig(count=4))
    assert (task.classes, task.target, task.splits) == (
        ("angry", "happy", "sad"),
        "emotion",
        "speaker-disjoint",
    )
    assert [task.classes[label] for label in task.labels] == LABELS
    assert Counter(row for fold in task.folds for row in fold.test) == Counter(range(96))
    for fold in task.folds:
        parts = [{SPEAKERS[row] for row in rows} for _, rows in fold.items()]
        assert not parts[0] & parts[1]
        assert not (parts[0] | parts[1]) & parts[2]


def test_it_gives_what_a_corpus_gives() -> None:
    own = ProbeTask.from_labels(LABELS, SPEAKERS, FoldConfig(count=4))
    items = [
        Utterance(name, Path(), label, "", speaker=speaker)
        for name, label, speaker in zip(own.ids, LABELS, SPEAKERS, strict=True)
    ]
    scheme = {name: name for name in ("angry", "happy", "sad")}
    folds = make_folds(items, scheme, FoldConfig(count=4))
    from sercl.corpora.labels import label_scheme

    listed = probe_task([fold.parts for fold in folds], "emotion", label_scheme(scheme))
    tested = [sorted(listed.ids[row] for row in fold.test) for fold in listed.folds]
    assert tested == [sorted(own.ids[row] for row in fold.test) for fold in own.folds]


def test_the_layer_that_knows_is_found() -> None:
    config = ProbeConfig(seeds=(0,), max_epochs=20, lr=1e-2)
    task = ProbeTask.from_labels(np.array(LABELS), np.array(SPEAKERS), FoldConfig(count=4))
    found = probe_study(features(), task, config, control=False, weighted=False)
    assert found.best_layer == 1
    assert found.layer(1).uar.value > 0.9 > found.layer(0).uar.value
    assert found.layer(1).uar.unit == "speakers"
    frame = found.to_frame().query("score == 'uar' and readout == 'layer'")
    assert frame["layer"].tolist() == [0, 1, 2]
    assert frame["value"].tolist() == [entry.uar.value for entry in found.layers]


def test_speakers_are_probed_within_speakers() -> None:
    task = ProbeTask.from_labels(SPEAKERS, SPEAKERS, FoldConfig(count=3), target="speaker")
    assert (task.target, task.splits, len(task.folds)) == ("speaker", "within-speaker", 3)
    assert all({SPEAKERS[row] for row in fold.test} == set(SPEAKERS) for fold in task.folds)


def test_folds_may_be_given() -> None:
    rows = {"train": range(12, 96), "validation": range(6, 12), "test": np.arange(6)}
    task = ProbeTask.from_labels(LABELS, None, [rows])
    assert (task.splits, len(task.folds[0].test)) == ("speaker-dependent", 6)
    known = ProbeTask.from_labels(LABELS, SPEAKERS, [{**rows, "test": range(12)}])
    assert known.splits == "speaker-disjoint"
    with pytest.raises(FoldError, match="6 utterances in both validation and test"):
        probe_study(features(), known)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"test": [999]}, "fold 1: test has row 999; valid: 0 to 95"),
        ({"train": [-1]}, "fold 1: train has row -1"),
        ({"test": ["0"]}, "fold 1: row numbers must be whole numbers"),
        ({"val": [1]}, "fold 1: must be a mapping of train, validation, test to row numbers"),
    ],
)
def test_given_folds_with_other_parts_or_rows_are_refused(change: dict[str, Any], words: str) -> None:
    rows = {"train": range(12, 96), "validation": range(6, 12), "test": range(6)}
    with pytest.raises(FoldError, match=words):
        ProbeTask.from_labels(LABELS, None, [rows, rows | change])


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match="Give speakers, or folds"):
        ProbeTask.from_labels(LABELS)
    with pytest.raises(UsageError, match="96 labels and 95 speakers"):
        ProbeTask.from_labels(LABELS, SPEAKERS[1:])
    task = ProbeTask.from_labels(LABELS, SPEAKERS)
    with pytest.raises(UsageError, match=r"features of shape \[95, 3, 8\] for 96 utterances"):
        probe_study(features()[1:], task)
    assert replace(task, setting="mine").setting == "mine"
