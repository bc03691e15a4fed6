import numpy as np
import pytest
import soundfile
import torch

from sercl.audio.augment import Augment, AugmentConfig
from sercl.corpora.base import Utterance
from sercl.data.dataset import FeatureDataset, UtteranceDataset
from sercl.errors import AudioError, UsageError
from tests.data.corpora import tone


def utterance(path, id="a", **changes):
    return Utterance(id=id, path=path, emotion="sad", corpus="own", **changes)


def write(path, rate=16_000, channels=1, seconds=0.5):
    samples = tone(seconds, rate)
    # The left channel alone carries the tone, so that a mono mix of two channels has half its level.
    stereo = np.stack([samples, np.zeros_like(samples)], axis=1)
    soundfile.write(path, stereo if channels == 2 else samples, rate)
    return path


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("suffix", "rate"), [("wav", 16_000), ("flac", 48_000), ("ogg", 44_100), ("mp3", 22_050), ("wav", 8_000)]
)
def test_every_format_becomes_mono_at_16_khz(tmp_path, suffix, rate, channels):
    path = write(tmp_path / f"clip.{suffix}", rate, channels)
    item = UtteranceDataset([utterance(path)], [3])[0, 0]
    assert (item.label, item.id, item.waveform.dtype, item.waveform.ndim) == (3, "a", torch.float32, 1)
    assert len(item.waveform) == pytest.approx(8000, abs=800 if suffix == "mp3" else 2)
    spectrum = torch.fft.rfft(item.waveform[:8000]).abs()
    assert spectrum.argmax().item() * 16_000 / len(item.waveform[:8000]) == pytest.approx(200, abs=3)
    assert item.waveform.abs().quantile(0.99).item() == pytest.approx(0.3 / channels, rel=0.1)


def test_segments_are_cut_by_start_and_end(tmp_path):
    samples = np.concatenate([tone(0.5, hz=100), tone(0.25, hz=1000), tone(0.5, hz=100)])
    soundfile.write(tmp_path / "long.flac", samples, 16_000)
    item = UtteranceDataset([utterance(tmp_path / "long.flac", start=0.5, end=0.75)], [0])[0, 0]
    assert torch.allclose(item.waveform, torch.from_numpy(tone(0.25, hz=1000)), atol=1e-3)


def test_a_file_that_changes_while_it_is_used_is_refused(tmp_path):
    path, other = write(tmp_path / "clip.wav"), write(tmp_path / "other.wav")
    dataset = UtteranceDataset([utterance(path), utterance(other, "b")], [0, 1])
    whole = dataset[0, 0].waveform
    write(path, seconds=0.4)
    with pytest.raises(AudioError, match=r"clip\.wav: was changed while this run was using it") as error:
        dataset[1, 0]
    assert error.value.kind == "changed"
    assert len(dataset[1, 1].waveform) == len(whole)
    again = UtteranceDataset([utterance(path)], [0])[0, 0].waveform
    assert len(again) < len(whole)


def test_a_file_that_broke_after_the_scan_is_named(tmp_path):
    path = write(tmp_path / "clip.wav")
    dataset = UtteranceDataset([utterance(path)], [0])
    path.write_bytes(b"RIFF")
    with pytest.raises(AudioError, match=r"clip\.wav"):
        dataset[0, 0]


def augmented(tmp_path, seed=1, count=3):
    paths = [tmp_path / f"{i}.wav" for i in range(count)]
    utterances = [
        utterance(path if path.exists() else write(path), id=str(i)) for i, path in enumerate(paths)
    ]
    config = AugmentConfig(noise_snr_db=(5.0, 20.0), gain_db=(-6.0, 6.0), probability=1.0)
    return UtteranceDataset(utterances, [0] * count, Augment(config), seed)


def test_augmentation_depends_on_seed_epoch_and_index_alone(tmp_path):
    dataset, other_order = augmented(tmp_path), augmented(tmp_path)
    expected = {key: dataset[key].waveform for key in [(0, 0), (0, 1), (1, 0)]}
    for key in [(1, 0), (0, 1), (0, 0)]:
        torch.manual_seed(key[1])
        assert torch.equal(other_order[key].waveform, expected[key])
    assert not torch.equal(expected[0, 0], expected[0, 1])
    assert not torch.equal(expected[0, 0], expected[1, 0])
    assert not torch.equal(expected[0, 0], augmented(tmp_path, seed=2)[0, 0].waveform)


def test_features_stand_in_for_audio(tmp_path):
    utterances = [utterance(tmp_path / "absent.wav", id=name) for name in "ab"]
    features = {"a": torch.zeros(3, 4), "b": torch.ones(3, 4)}
    item = FeatureDataset(features, utterances, [0, 2])[5, 1]
    assert (item.label, item.id) == (2, "b")
    assert torch.equal(item.features, torch.ones(3, 4))
    with pytest.raises(UsageError, match="1 of 2 utterances have no features, first 'b'"):
        FeatureDataset({"a": features["a"]}, utterances, [0, 2])
