"""Encoders with adapters in training on the CPU: the same losses and gradients, only faster."""

import copy

import pytest
import torch

from sercl.batch import AudioBatch
from sercl.models.adapters import AdapterOptions, attach
from sercl.models.adapters.bottleneck.config import BottleneckConfig
from sercl.models.adapters.full.config import FullConfig
from sercl.models.adapters.lora.config import LoraConfig
from sercl.models.encoders import Regularization, load_encoder
from sercl.models.encoders.fast.packed import JoinedStates, supported
from sercl.models.encoders.fast.trained import Remembered
from sercl.models.encoders.training import adapted_training

pytestmark = pytest.mark.skipif(not supported(torch.float32), reason="needs oneDNN on x86-64")

ALL = "lora+bottleneck+gating"
NO_PATH = {"wav2vec2-bert"}
SHOWN = [("wav2vec2", "padded"), ("wavlm-stable", "padded"), ("whisper", "padded"), ("whisper", "short")]


def adapted(tiny, family="wav2vec2", spec=ALL, blocks=None, form="short", dropout=0.0, **load):
    """An encoder in training mode whose adapters have left their start, and what is trained."""
    encoder = load_encoder(str(tiny[family]), whisper_form=form, **load)
    encoder.regularize(Regularization())
    torch.manual_seed(0)
    options = AdapterOptions(
        bottleneck=BottleneckConfig(reduction=4) if "bottleneck" in spec else BottleneckConfig(),
        lora=LoraConfig(dropout=dropout) if "lora" in spec else LoraConfig(),
    )
    adapters = attach(encoder, spec, options, blocks)
    trained = [p for part in (encoder, adapters) for p in part.parameters() if p.requires_grad]
    for parameter in trained:
        parameter.data += 0.1 * torch.randn(parameter.shape)
    encoder.train()
    adapters.train()
    return encoder, adapters, trained


def step(encoder, trained, clips):
    """Return loss, gradients and hidden states of every clip, all hidden states being in the loss."""
    batch = AudioBatch.from_clips(clips)
    generator = torch.Generator().manual_seed(5)
    output = encoder.encode_batch(batch)
    states = [state for number in range(encoder.num_states) for state in output.clips(number)]
    loss = sum((state @ torch.randn(state.shape[1], generator=generator)).mean() for state in states)
    for parameter in trained:
        parameter.grad = None
    loss.backward()
    return [loss.detach()], [parameter.grad.clone() for parameter in trained], [s.detach() for s in states]


def assert_same(ours, reference):
    for own, expected in zip(ours, reference, strict=True):
        for value, other in zip(own, expected, strict=True):
            torch.testing.assert_close(value, other, atol=1e-4, rtol=1e-4)


def is_on(encoder):
    return encoder._stem is not None


def compare(encoder, adapters, trained, clips):
    reference = step(encoder, trained, clips)
    with adapted_training(encoder, adapters.quick_forwards):
        assert is_on(encoder)
        for _ in range(2):  # computed, and from memory
            assert_same(step(encoder, trained, clips), reference)
    assert not is_on(encoder)


def test_loss_and_gradients_are_the_same_in_every_family(variant, tiny, clips):
    family, form = variant
    encoder, adapters, trained = adapted(tiny, family, form=form)
    if family in NO_PATH:
        with adapted_training(encoder, adapters.quick_forwards):
            assert not is_on(encoder)
        return
    compare(encoder, adapters, trained, clips)


@pytest.mark.parametrize("spec", ["lora", "bottleneck", "gating"])
@pytest.mark.parametrize(("family", "form"), SHOWN)
def test_loss_and_gradients_are_the_same_with_each_adapter(family, form, spec, tiny, clips):
    compare(*adapted(tiny, family, spec, form=form), clips)


@pytest.mark.parametrize(("family", "form"), SHOWN)
def test_blocks_below_the_lowest_adapter_are_part_of_what_is_kept(family, form, tiny, clips):
    compare(*adapted(tiny, family, blocks=[1, 2], form=form), clips)


@pytest.mark.parametrize("final_norm", [True, False])
@pytest.mark.parametrize("family", ["wav2vec2-layer", "whisper"])
def test_cut_encoders_end_as_without_it(family, final_norm, tiny, clips):
    compare(*adapted(tiny, family, last_block=1, final_norm=final_norm), clips)


def test_methods_of_peft_and_trained_blocks_are_the_same(tiny, clips):
    compare(*adapted(tiny, spec="peft:ia3"), clips)
    encoder = load_encoder(str(tiny["wav2vec2-layer"]))
    encoder.regularize(Regularization(dropout="off"), trains_encoder=True)
    adapters = attach(encoder, "full", AdapterOptions(full=FullConfig("top:1")))
    trained = [p for p in encoder.parameters() if p.requires_grad]
    compare(encoder.train(), adapters, trained, clips)


def test_without_gradients_and_then_with_them(tiny, clips):
    encoder, adapters, trained = adapted(tiny, dropout=0.5)
    batch = AudioBatch.from_clips(clips)
    encoder.eval()
    with torch.inference_mode():
        reference = encoder.encode_batch(batch)
    with adapted_training(encoder, adapters.quick_forwards):
        with torch.inference_mode():
            ours = encoder.encode_batch(batch)
        for number in range(encoder.num_states):
            for own, expected in zip(ours.clips(number), reference.clips(number), strict=True):
                torch.testing.assert_close(own, expected, atol=1e-4, rtol=1e-4)
        step(encoder, trained, clips)


def test_what_a_clip_gives_does_not_depend_on_its_batch(tiny, clips):
    encoder, adapters, _ = adapted(tiny)
    with torch.no_grad(), adapted_training(encoder, adapters.quick_forwards, most=0):
        together = encoder.encode_batch(AudioBatch.from_clips(clips)).clips(0)
        alone = [encoder.encode_batch(AudioBatch.from_clips([clip])).clips(0)[0] for clip in clips]
    assert all(map(torch.equal, together, alone))  # a resumed training meets clips in other batches


@pytest.mark.parametrize("checkpointing", [False, True])
def test_dropout_of_lora_is_drawn_from_torchs_generator(checkpointing, tiny, clips):
    encoder, adapters, trained = adapted(tiny, dropout=0.3, gradient_checkpointing=checkpointing)
    results = []
    with adapted_training(encoder, adapters.quick_forwards):
        assert is_on(encoder)
        for seed in (1, 1, 2):
            torch.manual_seed(seed)
            results.append(step(encoder, trained, clips))
    assert all(map(torch.equal, results[0][1], results[1][1]))
    assert not torch.equal(results[0][0][0], results[2][0][0])


def test_recomputed_blocks_draw_the_same_dropout(tiny, clips):
    results = []
    for checkpointing in (False, True):
        encoder, adapters, trained = adapted(tiny, dropout=0.3, gradient_checkpointing=checkpointing)
        with adapted_training(encoder, adapters.quick_forwards):
            torch.manual_seed(1)
            results.append(step(encoder, trained, clips))
    assert_same(*results)


@pytest.mark.parametrize(
    "options", [{"dropout": 0.1}, {"spec_augment": 0.2}, {"layer_drop": 0.2}, {"preset": "checkpoint"}]
)
def test_regularization_switches_it_off(options, tiny):
    encoder, adapters, _ = adapted(tiny)
    encoder.published = type(encoder.published)(layer_drop=0.1)
    encoder.regularize(Regularization(**options))
    with adapted_training(encoder, adapters.quick_forwards):
        assert not is_on(encoder)


def off_by_a_hook(encoder, adapters):
    encoder.blocks[1].register_forward_hook(lambda module, args, output: output)


def off_by_a_hook_below(encoder, adapters):
    encoder.model.feature_extractor.register_forward_hook(lambda module, args, output: output)


def off_by_an_adapter_over_time(encoder, adapters):
    for adapter in adapters.gating.values():
        adapter.quick_forwards = lambda block, traits, dtype: None


def off_by_a_trained_front_end(encoder, adapters):
    encoder.model.feature_projection.requires_grad_(True)


@pytest.mark.parametrize(
    "change",
    [off_by_a_hook, off_by_a_hook_below, off_by_an_adapter_over_time, off_by_a_trained_front_end],
)
def test_what_it_cannot_compute_switches_it_off(change, tiny):
    encoder, adapters, _ = adapted(tiny)
    change(encoder, adapters)
    with adapted_training(encoder, adapters.quick_forwards):
        assert not is_on(encoder)


def test_weights_that_attention_reads_switch_it_off(tiny):
    encoder, adapters, _ = adapted(tiny, "wavlm", "peft:ia3")
    with adapted_training(encoder, adapters.quick_forwards):
        assert not is_on(encoder)


def test_a_frozen_encoder_has_nothing_to_train(tiny):
    encoder, adapters, _ = adapted(tiny, spec="none")
    with adapted_training(encoder, adapters.quick_forwards):
        assert not is_on(encoder)


def test_modules_run_as_before_afterwards_and_after_an_error(tiny):
    encoder, adapters, _ = adapted(tiny)
    with adapted_training(encoder, adapters.quick_forwards):
        assert any("forward" in vars(module) for module in encoder.modules())
    with pytest.raises(KeyError), adapted_training(encoder, adapters.quick_forwards):
        raise KeyError
    assert not any("forward" in vars(module) for module in encoder.modules())
    assert not is_on(encoder)


def test_a_copy_made_inside_has_weights_of_its_own(tiny, clips):
    encoder, adapters, _ = adapted(tiny)
    batch = AudioBatch.from_clips(clips)
    with torch.no_grad(), adapted_training(encoder, adapters.quick_forwards):
        both = copy.deepcopy(torch.nn.ModuleList([encoder, adapters]))
        before = encoder.encode_batch(batch).clips(2)[0]
        for parameter in both.parameters():
            if parameter.requires_grad:
                parameter.zero_()
        assert torch.equal(encoder.encode_batch(batch).clips(2)[0], before)
        assert not torch.allclose(both[0].encode_batch(batch).clips(2)[0], before, atol=1e-2)


@pytest.mark.skipif(not supported(torch.bfloat16), reason="needs a processor with bfloat16")
@pytest.mark.parametrize("family", ["wav2vec2", "wavlm", "whisper"])
def test_mixed_precision_is_close(family, wide, clips):
    encoder = wide(family)
    encoder.regularize(Regularization())
    adapters = attach(encoder, ALL, AdapterOptions(lora=LoraConfig(dropout=0.0)))
    trained = [p for part in (encoder, adapters) for p in part.parameters() if p.requires_grad]
    reference = step(encoder, trained, clips)
    with adapted_training(encoder, adapters.quick_forwards, "bf16"), torch.autocast("cpu", torch.bfloat16):
        assert is_on(encoder)
        ours = step(encoder, trained, clips)
    for own, expected in zip(ours[1:], reference[1:], strict=True):
        own, expected = (torch.cat([value.flatten() for value in values]) for values in (own, expected))
        assert 0 < (own - expected).norm() < 0.05 * expected.norm()


def test_hidden_states_are_not_padded(tiny, clips):
    encoder, adapters, _ = adapted(tiny)
    with adapted_training(encoder, adapters.quick_forwards):
        assert isinstance(encoder.encode_batch(AudioBatch.from_clips(clips)).hidden_states, JoinedStates)


def test_a_result_is_kept_up_to_a_number_of_bytes():
    calls = []

    def stem(clip):
        calls.append(len(clip))
        return [clip * 2]

    remembered = Remembered(stem, most=40)
    clips = [torch.arange(size, dtype=torch.float32) for size in (6, 5, 4, 2)]  # 24, 20, 16 and 8 bytes
    for _ in range(2):
        results = [remembered(clip) for clip in clips]
        assert all(torch.equal(result[0], 2 * clip) for result, clip in zip(results, clips, strict=True))
    assert calls == [6, 5, 4, 2, 5, 2]
    assert torch.equal(remembered(clips[0] + 1)[0], 2 * (clips[0] + 1))  # an augmented clip is another one


def test_nothing_is_kept_without_room():
    calls = []
    remembered = Remembered(lambda clip: [calls.append(1) or clip], most=0)
    for _ in range(2):
        remembered(torch.ones(3))
    assert len(calls) == 2
