import errno
import gc
import os
import weakref
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from sercl.batch import AudioBatch
from sercl.errors import (
    ClipLengthError,
    DamagedStoreError,
    FeatureError,
    OutputError,
    SerclWarning,
    UsageError,
)
from sercl.features import shard
from sercl.features.config import FeatureConfig
from sercl.features.extraction import features_of
from sercl.features.stored import StoredFeatures
from sercl.models.encoders import Encoder, load_encoder
from sercl.models.pooling import masked_mean, masked_mean_std
from tests.features.fakes import FakeAudio, some_audio, trainer


@pytest.fixture
def config(tmp_path: Path) -> FeatureConfig:
    return FeatureConfig(dir=str(tmp_path / "store"))


def extracted(data: FakeAudio) -> list[str]:
    """Return the ids of everything that was decoded, and forget them."""
    ids = sorted(id for ids in data.asked for id in ids)
    data.asked.clear()
    return ids


def reference(encoder: Encoder, data: FakeAudio, id: str) -> list[torch.Tensor]:
    """Return the hidden states `[frames, dim]` of one clip alone."""
    with torch.inference_mode():
        batch = AudioBatch.from_clips([data.clips[id]])
        return [state[0] for state in encoder(batch.waveforms, batch.lengths).hidden_states]


@pytest.mark.parametrize(("pooling", "pool"), [("mean", masked_mean), ("mean+std", masked_mean_std)])
def test_pooled_states_are_those_of_each_clip_alone(
    encoder: Encoder, config: FeatureConfig, pooling: str, pool: object
) -> None:
    data = some_audio()
    found = features_of(encoder, data, trainer(), pooling=pooling, config=config)
    assert set(found) == set(data.clips)
    for id in data.clips:
        states = reference(encoder, data, id)
        expected = torch.cat([pool(state[None], torch.tensor([len(state)])) for state in states])
        torch.testing.assert_close(found[id], expected, rtol=1e-4, atol=1e-5)


def test_frames_are_those_of_each_clip_alone(encoder: Encoder, config: FeatureConfig) -> None:
    data = some_audio()
    found = features_of(encoder, data, trainer(), pooling="frames", states=[3, 1], config=config)
    for id in data.clips:
        states = reference(encoder, data, id)
        torch.testing.assert_close(found[id], torch.stack([states[3], states[1]]), rtol=1e-4, atol=1e-4)


def test_an_utterance_is_encoded_once_ever(encoder: Encoder, config: FeatureConfig) -> None:
    data = some_audio()
    first = features_of(encoder, data, trainer(), config=config)
    assert extracted(data) == sorted(data.clips)
    second = features_of(encoder, data, trainer(), config=config)
    assert extracted(data) == []
    assert all(torch.equal(first[id], second[id]) for id in data.clips)


def test_a_clip_that_is_too_short_is_named_and_the_others_stay(
    encoder: Encoder, config: FeatureConfig
) -> None:
    data = some_audio()
    data.clips["a stub"] = torch.zeros(encoder.min_samples - 1)
    data.keys["a stub"] = "key of a stub"
    with pytest.raises(ClipLengthError, match=r"^utterance 'a stub': encoder .* too short for one frame"):
        features_of(encoder, data, trainer(), config=config)
    extracted(data)
    with pytest.raises(ClipLengthError, match="utterance 'a stub'"):
        features_of(encoder, data, trainer(), config=config)
    assert len(extracted(data)) < len(data.clips), "what was computed before the error is stored"


def test_changed_audio_is_encoded_again_and_nothing_else(encoder: Encoder, config: FeatureConfig) -> None:
    data = some_audio()
    before = features_of(encoder, data, trainer(), config=config)
    extracted(data)
    data.keys["utterance 3"] = "what it holds now"
    data.clips["utterance 3"] = torch.roll(data.clips["utterance 3"], 100)
    after = features_of(encoder, data, trainer(), config=config)
    assert extracted(data) == ["utterance 3"]
    assert [torch.equal(before[id], after[id]) for id in data.clips] == [
        id != "utterance 3" for id in data.clips
    ]


def test_new_utterances_are_added_and_moved_ones_recognised(encoder: Encoder, config: FeatureConfig) -> None:
    data = some_audio(4)
    features_of(encoder, data, trainer(), config=config)
    extracted(data)
    more = some_audio(6)
    more.clips["moved"], more.keys["moved"] = more.clips.pop("utterance 0"), more.keys.pop("utterance 0")
    found = features_of(encoder, more, trainer(), config=config)
    assert extracted(more) == ["utterance 4", "utterance 5"]
    assert "moved" in found


def test_equal_audio_is_encoded_once(encoder: Encoder, config: FeatureConfig) -> None:
    data = some_audio(3)
    data.clips["twin"], data.keys["twin"] = data.clips["utterance 1"], data.keys["utterance 1"]
    found = features_of(encoder, data, trainer(), config=config)
    assert extracted(data) == ["utterance 0", "utterance 1", "utterance 2"]
    assert torch.equal(found["twin"], found["utterance 1"])


def test_one_layer_after_all_of_them_costs_nothing(encoder: Encoder, config: FeatureConfig) -> None:
    data = some_audio()
    whole = features_of(encoder, data, trainer(), config=config)
    extracted(data)
    cut = load_encoder(encoder.name, last_block=1, final_norm=False)
    found = features_of(cut, data, trainer(), states=[2], config=config)
    assert extracted(data) == []
    assert all(torch.equal(found[id], whole[id][[2]]) for id in data.clips)
    # With the final norm on block 1, its output is another hidden state.
    normed = load_encoder(encoder.name, last_block=1)
    features_of(normed, data, trainer(), states=[1], config=config)
    assert extracted(data) == []
    other = features_of(normed, data, trainer(), states=[2], config=config)
    assert extracted(data) == sorted(data.clips)
    assert not torch.allclose(other["utterance 0"], found["utterance 0"], atol=1e-2)


def test_all_layers_after_a_cut_encoder_are_encoded(encoder: Encoder, config: FeatureConfig) -> None:
    data = some_audio(2)
    cut = load_encoder(encoder.name, last_block=1, final_norm=False)
    features_of(cut, data, trainer(), states=[2], config=config)
    extracted(data)
    features_of(cut, data, trainer(), states=[0, 1], config=config)  # came with state 2
    assert extracted(data) == []
    features_of(encoder, data, trainer(), config=config)
    assert extracted(data) == ["utterance 0", "utterance 1"]


def test_other_weights_are_never_taken_for_the_same(encoder: Encoder, config: FeatureConfig) -> None:
    data = some_audio(2)
    before = features_of(encoder, data, trainer(), config=config)
    extracted(data)
    with torch.no_grad():
        encoder.blocks[1].final_layer_norm.bias.add_(1)
    after = features_of(encoder, data, trainer(), config=config)
    assert extracted(data) == sorted(data.clips)
    same = [torch.equal(before["utterance 0"][state], after["utterance 0"][state]) for state in range(4)]
    assert same == [True, True, False, False]


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_precisions_are_computed_apart_and_the_encoder_stays_as_it_is(
    encoder: Encoder, config: FeatureConfig, precision: str
) -> None:
    data = some_audio(3)
    full = features_of(encoder, data, trainer(), config=config)
    extracted(data)
    half = features_of(encoder, data, trainer(), config=FeatureConfig(config.dir, precision))
    assert extracted(data) == sorted(data.clips)
    assert half["utterance 0"].dtype == torch.float32
    assert not torch.equal(half["utterance 0"], full["utterance 0"])
    torch.testing.assert_close(half["utterance 0"], full["utterance 0"], rtol=0.1, atol=0.2)
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}
    again = features_of(encoder, data, trainer(), config=config)
    assert extracted(data) == []
    assert torch.equal(again["utterance 0"], full["utterance 0"])


def test_a_mixed_precision_of_the_trainer_changes_nothing(encoder: Encoder, config: FeatureConfig) -> None:
    data = some_audio(3)
    plain = features_of(encoder, data, trainer(), config=config, cache=False)
    mixed = features_of(encoder, data, trainer(precision="bf16-mixed"), config=config, cache=False)
    assert all(torch.equal(plain[id], mixed[id]) for id in data.clips)
    with pytest.raises(UsageError, match="trainer precision bf16-true would change the encoder"):
        features_of(encoder, data, trainer(precision="bf16-true"), config=config)


def test_without_cache_nothing_is_kept_and_nothing_is_taken(encoder: Encoder, config: FeatureConfig) -> None:
    data = some_audio(3)
    kept = features_of(encoder, data, trainer(), config=config)
    extracted(data)
    before = sorted(Path(config.folder).rglob("*"))
    found = features_of(encoder, data, trainer(), config=config, cache=False)
    assert extracted(data) == sorted(data.clips)
    assert all(torch.equal(found[id], kept[id]) for id in data.clips)
    assert sorted(Path(config.folder).rglob("*")) == before
    place = found.store.root
    assert place.is_dir()
    del found
    gc.collect()  # trainer and module know each other
    assert not place.exists()


def test_options_reach_the_loader_and_progress_is_reported(encoder: Encoder, config: FeatureConfig) -> None:
    data, reports = some_audio(7), []
    options = FeatureConfig(config.dir, batch_seconds=3.5, workers=0)
    features_of(encoder, data, trainer(), config=options, on_progress=lambda *news: reports.append(news))
    assert data.options == (3.5, 0)
    assert [news[1:] for news in reports] == [(3, 7), (6, 7), (7, 7)]
    features_of(encoder, data, trainer(), config=options, on_progress=lambda *news: reports.append(news))
    assert len(reports) == 3


def test_batches_suit_the_device_if_nothing_is_said(encoder: Encoder, config: FeatureConfig) -> None:
    data = some_audio(1)
    features_of(encoder, data, trainer(), config=config)
    assert data.options is not None
    seconds, workers = data.options
    assert 0 < seconds < 60
    assert workers == 0


def test_the_loader_is_let_go(encoder: Encoder, config: FeatureConfig) -> None:
    # With it go the processes that decode, although the trainer lives on.
    class Loader(list[AudioBatch]):
        pass

    data, run = some_audio(4), trainer()
    loaders: list[weakref.ref[Loader]] = []

    def audio_dataloader(ids: Sequence[str], *, batch_seconds: float, workers: int) -> Loader:
        loader = Loader([AudioBatch.from_clips([data.clips[id] for id in ids], ids=ids)])
        loaders.append(weakref.ref(loader))
        return loader

    data.audio_dataloader = audio_dataloader
    assert len(features_of(encoder, data, run, config=config)) == 4
    gc.collect()
    assert [loader() for loader in loaders] == [None]


def test_the_encoder_comes_back_ready_to_train(encoder: Encoder, config: FeatureConfig) -> None:
    encoder.train()
    features_of(encoder, some_audio(2), trainer(), config=config)
    assert encoder.training
    batch = AudioBatch.from_clips([torch.randn(8000)])
    encoder(batch.waveforms, batch.lengths).hidden_states[-1].sum().backward()


def spoil(encoder: Encoder, monkeypatch: pytest.MonkeyPatch, samples: dict[int, float]) -> None:
    """Put a value into the last hidden state of clips that have as many samples as its key says."""
    forward = type(encoder).encode

    def encode(self: Encoder, waveforms: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        last = forward(self, waveforms, lengths).clone()
        for row, length in enumerate(lengths.tolist()):
            if length in samples:
                last[row, 0, 0] = samples[length]
        return last

    monkeypatch.setattr(type(encoder), "encode", encode)
    monkeypatch.setattr(type(encoder), "fast_states", lambda self, dtype: None)  # it does not call `encode`


def test_values_that_are_not_finite_are_refused_by_name_and_all_others_kept(
    encoder: Encoder, config: FeatureConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = some_audio(7)
    with monkeypatch.context() as patch:
        spoil(encoder, patch, {4000: float("nan"), 4000 + 2 * 700: float("-inf")})
        with pytest.raises(FeatureError, match="2 utterances give NaN or infinite") as caught:
            features_of(encoder, data, trainer(), config=config)
    assert "'utterance 0' (hidden states 3)" in str(caught.value)
    assert "'utterance 2' (hidden states 3)" in str(caught.value)
    assert "They are not stored; all others are." in str(caught.value)
    extracted(data)
    features_of(encoder, data, trainer(), config=config)
    assert extracted(data) == ["utterance 0", "utterance 2"]


def test_an_overflow_of_half_precision_is_answered_with_the_way_out(
    encoder: Encoder, config: FeatureConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(encoder, monkeypatch, {4000: float("inf")})
    with pytest.raises(FeatureError, match=r"Try --features\.precision fp32"):
        features_of(encoder, some_audio(2), trainer(), config=FeatureConfig(config.dir, "fp16"))


def test_a_batch_that_does_not_fit_into_memory_is_encoded_in_halves(
    encoder: Encoder, config: FeatureConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, tried, encode = some_audio(5), [], Encoder.encode_batch
    whole = features_of(encoder, data, trainer(), config=config)

    def small(own: Encoder, batch: AudioBatch) -> object:
        tried.append(len(batch))
        if len(batch) > 1:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes.")
        return encode(own, batch)

    monkeypatch.setattr(Encoder, "encode_batch", small)
    with pytest.warns(SerclWarning, match=r"clips did not fit into memory: .* \(--features\.batch_seconds\)"):
        found = features_of(encoder, data, trainer(), config=FeatureConfig(str(tmp_path / "other")))
    assert max(tried) > 1
    for id in data.clips:
        torch.testing.assert_close(found[id], whole[id], rtol=1e-4, atol=1e-5)


def test_ctrl_c_keeps_what_was_computed(
    encoder: Encoder, config: FeatureConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, batches = some_audio(7), FakeAudio.audio_dataloader

    def stopped(self: FakeAudio, *args: object, **options: object) -> object:
        yield from list(batches(self, *args, **options))[:2]
        raise KeyboardInterrupt

    class Stopping:
        def __init__(self, *args: object, **options: object) -> None:
            self.batches = stopped(data, *args, **options)

        def __len__(self) -> int:
            return 3

        def __iter__(self) -> object:
            return self.batches

    with monkeypatch.context() as patch:
        patch.setattr(
            FakeAudio, "audio_dataloader", lambda self, *args, **options: Stopping(*args, **options)
        )
        patch.setattr("signal.signal", lambda *args: None)  # Lightning would ignore Ctrl-C from now on
        with pytest.raises(KeyboardInterrupt):
            features_of(encoder, data, trainer(), config=config)
    data.asked.clear()
    features_of(encoder, data, trainer(), config=config)
    assert len(extracted(data)) == 1


def test_a_full_disk_keeps_what_was_stored_and_a_second_run_goes_on(
    encoder: Encoder, config: FeatureConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, written = some_audio(7), []
    write = shard.write_shard

    def full_after_one(*args: object) -> Path:
        if written:
            raise OutputError(f"no room: {os.strerror(errno.ENOSPC)}")
        written.append(write(*args))
        return written[-1]

    with monkeypatch.context() as patch:
        patch.setattr(shard, "SHARD_BYTES", 1)
        patch.setattr(shard, "write_shard", full_after_one)
        with pytest.raises(OutputError, match="No space left"):
            features_of(encoder, data, trainer(), config=config)
    extracted(data)
    features_of(encoder, data, trainer(), config=config)
    assert len(extracted(data)) == 6


def test_a_complete_store_is_used_where_nothing_can_be_written(
    encoder: Encoder, config: FeatureConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By a patch: tests may run as root, whom permissions do not stop. See test_disk.py for a real one.
    data = some_audio(3)
    features_of(encoder, data, trainer(), config=config)

    def refuse(*args: object, **options: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    for name in ("touch", "replace", "mkdir"):
        monkeypatch.setattr(Path, name, refuse)
    assert len(features_of(encoder, data, trainer(), config=config)) == 3
    more = some_audio(4)
    with pytest.raises(OutputError, match=r"Read-only file system.*--features\.dir.*--no-cache"):
        features_of(encoder, more, trainer(), config=config)
    assert extracted(more) == []


def test_a_truncated_shard_is_one_message_and_the_rest_stays(encoder: Encoder, config: FeatureConfig) -> None:
    data = some_audio(3)
    features_of(encoder, data, trainer(), config=config)
    path = min(config.folder.rglob("*.arrow"))
    path.write_bytes(path.read_bytes()[:-1])
    before = {
        file: file.read_bytes()
        for file in config.folder.rglob("*")
        if file.suffix != ".sqlite" and file.is_file()
    }
    with pytest.raises(DamagedStoreError, match=rf"{path.name}: damaged.*sercl features prune --damaged"):
        features_of(encoder, data, trainer(), config=config)
    assert all(file.read_bytes() == content for file, content in before.items())


def test_a_store_emptied_meanwhile_is_one_message(
    encoder: Encoder, config: FeatureConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StoredFeatures, "lacking", lambda self: ["utterance 1"])
    with pytest.raises(
        FeatureError, match=r"1 utterances are still without hidden states, first 'utterance 1'"
    ):
        features_of(encoder, some_audio(2), trainer(), config=config)
