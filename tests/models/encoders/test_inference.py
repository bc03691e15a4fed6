import copy

import pytest
import torch

from sercl.batch import AudioBatch
from sercl.errors import EncoderError, UnknownNameError
from sercl.models.adapters import AdapterOptions, attach
from sercl.models.adapters.bottleneck.config import BottleneckConfig
from sercl.models.encoders import inference, load_encoder
from sercl.models.encoders.fast.packed import JoinedStates, supported
from sercl.testing.encoders import FAMILIES

FAST = [family for family in FAMILIES if family != "wav2vec2-bert"]

needs_onednn = pytest.mark.skipif(not supported(torch.float32), reason="needs oneDNN on x86-64")


def encode(encoder, clips):
    batch = AudioBatch.from_clips(clips)
    with torch.no_grad():
        return encoder(batch.waveforms, batch.lengths)


def is_fast(encoder, clips):
    return isinstance(encode(encoder, clips[:1]).hidden_states, JoinedStates)


def valid(output):
    return [state[output.mask].float() for state in output.hidden_states]


def test_hidden_states_are_the_same_within_rounding(encoder, clips):
    ordinary = encode(encoder, clips)
    with inference(encoder):
        ours = encode(encoder, clips)
        assert not supported(torch.float32) or is_fast(encoder, clips) == (encoder.family != "wav2vec2-bert")
    assert torch.equal(ours.lengths, ordinary.lengths)
    assert torch.equal(ours.mask, ordinary.mask)
    for state, reference in zip(valid(ours), valid(ordinary), strict=True):
        torch.testing.assert_close(state, reference, atol=1e-4, rtol=0)


def test_clips_end_where_they_do_without_it(encoder, clips):
    ordinary = encode(encoder, clips)
    with inference(encoder):
        ours = encode(encoder, clips)
    for own, reference in zip(ours.clips(1), ordinary.clips(1), strict=True):
        torch.testing.assert_close(own, reference, atol=1e-4, rtol=0)


def test_a_clip_alone_gives_the_same_as_in_a_batch(encoder, clips):
    with inference(encoder):
        together = encode(encoder, clips)
        for row, clip in enumerate(clips):
            alone = encode(encoder, [clip])
            for state in range(encoder.num_states):
                torch.testing.assert_close(
                    together.clips(state)[row], alone.clips(state)[0], atol=1e-4, rtol=0
                )


@pytest.mark.parametrize("final_norm", [True, False])
@pytest.mark.parametrize("family", ["wav2vec2", "wav2vec2-layer", "wavlm-stable", "whisper"])
def test_cut_encoders_are_fast_too(family, final_norm, tiny, clips):
    encoder = load_encoder(str(tiny[family]), last_block=1, final_norm=final_norm)
    ordinary = encode(encoder, clips)
    with inference(encoder):
        ours = encode(encoder, clips)
    for state, reference in zip(valid(ours), valid(ordinary), strict=True):
        torch.testing.assert_close(state, reference, atol=1e-4, rtol=0)


def relative_error(states, reference):
    return max(((a - b).norm() / b.norm()).item() for a, b in zip(states, reference, strict=True))


@pytest.mark.skipif(not supported(torch.bfloat16), reason="needs a processor with bfloat16")
@pytest.mark.parametrize("family", FAST)
def test_bfloat16_is_about_as_exact_as_bfloat16_weights(family, wide, clips):
    encoder = wide(family)
    reference = valid(encode(encoder, clips))
    cast = valid(encode(copy.deepcopy(encoder).bfloat16(), clips))
    with inference(encoder, "bf16"):
        ours = encode(encoder, clips)
    assert ours.hidden_states[0].dtype == torch.float32
    assert 0 < relative_error(valid(ours), reference) < 1.3 * relative_error(cast, reference)


def hooked(encoder):
    encoder.blocks[1].register_forward_hook(lambda *_: None)


def with_norms(encoder):
    attach(encoder, "peft:ln_tuning").eval()


def with_hook_inside(encoder):
    encoder.blocks[0].get_submodule(encoder.traits.block_linears[0]).register_forward_hook(lambda *_: None)


def with_hook_before_adapter(encoder):
    encoder.blocks[0].register_forward_pre_hook(lambda *_: None)
    attach(encoder, "gating")


def in_training(encoder):
    encoder.train()


def replaced(encoder):
    encoder.blocks[0].forward = encoder.blocks[0].forward


def half(encoder):
    encoder.bfloat16()


@pytest.mark.parametrize(
    "change", [hooked, with_norms, with_hook_inside, with_hook_before_adapter, in_training, replaced, half]
)
@pytest.mark.parametrize("family", ["wav2vec2", "wavlm", "whisper"])
def test_what_is_unusual_runs_as_ever(family, change, tiny, clips):
    encoder = load_encoder(str(tiny[family]))
    change(encoder)
    with inference(encoder):
        assert not is_fast(encoder, clips)


def adapted(encoder, spec):
    """Attach adapters that have left their start."""
    torch.manual_seed(0)
    options = AdapterOptions(bottleneck=BottleneckConfig(reduction=4))
    adapters = attach(encoder, spec, options)
    trained = {p for module in (encoder, adapters) for p in module.parameters() if p.requires_grad}
    assert trained
    for parameter in trained:
        parameter.data += 0.1 * torch.randn_like(parameter)
    encoder.eval()
    return adapters


@needs_onednn
@pytest.mark.parametrize(
    "spec", ["lora", "bottleneck", "gating", "lora+bottleneck+gating", "peft:dora", "peft:ia3"]
)
@pytest.mark.parametrize("family", ["wav2vec2", "wav2vec2-layer", "wavlm", "whisper"])
def test_adapters_are_computed_fast_and_stay_as_they_are(family, spec, tiny, clips):
    encoder = load_encoder(str(tiny[family]), whisper_form="short")
    before = encode(encoder, clips)
    adapters = adapted(encoder, spec)
    ordinary, weights = encode(encoder, clips), copy.deepcopy(encoder.state_dict())
    assert (ordinary.hidden_states[-1] - before.hidden_states[-1]).abs().max() > 1e-2
    with inference(encoder):
        ours = encode(encoder, clips)
        assert is_fast(encoder, clips)
    for state, reference in zip(valid(ours), valid(ordinary), strict=True):
        torch.testing.assert_close(state, reference, atol=1e-4, rtol=1e-4)
    assert all(torch.equal(value, weights[name]) for name, value in encoder.state_dict().items())
    assert adapters.methods
    assert torch.equal(encode(encoder, clips).hidden_states[-1], ordinary.hidden_states[-1])


@needs_onednn
def test_adapters_change_what_an_encoder_gives_inside(tiny, clips):
    encoder = load_encoder(str(tiny["wav2vec2"]))
    before = encode(encoder, clips)
    attach(encoder, "bottleneck")
    encoder.blocks[0].register_forward_hook(lambda module, args, output: output + 1.0)
    with inference(encoder):
        after = encode(encoder, clips)
    assert not torch.allclose(after.hidden_states[1], before.hidden_states[1])


def test_calls_with_gradients_are_not_concerned(tiny, clips):
    encoder, batch = load_encoder(str(tiny["wav2vec2"])), AudioBatch.from_clips(clips)
    with inference(encoder):
        output = encoder(batch.waveforms, batch.lengths)
        output.hidden_states[-1].sum().backward()
    assert encoder.blocks[0].feed_forward.output_dense.weight.grad is not None


@needs_onednn
def test_it_ends_also_with_an_error(tiny, clips):
    encoder = load_encoder(str(tiny["wav2vec2"]))
    with inference(encoder):
        assert is_fast(encoder, clips)
    with pytest.raises(EncoderError), inference(encoder):
        encode(encoder, [clips[0][:10]])
    assert not is_fast(encoder, clips)


@needs_onednn
def test_weights_count_as_they_are_on_entry(tiny, clips):
    encoder = load_encoder(str(tiny["whisper"]))
    with inference(encoder):
        pass
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.mul_(0.5)
    ordinary = encode(encoder, clips)
    with inference(encoder):
        ours = encode(encoder, clips)
    torch.testing.assert_close(ours.hidden_states[-1], ordinary.hidden_states[-1], atol=1e-4, rtol=1e-4)


@needs_onednn
def test_an_autocast_outside_does_not_lower_the_precision(tiny, clips):
    encoder = load_encoder(str(tiny["wav2vec2"]))
    with inference(encoder):
        expected = encode(encoder, clips)
        with torch.autocast("cpu", torch.bfloat16):
            ours = encode(encoder, clips)
    for state, reference in zip(ours.hidden_states, expected.hidden_states, strict=True):
        assert torch.equal(state, reference)


@pytest.mark.parametrize(("precision", "dtype"), [("fp16", torch.float16), ("bf16", torch.bfloat16)])
def test_without_a_faster_way_a_copy_runs_in_the_precision(precision, dtype, wide, clips):
    encoder = wide("whisper")
    hooked(encoder)
    reference = encode(encoder, clips)
    with inference(encoder, precision):
        ours = encode(encoder, clips)
    assert ours.hidden_states[-1].dtype == dtype
    assert next(encoder.parameters()).dtype == torch.float32
    assert 0 < relative_error(valid(ours), valid(reference)) < 0.05


def test_an_unknown_precision_is_refused_with_the_legal_ones(tiny):
    encoder = load_encoder(str(tiny["whisper"]))
    with pytest.raises(UnknownNameError, match=r"'fp8'.*fp32, bf16, fp16"), inference(encoder, "fp8"):
        pass
