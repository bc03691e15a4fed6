"""Fingerprints of training and validation recordings, from their samples and independent of names."""

import hashlib
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from sercl.corpora.base import SEEN
from sercl.errors import DamagedCheckpointError

LIKE = "like_train"
"""Further key: file names with lengths of the training recordings, to detect altered copies."""

Recordings = dict[str, set[int]]
"""Part ("train", "validation", `LIKE`) -> fingerprints of the recordings of all stages."""


def fingerprint(audio_key: str) -> int:
    """Return 64 bits of the hash of a recording's samples: the same for every copy, whatever its name."""
    return int.from_bytes(hashlib.blake2b(audio_key.encode(), digest_size=8).digest(), signed=True)


def fingerprints(audio_keys: Iterable[str]) -> set[int]:
    """Return the fingerprints of some recordings; those whose samples are unknown have none."""
    return {fingerprint(key) for key in audio_keys if key}


def to_tensors(recordings: Mapping[str, Iterable[int]]) -> dict[str, Tensor]:
    """Return them for a checkpoint: part -> sorted fingerprints, int64 `[n]`."""
    return {part: torch.tensor(sorted(own), dtype=torch.int64) for part, own in recordings.items()}


def from_checkpoint(stored: object, where: str = "checkpoint") -> Recordings | None:
    """Rebuild the argument of `to_tensors`; None for a checkpoint without fingerprints.

    Args:
        stored: The checkpoint's entry, or None.
        where: File and key, for messages.

    Raises:
        DamagedCheckpointError: For anything else.
    """
    if stored is None:
        return None
    if not isinstance(stored, Mapping) or set(stored) - {LIKE} != set(SEEN):
        raise DamagedCheckpointError(f"{where}: recordings: not the lists that sercl writes.")
    for part, values in stored.items():
        if not isinstance(values, Tensor) or values.dtype != torch.int64 or values.dim() != 1:
            raise DamagedCheckpointError(f"{where}: recordings: {part} is not a list of whole numbers.")
    return {LIKE: set(), **{part: set(values.tolist()) for part, values in stored.items()}}
