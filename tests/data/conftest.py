from pathlib import Path

import pytest

from tests.data.corpora import write_emodb, write_manifest


@pytest.fixture
def emodb(tmp_path: Path) -> Path:
    return write_emodb(tmp_path / "emodb")


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return write_manifest(tmp_path / "own", prefix="own")
