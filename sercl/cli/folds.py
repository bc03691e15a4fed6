"""`sercl fit` and `sercl diarize fit` on all folds, and with several seeds: one run for each, one result."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import Namespace

from sercl.cli import fit
from sercl.cli.console import EscapingConsole, progress, stdout
from sercl.cli.lightning import Cli
from sercl.cli.run_checks import check_final, check_seed, devices_of_each
from sercl.cli.run_folder import make_folder
from sercl.counting import count
from sercl.documents import parse_yaml, read_yaml
from sercl.errors import DocumentError, UsageError
from sercl.files import write_text
from sercl.json_text import json_text
from sercl.launchers import LaunchConfig, Work, get_launcher, on_devices
from sercl.reports.forgetting import forgetting_text
from sercl.reports.results import confusion_figure, confusion_text, folds_table, results_table
from sercl.studies.results.predictions import PREDICTIONS
from sercl.studies.results.records import CONFIG, LOG, RESULTS
from sercl.studies.training.final import add_estimate, final_config
from sercl.studies.training.folds import FoldRun, first_index, has_all, is_done, planned, pool, with_fold
from sercl.studies.training.results import RunResults, read, save
from sercl.studies.training.stages import StageResult
from sercl.tasks.checkpoint_paths import FINAL
from sercl.tasks.sharding import check_shardable

Failures = Mapping[FoldRun, str]
"""Training -> why it failed."""


@dataclass(frozen=True)
class Command:
    """How one of the commands trains a fold, and what it does with all of them.

    Attributes:
        check: Raises for options with which no fold could be trained, and prepares what all folds share.
        train: Trains one fold, as the arguments of the process say.
        finish: Scores all folds together, and shows the results.
        stages: Returns what each stage of one training did, from its folder.
        scores: Returns every score of all folds together from their folder, as plain data.
    """

    check: Callable[[Cli], None]
    train: Callable[[], int]
    finish: Callable[[Cli, Path, Sequence[FoldRun], float], None]
    stages: Callable[[Path], Sequence[StageResult]]
    scores: Callable[[Path], dict[str, Any]]


def main() -> int:
    """Run `sercl fit` with the arguments of the process; 1 if a fold failed."""
    cli = Cli("fit")
    if not is_several(cli):
        fit.run(cli)
        return 0
    return run(cli, _FIT)


def is_several(cli: Cli) -> bool:
    """Return whether a command line asks for several trainings.

    Raises:
        UsageError: For parallel processes of a single one.
    """
    has_folds = has_all(_plain(cli)["data"])
    if cli.config["final"] and not has_folds:
        raise UsageError(
            "--final: the model that is trained on everything has the epochs and the layer that the folds "
            "choose. Give --data.folds.index all, too; or, with epochs and layer of your own, instead "
            "--data.folds.scheme none."
        )
    several = cli.config.get("seeds") is not None or has_folds
    if not several and cli.config["jobs"] != 1:
        raise UsageError(
            f"--jobs {cli.config['jobs']}: a single fold is trained. Give --data.folds.index all, or leave "
            "it out."
        )
    return several


def _plain(cli: Cli) -> dict[str, Any]:
    """Return the configuration as plain data."""
    content: dict[str, Any] = parse_yaml(cli.config_text())
    return content


def run(cli: Cli, command: Command) -> int:
    """Train every fold that has no results yet, and score all of them together; 1 if one failed."""
    begin = time.perf_counter()
    _check(cli)
    with fit.claimed(cli) as folder:
        text, plain = cli.config_text(), _plain(cli)
        if cli.config["resume"]:
            _check_seeds_kept(folder / CONFIG, plain.get("seeds"))
        _use_fold(cli, 0)
        _use_one_device(cli)
        command.check(cli)
        if cli.config["final"]:
            check_final(plain, cli.task.optimizer_config)
        fit.set_up(cli)
        fit.check_grouping(cli, None)
        folds = range(cli.data.fold_count) if has_all(plain["data"]) else [first_index(plain["data"])]
        runs = planned(folds, cli.config["seed_everything"], plain.get("seeds"))
        if cli.config["overwrite"]:
            make_folder(folder, fresh=True)
        write_text(folder / CONFIG, text)
        if command.train is fit.main:
            fit.extract_features_of(cli.task, cli)
        failures = _train(cli, command, folder, _missing(folder, runs, plain), _devices(plain))
        if not failures:
            command.finish(cli, folder, runs, time.perf_counter() - begin)
        if not failures and cli.config["final"]:
            failures = _train_final(cli, command, folder, runs, plain)
    return _report(cli, folder, runs, failures)


def _check(cli: Cli) -> None:
    """Raise `UsageError` for devices that several trainings do not take, or for invalid seeds."""
    LaunchConfig(jobs=cli.config["jobs"]).check_devices(_devices(cli.config))
    if (seeds := cli.config.get("seeds")) is None:
        return
    if not seeds or len(set(seeds)) < len(seeds):
        raise UsageError(f"--seeds {seeds}: give one seed or more, each once, such as [0,1,2].")
    for seed in seeds:
        check_seed(seed)


def _devices(config: Mapping[str, Any]) -> int:
    """Return the number of devices of each training."""
    return devices_of_each(config["trainer"], "each of several trainings")


def _use_one_device(cli: Cli) -> None:
    """Check the devices of the trainings, and let this process, which prepares these, use one alone."""
    trainer = cli.built["trainer"]
    trainer["devices"] = _devices(cli.config)
    check_shardable(cli.task, cli.build_trainer())
    trainer["devices"], trainer["strategy"] = 1, "auto"


def _check_seeds_kept(path: Path, seeds: Sequence[int] | None) -> None:
    """Raise `UsageError` if a run would be resumed without seeds that it has; further ones may be added."""
    try:
        stored = read_yaml(path).get("seeds")
    except (OSError, DocumentError):  # reported by `check_resumed`
        return
    if (stored is None) != (seeds is None) or set(stored or ()) - set(seeds or ()):
        raise UsageError(
            f"{path.parent}: --resume continues a run with its original options, but --seeds is {seeds}, was "
            f"{stored}. Give all of these; others may be added."
        )


def _use_fold(cli: Cli, index: int) -> None:
    """Let the data that this process builds be of one fold."""
    _set_index(cli.config["data"], index)


def _set_index(value: Any, index: int) -> None:
    if isinstance(value, list):
        for item in value:
            _set_index(item, index)
    elif isinstance(value, Namespace):
        for name, inner in vars(value).items():
            if name == "folds" and isinstance(inner, Namespace) and has_all({"folds": inner.as_dict()}):
                inner["index"] = index
            _set_index(inner, index)


def _missing(folder: Path, runs: Sequence[FoldRun], plain: Mapping[str, Any]) -> list[FoldRun]:
    """Return the trainings without results, each with its configuration written to its folder.

    Results of a training under other limits are removed: it continues.
    """
    missing = []
    for run in runs:
        own, path = _config_of(run, plain), folder / run.folder / CONFIG
        if not path.is_file() or read_yaml(path) != own:
            write_text(path, yaml.safe_dump(own, sort_keys=False, allow_unicode=True))
            (folder / run.folder / RESULTS).unlink(missing_ok=True)
        if not is_done(folder / run.folder):
            missing.append(run)
    return missing


def _config_of(run: FoldRun, plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration with which `sercl fit` trains one of them."""
    kept = {key: value for key, value in plain.items() if key != "seeds"}
    return {
        **kept,
        "seed_everything": run.seed,
        "data": with_fold(plain["data"], run.fold),
        "trainer": {**plain["trainer"], "devices": _devices(plain)},
    }


def _train(
    cli: Cli, command: Command, folder: Path, missing: Sequence[FoldRun], devices: int
) -> dict[FoldRun, str]:
    """Train, each on some devices, and return the trainings that failed, with their errors."""
    if not missing:
        return {}
    by_name = {run.folder: run for run in missing}
    works = [_work(cli, command, folder / run.folder, run.folder, devices) for run in missing]
    failures = {}
    launcher = get_launcher(LaunchConfig(jobs=cli.config["jobs"]), devices)
    # Work in this process has its output redirected to a log: the bar stays on the terminal.
    with progress("folds", len(works), EscapingConsole(sys.stderr)) as advance:
        for outcome in launcher.run(works):
            advance(1)
            if outcome.error is not None:
                failures[by_name[outcome.name]] = outcome.error
    return failures


def _work(cli: Cli, command: Command, folder: Path, name: str, devices: int) -> Work:
    call = partial(train_one, cli.command, folder, cli.config["no_cache"], command.train)
    log = folder / LOG
    return Work(name, on_devices(call, devices, log), log)


def _train_final(
    cli: Cli, command: Command, folder: Path, runs: Sequence[FoldRun], plain: Mapping[str, Any]
) -> dict[FoldRun, str]:
    """Train the model on everything, unless it is there, and give it the pooled scores as its estimate."""
    own = FoldRun(runs[0].seed, 0, FINAL)
    defaults = cli.parser.get_defaults()
    selection = {group: defaults[group].as_dict() for group in ("early_stopping", "checkpoint")}
    stages = [command.stages(folder / run.folder) for run in runs]
    config, path = final_config(plain, stages, own.seed, selection), folder / FINAL / CONFIG
    if not path.is_file() or read_yaml(path) != config:  # the folds have chosen anew
        make_folder(folder / FINAL, fresh=True)
        write_text(path, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    if failures := _train(cli, command, folder, [] if is_done(folder / FINAL) else [own], _devices(plain)):
        return failures
    found = add_estimate(folder / FINAL, command.scores(folder))
    if not cli.config["json"]:
        _show_final(folder / FINAL, found)
    return {}


def _stages(folder: Path) -> Sequence[StageResult]:
    return read(folder).stages


def _scores(folder: Path) -> dict[str, Any]:
    scores = read(folder).scores
    content = scores.to_dict()
    return {name: content[name] for name in scores.averages}


def _show_final(folder: Path, found: Mapping[str, Any]) -> None:
    state = found["model"]["chosen_state"]
    layer = "weighted layers" if state is None else f"hidden state {state}"
    epochs = " and ".join(count(stage["epochs"], "epoch") for stage in found["stages"])
    stdout.print(
        f"\nFinal model, trained on everything ({layer}, {epochs}, as the folds have chosen): {folder}. It "
        "has no score of its own; those above are its estimate.",
        soft_wrap=True,
    )


def train_one(command: str, folder: Path, no_cache: bool, train: Callable[[], int]) -> None:
    """Train one fold with the configuration in its folder, or continue where it was stopped.

    Args:
        command: "fit" or "diarize fit".
        folder: Folder of the fold.
        no_cache: Whether everything is checked and computed again.
        train: Trains as the arguments of the process say.
    """
    before = sys.argv
    words = ["-c", str(folder / CONFIG), "--out", str(folder), "--resume"]
    sys.argv = [f"sercl {command}", *words, *(["--no-cache"] if no_cache else [])]
    try:
        train()
    finally:
        sys.argv = before


def _report(cli: Cli, folder: Path, runs: Sequence[FoldRun], failures: Failures) -> int:
    """Print what failed; return the exit code."""
    for run, error in failures.items():
        console = EscapingConsole(sys.stderr)
        text = f"Failed: {run.folder}: {error} Log: {folder / run.folder / LOG}"
        console.print(text, soft_wrap=True, style="red", markup=False)
    if failures and FINAL not in {run.folder for run in failures}:
        done = len(runs) - len(failures)
        EscapingConsole(sys.stderr).print(
            f"{done} of {len(runs)} are done; there are no scores of all folds yet. The same command with "
            f"--resume trains the others.",
            soft_wrap=True,
        )
    return 1 if failures else 0


def _check_fit(cli: Cli) -> None:
    fit.check(cli)


def _finish_fit(cli: Cli, folder: Path, runs: Sequence[FoldRun], seconds: float) -> None:
    """Save and show the scores of all test utterances."""
    results, predictions, source_test = pool(folder, runs, seconds, cli.group_by)
    save(results, predictions, folder, source_test)
    scores, title = results.scores, f"{results.data['name']}, test parts of {_counted(runs)}"
    confusion_figure(scores.confusion, scores.classes, folder / "confusion.png", title)
    if cli.config["json"]:
        print(json_text(results.to_dict()))
        return
    _show(results, folder, title)


def _show(results: RunResults, folder: Path, title: str) -> None:
    stdout.print(folds_table(results.folds))
    stdout.print(results_table(results.scores, f"Results: {title}", results.notes))
    stdout.print(confusion_text(results.scores.confusion, results.scores.classes))
    if results.forgetting is not None:
        stdout.print(forgetting_text(results.forgetting))
    fit.show_groups(results)
    stdout.print(f"\nEverything is in {folder}; {PREDICTIONS} holds all folds.", soft_wrap=True)


def _counted(runs: Sequence[FoldRun]) -> str:
    folds, seeds = len({run.fold for run in runs}), len({run.seed for run in runs})
    several = f"{folds} folds" if folds > 1 else f"fold {runs[0].fold}"
    return several + (f", mean of {seeds} seeds" if seeds > 1 else "")


_FIT = Command(_check_fit, fit.main, _finish_fit, _stages, _scores)
