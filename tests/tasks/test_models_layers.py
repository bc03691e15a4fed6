import pytest
import torch

from sercl.errors import UsageError
from sercl.models.encoders import load_encoder
from sercl.tasks.models import default_layer, encoder_for_layer
from sercl.testing.encoders import tiny_encoder


def load(name, layer, last_block=None, form="short"):
    return encoder_for_layer(str(name), layer, last_block, None, form, gradient_checkpointing=False).eval()


def states(encoder):
    clip = 0.1 * torch.randn(1, 6400, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        return encoder(clip, torch.tensor([6400])).hidden_states


def test_a_frozen_encoder_lets_validation_choose_and_an_adapted_one_reads_its_last_state():
    assert default_layer("none") == "auto"
    assert {default_layer(adapter) for adapter in ("full", "lora", "lora+gating")} == {"last"}


# The norm behind the last block must go with the blocks: stable-layer-norm models and Whisper have one.
@pytest.mark.parametrize("family", ["wav2vec2", "wavlm-stable", "whisper", "wav2vec2-bert"])
@pytest.mark.parametrize("layer", [1, 2, 3])
def test_a_numbered_layer_needs_the_blocks_below_it_alone(family, layer, tmp_path):
    folder = tiny_encoder(family, tmp_path)
    cut = load(folder, layer)
    assert len(cut.blocks) == layer
    whole = states(load_encoder(str(folder), whisper_form="short"))
    torch.testing.assert_close(states(cut)[-1], whole[layer], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("layer", "last_block", "blocks"), [("auto", None, 3), (0, None, 3), (1, 1, 2)])
def test_other_choices_keep_the_blocks_that_are_asked_for(whisper, layer, last_block, blocks):
    encoder = load(whisper, layer, last_block)
    assert len(encoder.blocks) == blocks
    assert torch.equal(
        states(encoder)[-1],
        states(load_encoder(whisper, last_block=blocks - 1, whisper_form="short"))[-1],
    )


def test_a_layer_that_is_too_high_is_said_in_layers(whisper):
    with pytest.raises(
        UsageError, match=r"no layer 9 in the encoder .*: it has 3\. Valid: 0 .* to 3, last, weighted or auto"
    ):
        load(whisper, 9)
    with pytest.raises(UsageError, match=r"^no block 7"):
        load(whisper, 2, last_block=7)
