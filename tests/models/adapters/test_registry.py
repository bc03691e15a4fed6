from collections.abc import Iterator
from dataclasses import asdict, dataclass

import peft
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from jsonargparse import ArgumentParser
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from sercl.errors import UnknownNameError, UsageError
from sercl.models.adapters import (
    METHODS,
    AdapterOptions,
    HookAdapter,
    attach,
    parse_adapter,
    register,
    registry,
)
from sercl.models.adapters.gating.config import GatingConfig
from sercl.models.adapters.gating.layer import GatingAdapter
from sercl.models.encoders import FamilyTraits
from sercl.tasks.classification import EmotionClassifier
from tests.models.adapters.conftest import Load


@given(names=st.lists(st.sampled_from(["lora", "bottleneck", "gating"]), min_size=1, unique=True))
def test_any_combination_in_any_order_gives_the_order_of_attaching(names: list[str]) -> None:
    expected = tuple(name for name in ("lora", "bottleneck", "gating") if name in names)
    assert parse_adapter("+".join(names)) == parse_adapter(" + ".join(names)) == expected


def test_none_and_full_are_choices_of_their_own() -> None:
    assert parse_adapter("none") == ()
    assert parse_adapter("full") == ("full",)


@pytest.mark.parametrize("spec", ["none+lora", "gating+full", "full+none"])
def test_none_and_full_do_not_combine(spec: str) -> None:
    with pytest.raises(UsageError, match="cannot be combined"):
        parse_adapter(spec)


@pytest.mark.parametrize("spec", ["lora+gating+lora", "full+full"])
def test_a_method_twice_is_refused(spec: str) -> None:
    with pytest.raises(UsageError, match="each method can be named, and only once"):
        parse_adapter(spec)


@pytest.mark.parametrize("spec", ["", "lora+", "lora,gating", "LoHax"])
def test_unknown_names_are_refused_with_the_legal_ones(spec: str) -> None:
    with pytest.raises(UnknownNameError, match="Valid: none, full, lora, peft:METHOD, bottleneck, gating"):
        parse_adapter(spec)


def test_a_near_name_is_offered() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'bottleneck'"):
        parse_adapter("lora+bottelneck")


@pytest.mark.parametrize("name", ["lora", "none", "a+b", ""])
def test_a_taken_or_unusable_name_is_not_registered(name: str) -> None:
    before = METHODS.names()
    with pytest.raises(UsageError, match=r"registered already|not a valid name"):
        register(name, GatingConfig, GatingAdapter)
    assert before == METHODS.names()


def test_a_method_of_peft_follows_a_colon() -> None:
    assert parse_adapter("gating+peft:dora") == ("peft:dora", "gating")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("peft", "name a method of peft, such as peft:dora. Valid: .*peft:ia3"),
        ("peft:doar", "Did you mean 'dora'"),
        ("peft:prefix_tuning", "prompts or embeddings"),
        ("peft:boft", "compiles an extension"),
        ("lora+peft:dora", "'lora' and 'peft:dora' change the same matrices|'peft:dora' and 'lora' change"),
        ("peft:dora+peft:ia3", "only one peft:METHOD can be named"),
        ("DoRA", "Did you mean 'peft:dora'"),
        ("gating:x", "nothing follows 'gating'"),
    ],
)
def test_what_cannot_be_trained_says_why(spec: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_adapter(spec)


@dataclass(frozen=True)
class ShiftConfig:
    """A trained shift.

    Args:
        start: Its first value.
    """

    start: float = 0.0


class Shift(HookAdapter):
    """A method of a user's own."""

    def __init__(self, hidden_size: int, config: ShiftConfig) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.full((hidden_size,), config.start))

    def hook(self, block: nn.Module, traits: FamilyTraits) -> RemovableHandle:
        return block.get_submodule(traits.feed_forward).register_forward_hook(self._add)

    def _add(self, module: nn.Module, args: object, output: Tensor) -> Tensor:
        return output + self.shift


@pytest.fixture
def registered() -> Iterator[AdapterOptions]:
    """Options that were made before the method "shift" was registered."""
    before, entries, configs = AdapterOptions(), dict(METHODS._entries), dict(registry._configs)
    register("shift", ShiftConfig, Shift)
    yield before
    METHODS._entries.clear()
    METHODS._entries.update(entries)
    registry._configs.clear()
    registry._configs.update(configs)
    AdapterOptions.__bases__ = (registry._dataclass_of(configs),)


def test_a_method_can_be_registered_at_any_time(registered: AdapterOptions, load: Load) -> None:
    assert registered.shift == ShiftConfig()
    assert registered == AdapterOptions()
    assert asdict(registered)["shift"] == {"start": 0.0}
    assert AdapterOptions(shift={"start": 0.5}).shift == ShiftConfig(0.5)
    assert isinstance(registered, AdapterOptions)
    adapters = attach(load("wavlm"), "shift+lora", registered)
    assert adapters.methods == ("lora", "shift")
    assert adapters.counts["shift"] == 3 * 16


def test_a_method_may_need_a_newer_peft(monkeypatch: pytest.MonkeyPatch) -> None:
    parse_adapter("peft:adamss")
    monkeypatch.setattr(peft, "__version__", "0.19.1")
    with pytest.raises(UsageError, match=r"peft:adamss needs peft 0\.20 or newer"):
        parse_adapter("peft:adamss")


def test_a_second_registration_is_refused(registered: AdapterOptions) -> None:
    with pytest.raises(UsageError, match="'shift' is registered already"):
        register("shift", ShiftConfig, Shift)


def test_a_parser_that_is_built_later_has_its_options(registered: AdapterOptions) -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(EmotionClassifier, "model")
    assert parser.get_defaults().model.adapters.shift.start == 0.0
    config = parser.parse_args(["--model.adapter", "shift", "--model.adapters.shift.start", "0.5"])
    assert config.model.adapters.shift.start == 0.5
    assert "A trained shift" in parser.format_help() or "Its first value" in parser.format_help()


def test_a_checkpoint_holds_its_options(registered: AdapterOptions, load: Load) -> None:
    encoder = load("wav2vec2").location
    task = EmotionClassifier(encoder, adapter="shift+gating", adapters=AdapterOptions(shift={"start": 0.5}))
    assert task.hparams["adapters"] == {"gating": {"init": "identity"}, "shift": {"start": 0.5}}
    again = EmotionClassifier(**task.hparams)
    assert again.adapters.get_submodule("shift.0").shift.tolist() == [0.5] * 16
