import json
from dataclasses import dataclass

import pytest

from sercl.errors import CheckpointError, UsageError
from sercl.models.adapters import AdapterOptions
from sercl.models.adapters.gating.config import GatingConfig
from sercl.tasks.models import plain, revive
from sercl.tasks.optim import OptimizerConfig


class Task:
    def __init__(self, layer=3, optimizer=OptimizerConfig(), blocks=None):
        self.stored = plain(locals())
        __class__  # noqa: B018 - as `super()` does, this puts `__class__` among the local names


def test_arguments_become_plain_data_and_nothing_else_does():
    stored = Task(optimizer=OptimizerConfig(head_lr=0.5), blocks=[0, 2]).stored
    assert list(stored) == ["layer", "optimizer", "blocks"]
    assert stored["optimizer"]["head_lr"] == 0.5
    assert json.loads(json.dumps(stored)) == stored


@pytest.mark.parametrize(
    "config",
    [OptimizerConfig(warmup=0.25), AdapterOptions(gating=GatingConfig("paper"))],
    ids=["one", "nested"],
)
def test_a_config_comes_back_as_it_was(config):
    stored = json.loads(json.dumps(plain({"config": config})))["config"]
    assert revive(type(config), stored) == config
    assert revive(type(config), config) is config


def test_what_a_checkpoint_holds_is_checked_like_any_option():
    with pytest.raises(UsageError, match="warmup"):
        revive(OptimizerConfig, {"warmup": 2.0})


@pytest.mark.parametrize(
    ("kind", "stored"),
    [
        (OptimizerConfig, {"momentum": 0.9}),
        (AdapterOptions, {"ia3": {}}),
        (AdapterOptions, {"lora": {"x": 1}}),
    ],
)
def test_an_option_of_another_version_is_reported_as_such(kind, stored):
    with pytest.raises(CheckpointError, match=r"option that this sercl does not have .*(momentum|ia3|'x')"):
        revive(kind, stored)


def test_a_class_is_no_config():
    @dataclass
    class Config:
        size: int = 1

    assert plain({"kind": Config})["kind"] is Config
