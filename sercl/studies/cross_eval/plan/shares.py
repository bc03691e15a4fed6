"""Lists of utterances that are trained, selected or tested on, and the few that are drawn of a target."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from sercl.corpora.folds.draw import shuffled_utterances
from sercl.data.datamodules.overlap import Clip, clip_of
from sercl.data.split import Split, picked


@dataclass(frozen=True)
class Share:
    """Utterances of one corpus.

    Attributes:
        corpus: Its name in the study.
        split: The utterances, with labels and keys of their audio.
        repeat: How often each of them counts.
    """

    corpus: str
    split: Split
    repeat: int = 1

    def __len__(self) -> int:
        return len(self.split.utterances)

    @cached_property
    def keys(self) -> list[tuple[str, str]]:
        """Corpus and id of each utterance, once."""
        return [(self.corpus, utterance.id) for utterance in self.split.utterances]

    @cached_property
    def clips(self) -> list[Clip]:
        """File, begin and end of each utterance, whatever it is called."""
        return [clip_of(item) for item in self.split.utterances]

    @cached_property
    def key_set(self) -> frozenset[tuple[str, str]]:
        """`keys`, to be looked up."""
        return frozenset(self.keys)

    @cached_property
    def clip_set(self) -> frozenset[Clip]:
        """`clips`, to be looked up."""
        return frozenset(self.clips)

    @cached_property
    def audio_set(self) -> frozenset[str]:
        """The hashes of the samples, to be looked up."""
        return frozenset(self.split.audio_keys)

    @cached_property
    def speakers(self) -> set[str]:
        """The known speakers as "corpus speaker", by the corpus's registered name."""
        items = self.split.utterances
        return {item.person for item in items if item.person is not None}

    @cached_property
    def fingerprint(self) -> str:
        """A hash of what is listed: id, audio, label and speaker of each utterance, in order."""
        split = self.split
        rows = [
            (self.corpus, item.id, key, label, item.speaker)
            for item, key, label in zip(split.utterances, split.audio_keys, split.labels, strict=True)
        ]
        return digest([self.repeat, rows])


def digest(content: object) -> str:
    """Return the SHA-256 of plain data, as 64 hexadecimal digits."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def few(share: Share, shots: int, draw: int, fold: int) -> Share | None:
    """Draw some utterances per class; of one draw, the fewer are among the more.

    Args:
        share: What is drawn from.
        shots: How many per class.
        draw: Number of the draw, which seeds it.
        fold: Number of the fold, so that folds have draws of their own.

    Returns:
        The utterances; None where a class that stands there has fewer.
    """
    split = share.split
    labels = dict(zip((item.id for item in split.utterances), split.labels, strict=True))
    if min(Counter(split.labels).values()) < shots:
        return None
    taken: Counter[int] = Counter()
    chosen: set[str] = set()
    for utterance in shuffled_utterances(split.utterances, draw, fold, "few-shot"):
        label = labels[utterance.id]
        if taken[label] < shots:
            taken[label] += 1
            chosen.add(utterance.id)
    return Share(share.corpus, picked(split, [item.id in chosen for item in split.utterances]))


def balanced_with(share: Share, other: Share) -> Share:
    """Return a share so repeated that it counts about as much as another."""
    return replace(share, repeat=max(1, round(len(other) / len(share))))


def joined(shares: Iterable[Share]) -> Split:
    """Return the utterances of some shares, repeated as they say, loaded as those of the first."""
    splits = [share.split for share in shares for _ in range(share.repeat)]
    return splits[0].joined(splits[1:])


def seeded(split: Split, seed: int) -> Split:
    """Return a split whose batches and augmentation depend on a seed."""
    return replace(split, config=replace(split.config, seed=seed))
