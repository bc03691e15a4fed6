"""Trainings, the units of work of a study, named by everything that decides what comes out of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sercl.errors import FoldError
from sercl.studies.cross_eval.plan.shares import Share, digest
from sercl.studies.heads.config import ProbeConfig

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
            f"{len(leaked)} test utterances of {test.corpus} stand in training or validation, too, first "
            f"{leaked[0]!r}. Test data must not reach training or selection: choose other folds or corpora."
        )


def duplicates(training: Training, test: Share) -> int:
    """Return how many test utterances hold the same samples as one that was trained or selected on."""
    same = {key for share in training.known for key in share.audio_set & test.audio_set}
    return sum(key in same for key in test.split.audio_keys)
