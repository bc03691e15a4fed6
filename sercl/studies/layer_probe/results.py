"""What a probe study found, as plain data that tables, figures and files are made from."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sercl.json_text import plain
from sercl.studies.results.scores import Score

Row = dict[str, str | int | float | bool | None]
"""A row of a CSV file by column."""


@dataclass(frozen=True)
class LayerResult:
    """One hidden state, over all folds and seeds.

    Attributes:
        layer: The hidden state, 0 to N.
        uar: Unweighted average recall on the test parts of all folds together, the mean over seeds, with a
            95 % interval.
        recalls: Recall of each class there, in class order, the mean over seeds; NaN for an absent class.
        validation_loss: Mean validation loss of the epochs kept.
        validation_accuracy: Mean validation accuracy.
        validation_uar: Mean validation UAR.
        seed_std: Standard deviation of the test UAR over seeds; NaN for a single seed.
        fold_std: Standard deviation of the test UAR over folds; NaN for a single fold.
        at_limit: Probes whose training the epoch limit ended, so that more epochs might have helped.
        probes: Number of probes: folds times seeds.
        control: Test UAR with shuffled labels; None where there was no control task.
        selectivity: `uar` less `control`; None where there was no control task.
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
    """The best layer by validation against another one, on the test parts.

    Attributes:
        layer: The other layer.
        difference: Test UAR of the best layer less that of this one, with the 95 % interval of the paired
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
    """The layer that validation data alone choose in each fold, and what it scores in test.

    Attributes:
        layers: The choice of each fold.
        uar: Test UAR of those choices together, the mean over seeds.
        recalls: Recall of each class, in class order.
    """

    layers: tuple[int, ...]
    uar: Score
    recalls: tuple[float, ...]


@dataclass(frozen=True)
class WeightedResult:
    """A learned weighted sum of all hidden states.

    Attributes:
        uar: As of a layer.
        recalls: As of a layer.
        weights: Weight of each hidden state, the mean over folds and seeds; they sum to 1.
        weights_std: Standard deviation of each weight over folds and seeds; NaN for a single probe.
        validation_loss: Mean validation loss of the epochs kept.
        validation_uar: Mean validation UAR.
        at_limit: Probes whose training the epoch limit ended.
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
        best_epoch: The epoch that was kept, counted from 1.
        epochs: Epochs run.
        at_limit: Whether the epoch limit ended its training.
        validation_loss: Validation loss of the epoch kept.
        validation_accuracy: Validation accuracy.
        validation_uar: Validation UAR.
        test_uar: UAR on the fold's test part.
        layer_weights: Weights of the weighted sum, else empty.
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


@dataclass(frozen=True)
class ProbeResults:
    """Everything that a probe study found.

    Attributes:
        target: What the probes tell.
        classes: Its values, in class order.
        setting: "monolingual", "zero-shot", "transfer" or other words.
        splits: "speaker-disjoint", "speaker-dependent" or "within-speaker".
        utterances: Utterances of all folds.
        folds: Per fold, part -> number of utterances.
        probe: The configuration of the probes.
        chance: UAR of a guess: 1 / (number of classes in the test parts).
        layers: One entry per hidden state, in their order.
        best_layer: The hidden state with the best validation score over all folds, to be used for what
            follows. Its own test score is not free of that choice; that of `chosen` is.
        chosen: The layer chosen in each fold, and its score.
        weighted: The learned weighted sum; None where not asked for.
        runs: Every probe.
        notes: What must be said beside the numbers.
        seconds: Wall-clock time of training.
        differences: The best layer against every other one, in the order of validation: the first is the
            second best.
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

    def layer(self, number: int) -> LayerResult:
        """Return the entry of a hidden state that was probed."""
        return next(entry for entry in self.layers if entry.layer == number)

    @property
    def fit_option(self) -> str:
        """The line of a YAML file that makes `sercl fit` read the best layer."""
        return f"model: {{layer: {self.best_layer}}}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; NaN becomes None."""
        return {"fit_option": self.fit_option, **plain(asdict(self))}

    def layer_rows(self) -> list[Row]:
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

    def run_rows(self) -> list[Row]:
        """Return a row of a CSV file per trained probe."""
        rows = []
        for run in self.runs:
            row = {key: value for key, value in asdict(run).items() if key != "layer_weights"}
            row["layer"] = "weighted" if run.layer is None else run.layer
            rows.append({"target": self.target, "setting": self.setting} | row)
        return rows

    def _row(self, name: str, entry: Mapping[str, Any]) -> Row:
        row: Row = {"target": self.target, "setting": self.setting, "layer": name}
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


def _below(item: LayerDifference | None) -> dict[str, Any]:
    """Return what a layer's row says of its distance from the best one."""
    return {} if item is None else {"below_best": asdict(item.difference), "p": item.p, "p_holm": item.p_holm}
