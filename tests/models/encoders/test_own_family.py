"""A family that transformers has and an installed package adds to sercl."""

import json
import sys
from dataclasses import replace

import pytest
import torch
from transformers import BertConfig, UniSpeechSatConfig

from sercl import plugins
from sercl.errors import EncoderError, PluginError, UsageError
from sercl.models import encoder_folder
from sercl.models.adapters import attach
from sercl.models.encoders import load_encoder, rebuild_encoder
from sercl.models.encoders.families import FAMILIES
from sercl.testing.encoders import check_encoder, random_encoder
from tests.packages import find_packages, install

TEXT = """
from sercl.models.encoders import Wav2Vec2Encoder

sat = Wav2Vec2Encoder.of

def wrong(checkpoint):
    return checkpoint.model
"""
POINTS = {"unispeech-sat": "lab_encoders:sat", "sew": "lab_encoders:no", "unispeech": "lab_encoders:wrong"}
SMALL = {
    "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32,
    "conv_dim": [16] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    config = UniSpeechSatConfig(**SMALL, xvector_output_dim=2**21)
    return random_encoder(config, tmp_path_factory.mktemp("sat"))


@pytest.fixture
def package(tmp_path, monkeypatch):
    install(tmp_path, "mylab", {plugins.ENCODERS: POINTS}, {"lab_encoders.py": TEXT})
    find_packages(monkeypatch, tmp_path)
    monkeypatch.setattr(FAMILIES, "_loaded", {})
    yield
    sys.modules.pop("lab_encoders", None)


def test_sercl_names_its_own_families_without_torch():
    assert tuple(FAMILIES) == encoder_folder.FAMILIES


def test_without_the_package_the_family_is_refused(folder):
    with pytest.raises(EncoderError, match="'unispeech-sat' is not an encoder that can be used here"):
        load_encoder(str(folder))


def test_it_is_an_encoder_like_others(package, folder):
    encoder = load_encoder(str(folder), last_block=1)
    assert (encoder.family, encoder.num_states, encoder.hidden_size) == ("unispeech-sat", 3, 16)
    check_encoder(encoder)
    again = rebuild_encoder("sat", json.loads(json.dumps(encoder.config)))
    again.load_state_dict(encoder.state_dict())
    assert again.state_fingerprints() == encoder.state_fingerprints()
    adapters = attach(encoder, "lora+bottleneck")
    waveforms, lengths = torch.randn(1, 16_000), torch.tensor([16_000])
    encoder(waveforms, lengths).hidden_states[-1].square().sum().backward()
    trained = [*adapters.parameters(), *(each for each in encoder.parameters() if each.requires_grad)]
    assert all(each.grad is not None for each in trained)


@pytest.mark.parametrize(
    ("family", "error", "reason"),
    [
        ("sew", PluginError, "encoder family 'sew' .*sercl.encoders: lab_encoders:no.* of the package mylab"),
        (
            "unispeech",
            UsageError,
            "encoder family 'unispeech': must return an Encoder, but returns UniSpeechModel",
        ),
        ("bert", EncoderError, "Valid: wav2vec2, .*whisper, sew, unispeech, unispeech-sat"),
    ],
)
def test_families_that_cannot_be_used(package, family, error, reason, folder, tmp_path):
    target = tmp_path / "encoder"
    if family == "bert":
        random_encoder(BertConfig(**{**SMALL, "vocab_size": 10}), target)
    else:
        content = json.loads((folder / "config.json").read_text())
        target.mkdir()
        (target / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
        (target / "config.json").write_text(json.dumps({**content, "model_type": family}))
    with pytest.raises(error, match=f"(?s){reason}"):
        load_encoder(str(target))


def test_check_encoder_notices_what_is_wrong(package, folder):
    encoder = load_encoder(str(folder))
    traits = encoder.traits
    encoder.traits = replace(traits, raw_weight_linears=("attention.q_proj",))
    with pytest.raises(AssertionError, match=r"attention.q_proj is called; see raw_weight_linears"):
        check_encoder(encoder)
    encoder.traits = replace(traits, feed_forward="ffn")
    with pytest.raises(AttributeError, match="ffn"):
        check_encoder(encoder)
    encoder.traits = traits
    encoder._group_norm = None  # a group norm over the padding, too
    with pytest.raises(AssertionError, match=r"hidden state 0 of clip 0 differs by \S+ in a padded batch"):
        check_encoder(encoder)
