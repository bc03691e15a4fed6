"""The results of a run: scores with intervals, the course of training, and every prediction."""

import platform
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import compress
from pathlib import Path
from typing import Any

from sercl.corpora.folds import WHOLE
from sercl.corpora.folds.fold import named
from sercl.data.datamodules.base import EmotionDataModule
from sercl.data.split import Take
from sercl.errors import ResultsError, SpeakerOverlapError
from sercl.files import write_text
from sercl.json_text import json_text
from sercl.studies.results.forgetting import Forgetting, SourceTest
from sercl.studies.results.groups import Grouping, score_groups
from sercl.studies.results.predictions import AGAIN, PREDICTIONS, Predictions
from sercl.studies.results.records import RESULTS, SOURCE_PREDICTIONS, as_record, read_content, with_nan
from sercl.studies.results.scores import Evaluation, Score, evaluate, without_nan
from sercl.studies.training.stages import EPOCH_LIMIT, StageResult
from sercl.tasks.base import EncoderTask
from sercl.tasks.classification import ClassifierEnsemble, EmotionClassifier
from sercl.tasks.recordings import LIKE, fingerprint
from sercl.version import __version__

MOST_ALIKE = 0.1
"""Fraction of the test recordings that may share file name and length with training recordings by chance."""
_PACKAGES = ("torch", "torchaudio", "lightning", "transformers", "peft", "torchmetrics", "numpy", "scipy")


@dataclass(frozen=True)
class FoldResult:
    """One of several trainings that are scored together.

    Attributes:
        seed: Its seed.
        fold: Index of its fold.
        folder: Its own folder, relative to that of the whole.
        n: Number of test utterances.
        averages: Every score of its test part.
        stages: Course of each training stage.
        seconds: Wall-clock time.
    """

    seed: int
    fold: int
    folder: str
    n: int
    averages: Mapping[str, Score]
    stages: tuple[StageResult, ...]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        averages = {name: asdict(score) for name, score in self.averages.items()}
        stages = [stage.to_dict() for stage in self.stages]
        return dict(without_nan({**asdict(self), "averages": averages, "stages": stages}))


@dataclass(frozen=True)
class RunResults:
    """Everything reported about one run; plain data, saved as `results.json`.

    Attributes:
        part: Part that was scored: "test", "validation", or "whole" (a corpus that was not in training).
        scores: The evaluation.
        data: The data report: counts, dropped utterances, notes on the scores.
        model: Encoder, adapter, layer, and number of trained parameters.
        stages: Course of each training stage; empty for a checkpoint that was only tested.
        environment: Versions, command line, seed.
        seconds: Wall-clock time of the whole run.
        remarks: Further notes on the scores.
        folds: Each fold and seed, where several are scored together; they then hold the stages.
        forgetting: Of two-stage training, scores of the source's test part before and after the second stage.
        groups: Scores of groups of utterances, by each column that was asked for.
    """

    part: str
    scores: Evaluation
    data: Mapping[str, Any]
    model: Mapping[str, Any]
    stages: tuple[StageResult, ...]
    environment: Mapping[str, Any]
    seconds: float
    remarks: tuple[str, ...] = ()
    folds: tuple[FoldResult, ...] = ()
    forgetting: Forgetting | None = None
    groups: tuple[Grouping, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes shown with the scores: on the data, and on training that was cut short or diverged."""
        return (*self.remarks, *self.data.get("notes", ()), *stage_notes(self.stages))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "part": self.part,
            "scores": self.scores.to_dict(),
            "notes": list(self.notes),
            "data": dict(self.data),
            "model": dict(self.model),
            "stages": [stage.to_dict() for stage in self.stages],
            "environment": dict(self.environment),
            "seconds": round(self.seconds, 2),
            **({"folds": [fold.to_dict() for fold in self.folds]} if self.folds else {}),
            **({"forgetting": self.forgetting.to_dict()} if self.forgetting else {}),
            **({"groups": [own.to_dict() for own in self.groups]} if self.groups else {}),
        }


def stage_notes(stages: Sequence[StageResult]) -> list[str]:
    """Return a note on each stage of training that was cut short or diverged."""
    cut = [
        f"stage {stage.stage!r} ended at its {_limit(stage)}, not by early stopping: longer training may "
        f"score higher"
        for stage in stages
        if not stage.stopped_early
    ]
    lost = [
        f"stage {stage.stage!r} diverged: {stage.monitor} was never a number; lower the learning rates"
        for stage in stages
        if stage.score is None and stage.monitor != "None"
    ]
    return [*cut, *lost]


def _limit(stage: StageResult) -> str:
    if stage.ended_by == EPOCH_LIMIT:
        return f"{EPOCH_LIMIT} ({stage.epochs})"
    return f"{stage.ended_by} (in epoch {stage.epochs})"


def summarise(
    task: EmotionClassifier | ClassifierEnsemble,
    data: EmotionDataModule,
    predictions: Predictions,
    part: str,
    stages: Sequence[StageResult] = (),
    seed: object = None,
    seconds: float = 0.0,
    remarks: Sequence[str] = (),
    source_test: SourceTest | None = None,
    group_by: Sequence[str] = (),
) -> RunResults:
    """Score predictions, with intervals over speakers, and collect the notes needed to interpret them.

    `group_by` names columns of what is known of the utterances, by which they are scored in groups, too.
    """
    return RunResults(
        part=part,
        scores=evaluate(predictions),
        data=data.report.to_dict(),
        model=describe_model(task),
        stages=tuple(stages),
        environment=environment(seed),
        seconds=seconds,
        remarks=(
            *remarks,
            *_left_unscored(len(predictions.truth), data, part),
            *_standardization_notes(task, data, part),
        ),
        forgetting=None if source_test is None else Forgetting.of(source_test),
        groups=grouped(predictions, group_by),
    )


def _standardization_notes(
    task: EmotionClassifier | ClassifierEnsemble, data: EmotionDataModule, part: str
) -> list[str]:
    """Return a note on statistics of each corpus, and which corpora of a part have none of their own."""
    own = (task.first if isinstance(task, ClassifierEnsemble) else task).standardized_corpora
    if own is None:
        return []
    scored = dict.fromkeys(data.splits["test" if part == WHOLE else part].corpora)
    others = [name for name in scored if name not in own]
    note = f"each corpus is standardised by statistics of its own ({', '.join(own)})"
    rest = f"; {', '.join(others)}, of which there are none, by those of all of them together"
    return [note + rest if others else note]


def grouped(predictions: Predictions, columns: Sequence[str]) -> tuple[Grouping, ...]:
    """Return the scores of groups of utterances, by each column."""
    return tuple(score_groups(predictions, column) for column in columns)


def _left_unscored(scored: int, data: EmotionDataModule, part: str) -> list[str]:
    """Return a note if a part was not scored as a whole, else nothing."""
    whole = len(data.splits["test" if part == WHOLE else part].utterances)
    name = "val" if part == "validation" else "test"
    if scored >= whole:
        return []
    return [f"only {scored} of {whole} {part} utterances are scored (--trainer.limit_{name}_batches)"]


def speaker_notes(task: EncoderTask | ClassifierEnsemble, data: EmotionDataModule, part: str) -> list[str]:
    """Return notes on speakers of a part that were in the model's training or validation data, if any.

    Raises:
        SpeakerOverlapError: If any were in training and the data module does not allow it.
    """
    return speaker_overlap_notes(
        task.seen_speakers, data.speakers_in(part), part, data.allows_speaker_overlap
    )


def speaker_overlap_notes(
    seen_speakers: Mapping[str, Sequence[str]], tested: Sequence[str], part: str, allowed: bool
) -> list[str]:
    """Return notes on test speakers that were in a model's training or validation data, if any.

    Validation speakers are not in training: a fold may select and test on the same speakers, as the paper's
    do; its checkpoint is then scored as by `sercl fit`, with a note that names them.

    Args:
        seen_speakers: "train" and "validation" -> "corpus speaker" of all speakers in that part.
        tested: "corpus speaker" of all test speakers.
        part: "validation", or anything else for a test.
        allowed: Whether overlap is allowed.

    Raises:
        SpeakerOverlapError: If any were in training and that is not allowed.
    """
    known = sorted(set(seen_speakers["train"]) & set(tested))
    chosen = sorted((set(seen_speakers["validation"]) & set(tested)) - set(known))
    notes = []
    if chosen and part != "validation":  # the validation part is meant for selection
        notes.append(
            f"{len(chosen)} of {len(tested)} speakers in {part} are validation speakers, on whom the "
            f"checkpoint was selected but not trained ({named(chosen)})"
        )
    if not known:
        return notes
    what = f"{len(known)} of {len(tested)} speakers in {part} were seen in training ({named(known)})"
    if not allowed:
        raise SpeakerOverlapError(
            f"{what}, so the scores would be speaker-dependent. Evaluate on the fold that the checkpoint "
            "was not trained on, or on another corpus, or allow it with --data.folds.allow_speaker_overlap "
            "true."
        )
    return [f"speaker-dependent: {what}", *notes]


def recording_notes(task: EncoderTask | ClassifierEnsemble, data: EmotionDataModule, part: str) -> list[str]:
    """Return notes on recordings of a part that were in the model's training or validation data, if any."""
    own = data.audio_keys_in("train") if "train" in data.splits else set()
    return recording_overlap_notes(
        task.recordings,
        data.splits[part].takes,
        part,
        own,
        by_name=bool(task.corpora) and not data.is_known_to(task.corpora),
    )


def recording_overlap_notes(
    trained: Mapping[str, Set[int]] | None,
    tested: Sequence[Take],
    part: str,
    own: Set[str] = frozenset(),
    by_name: bool = False,
) -> list[str]:
    """Return notes on test recordings that were in a model's training or validation data, if any.

    Args:
        trained: "train" and "validation" -> fingerprints of the recordings; None if unknown.
        tested: All scored recordings.
        part: "validation", or anything else for a test.
        own: Hashes of the training part of the same fold. A corpus that contains a recording twice may have
            it in both parts: training has accepted that, and a note on the data says so.
        by_name: Whether file names with lengths are compared, too: only if no corpus of these names was in
            training, since within a corpus all speakers may have files of the same names.
    """
    if trained is None:
        return []
    others = [take for take in tested if take.audio_key and take.audio_key not in own]
    same = [fingerprint(take.audio_key) in trained["train"] for take in others]
    known = list(compress(others, same))
    only_selected = trained["validation"] - trained["train"]
    chosen = [take for take in others if fingerprint(take.audio_key) in only_selected]
    notes = []
    if chosen and part != "validation":  # the validation part is meant for selection
        notes.append(
            f"{len(chosen)} of {len(tested)} recordings in {part} are validation recordings, on which the "
            "checkpoint was selected but not trained"
        )
    unlike = [take for take, is_same in zip(others, same, strict=True) if not is_same]
    notes += _alike(unlike, trained[LIKE], part) if by_name else []
    if not known:
        return notes
    return [
        f"leakage: {len(known)} of {len(tested)} recordings in {part} were trained on: their samples are the "
        f"same, whatever file or corpus they are in now (first: {known[0].path}). Leave them out: "
        "`sercl corpus manifest` writes a table whose rows can be removed",
        *notes,
    ]


def _alike(tested: Sequence[Take], trained: Set[int], part: str) -> list[str]:
    """Return a note on recordings that may be altered copies of training recordings, or nothing."""
    like = [take for take in tested if fingerprint(take.likeness) in trained]
    if not like or len(like) < MOST_ALIKE * len(tested):
        return []
    return [
        f"possible leakage: {len(like)} of {len(tested)} recordings in {part} have file name and length of "
        f"one in training, as resampled or lossy copies have (first: {like[0].path})"
    ]


def adversarial_notes(task: EmotionClassifier | ClassifierEnsemble) -> list[str]:
    """Return a note on adversarial training of a model that is loaded, or nothing.

    It may be evaluated on that target, whose audio was then used in training.
    """
    own = task.first if isinstance(task, ClassifierEnsemble) else task
    return ["target audio without labels was used in training (adversarial)"] if own.adversary else []


def describe_model(task: EncoderTask | ClassifierEnsemble) -> dict[str, Any]:
    """Return the description of the model, as plain data; of an ensemble that of its first model, and all."""
    if isinstance(task, ClassifierEnsemble):
        states = common(own.readout.chosen_state for own in task.tasks)
        return {**describe_model(task.first), "chosen_state": states, "ensemble": list(task.names)}
    return {
        "encoder": task.encoder.name,
        "family": task.encoder.family,
        "fingerprint": task.encoder.fingerprint,
        "blocks": len(task.encoder.blocks),
        "adapter": task.adapter,
        "layer": task.readout.layer,
        "chosen_state": task.readout.chosen_state,
        "trainable": task.trainable_counts(),
        "hyper_parameters": dict(task.hparams),
    }


def common(values: Iterable[Any]) -> Any:
    """Return the value if it is the same everywhere, else None."""
    first, *rest = values
    return first if all(value == first for value in rest) else None


def environment(seed: object) -> dict[str, Any]:
    """Return versions, seed and the command line: what is needed to run this again."""
    return {
        "sercl": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: version(name) for name in _PACKAGES},
        "seed": seed,
        "command": shlex.join(["sercl", *sys.argv[0].split()[1:], *sys.argv[1:]]),
    }


def save(
    results: RunResults, predictions: Predictions, folder: Path, source_test: SourceTest | None = None
) -> None:
    """Write `results.json` and the files of predictions into a run's folder, each atomically."""
    predictions.write_csv(folder / PREDICTIONS)
    if source_test is not None:
        for name, own in zip(SOURCE_PREDICTIONS, (source_test.before, source_test.after), strict=True):
            own.write_csv(folder / name)
    write(results.to_dict(), folder)


def write(content: Mapping[str, Any], folder: Path) -> None:
    """Write plain data as `results.json` into a run's folder, atomically."""
    write_text(folder / RESULTS, json_text(content, indent=2) + "\n")


def read(folder: Path) -> RunResults:
    """Read the `results.json` that `save` wrote.

    Raises:
        ResultsError: If it is missing or broken.
    """
    path, advice = folder / RESULTS, AGAIN.format(folder=folder)
    content = read_content(path, advice)
    if content.get("scores", {}) is None:
        raise ResultsError(
            path,
            "is of a model that is trained on everything, without scores of its own. Those of the folds that "
            "chose its settings are in the folder above.",
        )
    stages = read_stages(content, path, advice)
    own = as_record({**content, "scores": None, "stages": ()}, _Stored, path, advice)
    said = {*own.data.get("notes", ()), *stage_notes(stages)}
    return RunResults(
        part=own.part,
        scores=Evaluation.from_dict(content.get("scores"), path, advice),
        data=own.data,
        model=own.model,
        stages=stages,
        environment=own.environment,
        seconds=own.seconds,
        remarks=tuple(note for note in own.notes if note not in said),
        folds=_read_folds(content, path, advice),
        forgetting=_read_forgetting(content, path, advice),
        groups=_read_groups(content, path, advice),
    )


def _read_forgetting(content: Mapping[str, Any], path: Path, advice: str) -> Forgetting | None:
    own = content.get("forgetting")
    return None if own is None else Forgetting.from_dict(own, path, advice)


def _read_groups(content: Mapping[str, Any], path: Path, advice: str) -> tuple[Grouping, ...]:
    kind = tuple[Grouping, ...]
    rows = as_record(content.get("groups", []), list[dict[str, Any]], path, advice, "groups")
    return as_record([with_nan(row, Grouping) for row in rows], kind, path, advice, "groups")


def _read_folds(content: Mapping[str, Any], path: Path, advice: str) -> tuple[FoldResult, ...]:
    rows = as_record(content.get("folds", []), list[dict[str, Any]], path, advice, "folds")
    plain = [{**row, "stages": [asdict(stage) for stage in read_stages(row, path, advice)]} for row in rows]
    kind = tuple[FoldResult, ...]
    return as_record([with_nan(row, FoldResult) for row in plain], kind, path, advice, "folds")


@dataclass(frozen=True)
class _Stored:
    """The plain fields of `results.json`."""

    part: str
    notes: tuple[str, ...]
    data: dict[str, Any]
    model: dict[str, Any]
    environment: dict[str, Any]
    seconds: float


def read_stages(content: Mapping[str, Any], path: Path, advice: str) -> tuple[StageResult, ...]:
    """Return the stages of training in the content of a `results.json`.

    Raises:
        ResultsError: If they are broken.
    """
    rows = as_record(content.get("stages", []), list[dict[str, Any]], path, advice, "stages")
    # In results the best epoch is counted from 1.
    counted = [
        {**row, "epoch": row["epoch"] - 1} if isinstance(row.get("epoch"), int) else row for row in rows
    ]
    return as_record(counted, tuple[StageResult, ...], path, advice, "stages")
