from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from sercl.audio.augment import Augment
from sercl.audio.files import Versions
from sercl.audio.preprocess import PreprocessConfig, prepared, speech_after
from sercl.audio.resample import load
from sercl.audio.voice import Speech
from sercl.corpora.base import Utterance
from sercl.data.sampler import Key
from sercl.errors import UsageError


class Item(NamedTuple):
    """One clip: `waveform` `[samples]` float32, 16 kHz, mono; its class index; its utterance's id.

    The domain, `SOURCE` or `TARGET`, is set in adversarial training only; the stretches of speech if only
    their frames are used; the name of its corpus where it is known.
    """

    waveform: Tensor
    label: int
    id: str
    domain: int | None = None
    speech: tuple[Speech, ...] | None = None
    corpus: str | None = None


class FeatureItem(NamedTuple):
    """One clip's pooled hidden states `[states, dim]`; its class index; its utterance's id and corpus."""

    features: Tensor
    label: int
    id: str
    corpus: str | None = None


class UtteranceDataset(Dataset[Item]):
    """Decoded utterances, addressed by `(epoch, index)`.

    Args:
        utterances: What is read.
        labels: Class index of each, `len(utterances)` long.
        augment: Applied to every clip after preprocessing; None for no augmentation.
        seed: The augmentation of a clip depends only on `(seed, epoch, index)`, not on workers or on what was
            read before.
        preprocess: What is done to every clip.
        speech: Stretches of speech of each clip, if preprocessing needs them; else empty.
        corpora: Name of each clip's corpus; empty where it is not needed.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        labels: Sequence[int],
        augment: Augment | None = None,
        seed: int = 0,
        preprocess: PreprocessConfig = PreprocessConfig.RAW,
        speech: Sequence[tuple[Speech, ...]] = (),
        corpora: Sequence[str] = (),
    ) -> None:
        self.utterances, self.labels = list(utterances), list(labels)
        self._augment, self._seed = augment, seed
        self._versions = Versions(utterance.path for utterance in utterances)
        self._preprocess, self._speech, self._corpora = preprocess, list(speech), list(corpora)

    def __len__(self) -> int:
        return len(self.utterances)

    def __getitem__(self, key: Key) -> Item:
        """Decode one utterance.

        Raises:
            AudioError: If the file has become unreadable since it was scanned, or has changed.
        """
        epoch, index = key
        utterance = self.utterances[index]
        speech = self._speech[index] if self._speech else ()
        clip = load(utterance.path, utterance.start, utterance.end)
        self._versions.check(utterance.path)
        waveform = prepared(clip, speech, self._preprocess)
        spoken = speech_after(len(clip), speech, self._preprocess)
        if self._augment is not None:
            before = len(waveform)
            waveform = self._augment(waveform, item_generator(self._seed, epoch, index))
            spoken = _stretched(spoken, len(waveform) / before)
        corpus = self._corpora[index] if self._corpora else None
        return Item(waveform, self.labels[index], utterance.id, speech=spoken, corpus=corpus)


def _stretched(speech: tuple[Speech, ...] | None, factor: float) -> tuple[Speech, ...] | None:
    """Return where the speech is after a change of speed."""
    return None if speech is None else tuple(Speech(start * factor, end * factor) for start, end in speech)


class FeatureDataset(Dataset[FeatureItem]):
    """Pooled hidden states instead of audio, addressed by `(epoch, index)` like `UtteranceDataset`.

    Args:
        features: Utterance id -> `[states, dim]`.
        utterances: What is read.
        labels: Class index of each, `len(utterances)` long.
        corpora: Name of each one's corpus; empty where it is not needed.

    Raises:
        UsageError: If an utterance has no features.
    """

    def __init__(
        self,
        features: Mapping[str, Tensor],
        utterances: Sequence[Utterance],
        labels: Sequence[int],
        corpora: Sequence[str] = (),
    ) -> None:
        self.utterances, self.labels, self._corpora = list(utterances), list(labels), list(corpora)
        absent = [utterance.id for utterance in utterances if utterance.id not in features]
        if absent:
            raise UsageError(
                f"{len(absent)} of {len(self.utterances)} utterances have no features, first {absent[0]!r}. "
                "Extract them for every utterance in use."
            )
        self._features = features

    def __len__(self) -> int:
        return len(self.utterances)

    def __getitem__(self, key: Key) -> FeatureItem:
        _, index = key
        id = self.utterances[index].id
        corpus = self._corpora[index] if self._corpora else None
        return FeatureItem(self._features[id], self.labels[index], id, corpus)


def item_generator(seed: int, epoch: int, index: int) -> torch.Generator:
    """Return the random generator for one item of one epoch."""
    # SeedSequence gives different streams for neighbouring triples; a sum would give repeated ones.
    state = np.random.SeedSequence((seed, epoch, index)).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))
