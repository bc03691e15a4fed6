"""WavLM's attention by `flex_attention` in benchmarks/gpu.py, against that of transformers."""

from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.mark.parametrize("stable", [False, True])
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_hidden_states_are_those_of_transformers(monkeypatch, stable):
    monkeypatch.syspath_prepend(str(FOLDER))
    from speed import encoders, flex
    from transformers import WavLMConfig

    size = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 96}
    norm = {"do_stable_layer_norm": stable, "feat_extract_norm": "layer" if stable else "group"}
    # Few buckets and a small distance, so that clips of a second reach all kinds of them.
    config = {**size, **norm, "conv_dim": [32] * 7, "num_buckets": 32, "max_bucket_distance": 40}
    monkeypatch.setitem(encoders.SIZES, "small", lambda: WavLMConfig(**config))
    encoder = encoders.build_encoder("small").eval()
    for block in encoder.blocks:  # as initialised, all frames and heads have the same gate
        torch.nn.init.normal_(block.attention.gru_rel_pos_linear.weight, std=2.0)
        torch.nn.init.normal_(block.attention.gru_rel_pos_const, std=2.0)
    torch.nn.init.normal_(encoder.blocks[0].attention.rel_attn_embed.weight, std=3.0)
    waveforms, lengths = torch.randn(3, 24_000), torch.tensor([24_000, 17_000, 8_000])
    with torch.no_grad():
        plain = encoder(waveforms, lengths)
        with flex.flexible(encoder, compiled=False):
            other = encoder(waveforms, lengths)
        again = encoder(waveforms, lengths)
    for state, (one, two, three) in enumerate(
        zip(plain.hidden_states, other.hidden_states, again.hidden_states, strict=True)
    ):
        for row, frames in enumerate(plain.lengths.tolist()):
            difference = (one - two)[row, :frames].abs().max()
            assert difference < 1e-4, (state, row)
            assert torch.equal(one[row, :frames], three[row, :frames])


def test_the_bias_of_a_distance_is_that_of_transformers(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    from speed.flex import table_of
    from transformers.models.wavlm.modeling_wavlm import WavLMAttention

    attention, frames = WavLMAttention(32, 4, num_buckets=32, max_distance=40), 60
    table = table_of(attention, frames)
    distances = torch.arange(frames)[None] - torch.arange(frames)[:, None]
    assert torch.equal(table[:, distances + frames - 1], attention.compute_bias(frames, frames))
