import numpy as np
import pytest
import torch

import sercl
from sercl.cli.inputs import split_checkpoint
from sercl.cli.main import main
from sercl.errors import CheckpointError, DamagedCheckpointError, UsageError
from sercl.models.encoders.fast.packed import supported
from sercl.models.encoders.fingerprint import fingerprint
from sercl.tasks import starter
from sercl.tasks.classification import EmotionClassifier

PATH = starter._CHECKOUT / starter.FILE
needs_file = pytest.mark.skipif(not PATH.is_file(), reason="no starter model: not a checkout")


@pytest.fixture
def clip(tmp_path):
    import soundfile

    path = tmp_path / "tone.wav"
    soundfile.write(path, 0.1 * np.sin(np.arange(16000) / 20), 16000)
    return path


@needs_file
def test_size_and_hash_are_those_in_the_package():
    assert PATH.stat().st_size == starter.SIZE < 25e6
    assert starter.find_starter() == PATH


@needs_file
def test_it_holds_half_precision_and_loads_as_float32():
    stored = torch.load(PATH, weights_only=True)
    encoder = [value for name, value in stored["state_dict"].items() if name.startswith("encoder.")]
    assert {value.dtype for value in encoder} == {torch.float16}
    assert stored["hyper_parameters"]["encoder"] == "whisper-base"
    task = EmotionClassifier.restore(PATH)
    assert {value.dtype for value in task.encoder.parameters()} == {torch.float32}
    assert fingerprint(task.encoder.model) == stored["sercl"]["encoder"]["fingerprint"]


@needs_file
def test_predict_without_a_checkpoint_uses_it_and_warns(clip, capsys):
    assert main(["predict", str(clip)]) == 0
    said = capsys.readouterr()
    assert "German acted speech" in said.err
    assert "other languages and spontaneous speech" in said.err
    assert "tone.wav" in said.out
    assert sercl.load(device="cpu").predict(clip)[0].emotion in said.out


def test_without_the_file_the_message_says_where_to_get_it(monkeypatch, tmp_path, clip, capsys):
    monkeypatch.setattr(starter, "_CHECKOUT", tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(UsageError, match=starter.SHA256):
        starter.find_starter()
    assert main(["predict", str(clip)]) == 2
    assert "starter.ckpt" in capsys.readouterr().err


def test_another_file_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(starter, "_CHECKOUT", tmp_path / "none")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "sercl").mkdir()
    (tmp_path / "sercl" / starter.FILE).write_bytes(b"cut")
    with pytest.raises(DamagedCheckpointError, match="not the starter model"):
        starter.find_starter()


def test_the_first_argument_is_a_checkpoint_or_audio(tmp_path, clip):
    run = tmp_path / "run"
    run.mkdir()
    (run / "results.json").touch()
    assert split_checkpoint(["best.ckpt", "a.wav"]) == ("best.ckpt", ["a.wav"])
    assert split_checkpoint([str(run), "a.wav"]) == (str(run), ["a.wav"])
    assert split_checkpoint([str(clip), "b.wav"]) == (None, [str(clip), "b.wav"])
    assert split_checkpoint([str(tmp_path)]) == (None, [str(tmp_path)])
    with pytest.raises(UsageError, match="no recording"):
        split_checkpoint(["best.ckpt"])
    with pytest.raises(UsageError, match="must be the first"):
        split_checkpoint(["a.wav", "best.ckpt"])
    with pytest.raises(CheckpointError, match="does not exist"):
        split_checkpoint(["runs/typo", "a.wav"])


@needs_file
@pytest.mark.shared
@pytest.mark.skipif(not supported(torch.bfloat16), reason="needs a processor with bfloat16")
@pytest.mark.parametrize("corpus", ["emodb", "ravdess"])
def test_bfloat16_gives_nearly_the_same_probabilities_of_real_speech(corpus, shared):
    clips = sorted((shared / "data" / corpus).rglob("*.wav"))[::12]
    exact, rounded = (sercl.load(device="cpu", precision=name).predict(clips) for name in ("fp32", "bf16"))
    values = np.array([[list(row.probabilities.values()) for row in found] for found in (exact, rounded)])
    assert 0 < np.abs(values[0] - values[1]).max() < 0.02
