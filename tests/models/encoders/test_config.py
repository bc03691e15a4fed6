"""Encoder folders that anybody may have made: one message with the folder, never code, hours or gigabytes."""

import json
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest

from sercl.errors import EncoderError
from sercl.models.encoders import load_encoder
from sercl.models.encoders.config import build_model, check_size
from sercl.models.encoders.weights import published_config
from sercl.testing.encoders import FAMILIES, tiny_encoder
from tests.timing import within

WEIGHTS = "model.safetensors"


@pytest.fixture(params=["whisper", "wav2vec2", "hubert", "wavlm", "data2vec-audio", "wav2vec2-bert"])
def folder(request, tmp_path: Path) -> Path:
    return tiny_encoder(request.param, tmp_path / "encoder", blocks=1)


def refuse(folder: Path) -> str:
    with within(5.0), pytest.raises(EncoderError) as caught:
        load_encoder(str(folder))
    assert str(folder) in str(caught.value)
    assert len(str(caught.value)) < 2000
    return str(caught.value)


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


SIZES = ("hidden_size", "d_model")
BLOCKS = ("num_hidden_layers", "encoder_layers")


@pytest.mark.parametrize(
    ("names", "value", "message"),
    [
        (SIZES, 10**9, "is larger than in any encoder"),
        (SIZES, 2**19, "does not fit the weights"),
        (SIZES, -1, "is -1; valid: 1 to"),
        (SIZES, "x", "no encoder can be built"),
        (SIZES, 1.5, "no encoder can be built"),
        (SIZES, [1], "no encoder can be built"),
        (BLOCKS, 10**6, "is larger than in any encoder"),
        (("model_type",), None, "is not an encoder that can be used here"),
        (("model_type",), ["whisper"], "is not an encoder that can be used here"),
        (("model_type",), "x", "is not an encoder that can be used here"),
        (("quantization_config",), {"quant_method": "gptq"}, "is quantised"),
        (("pad_token_id",), [1] * 10**5, "is larger than in any encoder"),
    ],
)
def test_settings_of_no_encoder(names: tuple[str, ...], value: Any, message: str, folder: Path) -> None:
    family = json.loads((folder / "config.json").read_text())
    edit(folder / "config.json", **{name: value for name in names if name in family or len(names) == 1})
    assert message in refuse(folder)


HEADS = ("num_attention_heads", "encoder_attention_heads")


@pytest.mark.parametrize(
    ("names", "value", "message"),
    [
        (HEADS, -1, "is -1; valid: 1 to"),
        (("attention_dropout",), 1.5, "attention_dropout is 1.5; valid: 0 to 1"),
        (("activation_dropout",), float("nan"), "activation_dropout is nan; valid: 0 to 1"),
        (("conv_stride",), [-1] * 7, "valid: 1 to"),
        (("conv_stride",), [1] * 7, "makes a frame of 1 samples; valid: at least 16"),
        (("num_conv_pos_embeddings",), 2**20, "is larger than in any encoder (at most 1024)"),
        (HEADS, True, "is True; valid: 1 to"),
        (("max_bucket_distance",), 0, "max_bucket_distance is 0; valid: 1 to"),
    ],
)
def test_numbers_that_would_fail_with_the_first_clip(
    names: tuple[str, ...], value: Any, message: str, folder: Path
) -> None:
    family = json.loads((folder / "config.json").read_text())
    if not (found := [name for name in names if name in family]):
        pytest.skip("not a setting of this family")
    edit(folder / "config.json", **dict.fromkeys(found, value))
    assert message in refuse(folder)


def test_a_switch_is_no_number_of_samples(tmp_path: Path) -> None:
    folder = tiny_encoder("whisper", tmp_path / "encoder", blocks=1)
    edit(folder / "preprocessor_config.json", hop_length=True)
    assert "hop_length is True; valid: 1 to" in refuse(folder)


@pytest.mark.parametrize("stride", [3, 7])
def test_a_feature_extractor_of_another_encoder(stride: int, tmp_path: Path) -> None:
    folder = tiny_encoder("wav2vec2-bert", tmp_path / "encoder", blocks=1)
    edit(folder / "preprocessor_config.json", stride=stride)
    with pytest.raises(EncoderError, match="its feature extractor makes frames of"):
        load_encoder(str(folder))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_is_measured_by_its_first_blocks(family: str, tmp_path: Path) -> None:
    folder = tiny_encoder(family, tmp_path / "encoder", blocks=5)
    config = published_config(folder)
    model = build_model(config)
    values = sum(value.numel() for value in (*model.parameters(), *model.buffers()))
    needed = 4 * values
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sercl.models.encoders.config._SLACK", 0)
        check_size(config, needed // 8 + 1, "x")
        with pytest.raises(EncoderError, match="does not fit the weights"):
            check_size(config, needed // 8 - 1, "x")


@pytest.mark.parametrize(
    "setting",
    [
        {"num_labels": 10**9},
        {"id2label": 3},
        {"auto_map": {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}},
        {"attn_implementation": "someone/kernel:run", "_attn_implementation": "someone/kernel"},
        {"rope_scaling": "x", "base_model_tp_plan": 1, "use_kernels": True, "trust_remote_code": True},
    ],
    ids=str,
)
def test_settings_that_the_encoder_has_no_use_of_are_left_out(setting: dict[str, Any], folder: Path) -> None:
    before = load_encoder(str(folder)).fingerprint
    edit(folder / "config.json", **setting)
    mark = folder / "was-here"
    (folder / "evil.py").write_text(f"import pathlib\npathlib.Path({str(mark)!r}).touch()\n")
    assert load_encoder(str(folder)).fingerprint == before
    assert not mark.exists()


@pytest.mark.parametrize("value", [0, 8000, 10**9, None, "x", [1] * 1000])
def test_other_sampling_rates(value: Any, folder: Path) -> None:
    if not (folder / "preprocessor_config.json").is_file():
        pytest.skip("this family has none")
    edit(folder / "preprocessor_config.json", sampling_rate=value)
    assert "Only 16000 Hz" in refuse(folder)


@pytest.mark.parametrize("value", ["x", None, 0, [1], 10**9])
def test_other_settings_of_the_spectrogram(value: Any, tmp_path: Path) -> None:
    folder = tiny_encoder("whisper", tmp_path / "encoder", blocks=1)
    edit(folder / "preprocessor_config.json", n_fft=value)
    refuse(folder)


def test_weights_that_are_none(folder: Path, tmp_path: Path) -> None:
    path, mark = folder / WEIGHTS, tmp_path / "was-here"
    valid = path.read_bytes()
    for content in (b"", valid[:100], struct.pack("<Q", 2**60) + valid[8:], valid[: len(valid) // 2]):
        path.write_bytes(content)
        refuse(folder)
    path.unlink()
    os.mkfifo(path)
    assert "is not a regular file" in refuse(folder)
    path.unlink()

    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(mark),)

    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Evil()))
    refuse(folder)
    assert not mark.exists()


@pytest.mark.parametrize("place", ["../x", "/dev/zero", "", 3, "absent"])
def test_a_list_of_shards_names_files_of_its_folder(place: Any, folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": place}}))
    refuse(folder)
