import copy
from itertools import chain

import pytest
import torch
from torch import Tensor, nn

from sercl.errors import UnknownNameError, UsageError
from sercl.models.adapters import AdapterOptions, AttachedAdapters, attach
from sercl.models.adapters.bottleneck.config import BottleneckConfig
from sercl.models.adapters.gating.config import GatingConfig
from sercl.models.encoders import Encoder
from sercl.testing.encoders import FAMILIES
from tests.models.adapters.conftest import Load

Clips = tuple[Tensor, Tensor]
ALL = "lora+bottleneck+gating"
SPECS = ("lora", "bottleneck", "gating", ALL)
OPTIONS = AdapterOptions(bottleneck=BottleneckConfig(reduction=4))


def last(encoder: Encoder, clips: Clips) -> Tensor:
    return encoder(*clips).hidden_states[-1][:, :12]


def trained(*modules: nn.Module) -> dict[str, nn.Parameter]:
    named = chain.from_iterable(module.named_parameters() for module in modules)
    return {name: parameter for name, parameter in named if parameter.requires_grad}


def perturb(*modules: nn.Module) -> None:
    generator = torch.Generator().manual_seed(1)
    for parameter in trained(*modules).values():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)


def adapted(load: Load, family: str, spec: str = ALL) -> tuple[Encoder, AttachedAdapters]:
    """An encoder whose adapters have left their start."""
    encoder = load(family)
    torch.manual_seed(0)
    adapters = attach(encoder, spec, OPTIONS).eval()
    encoder.eval()
    perturb(encoder, adapters)
    return encoder, adapters


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("spec", SPECS)
def test_identity_start_leaves_the_output_unchanged(load: Load, clips: Clips, family: str, spec: str) -> None:
    before = last(load(family), clips)
    encoder = load(family)
    attach(encoder, spec, OPTIONS)
    # Rounding alone: the same model run twice differs by 1e-6 where its tensors lie elsewhere in memory.
    torch.testing.assert_close(last(encoder.eval(), clips), before, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("spec", ["bottleneck", "gating"])
def test_paper_start_changes_the_output(load: Load, clips: Clips, spec: str) -> None:
    encoder = load("wav2vec2")
    before = last(encoder, clips)
    paper = AdapterOptions(bottleneck=BottleneckConfig(4, "paper"), gating=GatingConfig("paper"))
    attach(encoder, spec, paper)
    assert (last(encoder, clips) - before).abs().max() > 1e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_every_adapter_parameter_gets_a_gradient(load: Load, clips: Clips, family: str) -> None:
    encoder, adapters = adapted(load, family)
    output = last(encoder, clips)
    # Not the mean square: the last layer norm keeps that almost constant.
    (output * torch.randn(output.shape, generator=torch.Generator().manual_seed(2))).sum().backward()
    without = [
        name
        for name, parameter in trained(encoder, adapters).items()
        if parameter.grad is None or not parameter.grad.abs().max() > 1e-4
    ]
    assert without == []


@pytest.mark.parametrize("family", FAMILIES)
def test_every_adapter_parameter_changes_the_output(load: Load, clips: Clips, family: str) -> None:
    encoder, adapters = adapted(load, family)
    before, generator = last(encoder, clips), torch.Generator().manual_seed(2)
    for name, parameter in trained(encoder, adapters).items():
        kept = parameter.data.clone()
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
        assert (last(encoder, clips) - before).abs().max() > 1e-5, name
        parameter.data.copy_(kept)


@pytest.mark.parametrize("family", FAMILIES)
def test_merging_lora_keeps_the_output_and_gives_plain_layers_back(
    load: Load, clips: Clips, family: str
) -> None:
    encoder, adapters = adapted(load, family)
    before = last(encoder, clips)
    adapters.merge()
    assert (last(encoder, clips) - before).abs().max() < 1e-5
    assert adapters.methods == tuple(adapters.counts) == ("bottleneck", "gating")
    assert encoder.state_dict().keys() == load(family).state_dict().keys()
    linears = [block.get_submodule(name) for block in encoder.blocks for name in encoder.traits.block_linears]
    assert {type(linear) for linear in linears} == {nn.Linear}
    assert not trained(encoder)


def test_merging_without_lora_changes_nothing(load: Load, clips: Clips) -> None:
    encoder, adapters = adapted(load, "whisper", "bottleneck+gating")
    before, names = last(encoder, clips), list(adapters.state_dict())
    adapters.merge()
    assert torch.equal(last(encoder, clips), before)
    assert list(adapters.state_dict()) == names


def linear_sizes(encoder: Encoder) -> list[int]:
    """Inputs plus outputs of the matrices of one block that LoRA adapts."""
    names = encoder.traits.block_linears
    return [sum(encoder.blocks[0].get_submodule(name).weight.shape) for name in names]


@pytest.mark.parametrize("family", FAMILIES)
def test_trained_parameters_are_those_of_the_formulas(load: Load, family: str) -> None:
    encoder = load(family)
    width, sizes = encoder.hidden_size, linear_sizes(encoder)
    adapters = attach(encoder, ALL, OPTIONS, blocks=[0, 2])
    bottleneck = 2 * width * (width // 4) + width // 4 + width
    expected = {"lora": 2 * 8 * sum(sizes), "bottleneck": 2 * bottleneck, "gating": 2 * width}
    assert adapters.counts == expected
    assert (
        adapters.count
        == sum(expected.values())
        == sum(p.numel() for p in trained(encoder, adapters).values())
    )
    for number in expected.values():
        assert f"{number:,}" in adapters.summary()
    assert adapters.summary().endswith("in blocks 0, 2")


def test_study_values_of_one_block_of_a_base_encoder(load: Load) -> None:
    """768 wide, 3072 inside: r 8 on six matrices, D -> 48 -> D, one gate."""
    attention, feed_forward = 4 * 8 * (768 + 768), 2 * 8 * (768 + 3072)
    encoder = load("wav2vec2")
    block = encoder.blocks[0]
    for name in encoder.traits.block_linears:
        inner = 3072 if "feed_forward" in name else 768
        sizes = (inner, 768) if "output_dense" in name else (768, inner)
        block.set_submodule(name, nn.Linear(*sizes))
    encoder.hidden_size = 768
    adapters = attach(encoder, ALL, blocks=[0])
    assert adapters.counts == {
        "lora": attention + feed_forward,
        "bottleneck": 768 * 48 + 48 + 48 * 768 + 768,
        "gating": 768,
    }


def test_only_the_named_blocks_get_adapters(load: Load, clips: Clips) -> None:
    encoder = load("wavlm")
    states = encoder(*clips).hidden_states
    adapters = attach(encoder, ALL, OPTIONS, blocks=[2, 1])
    perturb(encoder, adapters)
    after = encoder.eval()(*clips).hidden_states
    torch.testing.assert_close(after[1], states[1], rtol=1e-5, atol=1e-5)
    assert not torch.allclose(after[2], states[2])
    assert {name.split(".")[1] for name in adapters.state_dict()} == {"1", "2"}
    assert "gating.1.gate" in adapters.state_dict()


@pytest.mark.parametrize(
    ("blocks", "named"), [([3], "block 3"), ([-1], "block -1"), ([], r"blocks \[\]"), ([1, 1], "1, 1")]
)
def test_wrong_blocks_are_refused_with_the_legal_ones(load: Load, blocks: list[int], named: str) -> None:
    with pytest.raises(UsageError, match=f"{named}.*0 to 2"):
        attach(load("wav2vec2"), "gating", blocks=blocks)


@pytest.mark.parametrize("spec", ["none", "full"])
def test_blocks_without_an_adapter_are_refused(load: Load, spec: str) -> None:
    with pytest.raises(UsageError, match="have no effect"):
        attach(load("wav2vec2"), spec, blocks=[0])


def test_none_freezes_the_encoder(load: Load) -> None:
    encoder = load("wav2vec2")
    adapters = attach(encoder, "none")
    assert not trained(encoder, adapters)
    assert (adapters.methods, adapters.count) == ((), 0)
    assert "frozen" in adapters.summary()


@pytest.mark.parametrize("parts", ["blocks", "top:1", "all"])
def test_full_trains_the_chosen_parts(load: Load, parts: str) -> None:
    encoder, reference = load("wav2vec2"), load("wav2vec2")
    adapters = attach(encoder, "full", AdapterOptions(full={"parts": parts}))
    reference.trainable(parts)
    assert trained(encoder, adapters).keys() == trained(reference).keys()
    assert adapters.count == sum(p.numel() for p in trained(reference).values())
    assert f"{adapters.count:,}" in adapters.summary()


@pytest.mark.parametrize("family", ["wav2vec2", "wavlm", "whisper"])
def test_gradient_checkpointing_gives_the_same_gradients(load: Load, clips: Clips, family: str) -> None:
    gradients = []
    for checkpointed in (False, True):
        encoder, adapters = adapted(load, family)
        if checkpointed:
            encoder.checkpoint_gradients()
        encoder.train()
        torch.manual_seed(0)
        last(encoder, clips).square().mean().backward()
        gradients.append([parameter.grad for parameter in trained(encoder, adapters).values()])
    torch.testing.assert_close(gradients[1], gradients[0])


@pytest.mark.parametrize("family", ["wavlm", "whisper"])
def test_a_copy_stands_on_its_own(load: Load, clips: Clips, family: str) -> None:
    encoder, adapters = adapted(load, family)
    before = last(encoder, clips)
    other, copied = copy.deepcopy((encoder, adapters))
    assert torch.equal(last(other, clips), before)
    perturb(copied)
    assert not torch.allclose(last(other, clips), before)
    copied.merge()
    assert torch.equal(last(encoder, clips), before)


@pytest.mark.parametrize("family", FAMILIES)
def test_trained_weights_alone_restore_the_output(load: Load, clips: Clips, family: str) -> None:
    encoder, adapters = adapted(load, family)
    fresh = load(family)
    again = attach(fresh, ALL, OPTIONS)
    weights = {name: parameter.detach() for name, parameter in trained(encoder).items()}
    result = fresh.load_state_dict(weights, strict=False)
    again.load_state_dict(adapters.state_dict())
    assert result.unexpected_keys == []
    assert torch.equal(last(fresh.eval(), clips), last(encoder, clips))


def test_unknown_adapter_is_answered_before_anything_changes(load: Load) -> None:
    encoder = load("wav2vec2")
    with pytest.raises(UnknownNameError, match="'lora'"):
        attach(encoder, "loral")
    assert trained(encoder)
