import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoModel,
    Wav2Vec2Config,
    Wav2Vec2ForCTC,
    Wav2Vec2ForPreTraining,
    Wav2Vec2ForSequenceClassification,
    Wav2Vec2ForXVector,
)

from sercl.errors import EncoderError
from sercl.models.encoders import load_encoder
from sercl.models.encoders.weights import empty_model, read_config, read_model


@pytest.fixture
def folder(tiny, tmp_path):
    return shutil.copytree(tiny["wav2vec2"], tmp_path / "checkpoint")


def test_a_folder_without_weights_is_refused(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(EncoderError, match=r"no model\.safetensors"):
        load_encoder(str(folder))


@pytest.mark.parametrize("content", [b"", b"not safetensors at all"])
def test_a_broken_file_is_refused(content, folder):
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(EncoderError, match="weights cannot be read"):
        load_encoder(str(folder))


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 12345\n"


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "preprocessor_config.json"])
def test_a_pointer_of_git_lfs_is_named(name, folder):
    (folder / name).write_bytes(POINTER)
    with pytest.raises(EncoderError, match=rf"{name}: a Git LFS pointer.*git lfs pull"):
        load_encoder(str(folder))


def change_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_config_of_another_width_is_named_with_names_and_shapes(folder):
    change_config(folder, hidden_size=32)
    with pytest.raises(
        EncoderError, match=r"layer_norm\.weight: \[16\], expected \[32\].* and \d+ more"
    ) as caught:
        load_encoder(str(folder))
    assert "above report" not in str(caught.value)


def test_a_config_of_fewer_blocks_is_named(folder):
    change_config(folder, num_hidden_layers=2)
    with pytest.raises(EncoderError, match=r"config\.json says 2 blocks, but the weights hold 3"):
        load_encoder(str(folder))
    change_config(folder, num_hidden_layers=3)
    assert len(load_encoder(str(folder), last_block=0).blocks) == 1


@pytest.mark.parametrize(
    ("family", "config", "off", "lost"),
    [
        ("wav2vec2", {"conv_bias": True}, {"conv_bias": False}, r"conv_layers\.0\.conv\.bias"),
        (
            "wav2vec2",
            {"do_stable_layer_norm": True, "adapter_attn_dim": 4},
            {"adapter_attn_dim": None},
            r"layers\.0\.adapter_layer",
        ),
        ("wav2vec2", {"feat_extract_norm": "layer"}, {"feat_extract_norm": "group"}, r"1\.layer_norm"),
        ("hubert", {"feat_proj_layer_norm": True}, {"feat_proj_layer_norm": False}, r"n\.layer_norm"),
        ("hubert", {"conv_bias": True}, {"conv_bias": False}, r"conv_layers\.0\.conv\.bias"),
    ],
)
def test_weights_that_a_setting_switches_off_are_named(family, config, off, lost, tiny, tmp_path):
    own = AutoConfig.from_pretrained(tiny[family], **config)
    AutoModel.from_config(own).save_pretrained(tmp_path)
    load_encoder(str(tmp_path))
    load_encoder(str(tmp_path), last_block=0)
    change_config(tmp_path, **off)
    for last_block in (None, 0):
        with pytest.raises(EncoderError, match=rf"config\.json has no parameters for \d+ weights.*{lost}"):
            load_encoder(str(tmp_path), last_block=last_block)


@pytest.mark.parametrize(
    "model", [Wav2Vec2ForPreTraining, Wav2Vec2ForCTC, Wav2Vec2ForSequenceClassification, Wav2Vec2ForXVector]
)
def test_heads_outside_the_encoder_are_left_out(model, tiny, tmp_path):
    options = {"add_adapter": model is Wav2Vec2ForCTC, "codevector_dim": 16, "vocab_size": 8}
    model(AutoConfig.from_pretrained(tiny["wav2vec2"], **options)).save_pretrained(tmp_path)
    assert len(load_encoder(str(tmp_path)).blocks) == 3
    assert len(load_encoder(str(tmp_path), last_block=0).blocks) == 1


def test_missing_weights_of_the_encoder_are_named(folder):
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layers.1.attention.q_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EncoderError, match=r"1 weights.*encoder\.layers\.1\.attention\.q_proj\.weight"):
        load_encoder(str(folder))
    assert len(load_encoder(str(folder), last_block=0).blocks) == 1


def test_a_pickle_of_tensors_is_read_and_one_of_code_is_refused(folder):
    weights = load_file(folder / "model.safetensors")
    before = load_encoder(str(folder)).fingerprint
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    assert load_encoder(str(folder)).fingerprint == before
    torch.save(weights | {"evil": print}, folder / "pytorch_model.bin")
    with pytest.raises(EncoderError, match="weights cannot be read"):
        load_encoder(str(folder))


def test_spec_augment_leaves_no_parameter_behind(folder):
    model = read_model(folder, read_config(folder, None))
    assert "masked_spec_embed" in load_file(folder / "model.safetensors")
    assert "masked_spec_embed" not in dict(model.named_parameters())


def test_a_cut_model_has_no_upper_blocks_and_says_so_in_its_config(tiny):
    for family, folder in tiny.items():
        model = read_model(folder, read_config(folder, 0))
        again = empty_model(model.config.to_dict())
        assert {n: p.shape for n, p in again.named_parameters()} == {
            n: p.shape for n, p in model.named_parameters()
        }, family


def test_blocks_of_an_adapted_mms_checkpoint_keep_their_language_adapter(tmp_path):
    config = Wav2Vec2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, conv_dim=[16] * 7,
        feat_extract_norm="layer", do_stable_layer_norm=True, num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2, adapter_attn_dim=4,
    )  # fmt: skip
    AutoModel.from_config(config).save_pretrained(tmp_path)
    assert load_encoder(str(tmp_path)).blocks[0].adapter_layer is not None
