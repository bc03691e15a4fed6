"""From trained probes to the results of a study."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import fmean, stdev

from sercl.metrics.functional.comparison import holm
from sercl.studies.evaluation import Score
from sercl.studies.probing.choosing import best_layer, ranked
from sercl.studies.probing.config import ProbeConfig
from sercl.studies.probing.jobs import WEIGHTED
from sercl.studies.probing.outcomes import Outcome
from sercl.studies.probing.results import (
    ChosenLayer,
    LayerDifference,
    LayerResult,
    ProbeResults,
    ProbeRun,
    WeightedResult,
)
from sercl.studies.probing.scoring import Outcomes, Scorer
from sercl.studies.probing.task import ProbeTask

Trained = Mapping[int, Outcomes]
"""Layer -> the probes of every fold and seed."""


def summarise(
    task: ProbeTask,
    trained: Trained,
    control: ProbeTask,
    controls: Trained,
    config: ProbeConfig,
    seconds: float,
) -> ProbeResults:
    """Score probes.

    Args:
        task: What they were asked.
        trained: The probes, of the weighted sum too if there are any.
        control: The same with shuffled labels.
        controls: Probes that were trained on those; empty without a control task.
        config: How they were trained.
        seconds: How long it took.
    """
    scorer, blind = Scorer(task, config.seeds), Scorer(control, config.seeds)
    single = {layer: outcomes for layer, outcomes in trained.items() if layer != WEIGHTED}
    layers = tuple(
        _layer(layer, outcomes, scorer, controls.get(layer), blind) for layer, outcomes in single.items()
    )
    runs = [_run(outcome, scorer) for outcomes in trained.values() for outcome in outcomes.values()]
    runs += [_run(outcome, blind, True) for outcomes in controls.values() for outcome in outcomes.values()]
    return ProbeResults(
        target=task.target,
        classes=task.classes,
        setting=task.setting,
        splits=task.splits,
        utterances=len(task.ids),
        folds=tuple({name: len(rows) for name, rows in fold.items()} for fold in task.folds),
        probe=asdict(config),
        chance=scorer.chance,
        layers=layers,
        best_layer=_best(single, range(len(task.folds)), config),
        chosen=_chosen(single, scorer, config),
        weighted=_weighted(trained[WEIGHTED], scorer) if WEIGHTED in trained else None,
        runs=tuple(runs),
        notes=(*task.notes, *_limit_notes(runs, config)),
        seconds=round(seconds, 3),
        differences=_differences(single, scorer, config),
    )


def _layer(
    layer: int, outcomes: Outcomes, scorer: Scorer, controls: Outcomes | None, blind: Scorer
) -> LayerResult:
    hits = scorer.hits(outcomes)
    shuffled = None if controls is None else blind.hits(controls)
    return LayerResult(
        layer=layer,
        uar=scorer.uar(hits),
        recalls=scorer.recalls(hits),
        validation_loss=_mean(outcomes, "validation_loss"),
        validation_accuracy=_mean(outcomes, "validation_accuracy"),
        validation_uar=_mean(outcomes, "validation_uar"),
        seed_std=_std(scorer.seed_uars(hits)),
        fold_std=_std(_fold_uars(outcomes, scorer)),
        at_limit=sum(outcome.at_limit for outcome in outcomes.values()),
        probes=len(outcomes),
        control=None if shuffled is None else blind.uar(shuffled),
        selectivity=None if shuffled is None else scorer.difference(hits, shuffled),
    )


def _weighted(outcomes: Outcomes, scorer: Scorer) -> WeightedResult:
    hits = scorer.hits(outcomes)
    weights = list(zip(*(outcome.layer_weights for outcome in outcomes.values()), strict=True))
    return WeightedResult(
        uar=scorer.uar(hits),
        recalls=scorer.recalls(hits),
        weights=tuple(fmean(values) for values in weights),
        weights_std=tuple(_std(values) for values in weights),
        validation_loss=_mean(outcomes, "validation_loss"),
        validation_uar=_mean(outcomes, "validation_uar"),
        at_limit=sum(outcome.at_limit for outcome in outcomes.values()),
        probes=len(outcomes),
    )


def _chosen(trained: Trained, scorer: Scorer, config: ProbeConfig) -> ChosenLayer:
    layers = [_best(trained, [fold], config) for fold in range(len(scorer.task.folds))]
    picked = {
        (fold, seed): trained[layer][fold, seed] for fold, layer in enumerate(layers) for seed in config.seeds
    }
    hits = scorer.hits(picked)
    return ChosenLayer(tuple(layers), scorer.uar(hits), scorer.recalls(hits))


def _differences(trained: Trained, scorer: Scorer, config: ProbeConfig) -> tuple[LayerDifference, ...]:
    """Return the paired tests of the layer that validation prefers against every other one."""
    best, *others = ranked({layer: list(own.values()) for layer, own in trained.items()}, config)
    hits = scorer.hits(trained[best])
    tests = {layer: scorer.paired(hits, scorer.hits(trained[layer])) for layer in others}
    corrected = holm({layer: test.p for layer, test in tests.items()})
    return tuple(
        LayerDifference(
            layer,
            Score(test.difference, test.low, test.high, test.unit, test.count),
            test.p,
            corrected[layer],
        )
        for layer, test in tests.items()
    )


def _best(trained: Trained, folds: Sequence[int], config: ProbeConfig) -> int:
    """Return the layer that validation prefers in some folds."""
    pairs = [(fold, seed) for fold in folds for seed in config.seeds]
    return best_layer({layer: [own[pair] for pair in pairs] for layer, own in trained.items()}, config)


def _run(outcome: Outcome, scorer: Scorer, control: bool = False) -> ProbeRun:
    job = outcome.job
    return ProbeRun(
        fold=job.fold,
        layer=None if job.layer == WEIGHTED else job.layer,
        seed=job.seed,
        control=control,
        best_epoch=outcome.best_epoch + 1,
        epochs=outcome.epochs,
        at_limit=outcome.at_limit,
        validation_loss=outcome.validation_loss,
        validation_accuracy=outcome.validation_accuracy,
        validation_uar=outcome.validation_uar,
        test_uar=scorer.fold_uar(outcome),
        layer_weights=outcome.layer_weights,
    )


def _fold_uars(outcomes: Outcomes, scorer: Scorer) -> list[float]:
    folds = sorted({fold for fold, _ in outcomes})
    return [
        fmean(scorer.fold_uar(outcome) for (own, _), outcome in outcomes.items() if own == fold)
        for fold in folds
    ]


def _limit_notes(runs: Sequence[ProbeRun], config: ProbeConfig) -> list[str]:
    real = [run for run in runs if not run.control]
    cut = sum(run.at_limit for run in real)
    if not cut:
        return []
    return [
        f"{cut} of {len(real)} probes ended at the epoch limit ({config.max_epochs}), not by early stopping: "
        "more epochs may score higher"
    ]


def _mean(outcomes: Outcomes, name: str) -> float:
    return fmean(getattr(outcome, name) for outcome in outcomes.values())


def _std(values: Sequence[float]) -> float:
    """Return the sample standard deviation, NaN for a single value."""
    return stdev(values) if len(values) > 1 else math.nan
