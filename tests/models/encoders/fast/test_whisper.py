from torch import nn

from sercl.models.encoders.fast.whisper import fits


def test_only_whisper_as_it_was_published_fits(wide):
    model = wide("whisper").model
    assert fits(model)
    model.config.activation_function = "relu"
    assert not fits(model)
    model.config.activation_function = "gelu"
    model.layers[0] = nn.Identity()
    assert not fits(model)
