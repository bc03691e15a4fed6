from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sercl.studies.training.final import final_config
from sercl.studies.training.stages import StageResult

STAGE = StageResult("train", "best.ckpt", "val/loss", 0.5, 0, 20, True, None, 1.0)
SELECTION = {"early_stopping": {"patience": 10}, "checkpoint": {"save_top_k": 1}}


def stages(*best, states=None, name="train"):
    """Return one stage for each fold, with its best epoch counted from 1 and its hidden state."""
    states = states or [3] * len(best)
    return [
        [replace(STAGE, stage=name, epoch=e - 1, chosen_state=s)] for e, s in zip(best, states, strict=True)
    ]


def plain(**model):
    folds = {"scheme": "csv", "index": "all", "lists": "lists"}
    return {
        "seed_everything": 42,
        "seeds": [1, 2],
        "early_stopping": {"patience": 3},
        "data": {"class_path": "EmoDB", "init_args": {"root": "emodb", "folds": folds}},
        "model": {"adapter": "none", "layer": None, **model},
        "trainer": {"max_epochs": 100, "max_steps": 7, "max_time": "00:01:00:00", "devices": "auto"},
    }


def test_everything_is_for_training_without_limits_but_the_epochs():
    found = final_config(plain(), stages(3, 9, 4), 1, SELECTION)
    assert found["seed_everything"] == 1
    assert "seeds" not in found
    assert found["early_stopping"] == {"patience": 10}
    assert found["data"]["init_args"]["folds"] == {"scheme": "none", "index": 0, "lists": None}
    limits = {name: found["trainer"][name] for name in ("max_epochs", "max_steps", "max_time", "devices")}
    assert limits == {"max_epochs": 4, "max_steps": -1, "max_time": None, "devices": 1}


def test_it_has_as_many_devices_as_each_fold():
    of_folds = plain()
    of_folds["trainer"]["devices"] = 2
    assert final_config(of_folds, stages(1), 1, SELECTION)["trainer"]["devices"] == 2


@given(st.lists(st.integers(1, 50), min_size=1, max_size=9))
def test_the_epochs_are_the_median_rounded_up(best):
    found = final_config(plain(), stages(*best), 1, SELECTION)["trainer"]["max_epochs"]
    assert sum(epoch < found for epoch in best) <= len(best) / 2
    assert sum(epoch > found for epoch in best) <= len(best) / 2


@pytest.mark.parametrize(
    ("states", "layer"),
    [([2, 3, 3, 1, 2, 3], 3), ([1, 1, 4, 4, 5], 4), ([0, 2, 5], 2), ([6, 5], 5)],
)
def test_the_layer_is_the_one_that_most_folds_chose_then_the_nearest_to_the_median(states, layer):
    found = final_config(plain(), stages(*[1] * len(states), states=states), 1, SELECTION)
    assert found["model"]["layer"] == layer


@pytest.mark.parametrize(
    "model", [{"layer": 2}, {"layer": "weighted"}, {"adapter": "lora"}, {"adapter": "lora", "layer": "last"}]
)
def test_a_layer_that_was_not_chosen_on_validation_stays(model):
    found = final_config(plain(**model), stages(1, 2), 1, SELECTION)
    assert found["model"] == plain(**model)["model"]


def test_a_model_of_the_users_own_gets_the_layer_too():
    own = {"class_path": "lab.Model", "init_args": {"adapter": "none", "layer": "auto"}}
    found = final_config(plain() | {"model": own}, stages(1, 2), 1, SELECTION)
    assert found["model"] == {"class_path": "lab.Model", "init_args": {"adapter": "none", "layer": 3}}


def test_two_stages_have_the_epochs_of_each_as_a_shared_budget():
    folds = {"index": "all", "scheme": "speaker", "lists": None}
    sides = {role: {"class_path": "EmoDB", "init_args": {"folds": folds}} for role in ("source", "target")}
    data = {"class_path": "LanguagePair", "init_args": {**sides, "setting": "two-stage", "switch_epoch": 50}}
    first, second = stages(8, 6, 7, name="source"), stages(2, 3, 4, name="target")
    both = [[*one, *two] for one, two in zip(first, second, strict=True)]
    found = final_config(plain() | {"data": data}, both, 1, SELECTION)
    arguments = found["data"]["init_args"]
    assert (arguments["switch_epoch"], arguments["epoch_budget"]) == (7, "shared")
    assert found["trainer"]["max_epochs"] == 7 + 3
    assert {arguments[role]["init_args"]["folds"]["scheme"] for role in sides} == {"none"}
