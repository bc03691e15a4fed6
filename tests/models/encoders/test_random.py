import pytest
import torch

from sercl.errors import OutputError
from sercl.models.encoders import load_encoder
from sercl.models.encoders.random import SECONDS, write_random_encoder


def write(folder, **options):
    return write_random_encoder(folder, **{"blocks": 2, "hidden": 8, "heads": 2, **options})


def test_it_loads_as_an_encoder_of_the_size_that_was_asked_for(tmp_path):
    folder = write(tmp_path / "new" / "encoder")
    encoder = load_encoder(str(folder))
    assert (len(encoder.blocks), encoder.hidden_size, encoder.family) == (2, 8, "whisper")
    assert encoder.max_samples == SECONDS * 16_000
    output = encoder(0.1 * torch.randn(1, 8000), torch.tensor([8000]))
    assert output.hidden_states[-1].isfinite().all()


def test_the_weights_depend_on_the_seed_alone(tmp_path):
    torch.manual_seed(1)
    first = load_encoder(str(write(tmp_path / "a"))).fingerprint
    torch.manual_seed(2)
    assert load_encoder(str(write(tmp_path / "b"))).fingerprint == first
    assert load_encoder(str(write(tmp_path / "c", seed=1))).fingerprint != first


def test_the_global_generator_is_left_alone(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    write(tmp_path / "a")
    assert torch.rand(1) == expected


def test_an_unwritable_place_is_an_output_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write(tmp_path / "file" / "encoder")
