"""`sercl fit`: train, judge on the test part, and leave a folder that says how it came about."""

import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sercl.cli.console import loading, stage_progress, stdout
from sercl.cli.help import ShortPage, render
from sercl.json_text import json_text

PAGE = ShortPage(
    usage="sercl fit --data CORPUS --data.root DIR [OPTIONS]",
    summary=(
        "Train an emotion classifier on a speech encoder, and evaluate it on the test part. Everything the "
        "run writes goes into one folder: checkpoint, configuration, fold lists, predictions, results."
    ),
    options=(
        ("-c, --config FILE", "YAML with any of the options; several compose, later ones win"),
        ("--data NAME", "Corpus (`sercl corpus list`), Manifest, HuggingFace, or LanguagePair"),
        ("--data.root DIR", "Where the corpus lies"),
        (
            "--data.folds.scheme NAME",
            "speaker (default), loso, official, paper or csv; --data.folds.index N picks one",
        ),
        ("--model.encoder NAME", "Preset (whisper-base, wavlm-large, ...), hub id, or folder"),
        ("--model.whisper_form F", "padded (30 s, default) or short: much faster on clips of a few seconds"),
        ("--model.adapter NAME", "none (frozen, default), full, or lora, bottleneck, gating joined by +"),
        ("--model.layer LAYER", "Hidden state 0..N, last, weighted, or auto: validation chooses"),
        ("--trainer.max_epochs N", "Most epochs (100); early stopping usually ends sooner"),
        ("--trainer.devices N", "GPUs; also --trainer.strategy ddp, --trainer.precision bf16-mixed"),
        ("--out DIR", "The run's folder; --resume continues it, --overwrite replaces it"),
    ),
    examples=(
        (
            "Frozen encoder, layer chosen on validation, speaker-disjoint",
            "sercl fit --data EmoDB --data.root emodb",
        ),
        (
            "Adapters on the first eight blocks",
            "sercl fit --data ESD --data.root ESD --model.adapter lora+bottleneck+gating "
            "--model.last_block 7",
        ),
        (
            "A dataset of the Hugging Face hub, with its column of speakers",
            "sercl fit --data HuggingFace --data.root ORGANISATION/DATASET --data.columns.speaker speaker_id",
        ),
        (
            "German to English without a single English label",
            "sercl fit --data LanguagePair --data.setting zero-shot --data.source EmoDB "
            "--data.source.root emodb --data.target RAVDESS --data.target.root ravdess",
        ),
    ),
    more=(
        "--help-all lists every option; --data.help NAME those of one corpus; --print_config the whole YAML."
    ),
)


if TYPE_CHECKING:
    from lightning.pytorch import Trainer

    from sercl.cli.lightning import Cli
    from sercl.studies.training.results import RunResults
    from sercl.tasks.classification import EmotionClassifier


def main() -> int:
    """Run `sercl fit` with the words of the process."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        stdout.print(render(PAGE), crop=False)
        return 0
    sys.argv[1:] = ["--help" if word == "--help-all" else word for word in sys.argv[1:]]
    with loading():
        from sercl.cli.lightning import Cli

    run(Cli("fit"))
    return 0


def run(cli: "Cli") -> "RunResults":
    """Train and judge what a parsed command line asks for, and show the results."""
    from sercl.cli.processes import is_first, restartable
    from sercl.cli.run_folder import check_still_there
    from sercl.studies.training.fit import score, train
    from sercl.studies.training.results import save, summarise

    config, begin = cli.config, time.perf_counter()
    with claimed(cli) as folder:
        with restartable(cli.command):
            prepare(cli, folder)
            stages = train(
                cli.task,
                cli.data,
                lambda stage, place: stage_trainer(cli, stage, place),
                folder,
                config["resume"],
                lambda task: pool_features(task, cli),
            )
            predictions = score(cli.task, cli.data, cli.build_trainer(scores_to=folder))
        seconds = time.perf_counter() - begin
        results = summarise(
            cli.task, cli.data, predictions, "test", stages, config["seed_everything"], seconds
        )
        if is_first():
            check_still_there(folder)
            save(results, predictions, folder)
            show(results, folder, as_json=config["json"])
    return results


@contextmanager
def claimed(cli: "Cli") -> "Iterator[Path]":
    """Hold the folder of a training run while the block runs; raises as `run_folder`, or for another run."""
    from sercl.cli.processes import is_first
    from sercl.cli.run_checks import check_resumed
    from sercl.cli.run_folder import CONFIG, default_folder, run_folder

    config = cli.config
    folder = Path(config["out"] or default_folder(config))
    if not is_first():
        yield folder
        return
    with run_folder(folder, config["resume"], config["overwrite"]):
        if config["resume"]:
            check_resumed(folder / CONFIG, cli.config_text())
        yield folder


def stage_trainer(cli: "Cli", stage: str, place: Path) -> "Trainer":
    """Build the trainer of a stage; its checkpoints go to `place`."""
    return cli.build_trainer(place, cli.data.epoch_limit(stage))


def prepare(cli: "Cli", folder: Path) -> None:
    """Check the data, keep what is trained on what, and get the hidden states of a frozen encoder."""
    from sercl.cli.run_checks import check_continuation, check_monitors

    check_monitors(cli.config, cli.task.candidates.names)
    check_continuation(cli.data.goes_on_from, cli.config)
    if cli.task.adversary is not None:
        cli.data.use_unlabelled()
    set_up(cli)
    announce(cli, folder)
    pool_features(cli.task, cli)


def announce(cli: "Cli", folder: Path) -> None:
    """Say what is trained on what, and keep the configuration and the exact lists.

    Raises:
        UsageError: Where a run that goes on has trained for longer than it now may.
    """
    from sercl.cli.processes import is_first
    from sercl.cli.run_folder import CONFIG, forget_results
    from sercl.reports.data import data_table
    from sercl.reports.results import model_lines
    from sercl.studies.training.fit import stage_folders
    from sercl.studies.training.results import describe_model
    from sercl.studies.training.resuming import check_limits

    if not is_first():
        return
    if cli.config["resume"]:
        places = stage_folders(cli.task, cli.data, folder)
        check_limits(places, lambda stage, place: stage_trainer(cli, stage, place), cli.data.shares_epochs)
        forget_results(folder, cli.config_text())
    if not cli.config["json"]:
        stdout.print(data_table(cli.data.report), model_lines(describe_model(cli.task)), sep="\n")
    cli.save_config(folder / CONFIG)
    cli.data.save_folds(folder / "folds")


def set_up(cli: "Cli") -> None:
    """List the corpora and check their audio, with a progress bar; unchanged files are not decoded again."""
    from sercl.audio.scan_cache import ScanCache

    data = cli.data
    data.scan_memory = ScanCache(cli.features.folder) if cli.cache else None
    with stage_progress() as on_progress:
        data.on_progress = on_progress
        data.setup()
    data.on_progress = None


def pool_features(task: "EmotionClassifier", cli: "Cli") -> None:
    """Run a frozen encoder once over all that is used, where nothing needs the audio again."""
    from sercl.studies.training.fit import extract_features

    with stage_progress() as on_progress:
        extract_features(task, cli.data, cli.build_trainer(), cli.features, cli.cache, on_progress)


def show(results: "RunResults", folder: Path, as_json: bool) -> None:
    """Print the results, draw the confusion matrix, and say how to use what was trained."""
    from sercl.reports.confusion import confusion_figure, confusion_text
    from sercl.reports.results import results_table, stages_table

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
    stdout.print(f"\nEverything is in {folder}. Predict with:", soft_wrap=True)
    checkpoint = from_here(Path(results.stages[-1].checkpoint))
    stdout.print(f"  sercl predict {shlex.quote(str(checkpoint))} FILE_OR_FOLDER", soft_wrap=True)


def from_here(path: Path) -> Path:
    """Return a path as a person would write it: relative to the working directory where it lies below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
