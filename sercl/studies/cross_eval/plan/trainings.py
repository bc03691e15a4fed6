"""The trainings of a study and their data, each named by a hash of what determines its result."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from sercl.corpora.folds.draw import shuffled_utterances
from sercl.data.balance import BY_CORPUS, PROPORTIONAL, groups_of, in_rounds, repeats
from sercl.data.datamodules.overlap import AudioSpan, clip_of
from sercl.data.settings import NO_ADAPTATION
from sercl.data.split import Split, picked
from sercl.errors import FoldError
from sercl.studies.heads.config import ProbeConfig


@dataclass(frozen=True)
class Subset:
    """Utterances of one corpus.

    Attributes:
        corpus: Its name in the study.
        split: The utterances, with labels and keys of their audio.
        repeat: How often each utterance occurs in an epoch of training: one number for all, or one for each.
    """

    corpus: str
    split: Split
    repeat: int | tuple[int, ...] = 1

    def __len__(self) -> int:
        return len(self.split.utterances)

    @cached_property
    def epoch(self) -> list[int]:
        """Indices of its utterances in an epoch, each as often as it occurs there."""
        return in_rounds([self.repeat] * len(self) if isinstance(self.repeat, int) else self.repeat)

    @cached_property
    def keys(self) -> list[tuple[str, str]]:
        """Corpus and id of each utterance, once."""
        return [(self.corpus, utterance.id) for utterance in self.split.utterances]

    @cached_property
    def clips(self) -> list[AudioSpan]:
        """File, start and end of each utterance, independent of its id."""
        return [clip_of(item) for item in self.split.utterances]

    @cached_property
    def key_set(self) -> frozenset[tuple[str, str]]:
        """`keys` as a set."""
        return frozenset(self.keys)

    @cached_property
    def clip_set(self) -> frozenset[AudioSpan]:
        """`clips` as a set."""
        return frozenset(self.clips)

    @cached_property
    def audio_set(self) -> frozenset[str]:
        """The hashes of the samples as a set."""
        return frozenset(self.split.audio_keys)

    @cached_property
    def speakers(self) -> set[str]:
        """The known speakers as "corpus speaker", by the corpus's registered name."""
        items = self.split.utterances
        return {item.person for item in items if item.person is not None}

    @cached_property
    def fingerprint(self) -> str:
        """A hash of id, audio, label and speaker of each utterance, in order."""
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


def few(subset: Subset, shots: int, draw: int, fold: int) -> Subset | None:
    """Draw some utterances per class; larger draws contain smaller ones.

    Args:
        subset: Utterances to draw from.
        shots: How many per class.
        draw: Number of the draw, which seeds it.
        fold: Number of the fold, so that folds have different draws.

    Returns:
        The utterances; None if a class that is present has fewer.
    """
    split = subset.split
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
    return Subset(
        subset.corpus, picked(split, [i for i, item in enumerate(split.utterances) if item.id in chosen])
    )


def balanced_with(subset: Subset, others: Iterable[Subset]) -> Subset:
    """Return utterances repeated so that they have about the same weight as others."""
    size = sum(len(other.epoch) for other in others)
    return replace(subset, repeat=max(1, round(size / len(subset))))


def weighted(subsets: Sequence[Subset], weights: str) -> tuple[Subset, ...]:
    """Return the training parts of several corpora, balanced as `Corpora` balances them.

    Args:
        subsets: A subset of each corpus.
        weights: One of `sercl.data.balance.WEIGHTS`.

    Raises:
        UsageError: For `BY_SPEAKER`, if a speaker is unknown.
    """
    if weights == PROPORTIONAL:
        return tuple(subsets)
    utterances = [item for subset in subsets for item in subset.split.utterances]
    owners = [subset.corpus for subset in subsets for _ in range(len(subset))]
    groups = owners if weights == BY_CORPUS else groups_of(weights, utterances)
    times = iter(repeats(groups, subsets[0].split.config.seed))
    return tuple(
        replace(subset, repeat=_shared([next(times) for _ in range(len(subset))])) for subset in subsets
    )


def _shared(times: Sequence[int]) -> int | tuple[int, ...]:
    """Return one number where all are the same: it is then the same computation as without weights."""
    return times[0] if len(set(times)) == 1 else tuple(times)


def joined(subsets: Iterable[Subset]) -> Split:
    """Return the utterances of some subsets, repeated as specified, loaded as those of the first."""
    splits = [picked(subset.split, subset.epoch) for subset in subsets]
    return splits[0].joined(splits[1:])


def seeded(split: Split, seed: int) -> Split:
    """Return a split whose batches and augmentation depend on a seed."""
    return replace(split, config=replace(split.config, seed=seed))


RESULT_FORMAT = 1
"""Increase this when trainings or tests give different results than before."""

ADDRESS_DIGITS = 16


@dataclass(frozen=True)
class Recipe:
    """How the trainings of some conditions are built and run.

    Attributes:
        model: Options of the model, every one.
        decides: Options and settings that determine the result, plain data; the encoder by its fingerprint,
            not by its name.
        probe: How heads on hidden states of a frozen encoder are trained; None for trainings with adapters.
        layers: Hidden states to choose from with a frozen encoder; None for all.
        model_class: Import path of the model's class, if it is the user's own.
    """

    model: Mapping[str, Any]
    decides: Mapping[str, Any]
    probe: ProbeConfig | None = None
    layers: tuple[int, ...] | None = None
    model_class: str | None = None

    @cached_property
    def fingerprint(self) -> str:
        """A hash of everything that determines the result."""
        return digest(self.decides)

    @property
    def devices(self) -> int:
        """Number of devices of a training, each of which has a batch in every step."""
        count: int = self.decides.get("training", {}).get("trainer", {}).get("devices", 1)
        return count

    @property
    def ignores_seeds(self) -> bool:
        """Whether its trainings have nothing random."""
        return self.probe is not None and self.probe.is_convex


@dataclass(frozen=True)
class Training:
    """One training: its start, training and validation data.

    Attributes:
        encoder: Name of the encoder in the study.
        adapter: Adapter methods, "none" for a frozen encoder.
        recipe: How it is trained.
        train: Training utterances.
        validation: Utterances for selection, of each corpus.
        seed: Seed of initial weights and order of batches.
        start: The training whose best weights it starts from; None for new ones.
        adaptation: Label-free use of a target.
        unlabelled: The target's utterances that are used without their labels.
        max_epochs: Maximum number of epochs, if below that of the recipe.
        continue_from: The weights of `start`: "best" or "last".
        shares_epochs: Whether `start` and this training share the epochs of the recipe.
        keeps_last: Whether the last weights are saved besides the best, for another to continue from; these
            are then what is tested.
    """

    encoder: str
    adapter: str
    recipe: Recipe
    train: tuple[Subset, ...]
    validation: tuple[Subset, ...]
    seed: int
    start: "Training | None" = None
    adaptation: str = NO_ADAPTATION
    unlabelled: Subset | None = None
    max_epochs: int | None = None
    continue_from: str = "best"
    shares_epochs: bool = False
    keeps_last: bool = False

    @cached_property
    def address(self) -> str:
        """The address of the training: a hash of everything that determines the weights that it saves."""
        return digest(
            {
                "format": RESULT_FORMAT,
                "recipe": self.recipe.fingerprint,
                "train": [subset.fingerprint for subset in self.train],
                "validation": self._selection,
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
        """Fields added later, hashed only if not at their defaults: earlier results keep their addresses."""
        later = {name: getattr(self, name) for name in ("continue_from", "shares_epochs", "keeps_last")}
        return {name: value for name, value in later.items() if value not in ("best", False)}

    @property
    def _selection(self) -> str | list[str]:
        """Hashes of the validation parts; of one, itself, as before there could be several."""
        hashes = [subset.fingerprint for subset in self.validation]
        return hashes[0] if len(hashes) == 1 else hashes

    @property
    def _loading(self) -> list[object]:
        """Batches and augmentation, which are irrelevant where stored hidden states are used."""
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
        """Utterances per epoch."""
        return sum(len(subset.epoch) for subset in self.train)

    @property
    def chain(self) -> tuple["Training", ...]:
        """The chain of trainings up to this one, which comes last."""
        return (*(() if self.start is None else self.start.chain), self)

    @property
    def known(self) -> tuple[Subset, ...]:
        """All utterances that it has used: training, selection and unlabelled, of earlier stages, too."""
        every = [subset for step in self.chain for subset in (*step.train, *step.validation, step.unlabelled)]
        return tuple(subset for subset in every if subset is not None)

    def test_address(self, test: Subset) -> str:
        """Return the address of a test: a hash of everything that determines its predictions."""
        return digest([self.address, test.fingerprint])[:ADDRESS_DIGITS]


def check_leak(training: Training, test: Subset) -> None:
    """Raise `FoldError` if a test utterance was used in training, selection or adaptation, under any name."""
    known = training.known
    keys = {key for subset in known for key in subset.key_set & test.key_set}
    clips = {clip for subset in known for clip in subset.clip_set & test.clip_set}
    if keys or clips:
        both = zip(test.keys, test.clips, strict=True)
        leaked = [key[1] for key, clip in both if key in keys or clip in clips]
        raise FoldError(
            f"{len(leaked)} test utterances of {test.corpus} are also in training or validation, first "
            f"{leaked[0]!r}. Test data must not reach training or selection: choose other folds or corpora."
        )


def duplicates(training: Training, test: Subset) -> int:
    """Return how many test utterances have the same samples as one used in training or selection."""
    same = {key for subset in training.known for key in subset.audio_set & test.audio_set}
    return sum(key in same for key in test.split.audio_keys)
