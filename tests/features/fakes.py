"""Audio without files, for tests of the feature store."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import lightning.pytorch as L
import torch
import torch.distributed as dist

from sercl.audio.preprocess import PreprocessConfig
from sercl.batch import AudioBatch


class FakeAudio:
    """Noise by utterance, in batches that are formed before they are distributed to processes.

    Args:
        samples: Utterance id -> its number of samples.

    Attributes:
        keys: Utterance id -> key of its audio.
        asked: The ids of every loader that was asked for.
        options: Batch seconds and workers of the last one.
    """

    preprocess = PreprocessConfig.RAW

    def __init__(self, samples: Mapping[str, int]) -> None:
        self.clips = {
            id: 0.1 * torch.randn(count, generator=torch.Generator().manual_seed(number))
            for number, (id, count) in enumerate(samples.items())
        }
        self.keys = {id: f"key of {id}" for id in samples}
        self.asked: list[list[str]] = []
        self.options: tuple[float, int] | None = None

    @property
    def audio_keys(self) -> Mapping[str, str]:
        return dict(self.keys)

    def audio_dataloader(
        self, ids: Sequence[str] | None = None, *, batch_seconds: float, workers: int
    ) -> Iterable[AudioBatch]:
        chosen = sorted(self.clips if ids is None else ids, key=lambda id: -len(self.clips[id]))
        self.asked.append(chosen)
        self.options = (batch_seconds, workers)
        batches = [chosen[start : start + 3] for start in range(0, len(chosen), 3)]
        rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        return [
            AudioBatch.from_clips([self.clips[id] for id in ids], ids=ids) for ids in batches[rank::world]
        ]


def some_audio(count: int = 7) -> FakeAudio:
    """Return utterances of different lengths."""
    return FakeAudio({f"utterance {number}": 4000 + 700 * number for number in range(count)})


def trainer(**options: object) -> L.Trainer:
    """Return a trainer that writes and shows nothing."""
    quiet = {"logger": False, "enable_progress_bar": False, "enable_checkpointing": False}
    return L.Trainer(accelerator="cpu", **{**quiet, "enable_model_summary": False, **options})


class SlowAudio(FakeAudio):
    """The audio of another one, with a pause before each batch.

    Args:
        other: What it takes its clips from.
        pause: Seconds.
        most: Number of batches after which it hangs.

    Attributes:
        encoded: The ids that have come out of a loader.
    """

    def __init__(self, other: FakeAudio, pause: float = 0.0, most: int | None = None) -> None:
        super().__init__({})
        self.clips, self.keys = other.clips, other.keys
        self.pause, self.most, self.encoded = pause, most, list[str]()

    def audio_dataloader(self, *args: Any, **options: Any) -> "SlowBatches":
        return SlowBatches(self, list(super().audio_dataloader(*args, **options)))


class SlowBatches:
    """The batches of a `SlowAudio`."""

    def __init__(self, data: SlowAudio, batches: Sequence[AudioBatch]) -> None:
        self._data, self._batches = data, batches

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[AudioBatch]:
        for number, batch in enumerate(self._batches):
            time.sleep(self._data.pause if number != self._data.most else 600)
            self._data.encoded += batch.ids
            yield batch
