import pytest
import torch
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from sercl.errors import UsageError
from sercl.models.encoders import load_encoder
from sercl.models.encoders.masking import frame_mask
from sercl.testing.encoders import randomize


def run(encoder, clips):
    lengths = torch.tensor([len(clip) for clip in clips])
    with torch.inference_mode():
        return encoder(torch.nn.utils.rnn.pad_sequence(clips, batch_first=True), lengths)


def test_valid_frames_are_those_that_begin_within_the_clip(tiny):
    encoder = load_encoder(str(tiny["whisper"]))
    assert encoder.frame_lengths(torch.tensor([1, 320, 321, 16_000])).tolist() == [1, 1, 2, 50]


def test_the_padded_form_has_every_position_and_the_short_form_the_clips_own(tiny, clips):
    padded = run(load_encoder(str(tiny["whisper"])), clips)
    short = run(load_encoder(str(tiny["whisper"]), whisper_form="short"), clips)
    assert (padded.hidden_states[0].shape[1], short.hidden_states[0].shape[1]) == (500, 166)
    assert torch.equal(padded.lengths, short.lengths)
    # The forms agree before attention, up to the last frame, whose convolution sees what follows the clip.
    inner = frame_mask(short.lengths - 1, 166)
    before = [output.hidden_states[0][:, :166][inner] for output in (padded, short)]
    torch.testing.assert_close(*before, atol=1e-5, rtol=1e-5)
    after = [output.hidden_states[1][:, :166][inner] for output in (padded, short)]
    assert not torch.allclose(*after, atol=1e-2)


def test_an_unknown_form_is_refused(tiny):
    with pytest.raises(UsageError, match=r"'cut'.*padded, short"):
        load_encoder(str(tiny["whisper"]), whisper_form="cut")


def test_a_full_checkpoint_gives_its_encoder(tmp_path, clips):
    config = WhisperConfig(
        d_model=16, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=32, decoder_layers=1,
        decoder_attention_heads=2, decoder_ffn_dim=32, vocab_size=64, pad_token_id=0, bos_token_id=1,
        eos_token_id=2, decoder_start_token_id=3, max_source_positions=500,
    )  # fmt: skip
    full = WhisperForConditionalGeneration(config).eval()
    randomize(full, 0)
    full.save_pretrained(tmp_path / "full")
    full.model.encoder.save_pretrained(tmp_path / "encoder")
    whole, alone = (load_encoder(str(tmp_path / part)) for part in ("full", "encoder"))
    assert whole.fingerprint == alone.fingerprint
    features = WhisperFeatureExtractor(chunk_length=10)(
        clips[0].numpy(), sampling_rate=16_000, return_tensors="pt"
    )
    with torch.inference_mode():
        expected = full.model.encoder(features.input_features).last_hidden_state
    torch.testing.assert_close(run(whole, clips[:1]).hidden_states[-1], expected, atol=1e-4, rtol=0)


@pytest.mark.shared
@pytest.mark.parametrize("model", ["whisper-base-encoder", "whisper-tiny.en-encoder"])
def test_real_weights_give_the_hidden_states_of_transformers(model, shared, clips):
    folder = shared / "models" / model
    encoder = load_encoder(str(folder))
    reference = WhisperEncoder.from_pretrained(
        folder, dtype=torch.float32, key_mapping={r"^model\.encoder\.": ""}
    ).eval()
    inputs = WhisperFeatureExtractor()(clips[0].numpy(), sampling_rate=16_000, return_tensors="pt")
    with torch.inference_mode():
        expected = reference(inputs.input_features, output_hidden_states=True).hidden_states
    ours = run(encoder, clips[:1]).hidden_states
    assert len(ours) == len(expected)
    for state, theirs in zip(ours, expected, strict=True):
        torch.testing.assert_close(state, theirs, atol=1e-3, rtol=1e-4)


@pytest.mark.shared
@pytest.mark.parametrize("form", ["padded", "short"])
def test_real_weights_give_exact_batches(form, shared, clips):
    encoder = load_encoder(str(shared / "models" / "whisper-tiny.en-encoder"), whisper_form=form)
    together = run(encoder, [clips[0], clips[3]])
    alone = run(encoder, clips[3:])
    frames = int(alone.lengths[0])
    # Upper states hold single values of several hundred, whose rounding alone exceeds 1e-4.
    for state, theirs in zip(together.hidden_states, alone.hidden_states, strict=True):
        difference, scale = state[1, :frames] - theirs[0, :frames], theirs.abs().max().clamp(min=1)
        assert difference.abs().max() < 1e-4 * scale
        assert difference.mean(0).abs().max() < 1e-4
