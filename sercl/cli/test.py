"""`sercl test` and `sercl validate`: evaluate a checkpoint on a part of a corpus, its own or another."""

import sys
import time
from dataclasses import replace
from pathlib import Path

from sercl.cli.console import stdout
from sercl.cli.fit import check_grouping, extract_features_of, set_up, show_groups
from sercl.cli.lightning import Cli
from sercl.cli.precheck import with_own_config
from sercl.cli.processes import is_first, restartable
from sercl.cli.run_folder import make_folder
from sercl.corpora.labels import labels_option
from sercl.data.report import DataReport
from sercl.errors import UsageError
from sercl.files import at_home
from sercl.json_text import json_text
from sercl.reports.data import data_table
from sercl.reports.results import confusion_figure, confusion_text, results_table
from sercl.studies.training.fit import score
from sercl.studies.training.results import (
    RunResults,
    adversarial_notes,
    recording_notes,
    save,
    speaker_notes,
    summarise,
)
from sercl.tasks.classification import ClassifierEnsemble, EmotionClassifier
from sercl.tasks.sharding import check_shardable

_WHOLE = (
    "the whole corpus is tested: no corpus of this name was in training, only {}. {} "
    "--data.folds.scheme selects a part"
)
_COMPARED = "Recordings were compared by their samples, and by file name with length."
_NOT_COMPARED = (
    "Recordings that are in both under different names are not detected: the checkpoint does not record "
    "what it was trained on."
)
PARTS = {"test": "test", "validate": "validation"}


def test() -> int:
    """Run `sercl test` with the arguments of the process."""
    return _main("test")


def validate() -> int:
    """Run `sercl validate` with the arguments of the process."""
    return _main("validate")


def _main(name: str) -> int:
    words = sys.argv[1:] = with_own_config(sys.argv[1:])
    _evaluate(Cli(name, with_training=False), PARTS[name], _names_part(words))
    return 0


def _names_part(words: list[str]) -> bool:
    """Return whether arguments select a part of the data, by fold options or a configuration."""
    options = [word.partition("=")[0].replace("-", "_") for word in words if word.startswith("-")]
    return any(
        option in ("_c", "__config")
        or (option.startswith("__data.folds") and option != "__data.folds.allow_speaker_overlap")
        for option in options
    )


def _evaluate(cli: Cli, part: str, names_part: bool) -> None:
    if cli.config["ckpt"] is None:
        raise UsageError("--ckpt is missing: the checkpoint to score, such as checkpoints/RUN/best.ckpt.")
    begin = time.perf_counter()
    folder = Path(cli.config["out"]) if cli.config["out"] else None
    if folder is not None and is_first():
        make_folder(folder)
    cli.data.list_corpora()  # before the encoder, which may be fetched
    task = _restored(cli)
    check_shardable(task, cli.build_trainer(), trains=False)
    cli.data.use_preprocessing(_first(task).as_trained)
    cli.data.set_stage(cli.data.stages[-1])  # of two stages, the last selected the checkpoint
    whole = (
        part == "test" and not names_part and bool(task.corpora) and not cli.data.is_known_to(task.corpora)
    )
    cli.data.score_only("whole" if whole else part)
    set_up(cli)
    check_grouping(cli, part)
    remarks = [
        *_ensemble_notes(task),
        *speaker_notes(task, cli.data, part),
        *recording_notes(task, cli.data, part),
        *adversarial_notes(task),
    ]
    if whole:
        compared = _NOT_COMPARED if task.recordings is None else _COMPARED
        remarks.insert(0, _WHOLE.format(", ".join(task.corpora), compared))
    if is_first() and not cli.config["json"]:
        stdout.print(data_table(_evaluated_part(cli.data.report, part, whole)))
    with restartable(cli.command):
        extract_features_of(task, cli)
        predictions = score(task, cli.data, cli.build_trainer(scores_to=folder), part)
    if not is_first():
        return
    results = summarise(
        task,
        cli.data,
        predictions,
        "whole" if whole else part,
        seed=cli.config["seed_everything"],
        seconds=time.perf_counter() - begin,
        remarks=remarks,
        group_by=cli.group_by,
    )
    if folder is not None:
        save(results, predictions, folder)
    _show(results, folder, cli.config["json"])


def _restored(cli: Cli) -> EmotionClassifier | ClassifierEnsemble:
    """Return the model of the checkpoint; classes or preprocessing other than its own are refused."""
    task = ClassifierEnsemble.restore(at_home(cli.config["ckpt"]), cli.config["encoder"])
    if list(cli.data.classes) != task.classes:
        raise UsageError(
            f"the checkpoint's classes are {', '.join(task.classes)}, the data's "
            f"{', '.join(cli.data.classes)}: set --data.labels {labels_option(_first(task).labels)}."
        )
    if (given := cli.built["preprocess"]) is not None:
        _first(task).use_preprocessing(given, "--preprocess")
    return task


def _first(task: EmotionClassifier | ClassifierEnsemble) -> EmotionClassifier:
    return task.first if isinstance(task, ClassifierEnsemble) else task


def _ensemble_notes(task: EmotionClassifier | ClassifierEnsemble) -> list[str]:
    if not isinstance(task, ClassifierEnsemble):
        return []
    return [f"ensemble: mean of the probabilities of {len(task.names)} models ({', '.join(task.names)})"]


def _evaluated_part(report: DataReport, part: str, whole: bool) -> DataReport:
    """Return the report of the evaluated part only: a training part beside it would look used."""
    name = [name for name in report.splits if name.split()[-1] == part][-1]
    return replace(report, splits={"whole" if whole else name: report.splits[name]}, unlisted={})


def _show(results: RunResults, folder: Path | None, as_json: bool) -> None:
    what = "whole corpus" if results.part == "whole" else f"{results.part} part"
    scores, title = results.scores, f"{results.data['name']}, {what}"
    if folder is not None:
        confusion_figure(scores.confusion, scores.classes, folder / "confusion.png", title)
    if as_json:
        print(json_text(results.to_dict()))
        return
    stdout.print(results_table(scores, f"Results: {title}", results.notes))
    stdout.print(confusion_text(scores.confusion, scores.classes))
    show_groups(results)
