import pytest
from hypothesis import given
from hypothesis import strategies as st

from sercl.errors import UnknownNameError, UsageError
from sercl.models.adapters import METHODS, parse_adapter, register
from sercl.models.adapters.gating.config import GatingConfig
from sercl.models.adapters.gating.layer import GatingAdapter


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
    with pytest.raises(UsageError, match="twice"):
        parse_adapter(spec)


@pytest.mark.parametrize("spec", ["", "lora+", "lora,gating", "LoHa"])
def test_unknown_names_are_refused_with_the_legal_ones(spec: str) -> None:
    with pytest.raises(UnknownNameError, match="Valid: none, full, lora, bottleneck, gating"):
        parse_adapter(spec)


def test_a_near_name_is_offered() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'bottleneck'"):
        parse_adapter("lora+bottelneck")


@pytest.mark.parametrize("name", ["lora", "none", "a+b", ""])
def test_a_taken_or_unusable_name_is_not_registered(name: str) -> None:
    before = dict(METHODS)
    with pytest.raises(ValueError, match="already registered"):
        register(name, GatingConfig, GatingAdapter)
    assert before == METHODS
