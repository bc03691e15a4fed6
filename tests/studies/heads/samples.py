"""A small task whose answer is known, and results that need no training."""

from functools import cache

import torch
from torch import Tensor

from sercl.corpora.folds import FoldConfig, make_folds
from sercl.corpora.labels import label_scheme
from sercl.studies.heads.config import ProbeConfig
from sercl.studies.layer_probe.summary import (
    ChosenLayer,
    LayerDifference,
    LayerResult,
    ProbeResults,
    ProbeRun,
    WeightedResult,
)
from sercl.studies.layer_probe.task import ProbeTask, probe_task
from sercl.studies.results.scores import Score
from tests.corpora.folds.samples import even

QUICK = ProbeConfig(lr=1e-2, max_epochs=25, patience=3, seeds=(0, 1))
STATES = 4
TELLING = 2
"""The hidden state of `features_for` that shows the label; 1 shows it now and then, the others never."""


@cache
def toy_task() -> ProbeTask:
    folds = make_folds(even("abcdef", 6), label_scheme("4"), FoldConfig(count=3))
    return probe_task([fold.parts for fold in folds])


def features_for(task: ProbeTask, dim: int = 12) -> Tensor:
    """`[utterances, STATES, dim]` noise, and the label where it is shown."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(len(task.ids), STATES, dim, generator=generator)
    centres = 3 * torch.randn(len(task.classes), dim, generator=generator)
    labels = torch.tensor(task.labels)
    features[:, TELLING] += centres[labels]
    features[:, 1] += 0.2 * centres[labels]
    return features * 5 + 100


def score(value: float, wide: float = 0.05, unit: str = "speakers") -> Score:
    return Score(value, value - wide, min(value + wide, 1), unit, 10)


def results(
    target: str = "emotion",
    setting: str = "monolingual",
    uars: tuple[float, ...] = (0.5, 0.75, 0.9, 0.6),
    control: bool = True,
    weighted: bool = True,
    chance: float = 0.25,
    splits: str = "speaker-disjoint",
) -> ProbeResults:
    """Results of a study that never ran; validation scores equal those in test."""
    classes = ("angry", "happy", "neutral", "sad")
    best = max(range(len(uars)), key=uars.__getitem__)
    layers = tuple(
        LayerResult(
            layer=layer,
            uar=score(uar),
            recalls=(uar,) * 4,
            validation_loss=1 - uar,
            validation_accuracy=uar,
            validation_uar=uar,
            seed_std=0.01,
            fold_std=float("nan"),
            at_limit=layer,
            probes=3,
            control=score(0.25) if control else None,
            selectivity=score(uar - 0.25) if control else None,
        )
        for layer, uar in enumerate(uars)
    )
    weights = tuple(1 / len(uars) for _ in uars)
    run = ProbeRun(0, best, 0, False, 4, 9, False, 0.2, 0.8, 0.8, 0.7)
    mixed = ProbeRun(0, None, 0, False, 4, 9, True, 0.2, 0.8, 0.8, 0.7, weights)
    return ProbeResults(
        target=target,
        classes=classes,
        setting=setting,
        splits=splits,
        utterances=30,
        folds=({"train": 20, "validation": 5, "test": 5},),
        probe={"head": "paper", "seeds": (0, 1, 2)},
        chance=chance,
        layers=layers,
        best_layer=best,
        chosen=ChosenLayer((best,), score(uars[best]), (0.91, 0.92, float("nan"), 0.93)),
        weighted=WeightedResult(score(0.88), (0.8,) * 4, weights, weights, 0.3, 0.8, 0, 3)
        if weighted
        else None,
        runs=(run, mixed),
        notes=("2 of 9 probes ended at the epoch limit",),
        seconds=1.5,
        differences=tuple(
            LayerDifference(
                layer, score(uars[best] - uars[layer]), 0.004 * layer + 0.01, 0.012 * layer + 0.03
            )
            for layer in (1, 3, 0)
            if layer < len(uars) and layer != best
        ),
    )
