"""Results of a run: tables and confusion matrices."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from sercl.metrics.functional.classification import AVERAGES
from sercl.reports.rendering import picture_file
from sercl.reports.style import table
from sercl.studies.results.scores import Evaluation, Score

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sercl.studies.training.results import FoldResult
    from sercl.studies.training.stages import StageResult


def results_table(result: Evaluation, title: str | None = None, notes: Sequence[str] = ()) -> RenderableType:
    """Return the scores with their intervals, the scores per class, and the notes that belong to them.

    Args:
        result: The scores.
        title: A line above the table.
        notes: Notes on the scores (shared speakers, how the epoch was selected), a sentence each.
    """
    # Not as the table's own title, which would be broken at the width of this narrow table.
    parts: list[RenderableType] = [Text(title, style="bold")] if title else []
    parts += [_averages(result), _per_class(result)]
    parts += [Text(f"Note: {note}", style="yellow") for note in (*_own_notes(result), *notes)]
    return Group(*parts)


def percent(value: float) -> str:
    """Return a fraction as a percentage with one decimal, "-" for NaN."""
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def is_guess(uar: Score, recalls: Sequence[float]) -> bool:
    """Return whether a UAR is that of predicting one class: by its recalls, or at chance without variance.

    Args:
        uar: The score.
        recalls: Of every class, NaN if absent; the mean if training was repeated.
    """
    present = sum(not math.isnan(value) for value in recalls)
    at_chance = present > 1 and math.isclose(uar.value, 1 / present, abs_tol=1e-9)
    return recalls_of_a_guess(recalls) or (at_chance and math.isclose(uar.low, uar.high, abs_tol=1e-9))


def recalls_of_a_guess(recalls: Sequence[float]) -> bool:
    """Return whether recalls are those of predicting one class for every utterance: one is 1, the rest are 0.

    Args:
        recalls: Of every class, NaN if absent.
    """
    known = [value for value in recalls if not math.isnan(value)]
    return len(known) > 1 and sorted(known)[-2:] == [0.0, 1.0]


def average_text(name: str, value: float) -> str:
    """Return an average as tables show it: in percent, or as a number; "-" for NaN."""
    if AVERAGES[name].in_percent:
        return percent(value)
    return "-" if math.isnan(value) else f"{value:.3f}"


def average_interval(name: str, score: Score) -> str:
    """Return the ends of its interval as `average_text` does, "" if it has none."""
    ends = (average_text(name, end) for end in (score.low, score.high))
    return "" if math.isnan(score.low) else " to ".join(ends)


def _averages(result: Evaluation) -> RenderableType:
    grid = table("Score", "%", "95 % interval", numbers=("%", "95 % interval"))
    for name, score in result.averages.items():
        style = "bold" if score is result.uar else ""
        value, ends = average_text(name, score.value), average_interval(name, score)
        grid.add_row(Text(AVERAGES[name].title, style), Text(value, style), ends or "-")
    return grid


def _per_class(result: Evaluation) -> RenderableType:
    numbers = ("Recall", "Precision", "F1", "Utterances")
    grid = table("Class", *numbers, numbers=numbers)
    for row in result.per_class:
        grid.add_row(row.name, percent(row.recall), percent(row.precision), percent(row.f1), str(row.support))
    return grid


def _own_notes(result: Evaluation) -> list[str]:
    """Return the notes that follow from the scores."""
    notes = [_unit(result.uar, result.n)]
    absent = [row.name for row in result.per_class if row.support == 0]
    if absent:
        notes.append(f"no utterance of {', '.join(absent)}: UAR is the mean over the other classes.")
    present = [row.support for row in result.per_class if row.support]
    if max(present) > 2 * min(present):
        notes.append(
            f"the classes are unbalanced ({min(present)} to {max(present)} utterances): use UAR, not WA."
        )
    named = [name for i, name in enumerate(result.classes) if any(row[i] for row in result.confusion)]
    if len(named) == 1 and len(present) > 1:
        notes.append(
            f"every utterance was predicted as {named[0]}: UAR is that of guessing, and its interval is "
            f"meaningless."
        )
    return notes


def _unit(score: Score, n: int) -> str:
    if math.isnan(score.low):
        return f"{n} utterances; no interval, since a single one cannot be resampled."
    if score.unit == "speakers":
        return f"{n} utterances; intervals resample the {score.count} speakers."
    return f"{n} utterances; intervals resample utterances, not speakers, and are therefore too narrow."


def model_lines(model: Mapping[str, Any]) -> RenderableType:
    """Return encoder, adapter, layer and the number of trainable parameters; `model` as in a results file."""
    counts = dict(model["trainable"])
    total = counts.pop("total")
    trained = sum(counts.values())
    parts = ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)
    return Group(
        Text(
            f"Model: {model['encoder']} ({model['family']}, {model['blocks']} blocks), "
            f"adapter {model['adapter']}, layer {model['layer']}"
        ),
        Text(f"Trainable: {trained:,} of {total:,} parameters ({100 * trained / total:.2f} %): {parts}"),
    )


def stages_table(stages: "Sequence[StageResult]") -> RenderableType:
    """Return a row per stage of training."""
    numbers = ("Best epoch", "Epochs", "Value", "Seconds")
    grid = table(
        "Stage", "Selected by", *numbers, "Hidden state", "Ended by", title="Training", numbers=numbers
    )
    for stage in stages:
        grid.add_row(
            stage.stage,
            stage.monitor,
            str(stage.best_epoch),
            str(stage.epochs),
            "-" if stage.score is None else f"{stage.score:.4f}",
            f"{stage.seconds:.0f}",
            "weighted" if stage.chosen_state is None else str(stage.chosen_state),
            stage.ended_by,
        )
    return grid


def folds_table(folds: "Sequence[FoldResult]") -> RenderableType:
    """Return a row per fold and seed."""
    numbers = ("Utterances", "UAR %", "WA %", "Hidden state", "Best epoch", "Seconds")
    grid = table("Run", *numbers, title="Folds", numbers=numbers)
    for fold in folds:
        last = fold.stages[-1]
        grid.add_row(
            fold.folder,
            str(fold.n),
            *(percent(fold.averages[name].value) for name in ("uar", "wa")),
            "weighted" if last.chosen_state is None else str(last.chosen_state),
            str(last.best_epoch),
            f"{fold.seconds:.0f}",
        )
    return grid


Matrix = Sequence[Sequence[int]]
"""`[classes][classes]` counts, rows the truth."""

_LIGHT, _DARK = (247, 251, 255), (8, 48, 107)


def confusion_text(matrix: Matrix, classes: Sequence[str]) -> RenderableType:
    """Return the counts as a table; darker cells are larger fractions of the row.

    Args:
        matrix: `[classes][classes]` counts, rows the truth.
        classes: Class names in the order of the rows.
    """
    grid = table("True \\ predicted", *classes, numbers=classes)
    for name, row, fractions in zip(classes, matrix, row_shares(matrix), strict=True):
        cells = (
            Text(f" {count} ", style=_shade(fraction)) for count, fraction in zip(row, fractions, strict=True)
        )
        grid.add_row(name, *cells)
    return grid


def row_shares(matrix: Sequence[Sequence[float]]) -> list[list[float]]:
    """Return each count as a fraction of its row, 0 in an empty row."""
    return [[count / (sum(row) or 1) for count in row] for row in matrix]


def confusion_figure(matrix: Matrix, classes: Sequence[str], path: Path | str, title: str = "") -> None:
    """Write the matrix as a picture; shades and percentages are fractions of the true class.

    Args:
        matrix: `[classes][classes]` counts, rows the truth.
        classes: Class names in the order of the rows.
        path: The file; its suffix (.png, .pdf, .svg) is the format.
        title: A line above the picture.

    Raises:
        UnknownNameError: For another suffix.
        OutputError: If the file cannot be written.
    """
    side = 1.6 + 0.85 * len(classes)
    with picture_file(path, {}) as figure:
        figure.set_size_inches(side, side)
        figure.set_layout_engine("constrained")
        axes = figure.add_subplot()
        axes.imshow(row_shares(matrix), cmap="Blues", vmin=0, vmax=1)
        _label(axes, classes, title)
        _write_cells(axes, matrix)


def _shade(fraction: float) -> str:
    red, green, blue = (
        round(light + fraction * (dark - light)) for light, dark in zip(_LIGHT, _DARK, strict=True)
    )
    ink = "white" if fraction > 0.5 else "black"
    return f"{ink} on rgb({red},{green},{blue})"


def _label(axes: "Axes", classes: Sequence[str], title: str) -> None:
    ticks = range(len(classes))
    slanted = len(classes) > 4
    axes.set_xticks(ticks, classes, rotation=35 if slanted else 0, ha="right" if slanted else "center")
    axes.set_yticks(ticks, classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(title, fontsize=11, pad=10)
    _separate_cells(axes, [tick + 0.5 for tick in ticks[:-1]])


def _separate_cells(axes: "Axes", borders: Sequence[float]) -> None:
    axes.set_xticks(borders, minor=True)
    axes.set_yticks(borders, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)


def _write_cells(axes: "Axes", matrix: Matrix) -> None:
    for row, (counts, fractions) in enumerate(zip(matrix, row_shares(matrix), strict=True)):
        for column, (count, fraction) in enumerate(zip(counts, fractions, strict=True)):
            ink = "white" if fraction > 0.5 else "black"
            text = f"{fraction:.0%}" if sum(counts) else "-"
            axes.text(column, row - 0.09, text, ha="center", va="center", color=ink, fontsize=11)
            axes.text(column, row + 0.2, str(count), ha="center", va="center", color=ink, fontsize=7.5)
