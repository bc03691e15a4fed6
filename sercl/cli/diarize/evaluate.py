"""`sercl diarize evaluate`: evaluate a diarizer beside baselines, and choose its post-processing."""

import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace

from sercl.cli.console import progress, stage_progress, stderr, stdout
from sercl.cli.diarize.words import add_uncovered, evaluated_data
from sercl.cli.help import DEVICE_HELP, ENCODER_HELP, GROUP_HELP, JSON_HELP, names_of
from sercl.cli.parser import SerclParser, restrict_imports
from sercl.cli.run_folder import make_folder
from sercl.corpora.labels import labels_option
from sercl.data import datamodules
from sercl.data.datamodules.base import EmotionDataModule
from sercl.data.datamodules.corpus import CorpusDataModule
from sercl.data.datamodules.diarization import Diarization
from sercl.diarization.postprocess import PostConfig
from sercl.documents import read_yaml
from sercl.errors import SpeakerOverlapError, UsageError
from sercl.json_text import json_text
from sercl.models.device import find_device
from sercl.reports.diarization.figure import pictures, timeline_figure
from sercl.reports.diarization.results import diarization_table, tuning_lines
from sercl.studies.diarization import evaluation, results
from sercl.studies.diarization.evaluation import Tuning, candidates, keep_tuning
from sercl.studies.diarization.groups import check_recordings, grouped_recordings
from sercl.studies.diarization.recordings import (
    DiarizedRecording,
    EvaluationSet,
    Recordings,
    System,
    all_neutral,
    clips_of,
    find_segments,
    has_whole_recordings,
    recordings_of,
    run_systems,
)
from sercl.studies.diarization.results import (
    ALL_NEUTRAL,
    DIARIZER,
    SLIDING,
    DiarizationResults,
    RunEvaluation,
    check_apart,
    diarized_by_system,
    named,
    save,
    score_systems,
    together,
)
from sercl.studies.results.records import CONFIG, RESULTS
from sercl.studies.training.results import (
    describe_model,
    environment,
    recording_overlap_notes,
    speaker_overlap_notes,
)
from sercl.tasks import checkpoint as checkpoints
from sercl.tasks import recordings as trained_on
from sercl.tasks.base import EncoderTask
from sercl.tasks.classification import EmotionClassifier
from sercl.tasks.diarization import EmotionDiarizer
from sercl.tasks.diarizer import Diarizer
from sercl.tasks.sliding import SlidingClassifier

if TYPE_CHECKING:
    from jsonargparse import Namespace


@dataclass(frozen=True)
class Trained:
    """A checkpoint with its description.

    Attributes:
        path: The file.
        labels: Class -> emotions that belong to it, in class order.
        seen_speakers: "train" and "validation" -> "corpus speaker" of each speaker that it was trained on.
        recordings: The same parts -> fingerprints of the recordings; None if the checkpoint does not contain
            them.
    """

    path: Path
    labels: Mapping[str, Sequence[str]]
    seen_speakers: Mapping[str, Sequence[str]]
    recordings: trained_on.Recordings | None = None


@dataclass(frozen=True)
class Run:
    """The systems that are evaluated on one list of recordings.

    Attributes:
        name: Folder of the diarizer's checkpoint, unique for each run.
        diarizer: The diarizer.
        baseline: The baseline classifier, None for none.
    """

    name: str
    diarizer: Trained
    baseline: Trained | None


def runs_of(options: "Namespace") -> list[Run]:
    """Return the runs of a command line, each with its baseline.

    Raises:
        CheckpointError: For a checkpoint of another task, or a file that is not a checkpoint.
        UsageError: For a number of baselines that does not match the runs, data with several runs, or
            checkpoints with different classes.
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
            f"--data (or the data of a --config) with {runs} checkpoints: each would be evaluated on the "
            f"same recordings, which would then count several times. Leave it out, for the test clips of "
            f"each run, or evaluate one checkpoint at a time."
        )


def _check_labels(diarizers: Sequence[Trained], baselines: Sequence[Trained]) -> None:
    first = diarizers[0]
    for other in diarizers[1:]:
        # The order of the classes matters, too, which comparing mappings would miss.
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
    return Trained(
        path, about["labels"], about["seen_speakers"], trained_on.from_checkpoint(stored.get("recordings"))
    )


def _names(paths: Sequence[Path]) -> list[str]:
    """Return the name of each checkpoint's folder, with that above it or a number if not all are different.

    Raises:
        UsageError: For two checkpoints in one folder.
    """
    folders = [path.resolve().parent for path in paths]
    if twice := [folder for folder, count in Counter(folders).items() if count > 1]:
        raise UsageError(
            f"{twice[0]}: two of its checkpoints are given: their test clips would count twice. Give one "
            "checkpoint for each fold."
        )
    short = [folder.name for folder in folders]
    for names in (short, [f"{folder.parent.name}-{folder.name}" for folder in folders]):
        if len(set(names)) == len(folders):
            return names
    return [f"{folder.name}-{number}" for number, folder in enumerate(folders, 1)]


def load_systems(run: Run, options: "Namespace") -> tuple[EmotionDiarizer, dict[str, System]]:
    """Return the diarizer of a run, and all its systems that run on audio.

    Raises:
        CheckpointError: For a checkpoint whose encoder has changed.
        EncoderError: If an encoder cannot be loaded.
        UsageError: For an unavailable device, or invalid windows.
    """
    device = find_device(options.device)
    with stderr.status("loading the checkpoint"):
        task = EmotionDiarizer.restore(run.diarizer.path, options.encoder)
        systems: dict[str, System] = {DIARIZER: Diarizer(task, device)}
        if run.baseline is not None:
            other = EmotionClassifier.restore(run.baseline.path)
            bounds = options.baseline_window, options.baseline_hop
            systems[SLIDING] = SlidingClassifier(other, device, *bounds)
    return task, systems


OTHERS = frozenset({"seed_everything", "model", "trainer", "early_stopping", "checkpoint", "features"})
"""Keys of a run's config.yaml other than its data; not used here."""


_BASELINE_HELP = "Checkpoint of `sercl fit`, applied in a sliding window; one, or one for each diarizer."
_TUNE_HELP = "First choose the post-processing on the run's validation clips, and save it in the checkpoint."


def build_parser(baselines: int | str = "+") -> SerclParser:
    """Return the parser of the command; `baselines` is the number of arguments of `--baseline`."""
    restrict_imports()
    datamodules.make_all()
    parser = SerclParser(prog="sercl diarize evaluate")
    parser.add_argument("ckpt", nargs="+")
    parser.add_argument(
        "-c", "--config", action="config", help="YAML with data, such as a run's config.yaml."
    )
    parser.add_subclass_arguments(EmotionDataModule, "data", required=False, help="Corpus or Manifest.")
    parser.add_argument("--baseline", nargs=baselines, default=None, help=_BASELINE_HELP)
    parser.add_argument("--encoder", type=str | None, default=None, help=ENCODER_HELP)
    parser.add_argument(
        "--out",
        type=str | None,
        default=None,
        help="Folder for results.json and the segments of every system.",
    )
    parser.add_argument(
        "--baseline_window", type=float, default=2.0, help="Length of the baseline's windows, in s."
    )
    parser.add_argument(
        "--baseline_hop", type=float, default=0.5, help="Hop between the baseline's windows, in s."
    )
    add_uncovered(parser)
    parser.add_argument("--group_by", nargs="+", default=[], help=GROUP_HELP)
    parser.add_argument("--device", default="auto", help=DEVICE_HELP)
    parser.add_argument("--tune", action="store_true", help=_TUNE_HELP)
    parser.add_argument("--json", action="store_true", help=JSON_HELP)
    parser.left_out = OTHERS
    return parser


class EvaluationData:
    """The data of an evaluation: from the command line, and of the run that trained the model.

    Args:
        options: The command line.
        run: The run.
    """

    def __init__(self, options: "Namespace", run: Run) -> None:
        self._options, self._run = options, run
        self._data: Diarization | None = None
        self._allows_overlap = False

    @property
    def run_name(self) -> str:
        """Name of the run's data."""
        return self._own().report.name

    @property
    def seed(self) -> object:
        """The seed of the run's training."""
        self._own()  # which has a configuration beside it
        return read_yaml(self._run.diarizer.path.parent / CONFIG).get("seed_everything")

    @property
    def tested(self) -> list[str]:
        """Ids of the utterances that the run's own test clips are built from."""
        return [f"{item.corpus} {item.id}" for item in self._own().splits["test"].utterances]

    def evaluation_set(self) -> EvaluationSet:
        """Return what to evaluate on: a whole corpus with segments, else clips of the test part.

        Raises:
            UsageError: For data with other classes than the model's, or without data.
            CorpusError: For unusable data.
        """
        data = self._given()
        if data is None:
            own = self._own()
            self._allows_overlap = own.allows_speaker_overlap
            return clips_of(own, "test")
        self._check_classes(data)
        self._allows_overlap = data.allows_speaker_overlap
        if isinstance(data, CorpusDataModule) and has_whole_recordings(data):
            with stage_progress() as on_progress:
                return recordings_of(data, on_progress)
        return clips_of(_ready(_with_clips(data)), "test")

    def validation(self) -> EvaluationSet:
        """Return the validation clips of the run, on which post-processing may be chosen.

        Raises:
            UsageError: If the run's configuration is not beside the checkpoint.
        """
        return clips_of(self._own(), "validation")

    def overlap_notes(self, evaluation_set: EvaluationSet) -> list[str]:
        """Return notes on test recordings and speakers from a model's training or validation data, if any.

        Raises:
            SpeakerOverlapError: If any speaker was in training and the data module does not allow it.
        """
        run = self._run
        notes = self._known(run.diarizer, evaluation_set)
        others = [] if run.baseline is None else self._known(run.baseline, evaluation_set)
        return [*notes, *(f"the baseline is {note}" for note in others)]

    def _known(self, model: Trained, evaluation_set: EvaluationSet) -> list[str]:
        try:
            return [
                *speaker_overlap_notes(
                    model.seen_speakers, evaluation_set.speakers, "test", self._allows_overlap
                ),
                *recording_overlap_notes(
                    model.recordings, evaluation_set.takes, "test", evaluation_set.trained
                ),
            ]
        except SpeakerOverlapError as error:
            raise SpeakerOverlapError(f"{model.path}: {error}") from error

    def _given(self) -> EmotionDataModule | None:
        if self._options.data is None:
            return None
        module: EmotionDataModule = _instantiated(self._options)
        return module

    def _own(self) -> Diarization:
        if self._data is None:
            data = _run_data(self._run.diarizer.path)
            if data.trains_on_everything:
                raise UsageError(
                    f"{self._run.diarizer.path}: is trained on everything: none of its own data is left to "
                    "evaluate it or to choose post-processing on. Give other data (--data NAME --data.root "
                    "DIR), or evaluate the diarizers of the folds."
                )
            self._data = _ready(data)
            self._check_classes(self._data)
        return self._data

    def _check_classes(self, data: EmotionDataModule) -> None:
        if list(data.label_map.items()) != list(self._run.diarizer.labels.items()):
            own = self._run.diarizer.labels
            raise UsageError(
                f"the checkpoint's classes are {own}, the data's {data.label_map}: set --data.labels "
                f"{labels_option(own)}."
            )


def _run_data(checkpoint: Path) -> Diarization:
    """Return the data of the configuration beside a checkpoint."""
    path = checkpoint.parent / CONFIG
    if not path.is_file():
        raise UsageError(
            f"{checkpoint}: no config.yaml beside it, which names the run's data. Give the data to "
            f"evaluate it on (--data NAME --data.root DIR); post-processing can be chosen on the run's "
            f"own data alone."
        )
    data = _instantiated(build_parser().parse_args([str(checkpoint), "--config", str(path)]))
    if not isinstance(data, Diarization):
        raise UsageError(f"{path}: its data are {type(data).__name__}, not those of a diarizer.")
    return data


def _instantiated(options: "Namespace") -> Any:
    return build_parser().instantiate_classes(options)["data"]


def _with_clips(data: EmotionDataModule) -> Diarization:
    if isinstance(data, Diarization):
        return data
    if not isinstance(data, CorpusDataModule):
        raise UsageError(
            f"--data {type(data).__name__}: clips are built from single corpora. Give one corpus."
        )
    return Diarization([data], loader=data.loader_config)


def _ready(data: Diarization) -> Diarization:
    with stage_progress() as on_progress:
        data.on_progress = on_progress
        data.setup()
    data.on_progress = None
    return data


@dataclass(frozen=True)
class Prepared:
    """Data of all runs, found and checked before any system runs on them.

    Attributes:
        each: For each run its data and the recordings to evaluate on.
        remarks: Notes on the scores.
    """

    each: tuple[tuple[EvaluationData, EvaluationSet], ...]
    remarks: tuple[str, ...]


def prepare(runs: Sequence[Run], options: "Namespace") -> Prepared:
    """Find the data of every run.

    Raises:
        UsageError: For data that do not fit the model, or test utterances that two runs share.
        SpeakerOverlapError: If a test speaker was in a model's training data.
        CorpusError: For unusable data.
    """
    data = [EvaluationData(options, run) for run in runs]
    evaluation_sets, repeats = [own.evaluation_set() for own in data], list[str]()
    if len(runs) > 1:
        by_name = {run.name: own for run, own in zip(runs, data, strict=True)}
        repeats = check_apart({name: (own.seed, own.tested) for name, own in by_name.items()})
        evaluation_sets = [
            named(evaluation_set, run.name) for run, evaluation_set in zip(runs, evaluation_sets, strict=True)
        ]
    each = tuple(zip(data, evaluation_sets, strict=True))
    notes = dict.fromkeys(note for own, evaluation_set in each for note in own.overlap_notes(evaluation_set))
    return Prepared(each, (*repeats, *notes))


def evaluate_run(
    run: Run, prepared: tuple[EvaluationData, EvaluationSet], options: "Namespace"
) -> RunEvaluation:
    """Run the systems of a run on its recordings, and save the post-processing chosen for it."""
    data, evaluation_set = prepared
    task, systems = load_systems(run, options)
    tuning = tune(task, systems, data.validation(), options.uncovered) if options.tune else {}
    diarized, posts = diarize(task, systems, evaluation_set, tuning, options.uncovered)
    keep(run, tuning, data, options.out)
    baseline = None if run.baseline is None else str(run.baseline.path)
    model = describe_model(task)
    return RunEvaluation(
        run.name, str(run.diarizer.path), baseline, evaluation_set, diarized, posts, tuning, model
    )


def tune(
    task: EmotionDiarizer, systems: Mapping[str, System], validation: EvaluationSet, uncovered: str
) -> dict[str, Tuning]:
    """Choose the post-processing of every system on validation recordings."""
    with progress("validation clips", len(validation)) as advance:
        frames = run_systems(validation, systems, advance)
    with progress("post-processing", len(systems) * sum(1 for _ in candidates())) as advance:
        return {
            name: evaluation.tune(frames, name, task.classes, task.post, advance, uncovered)
            for name in systems
        }


def diarize(
    task: EmotionDiarizer,
    systems: Mapping[str, System],
    evaluation_set: EvaluationSet,
    tuning: Mapping[str, Tuning],
    uncovered: str,
) -> tuple[dict[str, list[DiarizedRecording]], dict[str, PostConfig]]:
    """Return the segments of each system, and how its frames became segments."""
    posts = {name: tuning[name].post if name in tuning else task.post for name in systems}
    with progress("recordings", len(evaluation_set)) as advance:
        frames = run_systems(evaluation_set, systems, advance)
    diarized = {
        name: find_segments(frames, name, task.classes, post, uncovered) for name, post in posts.items()
    }
    diarized[ALL_NEUTRAL] = all_neutral(frames)
    return diarized, posts


def keep(run: Run, tuning: Mapping[str, Tuning], data: EvaluationData, out: str | None) -> None:
    """Write the chosen post-processing of the diarizer into its checkpoint, and say what is older than it."""
    if DIARIZER in tuning:
        path = run.diarizer.path
        keep_tuning(path, tuning[DIARIZER], data.run_name)
        stderr.print(f"The post-processing is saved in {path}", soft_wrap=True, markup=False)
        earlier = path.parent / RESULTS
        if earlier.is_file() and out is None:
            text = (
                f"Note: {earlier} keeps the scores with the earlier post-processing. Those with this one are "
                "below; --out FOLDER saves them."
            )
            stderr.print(text, soft_wrap=True, markup=False)


def main() -> int:
    """Run `sercl diarize evaluate` with the arguments of the process."""
    words = sys.argv[1:]
    run(parse(words))
    return 0


def parse(words: Sequence[str]) -> Namespace:
    """Return the parsed arguments; by default, data are those of the run.

    Checkpoints come first. If they follow options, `--baseline` takes a single argument.
    """
    parser = build_parser(baselines=1 if words and words[0].startswith("-") else "+")
    parsed: Namespace = parser.parse_args(evaluated_data(words))
    return parsed


def run(options: Namespace) -> DiarizationResults:
    """Run the evaluation of a parsed command line, and show the results."""
    begin, columns = time.perf_counter(), names_of(options.group_by)
    if options.out is not None:
        make_folder(Path(options.out))
    runs = runs_of(options)
    prepared = prepare(runs, options)
    check_recordings([own for _, evaluation_set in prepared.each for own in evaluation_set.sources], columns)
    parts = [evaluate_run(run, own, options) for run, own in zip(runs, prepared.each, strict=True)]
    results = summed_up(parts, list(runs[0].diarizer.labels), prepared.remarks, begin, columns)
    if options.out is not None:
        diarized = diarized_by_system(parts)
        save(results, diarized, Path(options.out))
        draw(together(parts), diarized, Path(options.out))
    show(results, options)
    return results


def summed_up(
    parts: Sequence[RunEvaluation],
    classes: Sequence[str],
    remarks: Sequence[str],
    begin: float,
    group_by: Sequence[str] = (),
) -> DiarizationResults:
    """Score all runs together, also by group, and each of several separately."""
    first, several = parts[0], len(parts) > 1
    evaluation_set = results.together(parts) if several else first.evaluation_set
    diarized = results.diarized_by_system(parts)
    return DiarizationResults(
        systems=score_systems(diarized, results.common_posts(parts), classes),
        data=evaluation_set.to_dict(),
        model=first.model,
        environment=environment(None),
        seconds=time.perf_counter() - begin,
        tuning={} if several else first.tuning,
        remarks=(*remarks, *results.differences(parts)),
        runs=tuple(part.scores(classes) for part in parts) if several else (),
        groups=grouped_recordings(diarized[DIARIZER], evaluation_set.sources, group_by, classes),
    )


def draw(
    evaluation_set: Recordings, diarized: Mapping[str, Sequence[DiarizedRecording]], folder: Path
) -> None:
    """Draw the timelines of three recordings: with low, medium and high error."""
    timeline_figure(pictures(evaluation_set, diarized), folder / "timelines.png")


def show(results: DiarizationResults, options: Namespace) -> None:
    """Print the results."""
    if options.json:
        print(json_text(results.to_dict()))
        return
    stdout.print(diarization_table(results))
    for line in tuning_lines(results):
        stdout.print(line, markup=False)
    if options.out is not None:
        stdout.print(f"\nResults, segments and timelines.png are in {options.out}", soft_wrap=True)
