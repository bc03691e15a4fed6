import threading
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import sercl
from sercl.audio.preprocess import voice_detector
from sercl.audio.sources import DecodedInput, prepared_inputs, waveform_of
from sercl.batch import AudioBatch
from sercl.errors import AudioError, SerclWarning, UnknownNameError, UsageError
from sercl.models.device import give_memory_back
from sercl.models.encoders.fast.packed import supported
from sercl.tasks.classification import EmotionClassifier
from sercl.tasks.ensemble import Ensemble
from sercl.tasks.predictor import Failure, Prediction, Predictor


@pytest.fixture
def predictor(build, batch, fit_standardizer):
    return Predictor(fit_standardizer(build(), batch), torch.device("cpu"))


@pytest.fixture
def wav(tmp_path):
    def write(name, seconds=0.5, rate=16000, channels=1, seed=0):
        samples = 0.1 * np.random.default_rng(seed).standard_normal((int(seconds * rate), channels))
        soundfile.write(tmp_path / name, samples, rate)
        return tmp_path / name

    return write


def test_a_file_and_its_samples_give_the_same(predictor, wav):
    path = wav("a.wav")
    samples, rate = soundfile.read(path, dtype="float32")
    by_path, by_array, by_tensor = predictor.predict(
        [path, (samples, rate), (torch.from_numpy(samples), rate)]
    )
    assert by_path.probabilities == pytest.approx(by_array.probabilities, abs=1e-5)
    assert by_path.probabilities == pytest.approx(by_tensor.probabilities, abs=1e-5)
    assert sum(by_path.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert by_path.emotion == max(by_path.probabilities, key=by_path.probabilities.get)
    assert by_path.seconds == pytest.approx(0.5)
    assert by_array.source == "input 1"


def test_order_is_kept_and_batches_change_nothing(predictor, wav):
    paths = [wav(f"{i}.wav", seconds=0.2 + 0.1 * ((7 * i) % 5), seed=i) for i in range(10)]
    together = predictor.predict(paths)
    alone = [predictor.predict(path)[0] for path in paths]
    assert [row.source for row in together] == [str(path) for path in paths]
    for a, b in zip(together, alone, strict=True):
        assert a.probabilities == pytest.approx(b.probabilities, abs=1e-4)


def test_a_batch_that_does_not_fit_into_memory_is_predicted_in_halves(predictor, wav, monkeypatch):
    files = [wav(f"{number}.wav") for number in range(5)]
    whole, forward, tried = predictor.predict(files), EmotionClassifier.forward, []

    def small(task, batch):
        tried.append(len(batch))
        if len(batch) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(task, batch)

    monkeypatch.setattr(EmotionClassifier, "forward", small)
    with pytest.warns(SerclWarning, match=r"5 clips did not fit into GPU memory: .* \(--batch_seconds\)"):
        rows = predictor.predict(files)
    assert max(tried) == 5
    assert [row.source for row in rows] == [row.source for row in whole]
    for row, expected in zip(rows, whole, strict=True):
        assert row.probabilities == pytest.approx(expected.probabilities, abs=1e-4)


def test_other_rates_and_channels_are_understood(predictor, wav):
    rows = predictor.predict([wav("a.wav", rate=48000, channels=2), wav("b.flac", rate=8000)])
    assert [row.seconds for row in rows] == pytest.approx([0.5, 0.5], abs=1e-3)


def test_a_bad_file_fails_in_its_place(predictor, wav, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"RIFF nothing")
    inputs = [wav("a.wav"), bad, tmp_path / "absent.wav", wav("short.wav", seconds=0.01), wav("b.wav")]
    rows = list(predictor.stream(inputs))
    assert [type(row) for row in rows] == [Prediction, Failure, Failure, Failure, Prediction]
    assert rows[1].source == str(bad)
    assert "too short" in rows[3].error
    with pytest.raises(AudioError, match=r"bad\.wav"):
        predictor.predict(inputs)


def test_silence_is_no_emotion(predictor):
    row = next(predictor.stream([(np.zeros(8000, dtype=np.float32), 16000)]))
    assert isinstance(row, Failure)
    assert "silent" in row.error


@pytest.mark.parametrize("samples", [np.zeros(0), np.full(8000, np.nan), np.zeros((2, 2, 8000))])
def test_unusable_samples_are_named(predictor, samples):
    with pytest.raises(AudioError, match="waveform"):
        predictor.predict([(samples, 16000)])


def test_a_single_input_is_a_list_of_one(predictor, wav):
    path = wav("a.wav", channels=2)
    samples, rate = soundfile.read(path, dtype="float32")
    assert [row.source for row in predictor.stream(str(path))] == [str(path)]
    assert predictor.predict((samples.T, rate))[0].source == "input 0"
    for wrong, words in (
        ((samples, rate), "Transpose"),
        (samples.T, "neither a file"),
        ((rate, samples), "rate"),
    ):
        with pytest.raises(AudioError, match=f"input 0: .*{words}"):
            predictor.predict(wrong)


def test_a_stream_is_read_as_it_is_consumed(predictor, wav):
    path, taken = wav("a.wav"), []

    def endless():
        while True:
            taken.append(1)
            yield path

    stream = predictor.stream(endless())
    for _ in range(3):
        next(stream)
    assert len(taken) <= 64


def test_an_unknown_device_is_an_error_of_use(tmp_path, build, batch, fit_standardizer):
    from tests.tasks.test_checkpoint import save

    path = save(fit_standardizer(build(), batch), tmp_path / "a.ckpt")
    with pytest.raises(UsageError, match="cuda:99"):
        sercl.load(path, device="cuda:99")
    assert sercl.load(path, device="cpu").classes == ("angry", "happy", "neutral", "sad")


def test_memory_is_given_back_after_every_window(predictor, monkeypatch):
    given = []
    monkeypatch.setattr("sercl.tasks.predictor.WINDOW", 2)
    monkeypatch.setattr("sercl.tasks.predictor.give_memory_back", lambda: given.append(True))
    clips = [(0.1 * torch.ones(4000).numpy(), 16_000)] * 5
    assert len(list(predictor.stream(clips))) == 5
    assert len(given) == 3


def test_giving_memory_back_works_on_this_system():
    give_memory_back()


def plainly(task, paths):
    """Probabilities of the model as it was trained: one clip at a time, through transformers and peft."""
    rows = []
    for path in paths:
        clip = DecodedInput(0, "", waveform_of(path))
        (ready,) = prepared_inputs([clip], task.as_trained, voice_detector())
        with torch.no_grad():
            rows.append(task(AudioBatch.from_clips([ready.waveform]))[0].tolist())
    return rows


def adapted(task):
    """Move everything that is trained away from its start."""
    generator = torch.Generator().manual_seed(2)
    for parameter in task.parameters():
        if parameter.requires_grad:
            parameter.data += 0.05 * torch.randn(parameter.shape, generator=generator)
    return task


@pytest.fixture
def talks(wav):
    return [
        wav(f"{i}.wav", seconds=0.3 + 0.2 * (i % 4), seed=i, rate=(16000, 22050)[i % 2]) for i in range(9)
    ]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"layer": "weighted"},
        {"layer": 1, "standardize": False},
        {"adapter": "lora"},
        {"adapter": "lora+bottleneck+gating", "layer": "auto", "adapters": {"bottleneck": {"reduction": 4}}},
        {"adapter": "peft:dora"},
    ],
    ids=["default", "weighted", "numbered", "lora", "three", "dora"],
)
def test_predictions_are_those_of_the_model_as_trained(
    options, workers, build, batch, fit_standardizer, talks, tmp_path
):
    from tests.tasks.test_checkpoint import save

    task = adapted(build(**options))
    if task.readout.standardizer is not None:
        fit_standardizer(task, batch)
    if task.readout.layer == "auto":
        task.readout.chosen.fill_(1)
    path = save(task, tmp_path / "a.ckpt")
    expected = plainly(EmotionClassifier.restore(path).eval(), talks)
    found = sercl.load(path, device="cpu", workers=workers).predict(talks)
    assert [row.source for row in found] == list(map(str, talks))
    for row, probabilities in zip(found, expected, strict=True):
        assert list(row.probabilities.values()) == pytest.approx(probabilities, abs=1e-4)


needs_bfloat16 = pytest.mark.skipif(not supported(torch.bfloat16), reason="needs a processor with bfloat16")


@needs_bfloat16
def test_a_lower_precision_changes_probabilities_a_little(build, batch, fit_standardizer, talks, tmp_path):
    from tests.tasks.test_checkpoint import save

    path = save(fit_standardizer(build(), batch), tmp_path / "a.ckpt")
    exact, rounded = (
        sercl.load(path, device="cpu", precision=name).predict(talks) for name in ("fp32", "bf16")
    )
    differences = [
        abs(one.probabilities[emotion] - other.probabilities[emotion])
        for one, other in zip(exact, rounded, strict=True)
        for emotion in one.probabilities
    ]
    assert 0 < max(differences) < 0.02


def test_a_precision_that_does_not_exist_is_refused(build):
    with pytest.raises(UnknownNameError, match="'bf61'"):
        Predictor(build(), torch.device("cpu"), precision="bf61")


def test_a_precision_that_the_processor_does_not_have_is_warned_of(build, monkeypatch):
    module = import_module("sercl.models.encoders.inference")  # the package has a function of this name
    monkeypatch.setattr(module, "is_slow", lambda dtype: dtype == torch.bfloat16)
    with pytest.warns(SerclWarning, match="precision bf16: this processor has no instructions"):
        Predictor(build(), torch.device("cpu"), precision="bf16")


def test_only_what_predictions_need_is_computed(build, batch, fit_standardizer):
    task = fit_standardizer(build(), batch)
    task.readout.chosen.fill_(1)
    before = task(batch)
    task.keep_for_prediction()
    assert len(task.encoder.blocks) == 1
    assert len(task.readout.heads) == 1
    assert task.readout.chosen_state == 1
    torch.testing.assert_close(task(batch), before, atol=1e-5, rtol=0)


class OwnSteps(EmotionClassifier):
    def pool(self, batch):
        return super().pool(batch) + 1


@pytest.mark.parametrize("layer", ["weighted", "auto"])
def test_what_reads_all_layers_keeps_them(build, layer, whisper):
    task = OwnSteps(whisper) if layer == "auto" else build(layer=layer)
    task.keep_for_prediction()
    assert len(task.encoder.blocks) == 3


def test_models_that_share_an_encoder_keep_what_each_needs(build, batch, fit_standardizer):
    tasks = [fit_standardizer(build(), batch) for _ in range(2)]
    for task, chosen in zip(tasks, (0, 2), strict=True):
        task.readout.chosen.fill_(chosen)
    both = Ensemble(tasks, [Path("run/a/best.ckpt"), Path("run/b/best.ckpt")])
    before = both(batch)
    both.keep_for_prediction()
    assert [task.readout.states for task in tasks] == [[0, 2], [0, 2]]
    assert len(tasks[0].encoder.blocks) == 2
    torch.testing.assert_close(both(batch), before, atol=1e-5, rtol=0)


def test_a_stream_that_is_left_stops_its_threads(build, batch, fit_standardizer, talks):
    predictor = Predictor(fit_standardizer(build(), batch), torch.device("cpu"), workers=2)
    stream = predictor.stream(talks * 20)
    next(stream)
    stream.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("sercl-ahead")]
