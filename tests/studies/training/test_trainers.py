import pytest
import torch

from sercl.errors import UsageError
from sercl.studies.training.trainers import TrainerOptions


@pytest.mark.parametrize(
    ("given", "devices"), [({}, 1), ("auto", 1), (1, 1), ("2", 2), (3, 3), ([0, 1], 1), (-1, 1)]
)
def test_devices_are_counted_where_they_are_a_number(given: object, devices: int) -> None:
    options = TrainerOptions.of({} if given == {} else {"devices": given})
    assert options.devices == devices


def test_the_number_of_devices_decides_the_result_where_there_are_several() -> None:
    saving = {"mode": "min", "save_top_k": 1, "every_n_epochs": 1, "save_on_train_epoch_end": None}
    given = ({}, {"devices": 1, "strategy": "ddp"}, {"devices": 2, "strategy": "ddp"})
    plain, one, two = (TrainerOptions.of(options, saving=saving).deciding for options in given)
    assert one == plain
    assert two == {**one, "trainer": {**one["trainer"], "devices": 2}}


def test_options_of_several_devices_serve_one_too() -> None:
    several = {"devices": 2, "strategy": "fsdp", "accelerator": "cpu"}
    trainer = TrainerOptions.of(several).on_one_device().build()
    assert (trainer.world_size, trainer.num_devices) == (1, 1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_named_by_its_option() -> None:
    with pytest.raises(UsageError, match=r"This is --trainer\.accelerator: give auto or cpu"):
        TrainerOptions.of({"accelerator": "gpu"}).build()
