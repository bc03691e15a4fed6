"""The parser of `sercl cross-eval`: the groups of `fit`, a study in place of the data."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import jsonargparse
import lightning.pytorch as L

from sercl.cli.lightning import (
    TRAINER_DEFAULTS,
    Parser,
    add_group,
    add_stopping_groups,
    quieten,
    yaml_text,
)
from sercl.cli.own_settings import ADDRESS, SETUP, refuse_from_files, setup_lines, taken_out, usable_store
from sercl.cli.parser import restrict_imports
from sercl.cli.run_checks import check_precision, check_trainer
from sercl.errors import UsageError
from sercl.features.config import FeatureConfig
from sercl.files import write_text
from sercl.launchers import LaunchConfig
from sercl.studies.cross_eval.plan.options import StudyOptions
from sercl.studies.heads.config import ProbeOptions
from sercl.studies.training.trainers import TrainerOptions
from sercl.tasks.classification import EmotionClassifier

NAME = "cross-eval"
CALL_KEYS = ("config", "out", "json", "dry_run", "no_cache", "launch")
"""Options of one call, not of the study: they are left out of its file."""

SHORT_FORMS = {"--jobs": "--launch.jobs", "--launcher": "--launch.launcher", "--help-all": "--help"}
MODEL = "model"


class StudyCli:
    """A parsed command line.

    Args:
        words: Those after `cross-eval`.
    """

    def __init__(self, words: Sequence[str]) -> None:
        quieten()
        restrict_imports()
        self.parser = build_parser()
        rest, self.own = taken_out(spelled_out(words), (SETUP, ADDRESS))
        self.config = self.parser.parse_args(rest)
        refuse_from_files(self.config)
        check_precision(self.config["trainer"]["precision"])
        check_trainer(self.config, tests_whole="a study scores every test utterance.")
        _check_devices(self.config["trainer"])

    @cached_property
    def built(self) -> Any:
        """Everything the configuration describes but models, built at first use."""
        return self.parser.instantiate(self.config)

    @property
    def study(self) -> StudyOptions:
        """What the study crosses."""
        options: StudyOptions = self.built["study"]
        return options

    @property
    def model_options(self) -> dict[str, Any]:
        """Options of the model that hold for all."""
        options: dict[str, Any] = self.config[MODEL].as_dict()
        return options

    @property
    def trainer_options(self) -> TrainerOptions:
        """How trainers are built; each takes one device."""
        trainer = {**dict(self.built["trainer"]), "devices": 1, "num_nodes": 1}
        stopping, saving = (self.config[key].as_dict() for key in ("early_stopping", "checkpoint"))
        return TrainerOptions(trainer, stopping, saving)

    def resolve(self, options: dict[str, Any]) -> dict[str, Any]:
        """Fill in and check options of the model; raises `UsageError` for one that is not valid."""
        parser = Parser(prog=f"sercl {NAME}")
        parser.add_class_arguments(EmotionClassifier, MODEL)
        resolved: dict[str, Any] = parser.parse_object({MODEL: options})[MODEL].as_dict()
        return resolved

    @property
    def probe(self) -> ProbeOptions:
        """How heads on a frozen encoder are trained."""
        options: ProbeOptions = self.built["probe"]
        return options

    @property
    def features(self) -> FeatureConfig:
        """How hidden states of frozen encoders are computed, and where they are kept."""
        return usable_store(self.built["features"])

    @property
    def launch(self) -> LaunchConfig:
        """Where trainings run."""
        config: LaunchConfig = self.built["launch"]
        setup = setup_lines(self.own.get(SETUP)) if config.launcher == "slurm" else []
        ray = replace(config.ray, address=self.own.get(ADDRESS, [""])[-1])
        return replace(config, slurm=replace(config.slurm, setup=setup), ray=ray)

    def save(self, path: Path) -> None:
        """Write `text` to a file, whole or not at all."""
        write_text(path, self.text())

    def text(self) -> str:
        """Return the whole study, defaults included, as the YAML that `--config` takes."""
        return yaml_text(self.parser, self.config, CALL_KEYS, ("root", "lists", "test_list", "dir"))


def build_parser() -> Parser:
    """Return the parser of the command."""
    parser = Parser(prog=f"sercl {NAME}", description="Run a whole cross-lingual study from one file.")
    config = jsonargparse.ActionConfigFile  # type: ignore[attr-defined]
    parser.add_argument("-c", "--config", action=config, help="YAML with any of the options.")
    parser.add_argument("--out", type=str | None, default=None, help="Folder of the study.")
    parser.add_argument("--dry-run", action="store_true", help="Show what would be run, and run nothing.")
    parser.add_argument("--json", action="store_true", help="Print the study as JSON on standard output.")
    parser.add_argument(
        "--no-cache",
        action="store_true",
        help="Check audio and compute hidden states anew; keep neither.",
    )
    parser.add_class_arguments(StudyOptions, "study")
    parser.add_class_arguments(EmotionClassifier, MODEL, instantiate=False)
    parser.add_class_arguments(ProbeOptions, "probe")
    parser.add_class_arguments(FeatureConfig, "features")
    parser.add_class_arguments(LaunchConfig, "launch")
    add_group(parser, "trainer", L.Trainer, TRAINER_DEFAULTS)
    add_stopping_groups(parser)
    return parser


def spelled_out(words: Sequence[str]) -> list[str]:
    """Return the words with short forms of options in their long ones."""
    pairs = (word.partition("=") for word in words)
    return [SHORT_FORMS.get(name, name) + sign + value for name, sign, value in pairs]


def _check_devices(trainer: Any) -> None:
    for name, legal in (("devices", ("auto", 1, "1")), ("num_nodes", (1,))):
        if trainer[name] not in legal:
            raise UsageError(
                f"--trainer.{name} {trainer[name]}: a training of a study takes one device. --jobs runs "
                "several side by side, each on a device of its own."
            )


def parsed() -> StudyCli:
    """Parse the words of the process."""
    return StudyCli(sys.argv[1:])
