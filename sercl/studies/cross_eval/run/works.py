"""Remaining trainings divided into work items, the hidden states that they read, and a time estimate."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import lightning.pytorch as L

from sercl.errors import UsageError
from sercl.features.config import FeatureConfig
from sercl.features.extraction import Progress, features_of
from sercl.features.space import FeatureSpace
from sercl.launchers import Work, on_devices
from sercl.studies.cross_eval.plan.corpora import CutCorpus
from sercl.studies.cross_eval.plan.planner import Plan
from sercl.studies.cross_eval.plan.recipes import Encoders, EncoderSpec
from sercl.studies.cross_eval.plan.trainings import Subset, Training
from sercl.studies.cross_eval.run.pieces import (
    AdaptedWork,
    FrozenBatch,
    is_trained,
    run_adapted,
    run_frozen,
    training_folder,
)
from sercl.studies.cross_eval.run.results import CellResults
from sercl.studies.results.records import LOG
from sercl.studies.training.trainers import TrainerOptions

BATCH = 60
"""Trainings on stored hidden states per process; each result is saved as soon as it is available."""

LOGS = "logs"


@dataclass(frozen=True)
class WorkItem:
    """A work item with its trainings and tests.

    Attributes:
        work: The work.
        trainings: Addresses of its trainings.
        cells: Addresses of the tests that need it.
        needs: Addresses of trainings that must be finished before.
        steps: Its size, in trainings.
    """

    work: Work
    trainings: frozenset[str]
    cells: frozenset[str]
    needs: frozenset[str] = frozenset()

    @property
    def steps(self) -> int:
        """How many trainings it is."""
        return len(self.trainings)


@dataclass(frozen=True)
class Pending:
    """What is missing from a study.

    Attributes:
        tests: Address of a training -> its remaining tests (address -> utterances).
        trainings: Address -> training, of all that are needed for these.
    """

    tests: Mapping[str, Mapping[str, Subset]] = field(default_factory=dict)
    trainings: Mapping[str, Training] = field(default_factory=dict)

    @cached_property
    def cells(self) -> frozenset[str]:
        """Addresses of all tests."""
        return frozenset(address for tests in self.tests.values() for address in tests)


def pending(plan: Plan, results: CellResults) -> Pending:
    """Return the tests whose results are not in the folder, and the trainings behind them."""
    tests: dict[str, dict[str, Subset]] = {}
    trainings: dict[str, Training] = {}
    for address, (training, test) in plan.tests.items():
        if results.get(address) is not None:
            continue
        tests.setdefault(training.address, {})[address] = test
        for step in training.chain:
            if step.is_frozen or step is training or not is_trained(results.folder, step):
                trainings.setdefault(step.address, step)
    return Pending(tests, trainings)


@dataclass(frozen=True)
class Workshop:
    """Creates work items.

    Attributes:
        folder: Folder of the study.
        label_map: Class -> emotions that belong to it.
        trainer: How trainers are built.
        encoders: The encoders of the study.
        store_of: Stores the hidden states that some trainings use, and returns the store's folder.
        device: Device on which heads on hidden states are trained.
        features: Where hidden states are stored.
    """

    folder: Path
    label_map: Mapping[str, list[str]]
    trainer: TrainerOptions
    encoders: Encoders
    store_of: "StoreOf"
    device: str = "cpu"
    features: FeatureConfig = field(default_factory=FeatureConfig)

    def waves(self, missing: Pending) -> Iterator[list[WorkItem]]:
        """Yield waves of work items; those of a wave depend only on earlier waves."""
        frozen = [training for training in missing.trainings.values() if training.is_frozen]
        adapted = [training for training in missing.trainings.values() if not training.is_frozen]
        depths = sorted({len(training.chain) for training in adapted} | ({1} if frozen else set()))
        for depth in depths:
            own = [self._adapted(item, missing) for item in adapted if len(item.chain) == depth]
            yield [*(self._frozen(frozen, missing) if depth == depths[0] else ()), *own]

    def _adapted(self, training: Training, missing: Pending) -> WorkItem:
        tests = missing.tests.get(training.address, {})
        work = AdaptedWork(self.folder, self.label_map, self.trainer, training, tests, self.features)
        log = training_folder(self.folder, training) / LOG
        needs = frozenset() if training.start is None else frozenset({training.start.address})
        call = on_devices(partial(run_adapted, work), self.trainer.devices, log)
        return WorkItem(
            Work(name=training.address, call=call, log=log),
            frozenset({training.address}),
            frozenset(tests),
            needs & missing.trainings.keys(),
        )

    def _frozen(self, trainings: Sequence[Training], missing: Pending) -> Iterator[WorkItem]:
        for group in _by_recipe(trainings):
            recipe = group[0].recipe
            spec, pooling = EncoderSpec.of(recipe.model), recipe.model["pooling"]
            store = self.store_of(spec, pooling, group, missing)
            space = self.encoders.space(spec, pooling)
            for number, batch in enumerate(_batches(group)):
                yield self._batch(batch, missing, store, space, number)

    def _batch(
        self, batch: Sequence[Training], missing: Pending, store: Path, space: FeatureSpace, number: int
    ) -> WorkItem:
        recipe, tests = batch[0].recipe, [missing.tests.get(training.address, {}) for training in batch]
        if recipe.probe is None:
            raise TypeError("a batch is of trainings on stored hidden states")
        frozen = FrozenBatch(
            self.folder,
            store,
            space,
            tuple(self.label_map),
            recipe.probe,
            recipe.layers,
            tuple(batch),
            tuple(tests),
            self.device,
        )
        name = f"{batch[0].encoder}, frozen, batch {number + 1}"
        log = self.folder / LOGS / f"{recipe.fingerprint[:12]}-{number + 1}.txt"
        own = [training.address for training, its in zip(batch, tests, strict=True) if its]
        return WorkItem(
            Work(name=name, call=partial(run_frozen, frozen), log=log),
            frozenset(own),
            frozenset(address for its in tests for address in its),
        )


StoreOf = Callable[[EncoderSpec, str, Sequence[Training], Pending], Path]


def _by_recipe(trainings: Iterable[Training]) -> list[list[Training]]:
    groups: dict[str, list[Training]] = {}
    for training in trainings:
        groups.setdefault(training.recipe.fingerprint, []).append(training)
    return list(groups.values())


def _batches(trainings: Sequence[Training]) -> Iterator[list[Training]]:
    """Yield trainings in batches; each holds what its trainings start from, before them."""
    # A first stage is batched with its second stages: separately, it would be trained in two batches.
    heads = [item for item in trainings if item.start is None]
    followers = {head.address: [head] for head in heads}
    for item in trainings:
        if item.start is not None:
            followers[item.start.address].append(item)
    batch: list[Training] = []
    for group in followers.values():
        if batch and len(batch) + len(group) > BATCH:
            yield batch
            batch = []
        batch += group
    if batch:
        yield batch


Kind = tuple[str, str]
"""Encoder and adapter: trainings of one kind take about as long per utterance."""


@dataclass(frozen=True)
class Estimate:
    """Estimated time of some trainings.

    Attributes:
        seconds: Total of the trainings for which comparable ones have finished.
        known: Number of these trainings.
        unknown: Number of other trainings, without an estimate.
    """

    seconds: float = 0.0
    known: int = 0
    unknown: int = 0


def measured(plan: Plan, results: CellResults) -> dict[Kind, float]:
    """Return kind -> mean seconds per utterance of a training's epoch, of the trainings that are done."""
    rates: dict[Kind, dict[str, float]] = defaultdict(dict)
    for item in plan.cells:
        if (result := results.get(item.address)) is not None:
            kind = (item.training.encoder, item.training.adapter)
            rates[kind][result.training] = result.seconds / max(1, result.trained)
    return {kind: sum(own.values()) / len(own) for kind, own in rates.items()}


def estimate(trainings: Iterable[Training], rates: Mapping[Kind, float], jobs: int = 1) -> Estimate:
    """Estimate the time of some trainings.

    Args:
        trainings: The trainings.
        rates: From `measured`.
        jobs: Number of parallel trainings.
    """
    seconds, known, unknown = 0.0, 0, 0
    for training in trainings:
        rate = rates.get((training.encoder, training.adapter))
        if rate is None:
            unknown += 1
        else:
            seconds, known = seconds + rate * training.size, known + 1
    return Estimate(seconds / max(1, jobs), known, unknown)


def of_pending(missing: Pending, plan: Plan, results: CellResults, jobs: int = 1) -> Estimate:
    """Estimate the time of everything that is missing from a study."""
    return estimate(missing.trainings.values(), measured(plan, results), jobs)


@dataclass(frozen=True)
class HiddenStates:
    """Fills the feature store.

    Attributes:
        corpora: The corpora of the study.
        encoders: Its encoders.
        trainer: Determines the devices on which encoders run.
        config: How hidden states are computed, and where they are stored.
        on_progress: Called with the progress of the computation.
    """

    corpora: Mapping[str, CutCorpus]
    encoders: Encoders
    trainer: L.Trainer
    config: FeatureConfig
    on_progress: Progress | None = None
    _filled: set[tuple[EncoderSpec, str, str]] = field(default_factory=set, repr=False)

    def __call__(
        self, spec: EncoderSpec, pooling: str, trainings: Sequence[Training], missing: Pending
    ) -> Path:
        """Compute the missing hidden states of some trainings and their tests, and return the store's folder.

        Raises:
            FeatureError: For hidden states that are not finite, or a store that is damaged.
            UsageError: For a corpus whose training clips are augmented.
        """
        subsets = [subset for training in trainings for subset in training.known]
        subsets += [
            test for training in trainings for test in missing.tests.get(training.address, {}).values()
        ]
        for name in sorted({subset.corpus for subset in subsets}):
            self._fill(spec, pooling, self.corpora[name])
        return self.config.folder

    def _fill(self, spec: EncoderSpec, pooling: str, corpus: CutCorpus) -> None:
        if not corpus.data.can_use_features:
            raise UsageError(
                f"study.corpora.{corpus.name}: augmentation changes audio, so it cannot be combined with "
                f"adapter 'none', which uses hidden states computed once."
            )
        if (spec, pooling, corpus.name) not in self._filled:
            features_of(
                self.encoders.load(spec),
                corpus.data,
                self.trainer,
                pooling=pooling,
                config=self.config,
                on_progress=self.on_progress,
            )
            self._filled.add((spec, pooling, corpus.name))
