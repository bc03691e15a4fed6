import json
from unittest.mock import Mock

import pytest
from huggingface_hub import errors
from hypothesis import given
from hypothesis import strategies as st

from sercl.errors import EncoderError, UnknownNameError
from sercl.models.encoders import source
from sercl.models.encoders.source import PRESETS


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A stand-in for the hub: the files of each fetch, or an error to raise; it records what is asked."""
    asked = []

    def install(*answers):
        queue = list(answers)

        def snapshot_download(hub_id, revision, allow_patterns):
            asked.append((hub_id, revision, allow_patterns))
            answer = queue.pop(0)
            if isinstance(answer, Exception):
                raise answer
            for name in answer:
                (tmp_path / name).touch()
            return str(tmp_path)

        monkeypatch.setattr(source, "snapshot_download", snapshot_download)
        return asked

    return install


def test_a_folder_stays_where_it_is(tmp_path):
    assert source.checkpoint_folder(str(tmp_path), None) == tmp_path


def test_a_short_name_is_its_hub_id_with_the_revision(hub, tmp_path):
    asked = hub({"config.json", "model.safetensors"})
    assert source.checkpoint_folder("wavlm-large", "v1") == tmp_path
    assert [entry[:2] for entry in asked] == [("microsoft/wavlm-large", "v1")]
    assert not any(pattern.endswith(".bin") for pattern in asked[0][2])


def test_a_pickle_is_fetched_only_where_there_are_no_safetensors(hub, tmp_path):
    asked = hub({"config.json"}, {"pytorch_model.bin"})
    source.checkpoint_folder("TencentGameMate/chinese-wav2vec2-base", None)
    assert "pytorch_model.bin" in asked[1][2]
    assert source.has_weights(tmp_path)


@pytest.mark.parametrize("name", ["./nowhere", "/no/such/folder", "~/no/such/folder", "a/b/c"])
def test_a_path_without_a_folder_is_refused_without_asking_the_hub(name, hub):
    asked = hub()
    with pytest.raises(EncoderError, match="does not exist"):
        source.checkpoint_folder(name, None)
    assert asked == []


@given(name=st.from_regex(r"[a-z0-9]{1,12}", fullmatch=True))
def test_a_word_that_is_no_short_name_is_refused(name):
    with pytest.raises(UnknownNameError, match="hub id"):
        source.checkpoint_folder(name + "-x", None)


def test_without_network_and_cache_the_next_step_is_named(hub):
    hub(errors.LocalEntryNotFoundError("offline"))
    with pytest.raises(EncoderError, match=r"no network.*hf download facebook/x .*--model\.encoder FOLDER"):
        source.checkpoint_folder("facebook/x", None)


def test_offline_mode_itself_gives_that_message(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EncoderError, match="no network"):
        source.checkpoint_folder("facebook/wav2vec2-base", None)


def test_an_id_that_may_be_a_misspelt_folder_names_the_folders_there(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "enc" / "wavlm").mkdir(parents=True)
    said = r"no folder enc/wavml here \(enc contains: wavlm\). Did you mean enc/wavlm\? As a model of the hub"
    with pytest.raises(EncoderError, match=said):
        source.checkpoint_folder("enc/wavml", None)


def test_an_id_that_is_no_id_is_refused():
    with pytest.raises(EncoderError, match="neither a folder here nor a model on the hub"):
        source.checkpoint_folder("spaces in/an id", None)


def test_json_that_is_not_there_broken_or_no_object_is_an_error(tmp_path):
    path = tmp_path / "config.json"
    with pytest.raises(EncoderError, match=r"no config\.json"):
        source.read_json(path)
    path.write_text("{")
    with pytest.raises(EncoderError, match="not valid JSON"):
        source.read_json(path)
    path.write_text("[1]")
    with pytest.raises(EncoderError, match="list, not an object"):
        source.read_json(path)


def test_the_preprocessor_is_read_from_either_file_or_absent(tmp_path):
    assert source.read_preprocessor(tmp_path) is None
    nested = {"feature_extractor": {"do_normalize": False}, "processor_class": "Wav2Vec2Processor"}
    (tmp_path / "processor_config.json").write_text(json.dumps(nested))
    assert source.read_preprocessor(tmp_path) == {"do_normalize": False}
    (tmp_path / "preprocessor_config.json").write_text('{"do_normalize": true}')
    assert source.read_preprocessor(tmp_path) == {"do_normalize": True}


def test_presets_are_hub_ids_under_short_names():
    assert all(preset.hub_id.count("/") == 1 and "/" not in name for name, preset in PRESETS.items())


@pytest.mark.parametrize("kind", [errors.RevisionNotFoundError, errors.RepositoryNotFoundError])
def test_what_the_hub_refuses_is_one_message(kind, hub):
    hub(kind("gone", response=Mock(spec=errors.Response, headers={}, status_code=404)))
    with pytest.raises(EncoderError, match="facebook/x"):
        source.checkpoint_folder("facebook/x", "v9")


def test_a_failing_connection_is_one_message(hub):
    hub(errors.HTTPError("proxy says no"))
    with pytest.raises(EncoderError, match="cannot be fetched from the hub: proxy says no"):
        source.checkpoint_folder("facebook/x", None)
