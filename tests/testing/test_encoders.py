import json

import pytest

from sercl.errors import UnknownNameError
from sercl.models.encoders import load_encoder
from sercl.testing.encoders import FAMILIES, tiny_encoder


@pytest.mark.parametrize("family", FAMILIES)
def test_a_tiny_encoder_has_the_layout_of_a_hub_checkpoint(family, tmp_path):
    folder = tiny_encoder(family, tmp_path / "new" / family, blocks=2, hidden=8)
    files = {path.name for path in folder.iterdir()}
    assert {"config.json", "model.safetensors"} <= files
    assert ("preprocessor_config.json" in files) == (family != "data2vec-audio")
    assert family.startswith(json.loads((folder / "config.json").read_text())["model_type"])
    encoder = load_encoder(str(folder))
    assert (len(encoder.blocks), encoder.hidden_size) == (2, 8)


def test_its_weights_depend_on_the_seed_alone(tmp_path):
    names = [str(tiny_encoder("wavlm", tmp_path / str(i), seed=seed)) for i, seed in enumerate((0, 0, 1))]
    first, again, other = (load_encoder(name).fingerprint for name in names)
    assert first == again != other


def test_an_unknown_family_is_refused(tmp_path):
    with pytest.raises(UnknownNameError, match=r"'wavml'\. Did you mean 'wavlm'.* Valid: wav2vec2, "):
        tiny_encoder("wavml", tmp_path)


def test_nothing_is_printed(tmp_path, capsys):
    tiny_encoder("wavlm", tmp_path)
    assert capsys.readouterr() == ("", "")
