import pytest

from sercl.data.datamodules import Manifest
from sercl.testing.encoders import tiny_encoder
from tests.data.corpora import write_manifest


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return str(tiny_encoder("whisper", tmp_path_factory.mktemp("encoder")))


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    root = tmp_path_factory.mktemp("tables")
    return [write_manifest(root / name, per_emotion=1, prefix=name) for name in ("a", "b")]


@pytest.fixture
def data(tables):
    return Manifest(tables[0])
