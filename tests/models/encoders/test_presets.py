import pytest
import yaml
from huggingface_hub.utils import validate_repo_id

from sercl.models.encoders.source import PRESETS
from tests.test_configs import CONFIGS


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_complete(name):
    preset = PRESETS[name]
    validate_repo_id(preset.hub_id)
    assert preset.hub_id.count("/") == 1
    assert preset.speech
    assert preset.hidden_size % 64 == 0
    # A short name must not look like a hub id or a folder.
    assert "/" not in name
    assert not name.startswith((".", "~"))


def test_no_model_has_two_names():
    assert len({preset.hub_id for preset in PRESETS.values()}) == len(PRESETS)


def test_the_configurations_name_presets():
    named = [yaml.safe_load(path.read_text())["model"]["encoder"] for path in CONFIGS.glob("encoder/*.yaml")]
    assert named
    assert set(named) <= set(PRESETS)
