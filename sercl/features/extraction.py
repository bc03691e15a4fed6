"""One pass of a frozen encoder over audio; Lightning's trainer handles devices and processes."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from typing import NamedTuple, Protocol

import lightning.pytorch as L
import torch.distributed as dist
from torch import Tensor

from sercl.audio.preprocess import PreprocessConfig
from sercl.batch import AudioBatch, halves
from sercl.errors import FeatureError, UsageError
from sercl.features.config import FeatureConfig
from sercl.features.rows import default_batch_seconds, rows_of
from sercl.features.shard import RowWriter
from sercl.features.store import FeatureStore
from sercl.features.stored import StoredFeatures
from sercl.features.wanted import FRAMES, Wanted, wanted_of
from sercl.memory import by_halves
from sercl.models.device import default_workers
from sercl.models.encoders import Encoder, inference
from sercl.models.pooling import build_pooling

Progress = Callable[[str, int, int], None]
"""Called with the current step, the number of utterances done, and their total."""


class HasAudio(Protocol):
    """Anything that provides audio by utterance, such as a data module.

    Attributes:
        preprocess: What is done to every clip before the encoder.
    """

    preprocess: PreprocessConfig

    @property
    def audio_keys(self) -> Mapping[str, str]:
        """Utterance id -> a key of its audio."""

    def audio_dataloader(
        self, ids: Sequence[str] | None = None, *, batch_seconds: float, workers: int
    ) -> Iterable[AudioBatch]:
        """Return batches of some utterances without augmentation; of several processes, those of this one."""


class NotFinite(NamedTuple):
    """An utterance with NaN or infinite values, and the hidden states that have them."""

    id: str
    states: tuple[int, ...]


class Extraction(L.LightningModule):
    """Runs an encoder over the utterances that are missing from a store, and stores their hidden states.

    Args:
        encoder: The encoder.
        wanted: Which of its hidden states are stored.
        features: The store to fill; with several processes, all use the store of the first.
        data: The audio.
        config: Precision, batches, workers.
        on_progress: Called with the progress.

    Attributes:
        features: The filled store, reopened.
        precision: Of the forward pass.
        not_finite: Utterances of this process that were not stored.
    """

    def __init__(
        self,
        encoder: Encoder,
        wanted: Wanted,
        features: StoredFeatures,
        data: HasAudio,
        config: FeatureConfig,
        on_progress: Progress | None = None,
    ) -> None:
        super().__init__()
        # There may be fewer utterances than processes.
        self.allow_zero_length_dataloader_with_multiple_devices = True
        self.encoder = encoder
        pooling = wanted.space.pooling
        self.pooling = None if pooling == FRAMES else build_pooling(pooling, encoder.hidden_size)
        self.features, self.precision = features, config.precision
        self.not_finite: list[NotFinite] = []
        self._wanted, self._data = wanted, data
        self._config, self._on_progress = config, on_progress
        self._opened = ExitStack()
        self._writer: RowWriter | None = None
        self._done = self._total = 0

    def predict_dataloader(self) -> Iterable[AudioBatch]:
        """Agree with the other processes on what is missing; return the batches of this one."""
        # The first process decides: another run may be filling the store, so processes could see different
        # states.
        store = self.features.store
        root, ids = self.trainer.strategy.broadcast((store.root, self.features.lacking()))
        if root != store.root:
            self.features = self.features.moved(FeatureStore(root))
        if not ids:
            return ()
        rows = self.features.store.open(self._wanted.space)
        self._writer, self._total = self._opened.enter_context(rows.writer()), len(ids)
        device, workers = self.trainer.strategy.root_device, self._config.workers
        loader = self._data.audio_dataloader(
            ids,
            batch_seconds=self._config.batch_seconds or default_batch_seconds(device),
            workers=default_workers(device) if workers is None else workers,
        )
        batches = _Plain(loader)
        self._opened.callback(batches.close)
        return batches

    def on_predict_start(self) -> None:
        """Prepare the encoder, which is now on its device and in evaluation mode (called by Lightning)."""
        self._opened.enter_context(inference(self.encoder, self.precision))

    def predict_step(self, batch: AudioBatch, batch_index: int) -> int:
        """Run the encoder over a batch and store its hidden states; return the number of utterances."""
        rows = by_halves(self._rows, batch, halves, "--features.batch_seconds")
        for id, row in zip(batch.ids, rows, strict=True):
            self._keep(id, row)
        self._report(len(batch))
        return len(batch)

    def close(self) -> None:
        """Store everything computed so far, also after an error; raises `OutputError` if that fails."""
        self._opened.close()

    def _rows(self, batch: AudioBatch) -> list[Tensor]:
        return rows_of(self.encoder.encode_batch(batch), self._wanted.computed, self.pooling)

    def _keep(self, id: str, row: Tensor) -> None:
        finite = row.isfinite().flatten(1).all(1).tolist()
        bad = [state for state, fine in zip(self._wanted.computed, finite, strict=True) if not fine]
        if bad:
            self.not_finite.append(NotFinite(id, tuple(bad)))
        elif self._writer is not None:
            self._writer.add(self.features.audio_keys[id], row.numpy())

    def _report(self, count: int) -> None:
        self._done += count
        if self._on_progress is not None:
            # The other processes do about as much.
            done = min(self._done * self.trainer.world_size, self._total)
            self._on_progress("hidden states of the frozen encoder", done, self._total)


"""On the CPU there are none: decoding takes a hundredth of the time there, but a process more than there are
cores makes every parallel product wait for it (wav2vec2-base on 2 cores: a sixth slower in bf16)."""


class _Plain:
    """Batches of a loader, hidden from Lightning, which rebuilds a `DataLoader` for prediction."""

    def __init__(self, batches: Iterable[AudioBatch]) -> None:
        self._batches = batches

    def close(self) -> None:
        """Release the loader and its processes, which the trainer would keep."""
        self._batches = ()

    def __iter__(self) -> Iterator[AudioBatch]:
        return iter(self._batches)

    def __len__(self) -> int:
        return len(self._batches)  # type: ignore[arg-type]


SHOWN = 5
"""Number of utterances that an error message names."""


def features_of(
    encoder: Encoder,
    data: HasAudio,
    trainer: L.Trainer,
    *,
    pooling: str = "mean",
    states: Sequence[int] | None = None,
    config: FeatureConfig = FeatureConfig(),
    cache: bool = True,
    on_progress: Progress | None = None,
) -> StoredFeatures:
    """Return hidden states of all utterances of `data`; only those missing from the store are computed.

    Args:
        encoder: An encoder without adapters; its current weights are used.
        data: Audio by utterance.
        trainer: Determines the devices. Its precision must be "32-true" or a mixed one; hidden states are
            computed in `config.precision`.
        pooling: "mean", "mean+std", or "frames" for every valid frame.
        states: Requested hidden states, 0 to N, in this order; None for all.
        config: Folder of the store, and how hidden states are computed.
        cache: Whether the store is used. If not, everything is computed into a temporary one that is deleted
            with the result.
        on_progress: Called with the progress of the computation; not called if nothing is missing.

    Returns:
        Utterance id -> `[states, width]`; for frames `[states, frames, width]`.

    Raises:
        FeatureError: For NaN or infinite hidden states (all others are stored), or a store that is damaged or
            of another version.
        OutputError: If something is missing and the store cannot be written; its content is unchanged.
        UsageError: For states, pooling or precision that do not exist, or an encoder with adapters.
    """
    _check_trainer(trainer)
    wanted = wanted_of(encoder, pooling, states, config.precision, data.preprocess)
    store = FeatureStore(config.folder) if cache else FeatureStore.temporary()
    features = StoredFeatures(store, wanted.asked, data.audio_keys)
    # All processes must take the same branch, whatever each of them finds.
    if trainer.world_size > 1 or features.lacking():
        extraction = Extraction(encoder, wanted, features, data, config, on_progress)
        _run(extraction, trainer)
        features = extraction.features.moved(extraction.features.store)
        _check_complete(features)
    return features


def _run(extraction: Extraction, trainer: L.Trainer) -> None:
    try:
        with closing(extraction):
            trainer.predict(extraction, return_predictions=False)
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):  # what Lightning makes of Ctrl-C, unlike SIGTERM
            raise KeyboardInterrupt from None
        raise
    found = _gathered(extraction.not_finite)  # this also waits until the other processes have stored theirs
    if found:
        raise FeatureError(_not_finite_message(found, extraction))


def _check_trainer(trainer: L.Trainer) -> None:
    if trainer.precision in ("16-true", "bf16-true", "64-true", "transformer-engine"):
        raise UsageError(
            f"trainer precision {trainer.precision} would change the encoder: hidden states are computed in "
            "features.precision. Use 32-true or a mixed precision."
        )


def _check_complete(features: StoredFeatures) -> None:
    if lacking := features.lacking():
        raise FeatureError(
            f"{features.store.root}: {len(lacking)} utterances are still without hidden states, first "
            f"{lacking[0]!r}. Several machines need a folder that all of them see: set --features.dir. If "
            "another process has emptied this one, run again."
        )


def _gathered(own: list[NotFinite]) -> list[NotFinite]:
    if not (dist.is_available() and dist.is_initialized()):
        return own
    parts: list[list[NotFinite]] = [[] for _ in range(dist.get_world_size())]
    dist.all_gather_object(parts, own)
    return [found for part in parts for found in part]


def _not_finite_message(found: list[NotFinite], extraction: Extraction) -> str:
    named = [f"{item.id!r} (hidden states {', '.join(map(str, item.states))})" for item in found[:SHOWN]]
    more = f", and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    half = extraction.precision != "fp32"
    advice = "Try --features.precision fp32." if half else "Are the weights whole? Leave these files out."
    return (
        f"{len(found)} utterances give NaN or infinite hidden states: {', '.join(named)}{more}. They are not "
        f"stored; all others are. {advice}"
    )
