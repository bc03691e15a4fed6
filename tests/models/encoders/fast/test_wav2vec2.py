import pytest
from torch import nn

from sercl.models.encoders.fast.wav2vec2 import fits


@pytest.fixture
def model(wide):
    return wide("wav2vec2-layer").model


def test_models_of_the_family_fit(wide):
    for family in ("wav2vec2", "hubert-batch-norm", "wavlm", "wavlm-stable", "data2vec-audio"):
        assert fits(wide(family).model)


def test_another_activation_does_not_fit(model):
    model.config.hidden_act = "relu"
    assert not fits(model)
    model.config.hidden_act, model.config.feat_extract_activation = "gelu", "gelu_new"
    assert not fits(model)


def test_a_block_of_another_kind_does_not_fit(model):
    model.encoder.layers[1].adapter_layer = nn.Identity()  # as some MMS checkpoints have
    assert not fits(model)
    model.encoder.layers[1] = nn.Identity()
    assert not fits(model)


def test_another_front_end_does_not_fit(model):
    model.feature_extractor.conv_layers[1].layer_norm = nn.Identity()
    assert not fits(model)
