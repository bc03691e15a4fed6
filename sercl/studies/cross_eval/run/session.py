"""A study that is being run: its plan and its execution."""

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sercl.audio.preprocess import PreprocessConfig
from sercl.data.datamodules.base import Memories
from sercl.data.report import Progress
from sercl.errors import ResultsError
from sercl.features.config import FeatureConfig
from sercl.files import write_text
from sercl.launchers import Launcher, Outcome
from sercl.studies.cross_eval.cells import Study
from sercl.studies.cross_eval.plan.corpora import CutCorpus, check_labels, cut_corpora
from sercl.studies.cross_eval.plan.options import StudyOptions
from sercl.studies.cross_eval.plan.planner import Plan, make_plan
from sercl.studies.cross_eval.plan.recipes import Encoders, EncoderSpec, Recipes, Resolve
from sercl.studies.cross_eval.run.results import CellResults, cell_folder, collect, has_known
from sercl.studies.cross_eval.run.works import HiddenStates, Pending, WorkItem, Workshop, pending
from sercl.studies.cross_eval.study_file import FORGETTING, PREDICTIONS, read_study
from sercl.studies.heads.config import ProbeOptions
from sercl.studies.results.records import LOG
from sercl.studies.training.trainers import TrainerOptions

Report = Callable[[WorkItem, Outcome], None]
"""Called with each finished work item."""


@dataclass
class Failures:
    """Failed trainings and cells.

    Attributes:
        trainings: Address of a training -> error.
        cells: Address of a test -> error.
    """

    trainings: dict[str, str] = field(default_factory=dict)
    cells: dict[str, str] = field(default_factory=dict)


def run_pending(
    waves: Iterable[Sequence[WorkItem]],
    results: CellResults,
    launcher: Launcher,
    on_end: Report = lambda task, outcome: None,
) -> Failures:
    """Run every missing work item of a study; a failure affects only the items that depend on it.

    Args:
        waves: The work items; those of a wave depend only on earlier waves.
        results: Results in the folder of the study.
        launcher: Runs them.
        on_end: Called with each finished work item.

    Returns:
        What failed.
    """
    failures = Failures()
    for wave in waves:
        ready = [task for task in wave if not task.needs & failures.trainings.keys()]
        for task in wave:
            if task not in ready:
                _give_up(task, failures, results, on_end)
        by_name = {task.work.name: task for task in ready}
        for outcome in launcher.run([task.work for task in ready]):
            task = by_name[outcome.name]
            if outcome.error is not None:
                _note(task, outcome.error, failures, results)
            on_end(task, outcome)
    return failures


def _give_up(task: WorkItem, failures: Failures, results: CellResults, on_end: Report) -> None:
    (needed,) = task.needs & failures.trainings.keys()
    error = f"the training that it starts from failed: {failures.trainings[needed]}"
    write_text(task.work.log, error + "\n")
    _note(task, error, failures, results)
    on_end(task, Outcome(task.work.name, error, 0.0))


def _note(task: WorkItem, error: str, failures: Failures, results: CellResults) -> None:
    """Record a failure, and copy the log to where the report expects it."""
    for address in task.trainings:
        failures.trainings[address] = error
    for address in task.cells:
        if results.get(address) is not None:  # by a batch, which saves each result, before it failed
            continue
        own_folder = cell_folder(results.folder, address)
        failures.cells[address] = error
        own_folder.mkdir(parents=True, exist_ok=True)
        if task.work.log.is_file():
            shutil.copyfile(task.work.log, own_folder / LOG)


@dataclass(frozen=True)
class Session:
    """A study, planned.

    Attributes:
        results: Results in its folder, which is absolute.
        options: Its options.
        corpora: Its corpora with their folds.
        encoders: Its encoders.
        plan: Its cells.
    """

    results: CellResults
    options: StudyOptions
    corpora: Mapping[str, CutCorpus]
    encoders: Encoders
    plan: Plan

    @classmethod
    def open(
        cls,
        options: StudyOptions,
        *,
        model: dict[str, Any],
        probe: ProbeOptions,
        trainer: TrainerOptions,
        precision: str,
        resolve: Resolve,
        folder: Path,
        preprocess: PreprocessConfig = PreprocessConfig.RAW,
        memories: Memories = Memories(),
        on_progress: Progress | None = None,
        model_class: str | None = None,
    ) -> "Session":
        """Check and plan a study; nothing is trained.

        Args:
            options: Its options.
            model: Options of the model for all conditions.
            probe: Options of heads on a frozen encoder.
            trainer: How trainers are built.
            precision: Of stored hidden states.
            resolve: Completes and checks options of the model.
            folder: Its folder.
            preprocess: What is done to clips before the encoders.
            memories: Caches of earlier audio checks and searches for speech.
            on_progress: Called with the progress of reading encoders, checking audio and planning.
            model_class: Import path of the model's class, if it is the user's own.

        Raises:
            SerclError: For any error in the options, the encoders or the corpora.
        """
        check_labels(options.corpora)
        for data in options.corpora.values():
            data.list_corpora()  # before the encoders, which may be fetched
        encoders = Encoders(precision, preprocess)
        label_map = next(iter(options.corpora.values())).label_map
        recipes = Recipes(options, model, probe, trainer, label_map, encoders, resolve, model_class)
        recipes.check(on_progress)
        for data in options.corpora.values():
            data.use_preprocessing(preprocess)
        corpora = cut_corpora(options.corpora, on_progress, memories)
        plan = make_plan(options, corpora, recipes, on_progress)
        return cls(CellResults(folder), options, corpora, encoders, plan)

    @property
    def folder(self) -> Path:
        """Its folder."""
        return self.results.folder

    @property
    def label_map(self) -> dict[str, list[str]]:
        """Class -> emotions that belong to it."""
        return next(iter(self.options.corpora.values())).label_map

    def pending(self) -> Pending:
        """Return what is missing from the folder."""
        return pending(self.plan, self.results)

    def workshop(
        self, features: FeatureConfig, trainer: TrainerOptions, on_progress: Progress | None = None
    ) -> Workshop:
        """Return the factory of work items, which also computes hidden states."""
        runner = trainer.on_one_device().build()
        states = HiddenStates(self.corpora, self.encoders, runner, features, on_progress)
        device = str(runner.strategy.root_device)
        return Workshop(self.folder, self.label_map, trainer, self.encoders, states, device, features)

    @cached_property
    def earlier(self) -> Study | None:
        """The study that an earlier run wrote into the folder; None where none is complete."""
        try:
            return read_study(self.folder)
        except ResultsError:
            return None

    def collected(self) -> Study | None:
        """Return the study stored in the folder, None if it differs from the current plan."""
        study = self.earlier
        if study is None:
            return None
        described = {name: corpus.facts for name, corpus in self.corpora.items()}
        files = [PREDICTIONS, *([FORGETTING] if study.forgetting else [])]
        is_whole = all((self.folder / name).is_file() for name in files)
        is_whole = is_whole and has_known(self.folder / PREDICTIONS, self.plan)
        is_same = study.corpora == described and study.warnings == self.plan.remarks
        return study if is_whole and is_same and _stored(study) == _planned(self.plan) else None

    def collect(self, failures: Mapping[str, str], environment: Mapping[str, Any], seconds: float) -> Study:
        """Write the files of the study and return it; see `results.collect`.

        Args:
            failures: Address -> error, of cells that failed in this run.
            environment: Versions and command line.
            seconds: Wall-clock time of this run.
        """
        before = 0.0 if self.earlier is None else self.earlier.seconds
        described = {name: self.encoders.described(self._spec(name)) for name in self._encoders_in_use}
        return collect(
            self.plan,
            self.results,
            failures,
            {name: corpus.facts for name, corpus in self.corpora.items()},
            described,
            self.label_map,
            environment,
            before + seconds,
        )

    @property
    def _encoders_in_use(self) -> list[str]:
        """Names of the encoders that have a cell: exclusions may leave one without any."""
        used = {item.cell.condition.encoder for item in self.plan.cells}
        return [name for name in self.options.encoder_options if name in used]

    def _spec(self, encoder: str) -> EncoderSpec:
        used = next(item for item in self.plan.cells if item.cell.condition.encoder == encoder)
        return EncoderSpec.of(used.training.recipe.model)


def _stored(study: Study) -> set[tuple[object, ...]]:
    """Return every test of a study with its addresses and status."""
    cells = {(own.cell, own.address, own.status) for own in study.records}
    sources = {(own.cell, own.corpus, own.before, own.after, own.status) for own in study.forgetting}
    return {*cells, *sources}


def _planned(plan: Plan) -> set[tuple[object, ...]]:
    """Return what `_stored` is where all of a plan is done."""
    cells = {(item.cell, item.address, "done") for item in plan.cells}
    return {*cells, *((item.cell, item.test.corpus, *item.addresses, "done") for item in plan.forgetting)}
