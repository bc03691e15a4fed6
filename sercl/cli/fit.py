"""`sercl fit`: train, evaluate on the test part, and write everything into the folder of the run."""

import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lightning.pytorch import Trainer

from sercl.cli.console import from_here, stage_progress, stderr, stdout
from sercl.cli.lightning import Cli
from sercl.cli.processes import is_first, restartable
from sercl.cli.run_checks import check_continuation, check_monitors, check_resumed
from sercl.cli.run_folder import (
    FOLDS,
    check_still_there,
    default_folder,
    forget_results,
    make_folder,
    run_folder,
)
from sercl.data.datamodules.base import Memories
from sercl.errors import UsageError
from sercl.json_text import json_text
from sercl.reports.data import data_table
from sercl.reports.forgetting import forgetting_text
from sercl.reports.groups import groups_report
from sercl.reports.results import confusion_figure, confusion_text, model_lines, results_table, stages_table
from sercl.studies.results.groups import check_groups
from sercl.studies.results.records import CONFIG, RESULTS
from sercl.studies.training import final
from sercl.studies.training.fit import extract_features, score, score_source, stage_folders, train
from sercl.studies.training.results import RunResults, describe_model, save, summarise
from sercl.studies.training.resuming import check_limits
from sercl.studies.training.stages import StageResult
from sercl.tasks.base import EncoderTask
from sercl.tasks.classification import ClassifierEnsemble, EmotionClassifier
from sercl.tasks.sharding import check_shardable, is_sharded, own_class

ADAPTER = "adapter"
"""Folder of a run with its LoRA, or its method of peft, in peft's own format."""


def main() -> int:
    """Run `sercl fit` with the arguments of the process."""
    run(Cli("fit"))
    return 0


def run(cli: Cli) -> None:
    """Train and evaluate as a parsed command line says, and show the results."""
    config, begin = cli.config, time.perf_counter()
    with claimed(cli) as folder:
        with restartable(cli.command):
            prepare(cli, folder)
            stages = train(
                cli.task,
                cli.data,
                lambda stage, folder: stage_trainer(cli, stage, folder),
                folder,
                config["resume"],
                lambda task: extract_features_of(task, cli),
            )
            if cli.data.trains_on_everything:
                finish_untested(cli, folder, stages, begin)
                return
            tester = cli.build_trainer(scores_to=folder)
            predictions = score(cli.task, cli.data, tester)
            source_test = score_source(cli.task, cli.data, tester, folder, stages)
        results = summarise(
            cli.task,
            cli.data,
            predictions,
            "test",
            stages,
            config["seed_everything"],
            time.perf_counter() - begin,
            source_test=source_test,
            group_by=cli.group_by,
        )
        if is_first():
            check_still_there(folder)
            save(results, predictions, folder, source_test)
            save_adapter(cli.task, stages, folder)
            show(results, folder, as_json=config["json"])


def finish_untested(cli: Cli, folder: Path, stages: Sequence[StageResult], begin: float) -> None:
    """Save and show a model that is trained on everything, so that nothing is left to test it on."""
    if not is_first():
        return
    check_still_there(folder)
    seconds = time.perf_counter() - begin
    results = final.untested(cli.task, cli.data, stages, cli.config["seed_everything"], seconds)
    final.save(results, folder)
    save_adapter(cli.task, stages, folder)
    if cli.config["json"]:
        print(json_text(results.to_dict()))
        return
    stdout.print(stages_table(results.stages))
    for note in results.notes:
        stdout.print(f"Note: {note}", style="yellow", soft_wrap=True, markup=False)
    show_use(cli.command, folder, results.stages)


def save_adapter(task: EncoderTask, stages: Sequence[StageResult], folder: Path) -> None:
    """Save LoRA, or a method of peft, in peft's own format; weights that are distributed are read again."""
    whole = own_class(task).restore(stages[-1].checkpoint) if is_sharded(task) else task
    whole.adapters.save_peft(folder / ADAPTER)


@contextmanager
def claimed(cli: Cli) -> Iterator[Path]:
    """Lock the folder of a training run while the block runs; raises as `run_folder`, or for another run."""
    config = cli.config
    folder = Path(config["out"] or default_folder(config, cli.model_path))
    if not is_first():
        yield folder
        return
    with run_folder(folder, config["resume"], config["overwrite"]):
        if config["resume"]:
            check_resumed(folder / CONFIG, cli.config_text())
        yield folder


def stage_trainer(cli: Cli, stage: str, folder: Path) -> Trainer:
    """Build the trainer of a stage; its checkpoints go to `folder`."""
    return cli.build_trainer(folder, cli.data.epoch_limit(stage))


def check(cli: Cli) -> None:
    """Refuse options that contradict each other, and let the data hold what the model needs of them."""
    check_monitors(cli.config, cli.task.candidates.names)
    check_continuation(cli.data.continues_from, cli.config)
    check_untested(cli)
    if cli.task.adversary is not None:
        cli.data.use_unlabelled()
    if cli.task.standardized_corpora is not None:
        cli.data.use_target_statistics()


def check_untested(cli: Cli) -> None:
    """Refuse what needs a validation part, where everything is for training."""
    if not cli.data.trains_on_everything:
        return
    final.check_unvalidated(cli.task)
    if cli.group_by:
        raise UsageError(
            "--group_by: has no effect with --data.folds.scheme none, since nothing is tested. Leave it out."
        )
    defaults = cli.parser.get_defaults()
    for group in ("early_stopping", "checkpoint"):
        if changed := [key for key, value in cli.config[group].items() if value != defaults[group][key]]:
            raise UsageError(
                f"--{group}.{changed[0]} {cli.config[group][changed[0]]}: has no effect with "
                "--data.folds.scheme none, since there is no validation part: training ends at "
                "--trainer.max_epochs, and the last epoch is kept. Leave it out."
            )


def prepare(cli: Cli, folder: Path) -> None:
    """Check the data, save the configuration and lists, and get the hidden states of a frozen encoder."""
    check(cli)
    # Options that Lightning refuses are reported before anything is written.
    check_shardable(cli.task, cli.build_trainer(folder))
    set_up(cli)
    check_grouping(cli)
    announce(cli, folder)
    extract_features_of(cli.task, cli)


def announce(cli: Cli, folder: Path) -> None:
    """Print the data, and save the configuration and the exact lists.

    Raises:
        UsageError: If a resumed run has trained for longer than the limits allow.
    """
    if not is_first():
        return
    if cli.config["resume"]:
        folders = stage_folders(cli.task, cli.data, folder)
        check_limits(folders, lambda stage, folder: stage_trainer(cli, stage, folder), cli.data.shares_epochs)
        forget_results(folder, cli.config_text())
        if (folder / RESULTS).exists():
            stderr.print("The training of this run is complete. It is evaluated again.", soft_wrap=True)
    if not cli.config["json"]:
        stdout.print(data_table(cli.data.report), model_lines(describe_model(cli.task)), sep="\n")
        for line in _audio_and_batches(cli):
            stdout.print(line, soft_wrap=True)
    if cli.config["overwrite"]:
        make_folder(folder, fresh=True)
    cli.save_config(folder / CONFIG)
    cli.data.save_folds(folder / FOLDS)


def _audio_and_batches(cli: Cli) -> Iterator[str]:
    """Yield what is done to the audio, and how many batches each step takes where there are several."""
    if "preprocess" in cli.config:
        done = cli.data.preprocess
        raw = " (--preprocess.trim none --preprocess.loudness none: as recorded)" if done.settings() else ""
        yield f"Audio: {done.in_words}{raw}"
    if (devices := cli.build_trainer().world_size) > 1:
        yield (
            f"Note: each step takes a batch on each of {devices} devices: results are those of a batch "
            f"{devices} times as large; divide --data.loader.batch_size by {devices} to keep its size."
        )


def check_grouping(cli: Cli, part: str | None = "test") -> None:
    """Raise `UsageError` before anything is trained if a part, or all data, cannot be grouped as asked."""
    if cli.group_by:
        data = cli.data
        tested = data.splits[part].utterances if part else data.utterances_in_use
        check_groups([tested], cli.group_by)


def show_groups(results: RunResults) -> None:
    """Print the scores of groups of utterances, if they were asked for."""
    if results.groups:
        stdout.print(groups_report(results.groups))


def set_up(cli: Cli) -> None:
    """List the corpora and check their audio, with a progress bar; unchanged files are not decoded again."""
    data = cli.data
    data.memories = Memories.stored_in(cli.features.folder) if cli.cache else Memories()
    with stage_progress() as on_progress:
        data.on_progress = on_progress
        data.setup()
    data.on_progress = None


def extract_features_of(task: EmotionClassifier | ClassifierEnsemble, cli: Cli) -> None:
    """Run a frozen encoder once over all utterances, if the audio is not needed again."""
    with stage_progress() as on_progress:
        extract_features(task, cli.data, cli.build_trainer(), cli.features, cli.cache, on_progress)


def show(results: RunResults, folder: Path, as_json: bool) -> None:
    """Print the results, draw the confusion matrix, and print how to use the trained model."""
    scores = results.scores
    confusion_figure(
        scores.confusion, scores.classes, folder / "confusion.png", f"{results.data['name']}, test"
    )
    if as_json:
        print(json_text(results.to_dict()))
        return
    stdout.print(stages_table(results.stages))
    stdout.print(results_table(scores, f"Results: {results.data['name']}, test part", results.notes))
    stdout.print(confusion_text(scores.confusion, scores.classes))
    if results.forgetting is not None:
        stdout.print(forgetting_text(results.forgetting))
    show_groups(results)
    show_use("fit", folder, results.stages)


def show_use(command: str, folder: Path, stages: Sequence[StageResult]) -> None:
    """Print how the model of a finished training is used.

    Args:
        command: "fit" or "diarize fit".
        folder: Its folder.
        stages: Its stages.
    """
    what, use = {
        "fit": ("Predict with:", "predict"),
        "diarize fit": ("Label emotions over time in recordings:", "diarize"),
    }[command]
    stdout.print(f"\nEverything is in {folder}. {what}", soft_wrap=True)
    checkpoint = shlex.quote(str(from_here(Path(stages[-1].checkpoint))))
    stdout.print(f"  sercl {use} {checkpoint} FILE_OR_FOLDER", soft_wrap=True)
