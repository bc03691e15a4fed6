"""Hidden states by utterance, read on demand."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor

from sercl.errors import FeatureError
from sercl.features.shard import Values
from sercl.features.space import FeatureSpace
from sercl.features.store import FeatureStore, StoredSpace

HELD_BYTES = 512 * 2**20
"""Pooled hidden states of at most this size are read once, on first use, and kept in memory."""


class StoredFeatures(Mapping[str, Tensor]):
    """Utterance id -> float32 hidden states on the CPU, `[states, width]`, or `[states, frames, width]`.

    A small number is kept in memory; otherwise they are read from the disk each time, so that memory does not
    grow with their number.

    Args:
        store: The store.
        space: The requested hidden states.
        audio_keys: Utterance id -> key of its audio.

    Raises:
        FeatureError: If the store is damaged or of another version.
    """

    def __init__(self, store: FeatureStore, space: FeatureSpace, audio_keys: Mapping[str, str]) -> None:
        self.store, self.space, self.audio_keys = store, space, audio_keys
        self._sources = store.sources(space)
        row_bytes = len(space.states) * space.width * torch.float32.itemsize
        self._hold = space.pooling != "frames" and len(audio_keys) * row_bytes <= HELD_BYTES

    def __getitem__(self, id: str) -> Tensor:
        key = self.audio_keys[id]
        if self._hold:
            rows, positions = self._held
            return rows[positions[key]]
        return next(self._read([key]))[1]

    def __contains__(self, id: object) -> bool:
        return id in self.audio_keys

    def __iter__(self) -> Iterator[str]:
        return iter(self.audio_keys)

    def __len__(self) -> int:
        return len(self.audio_keys)

    def moved(self, store: FeatureStore) -> "StoredFeatures":
        """Return the same from another store, or from the current state of the same one."""
        return StoredFeatures(store, self.space, self.audio_keys)

    def lacking(self) -> list[str]:
        """Return the ids of the utterances that are not stored; of several with the same audio, the first."""
        left: Iterable[str] = self.audio_keys.values()
        for source in self._sources:
            left = source.rows.missing(left)
        absent = set(left)
        ids = []
        for id, key in self.audio_keys.items() if absent else ():
            if key in absent:
                absent.remove(key)
                ids.append(id)
        return ids

    def stack(self, ids: Iterable[str]) -> Tensor:
        """Return pooled hidden states of some utterances, `[len(ids), states, width]`, read at once."""
        return self._stack([self.audio_keys[id] for id in ids])

    @cached_property
    def _held(self) -> tuple[Tensor, dict[str, int]]:
        """All rows, and the index of each key."""
        positions = {key: position for position, key in enumerate(dict.fromkeys(self.audio_keys.values()))}
        return self._stack(list(positions)), positions

    def _stack(self, keys: Sequence[str]) -> Tensor:
        positions = defaultdict(list)
        for position, key in enumerate(keys):
            positions[key].append(position)
        rows = torch.empty(len(keys), len(self.space.states), self.space.width)
        for key, row in self._read(positions):
            rows[positions[key]] = row
        return rows

    def _read(self, keys: Iterable[str]) -> Iterator[tuple[str, Tensor]]:
        left = dict.fromkeys(keys)
        for source in self._sources:
            if not left:
                return
            for key, values in source.rows.read(list(left)):
                del left[key]
                yield key, self._chosen(source, values)
        if left:
            raise FeatureError(f"{self.store.root}: {len(left)} utterances are not stored there. Run again.")

    def _chosen(self, source: StoredSpace, values: Values) -> Tensor:
        states = len(source.rows.space.states)
        shape = (states, -1, self.space.width) if self.space.pooling == "frames" else (states, -1)
        # A list of positions makes numpy copy, which is needed: the memory map is read-only and may be
        # closed.
        return torch.from_numpy(values.reshape(shape)[list(source.positions)])
