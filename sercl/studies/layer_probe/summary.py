"""From trained probes to the results of a study."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from sercl.json_text import plain
from sercl.metrics.functional.clusters import cluster_hits, hits_uar, resampling_units
from sercl.metrics.functional.comparison import PermutationTest, holm, paired_uar_test
from sercl.metrics.functional.intervals import bootstrap_interval
from sercl.studies.heads.config import ProbeConfig
from sercl.studies.heads.jobs import WEIGHTED
from sercl.studies.heads.training import Outcome, best_layer, ranked
from sercl.studies.layer_probe.task import WITHIN_SPEAKER, ProbeTask
from sercl.studies.results.groups import Grouping
from sercl.studies.results.predictions import Predictions
from sercl.studies.results.scores import Score, frame_of, in_front, score_row

ScoreRow = dict[str, str | int | float | bool | None]
"""A row of a CSV file by column."""


@dataclass(frozen=True)
class LayerResult:
    """One hidden state, over all folds and seeds.

    Attributes:
        layer: The hidden state, 0 to N.
        uar: Unweighted average recall on the pooled test parts of all folds, the mean over seeds, with a 95
            % interval.
        recalls: Recall of each class there, in class order, the mean over seeds; NaN for an absent class.
        validation_loss: Mean validation loss of the selected epochs.
        validation_accuracy: Mean validation accuracy.
        validation_uar: Mean validation UAR.
        seed_std: Standard deviation of the test UAR over seeds; NaN for a single seed.
        fold_std: Standard deviation of the test UAR over folds; NaN for a single fold.
        at_limit: Number of probes that ended at the epoch limit, for which longer training might have helped.
        probes: Number of probes: folds times seeds.
        control: Test UAR with shuffled labels; None without a control task.
        selectivity: `uar` minus `control`; None without a control task.
    """

    layer: int
    uar: Score
    recalls: tuple[float, ...]
    validation_loss: float
    validation_accuracy: float
    validation_uar: float
    seed_std: float
    fold_std: float
    at_limit: int
    probes: int
    control: Score | None = None
    selectivity: Score | None = None


@dataclass(frozen=True)
class LayerDifference:
    """The best layer by validation compared with another one, on the test parts.

    Attributes:
        layer: The other layer.
        difference: Test UAR of the best layer minus that of this one, with the 95 % interval of the paired
            permutation test over speakers.
        p: p-value of that test.
        p_holm: The same, corrected for all other layers (Holm).
    """

    layer: int
    difference: Score
    p: float
    p_holm: float


@dataclass(frozen=True)
class ChosenLayer:
    """The layer chosen in each fold without its test part, and its test score.

    Attributes:
        layers: The choice of each fold.
        uar: Pooled test UAR of these choices, the mean over seeds.
        recalls: Recall of each class, in class order.
    """

    layers: tuple[int, ...]
    uar: Score
    recalls: tuple[float, ...]


@dataclass(frozen=True)
class WeightedResult:
    """A learned weighted sum of all hidden states.

    Attributes:
        uar: As for a layer.
        recalls: As for a layer.
        weights: Weight of each hidden state, the mean over folds and seeds; they sum to 1.
        weights_std: Standard deviation of each weight over folds and seeds; NaN for a single probe.
        validation_loss: Mean validation loss of the selected epochs.
        validation_uar: Mean validation UAR.
        at_limit: Number of probes that ended at the epoch limit.
        probes: Number of probes.
    """

    uar: Score
    recalls: tuple[float, ...]
    weights: tuple[float, ...]
    weights_std: tuple[float, ...]
    validation_loss: float
    validation_uar: float
    at_limit: int
    probes: int


@dataclass(frozen=True)
class ProbeRun:
    """One trained probe.

    Attributes:
        fold: Its fold, from 0.
        layer: Its hidden state; None for the weighted sum.
        seed: Its seed.
        control: Whether its labels were shuffled.
        best_epoch: The selected epoch, counted from 1.
        epochs: Epochs run.
        at_limit: Whether its training ended at the epoch limit.
        validation_loss: Validation loss of the selected epoch.
        validation_accuracy: Validation accuracy.
        validation_uar: Validation UAR.
        test_uar: UAR on the fold's test part.
        layer_weights: Weights of the weighted sum, else empty.
        c: The chosen C of a logistic regression.
    """

    fold: int
    layer: int | None
    seed: int
    control: bool
    best_epoch: int
    epochs: int
    at_limit: bool
    validation_loss: float
    validation_accuracy: float
    validation_uar: float
    test_uar: float
    layer_weights: tuple[float, ...] = ()
    c: float | None = None


@dataclass(frozen=True)
class ProbeResults:
    """The results of a probe study.

    Attributes:
        target: What the probes predict.
        classes: Its values, in class order.
        setting: "monolingual", "zero-shot", "transfer" or a description.
        splits: "speaker-disjoint", "speaker-dependent" or "within-speaker".
        utterances: Utterances of all folds.
        folds: Per fold, part -> number of utterances.
        probe: The configuration of the probes: options that have an effect.
        chance: Chance UAR: 1 / (number of classes in the test parts).
        layers: One entry per hidden state, in order.
        best_layer: The hidden state with the best validation score over all folds, for further use. Its test
            score is biased by that choice; that of `chosen` is not.
        chosen: The layer chosen in each fold, and its score.
        weighted: The learned weighted sum; None if not requested.
        runs: Every probe.
        notes: Notes on the scores.
        seconds: Wall-clock time of training.
        differences: The best layer compared with every other one, in order of validation score: the first is
            the second best.
        groups: Scores of groups of utterances at the layer chosen in each fold, by each column asked for.
        predictions: Test predictions at the layer chosen in each fold; None where read from `results.json`.
    """

    target: str
    classes: tuple[str, ...]
    setting: str
    splits: str
    utterances: int
    folds: tuple[Mapping[str, int], ...]
    probe: Mapping[str, Any]
    chance: float
    layers: tuple[LayerResult, ...]
    best_layer: int
    chosen: ChosenLayer
    weighted: WeightedResult | None
    runs: tuple[ProbeRun, ...]
    notes: tuple[str, ...]
    seconds: float
    differences: tuple[LayerDifference, ...] = ()
    groups: tuple[Grouping, ...] = ()
    predictions: Predictions | None = field(default=None, repr=False, compare=False)

    def layer(self, number: int) -> LayerResult:
        """Return the entry of a hidden state that was probed."""
        return next(entry for entry in self.layers if entry.layer == number)

    @property
    def fit_option(self) -> str:
        """The line of a YAML file that makes `sercl fit` use the best layer."""
        return f"model: {{layer: {self.best_layer}}}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; NaN becomes None."""
        content = plain(asdict(replace(self, predictions=None)))
        left_out = {"predictions"} if self.groups else {"predictions", "groups"}
        return {
            "fit_option": self.fit_option,
            **{name: value for name, value in content.items() if name not in left_out},
        }

    def to_frame(self) -> pd.DataFrame:
        """Return a table of all scores, a row each.

        `readout` is "layer", "chosen" (the layer chosen in each fold) or "weighted" (the
        learned sum); `layer` is the hidden state. Scores are named as the attributes of `LayerResult`, with
        `below_best` for the test UAR of the best layer minus that of this one, and its `p` and `p_holm`. Each
        layer's weight in the learned sum is the score `weight`.
        """
        return frame_of(self._score_rows())

    def _score_rows(self) -> Iterator[ScoreRow]:
        others = {item.layer: item for item in self.differences}
        for entry in self.layers:
            for name in _SCORES:
                if (score := getattr(entry, name)) is not None:
                    yield self._score_row("layer", entry.layer, name, score)
            if (other := others.get(entry.layer)) is not None:
                row = self._score_row("layer", entry.layer, "below_best", other.difference)
                yield row | {"p": other.p, "p_holm": other.p_holm}
        yield self._score_row("chosen", None, "uar", self.chosen.uar)
        if self.weighted is not None:
            yield self._score_row("weighted", None, "uar", self.weighted.uar)
            for layer, weight in enumerate(self.weighted.weights):
                yield self._score_row("weighted", layer, "weight", weight)

    def _score_row(self, readout: str, layer: int | None, name: str, score: Score | float) -> ScoreRow:
        front: ScoreRow = {"target": self.target, "setting": self.setting, "readout": readout, "layer": layer}
        return front | score_row(name, score) | {"n": self.utterances, "p": math.nan, "p_holm": math.nan}

    def class_rows(self) -> list[ScoreRow]:
        """Return a row per layer (or choice of layers) and class, with its recall in the test parts."""
        entries: list[tuple[str, int | None, tuple[float, ...]]] = [
            ("layer", entry.layer, entry.recalls) for entry in self.layers
        ]
        entries.append(("chosen", None, self.chosen.recalls))
        entries += [("weighted", None, self.weighted.recalls)] if self.weighted is not None else []
        front: ScoreRow = {"target": self.target, "setting": self.setting}
        return [
            front | {"readout": readout, "layer": layer, "class": name, "recall": recall}
            for readout, layer, recalls in entries
            for name, recall in zip(self.classes, recalls, strict=True)
        ]

    def prediction_frame(self) -> pd.DataFrame:
        """Return the test predictions with target, setting and layer; empty where there are none."""
        if self.predictions is None:
            return pd.DataFrame()
        layers = np.array(self.chosen.layers)[self.predictions.fold]
        return in_front(
            {"target": self.target, "setting": self.setting},
            self.predictions.to_frame().assign(layer=layers),
        )

    def group_frames(self) -> list[pd.DataFrame]:
        """Return the scores and differences of the groups of each column."""
        return [
            in_front({"target": self.target, "setting": self.setting}, own.to_frame()) for own in self.groups
        ]

    def layer_rows(self) -> list[ScoreRow]:
        """Return a row of a CSV file per layer, and one each for the chosen layer and the weighted sum."""
        others = {item.layer: item for item in self.differences}
        rows = [
            self._row(str(entry.layer), asdict(entry) | _below(others.get(entry.layer)))
            for entry in self.layers
        ]
        rows.append(self._row("chosen", asdict(self.chosen)))
        if self.weighted is not None:
            rows.append(self._row("weighted", asdict(self.weighted)))
        return rows

    def run_rows(self) -> list[ScoreRow]:
        """Return a row of a CSV file per trained probe."""
        rows = []
        for run in self.runs:
            row = {key: value for key, value in asdict(run).items() if key != "layer_weights"}
            row["layer"] = "weighted" if run.layer is None else run.layer
            rows.append({"target": self.target, "setting": self.setting} | row)
        return rows

    def _row(self, name: str, entry: Mapping[str, Any]) -> ScoreRow:
        row: ScoreRow = {"target": self.target, "setting": self.setting, "layer": name}
        for score in ("uar", "control", "selectivity", "below_best"):
            values = entry.get(score) or dict.fromkeys(("value", "low", "high"))
            row |= {score: values["value"], f"{score}_low": values["low"], f"{score}_high": values["high"]}
        for column in _COLUMNS:
            row[column] = entry.get(column)
        recalls = zip(self.classes, entry["recalls"], strict=True)
        return row | {f"recall_{name}": recall for name, recall in recalls}


_COLUMNS = (
    "validation_loss",
    "validation_accuracy",
    "validation_uar",
    "seed_std",
    "fold_std",
    "at_limit",
    "probes",
    "p",
    "p_holm",
)


_SCORES = (
    "uar", "control", "selectivity", "validation_loss", "validation_accuracy", "validation_uar", "seed_std",
    "fold_std",
)  # fmt: skip
"""Attributes of a layer that are scores."""


def _below(item: LayerDifference | None) -> dict[str, Any]:
    """Return the columns of a layer's row on its difference from the best one."""
    return {} if item is None else {"below_best": asdict(item.difference), "p": item.p, "p_holm": item.p_holm}


Outcomes = Mapping[tuple[int, int], Outcome]
"""`(fold, seed)` -> the probe of that fold and seed."""

Hits = NDArray[np.int64]
"""`[clusters, seeds, classes, 2]`, see `cluster_hits`."""


class Scorer:
    """Scores probes of one task; their folds are pooled, their seeds are repeats.

    Args:
        task: The task; its labels are the truth.
        seeds: Seeds of the probes.
    """

    def __init__(self, task: ProbeTask, seeds: Sequence[int]) -> None:
        self.task, self.seeds = task, seeds
        rows = [row for fold in task.folds for row in fold.test]
        self.truth = np.array(task.labels)[rows]
        # Within speakers, resampling speakers would resample classes.
        speakers = [None if task.splits == WITHIN_SPEAKER else task.speakers[row] for row in rows]
        clusters, self.unit = resampling_units(speakers)
        # In zero-shot folds the same utterance is tested several times: these tests stay in one cluster.
        self.clusters = clusters if self.unit == "speakers" else rows

    @property
    def chance(self) -> float:
        """Chance UAR."""
        return 1 / len(set(self.truth.tolist()))

    def hits(self, outcomes: Outcomes) -> Hits:
        """Count correct predictions by cluster, seed and class."""
        predicted = [
            torch.cat([outcomes[fold, seed].predicted for fold in range(len(self.task.folds))])
            for seed in self.seeds
        ]
        stacked = torch.stack(predicted).numpy()
        return cluster_hits(self.truth, stacked, self.clusters, len(self.task.classes))

    def uar(self, hits: Hits) -> Score:
        """Return the UAR, the mean over seeds, with its interval."""
        return self._score(hits, hits_uar)

    def difference(self, hits: Hits, others: Hits) -> Score:
        """Return the UAR minus that of other probes on the same utterances."""
        return self._score(np.stack([hits, others], axis=1), _uar_difference, bounded=False)

    def paired(self, hits: Hits, others: Hits) -> PermutationTest:
        """Test whether the UAR differs from that of other probes on the same utterances; seeds averaged."""
        one, two = (counts.mean(axis=1, keepdims=True) for counts in (hits, others))
        return paired_uar_test(one[..., 0], two[..., 0], one[..., 1], two[..., 1], unit=self.unit)

    def seed_uars(self, hits: Hits) -> list[float]:
        """Return the UAR of each seed."""
        values: list[float] = hits_uar(torch.from_numpy(hits.sum(axis=0))).tolist()
        return values

    def recalls(self, hits: Hits) -> tuple[float, ...]:
        """Return the recall of each class, the mean over seeds; NaN for an absent class."""
        counts = torch.from_numpy(hits.sum(axis=0))
        return tuple((counts[..., 0] / counts[..., 1]).mean(dim=0).tolist())

    def fold_uar(self, outcome: Outcome) -> float:
        """Return the UAR of one probe on its fold."""
        truth = np.array(self.task.labels)[list(self.task.folds[outcome.job.fold].test)]
        hits = cluster_hits(truth, outcome.predicted[None].numpy(), [0] * len(truth), len(self.task.classes))
        return float(hits_uar(torch.from_numpy(hits[0, 0])))

    def _score(self, counts: Hits, statistic: Callable[[Tensor], Tensor], bounded: bool = True) -> Score:
        value = statistic(torch.from_numpy(counts.sum(axis=0))).mean()
        interval = bootstrap_interval(counts, statistic, unit=self.unit, bounded=bounded)
        return Score(float(value), interval.low, interval.high, interval.unit, interval.count)


def _uar_difference(counts: Tensor) -> Tensor:
    uars = hits_uar(counts)  # [..., two, seeds]
    return uars[..., 0, :] - uars[..., 1, :]


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
        task: Their target and folds.
        trained: The probes, including those of the weighted sum, if any.
        control: The same with shuffled labels.
        controls: Probes trained on these; empty without a control task.
        config: How they were trained.
        seconds: How long it took.
    """
    scorer, blind = Scorer(task, config.seeds), Scorer(control, config.seeds)
    single = {layer: outcomes for layer, outcomes in trained.items() if layer != WEIGHTED}
    numbers = tuple(_best(single, [fold], config) for fold in range(len(task.folds)))
    picked = {
        (fold, seed): single[layer][fold, seed] for fold, layer in enumerate(numbers) for seed in config.seeds
    }
    hits = scorer.hits(picked)
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
        probe=config.deciding,
        chance=scorer.chance,
        layers=layers,
        best_layer=_best(single, range(len(task.folds)), config),
        chosen=ChosenLayer(numbers, scorer.uar(hits), scorer.recalls(hits)),
        weighted=_weighted(trained[WEIGHTED], scorer) if WEIGHTED in trained else None,
        runs=tuple(runs),
        notes=(*task.notes, *_limit_notes(runs, config)),
        seconds=round(seconds, 3),
        differences=_differences(single, scorer, config),
        predictions=_predictions(task, picked, config.seeds),
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


def _predictions(task: ProbeTask, outcomes: Outcomes, seeds: Sequence[int]) -> Predictions:
    """Return what probes predict, folds pooled and seeds as repeats."""
    ordered = sorted(seeds)
    own = [(run, fold) for run in range(len(ordered)) for fold in range(len(task.folds))]
    found = [outcomes[fold, ordered[run]] for run, fold in own]
    sizes = [len(task.folds[fold].test) for _, fold in own]
    rows = [row for _, fold in own for row in task.folds[fold].test]
    runs, folds = (np.repeat(np.array(numbers), sizes) for numbers in zip(*own, strict=True))
    return Predictions(
        classes=task.classes,
        runs=tuple((0, seed) for seed in ordered),
        run=runs,
        fold=folds,
        utterance=_texts(task.ids, rows),
        speaker=_texts(task.speakers, rows),
        truth=np.array(task.labels, dtype=np.int64)[rows],
        predicted=torch.cat([each.predicted for each in found]).numpy(),
        probabilities=np.concatenate([each.probabilities(len(task.classes)) for each in found]),
        known={name: _texts(values, rows) for name, values in task.known.items()},
    )


def _texts(values: Sequence[str | None], rows: Sequence[int]) -> NDArray[np.object_]:
    return np.array([values[row] for row in rows], dtype=object)


def _differences(trained: Trained, scorer: Scorer, config: ProbeConfig) -> tuple[LayerDifference, ...]:
    """Return the paired tests of the best layer by validation against every other one."""
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
    """Return the best layer by validation in some folds."""
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
        c=outcome.c,
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
    if config.is_convex:
        return [f"{cut} of {len(real)} probes did not converge in {config.max_epochs} steps"]
    return [
        f"{cut} of {len(real)} probes ended at the epoch limit ({config.max_epochs}), not by early "
        f"stopping: longer training may score higher"
    ]


def _mean(outcomes: Outcomes, name: str) -> float:
    return fmean(getattr(outcome, name) for outcome in outcomes.values())


def _std(values: Sequence[float]) -> float:
    """Return the sample standard deviation, NaN for a single value."""
    return stdev(values) if len(values) > 1 else math.nan
