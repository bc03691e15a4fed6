"""How a probe is built and trained."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Literal

from sercl.errors import UnknownNameError, UsageError
from sercl.models.heads import HEADS
from sercl.models.standardize import BY_CORPUS

SELECT = ("loss", "accuracy", "uar")
CLASS_WEIGHTS = ("none", "balanced")
_SEEDS = "a list of one or more different whole numbers from 0 up"


def _check(name: str, value: object, sound: bool, valid: str) -> None:
    if not sound:
        raise UsageError(f"probe {name} {value}: valid: {valid} (--probe.{name}).")


@dataclass(frozen=True)
class ProbeConfig:
    """Head, optimiser and schedule of a probe.

    Args:
        head: Name of the head, see `sercl.models.heads`.
        standardize: Whether features are standardised by statistics of the fold's training part; "corpus" for
            those of each corpus.
        layer_norm: Whether each vector is normalised to mean 0 and variance 1 before anything else.
        lr: Learning rate of AdamW.
        mix_lr: Learning rate of the layer weights of a learned weighted sum of hidden states.
        weight_decay: Decoupled weight decay of AdamW.
        eps: Epsilon of AdamW.
        batch_size: Utterances per step.
        max_epochs: Maximum number of epochs.
        patience: Training ends after this many epochs in a row without a lower validation loss.
        select: Validation score that selects the epoch: the lowest `loss`, or the highest `accuracy` or
            `uar`; the first of equals.
        seeds: A probe is trained once per seed. A seed determines the initial weights, which are the same
            for every layer and fold, and the order of the training utterances in each epoch.
        c: Values of C of a logistic regression, from which `select` chooses on validation data, the smallest
            of equals; empty for AdamW. The training minimises, as in scikit-learn, the sum of the losses of
            all utterances plus `||W - W0||^2 / (2 C)`, where W0 is 0, or the weights that it continues from.
        class_weights: Weights of utterances in a logistic regression: none, or balanced (inverse to the
            frequency of their class in training).
        inner_folds: Number of groups of training speakers that are held out in turn from a logistic
            regression. Its C and the hidden state are chosen on the predictions of all of them and of the
            validation part together; with 0, on the validation part alone.

    Raises:
        UnknownNameError: For a `head`, `select` or `class_weights` that does not exist.
        UsageError: For a number out of its range, no seed, one given twice, or another head than linear for a
            logistic regression.
    """

    head: str = "paper"
    standardize: bool | Literal["corpus"] = True
    layer_norm: bool = False
    lr: float = 1e-3
    mix_lr: float = 3e-2
    weight_decay: float = 1e-5
    eps: float = 1e-8
    batch_size: int = 32
    max_epochs: int = 100
    patience: int = 10
    select: str = "loss"
    seeds: tuple[int, ...] = (0, 1, 2)
    c: tuple[float, ...] = ()
    class_weights: str = "none"
    inner_folds: int = 0

    def __post_init__(self) -> None:
        if self.head not in HEADS:
            raise UnknownNameError("probe head", self.head, HEADS)
        if self.standardize not in (True, False, BY_CORPUS):
            raise UnknownNameError("probe standardize", str(self.standardize), ("true", "false", BY_CORPUS))
        if self.select not in SELECT:
            raise UnknownNameError("probe select", self.select, SELECT)
        for name in ("lr", "mix_lr", "eps"):
            _check(name, getattr(self, name), getattr(self, name) > 0, "a number above 0")
        _check("weight_decay", self.weight_decay, self.weight_decay >= 0, "a number from 0 up")
        for name in ("batch_size", "max_epochs", "patience"):
            _check(name, getattr(self, name), getattr(self, name) >= 1, "a whole number from 1 up")
        self._check_seeds()
        self._check_logistic()

    @property
    def is_convex(self) -> bool:
        """Whether probes are logistic regressions, which involve no chance."""
        return bool(self.c)

    @property
    def rounds(self) -> int:
        """Number of steps of its progress: epochs, or regressions."""
        return len(self.c) * (1 + self.inner_folds) or self.max_epochs

    @property
    def deciding(self) -> dict[str, Any]:
        """The options that have an effect, as plain data."""
        without = ADAMW_ONLY if self.is_convex else LOGISTIC_ONLY
        # Options added later are hashed only if they are on: earlier results keep their addresses.
        off = [name for name in ("layer_norm", "inner_folds") if not getattr(self, name)]
        return {name: value for name, value in asdict(self).items() if name not in (*without, *off)}

    def _check_logistic(self) -> None:
        if isinstance(self.c, int | float):
            object.__setattr__(self, "c", (self.c,))
        object.__setattr__(self, "c", tuple(sorted(map(float, self.c))))
        _check("c", list(self.c), all(0 < value < math.inf for value in self.c), "numbers above 0")
        if self.class_weights not in CLASS_WEIGHTS:
            raise UnknownNameError("probe class_weights", self.class_weights, CLASS_WEIGHTS)
        if self.is_convex and self.head != "linear":
            raise UsageError(f"probe head {self.head}: a logistic regression has the head linear.")
        sound = self.inner_folds == 0 or self.inner_folds > 1
        _check("inner_folds", self.inner_folds, sound, "0 for none, or a whole number from 2 up")

    def _check_seeds(self) -> None:
        if isinstance(self.seeds, int | str):
            _check("seeds", self.seeds, False, _SEEDS)
        # A list from YAML would make equal configurations differ.
        object.__setattr__(self, "seeds", tuple(self.seeds))
        sound = bool(self.seeds) and min(self.seeds) >= 0 and len(set(self.seeds)) == len(self.seeds)
        _check("seeds", list(self.seeds), sound, _SEEDS)


ADAMW_ONLY = ("lr", "mix_lr", "weight_decay", "eps", "batch_size", "patience", "seeds")
"""Options without effect in a logistic regression."""

LOGISTIC_ONLY = ("c", "class_weights", "inner_folds")
"""Options of a logistic regression alone."""

C_GRID = (0.003, 0.01, 0.03, 0.1)
"""Narrowed by hand on EMO-DB and RAVDESS with Whisper base. Of a wider grid, the few validation clips of two
speakers also choose weaker penalties (0.3 to 10 on EMO-DB), which test worse on other speakers.
"""

PRESETS: Mapping[str, ProbeConfig] = MappingProxyType(
    {
        # Learning rates by validation loss on EMO-DB with Whisper base, five folds: of 1e-4 to 3e-2 the MLP
        # did best at 1e-3, in a third of the epochs that 1e-4 takes, and the linear probe at 3e-3. Epochs
        # kept for their loss also test a point better than those kept for their accuracy.
        "mlp": ProbeConfig(),
        # The study trains at 1e-4 on raw features: on small corpora training ends far from convergence.
        "paper": ProbeConfig(standardize=False, lr=1e-4, mix_lr=3e-3, select="accuracy", seeds=(42,)),
        "linear": ProbeConfig(head="linear", lr=3e-3),
        "logistic": ProbeConfig(
            head="linear",
            layer_norm=True,
            seeds=(0,),
            max_epochs=500,
            c=C_GRID,
            class_weights="balanced",
            inner_folds=5,
        ),
    }
)
"""Ready-made configurations: `logistic`, `mlp`, `paper` (arXiv 2409.16920) and `linear`."""


@dataclass(frozen=True)
class ProbeOptions:
    """A preset with overrides.

    Args:
        preset: logistic (regression, C chosen on validation), mlp (the study's head), linear, or paper (the
            study's recipe, on raw features).
        head: Head: paper (MLP) or linear. Null, here and below: as in the preset.
        standardize: Standardise features by statistics of each fold's training part; corpus for those of each
            corpus (of a pair's target by its training part without labels).
        layer_norm: Normalise each vector to mean 0 and variance 1 before anything else.
        lr: Learning rate.
        mix_lr: Learning rate of the layer weights of the weighted sum of hidden states.
        weight_decay: Decoupled weight decay.
        eps: AdamW's epsilon.
        batch_size: Utterances per step.
        max_epochs: Maximum number of epochs; with logistic, of L-BFGS's steps for each C.
        patience: Epochs without a lower validation loss after which training ends.
        select: Validation score that selects the epoch, or C: loss, accuracy or uar.
        seeds: Seeds, one probe each, such as 0,1,2.
        c: With logistic, values of C to choose from, such as 0.001,0.01,0.1: as in scikit-learn, the smaller,
            the stronger the penalty.
        class_weights: With logistic: none, or balanced (inverse to class frequency in training).
        inner_folds: With logistic: groups of training speakers that are held out in turn, so that C and the
            hidden state are chosen on their predictions, too; 0 to choose on the validation part alone.

    Raises:
        UnknownNameError: For a preset that does not exist, and as `ProbeConfig`.
        UsageError: As `ProbeConfig`, and for an option without effect in the preset.
    """

    preset: str = "logistic"
    head: str | None = None
    standardize: bool | Literal["corpus"] | None = None
    layer_norm: bool | None = None
    lr: float | None = None
    mix_lr: float | None = None
    weight_decay: float | None = None
    eps: float | None = None
    batch_size: int | None = None
    max_epochs: int | None = None
    patience: int | None = None
    select: str | None = None
    seeds: tuple[int, ...] | None = None
    c: tuple[float, ...] | None = None
    class_weights: str | None = None
    inner_folds: int | None = None

    def __post_init__(self) -> None:
        self.config()

    def config(self) -> ProbeConfig:
        """Return the preset with the given overrides."""
        if self.preset not in PRESETS:
            raise UnknownNameError("probe", self.preset, PRESETS)
        base, every = PRESETS[self.preset], (field.name for field in fields(ProbeConfig))
        given = {name: value for name in every if (value := getattr(self, name)) is not None}
        without = ADAMW_ONLY if base.is_convex else LOGISTIC_ONLY
        if wrong := [f"--probe.{name}" for name in given if name in without]:
            valid = ", ".join(name for name, own in PRESETS.items() if own.is_convex != base.is_convex)
            raise UsageError(
                f"{', '.join(wrong)}: has no effect with the preset {self.preset}. Leave it out, or choose "
                f"another preset ({valid})."
            )
        return replace(base, **given)
