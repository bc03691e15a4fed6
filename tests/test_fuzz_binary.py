"""Whatever a binary file contains, a reader returns or raises an error of sercl: damage by a fixed seed."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from sercl.audio.files import info, read
from sercl.audio.scan import AudioSpan, Measures
from sercl.audio.scan_cache import ScanCache
from sercl.corpora.manifest import read_manifest
from sercl.errors import SerclError
from sercl.features.index import NAME, Index
from sercl.features.shard import Shard, write_shard
from sercl.studies.cross_eval.study_file import read_table, schema
from tests.features.rows import rows
from tests.fuzz import flips

COUNT = 100


def refused_or_read(path: Path, contents: "list[bytes]", work: Callable[[Path], object]) -> None:
    for content in contents:
        path.write_bytes(content)
        try:
            work(path)
        except SerclError as error:
            assert path.name in str(error)  # noqa: PT017
            assert len(str(error)) < 1000  # noqa: PT017


FORMATS = ("WAV", "FLAC", "OGG", "MP3", "AIFF", "AU", "CAF", "W64", "RF64", "NIST", "VOC", "HTK", "IRCAM")


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_audio(name: str, tmp_path: Path) -> None:
    samples = 0.1 * np.random.default_rng(0).standard_normal(4000).astype(np.float32)
    file = io.BytesIO()
    soundfile.write(file, samples, 16_000, format=name)

    def work(path: Path) -> None:
        info(path)
        read(path)

    refused_or_read(tmp_path / f"a.{name.lower()}", list(flips(file.getvalue(), COUNT // 2)), work)


def test_damaged_shards(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "space", "space", rows(5))

    def work(location: Path) -> None:
        shard = Shard(location, "space")
        shard.verify()

    refused_or_read(path, list(flips(path.read_bytes(), COUNT)), work)


def test_a_damaged_index_is_built_anew(tmp_path: Path) -> None:
    name = write_shard(tmp_path, "space", rows(5)).name
    index = Index(tmp_path, "space")
    index.refresh()
    del index
    valid = (tmp_path / NAME).read_bytes()
    for content in flips(valid, COUNT // 4):
        (tmp_path / NAME).write_bytes(content)
        index = Index(tmp_path, "space")
        index.refresh()
        found = index.find([row.key for row in rows(5)])
        assert all(isinstance(location.row, int) and location.shard for location in found.values()), name


def test_a_damaged_scan_cache(tmp_path: Path) -> None:
    cache, clip = ScanCache(tmp_path), AudioSpan(tmp_path / "a.wav")
    clip.path.write_bytes(b"x")
    identities = cache.identify([clip])
    measures = Measures(1.0, 16_000, 1, 0.5, "digest")
    cache.remember([(identities[0], measures)])

    def work(_: Path) -> None:
        assert cache.recall(identities) in ({}, {0: measures})
        cache.remember([(identities[0], measures)])

    refused_or_read(cache.path, list(flips(cache.path.read_bytes(), COUNT // 4)), work)


def test_damaged_predictions(tmp_path: Path) -> None:
    columns = schema(["angry", "sad"])
    values = {pa.int32(): 1, pa.int64(): 1, pa.float32(): 0.5, pa.float64(): 0.5}
    arrays = [pa.array([values.get(field.type, "sad")] * 3).cast(field.type) for field in columns]
    table = pa.Table.from_arrays(arrays, schema=columns)
    path = tmp_path / "predictions.parquet"
    pq.write_table(table, path)
    assert read_table(path, ["angry", "sad"]).num_rows == 3
    refused_or_read(path, list(flips(path.read_bytes(), COUNT)), lambda p: read_table(p, ["angry", "sad"]))


def test_damaged_manifests_in_parquet(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    columns = {
        "path": ["a.wav", "b.wav"],
        "emotion": ["sad", "angry"],
        "speaker": ["1", "2"],
        "start": [0.0, 1.0],
    }
    pq.write_table(pa.table(columns), path)
    refused_or_read(path, list(flips(path.read_bytes(), COUNT)), read_manifest)
