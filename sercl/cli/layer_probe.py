"""`sercl layer-probe`: which layer of a frozen encoder encodes emotion best."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sercl.cli.console import progress, stage_progress, stdout
from sercl.cli.fit import set_up
from sercl.cli.lightning import Cli
from sercl.cli.processes import is_first, restartable
from sercl.cli.run_checks import check_resumed
from sercl.cli.run_folder import FOLDS, check_still_there, make_folder, probe_folder, run_folder
from sercl.corpora.folds import save_fold
from sercl.errors import UsageError
from sercl.features.extraction import features_of
from sercl.features.stored import StoredFeatures
from sercl.json_text import json_text
from sercl.models.heads import HEADS
from sercl.models.losses import LOSSES
from sercl.reports.data import folds_lines
from sercl.reports.probing import probe_groups, probe_table, write_layer_tables
from sercl.reports.probing_figure import probe_figure
from sercl.studies.layer_probe.folds import (
    LayerProbe,
    LayerProbeOptions,
    check_grouping,
    cut_folds,
    describe_folds,
    epochs_of,
    probe_study,
    probe_tasks,
    save,
    with_groups,
)
from sercl.studies.layer_probe.summary import ProbeResults
from sercl.studies.layer_probe.task import ProbeTask
from sercl.studies.results.records import CONFIG
from sercl.studies.training.results import environment
from sercl.tasks.optim import OWN_SCHEDULES
from sercl.tasks.sharding import check_shardable

SHORT_FORMS = {"--encoder": "--model.encoder", "--probe": "--probe.preset"}
POOLINGS = ("mean", "mean+std")

_OWN_PROBES = "without effect, since layer-probe trains probes of its own on the encoder"
_TRAINING_GROUPS = ("--early_stopping.", "--checkpoint.")
_TRAINING = frozenset(
    f"--trainer.{name}"
    for name in (
        *("max_epochs", "min_epochs", "max_steps", "min_steps", "max_time", "limit_train_batches"),
        *("accumulate_grad_batches", "gradient_clip_val", "gradient_clip_algorithm"),
        *("check_val_every_n_epoch", "val_check_interval"),
    )
)


def main() -> int:
    """Run `sercl layer-probe` with the arguments of the process."""
    sys.argv[1:] = spelled_out(sys.argv[1:])
    refuse_training(sys.argv[1:])
    run(Cli("layer-probe", options=("probe", LayerProbeOptions)))
    return 0


def spelled_out(words: Sequence[str]) -> list[str]:
    """Return the arguments with short forms of options expanded."""
    forms = {**SHORT_FORMS, "--help-all": "--help"}
    return [
        forms.get(name, name) + sign + value for name, sign, value in (word.partition("=") for word in words)
    ]


def refuse_training(words: Sequence[str]) -> None:
    """Raise `UsageError` for options of a training, which have no effect on probes.

    Those in a YAML are left alone: it may be one of `sercl fit`.
    """
    for word in words:
        option = word.partition("=")[0]
        if option.startswith(_TRAINING_GROUPS) or option in _TRAINING:
            raise UsageError(
                f"{option}: {_OWN_PROBES} (--probe.max_epochs, --probe.lr and others). Leave it out."
            )


def run(cli: Cli) -> LayerProbe | None:
    """Run the probes of a parsed command line, and show the results, on the first process only."""
    begin = time.perf_counter()
    check(cli)
    with _claimed(cli) as folder:
        with restartable(cli.command):
            tasks, folds, features = prepare(cli, folder)
        if not is_first():
            return None
        results = tuple(train(cli, task, features) for task in tasks)
        probe = LayerProbe(
            name=cli.data.report.name,
            results=with_groups(results, cli.group_by),
            encoder=_describe_encoder(cli),
            data=describe_folds(folds, cli.data),
            environment=environment(cli.config["seed_everything"]),
            seconds=time.perf_counter() - begin,
        )
        check_still_there(folder)
        save(probe, folder)
        show(probe, folder, cli.config["json"])
        return probe


def check(cli: Cli) -> None:
    """Refuse a model that cannot be probed, and keep every hidden state."""
    model = cli.config["model"]
    if model["adapter"] != "none":
        raise UsageError(
            f"--model.adapter {model['adapter']}: only the pre-trained encoder is probed. "
            "Leave it out, or set it to none."
        )
    if model["pooling"] not in POOLINGS:
        raise UsageError(f"--model.pooling {model['pooling']}: probes use {' or '.join(POOLINGS)}.")
    _check_own_probes(cli, model)
    model["layer"] = "auto"  # a YAML of `sercl fit` may name one, which would drop the others


def _check_own_probes(cli: Cli, model: Any) -> None:
    """Refuse parts of a model that have no effect: probes have heads and an optimiser of their own."""
    given = []
    if cli.model_path is not None:
        given.append(f"--model {cli.model_path}")
    if model["head"] not in HEADS:
        given.append("--model.head")
    if model["loss"] not in LOSSES:
        given.append("--model.loss")
    if model["optimizer"]["algorithm"] != "adamw":
        given.append("--model.optimizer.algorithm")
    if model["optimizer"]["schedule"] not in OWN_SCHEDULES:
        given.append("--model.optimizer.schedule")
    if given:
        raise UsageError(f"{', '.join(given)}: {_OWN_PROBES} (--probe.head, --probe.lr). Leave them out.")


@contextmanager
def _claimed(cli: Cli) -> Iterator[Path]:
    config = cli.config
    folder = Path(config["out"] or probe_folder(config))
    if not is_first():
        yield folder
        return
    with run_folder(folder, config["resume"], config["overwrite"]):
        if config["resume"]:
            check_resumed(folder / CONFIG, cli.config_text())
        yield folder


def prepare(cli: Cli, folder: Path) -> tuple[list[ProbeTask], list[Any], StoredFeatures]:
    """Check the data, make every fold, save configuration and lists, and get the hidden states."""
    cli.data.use_every_part()
    trainer = cli.build_trainer()
    check_shardable(cli.task, trainer)
    set_up(cli)
    folds = cut_folds(cli.data)
    tasks = probe_tasks(cli.data, folds, probe_options(cli))
    check_grouping(tasks, cli.data, cli.group_by)
    if is_first():
        _keep(cli, folds, folder)
    with stage_progress() as on_progress:
        features = features_of(
            cli.task.encoder,
            cli.data,
            trainer,
            pooling=cli.config["model"]["pooling"],
            config=cli.features,
            cache=cli.cache,
            on_progress=on_progress,
        )
    return tasks, folds, features


def probe_options(cli: Cli) -> LayerProbeOptions:
    """Return the options of the group `--probe`."""
    options: LayerProbeOptions = cli.built["probe"]
    return options


def _keep(cli: Cli, folds: list[Any], folder: Path) -> None:
    if cli.config["overwrite"]:
        make_folder(folder, fresh=True)
    cli.save_config(folder / CONFIG)
    for index, fold in enumerate(folds):
        path = folder / FOLDS / f"fold{index}"
        for name, own in fold.items():
            save_fold(own, path if len(fold) == 1 else path / name)
    if not cli.config["json"]:
        encoder = cli.task.encoder
        stdout.print(folds_lines(describe_folds(folds, cli.data)))
        stdout.print(f"Encoder: {encoder.name} ({encoder.family}, {encoder.num_states} hidden states)")


def train(cli: Cli, task: ProbeTask, features: StoredFeatures) -> ProbeResults:
    """Train the probes of one task, with a progress bar."""
    options = probe_options(cli)
    config, layers = options.config(), options.layers
    count = len(layers) if layers is not None else len(features.space.states)
    total = epochs_of(task, config, count, options.control, options.weighted)
    with progress(f"probes: {task.target}, {task.setting}", total) as advance:
        return probe_study(
            features.stack(task.ids),
            task,
            config,
            layers=layers,
            control=options.control,
            weighted=options.weighted,
            device=cli.build_trainer().strategy.root_device,
            on_epochs=advance,
        )


def _describe_encoder(cli: Cli) -> dict[str, Any]:
    encoder = cli.task.encoder
    return {
        "name": encoder.name,
        "family": encoder.family,
        "fingerprint": encoder.fingerprint,
        "blocks": len(encoder.blocks),
        "preprocessing": {**encoder.preprocessing, **cli.data.preprocess.settings()},
        "pooling": cli.config["model"]["pooling"],
        "precision": cli.features.precision,
    }


def show(probe: LayerProbe, folder: Path, as_json: bool) -> None:
    """Draw the figure and print the tables, with the option to use the best layer for emotion."""
    title = f"{probe.name}, {Path(probe.encoder['name']).name}"
    for suffix in ("png", "svg", "pdf"):
        probe_figure(probe.results, folder / f"layers.{suffix}", title)
    write_layer_tables(probe.results, folder, title)
    if as_json:
        print(json_text(probe.to_dict()))
        return
    for result in probe.results:
        stdout.print("", probe_table(result))
        if result.groups:
            stdout.print("", probe_groups(result))
    stdout.print(
        f"\nFigure and tables are in {folder}: layers.png, .svg, .pdf, .md, .tex, .csv; predictions.csv",
        soft_wrap=True,
    )
