"""Training, validation and test data of a run, as tables."""

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from sercl.corpora.base import kinds_text
from sercl.data.report import DataReport, listed_kinds
from sercl.data.settings import ROLES
from sercl.reports.style import table

_MANY = 12
"""Maximum number of speakers to list by name; otherwise only their number is shown."""


def data_table(report: DataReport) -> RenderableType:
    """Return utterances per part and class, speakers, and what was left out, without the notes."""
    numbers = (*report.classes, "Total", "Minutes")
    grid = table("Part", "Corpus", *numbers, "Speakers", title=f"Data: {report.name}", numbers=numbers)
    for part, split in report.splits.items():
        if not split.utterances:  # of validation and test where everything is for training
            continue
        counts = [str(split.classes[name]) for name in report.classes]
        row = [part, f"{split.corpus} ({', '.join(split.languages)})", *counts]
        grid.add_row(
            *row, str(split.utterances), f"{split.seconds / 60:.1f}", _speakers(list(split.speakers))
        )
    folds = [Text(f"Fold: {fold} ({corpus})", style="dim") for corpus, fold in report.folds.items()]
    lines = [Text(line, style="yellow") for line in left_out(report)]
    return Group(grid, *_by_corpus(report), *folds, *lines)


def _by_corpus(report: DataReport) -> list[RenderableType]:
    """Return a table of corpus x class, where several corpora are used as one."""
    if not report.corpora:
        return []
    numbers = (*report.classes, "Total")
    grid = table("Corpus", *numbers, title="Utterances of each corpus, all parts", numbers=numbers)
    for name, counts in report.corpora.items():
        grid.add_row(name, *(str(counts[label]) for label in report.classes), str(sum(counts.values())))
    return [grid]


def folds_lines(folds: Mapping[str, Mapping[str, Any]]) -> RenderableType:
    """Return what all folds of each corpus hold; `folds` as `studies.layer_probe.describe_folds` gives it."""
    lines = []
    for name, own in folds.items():
        corpus = f"{name} {own['corpus']}" if name in ROLES else name
        counts = ", ".join(f"{emotion} {count}" for emotion, count in own["classes"].items())
        lines.append(
            Text(
                f"Data: {corpus} ({', '.join(own['languages'])}), {own['utterances']} utterances ({counts}), "
                f"{len(own['speakers'])} speakers, {own['folds']} folds ({own['scheme']})"
            )
        )
        lines += [Text(f"Note: {note}", style="yellow") for note in own["notes"]]
    return Group(*lines)


def left_out(report: DataReport) -> list[str]:
    """Return a line for everything that is on disk but not used."""
    lines = [f"Not selected: {number:,} utterances of {name}" for name, number in report.not_selected.items()]
    lines += [
        f"Dropped (no class in the label scheme): "
        f"{', '.join(f'{n} {emotion}' for emotion, n in counts.items())} ({corpus})"
        for corpus, counts in report.dropped.items()
        if counts
    ]
    lines += [
        f"{part}: left out {kinds_text(split.skipped)}"
        for part, split in report.splits.items()
        if split.skipped
    ]
    lines += [
        f"Skipped, no data lost: {kinds} ({corpus})"
        for corpus, problems in report.problems.items()
        if (kinds := listed_kinds([problem for problem in problems if problem.is_left_out]))
    ]
    lines += [f"Not listed: {line} ({corpus})" for corpus, line in report.unlisted.items()]
    return lines


def _speakers(names: list[str]) -> str:
    return f"{len(names)}: {', '.join(names)}" if len(names) <= _MANY else str(len(names))
