"""What is trained, and how training went, in a few lines."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from sercl.reports.style import table
from sercl.studies.stages import StageResult


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


def stages_table(stages: Sequence[StageResult]) -> RenderableType:
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
