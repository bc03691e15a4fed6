"""Checkpoints that anybody may have made: one message with the file, and never code, hours or gigabytes."""

import os
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from sercl.errors import SerclError
from sercl.tasks.classification import EmotionClassifier
from tests.fuzz import flips
from tests.tasks.test_checkpoint import save
from tests.timing import within

DEEP = b"\x80\x02" + b"]" * 10_000 + b"a" * 9_999 + b"."


@pytest.fixture
def stored(build, batch, fit_standardizer, tmp_path) -> dict[str, Any]:
    path = save(
        fit_standardizer(build(adapter="lora", layer="last", save_full=True), batch), tmp_path / "a.ckpt"
    )
    content = torch.load(path, weights_only=True)
    return {key: content[key] for key in ("sercl", "hyper_parameters", "state_dict")}


def put(content: Any, key: str, value: Any) -> Any:
    """Return a copy of nested maps with another value at "a/b"."""
    head, _, rest = key.partition("/")
    return {**content, head: put(content.get(head, {}), rest, value) if rest else value}


def refuse(path: Path) -> str:
    with within(5.0), pytest.raises(SerclError) as caught:
        EmotionClassifier.restore(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 2000
    return str(caught.value)


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


BOMB: Any = ["x"] * 10
for _ in range(10):
    BOMB = [BOMB] * 10
WEIGHT = "state_dict/readout.heads.0.1.weight"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("sercl", {"format": 2}, "sercl: has no 'version'"),
        ("sercl/encoder", 3, "'encoder' is a int of the wrong form"),
        ("sercl/encoder/preprocessing", {"n_fft": 10**9}, "n_fft is larger than in any encoder"),
        ("sercl/encoder/preprocessing/hop_length", -1, "hop_length is -1; valid: 1 to"),
        ("sercl/seen_speakers", {"train": [1]}, "'seen_speakers' is a dict of the wrong form"),
        ("sercl/format", "x" * 4000, "reads format 2"),
        ("sercl/classes", BOMB, "holds more than 1,000,000 values"),
        ("hyper_parameters/labels", {1: 2}, "'labels' is a dict of the wrong form"),
        ("hyper_parameters/dropout", "x", "'dropout' is a str of the wrong form"),
        ("hyper_parameters/dropout", 10**100, "holds too large a int"),
        ("hyper_parameters/dropout", 10**6000, "loads safely"),
        ("hyper_parameters/dropout", torch.zeros(2), "holds a Tensor"),
        ("hyper_parameters/layer", -5, "layer"),
        ("hyper_parameters/adapters/lora/rank", 10**9, "fits no weights that are stored"),
        ("hyper_parameters/adapters/lora/rank", 0, "at least 1 is needed"),
        ("hyper_parameters/adapters/lora/rank", "x", "'adapters' is a dict of the wrong form"),
        ("hyper_parameters/encoder_config/model/d_model", 10**9, "d_model is larger than in any"),
        ("hyper_parameters/encoder_config/model/d_model", 2**19, "model of .* GiB"),
        ("hyper_parameters/encoder_config/model/d_model", "x", "no encoder can be built"),
        ("hyper_parameters/encoder_config/model/encoder_layers", 10**6, "encoder_layers is larger"),
        ("hyper_parameters/encoder_config/model/model_type", ["x"], "is not an encoder that can be used"),
        ("hyper_parameters/encoder_config/model", 1, "'model' is a int"),
        ("hyper_parameters/encoder_config/whisper_form", "x", "x"),
        ("state_dict", {1: torch.zeros(2)}, "'1' is a Tensor, not a tensor with a name"),
        ("state_dict/x", torch.zeros(1).expand(10**12), "larger than what is stored"),
        ("state_dict/x", torch.zeros(3).to_sparse(), "not a dense tensor"),
        ("state_dict/x", torch.zeros(3, dtype=torch.cfloat), "not a dense tensor"),
        ("state_dict/x", torch.zeros(3, device="meta"), "not a dense tensor"),
        ("state_dict/x", 1, "'x' is a int"),
        (WEIGHT, torch.full((4, 16), float("nan")), "is not a number"),
        (WEIGHT, torch.zeros(4, 16, dtype=torch.int8), "int8"),
        ("state_dict/x", torch.zeros(3), "holds unknown weights: x"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, str) else "",
)
def test_content_that_makes_no_model(key: str, value: Any, message: str, stored, tmp_path: Path) -> None:
    path = tmp_path / "hostile.ckpt"
    torch.save(put(stored, key, value), path)
    assert re.search(message, refuse(path))


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        ("https://x/y", "does not exist"),
        ("/dev/zero", "is not a folder"),
        ("~nobody-x/y", "no such user"),
        ("x", ""),
    ],
)
def test_an_encoder_that_is_nowhere(encoder: str, message: str, stored, tmp_path: Path) -> None:
    content = put(put(stored, "hyper_parameters/encoder", encoder), "hyper_parameters/encoder_config", None)
    torch.save(put(content, "sercl/full", False), tmp_path / "hostile.ckpt")
    assert message in refuse(tmp_path / "hostile.ckpt")


def test_files_that_are_something_else(stored, tmp_path: Path) -> None:
    path, mark = tmp_path / "hostile.ckpt", tmp_path / "was-here"
    path.write_bytes(pickle.dumps(Evil(mark)))
    refuse(path)
    torch.save({**stored, "x": Evil(mark)}, path)
    refuse(path)
    torch.save(stored, path, _use_new_zipfile_serialization=False)
    assert "not a checkpoint" in refuse(path)
    assert not mark.exists()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", "<x/>")
    refuse(path)
    path.unlink()
    os.mkfifo(path)
    refuse(path)


def rewritten(path: Path, compression: int, data: bytes | None) -> None:
    """Write the archive of a checkpoint again, compressed or with other objects."""
    with zipfile.ZipFile(path) as archive:
        items = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in items.items():
            archive.writestr(name, data if data and name.endswith("data.pkl") else content)


def test_archives_that_grow(stored, tmp_path: Path) -> None:
    path = tmp_path / "hostile.ckpt"
    torch.save(stored, path)
    rewritten(path, zipfile.ZIP_DEFLATED, None)
    assert "compressed" in refuse(path)
    rewritten(path, zipfile.ZIP_STORED, DEEP)
    refuse(path)


def test_damaged_bytes(stored, tmp_path: Path) -> None:
    path = tmp_path / "hostile.ckpt"
    torch.save(stored, path)
    for content in flips(path.read_bytes(), 40):
        path.write_bytes(content)
        try:
            EmotionClassifier.restore(path)
        except SerclError as error:
            assert str(path) in str(error)  # noqa: PT017
