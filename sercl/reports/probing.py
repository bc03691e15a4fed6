"""Layer probes as tables for the terminal."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from sercl.counting import count
from sercl.files import write_text
from sercl.metrics.functional.intervals import SIGNIFICANT
from sercl.reports.cross_eval.tables import NONE, latex_table, markdown_table
from sercl.reports.cross_eval.wording import p_value, points, points_interval, score_text
from sercl.reports.groups import group_tables
from sercl.reports.results import is_guess, percent
from sercl.reports.style import TextTable, drawn, table
from sercl.studies.layer_probe.summary import (
    ChosenLayer,
    LayerDifference,
    LayerResult,
    ProbeResults,
    WeightedResult,
)
from sercl.studies.results.scores import Score

_WIDEST_BAR = 40
"""Width of a full bar in characters, if the terminal is wide enough."""

_CHOSEN_BY = {"loss": "lowest loss", "accuracy": "highest accuracy", "uar": "highest UAR"}

_MOST_RECALLS = 12
"""Maximum number of classes whose recall is listed; of more, only the lowest are."""


def probe_table(results: ProbeResults, title: str | None = None) -> RenderableType:
    """Return a row with a bar per layer, the layer chosen on validation, the weighted sum, and the notes.

    Args:
        results: One study.
        title: A line above the table; None for the target and the setting.
    """
    title = title or f"Probe: {results.target}, {results.setting}"
    grid = _grid(results, f"{title} (all in %, chance {percent(results.chance)})")
    for entry in results.layers:
        grid.add_row(*_cells(entry, results))
    parts: list[RenderableType] = [grid, *(Text(line) for line in summary_lines(results))]
    parts += [Text(f"Note: {note}", style="yellow") for note in notes(results)]
    return Group(*parts)


def notes(results: ProbeResults) -> list[str]:
    """Return the notes on the scores."""
    guesses = [str(entry.layer) for entry in results.layers if is_guess(entry.uar, entry.recalls)]
    own = (
        f"hidden state {', '.join(guesses)}: every test utterance was predicted to be of one class; UAR "
        f"is that of guessing, and its interval is meaningless."
    )
    return [*results.notes, *([own] if guesses else []), *_criterion_note(results), _unit(results)]


def summary_lines(results: ProbeResults) -> list[str]:
    """Return the main findings: the best layer, the score of the choice, its recalls, the weighted sum."""
    use = f" For sercl fit: {results.fit_option}" if results.target == "emotion" else ""
    lines = [
        f"{_best(results)}{use}",
        *_strengths(results),
        *against_the_others(results),
        _chosen_line(results.chosen),
        f"Recalls at this layer: {_recalls(results.classes, results.chosen.recalls)}",
    ]
    return lines if results.weighted is None else [*lines, _weighted_line(results.weighted)]


def _best(results: ProbeResults) -> str:
    if len(results.layers) == 1:
        return f"Probed: hidden state {results.best_layer} alone, so no layer was chosen."
    return f"Best on validation ({chosen_by(results)}): hidden state {results.best_layer}."


def chosen_by(results: ProbeResults) -> str:
    """Return the validation score that the layer was chosen by, in words: "lowest loss"."""
    return _CHOSEN_BY[_select(results)]


def _select(results: ProbeResults) -> str:
    select: str = results.probe.get("select", "loss")
    return select


def _criterion(results: ProbeResults) -> list[str]:
    """Return the heading of a column with the score that the layer was chosen by, if it is not the UAR."""
    return [] if _select(results) == "uar" else [f"Val. {_select(results)}"]


def _criterion_of(entry: LayerResult, results: ProbeResults) -> list[str]:
    select = _select(results)
    if select == "loss":
        return [f"{entry.validation_loss:.3f}"]
    return [percent(entry.validation_accuracy)] if select == "accuracy" else []


def _criterion_note(results: ProbeResults) -> list[str]:
    """Return a note where the highest validation UAR, which is shown, would have chosen another layer."""
    highest = max(entry.validation_uar for entry in results.layers)
    other = [entry.layer for entry in results.layers if entry.validation_uar == highest]
    if results.best_layer in other or _select(results) == "uar":
        return []
    why = ", which varies less than UAR where there are few utterances" if _select(results) == "loss" else ""
    return [
        f"the layer is chosen by validation {_select(results)}{why}; validation UAR is highest at hidden "
        f"state {', '.join(map(str, other))}."
    ]


def _strengths(results: ProbeResults) -> list[str]:
    """Return the C that was chosen in each fold at the best layer, for logistic regressions."""
    runs = [run for run in results.runs if run.layer == results.best_layer and not run.control]
    chosen = [f"{run.c:g}" for run in runs if run.c is not None]
    where = f"C of the logistic regressions on hidden state {results.best_layer}"
    return [f"{where}, chosen in each fold: {', '.join(chosen)}"] if chosen else []


def against_the_others(results: ProbeResults) -> list[str]:
    """Return how the best layer compares with the second best, and which do not differ significantly."""
    if not results.differences:
        return []
    second, alike = results.differences[0], [item for item in results.differences if not is_clear(item)]
    score = second.difference
    ends = points_interval(score)
    who = f"paired over {score.count} {score.unit}"
    line = (
        f"Second on validation: hidden state {second.layer}; the best layer's test UAR minus the "
        f"second's is {points(score.value)} points ({f'{ends}; ' if ends else ''}{who}, p "
        f"{p_value(second.p)})."
    )
    names = ", ".join(str(item.layer) for item in sorted(alike, key=lambda item: item.layer))
    if not alike:
        return [
            line,
            f"Every other layer differs from the best (p < {SIGNIFICANT:g} after Holm's correction).",
        ]
    corrected = f"p >= {SIGNIFICANT:g} after Holm's correction"
    return [line, f"Not significantly different from the best in test ({corrected}): {names}."]


def is_clear(item: LayerDifference) -> bool:
    """Return whether a layer differs from the best one after Holm's correction."""
    return item.p_holm < SIGNIFICANT


def _grid(results: ProbeResults, title: str) -> RichTable:
    numbers = ["Layer", "UAR", "95 %", "Val. UAR", *_criterion(results)]
    numbers += ["Selectivity"] if results.layers[0].selectivity is not None else []
    numbers += ["Weight"] if results.weighted is not None else []
    grid = table(*numbers[:3], "chance to 100", *numbers[3:], title=title, numbers=numbers)
    grid.columns[3].max_width = _WIDEST_BAR
    return grid


def _cells(entry: LayerResult, results: ProbeResults) -> list[RenderableType]:
    best = entry.layer == results.best_layer
    texts = [f"{'* ' if best else ''}{entry.layer}", percent(entry.uar.value), interval(entry.uar)]
    cells: list[RenderableType] = [Text(text, style="bold" if best else "") for text in texts]
    # Chance level has no bar.
    above = (entry.uar.value - results.chance) / (1 - results.chance)
    cells.append(Bar(1, 0, max(0.0, above), color="cyan" if best else "blue"))
    cells += [percent(entry.validation_uar), *_criterion_of(entry, results)]
    if entry.selectivity is not None:
        cells.append(percent(entry.selectivity.value))
    if results.weighted is not None:
        cells.append(percent(results.weighted.weights[entry.layer]))
    return cells


def interval(score: Score) -> str:
    """Return the ends of an interval, "-" if there is none."""
    return "-" if math.isnan(score.low) else f"{percent(score.low)} to {percent(score.high)}"


def _chosen_line(chosen: ChosenLayer) -> str:
    return (
        f"Layer chosen in each fold without its test part ({', '.join(map(str, chosen.layers))}): "
        f"test UAR {percent(chosen.uar.value)} % ({interval(chosen.uar)})"
    )


def _weighted_line(weighted: WeightedResult) -> str:
    score = f"test UAR {percent(weighted.uar.value)} % ({interval(weighted.uar)})"
    return f"Weighted sum of all hidden states, learned with the probe: {score}"


def _recalls(classes: Sequence[str], recalls: Sequence[float]) -> str:
    pairs = list(zip(classes, recalls, strict=True))
    shown = pairs
    if len(pairs) > _MOST_RECALLS:
        shown = sorted((pair for pair in pairs if not math.isnan(pair[1])), key=lambda pair: pair[1])[:5]
    words = ", ".join(f"{name} {percent(recall)}" for name, recall in shown)
    return words if shown is pairs else f"{words} (the lowest of {len(pairs)})"


def _unit(results: ProbeResults) -> str:
    score = results.chosen.uar
    seeds = results.probe.get("seeds")
    once = "each trained once, since logistic regressions involve no chance"
    repeats = once if seeds is None else count(len(seeds), "seed")
    probes = f"{count(len(results.folds), 'fold')}, {repeats}"
    if score.unit == "speakers":
        return f"{probes}; intervals resample the {score.count} speakers."
    return f"{probes}; intervals resample utterances, not speakers, and are therefore too narrow."


def layer_table(results: ProbeResults) -> TextTable:
    """Return a row per hidden state: test UAR, validation, recalls, and its difference from the best one."""
    others = {item.layer: item for item in results.differences}
    columns = (
        "Layer",
        "UAR",
        "Val. UAR",
        *_criterion(results),
        *results.classes,
        "Below the best",
        "p",
        "p, Holm",
    )
    rows = tuple(_row(entry, results, others.get(entry.layer)) for entry in results.layers)
    caption = f"{results.target}, {results.setting}: UAR and recalls (%) of each hidden state in test"
    note = (
        f"Best on validation ({chosen_by(results)}): {results.best_layer}. Differences in points, with the "
        "95 % interval of the paired permutation test."
    )
    return TextTable(f"layers-{results.target}-{results.setting}", caption, columns, rows, note=note)


def probe_groups(results: ProbeResults) -> RenderableType:
    """Return the scores of groups at the layer chosen in each fold, and their differences."""
    return Group(*map(drawn, _group_tables(results)))


def _group_tables(results: ProbeResults) -> list[TextTable]:
    what = f"{results.target}, {results.setting}, layer chosen in each fold"
    return [
        replace(own, name=f"{own.name}-{results.target}-{results.setting}", caption=f"{what}. {own.caption}")
        for own in group_tables([((), found) for found in results.groups])
    ]


def write_layer_tables(results: Sequence[ProbeResults], folder: Path, title: str) -> None:
    """Write `layers.md` and `layers.tex` into a folder.

    Raises:
        OutputError: If a file cannot be written.
    """
    tables, parts = [], []
    for item in results:
        lines = [f"* {line}" for line in [*summary_lines(item), *notes(item)]]
        layers, groups = layer_table(item), _group_tables(item)
        parts += [f"{markdown_table(layers)}\n" + "\n".join(lines) + "\n", *map(markdown_table, groups)]
        tables += [layers, *groups]
    write_text(folder / "layers.md", "\n".join([f"# {title}\n", *parts]))
    write_text(folder / "layers.tex", "\n".join(latex_table(table, table.name) for table in tables))


def _row(entry: LayerResult, results: ProbeResults, other: LayerDifference | None) -> tuple[str, ...]:
    mark = " (best)" if entry.layer == results.best_layer else ""
    validation = (percent(entry.validation_uar), *_criterion_of(entry, results))
    scores = (score_text(entry.uar), *validation, *map(percent, entry.recalls))
    if other is None:
        return (f"{entry.layer}{mark}", *scores, NONE, NONE, NONE)
    ends = points_interval(other.difference)
    below = f"{points(other.difference.value)} ({ends})" if ends else points(other.difference.value)
    return (f"{entry.layer}", *scores, below, p_value(other.p), p_value(other.p_holm))
