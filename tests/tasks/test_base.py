from types import SimpleNamespace

import pytest
import torch

from sercl.batch import AudioBatch
from sercl.errors import CheckpointError, ClipLengthError, UsageError
from sercl.models.adapters import AdapterOptions
from sercl.models.adapters.full.config import FullConfig
from sercl.tasks.optim import OptimizerConfig

ADAPTERS = ("none", "lora", "lora+bottleneck+gating", "full")


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_every_trained_parameter_stands_in_one_group(build, adapter):
    task = build(adapter=adapter, pooling="attentive", layer="weighted")
    grouped = [id(p) for group in task.parameter_groups().values() for p in group]
    trained = {id(p) for p in task.parameters() if p.requires_grad}
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == trained


def test_counts_are_those_of_the_groups_and_of_the_whole(build):
    task = build(adapter="gating", layer="last")
    counts = task.trainable_counts()
    # Gating has a factor per feature and block; the head a weight per feature and class, and biases.
    assert counts["adapter"] == 3 * 16
    assert counts["head"] == 16 * 4 + 4
    assert counts["total"] == sum(p.numel() for p in task.parameters())


@pytest.mark.parametrize(("adapter", "has_graph"), [("none", False), ("lora", True), ("full", True)])
def test_a_frozen_encoder_builds_no_graph(build, batch, adapter, has_graph):
    task = build(adapter=adapter).train()
    assert task.encode(batch).hidden_states[-1].requires_grad is has_graph
    with torch.no_grad():
        assert not task.encode(batch).hidden_states[-1].requires_grad


def test_the_optimiser_has_a_rate_per_group_and_changes_it_with_every_step(build):
    task = build(
        adapter="lora",
        optimizer=OptimizerConfig(head_lr=0.1, adapter_lr=0.01, schedule="cosine", warmup=0.5),
    )
    task._trainer = SimpleNamespace(estimated_stepping_batches=8, check_val_every_n_epoch=1)
    chosen = task.configure_optimizers()
    optimizer, schedule = chosen["optimizer"], chosen["lr_scheduler"]
    assert {group["name"]: group["initial_lr"] for group in optimizer.param_groups} == {
        "head": 0.1,
        "adapter": 0.01,
    }
    assert schedule["interval"] == "step"
    rates = []
    for _ in range(8):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule["scheduler"].step()
    assert rates[:4] == pytest.approx([0.025, 0.05, 0.075, 0.1])
    assert rates[4:] == sorted(rates[4:], reverse=True)


def test_only_the_frozen_encoder_may_be_absent(build):
    task = build(adapter="full", adapters=AdapterOptions(full=FullConfig("top:1")), layer="last")
    state = task.state_dict()
    frozen = {name for name in state if name.startswith("encoder.") and ".layers.2." not in name}
    frozen -= {name for name in state if "layer_norm" in name and ".layers." not in name}
    assert frozen
    task.load_state_dict({name: value for name, value in state.items() if name not in frozen})
    trained = next(name for name, p in task.named_parameters() if p.requires_grad and "encoder" in name)
    with pytest.raises(CheckpointError, match=f"lacks weights: {trained}"):
        task.load_state_dict({name: value for name, value in state.items() if name != trained})


def test_a_clip_that_is_too_short_is_named(build):
    task = build()
    clips = [torch.randn(4000), torch.randn(task.encoder.min_samples - 1)]
    with pytest.raises(ClipLengthError, match=r"^utterance 'stub': encoder .* too short"):
        task.encode(AudioBatch.from_clips(clips, ids=["fine", "stub"]))


@pytest.mark.parametrize("options", [AdapterOptions(full=FullConfig("all")), {"peft": {"r": 2}}])
def test_options_of_an_adapter_that_is_not_in_use_are_refused(options, build):
    with pytest.raises(UsageError, match="has no effect with adapter lora"):
        build(adapter="lora", adapters=options, layer="last")
    task = build(adapter="lora", adapters={"lora": {"rank": 2}}, layer="last", head_first=True)
    assert task.frozen_twin().encoder_is_frozen
