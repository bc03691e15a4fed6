import json
import shutil

import pytest
import torch
from transformers import Wav2Vec2ForCTC, WavLMForSequenceClassification

from sercl.errors import EncoderError, UnknownNameError, UsageError
from sercl.models.encoders import load_encoder, rebuild_encoder
from sercl.testing.encoders import randomize


@pytest.fixture
def folder(tiny, tmp_path):
    """A wav2vec2 checkpoint that a test may damage."""
    return shutil.copytree(tiny["wav2vec2"], tmp_path / "checkpoint")


def edit(folder, name="config.json", **values):
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_the_encoder_says_what_it_is(encoder, variant, tiny):
    assert encoder.name == str(tiny[variant[0]])
    assert variant[0].startswith(encoder.family)
    assert encoder.hidden_size == 16
    assert not encoder.training
    assert all(p.requires_grad for n, p in encoder.named_parameters() if "embed_positions" not in n)


def test_rebuilt_from_its_config_and_state_it_gives_the_same(encoder, clips):
    config = json.loads(json.dumps(encoder.config))
    twin = rebuild_encoder("twin", config)
    twin.load_state_dict(encoder.state_dict())
    assert twin.fingerprint == encoder.fingerprint
    assert twin.preprocessing == encoder.preprocessing
    waveform, length = clips[0][None], torch.tensor([len(clips[0])])
    ours, theirs = (each(waveform, length).hidden_states for each in (encoder, twin))
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("last_block", [-1, 3])
def test_a_block_that_is_not_there_is_refused(last_block, tiny):
    with pytest.raises(UsageError, match=r"it has 3\. Valid last blocks: 0 to 2"):
        load_encoder(str(tiny["wav2vec2"]), last_block=last_block)


def test_an_unknown_short_name_is_answered_with_the_near_ones():
    with pytest.raises(UnknownNameError, match="Did you mean 'wavlm-large'"):
        load_encoder("wavlm-larg")


@pytest.mark.parametrize("family", ["bert", None])
def test_another_kind_of_model_is_refused_with_the_legal_ones(family, folder):
    edit(folder, model_type=family)
    with pytest.raises(EncoderError, match=rf"model_type {family!r}.*Valid: wav2vec2, hubert"):
        load_encoder(str(folder))


def test_another_sample_rate_is_refused(folder):
    edit(folder, "preprocessor_config.json", sampling_rate=8000)
    with pytest.raises(EncoderError, match="8000 Hz"):
        load_encoder(str(folder))


def test_layer_drop_and_output_adapters_of_a_checkpoint_are_off(folder, clips):
    edit(folder, layerdrop=1.0, add_adapter=True, output_hidden_size=16, apply_spec_augment=True)
    encoder = load_encoder(str(folder)).train()
    output = encoder(clips[0][None], torch.tensor([len(clips[0])]))
    assert len(output.hidden_states) == 4
    assert output.hidden_states[-1].shape[1] == 49


@pytest.mark.parametrize(
    ("head", "family", "options"),
    [
        (Wav2Vec2ForCTC, "wav2vec2", {"vocab_size": 5}),
        (WavLMForSequenceClassification, "wavlm-stable", {"num_labels": 3}),
    ],
)
def test_a_checkpoint_with_a_head_gives_its_encoder(head, family, options, tiny, tmp_path):
    whole = head.from_pretrained(tiny[family], **options)
    whole.save_pretrained(tmp_path)
    shutil.copy(tiny[family] / "preprocessor_config.json", tmp_path)
    assert load_encoder(str(tmp_path)).fingerprint == load_encoder(str(tiny[family])).fingerprint


def test_half_precision_checkpoints_are_loaded_as_float32(tiny, tmp_path, clips):
    whole = load_encoder(str(tiny["wav2vec2-bert"]))
    whole.model.half().save_pretrained(tmp_path)
    encoder = load_encoder(str(tmp_path))
    assert {p.dtype for p in encoder.parameters()} == {torch.float32}
    assert encoder.fingerprint != whole.fingerprint


def test_fingerprints_tell_checkpoints_and_cuts_apart_but_not_names_and_forms(tiny, tmp_path):
    original = load_encoder(str(tiny["whisper"]))
    moved = shutil.copytree(tiny["whisper"], tmp_path / "moved")
    assert load_encoder(str(moved), whisper_form="short").fingerprint == original.fingerprint
    assert load_encoder(str(moved), last_block=1).fingerprint != original.fingerprint
    randomize(original.model, seed=1)
    original.model.save_pretrained(moved)
    assert load_encoder(str(moved)).fingerprint != original.fingerprint
