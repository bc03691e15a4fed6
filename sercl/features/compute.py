"""Hidden states of a frozen encoder: from the store, and what it lacks from one pass over the audio."""

from collections.abc import Sequence
from contextlib import closing

import lightning.pytorch as L
import torch.distributed as dist

from sercl.errors import FeatureError, UsageError
from sercl.features.config import FeatureConfig
from sercl.features.extraction import Extraction, HasAudio, NotFinite, Progress
from sercl.features.store import FeatureStore
from sercl.features.stored import StoredFeatures
from sercl.features.wanted import wanted_of
from sercl.models.encoders import Encoder

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
    wanted = wanted_of(encoder, pooling, states, config.precision)
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
