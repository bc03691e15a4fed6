import numpy as np
import pytest
import soundfile
import torch

import sercl
from sercl.audio.resample import load
from sercl.audio.stream import WindowPlan
from sercl.batch import AudioBatch
from sercl.diarization.postprocess import PostConfig
from sercl.errors import AudioError, CheckpointError, UsageError
from sercl.models.encoders.fast.packed import supported
from sercl.tasks.diarization import EmotionDiarizer
from sercl.tasks.diarizer import Diarizer
from sercl.tasks.predictor import Failure
from sercl.testing.encoders import tiny_encoder
from tests.tasks.test_checkpoint import save

CPU = torch.device("cpu")


@pytest.fixture
def task(whisper):
    torch.manual_seed(0)
    return EmotionDiarizer(whisper, whisper_form="short", layer="last", standardize=False).eval()


@pytest.fixture
def wav(tmp_path):
    def write(name, seconds=1.0, rate=16_000, channels=1, level=0.1):
        rng = np.random.default_rng(0)
        samples = level * rng.standard_normal((round(seconds * rate), channels))
        soundfile.write(tmp_path / name, samples, rate)
        return tmp_path / name

    return write


def one_pass(task, path):
    with torch.inference_mode():
        return task(AudioBatch.from_clips([load(path)]))[0][0].numpy()


def test_a_short_file_gives_the_frames_of_one_pass(task, wav):
    path = wav("a.wav", 3.0)
    scores = Diarizer(task, CPU).frames(path)
    assert (scores.stride, scores.duration) == (0.02, 3.0)
    assert np.allclose(scores.probabilities, one_pass(task, path), atol=1e-6)


@pytest.mark.skipif(not supported(torch.bfloat16), reason="needs a processor with bfloat16")
def test_a_lower_precision_changes_frames_a_little(task, wav):
    path = wav("a.wav", 3.0)
    rounded = Diarizer(task, CPU, precision="bf16").frames(path).probabilities
    assert 0 < np.abs(rounded - one_pass(task, path)).max() < 0.02


class Local(torch.nn.Module):
    """A model whose frames see nothing beyond themselves: windows must not change them at all."""

    def __init__(self, task):
        super().__init__()
        self.encoder, self.classes, self.post = task.encoder, task.classes, task.post
        self.hop, self.stride = task.hop, task.stride

    def forward(self, batch):
        frames = batch.lengths // 320
        cut = batch.waveforms[:, : int(frames.max()) * 320].reshape(len(batch), -1, 320)
        return torch.stack([cut.std(dim=2), cut.amax(dim=2), cut.mean(dim=2), cut[..., 0]], dim=2), frames


@pytest.mark.parametrize(
    ("seconds", "window", "context"), [(10.07, 2.0, 0.3), (4.0, 1.0, 0.02), (1.99, 2.0, 0.5)]
)
def test_windows_neither_lose_nor_repeat_a_frame(task, wav, seconds, window, context):
    path = wav("a.wav", seconds)
    model = Local(task)
    whole = model(AudioBatch.from_clips([load(path)]))[0][0]
    found = Diarizer(model, CPU, window=window, context=context).frames(path)
    assert np.allclose(found.probabilities, whole.numpy(), atol=1e-6)
    assert found.duration == pytest.approx(seconds)


def test_windows_leave_the_frames_of_a_real_architecture_where_they_were(tmp_path, wav):
    torch.manual_seed(0)
    encoder = str(tiny_encoder("wav2vec2-layer", tmp_path / "encoder"))
    task = EmotionDiarizer(encoder, layer="last", standardize=False).eval()
    path = wav("a.wav", 6.0)
    whole = one_pass(task, path)
    windowed = Diarizer(task, CPU, window=3.0, context=0.5).frames(path).probabilities
    assert windowed.shape == whole.shape
    # Attention sees the window only, so the numbers are not the same; a shift by one frame is far worse.
    assert np.abs(windowed - whole).mean() < 0.3 * np.abs(windowed[1:] - whole[:-1]).mean()


@pytest.mark.parametrize(("rate", "channels"), [(44_100, 2), (8_000, 1)])
def test_files_of_other_rates_and_channels(task, wav, rate, channels):
    path = wav("a.flac", 2.5, rate, channels)
    annotation = Diarizer(task, CPU, window=1.0, context=0.1).diarize(path)
    assert annotation.id == "a"
    assert annotation.duration == pytest.approx(2.5, abs=1e-3)
    assert annotation.segments[0].start == 0
    assert annotation.segments[-1].end == annotation.duration
    assert all(0 <= segment.confidence <= 1 for segment in annotation.segments)


def test_a_waveform_in_memory_is_the_file(task, wav):
    path = wav("a.wav", 1.5)
    samples, rate = soundfile.read(path, dtype="float32")
    diarizer = Diarizer(task, CPU)
    here, there = diarizer.frames((samples, rate)), diarizer.frames(path)
    assert np.array_equal(here.probabilities, there.probabilities)
    assert diarizer.diarize((np.stack([samples, samples]), rate)).id == "input"


def test_silence_is_neutral(task, wav, tmp_path):
    noise = 0.1 * np.random.default_rng(0).standard_normal(16_000)
    soundfile.write(tmp_path / "a.wav", np.concatenate([np.zeros(16_000), noise]), 16_000)
    frames = Diarizer(task, CPU).frames(tmp_path / "a.wav").probabilities
    assert np.array_equal(frames[:50], np.tile(np.float32([0, 0, 1, 0]), (50, 1)))
    assert (frames[50:, 2] < 1).all()
    (segment,) = Diarizer(task, CPU).diarize(wav("quiet.wav", level=0.0)).segments
    assert (segment.emotion, segment.confidence) == ("neutral", 1.0)


def test_what_is_no_speech_is_neutral_if_asked_for(task, wav):
    path = wav("a.wav", 2.0, level=0.01)
    assert (Diarizer(task, CPU, vad=True).frames(path).probabilities[:, 2] == 1).all()
    assert (Diarizer(task, CPU).frames(path).probabilities[:, 2] < 1).all()


def test_a_recording_without_a_frame_is_an_error(task, wav):
    with pytest.raises(AudioError, match=r"a\.wav: 24 ms long, too short for one frame, which takes 25 ms"):
        Diarizer(task, CPU).diarize(wav("a.wav", 0.024))
    assert len(Diarizer(task, CPU).frames(wav("b.wav", 0.025)).probabilities) == 2


def test_a_bad_file_does_not_stop_the_others(task, wav, tmp_path):
    good, text = wav("a.wav"), tmp_path / "b.wav"
    text.write_text("no audio")
    results = list(Diarizer(task, CPU).stream([text, good, tmp_path / "c.wav"]))
    assert isinstance(results[0], Failure)
    assert results[0].source == str(text)
    assert results[0].error.startswith("cannot be decoded")
    assert results[1].id == "a"
    assert "no such audio file" in results[2].error


def test_post_processing_comes_with_the_checkpoint_unless_given(whisper, wav, tmp_path):
    torch.manual_seed(0)
    smooth = PostConfig(smoothing="viterbi", switch_penalty=1e6)
    task = EmotionDiarizer(whisper, whisper_form="short", layer="last", standardize=False, post=smooth)
    path = save(task, tmp_path / "a.ckpt")
    audio = wav("a.wav", 2.0)
    assert len(sercl.diarize(path, device="cpu").diarize(audio).segments) == 1
    plain = PostConfig(smoothing="none", min_seconds=0.0)
    assert len(sercl.diarize(path, device="cpu", post=plain).diarize(audio).segments) > 1


def test_a_classifier_is_refused(build, batch, fit_standardizer, tmp_path):
    path = save(fit_standardizer(build(), batch), tmp_path / "a.ckpt")
    with pytest.raises(CheckpointError, match="not diarization"):
        sercl.diarize(path)


def test_windows_must_suit_the_encoder(task):
    with pytest.raises(UsageError, match=r"windows of 40 s are longer than .* at most 10 s"):
        Diarizer(task, CPU, window=40.0)
    with pytest.raises(UsageError, match="at least one frame"):
        Diarizer(task, CPU, context=0.0)
    assert Diarizer(task, CPU)._plan == WindowPlan(10.0, 1.0, 320)


def test_stretches_without_speech_are_reported_if_asked_for(task, wav):
    path = wav("a.wav", 2.0, level=0.01)
    assert Diarizer(task, CPU, vad=True).diarize(path).pauses == ((0.0, 2.0),)
    assert Diarizer(task, CPU).diarize(wav("quiet.wav", level=0.0)).pauses == ()
