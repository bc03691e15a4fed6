"""What `sercl diarize evaluate` judges, and which systems are compared on it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sercl.cli.console import stderr
from sercl.cli.data_progress import stage_progress
from sercl.cli.diarize.runs import Run, Trained
from sercl.data.datamodules.base import EmotionDataModule
from sercl.data.datamodules.corpus import CorpusDataModule
from sercl.data.datamodules.diarization import Diarization
from sercl.errors import SpeakerOverlapError, UsageError
from sercl.studies.diarization.judged import System
from sercl.studies.diarization.recordings import Judging, clips_of, is_judged_whole, recordings_of
from sercl.studies.diarization.results import DIARIZER, SLIDING
from sercl.studies.results import known_recordings, known_voices
from sercl.tasks.classification import EmotionClassifier
from sercl.tasks.devices import find_device
from sercl.tasks.diarization import EmotionDiarizer
from sercl.tasks.diarizer import Diarizer
from sercl.tasks.sliding import SlidingClassifier

if TYPE_CHECKING:
    from jsonargparse import Namespace


def load_systems(run: Run, options: "Namespace") -> tuple[EmotionDiarizer, dict[str, System]]:
    """Return the diarizer of a run, and all its systems that hear recordings.

    Raises:
        CheckpointError: For a checkpoint whose encoder has changed.
        EncoderError: Where an encoder cannot be loaded.
        UsageError: For a device that is not there, or windows that cannot be.
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


class Sources:
    """The data of an evaluation: those of the command line, and those of the run that trained the model.

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
    def tested(self) -> list[str]:
        """Ids of the utterances that the run's own test clips are built of."""
        return [f"{item.corpus} {item.id}" for item in self._own().splits["test"].utterances]

    def judged(self) -> Judging:
        """Return what is judged: a corpus with segments whole, else clips of the test part.

        Raises:
            UsageError: For data of other classes than the model's, or none at all.
            CorpusError: For data that cannot be used.
        """
        data = self._given()
        if data is None:
            own = self._own()
            self._allows_overlap = own.allows_speaker_overlap
            return clips_of(own, "test")
        self._check_classes(data)
        self._allows_overlap = data.allows_speaker_overlap
        if isinstance(data, CorpusDataModule) and is_judged_whole(data):
            with stage_progress() as on_progress:
                return recordings_of(data, on_progress)
        return clips_of(_ready(_with_clips(data)), "test")

    def validation(self) -> Judging:
        """Return the validation clips of the run: what post-processing may be chosen on.

        Raises:
            UsageError: Where the run's configuration is not beside the checkpoint.
        """
        return clips_of(self._own(), "validation")

    def heard_before(self, judging: Judging) -> list[str]:
        """Return notes on recordings and speakers that a model was trained or selected on, or nothing.

        Raises:
            SpeakerOverlapError: If it was trained on any speaker and the data do not allow it.
        """
        run = self._run
        notes = self._known(run.diarizer, judging)
        others = [] if run.baseline is None else self._known(run.baseline, judging)
        return [*notes, *(f"the baseline is {note}" for note in others)]

    def _known(self, model: Trained, judging: Judging) -> list[str]:
        try:
            return [
                *known_voices(model.heard, judging.speakers, "test", self._allows_overlap),
                *known_recordings(model.recordings, judging.takes, "test", judging.trained),
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
            self._data = _ready(_run_data(self._run.diarizer.path))
            self._check_classes(self._data)
        return self._data

    def _check_classes(self, data: EmotionDataModule) -> None:
        if list(data.label_map.items()) != list(self._run.diarizer.labels.items()):
            raise UsageError(
                f"the checkpoint's classes are {self._run.diarizer.labels}, the data's {data.label_map}: set "
                "--data.labels."
            )


def _run_data(checkpoint: Path) -> Diarization:
    """Return the data of the configuration that lies beside a checkpoint."""
    from sercl.cli.diarize.evaluate import build_parser

    path = checkpoint.parent / "config.yaml"
    if not path.is_file():
        raise UsageError(
            f"{checkpoint}: no config.yaml beside it, which names the run's data. Say what to evaluate it on "
            "(--data NAME --data.root DIR); post-processing can be chosen on the run's own data alone."
        )
    data = _instantiated(build_parser().parse_args([str(checkpoint), "--config", str(path)]))
    if not isinstance(data, Diarization):
        raise UsageError(f"{path}: its data are {type(data).__name__}, not of a diarizer.")
    return data


def _instantiated(options: "Namespace") -> Any:
    from sercl.cli.diarize.evaluate import build_parser

    return build_parser().instantiate_classes(options)["data"]


def _with_clips(data: EmotionDataModule) -> Diarization:
    if isinstance(data, Diarization):
        return data
    if not isinstance(data, CorpusDataModule):
        raise UsageError(f"--data {type(data).__name__}: clips are built from single corpora. Name one.")
    return Diarization([data], loader=data.loader_config)


def _ready(data: Diarization) -> Diarization:
    with stage_progress() as on_progress:
        data.on_progress = on_progress
        data.setup()
    data.on_progress = None
    return data
