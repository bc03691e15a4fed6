from dataclasses import asdict, fields

import pytest
import yaml
from jsonargparse import ArgumentParser

from sercl.errors import UsageError
from sercl.models.adapters import METHODS, AdapterOptions
from sercl.models.adapters.gating.config import GatingConfig
from sercl.models.adapters.lora.config import LoraConfig


def parser() -> ArgumentParser:
    built = ArgumentParser(exit_on_error=False)
    built.add_argument("--adapters", type=AdapterOptions, default=AdapterOptions())
    return built


def test_has_a_field_per_registered_method() -> None:
    assert [item.name for item in fields(AdapterOptions)] == ["full", *METHODS]
    for name, method in METHODS.items():
        assert getattr(AdapterOptions(), name) == method.config()


def test_command_line_reaches_every_option() -> None:
    built = parser()
    parsed = built.parse_args(["--adapters.lora.rank", "4", "--adapters.gating.init", "paper"])
    options = built.instantiate(parsed).adapters
    assert options == AdapterOptions(lora=LoraConfig(rank=4), gating=GatingConfig("paper"))
    assert isinstance(options, AdapterOptions)


def test_help_shows_what_the_configs_say() -> None:
    text = " ".join(parser().format_help().split())
    assert "--adapters.bottleneck.reduction" in text
    assert "The update is scaled by alpha / rank" in text


def test_plain_data_comes_back_as_options() -> None:
    options = AdapterOptions(lora=LoraConfig(alpha=1.5))
    assert AdapterOptions(**yaml.safe_load(yaml.safe_dump(asdict(options)))) == options


def test_plain_data_is_validated() -> None:
    with pytest.raises(UsageError, match="rank 0"):
        AdapterOptions(lora={"rank": 0})
    with pytest.raises(TypeError, match="ranc"):
        AdapterOptions(lora={"ranc": 8})
