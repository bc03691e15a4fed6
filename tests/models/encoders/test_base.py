import copy

import pytest
import torch
from transformers import AutoFeatureExtractor, AutoModel, Wav2Vec2FeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from sercl.batch import AudioBatch
from sercl.errors import ClipLengthError, EncoderError, UsageError
from sercl.models.encoders import load_encoder
from sercl.testing.encoders import WHISPER_SECONDS


def encode(encoder, clips):
    batch = AudioBatch.from_clips(clips)
    with torch.inference_mode():
        return encoder(batch.waveforms, batch.lengths)


def largest_difference(ours, row, reference):
    frames = reference[0].shape[1]
    pairs = zip(ours.hidden_states, reference, strict=True)
    return max((a[row, :frames] - b[0]).abs().max().item() for a, b in pairs)


def test_a_padded_batch_gives_what_each_clip_alone_gives(encoder, clips):
    together = encode(encoder, clips)
    for row, clip in enumerate(clips):
        alone = encode(encoder, [clip])
        assert together.lengths[row] == alone.lengths[0]
        valid = [state[:, : alone.lengths[0]] for state in alone.hidden_states]
        assert largest_difference(together, row, valid) < 1e-4


def test_what_stands_in_the_padding_does_not_matter(encoder, clips):
    batch = AudioBatch.from_clips(clips)
    noisy = batch.waveforms.clone()
    noisy[0, int(batch.lengths[0]) :] = 5.0
    clean, other = encoder(batch.waveforms, batch.lengths), encoder(noisy, batch.lengths)
    torch.testing.assert_close(clean.hidden_states, other.hidden_states)


def reference_states(folder, family, clip):
    """Hidden states of transformers' own model behind its own feature extractor, one clip, no mask."""
    kind = WhisperEncoder if family == "whisper" else AutoModel
    model = kind.from_pretrained(folder).eval()
    if family == "data2vec-audio":
        extractor = Wav2Vec2FeatureExtractor(do_normalize=True)
    else:
        extractor = AutoFeatureExtractor.from_pretrained(folder)
    inputs = dict(extractor(clip.numpy(), sampling_rate=16_000, return_tensors="pt"))
    if family != "wav2vec2-bert":
        inputs.pop("attention_mask", None)
    with torch.inference_mode():
        output = model(**inputs, output_hidden_states=True)
    return (*output.hidden_states[:-1], output.last_hidden_state)


def test_hidden_states_are_those_of_transformers(variant, encoder, tiny, clips):
    family, form = variant
    if form == "short":
        pytest.skip("transformers knows only the padded form")
    for clip in clips:
        ours = encode(encoder, [clip])
        reference = reference_states(tiny[family], family, clip)
        assert len(reference) == encoder.num_states == 4
        frames = int(ours.lengths[0])
        assert largest_difference(ours, 0, [state[:, :frames] for state in reference]) < 1e-4


def test_lengths_and_mask_say_which_frames_are_valid(encoder, clips):
    output = encode(encoder, clips)
    assert output.mask.shape == output.hidden_states[0].shape[:2]
    assert torch.equal(output.mask.sum(1), output.lengths)
    assert output.lengths.dtype == torch.int64
    assert torch.equal(output.lengths, encoder.frame_lengths(torch.tensor([len(clip) for clip in clips])))
    assert output.lengths[1] == pytest.approx(len(clips[1]) / 16_000 * encoder.frames_per_second, abs=1.5)


def test_the_shortest_clip_gives_one_frame_and_a_shorter_one_an_error(encoder):
    assert encode(encoder, [torch.randn(encoder.min_samples)]).lengths[0] >= 1
    with pytest.raises(EncoderError, match=rf"10 ms is too short.*{encoder.min_samples / 16:g} ms"):
        encode(encoder, [torch.randn(16_000), torch.randn(160)])


def test_a_clip_beyond_the_positions_of_whisper_is_an_error(tiny):
    encoder = load_encoder(str(tiny["whisper"]))
    encode(encoder, [torch.randn(WHISPER_SECONDS * 16_000)])
    with pytest.raises(EncoderError, match=rf"11\.00 s is too long, the limit is {WHISPER_SECONDS} s"):
        encode(encoder, [torch.randn(11 * 16_000)])


@pytest.mark.parametrize("samples", [11 * 16_000, 160])
def test_a_batch_names_the_utterance_that_is_too_long_or_too_short(tiny, samples):
    encoder = load_encoder(str(tiny["whisper"]))
    clips = [torch.randn(16_000), torch.randn(samples), torch.randn(8_000)]
    with pytest.raises(ClipLengthError, match=r"^utterance 'b': encoder .* is too (long|short)") as caught:
        encoder.encode_batch(AudioBatch.from_clips(clips, ids=["a", "b", "c"]))
    assert caught.value.row == 1
    fine = AudioBatch.from_clips(clips[::2], ids=["a", "c"])
    assert torch.equal(encoder.encode_batch(fine).lengths, encoder.frame_lengths(fine.lengths))


def test_a_cut_encoder_without_final_norm_gives_the_uncut_hidden_state(variant, encoder, tiny, clips):
    family, form = variant
    whole = encode(encoder, clips)
    cut = load_encoder(str(tiny[family]), whisper_form=form, last_block=1, final_norm=False)
    assert (len(cut.blocks), cut.num_states) == (2, 3)
    for ours, reference in zip(encode(cut, clips).hidden_states, whole.hidden_states, strict=False):
        assert torch.equal(ours, reference)


@pytest.mark.parametrize("family", ["wav2vec2-layer", "hubert-stable", "wavlm-stable", "whisper"])
def test_the_final_norm_of_a_cut_encoder_stands_on_its_last_block(family, tiny, clips):
    normed = load_encoder(str(tiny[family]), last_block=0)
    bare = load_encoder(str(tiny[family]), last_block=0, final_norm=False)
    norm = normed.model.get_submodule(normed.traits.final_norm)
    with torch.inference_mode():
        expected = norm(encode(bare, clips).hidden_states[-1])
    torch.testing.assert_close(encode(normed, clips).hidden_states[-1], expected)


def test_every_trait_names_a_module(encoder):
    traits, linears = encoder.traits, {}
    for block in encoder.blocks:
        linears = {name for name, module in block.named_modules() if isinstance(module, torch.nn.Linear)}
        assert set(traits.raw_weight_linears) <= set(traits.block_linears) <= linears
        block.get_submodule(traits.feed_forward)
    # Whatever is left over are the positional parts of attention.
    assert all("pos" in name for name in linears - set(traits.block_linears))


def test_raw_weight_linears_are_exactly_those_that_are_never_called(encoder, clips):
    called = set()
    for path in encoder.traits.block_linears:
        linear = encoder.blocks[0].get_submodule(path)
        linear.register_forward_hook(lambda *_, path=path: called.add(path))
    encode(encoder, clips[:1])
    assert set(encoder.traits.block_linears) - called == set(encoder.traits.raw_weight_linears)


def test_the_feed_forward_output_is_added_to_the_block(encoder, clips):
    before = encode(encoder, clips[:1]).hidden_states[1]
    module = encoder.blocks[0].get_submodule(encoder.traits.feed_forward)
    assert before.shape[-1] == encoder.hidden_size
    module.register_forward_hook(lambda module, args, output: output + torch.randn(encoder.hidden_size))
    assert not torch.allclose(encode(encoder, clips[:1]).hidden_states[1], before, atol=1e-2)


def names_of_trained(encoder):
    return {name for name, parameter in encoder.model.named_parameters() if parameter.requires_grad}


def test_trainable_parts(encoder):
    everything = {name for name, _ in encoder.model.named_parameters() if "embed_positions" not in name}
    front_end = {name for name in everything if name.startswith(encoder.traits.front_end or ("none",))}
    in_blocks = [f"layers.{i}." for i in range(3)]
    encoder.trainable("all")
    assert names_of_trained(encoder) == everything
    encoder.trainable("blocks")
    assert names_of_trained(encoder) == everything - front_end
    encoder.trainable("top:2")
    top = names_of_trained(encoder)
    assert all(any(block in name for name in top) for block in in_blocks[1:])
    assert not any(in_blocks[0] in name for name in top)
    encoder.trainable("none")
    assert names_of_trained(encoder) == set()


@pytest.mark.parametrize("parts", ["half", "top", "top:0", "top:4", "top:-1", "top:x", "blocks:2"])
def test_unknown_parts_are_refused_with_the_legal_ones(parts, tiny):
    encoder = load_encoder(str(tiny["wav2vec2"]))
    with pytest.raises(UsageError, match="'top:K' with K from 1 to 3"):
        encoder.trainable(parts)


def test_training_mode_drops_no_block_and_masks_no_frame(encoder, clips):
    # Shorter than the mask of SpecAugment, which would raise; dropouts are what may differ, so they are off.
    for module in encoder.train().modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if hasattr(module, "dropout") and isinstance(module.dropout, float):
            module.dropout = 0.0
    if encoder.family == "hubert":
        encoder.model.encoder.pos_conv_embed.eval()  # batch norm learns its statistics in training mode
    trained = encode(encoder, clips)
    torch.testing.assert_close(trained.hidden_states, encode(encoder.eval(), clips).hidden_states)


def test_every_trainable_parameter_gets_a_gradient(encoder, clips):
    encoder.trainable("all")
    batch = AudioBatch.from_clips(clips)
    output = encoder(batch.waveforms, batch.lengths)
    (output.hidden_states[-1][output.mask] ** 3).sum().backward()
    silent = [n for n, p in encoder.model.named_parameters() if p.requires_grad and p.grad is None]
    assert silent == []
    assert all(p.grad.isfinite().all() for p in encoder.model.parameters() if p.requires_grad)


def test_recomputed_blocks_give_the_same_gradients(variant, encoder, tiny, clips):
    family, form = variant
    saving = load_encoder(str(tiny[family]), whisper_form=form, gradient_checkpointing=True)
    batch, calls = AudioBatch.from_clips(clips), []
    feed_forward = saving.blocks[1].get_submodule(saving.traits.feed_forward)
    feed_forward.register_forward_pre_hook(lambda *_: calls.append(1))
    gradients = []
    for each in (encoder, saving):
        output = each(batch.waveforms, batch.lengths)
        sum(state[output.mask].square().sum() for state in output.hidden_states).backward()
        gradients.append([p.grad for p in each.model.parameters() if p.requires_grad])
    assert len(calls) == 2  # forward, and again in the backward pass
    torch.testing.assert_close(gradients[0], gradients[1])


def test_a_frozen_front_end_records_no_graph(tiny, clips):
    encoder = load_encoder(str(tiny["wav2vec2"]))
    encoder.trainable("blocks")
    seen = []
    encoder.model.feature_extractor.register_forward_hook(lambda *call: seen.append(call[2].requires_grad))
    batch = AudioBatch.from_clips(clips)
    encoder.train()(batch.waveforms, batch.lengths)
    assert seen == [False]


def test_a_copy_is_independent_of_the_original(encoder, clips):
    twin, before = copy.deepcopy(encoder), encode(encoder, clips)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.zero_()
    torch.testing.assert_close(encode(twin, clips).hidden_states, before.hidden_states)


def test_bfloat16_weights_are_fed_in_their_precision(encoder, clips):
    output = encode(encoder.bfloat16(), clips)
    assert output.hidden_states[-1].dtype == torch.bfloat16
    assert output.hidden_states[-1][output.mask].isfinite().all()


def test_preprocessing_is_plain_data(encoder):
    assert encoder.preprocessing["sample_rate"] == 16_000
    assert all(isinstance(value, str | int | float | bool) for value in encoder.preprocessing.values())
