from dataclasses import replace

from rich.console import Console, RenderableType

from sercl.reports.results import model_lines, stages_table
from sercl.studies.training.stages import StageResult

STAGE = StageResult("source", "run/source/best.ckpt", "val/loss", 0.51236, 3, 14, True, 5, 71.6)
MODEL = {
    "encoder": "whisper-base",
    "family": "whisper",
    "blocks": 6,
    "adapter": "lora+gating",
    "layer": 6,
    "trainable": {"head": 2052, "adapter": 50_000, "encoder": 0, "total": 20_000_000},
}


def shown(content: RenderableType) -> str:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(content)
    return capture.get()


def row(text: str, first: str) -> str:
    return next(line for line in text.splitlines() if line.split()[:1] == [first])


def test_the_trained_part_is_counted_by_group_and_as_a_share() -> None:
    text = shown(model_lines(MODEL))
    assert "whisper-base (whisper, 6 blocks), adapter lora+gating, layer 6" in text
    assert "Trainable: 52,052 of 20,000,000 parameters (0.26 %): head 2,052, adapter 50,000\n" in text


def test_a_stage_is_a_row_with_its_epochs_counted_from_one() -> None:
    fields = row(shown(stages_table([STAGE])), "source").split()
    assert fields == ["source", "val/loss", "4", "14", "0.5124", "72", "5", "early", "stopping"]


def test_what_a_stage_does_not_have_is_said_in_words() -> None:
    other = replace(
        STAGE, stage="target", score=None, chosen_state=None, stopped_early=False, ended_by="step limit"
    )
    fields = row(shown(stages_table([STAGE, other])), "target").split()
    assert fields[4:] == ["-", "72", "weighted", "step", "limit"]
