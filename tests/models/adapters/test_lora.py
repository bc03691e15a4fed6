import pytest
import torch
from torch import Tensor, nn

from sercl.errors import UsageError
from sercl.models.adapters import AdapterOptions, attach
from sercl.models.adapters.lora.config import LoraConfig
from sercl.models.adapters.lora.layer import WeightLora
from sercl.testing.encoders import FAMILIES
from tests.models.adapters.conftest import Load


def factors(wrapped: nn.Module) -> tuple[Tensor, Tensor]:
    if isinstance(wrapped, WeightLora):
        return wrapped.lora_A, wrapped.lora_B
    return wrapped.lora_A["default"].weight, wrapped.lora_B["default"].weight


@pytest.mark.parametrize("family", FAMILIES)
def test_equals_weights_changed_by_hand(load: Load, clips: tuple[Tensor, Tensor], family: str) -> None:
    adapted, plain = load(family), load(family)
    attach(adapted, "lora", AdapterOptions(lora=LoraConfig(rank=3, alpha=12)))
    for block, target in zip(adapted.blocks, plain.blocks, strict=True):
        for name in adapted.traits.block_linears:
            down, up = factors(block.get_submodule(name))
            assert down.shape[0] == up.shape[1] == 3
            torch.nn.init.normal_(up, std=0.05)
            target.get_submodule(name).weight.data += 12 / 3 * up.detach() @ down.detach()
    ours, theirs = (encoder.eval()(*clips).hidden_states[-1] for encoder in (adapted, plain))
    torch.testing.assert_close(ours[:, :12], theirs[:, :12], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", ["wav2vec2", "wavlm"])
def test_dropout_acts_in_training_only(load: Load, family: str) -> None:
    encoder = load(family)
    attach(encoder, "lora", AdapterOptions(lora=LoraConfig(dropout=0.5)))
    query = encoder.blocks[0].get_submodule("attention.q_proj")
    torch.nn.init.normal_(factors(query)[1])
    x = torch.randn(1, 5, 16)
    encoder.eval()
    assert torch.equal(query(x), query(x))
    encoder.train()
    assert not torch.equal(query(x), query(x))


def test_dropout_keeps_the_expected_weight() -> None:
    layer = WeightLora(nn.Linear(6, 4), rank=2, alpha=4, dropout=0.3)
    torch.nn.init.normal_(layer.lora_B)
    torch.manual_seed(0)
    average = torch.stack([layer.weight.detach() for _ in range(4000)]).mean(0)
    torch.testing.assert_close(average, layer.eval().weight.detach(), atol=0.05, rtol=0)


def test_weight_lora_keeps_a_half_precision_weight() -> None:
    layer = WeightLora(nn.Linear(6, 4).bfloat16(), rank=2, alpha=4, dropout=0.0)
    assert layer.weight.dtype == torch.bfloat16
    assert layer(torch.ones(1, 6, dtype=torch.bfloat16)).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("options", "named"),
    [({"rank": 0}, "rank 0"), ({"alpha": 0.0}, r"alpha 0\.0"), ({"dropout": 1.0}, r"dropout 1\.0")],
)
def test_wrong_options_are_refused(options: dict[str, float], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        LoraConfig(**options)


def test_a_rank_above_the_smaller_side_of_a_matrix_is_refused(load: Load) -> None:
    encoder = load("wavlm")
    attach(load("wavlm"), "lora", AdapterOptions(lora=LoraConfig(rank=encoder.hidden_size)))
    with pytest.raises(UsageError, match=f"LoRA rank 1000000000 is .*; valid: 1 to {encoder.hidden_size}"):
        attach(encoder, "lora", AdapterOptions(lora=LoraConfig(rank=10**9)))
