from pathlib import Path

import pytest

from sercl.models.encoders import Encoder, load_encoder
from sercl.testing.encoders import tiny_encoder


@pytest.fixture(scope="session")
def wav2vec2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny wav2vec 2.0 with three blocks and a final norm."""
    return tiny_encoder("wav2vec2-layer", tmp_path_factory.mktemp("encoder") / "tiny")


@pytest.fixture
def encoder(wav2vec2: Path) -> Encoder:
    return load_encoder(str(wav2vec2))
