"""`sercl diarize fit`: train a diarizer on clips built from corpora, and evaluate it on unseen speakers."""

import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sercl.cli.console import from_here, progress, stdout
from sercl.cli.diarize.words import with_clips
from sercl.cli.fit import (
    ADAPTER,
    announce,
    check_untested,
    claimed,
    finish_untested,
    set_up,
    show_use,
    stage_trainer,
)
from sercl.cli.lightning import Cli
from sercl.cli.processes import is_first, restartable
from sercl.cli.run_checks import check_monitors
from sercl.cli.run_folder import check_still_there
from sercl.errors import UsageError
from sercl.json_text import json_text
from sercl.reports.diarization.results import diarization_table
from sercl.reports.results import stages_table
from sercl.studies.diarization.groups import check_recordings, grouped_recordings
from sercl.studies.diarization.recordings import (
    DiarizedRecording,
    all_neutral,
    clips_of,
    find_segments,
    run_systems,
)
from sercl.studies.diarization.results import (
    ALL_NEUTRAL,
    DIARIZER,
    DiarizationResults,
    log_scores,
    save,
    score_systems,
)
from sercl.studies.training.fit import train
from sercl.studies.training.results import describe_model, environment
from sercl.studies.training.stages import StageResult
from sercl.tasks.diarization import EmotionDiarizer
from sercl.tasks.diarizer import Diarizer
from sercl.tasks.sharding import check_shardable


def main() -> int:
    """Run `sercl diarize fit` with the arguments of the process."""
    run(parse())
    return 0


def parse() -> Cli:
    """Return the parsed command line of the process."""
    sys.argv[1:] = with_clips(sys.argv[1:])
    return Cli("diarize fit", model_class=EmotionDiarizer, monitor="val/eder")


def run(cli: Cli) -> None:
    """Train and evaluate as a parsed command line says, and show the results."""
    check_data(cli)
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
            )
        if not is_first():
            return
        if cli.data.trains_on_everything:
            finish_untested(cli, folder, stages, begin)
            return
        results, diarized = evaluate(cli, stages, begin)
        check_still_there(folder)
        save(results, diarized, folder)
        cli.task.adapters.save_peft(folder / ADAPTER)
        log_scores(cli.build_trainer(scores_to=folder).loggers, diarized[DIARIZER], cli.task.classes)
        show(results, folder, config["json"])


def check_data(cli: Cli) -> None:
    """Raise `UsageError` for data of whole utterances, as in a YAML of `sercl fit`."""
    name = type(cli.data).__name__
    if cli.data.task_name != "diarization":
        raise UsageError(
            f"the data {name} are for classification; a diarizer is trained on clips that are built from "
            f"them. "
            f"Name the corpus on the command line (--data {name} --data.root DIR), or let the YAML have the "
            "class Diarization with `corpora`."
        )


def check(cli: Cli) -> None:
    """Refuse options that contradict each other."""
    check_monitors(cli.config, *cli.task.monitored)
    check_untested(cli)


def prepare(cli: Cli, folder: Path) -> None:
    """Check the data, and save the configuration and the lists of clips."""
    check(cli)
    # Options that Lightning refuses are reported before anything is written.
    check_shardable(cli.task, cli.build_trainer(folder))
    set_up(cli)
    if not cli.data.trains_on_everything:
        check_recordings(clips_of(cli.data, "test").sources, cli.group_by)  # type: ignore[arg-type]
    announce(cli, folder)


def evaluate(
    cli: Cli, stages: Sequence[StageResult], begin: float
) -> tuple[DiarizationResults, Mapping[str, Sequence[DiarizedRecording]]]:
    """Evaluate the trained model on the test clips, as `sercl diarize` would run on them."""
    task: Any = cli.task
    evaluation_set = clips_of(cli.data, "test")  # type: ignore[arg-type]
    diarizer = Diarizer(task, cli.build_trainer().strategy.root_device)
    with progress("test clips", len(evaluation_set)) as advance:
        frames = run_systems(evaluation_set, {DIARIZER: diarizer}, advance)
    diarized = {
        DIARIZER: find_segments(frames, DIARIZER, task.classes, task.post),
        ALL_NEUTRAL: all_neutral(frames),
    }
    results = DiarizationResults(
        systems=score_systems(diarized, {DIARIZER: task.post}, task.classes),
        data={**cli.data.report.to_dict(), **evaluation_set.to_dict()},
        model=describe_model(task),
        environment=environment(cli.config["seed_everything"]),
        seconds=time.perf_counter() - begin,
        stages=tuple(stages),
        groups=grouped_recordings(diarized[DIARIZER], evaluation_set.sources, cli.group_by, task.classes),
    )
    return results, diarized


def show(results: DiarizationResults, folder: Path, as_json: bool) -> None:
    """Print the results, and how to use the trained model."""
    if as_json:
        print(json_text(results.to_dict()))
        return
    stdout.print(stages_table(results.stages))
    stdout.print(diarization_table(results))
    show_use("diarize fit", folder, results.stages)
    checkpoint = shlex.quote(str(from_here(Path(results.stages[-1].checkpoint))))
    stdout.print("Choose post-processing on validation clips, or evaluate on other data:", soft_wrap=True)
    stdout.print(f"  sercl diarize evaluate {checkpoint} --tune", soft_wrap=True)
