"""Train heads on a frozen encoder, many at a time."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sercl.data.settings import NO_ADAPTATION, PRIOR
from sercl.errors import UsageError
from sercl.studies.heads.adaptation import (
    FrozenResult,
    FrozenRows,
    FrozenTraining,
    adaptation_notes,
    adaptation_of,
    reweighted,
    uniform_weights,
)
from sercl.studies.heads.config import PRESETS, ProbeConfig
from sercl.studies.heads.jobs import Job, jobs_for
from sercl.studies.heads.parts import (
    Adapt,
    Parts,
    View,
    check_apart,
    check_classes,
    check_filled,
    check_finite,
    check_layers,
    check_shape,
)
from sercl.studies.heads.running import ProbeData, initial_head, train_probes, training_device
from sercl.studies.heads.training import Keep, OnEpochs, Outcome, best_layer


def checked_layers(features: Tensor, rows: FrozenRows, layers: Sequence[int] | None) -> list[int]:
    """Return the hidden states to train on, in order; raise for invalid features."""
    check_shape(features, rows.ids)
    wanted = sorted(range(features.shape[1]) if layers is None else layers)
    check_layers(wanted, features.shape[1])
    check_finite(features, rows.ids, wanted)
    return wanted


def check_trainings(rows: FrozenRows, trainings: Sequence[FrozenTraining]) -> None:
    """Raise unless every training is valid.

    Raises:
        FoldError: For an empty part, a test that shares rows with training, validation or adaptation, or a
            class that is absent from training.
        UsageError: For a row, label or start that does not exist, or a start combined with an adaptation.
    """
    for position, training in enumerate(trainings):
        where = f"frozen training {position}"
        _check_numbers(where, training, rows)
        check_filled(where, {"train": training.train, "validation": training.validation, **training.tests})
        used = {"train": training.train}
        if set(training.validation) != set(training.train):  # training and validation rows may be identical
            used |= {"validation": training.validation}
        check_apart(where, used)
        check_apart(where, {"validation": training.validation, "unlabelled": training.unlabelled})
        for name, tested in training.tests.items():
            check_apart(where, {**used, f"test {name}": tested})
            check_apart(where, {"unlabelled": training.unlabelled, f"test {name}": tested})
        check_classes(where, training.train, rows.labels, rows.classes)
        if training.start is not None:
            _check_start(position, trainings)


def _check_numbers(where: str, training: FrozenTraining, rows: FrozenRows) -> None:
    for name, own in _named_rows(training).items():
        if own and not 0 <= min(own) <= max(own) < len(rows.ids):
            raise UsageError(
                f"{where}: rows of {name} range from {min(own)} to {max(own)}; there are rows 0 to "
                f"{len(rows.ids) - 1}."
            )
        labels = {rows.labels[row] for row in own} if name != "unlabelled" else set()
        if wrong := sorted(labels - set(range(len(rows.classes)))):
            raise UsageError(
                f"{where}: class index {wrong[0]} in {name}; classes are 0 to {len(rows.classes) - 1}."
            )
    if training.seed < 0:
        raise UsageError(f"{where}: seed {training.seed}; valid: whole numbers from 0 up.")


def _named_rows(training: FrozenTraining) -> dict[str, tuple[int, ...]]:
    tests = {f"test {name}": own for name, own in training.tests.items()}
    return {
        "train": training.train,
        "validation": training.validation,
        **tests,
        "unlabelled": training.unlabelled,
    }


def _check_start(position: int, trainings: Sequence[FrozenTraining]) -> None:
    start = trainings[position].start
    if start is None or not 0 <= start < position:
        raise UsageError(
            f"frozen training {position}: start {start}; valid: earlier trainings, 0 to {position - 1}."
        )
    for stage in (position, start):
        if trainings[stage].adaptation != NO_ADAPTATION:
            raise UsageError(
                f"frozen training {position} continues from training {start}, but has adaptation "
                f"{trainings[stage].adaptation!r}: adaptation is for one-stage trainings only."
            )


@dataclass(frozen=True)
class Regressions:
    """Logistic regressions on every hidden state, with penalties that suit unseen speakers.

    Attributes:
        best: Index of the hidden state from which they predict unseen speakers best; None if no training
            speaker can be held out.
        heads: Weights of the regression on each hidden state, as in `state_dict` of a linear head.
    """

    best: int | None
    heads: tuple[Mapping[str, Tensor], ...]


def fit_regressions(
    features: Tensor,
    rows: FrozenRows,
    train: Sequence[int],
    validation: Sequence[int],
    config: ProbeConfig = PRESETS["logistic"],
    device: torch.device | str = "cpu",
    adapt: Adapt | None = None,
) -> Regressions:
    """Fit a logistic regression on every hidden state, and compare them on unseen speakers.

    A few validation speakers cannot tell neighbouring hidden states or penalties apart, so training speakers
    are held out in turn, as in `ProbeConfig.inner_folds`. Where there is nobody to predict, the penalty is
    the strongest.

    Args:
        features: `[utterances, states, dim]` pooled hidden states in the order of `rows.ids`.
        rows: What is known of the utterances.
        train: Training rows; a repeated row counts as often.
        validation: Validation rows, possibly none.
        config: How features are prepared, and the penalties.
        device: Device on which the regressions are fitted.
        adapt: Transformation of the features before they are standardised.

    Raises:
        FeatureError: For NaN or infinite features.
    """
    states = range(features.shape[1])
    check_finite(features, rows.ids, list(states))
    parts = Parts(tuple(train), tuple(validation), ())
    reference = parts.train if config.standardize else ()
    views = {} if adapt is None else {0: View(reference, adapt, config.layer_norm)}
    labels = torch.tensor(rows.labels)
    data = ProbeData(features, labels, len(rows.classes), [parts], views, rows.people)
    is_compared = bool(data.held_out(0, config))
    if not (is_compared or validation):
        config = replace(config, c=config.c[:1])
    jobs = jobs_for(1, states, config.seeds)
    found = train_probes(data, jobs, config, training_device(device), keep=Keep(heads=set(jobs)))
    best = best_layer({outcome.job.layer: [outcome] for outcome in found}, config)
    return Regressions(best if is_compared else None, tuple(outcome.head or {} for outcome in found))


OnTraining = Callable[[int, Mapping[int, Outcome], float], None]
"""Called with the index of a finished training, hidden state -> its head, and its time in s."""


class Gathering:
    """Reports a training once its last head has finished.

    Args:
        jobs: Index of a training, hidden state -> its job.
        sizes: Utterances per epoch of each training.
        on_training: Called with each finished work item.
    """

    def __init__(
        self, jobs: Mapping[tuple[int, int], Job], sizes: Mapping[int, int], on_training: OnTraining
    ) -> None:
        self._keys = {job: key for key, job in jobs.items()}
        self._waiting = {position: {layer for own, layer in jobs if own == position} for position in sizes}
        self._sizes, self._on_training = sizes, on_training
        self._heads: dict[int, dict[int, Outcome]] = defaultdict(dict)
        self._seconds: dict[int, float] = defaultdict(float)

    def add(self, outcomes: Sequence[Outcome], seconds: float) -> None:
        """Add the heads of a stack; its time is divided in proportion to the training utterances."""
        work = [self._sizes[self._keys[own.job][0]] * own.epochs for own in outcomes]
        for outcome, amount in zip(outcomes, work, strict=True):
            position, layer = self._keys[outcome.job]
            self._heads[position][layer] = outcome
            self._seconds[position] += seconds * amount / sum(work)
            self._waiting[position].discard(layer)
            if not self._waiting[position]:
                self._on_training(position, self._heads.pop(position), self._seconds.pop(position))


def views_of(rows: FrozenRows, trainings: Sequence[FrozenTraining], config: ProbeConfig) -> list[View]:
    """Return the feature view of each training; equal views are shared.

    A second stage has the view of the first, since it continues with its weights.

    Args:
        rows: What is known of the utterances.
        trainings: The trainings, already checked.
        config: Whether vectors are normalised before any adaptation, and standardised by the training part
            after it.

    Raises:
        UnknownNameError: For an adaptation that does not exist.
        UsageError: For one that cannot be applied.
    """
    views: list[View] = []
    known: dict[tuple[object, ...], View] = {}
    for position, training in enumerate(trainings):
        if training.start is not None:
            views.append(views[training.start])
            continue
        key = _key(training)
        if key not in known:
            adapt = adaptation_of(f"frozen training {position}", training, rows)
            known[key] = View(training.train if config.standardize else (), adapt, config.layer_norm)
        views.append(known[key])
    return views


def _key(training: FrozenTraining) -> tuple[object, ...]:
    tests = tuple(training.tests.values())
    return training.train, training.validation, tests, training.adaptation, training.unlabelled


OnResult = Callable[[int, FrozenResult], None]
"""Called with the index of a finished training, and its result."""

Jobs = Mapping[tuple[int, int], Job]
"""Index of a training, hidden state -> its job."""

Trained = Mapping[tuple[int, int], Outcome]
"""Index of a training, hidden state -> its trained head."""


def train_frozen(
    features: Tensor,
    rows: FrozenRows,
    trainings: Sequence[FrozenTraining],
    config: ProbeConfig = ProbeConfig(),
    *,
    layers: Sequence[int] | None = None,
    device: torch.device | str = "cpu",
    on_epochs: OnEpochs = lambda _: None,
    on_result: OnResult = lambda position, result: None,
) -> list[FrozenResult]:
    """Train a head on every hidden state, choose one of them on validation data, and test it.

    With `config.inner_folds` "validation data" includes training speakers, each predicted by a head that was
    trained without them.

    A training without start and adaptation gives what `probe_study` gives for the same fold and seed. Other
    trainings in the same call affect only the last digits.

    The second of two stages continues as in `sercl fit`: from the best weights of the first, with one head
    for each hidden state and a new choice among them; with a new optimiser; on features that are
    standardised by the training part of the first.

    Args:
        features: `[utterances, states, dim]` pooled hidden states in the order of `rows.ids`.
        rows: What is known of the utterances.
        trainings: The trainings.
        config: Head, optimiser and schedule; its seeds are ignored.
        layers: Hidden states to choose from, None for all.
        device: Device on which heads are trained; the CPU replaces "mps".
        on_epochs: Called with the number of further epochs (of `epochs_of`) done, from the training threads,
            one call at a time.
        on_result: Called with each result as soon as it is available, from these threads, one call at a
            time; a first stage comes before its second.

    Returns:
        One result per training, in their order.

    Raises:
        UsageError: For features of another shape, or an invalid training.
        UnknownNameError: For an adaptation that does not exist.
        FeatureError: For NaN or infinite features.
        FoldError: For a training that cannot be trained or tested.
    """
    numbers = checked_layers(features, rows, layers)
    check_trainings(rows, trainings)
    views = views_of(rows, trainings, config)
    study = _Study(features, rows, trainings, views, numbers, config, training_device(device), on_epochs)
    results: dict[int, FrozenResult] = {}

    def keep(position: int, heads: Mapping[int, Outcome], seconds: float) -> None:
        results[position] = study.result(position, heads, seconds)
        on_result(position, results[position])

    trained: Trained = {}
    for wave in _waves(trainings):
        trained = {**trained, **study.train(wave, trained, keep)}
    return [results[position] for position in range(len(trainings))]


def epochs_of(trainings: Sequence[FrozenTraining], config: ProbeConfig, layers: int) -> int:
    """Return the maximum number of epochs over all heads, for a progress bar."""
    return len(trainings) * layers * config.rounds


def _waves(trainings: Sequence[FrozenTraining]) -> Iterator[list[int]]:
    """Yield indices of trainings that do not depend on each other, grouped by training rows."""
    depths: list[int] = []
    first: dict[tuple[int, ...], int] = {}
    for position, training in enumerate(trainings):
        depths.append(0 if training.start is None else depths[training.start] + 1)
        first.setdefault(training.train, position)
    for depth in sorted(set(depths)):
        wave = [position for position, own in enumerate(depths) if own == depth]
        yield sorted(wave, key=lambda position: (first[trainings[position].train], position))


@dataclass(frozen=True)
class _Study:
    """Everything that one call trains, checked; attributes as in `train_frozen`."""

    features: Tensor
    rows: FrozenRows
    trainings: Sequence[FrozenTraining]
    views: Sequence[View]
    layers: Sequence[int]
    config: ProbeConfig
    device: torch.device
    on_epochs: OnEpochs

    def train(self, wave: Sequence[int], trained: Trained, on_training: OnTraining) -> Trained:
        """Run the trainings with the indices `wave`; those that they continue are in `trained`."""
        jobs = {
            (position, layer): Job(fold, layer, self.trainings[position].seed)
            for fold, position in enumerate(wave)
            for layer in self.layers
        }
        needed = {training.start for training in self.trainings}
        sizes = {position: len(self.trainings[position].train) for position in wave}
        outcomes = train_probes(
            self._data(wave),
            list(jobs.values()),
            self.config,
            self.device,
            self.on_epochs,
            start=self._starts(jobs, trained),
            keep=Keep(logits=True, heads={job for (position, _), job in jobs.items() if position in needed}),
            on_stack=Gathering(jobs, sizes, on_training).add,
        )
        return dict(zip(jobs, outcomes, strict=True))

    def result(self, position: int, heads: Mapping[int, Outcome], seconds: float) -> FrozenResult:
        """Choose the layer of a training, and test it."""
        layer = best_layer({layer: [heads[layer]] for layer in self.layers}, self.config)
        chosen = heads[layer]
        return FrozenResult(
            layer=layer,
            epoch=chosen.best_epoch,
            epochs=chosen.epochs,
            early_stopped=not chosen.at_limit,
            seconds=seconds,
            validation=getattr(chosen, f"validation_{self.config.select}"),
            probabilities=_probabilities(self.trainings[position], chosen),
            notes=adaptation_notes(self.trainings[position], self.rows),
            c=chosen.c,
        )

    def _data(self, wave: Sequence[int]) -> ProbeData:
        labels = torch.tensor(self.rows.labels)
        folds = tuple(_parts(self.trainings[position]) for position in wave)
        views = {fold: self.views[position] for fold, position in enumerate(wave)}
        return ProbeData(self.features, labels, len(self.rows.classes), folds, views, self.rows.people)

    def _starts(self, jobs: Jobs, trained: Trained) -> dict[Job, nn.Sequential]:
        """Return the heads of first stages, from which the second stages continue."""
        heads = {}
        for (position, layer), job in jobs.items():
            start = self.trainings[position].start
            weights = None if start is None else trained[start, layer].head
            if weights is not None:
                size, classes = self.features.shape[2], len(self.rows.classes)
                heads[job] = initial_head(self.config, size, classes, job.seed)
                heads[job].load_state_dict(weights)
        return heads


def _parts(training: FrozenTraining) -> Parts:
    return Parts(training.train, training.validation, tuple(_tested(training)))


def _tested(training: FrozenTraining) -> list[int]:
    """Return every row to predict once, however many tests it is in."""
    others = training.unlabelled if training.adaptation == PRIOR else ()
    return sorted({row for rows in (*training.tests.values(), others) for row in rows})


def _probabilities(training: FrozenTraining, outcome: Outcome) -> dict[str, NDArray[np.float64]]:
    if outcome.logits is None:
        return {}
    indices = {row: index for index, row in enumerate(_tested(training))}
    every = outcome.logits.double().softmax(dim=-1).numpy()
    if training.adaptation == PRIOR:
        unlabelled = every[[indices[row] for row in training.unlabelled]]
        every = reweighted(every, uniform_weights(unlabelled))
    return {name: every[[indices[row] for row in rows]] for name, rows in training.tests.items()}
