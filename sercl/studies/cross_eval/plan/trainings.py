"""Trainings, the units of work of a study, named by everything that decides what comes out of them."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from sercl.corpora.folds.draw import shuffled_utterances
from sercl.data.datamodules.overlap import Clip, clip_of
from sercl.data.split import Split, picked
from sercl.errors import FoldError
from sercl.studies.heads.config import ProbeConfig


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


RESULT_FORMAT = 1
"""To be raised when trainings or tests come to give other numbers than before."""

ADDRESS_DIGITS = 16


@dataclass(frozen=True)
class Recipe:
    """How the trainings of some conditions are built and run.

    Attributes:
        model: Options of the model, every one.
        decides: What of it and of the machine's settings decides the result, plain data; the encoder by its
            fingerprint, not by its name.
        probe: How heads on hidden states of a frozen encoder are trained; None for trainings with adapters.
        layers: Hidden states that are tried with a frozen encoder; None for all.
    """

    model: Mapping[str, Any]
    decides: Mapping[str, Any]
    probe: ProbeConfig | None = None
    layers: tuple[int, ...] | None = None

    @cached_property
    def fingerprint(self) -> str:
        """A hash of what decides the result."""
        return digest(self.decides)


@dataclass(frozen=True)
class Training:
    """One training: what it starts from, trains and selects on.

    Attributes:
        encoder: Name of the encoder in the study.
        adapter: Adapter methods, "none" for a frozen encoder.
        recipe: How.
        train: What is trained on.
        validation: What is selected on.
        seed: Seed of initial weights and order of batches.
        start: The training whose best weights it starts from; None for new ones.
        adaptation: Label-free use of a target.
        unlabelled: The target's utterances that are used without their labels.
        max_epochs: Most epochs, where that is below those of the recipe.
        continue_from: The weights of `start`: "best" or "last".
        shares_epochs: Whether `start` and this one together have the epochs of the recipe.
        keeps_last: Whether the last weights are kept beside the best, for another to go on from.
    """

    encoder: str
    adapter: str
    recipe: Recipe
    train: tuple[Share, ...]
    validation: Share
    seed: int
    start: "Training | None" = None
    adaptation: str = "none"
    unlabelled: Share | None = None
    max_epochs: int | None = None
    continue_from: str = "best"
    shares_epochs: bool = False
    keeps_last: bool = False

    @cached_property
    def address(self) -> str:
        """The name of the training: a hash of everything that decides its weights, and which are kept."""
        return digest(
            {
                "format": RESULT_FORMAT,
                "recipe": self.recipe.fingerprint,
                "train": [share.fingerprint for share in self.train],
                "validation": self.validation.fingerprint,
                "loading": self._loading,
                "seed": self.seed,
                "start": None if self.start is None else self.start.address,
                "adaptation": self.adaptation,
                "unlabelled": None if self.unlabelled is None else self.unlabelled.fingerprint,
                "max_epochs": self.max_epochs,
                **self._unlike_the_defaults,
            }
        )[:ADDRESS_DIGITS]

    @property
    def _unlike_the_defaults(self) -> dict[str, object]:
        """What came later: only what is set otherwise is hashed, so that earlier results keep their names."""
        later = {name: getattr(self, name) for name in ("continue_from", "shares_epochs", "keeps_last")}
        return {name: value for name, value in later.items() if value not in ("best", False)}

    @property
    def _loading(self) -> list[object]:
        """Batches and augmentation, which decide nothing where hidden states are read."""
        if self.recipe.probe is not None:
            return []
        split = self.train[0].split
        augment = None if split.augment is None else repr(split.augment.config)
        return [split.config.batch_size, split.config.batch_seconds, augment]

    @property
    def is_frozen(self) -> bool:
        """Whether heads are trained on stored hidden states."""
        return self.recipe.probe is not None

    @property
    def size(self) -> int:
        """Utterances of an epoch."""
        return sum(len(share) * share.repeat for share in self.train)

    @property
    def chain(self) -> tuple["Training", ...]:
        """The trainings that it goes through, itself the last."""
        return (*(() if self.start is None else self.start.chain), self)

    @property
    def known(self) -> tuple[Share, ...]:
        """Everything it has heard: what it and those before it trained and selected on, and unlabelled."""
        every = [share for step in self.chain for share in (*step.train, step.validation, step.unlabelled)]
        return tuple(share for share in every if share is not None)

    def test_address(self, test: Share) -> str:
        """Return the name of a test of this training: a hash of everything that decides its predictions."""
        return digest([self.address, test.fingerprint])[:ADDRESS_DIGITS]


def check_leak(training: Training, test: Share) -> None:
    """Raise `FoldError` if a test utterance was trained, selected or adapted on, under whatever name."""
    known = training.known
    keys = {key for share in known for key in share.key_set & test.key_set}
    clips = {clip for share in known for clip in share.clip_set & test.clip_set}
    if keys or clips:
        both = zip(test.keys, test.clips, strict=True)
        leaked = [key[1] for key, clip in both if key in keys or clip in clips]
        raise FoldError(
            f"{len(leaked)} test utterances of {test.corpus} are also in training or validation, first "
            f"{leaked[0]!r}. Test data must not reach training or selection: choose other folds or corpora."
        )


def duplicates(training: Training, test: Share) -> int:
    """Return how many test utterances hold the same samples as one that was trained or selected on."""
    same = {key for share in training.known for key in share.audio_set & test.audio_set}
    return sum(key in same for key in test.split.audio_keys)
