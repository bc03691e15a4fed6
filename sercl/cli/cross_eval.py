"""`sercl cross-eval`: a whole cross-lingual study from one file, continued where it was stopped."""

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import jsonargparse
import lightning.pytorch as L

from sercl.audio.preprocess import PreprocessConfig
from sercl.cli.console import EscapingConsole, progress, stage_progress, stdout
from sercl.cli.cross_eval_report import report
from sercl.cli.failure import advice_if_stopped
from sercl.cli.help import GROUP_HELP, names_of
from sercl.cli.lightning import (
    Parser,
    add_group,
    add_stopping_groups,
    chosen_model,
    path_of_own,
    yaml_text,
)
from sercl.cli.own_settings import ADDRESS, SETUP, refuse_from_files, setup_lines, taken_out, usable_store
from sercl.cli.parser import restrict_imports
from sercl.cli.run_checks import check_precision, check_trainer, devices_of_each
from sercl.cli.run_folder import STUDY, check_holds_study, make_folder
from sercl.data import datamodules
from sercl.data.datamodules.base import Memories
from sercl.errors import UsageError
from sercl.features.config import FeatureConfig
from sercl.files import write_text
from sercl.json_text import json_text
from sercl.launchers import LaunchConfig, get_launcher
from sercl.locks import locked
from sercl.models.adapters import load_methods
from sercl.reports.cross_eval.formats import ALL, grid_report, report_is_current, write_report
from sercl.reports.cross_eval.formats import PAGE as REPORT
from sercl.stopping import raising_stops
from sercl.studies.cross_eval.analysis.analysis import analyse
from sercl.studies.cross_eval.cells import Study
from sercl.studies.cross_eval.plan.corpora import study_root
from sercl.studies.cross_eval.plan.options import StudyOptions
from sercl.studies.cross_eval.run.results import cell_folder
from sercl.studies.cross_eval.run.session import Failures, Session, run_pending
from sercl.studies.cross_eval.run.works import Pending, of_pending
from sercl.studies.cross_eval.study_file import study_to_dict
from sercl.studies.heads.config import ProbeOptions
from sercl.studies.results.groups import check_groups
from sercl.studies.results.records import LOG
from sercl.studies.training.results import environment
from sercl.studies.training.trainers import TRAINER_DEFAULTS, TrainerOptions, quieten
from sercl.tasks.base import EncoderTask
from sercl.tasks.classification import EmotionClassifier

NAME = "cross-eval"
CALL_KEYS = ("config", "out", "json", "dry_run", "no_cache", "launch", "group_by")
"""Options of one call, not of the study: they are not saved in its file."""

SHORT_FORMS = {"--jobs": "--launch.jobs", "--launcher": "--launch.launcher", "--help-all": "--help"}
MODEL = "model"


class StudyCli:
    """A parsed command line.

    Args:
        words: The arguments after `cross-eval`.
    """

    def __init__(self, words: Sequence[str]) -> None:
        quieten()
        restrict_imports()
        datamodules.make_all()
        load_methods()
        self.model_class = chosen_model(words, EmotionClassifier, NAME)
        self.parser = build_parser(self.model_class)
        rest, self.own = taken_out(spelled_out(words), (SETUP, ADDRESS))
        self.config = self.parser.parse_args(rest)
        refuse_from_files(self.config)
        check_precision(self.config["trainer"]["precision"])
        check_trainer(self.config, tests_whole="a study scores every test utterance.")
        self.devices = devices_of_each(self.config["trainer"], "each training of a study")
        if self.group_by and self.config["json"]:
            raise UsageError(
                "--group_by: has no effect with --json, which prints the cells and no scores. Leave one out; "
                "`sercl cross-eval report DIR --group_by` writes groups.csv."
            )

    @property
    def group_by(self) -> list[str]:
        """Columns by which the report scores groups of utterances."""
        return names_of(self.config["group_by"])

    @cached_property
    def built(self) -> Any:
        """Everything that the configuration describes except models, built on first use."""
        return self.parser.instantiate(self.config)

    @property
    def study(self) -> StudyOptions:
        """The options of the study."""
        options: StudyOptions = self.built["study"]
        return options

    @property
    def model_options(self) -> dict[str, Any]:
        """Options of the model for all conditions."""
        options: dict[str, Any] = self.config[MODEL].as_dict()
        return options

    @property
    def trainer_options(self) -> TrainerOptions:
        """How trainers are built."""
        trainer = {**dict(self.built["trainer"]), "devices": self.devices}
        stopping, saving = (self.config[key].as_dict() for key in ("early_stopping", "checkpoint"))
        return TrainerOptions(trainer, stopping, saving)

    def resolve(self, options: dict[str, Any]) -> dict[str, Any]:
        """Complete and check options of the model; raises `UsageError` for an invalid one."""
        parser = Parser(prog=f"sercl {NAME}")
        parser.add_class_arguments(self.model_class, MODEL)
        resolved: dict[str, Any] = parser.parse_object({MODEL: options})[MODEL].as_dict()
        return resolved

    @property
    def probe(self) -> ProbeOptions:
        """How heads on a frozen encoder are trained."""
        options: ProbeOptions = self.built["probe"]
        return options

    @property
    def features(self) -> FeatureConfig:
        """How hidden states of frozen encoders are computed, and where they are stored."""
        return usable_store(self.built["features"])

    @property
    def launch(self) -> LaunchConfig:
        """Where trainings run."""
        config: LaunchConfig = self.built["launch"]
        setup = setup_lines(self.own.get(SETUP)) if config.launcher == "slurm" else []
        ray = replace(config.ray, address=self.own.get(ADDRESS, [""])[-1])
        return replace(config, slurm=replace(config.slurm, setup=setup), ray=ray)

    def save(self, path: Path) -> None:
        """Write `text` to a file atomically."""
        write_text(path, self.text())

    def text(self) -> str:
        """Return the whole study, defaults included, as the YAML that `--config` takes."""
        return yaml_text(self.parser, self.config, CALL_KEYS, ("root", "lists", "test_list", "dir"))


_CONFIG_HELP = "The study; configs/paper/study.yaml is one to start from."
_OUT_HELP = "Folder of the study: results, report, and the state to continue from."
_DRY_HELP = "Show the cells, which of them are done, and an estimate of the remaining time; run nothing."


def build_parser(model_class: type[EncoderTask] = EmotionClassifier) -> Parser:
    """Return the parser of the command.

    Args:
        model_class: Class of the models that are trained.
    """
    parser = Parser(prog=f"sercl {NAME}", description="Run a whole cross-lingual study from one file.")
    config = jsonargparse.ActionConfigFile  # type: ignore[attr-defined]
    parser.add_argument("-c", "--config", action=config, help=_CONFIG_HELP)
    parser.add_argument("--out", type=str | None, default=None, help=_OUT_HELP)
    parser.add_argument("--dry-run", action="store_true", help=_DRY_HELP)
    parser.add_argument("--json", action="store_true", help="Print the study as JSON.")
    parser.add_argument("--group_by", nargs="+", default=[], help=GROUP_HELP)
    parser.add_argument(
        "--no-cache",
        action="store_true",
        help="Check audio and compute hidden states again; cache neither.",
    )
    parser.add_class_arguments(StudyOptions, "study")
    parser.model_path = path_of_own(model_class)
    parser.add_class_arguments(model_class, MODEL, instantiate=False)
    parser.add_class_arguments(ProbeOptions, "probe")
    parser.add_class_arguments(FeatureConfig, "features")
    parser.add_class_arguments(PreprocessConfig, "preprocess")
    parser.add_class_arguments(LaunchConfig, "launch")
    add_group(parser, "trainer", L.Trainer, TRAINER_DEFAULTS)
    add_stopping_groups(parser)
    return parser


def spelled_out(words: Sequence[str]) -> list[str]:
    """Return the arguments with short forms of options expanded."""
    pairs = (word.partition("=") for word in words)
    return [SHORT_FORMS.get(name, name) + sign + value for name, sign, value in pairs]


def parsed() -> StudyCli:
    """Parse the arguments of the process."""
    return StudyCli(sys.argv[1:])


def main() -> int:
    """Run `sercl cross-eval` with the arguments of the process."""
    return run(parsed())


def run(cli: StudyCli) -> int:
    """Run or show the study of a parsed command line; return 1 if a training failed."""
    begin = time.perf_counter()
    folder = _folder(cli)
    if cli.config["dry_run"]:
        return _dry_run(cli, folder)
    kept = f"What is done is kept: the same command continues the study in {folder}."
    with locked(folder), advice_if_stopped(kept), raising_stops(), ExitStack() as stack:
        _claim(folder)
        features = stack.enter_context(_features(cli))
        session = prepare(cli, folder, features)
        cli.save(folder / STUDY)
        missing = session.pending()
        failures = _train(cli, session, missing, features)
        return _finish(cli, session, missing, failures, begin)


def prepare(cli: StudyCli, folder: Path, features: FeatureConfig) -> Session:
    """Check everything in the study, make the folds of its corpora, and plan its cells."""
    cached = not cli.config["no_cache"]
    with stage_progress() as on_progress:
        session = Session.open(
            cli.study,
            model=cli.model_options,
            probe=cli.probe,
            trainer=cli.trainer_options,
            precision=features.precision,
            resolve=cli.resolve,
            folder=folder,
            preprocess=cli.built["preprocess"],
            memories=Memories.stored_in(cli.features.folder) if cached else Memories(),
            on_progress=on_progress,
            model_class=cli.parser.model_path,
        )
    check_groups(session.plan.tested, cli.group_by)
    _check_devices(cli, session)
    return session


def _check_devices(cli: StudyCli, session: Session) -> None:
    """Refuse several devices that no training would have."""
    if cli.devices == 1:
        return
    if all(item.training.is_frozen for item in session.plan.cells):
        raise UsageError(
            f"--trainer.devices {cli.devices}: has no effect, since heads on frozen encoders are trained on "
            "one device, and this study has no adapters. Leave it out; --jobs trains in several processes."
        )
    cli.launch.check_devices(cli.devices)
    if cli.launch.launcher == "local":
        cli.trainer_options.build()  # which refuses devices that this machine does not have


def _train(cli: StudyCli, session: Session, missing: Pending, features: FeatureConfig) -> Failures:
    if not missing.cells:
        return Failures()
    # Work in this process has its output redirected to a log: the bar stays on the terminal.
    console = EscapingConsole(sys.stderr)
    launcher = get_launcher(cli.launch, cli.devices)
    with stage_progress() as on_progress:
        workshop = session.workshop(features, cli.trainer_options, on_progress)
        waves = list(workshop.waves(missing))
    session.encoders.release()  # each fit loads its own
    total = sum(task.steps for wave in waves for task in wave)
    with progress("trainings", total, console) as advance:
        return run_pending(waves, session.results, launcher, lambda task, _: advance(task.steps))


def _finish(cli: StudyCli, session: Session, missing: Pending, failures: Failures, begin: float) -> int:
    """Write the results and the report if anything is new, and print a summary."""
    study = session.collected() if not missing.cells else None
    if study is None:
        study = session.collect(failures.cells, environment(None), time.perf_counter() - begin)
    _show(cli, session, study, bool(missing.cells))
    return 1 if study.has_failed else 0


def _show(cli: StudyCli, session: Session, study: Study, is_new: bool) -> None:
    page = session.folder / REPORT
    # A report that is current may be of other groups.
    is_current = not (is_new or cli.group_by) and report_is_current(session.folder, study)
    if cli.config["json"]:
        _show_json(study, session.folder if page.is_file() and not is_current else None)
        return
    if is_current:
        stdout.print(f"Nothing to do: all {len(study.records)} cells are done, as of {study.created}.")
        stdout.print(f"Report: {page}", soft_wrap=True)
    elif any(record.status == "done" for record in study.records):
        report(session.folder, list(ALL), study=study, group_by=cli.group_by)
    for line in failure_lines(study, session.folder):
        stdout.print(line, soft_wrap=True, style="red")


def _show_json(study: Study, outdated: Path | None) -> None:
    """Print a study as JSON; an outdated report in the folder is rewritten."""
    if outdated is not None:
        write_report(analyse(outdated, study), outdated)
    print(json_text(study_to_dict(study)))


def failure_lines(study: Study, folder: Path) -> list[str]:
    """Return a line for each computation that failed, with the path of its log."""
    failed = {record.address: record for record in study.records if record.status == "failed"}
    lines = [
        f"Failed: {record.cell.condition.label}, fold {record.cell.fold}, seed {record.cell.seed}: "
        f"{record.error} Log: {cell_folder(folder, address) / LOG}"
        for address, record in failed.items()
    ]
    # Where the cell itself failed, its source cannot be tested, and the line above says why.
    cells = {record.cell for record in failed.values()}
    return lines + [
        f"Failed: test of {record.corpus} for {record.cell.condition.label}, fold {record.cell.fold}, seed "
        f"{record.cell.seed}: {record.error}"
        for record in study.forgetting
        if record.status == "failed" and record.cell not in cells
    ]


def _dry_run(cli: StudyCli, folder: Path) -> int:
    """Show the cells, which of them are done and how long the rest will take; run and write nothing."""
    session = prepare(cli, folder, cli.features)
    missing = session.pending()
    time_left = of_pending(missing, session.plan, session.results, max(1, cli.launch.jobs))
    stdout.print(grid_report(session.plan, missing, time_left))
    return 0


def _folder(cli: StudyCli) -> Path:
    if cli.config["out"] is None:
        raise UsageError("missing: --out. Give the folder of the study; finished cells in it are kept.")
    return study_root(Path(cli.config["out"]))


def _claim(folder: Path) -> None:
    """Prepare the folder; one that contains something other than a study is refused."""
    check_holds_study(folder)
    make_folder(folder)


@contextmanager
def _features(cli: StudyCli) -> Iterator[FeatureConfig]:
    """Yield where hidden states are stored; with `--no-cache` a temporary folder."""
    if not cli.config["no_cache"]:
        yield cli.features
        return
    with tempfile.TemporaryDirectory(prefix="sercl-features-") as folder:
        yield replace(cli.features, dir=folder)
