import copy
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from sercl.errors import UsageError
from sercl.models.adapters import AdapterOptions, AttachedAdapters, attach
from sercl.models.adapters.peft.config import methods
from sercl.models.encoders import Encoder, load_encoder
from sercl.testing.encoders import tiny_encoder
from tests.models.adapters.test_attach import perturb, trained

SMALL: Mapping[str, dict[str, Any]] = {
    "c3a": {"block_size": 8},
    "fourierft": {"n_frequency": 16},
    "miss": {"r": 4},
    "psoft": {"r": 4},
    "road": {"group_size": 8},
    "shira": {"r": 2},
    "vblora": {"vector_length": 8, "num_vectors": 4, "topk": 2},
    "waveft": {"n_frequency": 16},
}
"""Arguments for encoders that are 16 wide, where the defaults do not fit."""

ANOTHER_START = {"c3a", "fourierft", "unilora", "vblora"}
NOT_MERGED = {"lily"}
NEEDS_BIAS = {"beft"}  # Whisper's keys have none
CLIPS = (0.1 * torch.randn(1, 2400, generator=torch.Generator().manual_seed(0)), torch.tensor([2400]))
FAMILIES = (
    "wav2vec2",
    "hubert-stable",
    "wavlm",
    "wavlm-stable",
    "data2vec-audio",
    "wav2vec2-bert",
    "whisper",
)

Fresh = Callable[[str], Encoder]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    """A tiny encoder of two blocks, the same weights at every call, in evaluation mode."""

    @cache
    def loaded(family: str) -> Encoder:
        return load_encoder(str(tiny_encoder(family, tmp_path_factory.mktemp(family), blocks=2))).eval()

    return lambda family: copy.deepcopy(loaded(family))


def last(encoder: Encoder) -> Tensor:
    return encoder(*CLIPS).hidden_states[-1][:, :5]


def adapted(encoder: Encoder, method: str, **options: Any) -> AttachedAdapters:
    torch.manual_seed(0)
    given = AdapterOptions(peft={**SMALL.get(method, {}), **options})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adapters = attach(encoder, f"peft:{method}", given)
    encoder.eval()
    return adapters


def faults(fresh: Fresh, family: str, method: str) -> list[str]:
    """What does not hold for a method on a family."""
    encoder, found = fresh(family), []
    before = last(encoder)
    adapters = adapted(encoder, method)
    if (last(encoder) - before).abs().max() > 1e-4:
        found.append("start")
    perturb(encoder)
    output = last(encoder)
    if torch.allclose(output, before, atol=1e-4):
        found.append("effect")
    (output * torch.randn(output.shape, generator=torch.Generator().manual_seed(2))).sum().backward()
    if adapters.without_gradient() or _zeros(encoder):
        found.append("gradient")
    if not torch.equal(last(restored(fresh(family), method, encoder, adapters)), last(encoder)):
        found.append("checkpoint")
    try:
        adapters.merge()
    except UsageError:
        return [*found, "merge"]
    assert encoder.state_dict().keys() == fresh(family).state_dict().keys()
    return [*found, *["merge"] * bool((last(encoder) - output).abs().max() > 1e-3)]


def _zeros(encoder: Encoder) -> list[str]:
    """Tensors with no gradient but zero.

    Attention does not see what is added to all keys, nor a norm what is added to all features.
    """
    return [
        name
        for name, each in trained(encoder).items()
        if each.grad is not None and not each.grad.any()
        if each.numel() > 1 and "k_proj" not in name and "linear_k" not in name
    ]


def restored(other: Encoder, method: str, encoder: Encoder, adapters: AttachedAdapters) -> Encoder:
    """What a checkpoint holds, in an adapter that was drawn anew."""
    names = set(trained(encoder)) | adapters.kept
    stored = {name: value.clone() for name, value in encoder.state_dict().items() if name in names}
    torch.manual_seed(123)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        attach(other, f"peft:{method}", AdapterOptions(peft=adapters.options["peft"]))
    assert other.load_state_dict(stored, strict=False).unexpected_keys == []
    return other.eval()


def expected(family: str, method: str) -> list[str]:
    cannot = method in NOT_MERGED or (method in NEEDS_BIAS and family == "whisper")
    return ["start"] * (method in ANOTHER_START) + ["merge"] * cannot


@pytest.mark.parametrize("family", ["wavlm", "whisper"])
@pytest.mark.parametrize("method", ["dora", "ia3", "pissa", "vera"])
def test_starts_as_the_encoder_trains_merges_and_restores(fresh: Fresh, family: str, method: str) -> None:
    assert faults(fresh, family, method) == []


@pytest.mark.slow  # every method of the installed peft on every kind of block
@pytest.mark.parametrize("family", FAMILIES)
def test_every_method_of_peft(fresh: Fresh, family: str) -> None:
    chosen = [method for method in methods() if method != "lily" or not family.startswith("wavlm")]
    found = {method: faults(fresh, family, method) for method in chosen}
    assert found == {method: expected(family, method) for method in chosen}
