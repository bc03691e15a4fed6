import pytest
import torch

from sercl.models.encoders.fast.adapted import changes_of
from sercl.models.encoders.fast.attention import SelfAttention
from sercl.models.encoders.fast.blocks import NormFirstBlock, NormLastBlock, run_blocks

LENGTHS = (20, 5)
FAMILIES = ["wav2vec2", "wav2vec2-layer", "hubert", "hubert-stable", "data2vec-audio"]


def build(block, dtype=torch.float32):
    kind = NormFirstBlock if "StableLayerNorm" in type(block).__name__ else NormLastBlock
    ffn = block.feed_forward
    return kind(
        SelfAttention(block.attention, dtype),
        (block.layer_norm, block.final_layer_norm),
        (ffn.intermediate_dense, ffn.output_dense),
        dtype,
        changes_of(block, "feed_forward"),
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_blocks_are_those_of_transformers(family, wide):
    layers = wide(family).model.encoder.layers
    rows = torch.randn(sum(LENGTHS), 64)
    states = run_blocks([build(layer) for layer in layers], rows, LENGTHS)
    assert states[0] is rows
    assert len(states) == len(layers) + 1
    for layer, before, after in zip(layers, states, states[1:], strict=False):
        expected = torch.cat([layer(clip[None])[0] for clip in before.split(LENGTHS)])
        torch.testing.assert_close(after, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", ["wav2vec2", "wav2vec2-layer"])
def test_no_block_changes_its_input(family, wide):
    block, rows = build(wide(family).blocks[0]), torch.randn(sum(LENGTHS), 64)
    before = rows.clone()
    block(rows, LENGTHS, ())
    assert torch.equal(rows, before)
