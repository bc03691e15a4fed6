from dataclasses import replace

import pytest

from sercl.studies.cross_eval.cells import CELL_FIELDS, Cell, Condition

PLAIN = Condition("w", "lora", "zero-shot", "A", "B")


@pytest.mark.parametrize(
    ("condition", "label"),
    [
        (PLAIN, "w, lora, zero-shot A -> B"),
        (replace(PLAIN, setting="monolingual", source="B"), "w, lora, monolingual B"),
        (replace(PLAIN, adaptation="coral"), "w, lora, zero-shot A -> B, coral"),
        (
            replace(PLAIN, setting="few-shot", shots=4, select_on="target"),
            "w, lora, few-shot A -> B, 4 shots, selected on target",
        ),
        (replace(PLAIN, setting="few-shot", shots=1), "w, lora, few-shot A -> B, 1 shot"),
    ],
)
def test_a_condition_says_what_it_is(condition: Condition, label: str) -> None:
    assert condition.label == label


def test_a_cell_lies_flat() -> None:
    cell = Cell(PLAIN, draw=1, fold=2, seed=3)
    assert tuple(cell.to_dict()) == CELL_FIELDS
    assert (cell.to_dict()["target"], cell.to_dict()["seed"]) == ("B", 3)
    assert cell.run == (1, 3)
