"""`sercl diarize evaluate`: score a diarizer beside baselines, and choose its post-processing."""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sercl.cli.console import progress, stderr, stdout
from sercl.cli.diarize.words import with_clips

if TYPE_CHECKING:
    from jsonargparse import Namespace

    from sercl.cli.parser import SerclParser
    from sercl.studies.diarization.judged import Judged, System
    from sercl.studies.diarization.recordings import Judging
    from sercl.studies.diarization.results import DiarizationResults
    from sercl.studies.diarization.tuning import Tuning
    from sercl.tasks.diarization import EmotionDiarizer

OTHERS = ("seed_everything", "model", "trainer", "early_stopping", "checkpoint", "features")
"""What a run's config.yaml holds beside its data; not used here."""


def main() -> int:
    """Run `sercl diarize evaluate` with the words of the process."""
    words = sys.argv[1:]
    run(parse(words))
    return 0


def parse(words: Sequence[str]) -> "Namespace":
    """Return the parsed words; data are those of the run where none are given."""
    clips = any(word.startswith("--data.clips") for word in words)
    return build_parser().parse_args(with_clips(words) if clips else list(words))


def build_parser() -> "SerclParser":
    """Return the parser of the command."""
    from sercl.cli.parser import SerclParser, restrict_imports
    from sercl.data import datamodules  # noqa: F401 - short names resolve for imported classes alone
    from sercl.data.datamodules.base import EmotionDataModule

    restrict_imports()
    parser = SerclParser(prog="sercl diarize evaluate")
    parser.add_argument("ckpt")
    parser.add_argument("-c", "--config", action="config")
    parser.add_subclass_arguments(EmotionDataModule, "data", required=False)
    for name in ("baseline", "encoder", "out"):
        parser.add_argument(f"--{name}", type=str | None, default=None)
    parser.add_argument("--baseline_window", type=float, default=2.0)
    parser.add_argument("--baseline_hop", type=float, default=0.5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--tune", action="store_true")
    parser.add_argument("--json", action="store_true")
    for name in OTHERS:
        parser.add_argument(f"--{name}", type=Any, default=None, help="Not used.")
    return parser


def run(options: "Namespace") -> "DiarizationResults":
    """Evaluate what a parsed command line asks for, and show the results."""
    from sercl.cli.diarize.judging import Sources, load_systems
    from sercl.cli.run_folder import make_folder
    from sercl.studies.diarization.results import DiarizationResults, save, score_systems
    from sercl.studies.results import describe_model, environment

    begin = time.perf_counter()
    if options.out is not None:
        make_folder(Path(options.out))
    task, systems, others = load_systems(options)
    sources = Sources(options, task)
    judging = sources.judged()
    remarks = [note for each in (task, *others) for note in sources.heard_before(each, judging)]
    tuning = tune(task, systems, sources.validation()) if options.tune else {}
    judged, posts = judge(task, systems, judging, tuning)
    results = DiarizationResults(
        systems=score_systems(judged, posts, task.classes),
        data=judging.to_dict(),
        model=describe_model(task),
        environment=environment(None),
        seconds=time.perf_counter() - begin,
        tuning=tuning,
        remarks=tuple(remarks),
    )
    if options.out is not None:
        save(results, judged, Path(options.out))
        draw(judging, judged, Path(options.out))
    keep(options, tuning, sources.run_name if tuning else "")
    show(results, options)
    return results


def tune(
    task: "EmotionDiarizer", systems: "Mapping[str, System]", validation: "Judging"
) -> "dict[str, Tuning]":
    """Choose the post-processing of every system on validation recordings."""
    from sercl.studies.diarization.judged import hear
    from sercl.studies.diarization.tuning import candidates, tune

    with progress("validation clips", len(validation)) as advance:
        heard = hear(validation, systems, advance)
    with progress("post-processing", len(systems) * sum(1 for _ in candidates())) as advance:
        return {name: tune(heard, name, task.classes, task.post, advance) for name in systems}


def judge(
    task: "EmotionDiarizer",
    systems: "Mapping[str, System]",
    judging: "Judging",
    tuning: "Mapping[str, Tuning]",
) -> "tuple[dict[str, list[Judged]], dict[str, Any]]":
    """Return what each system finds, and how its frames became segments."""
    from sercl.studies.diarization.judged import found, hear, nothing_found
    from sercl.studies.diarization.results import ALL_NEUTRAL

    posts = {name: tuning[name].post if name in tuning else task.post for name in systems}
    with progress("recordings", len(judging)) as advance:
        heard = hear(judging, systems, advance)
    judged = {name: found(heard, name, task.classes, post) for name, post in posts.items()}
    judged[ALL_NEUTRAL] = nothing_found(heard)
    return judged, posts


def draw(judging: "Judging", judged: "Mapping[str, Sequence[Judged]]", folder: Path) -> None:
    """Draw the timelines of three recordings: one that went well, one in the middle, one that went badly."""
    from sercl.reports.diarization.figure import timeline_figure
    from sercl.reports.diarization.pictures import pictures

    timeline_figure(pictures(judging, judged), folder / "timelines.png")


def keep(options: "Namespace", tuning: "Mapping[str, Tuning]", data: str) -> None:
    """Write the chosen post-processing of the diarizer into its checkpoint."""
    from sercl.studies.diarization.keeping import keep_tuning
    from sercl.studies.diarization.results import DIARIZER

    if DIARIZER in tuning:
        keep_tuning(Path(options.ckpt), tuning[DIARIZER], data)
        stderr.print(f"The post-processing is kept in {options.ckpt}", soft_wrap=True, markup=False)


def show(results: "DiarizationResults", options: "Namespace") -> None:
    """Print the results."""
    from sercl.reports.diarization.results import diarization_table, tuning_lines

    if options.json:
        print(json.dumps(results.to_dict(), ensure_ascii=False))
        return
    stdout.print(diarization_table(results))
    for line in tuning_lines(results.tuning or {}):
        stdout.print(line, markup=False)
    if options.out is not None:
        stdout.print(f"\nResults, segments and timelines.png are in {options.out}", soft_wrap=True)
