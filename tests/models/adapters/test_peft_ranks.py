import copy
import math
from types import SimpleNamespace
from typing import Any

import peft
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import AdaLoraConfig, PeftModel
from torch import Tensor, nn
from transformers import AutoModel

from sercl.errors import UsageError
from sercl.models.adapters import AdapterOptions, AttachedAdapters, attach, depends_on_length
from sercl.models.adapters.peft.ranks import Ranks, plan
from sercl.models.encoders import Encoder, load_encoder
from sercl.tasks.checkpoint import check_sizes
from sercl.testing.encoders import tiny_encoder
from tests.models.adapters.test_attach import perturb, trained

FAMILIES = ("wav2vec2", "hubert-stable", "wavlm", "data2vec-audio", "wav2vec2-bert", "whisper")
CLIPS = (0.1 * torch.randn(2, 2400, generator=torch.Generator().manual_seed(0)), torch.tensor([2400, 2000]))
SMALL = {"init_r": 4, "target_r": 2}


class WithLoss(nn.Module):
    """Two layers whose output has a loss, which peft's model adds its penalty to."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(6, 8), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> SimpleNamespace:
        return SimpleNamespace(loss=self.two(self.one(x).relu()).square().mean())


def of_peft(**arguments: Any) -> PeftModel:
    torch.manual_seed(0)
    config = AdaLoraConfig(target_modules=["one", "two"], init_r=4, target_r=1, **arguments)
    return peft.get_peft_model(WithLoss(), config)


def test_the_penalty_is_that_of_peft() -> None:
    model = of_peft(total_step=9, orth_reg_weight=0.3)
    perturb(model)
    x = torch.randn(3, 6)
    with_penalty, loss = model.base_model(x).loss, model.base_model.model(x).loss
    penalty = Ranks(model, {}).penalty()
    assert penalty > 0.1
    torch.testing.assert_close(penalty, with_penalty - loss)
    torch.testing.assert_close(
        torch.autograd.grad(penalty, list(trained(model).values()), allow_unused=True)[0],
        torch.autograd.grad(with_penalty - loss, list(trained(model).values()), allow_unused=True)[0],
    )


@pytest.mark.parametrize(("tinit", "tfinal", "every"), [(0, 0, 1), (2, 3, 1), (1, 4, 3)])
def test_cuts_are_those_of_peft_also_when_each_step_is_resumed(tinit: int, tfinal: int, every: int) -> None:
    schedule = {"total_step": 10, "tinit": tinit, "tfinal": tfinal}
    theirs, ours = of_peft(**schedule, deltaT=every), of_peft(total_step=99, deltaT=every)
    inputs = torch.randn(10, 3, 6, generator=torch.Generator().manual_seed(1))
    ranks = Ranks(ours, schedule)
    optimizers = [torch.optim.AdamW(trained(model).values(), lr=0.1) for model in (theirs, ours)]
    for step, x in enumerate(inputs, start=1):
        for model, optimizer in zip((theirs, ours), optimizers, strict=True):
            optimizer.zero_grad()
            model.base_model.model(x).loss.backward()
            optimizer.step()
        theirs.base_model.update_and_allocate(step)
        stored, ranks = ranks.state_dict(), Ranks(ours, schedule)
        ours.base_model.rankallocator.reset_ipt()
        ranks.load_state_dict(stored)
        ranks.begin(10)
        ranks.after_step(step)
        for name, value in trained(theirs).items():
            assert torch.equal(trained(ours)[name], value), (step, name)
    assert ranks.final
    assert ranks.mean == 1
    assert sum(sum(kept) for kept in theirs.peft_config["default"].rank_pattern.values()) == 2


@given(st.integers(2, 10**6))
def test_a_schedule_has_steps_for_everything(steps: int) -> None:
    total, first, last = plan(steps)
    assert total == steps
    assert 0 <= first < total - last
    assert 2 <= total - last <= total
    assert (first, last) == (steps // 10, min((steps - steps // 10) // 2, steps - 2))


@given(st.integers(2, 300), st.integers(0, 300), st.integers(0, 300))
def test_what_the_user_sets_is_kept_or_refused(steps: int, first: int, last: int) -> None:
    for options in ({"tinit": first}, {"tfinal": last}, {"tinit": first, "tfinal": last}):
        try:
            total, *rest = plan(steps, **options)
        except UsageError:
            assert steps - options.get("tfinal", 0) < max(options.get("tinit", 0) + 1, 2)
        else:
            assert total == steps
            assert dict(zip(("tinit", "tfinal"), rest, strict=True)) | options == dict(
                zip(("tinit", "tfinal"), rest, strict=True)
            )
            assert rest[0] < total - rest[1]


@pytest.mark.parametrize(
    ("steps", "options", "said"),
    [
        (1, {}, "no step is left to cut ranks. Of 1 steps"),
        (20, {"tinit": 12, "tfinal": 8}, r"the first 12 \(tinit\) and the last 8 \(tfinal\) cut none"),
        (20, {"total_step": 30}, "total_step 30: the training has only 20 steps"),
        (math.inf, {}, "the length of the training, which has no limit. Give --trainer.max_epochs"),
    ],
)
def test_a_schedule_that_does_not_fit_is_refused(steps: float, options: dict[str, int], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        plan(steps, **options)


def test_a_schedule_may_end_before_the_training() -> None:
    assert plan(math.inf, total_step=100) == (100, 10, 45)
    assert plan(500, total_step=100, tfinal=0) == (100, 10, 0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"target_r": 12}, "target_r 12 must be below init_r 12: ranks are only ever reduced"),
        ({"target_r": 0}, "target_r 0: not valid for peft:adalora. Valid: a rank, 1 or more"),
        ({"beta1": 1.0}, "beta1 1.0: not valid for peft:adalora. Valid: a number between 0 and 1"),
        ({"deltaT": 0}, "deltaT 0: not valid"),
        ({"tinit": -1}, "tinit -1: not valid"),
        ({"orth_reg_weight": -0.1}, "orth_reg_weight -0.1: not valid"),
        ({"r": 4}, "unknown argument of peft:adalora 'r'"),
        ({"total_step": 10, "tinit": 10}, "peft:adalora: The supplied schedule values"),
    ],
)
def test_wrong_arguments_are_refused(
    tmp_path_factory: pytest.TempPathFactory, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        attach(load(tmp_path_factory, "whisper"), "peft:adalora", AdapterOptions(peft=options))


def test_a_training_depends_on_its_length_unless_the_schedule_is_given() -> None:
    assert depends_on_length("gating+peft:adalora", {"peft": {"tinit": 3}})
    assert not depends_on_length("peft:adalora", {"peft": {"total_step": 30}})
    assert not depends_on_length("peft:dora+bottleneck", {})
    assert not depends_on_length("none", {})


def load(tmp_path_factory: pytest.TempPathFactory, family: str) -> Encoder:
    torch.manual_seed(0)
    return load_encoder(str(tiny_encoder(family, tmp_path_factory.mktemp(family), blocks=2))).eval()


def last(encoder: Encoder) -> Tensor:
    return encoder(*CLIPS).hidden_states[-1][:, :5]


def train(encoder: Encoder, adapters: AttachedAdapters, steps: int, until: int | None = None) -> None:
    """What a training does, up to a step."""
    target = torch.randn(last(encoder).shape, generator=torch.Generator().manual_seed(3))
    optimizer = torch.optim.AdamW(trained(encoder, adapters).values(), lr=0.02)
    adapters.begin_training(steps)
    for step in range(1, (until or steps) + 1):
        optimizer.zero_grad()
        penalty = adapters.penalty()
        assert penalty is not None
        ((last(encoder) - target).square().mean() + penalty).backward()
        optimizer.step()
        adapters.after_step(step)


@pytest.mark.parametrize("family", FAMILIES)
def test_ranks_are_cut_and_what_is_saved_continues(
    tmp_path_factory: pytest.TempPathFactory, family: str
) -> None:
    encoder, folder = load(tmp_path_factory, family), tmp_path_factory.mktemp("saved")
    other = copy.deepcopy(encoder)
    torch.manual_seed(0)
    adapters = attach(encoder, "peft:adalora", AdapterOptions(peft=SMALL))
    layers = 2 * len(encoder.traits.block_linears)
    assert adapters.counts["peft:adalora"] == sum(
        each.numel() for name, each in trained(encoder).items() if "lora_" in name
    )
    assert adapters.figures() == {"rank": 4.0}
    encoder.eval()
    train(encoder, adapters, 12)
    values = [each for name, each in encoder.named_parameters() if "lora_E" in name]
    assert adapters.figures() == {"rank": 2.0}
    assert sum(int((each != 0).sum()) for each in values) == 2 * layers
    assert len({int((each != 0).sum()) for each in values}) > 1  # not the same for all: by importance
    adapters.save_peft(folder)
    again = attach(other, "peft:adalora", AdapterOptions(peft={"folder": str(folder)}))
    assert torch.equal(last(other.eval()), last(encoder))
    assert again.figures() == {"rank": 2.0}
    assert not {"folder", "total_step", "tinit", "tfinal"} & again.options["peft"].keys()
    train(other, again, 5)
    assert again.figures() == {"rank": 2.0}
    output = last(encoder)
    adapters.merge()
    torch.testing.assert_close(last(encoder), output, rtol=1e-3, atol=1e-4)
    assert adapters.penalty() is None


@pytest.mark.parametrize("until", [4, 12])
def test_peft_gives_the_same_hidden_states(tmp_path_factory: pytest.TempPathFactory, until: int) -> None:
    encoder, folder = load(tmp_path_factory, "data2vec-audio"), tmp_path_factory.mktemp("saved")
    adapters = attach(encoder, "peft:adalora", AdapterOptions(peft={**SMALL, "deltaT": 3}), blocks=[1])
    encoder.eval()
    train(encoder, adapters, 12, until)
    adapters.save_peft(folder)
    theirs = PeftModel.from_pretrained(AutoModel.from_pretrained(encoder.location), folder)
    with torch.no_grad():
        expected = theirs.eval()(CLIPS[0]).last_hidden_state
        found = encoder.model.eval()(CLIPS[0]).last_hidden_state
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    if until == 12:
        assert sum(len(each) for name, each in theirs.named_parameters() if "lora_E" in name) == 12
        assert theirs.peft_config["default"].total_step == 12


def test_a_schedule_for_ranks_that_are_final_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    encoder, folder = load(tmp_path_factory, "whisper"), tmp_path_factory.mktemp("saved")
    other = copy.deepcopy(encoder)
    adapters = attach(encoder, "peft:adalora", AdapterOptions(peft=SMALL))
    train(encoder, adapters, 6)
    adapters.save_peft(folder)
    again = attach(other, "peft:adalora", AdapterOptions(peft={"folder": str(folder), "tinit": 2}))
    with pytest.raises(
        UsageError, match=r"tinit: has no effect, since the ranks in the folder are the final"
    ):
        again.begin_training(20)


def test_a_further_stage_keeps_final_ranks_and_continues_others(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    encoder = load(tmp_path_factory, "whisper")
    adapters = attach(encoder, "peft:adalora", AdapterOptions(peft=SMALL))
    train(encoder, adapters, 12, until=3)
    assert 2 < adapters.figures()["rank"] < 4
    train(encoder, adapters, 10)
    kept = adapters.state_dict()["peft.ranks.kept"].clone()
    assert adapters.figures() == {"rank": 2.0}
    train(encoder, adapters, 1)
    assert torch.equal(adapters.state_dict()["peft.ranks.kept"], kept)


def test_a_step_that_mixed_precision_skips_and_a_skipped_block_do_no_harm(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    encoder = load(tmp_path_factory, "whisper")
    adapters = attach(encoder, "peft:adalora", AdapterOptions(peft=SMALL))
    train(encoder, adapters, 12, until=6)
    for each in trained(encoder).values():
        each.grad = None
    adapters.after_step(7)
    adapters.after_step(12)  # without the one after which ranks are final
    assert adapters.figures() == {"rank": 2.0}
    assert adapters.state_dict()["peft.ranks.final"]


def test_numbers_of_steps_are_no_sizes() -> None:
    options = {"adapters": {"peft": {"total_step": 10**6, "tinit": 10**5, "tfinal": 10**5, "deltaT": 5000}}}
    check_sizes(options, {"weight": torch.zeros(2)}, "a.ckpt")
