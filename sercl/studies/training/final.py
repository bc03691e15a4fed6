"""The model that is trained on everything, with what the folds have chosen; nothing is left to test it on."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from sercl.corpora.folds import NO_FOLDS
from sercl.data.datamodules.base import EmotionDataModule
from sercl.data.settings import TWO_STAGE
from sercl.errors import UsageError
from sercl.studies.results.records import RESULTS, read_content
from sercl.studies.training.folds import with_folds
from sercl.studies.training.results import describe_model, environment, write
from sercl.studies.training.stages import StageResult
from sercl.studies.training.trainers import device_count
from sercl.tasks.base import EncoderTask
from sercl.tasks.optim import follows_validation

_UNTESTED = "trained on everything: it has no score of its own, and what it was trained on can give it none"
_AGAIN = "Train it again."


@dataclass(frozen=True)
class UntestedResults:
    """What is reported about a model that is trained on everything; saved as `results.json`, without scores.

    Attributes:
        data: The data report.
        model: Encoder, adapter, layer, and number of trained parameters.
        stages: Course of each training stage.
        environment: Versions, command line, seed.
        seconds: Wall-clock time of the whole run.
        estimate: What is known about its scores: the `folder` of the folds that chose its settings, relative
            to its own, and their pooled `scores`; None without folds.
    """

    data: Mapping[str, Any]
    model: Mapping[str, Any]
    stages: tuple[StageResult, ...]
    environment: Mapping[str, Any]
    seconds: float
    estimate: Mapping[str, Any] | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on it, and on the data."""
        return (_UNTESTED, *self.data.get("notes", ()))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "part": None,
            "scores": None,
            "estimate": self.estimate,
            "notes": list(self.notes),
            "data": dict(self.data),
            "model": dict(self.model),
            "stages": [stage.to_dict() for stage in self.stages],
            "environment": dict(self.environment),
            "seconds": round(self.seconds, 2),
        }


def untested(
    task: EncoderTask, data: EmotionDataModule, stages: Sequence[StageResult], seed: object, seconds: float
) -> UntestedResults:
    """Return the results of a model that was trained on everything."""
    return UntestedResults(
        data.report.to_dict(), describe_model(task), tuple(stages), environment(seed), seconds
    )


def save(results: UntestedResults, folder: Path) -> None:
    """Write `results.json`."""
    write(results.to_dict(), folder)


def add_estimate(folder: Path, scores: Mapping[str, Any]) -> dict[str, Any]:
    """Write the pooled scores of the folds in the folder above into its results, and return these.

    Args:
        folder: Folder of the model.
        scores: The scores, as plain data.

    Raises:
        ResultsError: If its results are missing or broken.
    """
    content = read_content(folder / RESULTS, _AGAIN)
    content["estimate"] = {"folder": "..", "scores": dict(scores)}
    write(content, folder)
    return content


def check_unvalidated(task: EncoderTask) -> None:
    """Raise `UsageError` for a model that is chosen or trained by validation, which there is none of."""
    why = f"which --data.folds.scheme {NO_FOLDS} leaves no utterances for."
    if task.readout.layer == "auto":
        raise UsageError(
            f"--model.layer auto: the layer is chosen on validation, {why} Give a hidden state "
            "(--model.layer 4), last or weighted."
        )
    if follows_validation(task.optimizer_config):
        raise UsageError(
            f"--model.optimizer.schedule {task.optimizer_config.schedule}: follows a validation value, {why} "
            "Choose constant rates, or another schedule."
        )


def final_config(
    plain: Mapping[str, Any],
    folds: Sequence[Sequence[StageResult]],
    seed: int,
    selection: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the configuration of the model that is trained on everything.

    Each stage is trained for the median of the folds' best epochs. A layer that was chosen on validation is
    the one that most folds chose; of equally many, the nearest to the median.

    Args:
        plain: Configuration of the run of all folds, as plain data.
        folds: The stages of each of its trainings.
        seed: The seed.
        selection: Default options of early stopping and checkpoints, by group: there is no validation part
            for others.
    """
    epochs = {
        own.stage: _median([of_fold[i].best_epoch for of_fold in folds]) for i, own in enumerate(folds[0])
    }
    kept = {key: value for key, value in plain.items() if key != "seeds"}
    limits = {"max_epochs": sum(epochs.values()), "max_steps": -1, "max_time": None}
    states = [of_fold[-1].chosen_state for of_fold in folds]
    devices = device_count(plain["trainer"]["devices"])
    return {
        **kept,
        **selection,
        "seed_everything": seed,
        "data": _data(plain["data"], epochs),
        "model": _model(plain["model"], states),
        "trainer": {**plain["trainer"], "devices": devices, **limits, "min_epochs": None, "min_steps": None},
    }


def _data(data: Any, epochs: Mapping[str, int]) -> Any:
    """Return the options of data with everything in training; two stages share the epochs of both."""
    whole = with_folds(data, lambda folds: {**folds, "scheme": NO_FOLDS, "index": 0, "lists": None})
    arguments = dict(whole["init_args"])
    if arguments.get("setting") == TWO_STAGE:
        arguments |= {"epoch_budget": "shared", "switch_epoch": epochs["source"]}
    if "clips" in arguments:
        arguments["clips"] = {**arguments["clips"], "random_validation": 0.0}
    return {**whole, "init_args": arguments}


def _model(model: Mapping[str, Any], states: Sequence[int | None]) -> dict[str, Any]:
    """Return the options of a model with the layer that the folds chose, if they did."""
    if "init_args" in model:
        return {**model, "init_args": _model(model["init_args"], states)}
    chosen = [state for state in states if state is not None]
    by_validation = model.get("layer") == "auto" or (
        model.get("layer") is None and model["adapter"] == "none"
    )
    return {**model, "layer": _most_frequent(chosen)} if by_validation and chosen else dict(model)


def _median(values: Sequence[int]) -> int:
    return math.floor(median(values) + 0.5)


def _most_frequent(states: Sequence[int]) -> int:
    counts, middle = Counter(states), median(states)
    return min(counts, key=lambda state: (-counts[state], abs(state - middle), state))
