import copy
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModel

from sercl.errors import AdapterError, SerclWarning, UsageError
from sercl.models.adapters import AdapterOptions, AttachedAdapters, attach
from sercl.models.adapters.peft.config import methods
from sercl.models.encoders import Encoder, inference, load_encoder
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
FAMILIES = ("wav2vec2", "hubert-stable", "wavlm", "data2vec-audio", "wav2vec2-bert", "whisper")

Fresh = Callable[[str], Encoder]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    """A tiny encoder of two blocks, the same weights at every call, in evaluation mode."""
    return maker(tmp_path_factory, 2)


@pytest.fixture(scope="module")
def smallest(tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    """The same with one block, where everything is tried."""
    return maker(tmp_path_factory, 1)


def maker(tmp_path_factory: pytest.TempPathFactory, blocks: int) -> Fresh:
    @cache
    def loaded(family: str) -> Encoder:
        return load_encoder(str(tiny_encoder(family, tmp_path_factory.mktemp(family), blocks=blocks))).eval()

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
@pytest.mark.parametrize("method", ["adalora", "dora", "ia3", "pissa", "vera"])
def test_starts_as_the_encoder_trains_merges_and_restores(fresh: Fresh, family: str, method: str) -> None:
    assert faults(fresh, family, method) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"rank": 4}, r"unknown argument of peft:dora 'rank'. .*Valid: target_modules, folder, r,"),
        ({"r": "four"}, r"--model.adapters.peft.r 'four': not valid for peft:dora. Valid: int"),
        ({"use_dora": False}, "unknown argument"),
        ({"megatron_core": "os"}, "unknown argument"),
        ({"init_lora_weights": "eva"}, "computed from data"),
        ({"target_modules": ["qproj"]}, r"unknown target module 'qproj'. Did you mean 'q_proj'"),
        ({"target_modules": []}, "a list of names, or all-linear"),
        ({"r": 0}, "peft:dora does not fit this encoder"),
        ({"lora_alpha": -1}, "lora_alpha -1: not valid for peft:dora. Valid: a number above 0"),
        ({"lora_dropout": 1.5}, "Valid: a number from 0 to below 1"),
    ],
)
def test_wrong_arguments_are_refused(fresh: Fresh, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        attach(fresh("wavlm"), "peft:dora", AdapterOptions(peft=arguments))


def test_a_method_that_is_no_change_of_weights_is_refused_where_weights_are_read(fresh: Fresh) -> None:
    with pytest.raises(UsageError, match="reads the weights of its projections"):
        adapted(fresh("wavlm"), "lily")
    encoder = fresh("wavlm")
    adapters = adapted(encoder, "lily", target_modules=["intermediate_dense", "output_dense"])
    last(encoder).sum().backward()
    assert adapters.without_gradient() == []


def test_only_the_named_blocks_and_modules_are_adapted(fresh: Fresh) -> None:
    encoder = fresh("wavlm")
    options = AdapterOptions(peft={"target_modules": ["q_proj", "output_dense"]})
    adapters = attach(encoder, "peft:rslora+gating", options, blocks=[1])
    own = {name.partition(".lora_")[0] for name in trained(encoder)}
    assert own == {
        "model.encoder.layers.1.attention.q_proj.adapted",
        "model.encoder.layers.1.feed_forward.output_dense",
    }
    assert adapters.counts == {"peft:rslora": 8 * (16 + 16) + 8 * (32 + 16), "gating": 16}
    assert adapters.summary().startswith("peft:rslora 640 + gating 16 = 656 trainable")


@pytest.mark.parametrize("method", ["adalora", "dora", "lora"])
def test_read_weights_equal_those_that_peft_merges(fresh: Fresh, method: str) -> None:
    encoder = fresh("wavlm")
    adapters = adapted(encoder, method)
    perturb(encoder)
    paths = [f"attention.{name}_proj" for name in ("q", "k", "v", "out")]
    read = [(encoder.blocks[0].get_submodule(path).weight, path) for path in paths]
    adapters.merge()
    for weight, path in read:
        torch.testing.assert_close(weight, encoder.blocks[0].get_submodule(path).weight, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("family", ["wavlm", "whisper"])
def test_it_goes_together_with_hooks_and_a_copy_stands_on_its_own(fresh: Fresh, family: str) -> None:
    encoder = fresh(family)
    adapters = attach(
        encoder, "gating+peft:dora+bottleneck", AdapterOptions(bottleneck={"reduction": 4})
    ).eval()
    perturb(encoder, adapters)
    output = last(encoder.eval())
    other, copied = copy.deepcopy((encoder, adapters))
    copied.merge()
    assert copied.methods == ("bottleneck", "gating")
    torch.testing.assert_close(last(other), output, rtol=1e-4, atol=1e-5)
    assert not any("lora" in name for name in other.state_dict())
    assert torch.equal(last(encoder), output)
    assert adapters.methods == ("peft:dora", "bottleneck", "gating")


def test_gradient_checkpointing_gives_the_same_gradients(fresh: Fresh) -> None:
    gradients = []
    for checkpointed in (False, True):
        encoder = fresh("wavlm")
        adapted(encoder, "dora")
        perturb(encoder)
        if checkpointed:
            encoder.checkpoint_gradients()
        last(encoder).square().sum().backward()
        gradients.append([each.grad for each in trained(encoder).values()])
    torch.testing.assert_close(gradients[1], gradients[0])


@pytest.mark.parametrize("method", ["ln_tuning", "dora"])
def test_inference_does_not_pass_by_what_is_adapted(fresh: Fresh, method: str) -> None:
    encoder = fresh("wav2vec2")
    adapted(encoder, method)
    perturb(encoder)
    with torch.no_grad(), inference(encoder):
        fast = last(encoder)
    # What is merged into weights laid out for the processor is the same but for rounding.
    torch.testing.assert_close(fast, last(encoder), atol=1e-4, rtol=1e-4)


def test_a_random_start_is_said(fresh: Fresh) -> None:
    with pytest.warns(SerclWarning, match="peft:fourierft starts at random"):
        attach(fresh("whisper"), "peft:fourierft", AdapterOptions(peft={"n_frequency": 16}))
    with warnings.catch_warnings():
        warnings.simplefilter("error", SerclWarning)
        attach(fresh("whisper"), "peft:pissa", AdapterOptions(peft={"lora_dropout": 0.5}))


@pytest.mark.parametrize(
    "method", ["lora", "peft:adalora", "peft:dora", "peft:ia3", "peft:oft", "peft:pissa", "peft:vera"]
)
def test_peft_reads_what_is_saved(fresh: Fresh, tmp_path: Path, method: str) -> None:
    encoder = fresh("data2vec-audio")
    torch.manual_seed(0)
    adapters = attach(encoder, f"{method}+gating", blocks=[1])
    perturb(encoder)
    assert adapters.save_peft(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    theirs = PeftModel.from_pretrained(AutoModel.from_pretrained(encoder.location), tmp_path)
    waveform = torch.randn(1, 4000, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = theirs.eval()(waveform).last_hidden_state
        found = encoder.model.eval()(waveform).last_hidden_state
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", ["wav2vec2", "wavlm"])
@pytest.mark.parametrize(
    ("saved", "method"),
    [("lora", "peft:lora"), *((f"peft:{name}",) * 2 for name in ("dora", "ia3", "vera", "ln_tuning"))],
)
def test_a_saved_adapter_is_continued(
    fresh: Fresh, tmp_path: Path, family: str, saved: str, method: str
) -> None:
    encoder, other = fresh(family), fresh(family)
    adapters = attach(encoder, saved)
    perturb(encoder)
    adapters.save_peft(tmp_path)
    again = attach(other, method, AdapterOptions(peft={"folder": str(tmp_path)}))
    torch.testing.assert_close(last(other.eval()), last(encoder.eval()), rtol=1e-4, atol=1e-5)
    assert "folder" not in again.options["peft"]


def test_hooks_have_no_format_of_peft(fresh: Fresh, tmp_path: Path) -> None:
    assert not attach(fresh("whisper"), "bottleneck+gating").save_peft(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_does_not_fit_is_refused(fresh: Fresh, tmp_path: Path) -> None:
    attach(fresh("wav2vec2"), "peft:dora", AdapterOptions(peft={"r": 2})).save_peft(tmp_path / "dora")

    def continued(method: str, folder: str, family: str = "wav2vec2", **more: Any) -> None:
        options = AdapterOptions(peft={"folder": str(tmp_path / folder), **more})
        attach(fresh(family), f"peft:{method}", options)

    with pytest.raises(AdapterError, match="an adapter of peft:dora, not of peft:lora"):
        continued("lora", "dora")
    with pytest.raises(AdapterError, match="cannot be read"):
        continued("dora", "absent")
    with pytest.raises(UsageError, match=r"sets it already. Leave r out"):
        continued("dora", "dora", r=4)
    with pytest.raises(UsageError, match="unknown target module"):
        continued("dora", "dora", "whisper")
    (tmp_path / "dora" / "adapter_model.safetensors").write_bytes(b"x")
    with pytest.raises(AdapterError, match=r"adapter_model.safetensors: cannot be read"):
        continued("dora", "dora")


def test_weights_of_other_blocks_are_refused(fresh: Fresh, tmp_path: Path) -> None:
    attach(fresh("wav2vec2"), "peft:dora").save_peft(tmp_path)
    with pytest.raises(UsageError, match=r"unknown target module 'encoder.layers.1"):
        attach(fresh("wav2vec2"), "peft:dora", AdapterOptions(peft={"folder": str(tmp_path)}), blocks=[0])
    weights = load_file(tmp_path / "adapter_model.safetensors")
    save_file(dict(list(weights.items())[1:]), tmp_path / "adapter_model.safetensors")
    with pytest.raises(AdapterError, match="lacks weights"):
        attach(fresh("wav2vec2"), "peft:dora", AdapterOptions(peft={"folder": str(tmp_path)}))


@pytest.mark.slow  # every method of the installed peft on every kind of block
@pytest.mark.parametrize("family", FAMILIES)
def test_every_method_of_peft(smallest: Fresh, family: str) -> None:
    chosen = [method for method in methods() if method != "lily" or family != "wavlm"]
    found = {method: faults(smallest, family, method) for method in chosen}
    assert found == {method: expected(family, method) for method in chosen}
