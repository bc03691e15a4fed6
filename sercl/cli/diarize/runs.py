"""The checkpoints of `sercl diarize evaluate`: one run, or those of one setting on several folds."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sercl.errors import UsageError
from sercl.tasks import checkpoint as checkpoints
from sercl.tasks.base import EncoderTask
from sercl.tasks.classification import EmotionClassifier
from sercl.tasks.diarization import EmotionDiarizer
from sercl.tasks.recordings import Recordings, from_checkpoint

if TYPE_CHECKING:
    from jsonargparse import Namespace


@dataclass(frozen=True)
class Trained:
    """A checkpoint, and what it says about itself.

    Attributes:
        path: The file.
        labels: Class -> the emotions that count as it, in class order.
        heard: "train" and "validation" -> "corpus speaker" of each speaker that it was trained on.
        recordings: The same parts -> fingerprints of the recordings; None where the checkpoint does not say.
    """

    path: Path
    labels: Mapping[str, Sequence[str]]
    heard: Mapping[str, Sequence[str]]
    recordings: Recordings | None = None


@dataclass(frozen=True)
class Run:
    """What is judged on one list of recordings.

    Attributes:
        name: Folder of the diarizer's checkpoint, different for each run.
        diarizer: The diarizer.
        baseline: The classifier beside it, None for none.
    """

    name: str
    diarizer: Trained
    baseline: Trained | None


def runs_of(options: "Namespace") -> list[Run]:
    """Return the runs of a command line, each with its baseline.

    Raises:
        CheckpointError: For a checkpoint of another task, or none at all.
        UsageError: For a number of baselines that fits no run, data for several runs, or other classes in one
            checkpoint than in another.
    """
    paths, others = [Path(word) for word in options.ckpt], [Path(word) for word in options.baseline or ()]
    _check_numbers(len(paths), len(others), options.data is not None)
    diarizers = [_trained(EmotionDiarizer, path) for path in paths]
    baselines = [_trained(EmotionClassifier, path) for path in others]
    _check_labels(diarizers, baselines)
    beside: list[Trained | None] = [*baselines] or [None]
    beside *= len(paths) if len(beside) == 1 else 1
    return [Run(*each) for each in zip(_names(paths), diarizers, beside, strict=True)]


def _check_numbers(runs: int, baselines: int, has_data: bool) -> None:
    if baselines not in (0, 1, runs):
        raise UsageError(
            f"--baseline names {baselines} classifiers for {runs} diarizers: give none, one for all, or one "
            "for each, in the same order. The diarizers' checkpoints come before all options."
        )
    if has_data and runs > 1:
        raise UsageError(
            f"--data (or the data of a --config) with {runs} checkpoints: each would be judged on the same "
            "recordings, which then count several times. Leave it out, for the test clips of each run, or "
            "judge one checkpoint after the other."
        )


def _check_labels(diarizers: Sequence[Trained], baselines: Sequence[Trained]) -> None:
    first = diarizers[0]
    for other in diarizers[1:]:
        # The order of the classes counts too, which the comparison of mappings alone would overlook.
        if list(other.labels.items()) != list(first.labels.items()):
            raise UsageError(
                f"{other.path}: its classes are {other.labels}, those of {first.path} {first.labels}. Only "
                "runs of the same classes go into one table."
            )
    for other in baselines:
        if list(other.labels) != list(first.labels):
            raise UsageError(
                f"--baseline {other.path}: its classes are {list(other.labels)}, the diarizer's "
                f"{list(first.labels)}."
            )


def _trained(task: type[EncoderTask], path: Path) -> Trained:
    stored = checkpoints.read_for(task.task_name, task, path)
    about: dict[str, Any] = stored["sercl"]
    return Trained(path, about["labels"], about["heard"], from_checkpoint(stored.get("recordings")))


def _names(paths: Sequence[Path]) -> list[str]:
    """Return the name of each checkpoint's folder, with a number behind it where not all are different.

    Raises:
        UsageError: For two checkpoints in one folder.
    """
    folders = [path.resolve().parent for path in paths]
    if twice := [folder for folder, count in Counter(folders).items() if count > 1]:
        raise UsageError(
            f"{twice[0]}: two of its checkpoints are given: their test clips would count twice. Give one "
            "checkpoint for each fold."
        )
    if len({folder.name for folder in folders}) == len(folders):
        return [folder.name for folder in folders]
    return [f"{folder.name}-{number}" for number, folder in enumerate(folders, 1)]
