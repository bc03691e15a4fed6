"""`sercl diarize evaluate`: score a diarizer beside baselines, and choose its post-processing."""

import sys
import time
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path

from jsonargparse import Namespace

from sercl.cli.console import stdout
from sercl.cli.diarize.judging import build_parser, judge_run, prepare, runs_of
from sercl.cli.diarize.words import evaluated_data
from sercl.cli.inputs import check_checkpoint
from sercl.cli.run_folder import make_folder
from sercl.json_text import json_text
from sercl.reports.diarization.figure import timeline_figure
from sercl.reports.diarization.pictures import pictures
from sercl.reports.diarization.results import diarization_table, tuning_lines
from sercl.studies.diarization import pooling
from sercl.studies.diarization.judged import Judged, Recordings
from sercl.studies.diarization.pooling import RunJudged, judged_together, together
from sercl.studies.diarization.results import DiarizationResults, save, score_systems
from sercl.studies.training.results import environment


def main() -> int:
    """Run `sercl diarize evaluate` with the words of the process."""
    words = sys.argv[1:]
    for word in takewhile(lambda word: not word.startswith("-"), words):
        check_checkpoint(word)
    run(parse(words))
    return 0


def parse(words: Sequence[str]) -> Namespace:
    """Return the parsed words; data are those of the run where none are given.

    Checkpoints come first. Where they stand behind options, `--baseline` takes one word, not what follows it.
    """
    parser = build_parser(baselines=1 if words and words[0].startswith("-") else "+")
    parsed: Namespace = parser.parse_args(evaluated_data(words))
    return parsed


def run(options: Namespace) -> DiarizationResults:
    """Evaluate what a parsed command line asks for, and show the results."""
    begin = time.perf_counter()
    if options.out is not None:
        make_folder(Path(options.out))
    runs = runs_of(options)
    prepared = prepare(runs, options)
    parts = [judge_run(run, own, options) for run, own in zip(runs, prepared.each, strict=True)]
    results = summed_up(parts, list(runs[0].diarizer.labels), prepared.remarks, begin)
    if options.out is not None:
        judged = judged_together(parts)
        save(results, judged, Path(options.out))
        draw(together(parts), judged, Path(options.out))
    show(results, options)
    return results


def summed_up(
    parts: Sequence[RunJudged], classes: Sequence[str], remarks: Sequence[str], begin: float
) -> DiarizationResults:
    """Score what all runs have found, and each of several by itself."""
    first, several = parts[0], len(parts) > 1
    judging = pooling.together(parts) if several else first.judging
    return DiarizationResults(
        systems=score_systems(pooling.judged_together(parts), pooling.common_posts(parts), classes),
        data=judging.to_dict(),
        model=first.model,
        environment=environment(None),
        seconds=time.perf_counter() - begin,
        tuning={} if several else first.tuning,
        remarks=(*remarks, *pooling.differences(parts)),
        runs=tuple(part.scores(classes) for part in parts) if several else (),
    )


def draw(judging: Recordings, judged: Mapping[str, Sequence[Judged]], folder: Path) -> None:
    """Draw the timelines of three recordings: one that went well, one in the middle, one that went badly."""
    timeline_figure(pictures(judging, judged), folder / "timelines.png")


def show(results: DiarizationResults, options: Namespace) -> None:
    """Print the results."""
    if options.json:
        print(json_text(results.to_dict()))
        return
    stdout.print(diarization_table(results))
    for line in tuning_lines(results):
        stdout.print(line, markup=False)
    if options.out is not None:
        stdout.print(f"\nResults, segments and timelines.png are in {options.out}", soft_wrap=True)
