"""Results of a trained or evaluated diarizer: scores beside baselines, and every segment."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
from lightning.pytorch.loggers import Logger

from sercl.diarization.formats import write_segments
from sercl.diarization.postprocess import PostConfig
from sercl.diarization.segments import Annotation
from sercl.errors import UsageError
from sercl.files import write_text
from sercl.json_text import json_text
from sercl.metrics.eder import DiarizationMetrics
from sercl.studies.diarization.evaluation import DiarizationScores, Tuning, eder_difference, evaluate
from sercl.studies.diarization.recordings import DiarizedRecording, EvaluationSet, Recording
from sercl.studies.results.groups import Grouping
from sercl.studies.results.records import RESULTS, as_record, read_content, with_nan
from sercl.studies.results.scores import Score, frame_of, in_front, score_row, without_nan
from sercl.studies.training.results import read_stages, stage_notes
from sercl.studies.training.stages import StageResult

DIARIZER, ALL_NEUTRAL, SLIDING = "diarizer", "all neutral", "classifier"

REFERENCE = "reference"
"""Name of the reference segments, in place of a system."""


@dataclass(frozen=True)
class SystemScores:
    """Scores of one system.

    Attributes:
        name: "diarizer", "all neutral" or "classifier".
        scores: Its scores.
        post: How its frames became segments; None where it has none.
        difference: Its mean EDER minus the diarizer's; None for the diarizer.
    """

    name: str
    scores: DiarizationScores
    post: PostConfig | None
    difference: Score | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "name": self.name,
            "scores": self.scores.to_dict(),
            "post": None if self.post is None else asdict(self.post),
            "difference": None if self.difference is None else without_nan(asdict(self.difference)),
        }

    def to_frame(self) -> pd.DataFrame:
        """Return a table with a row per score, see `DiarizationScores.to_frame`, and one for `difference`."""
        scores = self.scores.to_frame()
        if self.difference is not None:
            row = score_row("difference", self.difference) | {"n": self.scores.recordings}
            scores = pd.concat([scores, frame_of([row])], ignore_index=True)
        return in_front({"system": self.name}, scores)


@dataclass(frozen=True)
class RunScores:
    """Scores of one of several runs that are evaluated together.

    Attributes:
        name: Unique among the runs.
        checkpoint: The diarizer's.
        baseline: The classifier's, None for none.
        systems: The diarizer first, then the baselines.
        data: What it was evaluated on.
        tuning: System -> how its post-processing was chosen; empty if it was not.
        model: Description of the diarizer.
    """

    name: str
    checkpoint: str
    baseline: str | None
    systems: tuple[SystemScores, ...]
    data: Mapping[str, Any]
    tuning: Mapping[str, Tuning]
    model: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "name": self.name,
            "checkpoint": self.checkpoint,
            "baseline": self.baseline,
            "systems": [system.to_dict() for system in self.systems],
            "data": dict(self.data),
            "tuning": _plain(self.tuning),
            "model": dict(self.model),
        }


@dataclass(frozen=True)
class DiarizationResults:
    """Everything reported about one evaluation of a diarizer; plain data, saved as `results.json`.

    Attributes:
        systems: The diarizer first, then the baselines.
        data: What it was evaluated on.
        model: Encoder, adapter, layer, and how much was trained.
        stages: Course of training; empty for a checkpoint that was only evaluated.
        tuning: System -> how its post-processing was chosen on validation data; empty where it was not.
        environment: Versions, command line, seed.
        seconds: Wall-clock time.
        remarks: Further notes on the scores.
        runs: Each run separately, if several are evaluated together; they then hold model and tuning.
        groups: Groups of recordings, scored with the diarizer.
    """

    systems: tuple[SystemScores, ...]
    data: Mapping[str, Any]
    model: Mapping[str, Any]
    environment: Mapping[str, Any]
    seconds: float
    stages: tuple[StageResult, ...] = ()
    tuning: Mapping[str, Tuning] | None = None
    remarks: tuple[str, ...] = ()
    runs: tuple[RunScores, ...] = ()
    groups: tuple[Grouping, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes shown with the scores."""
        return (*self.remarks, *self.data.get("notes", ()), *stage_notes(self.stages))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "task": "diarization",
            "systems": [system.to_dict() for system in self.systems],
            "notes": list(self.notes),
            "data": dict(self.data),
            "model": dict(self.model),
            "stages": [stage.to_dict() for stage in self.stages],
            "tuning": _plain(self.tuning or {}),
            "runs": [run.to_dict() for run in self.runs],
            **({"groups": [own.to_dict() for own in self.groups]} if self.groups else {}),
            "environment": dict(self.environment),
            "seconds": round(self.seconds, 2),
        }


def _plain(tuning: Mapping[str, Tuning]) -> dict[str, Any]:
    return {name: asdict(own) for name, own in tuning.items()}


def score_systems(
    diarized: Mapping[str, Sequence[DiarizedRecording]],
    posts: Mapping[str, PostConfig],
    classes: Sequence[str],
) -> tuple[SystemScores, ...]:
    """Score every system and compare the others with the first.

    Args:
        diarized: System -> the segments that it found.
        posts: System -> how its frames became segments, if it has frames.
        classes: Class names.
    """
    first = next(iter(diarized.values()))
    return tuple(
        SystemScores(
            name,
            evaluate(own, classes),
            posts.get(name),
            None if own is first else eder_difference(first, own, classes),
        )
        for name, own in diarized.items()
    )


def save(
    results: DiarizationResults, diarized: Mapping[str, Sequence[DiarizedRecording]], folder: Path
) -> None:
    """Write `results.json`, and in `segments` the reference and each system's segments, as JSON."""
    first = next(iter(diarized.values()))
    truth = [Annotation(item.id, item.reference, item.duration) for item in first]
    write_segments(truth, folder / segments_file(REFERENCE))
    for name, own in diarized.items():
        found = [Annotation(item.id, item.hypothesis, item.duration) for item in own]
        write_segments(found, folder / segments_file(name))
    write_text(folder / RESULTS, json_text(results.to_dict(), indent=2) + "\n")


def segments_file(system: str) -> Path:
    """Return the file of a system's segments, or of those of `REFERENCE`, relative to the results' folder."""
    return Path("segments") / f"{system.replace(' ', '-')}.json"


def read(folder: Path) -> DiarizationResults:
    """Read the `results.json` that `save` wrote.

    Raises:
        ResultsError: If it is missing or broken.
    """
    path = folder / RESULTS
    advice = f"Run `sercl diarize evaluate CHECKPOINT --out {folder}` to write it again."
    content = read_content(path, advice)
    stages = read_stages(content, path, advice)
    plain = with_nan({**content, "stages": [], **_scores_of(content)}, DiarizationResults)
    own = as_record(plain, DiarizationResults, path, advice)
    said = {*own.data.get("notes", ()), *stage_notes(stages)}
    notes = as_record(content.get("notes", []), tuple[str, ...], path, advice, "notes")
    return replace(own, stages=stages, remarks=tuple(note for note in notes if note not in said))


def _scores_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return systems and runs of a results file with their scores as fields; broken ones unchanged."""
    found: dict[str, Any] = {}
    if isinstance(systems := content.get("systems"), list):
        found["systems"] = [_with_fields(system) for system in systems]
    if isinstance(runs := content.get("runs"), list):
        found["runs"] = [{**run, **_scores_of(run)} if isinstance(run, dict) else run for run in runs]
    return found


def _with_fields(system: Any) -> Any:
    if not (isinstance(system, dict) and isinstance(system.get("scores"), dict)):
        return system
    return {**system, "scores": DiarizationScores.fields_of(system["scores"])}


def log_scores(
    loggers: Iterable[Logger], diarized: Sequence[DiarizedRecording], classes: Sequence[str]
) -> None:
    """Log the scores of a test under the names that `EmotionDiarizer` uses ("test/eder").

    Args:
        loggers: Of a trainer.
        diarized: Recordings, at least one, with the segments that the diarizer found.
        classes: Class names.
    """
    metrics = DiarizationMetrics(classes)
    metrics.distributed_available_fn = lambda: False  # of several processes only the first gets here
    for item in diarized:
        metrics.update(item.reference, item.hypothesis, item.duration)
    named = {f"test/{name}": float(value) for name, value in metrics.compute().items()}
    for logger in loggers:
        logger.log_metrics(named)
        logger.save()


@dataclass(frozen=True)
class RunEvaluation:
    """The evaluation of one run.

    Attributes:
        name: Unique among the runs.
        checkpoint: The diarizer's.
        baseline: The classifier's, None for none.
        evaluation_set: The recordings that it was evaluated on.
        diarized: System -> the segments that it found, in the order of the recordings.
        posts: System -> how its frames became segments, if it has frames.
        tuning: System -> how its post-processing was chosen; empty if it was not.
        model: Description of the diarizer, as plain data.
    """

    name: str
    checkpoint: str
    baseline: str | None
    evaluation_set: EvaluationSet
    diarized: Mapping[str, Sequence[DiarizedRecording]]
    posts: Mapping[str, PostConfig]
    tuning: Mapping[str, Tuning]
    model: Mapping[str, Any]

    def scores(self, classes: Sequence[str]) -> RunScores:
        """Return the scores of this run only."""
        systems = score_systems(self.diarized, self.posts, classes)
        data = self.evaluation_set.to_dict()
        return RunScores(self.name, self.checkpoint, self.baseline, systems, data, self.tuning, self.model)


def named(evaluation_set: EvaluationSet, run: str) -> EvaluationSet:
    """Return the same recordings with ids prefixed by the name of their run."""

    def make() -> Iterator[Recording]:
        for recording in evaluation_set:
            yield replace(recording, id=f"{run}-{recording.id}")

    return replace(evaluation_set, make=make)


def check_apart(tested: Mapping[str, tuple[object, Sequence[str]]]) -> list[str]:
    """Refuse runs that share a test utterance, which would count twice, unless all seeds test all of them.

    Args:
        tested: Run -> its seed, and the ids of the utterances that its test clips are built from.

    Returns:
        A note if several seeds are averaged, else nothing.

    Raises:
        UsageError: With both runs, or if the seeds do not test the same utterances.
    """
    owners: dict[object, dict[str, str]] = {}
    for run, (seed, ids) in tested.items():
        owner = owners.setdefault(seed, {})
        if twice := [id for id in ids if id in owner]:
            raise UsageError(
                f"{len(twice)} test utterances of {run} are also those of {owner[twice[0]]} (the first is "
                f"{twice[0]!r}), and would count twice. Give one checkpoint for each fold."
            )
        owner |= dict.fromkeys(ids, run)
    first, *others = owners.values()
    if all(first.keys().isdisjoint(own) for own in others):
        return []
    if any(first.keys() != own.keys() for own in others):
        raise UsageError(
            f"the runs of the seeds {', '.join(map(str, owners))} do not test the same utterances, of which "
            "some would count more often than others. Give the same folds for each seed."
        )
    return [f"mean of {len(owners)} seeds: each recording is counted once for each of them"]


def together(runs: Sequence[RunEvaluation]) -> EvaluationSet:
    """Return the recordings of several runs as one list, in order."""
    evaluation_sets = [run.evaluation_set for run in runs]
    names = dict.fromkeys(evaluation_set.name for evaluation_set in evaluation_sets)
    return EvaluationSet(
        name=f"{' and '.join(names)}, of {len(evaluation_sets)} runs",
        speakers=tuple(
            sorted({name for evaluation_set in evaluation_sets for name in evaluation_set.speakers})
        ),
        seconds=sum(evaluation_set.seconds for evaluation_set in evaluation_sets),
        make=lambda: chain.from_iterable(evaluation_sets),
        count=sum(map(len, evaluation_sets)),
        sources=tuple(chain.from_iterable(own.sources for own in evaluation_sets)),
        dropped=_added(evaluation_set.dropped for evaluation_set in evaluation_sets),
        problems=_added(evaluation_set.problems for evaluation_set in evaluation_sets),
        notes=tuple(_notes(runs)),
    )


def _notes(runs: Sequence[RunEvaluation]) -> Iterator[str]:
    """Yield the notes common to all runs, then those of single runs with their name."""
    common = [
        note for note in runs[0].evaluation_set.notes if all(note in run.evaluation_set.notes for run in runs)
    ]
    yield from common
    for run in runs:
        yield from (f"{run.name}: {note}" for note in run.evaluation_set.notes if note not in common)


def diarized_by_system(runs: Sequence[RunEvaluation]) -> dict[str, list[DiarizedRecording]]:
    """Return the segments of all runs, by system."""
    return {name: [item for run in runs for item in run.diarized[name]] for name in runs[0].diarized}


def common_posts(runs: Sequence[RunEvaluation]) -> dict[str, PostConfig]:
    """Return the post-processing of each system that is the same in every run."""
    first = runs[0].posts
    return {name: post for name, post in first.items() if all(run.posts[name] == post for run in runs)}


def differences(runs: Sequence[RunEvaluation]) -> list[str]:
    """Return a note if the diarizers differ in settings other than post-processing, else nothing."""
    settings = [_setting(run.model) for run in runs]
    names = sorted({name for own in settings for name in own if own[name] != settings[0].get(name)})
    return [f"the runs do not have the same settings: they differ in {', '.join(names)}"] if names else []


def _setting(model: Mapping[str, Any]) -> dict[str, Any]:
    options = {name: value for name, value in model["hyper_parameters"].items() if name != "post"}
    return {**options, "encoder": model["fingerprint"]}


def _added(counts: Iterator[Mapping[str, int]]) -> dict[str, int]:
    return dict(sum(map(Counter, counts), Counter[str]()))
