import json
import re
import shutil

import pytest
import torch
from torch import nn
from transformers import Wav2Vec2ForCTC

from sercl.models.encoders import load_encoder, rebuild_encoder
from sercl.models.encoders.fingerprint import fingerprint


def model(dtype=torch.float32):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).to(dtype)


def test_it_is_a_sha256_that_equal_weights_share():
    assert fingerprint(model()) == fingerprint(model())
    assert len(fingerprint(model())) == 64


def test_it_depends_on_every_value_and_buffer():
    seen = {fingerprint(model())}
    for name in model().state_dict():
        changed = model()
        changed.state_dict()[name].view(-1)[:1].add_(1)
        seen.add(fingerprint(changed))
    assert len(seen) == 1 + len(model().state_dict())


def test_it_depends_on_shapes_and_names():
    flat, renamed = nn.ParameterDict({"a": torch.zeros(4)}), nn.ParameterDict({"b": torch.zeros(4)})
    square = nn.ParameterDict({"a": torch.zeros(2, 2)})
    assert len({fingerprint(each) for each in (flat, renamed, square)}) == 3


def test_it_does_not_depend_on_the_precision_of_storage_or_what_is_trained():
    half = model(torch.float16)
    frozen = model(torch.float16).float().requires_grad_(False)
    assert fingerprint(half) == fingerprint(frozen)


def changed(encoder, name):
    """The state fingerprints of an encoder while one value is another."""
    value = encoder.model.state_dict()[name].view(-1)[:1]
    before = value.clone()
    value.add_(1)
    found = encoder.state_fingerprints()
    value.copy_(before)
    return found


def test_a_state_depends_on_what_stands_before_it_and_on_nothing_else(encoder):
    states, norm = encoder.state_fingerprints(), encoder.traits.final_norm
    assert len(set(states)) == encoder.num_states == 4
    for name in encoder.model.state_dict():
        block = re.search(r"(?<![a-z_])layers\.(\d)\.", name.replace("conv_layers", "conv"))
        if "pos_conv_embed" not in name and block:
            first = int(block[1]) + 1
        else:
            first = 3 if norm and name.startswith(f"{norm}.") else 0
        same = [a == b for a, b in zip(changed(encoder, name), states, strict=True)]
        assert same == [state < first for state in range(4)], name


def test_a_cut_encoder_shares_its_states_with_the_whole_one(variant, encoder, tiny):
    family, form = variant
    whole = encoder.state_fingerprints()
    cut = load_encoder(str(tiny[family]), whisper_form=form, last_block=1, final_norm=False)
    assert cut.state_fingerprints() == whole[:3]
    normed = load_encoder(str(tiny[family]), whisper_form=form, last_block=1).state_fingerprints()
    assert normed[:2] == whole[:2]
    assert (normed[2] == whole[2]) == (encoder.traits.final_norm is None)


def test_a_last_state_without_its_norm_is_another(tiny):
    bare, normed = (load_encoder(str(tiny["whisper"]), final_norm=norm) for norm in (False, True))
    assert bare.state_fingerprints()[:3] == normed.state_fingerprints()[:3]
    assert bare.state_fingerprints()[3] != normed.state_fingerprints()[3]


@pytest.mark.parametrize(
    ("family", "setting", "value"),
    [
        ("wav2vec2", "num_attention_heads", 4),
        ("wav2vec2", "hidden_act", "relu"),
        ("wav2vec2", "conv_stride", [5, 2, 2, 2, 2, 2, 1]),
        ("wav2vec2-layer", "layer_norm_eps", 1e-3),
        ("whisper", "activation_function", "relu"),
    ],
)
def test_settings_that_no_weight_shows_count(family, setting, value, tiny, tmp_path):
    folder = shutil.copytree(tiny[family], tmp_path / "other")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, setting: value}))
    ours, other = load_encoder(str(tiny[family])), load_encoder(str(folder))
    assert ours.fingerprint == other.fingerprint
    assert not set(ours.state_fingerprints()) & set(other.state_fingerprints())


def test_states_do_not_depend_on_place_head_or_how_the_encoder_was_built(tiny, tmp_path):
    ours = load_encoder(str(tiny["wav2vec2"]))
    Wav2Vec2ForCTC.from_pretrained(tiny["wav2vec2"]).save_pretrained(tmp_path)
    shutil.copy(tiny["wav2vec2"] / "preprocessor_config.json", tmp_path)
    assert load_encoder(str(tmp_path)).state_fingerprints() == ours.state_fingerprints()
    twin = rebuild_encoder("twin", json.loads(json.dumps(ours.config)))
    twin.load_state_dict(ours.state_dict())
    assert twin.state_fingerprints() == ours.state_fingerprints()


def test_states_are_those_of_the_weights_as_they_are_now(tiny):
    encoder = load_encoder(str(tiny["wav2vec2"]))
    before, loaded = encoder.state_fingerprints(), encoder.fingerprint
    with torch.no_grad():
        encoder.blocks[1].final_layer_norm.bias.add_(1)
    assert encoder.state_fingerprints()[:2] == before[:2]
    assert encoder.state_fingerprints()[2] != before[2]
    assert encoder.fingerprint == loaded
    assert not set(load_encoder(str(tiny["wav2vec2"])).bfloat16().state_fingerprints()) & set(before)
