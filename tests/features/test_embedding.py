"""Arrays of hidden states: the same as of each file alone, as of the commands, and as of transformers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from transformers import AutoFeatureExtractor, AutoModel
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from sercl.corpora.base import Utterance
from sercl.errors import AudioError, FeatureError, UnknownNameError, UsageError
from sercl.features.config import FeatureConfig
from sercl.features.embedding import embed
from sercl.features.extraction import features_of
from sercl.models.encoders import load_encoder
from sercl.testing.encoders import tiny_encoder
from tests.features.fakes import FakeAudio, trainer

SECONDS = (1.0, 0.4, 1.7, 0.9, 0.6)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    for number, seconds in enumerate(SECONDS):
        samples = 0.1 * rng.standard_normal(int(16_000 * seconds))
        soundfile.write(folder / f"{number}.wav", samples, 16_000, subtype="FLOAT")
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder("whisper", tmp_path_factory.mktemp("encoder") / "whisper")


def samples_of(path: Path) -> Any:
    return soundfile.read(path, dtype="float32")[0]


def states_of(output: Any) -> Any:
    """The hidden states of one clip; the last one with the norm that follows it."""
    return torch.cat([*output.hidden_states[:-1], output.last_hidden_state]).numpy()


def test_a_row_per_file_in_order_whatever_else_is_in_its_batch(files: list[Path], wav2vec2: Path) -> None:
    together = embed(files, str(wav2vec2))
    assert (together.shape, together.dtype) == ((5, 4, 16), np.float32)
    alone = np.concatenate([embed([file], str(wav2vec2)) for file in files])
    one_by_one = embed(reversed(files), str(wav2vec2), batch_seconds=0.1)[::-1]
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(together, one_by_one, atol=1e-5)


def test_hidden_states_are_those_of_transformers(files: list[Path], wav2vec2: Path, whisper: Path) -> None:
    ours = embed(files, str(wav2vec2), pooling=None)
    model, extractor = (
        AutoModel.from_pretrained(wav2vec2).eval(),
        AutoFeatureExtractor.from_pretrained(wav2vec2),
    )
    for file, own in zip(files, ours, strict=True):
        inputs = extractor(samples_of(file), sampling_rate=16_000, return_tensors="pt")
        with torch.no_grad():
            theirs = states_of(model(**inputs, output_hidden_states=True))
        np.testing.assert_allclose(own, theirs, atol=1e-4)
    model, extractor = (
        WhisperEncoder.from_pretrained(whisper).eval(),
        AutoFeatureExtractor.from_pretrained(whisper),
    )
    for file, own in zip(files, embed(files, str(whisper), pooling=None), strict=True):
        inputs = extractor(samples_of(file), sampling_rate=16_000, return_tensors="pt")
        with torch.no_grad():
            theirs = states_of(model(inputs.input_features, output_hidden_states=True))
        np.testing.assert_allclose(own, theirs[:, : own.shape[1]], atol=1e-4)


def test_hidden_states_are_those_of_the_commands(files: list[Path], wav2vec2: Path, tmp_path: Path) -> None:
    audio = FakeAudio({str(file): 1 for file in files})
    audio.clips = {str(file): torch.from_numpy(samples_of(file)) for file in files}
    stored = features_of(
        load_encoder(str(wav2vec2)), audio, trainer(), pooling="mean+std", config=FeatureConfig(str(tmp_path))
    )
    ours = embed(files, str(wav2vec2), pooling="mean+std")
    np.testing.assert_allclose(ours, stored.stack(map(str, files)).numpy(), atol=1e-5)


@pytest.mark.parametrize("family", ["wav2vec2-layer", "whisper"])
def test_layers_come_as_asked_and_blocks_above_are_not_loaded(
    files: list[Path], tmp_path: Path, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, loaded = str(tiny_encoder(family, tmp_path / "encoder")), []

    def load(*args: Any, **options: Any) -> Any:
        loaded.append(load_encoder(*args, **options))
        return loaded[-1]

    every = embed(files, name)
    monkeypatch.setattr("sercl.features.embedding.load_encoder", load)
    for layers in ([2, 0], [1], [0], [3, 1]):
        np.testing.assert_allclose(embed(files, name, layers), every[:, layers], atol=1e-5)
    assert [len(encoder.blocks) for encoder in loaded] == [2, 1, 3, 3]
    assert embed(files, name, 2).shape == (5, 1, 16)


def test_files_waveforms_and_utterances(files: list[Path], wav2vec2: Path) -> None:
    encoder = load_encoder(str(wav2vec2))
    samples = samples_of(files[0])
    whole = Utterance("a", files[0], "sad", "here")
    part = replace(whole, start=0.2, end=0.7)
    cut = samples[3200:11200]
    rows = embed([str(files[0]), (samples, 16_000), (np.stack([cut, cut]), 16_000), whole, part], encoder)
    np.testing.assert_allclose(rows[[1, 3]], rows[[0, 0]], atol=1e-6)
    np.testing.assert_allclose(rows[4], rows[2], atol=1e-6)
    assert embed([], encoder).shape == (0, 4, 16)
    for single in (str(files[0]), files[0], (samples, 16_000), whole):
        np.testing.assert_array_equal(embed(single, encoder), rows[:1])


def test_progress_is_reported_file_by_file(
    files: list[Path], wav2vec2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sercl.features.embedding.WINDOW", 2)
    seen: list[tuple[int, int]] = []
    embed(files, str(wav2vec2), on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(2, 5), (4, 5), (5, 5)]


def test_a_bad_file_is_named(files: list[Path], whisper: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF nothing")
    encoder = load_encoder(str(whisper))
    noise = 0.1 * np.random.default_rng(0).standard_normal(16_000 * 11)
    for bad, words in [
        (broken, r"broken\.wav: "),
        (tmp_path / "absent.wav", r"absent\.wav: no such audio file"),
        ((np.zeros(8000), 16_000), "input 1: silent"),
        ((noise, 16_000), "input 1: .*too long"),
        ((noise[:10], 16_000), "input 1: .*too short"),
        ((np.zeros((2, 2, 2)), 16_000), "input 1: a waveform must be"),
        ((noise.reshape(-1, 2), 16_000), r"input 1: .*\[channels, samples\].*Transpose"),
        (noise, "input 1: is neither a file nor a waveform"),
    ]:
        with pytest.raises(AudioError, match=words):
            embed([files[0], bad], encoder)


def test_hidden_states_that_are_not_finite_are_not_returned(files: list[Path], wav2vec2: Path) -> None:
    encoder = load_encoder(str(wav2vec2))
    encoder.register_forward_hook(lambda *_: None)
    with torch.no_grad():
        encoder.blocks[0].layer_norm.weight.fill_(torch.nan)
    with pytest.raises(FeatureError, match=r"0\.wav: has NaN or infinite hidden states"):
        embed(files[:1], encoder)


def test_what_does_not_exist_is_refused(files: list[Path], wav2vec2: Path) -> None:
    name = str(wav2vec2)
    with pytest.raises(UsageError, match="hidden state 4: valid: 0 to 3"):
        embed(files, name, 4)
    for layers in ("last", 1.5, [1, "2"]):
        with pytest.raises(UsageError, match=r"embed: layers .*valid: a hidden state, several"):
            embed(files, name, layers)  # type: ignore[call-overload]
    with pytest.raises(UsageError, match="each once"):
        embed(files, name, [1, 1])
    with pytest.raises(UnknownNameError, match=r"unknown pooling.*'attentive'.*mean\+std"):
        embed(files, name, pooling="attentive")
    with pytest.raises(UnknownNameError, match="precision"):
        embed(files, name, precision="fp8")
    with pytest.raises(UsageError, match="revision and last_block would have no effect"):
        embed(files, load_encoder(name), revision="main", last_block=1)
