from dataclasses import replace

import pytest

from sercl.errors import FoldError
from sercl.studies.cross_eval.plan.trainings import Recipe, Subset, Training, check_leak
from tests.studies.cross_eval.samples import subset

RECIPE = Recipe(model={}, decides={"lr": 1})


def training(train: Subset, validation: Subset) -> Training:
    return Training("e", "lora", RECIPE, (train,), (validation,), seed=1)


PLAIN = training(subset("A", ["a1", "a2"]), subset("A", ["b1", "b2"]))


def test_the_address_names_all_that_decides() -> None:
    others = [
        replace(PLAIN, seed=2),
        replace(PLAIN, recipe=Recipe({}, {"lr": 2})),
        replace(PLAIN, start=PLAIN),
        replace(PLAIN, adaptation="adversarial"),
        replace(PLAIN, unlabelled=subset("B", ["c1"])),
        replace(PLAIN, max_epochs=50),
        replace(PLAIN, validation=(subset("A", ["b1"]),)),
    ]
    assert len({item.address for item in (PLAIN, *others)}) == 8
    assert replace(PLAIN, encoder="another name").address == PLAIN.address


@pytest.mark.parametrize(
    "leaky",
    [
        training(subset("A", ["a1", "t1"]), subset("A", ["b1"])),
        training(subset("A", ["a1"]), subset("A", ["b1", "t1"])),
        replace(PLAIN, start=training(subset("A", ["t1"]), subset("A", ["b1"]))),
        replace(PLAIN, unlabelled=subset("A", ["t1"])),
        training(subset("Other", ["a1", "t1"]), subset("A", ["b1"])),  # the same file under another name
    ],
)
def test_a_planted_leak_is_refused(leaky: Training) -> None:
    test = subset("A", ["t1", "t2"])
    with pytest.raises(FoldError, match="'t1'"):
        check_leak(leaky, test)
    check_leak(PLAIN, test)
