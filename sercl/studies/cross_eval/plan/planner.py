"""Plan the cells of all conditions and the trainings that they need."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from sercl.corpora.base import SEEN, Utterance
from sercl.counting import count
from sercl.data.balance import PROPORTIONAL
from sercl.data.datamodules.overlap import check_apart, check_ids
from sercl.data.report import Progress, reporting
from sercl.data.settings import BY_SPEAKER, MONOLINGUAL, NO_ADAPTATION, TARGET, TRANSFER, TWO_STAGE
from sercl.errors import SpeakerOverlapError, UsageError
from sercl.studies.cross_eval.cells import FEW_SHOT, TARGET_ONLY, Cell, Condition
from sercl.studies.cross_eval.plan.corpora import CutCorpus, fold_indices
from sercl.studies.cross_eval.plan.options import StudyOptions, conditions_of
from sercl.studies.cross_eval.plan.trainings import (
    Recipe,
    Subset,
    Training,
    balanced_with,
    check_leak,
    duplicates,
    few,
    weighted,
)
from sercl.studies.cross_eval.sources import PLUS, corpora_of

RecipeOf = Callable[[Condition], Recipe]

Parts = Mapping[str, tuple[Subset, ...]]
"""Training and validation part of a source or target -> its utterances, of each of its corpora."""


@dataclass(frozen=True)
class PlannedCell:
    """A cell and its training.

    Attributes:
        cell: The cell.
        training: Its training.
        test: What is tested.
        parts: Part -> utterances, as in `CellRecord.parts`.
        notes: Sentences to show with its result.
    """

    cell: Cell
    training: Training
    test: Subset
    parts: Mapping[str, int]
    notes: tuple[str, ...] = ()

    @cached_property
    def address(self) -> str:
        """Address of its computation."""
        return self.training.test_address(self.test)

    @property
    def shared_speakers(self) -> tuple[str, ...]:
        """Speakers in both test and training."""
        return _shared_speakers(self.training, self.test)


def _shared_speakers(training: Training, test: Subset) -> tuple[str, ...]:
    trained = {name for step in training.chain for subset in step.train for name in subset.speakers}
    return tuple(sorted(trained & test.speakers))


@dataclass(frozen=True)
class PlannedForgetting:
    """A test of a cell's source before and after the training on its target.

    Attributes:
        cell: The cell.
        before: The training before anything was learnt from the target: of two stages the first; of few-shot,
            the same training without the few utterances.
        after: The training of the cell.
        test: The test part of the source.
        notes: Sentences to show with its result.
    """

    cell: Cell
    before: Training
    after: Training
    test: Subset
    notes: tuple[str, ...] = ()

    @cached_property
    def addresses(self) -> tuple[str, str]:
        """Addresses of the tests before and after."""
        return self.before.test_address(self.test), self.after.test_address(self.test)

    @property
    def shared_speakers(self) -> tuple[str, ...]:
        """Speakers in both test and training."""
        return _shared_speakers(self.after, self.test)


@dataclass(frozen=True)
class Plan:
    """All cells of a study.

    Attributes:
        cells: In the order of the grid.
        remarks: What was left out and why, and other notes on the study as a whole.
        forgetting: Tests of sources before and after a training on the target.
    """

    cells: tuple[PlannedCell, ...]
    remarks: tuple[str, ...]
    forgetting: tuple[PlannedForgetting, ...] = ()

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Every condition, in the order of the grid."""
        return tuple(dict.fromkeys(item.cell.condition for item in self.cells))

    @property
    def tested(self) -> list[list[Utterance]]:
        """All utterances of each corpus that cells test."""
        found: dict[str, dict[str, Utterance]] = {}
        for item in self.cells:
            own = found.setdefault(item.test.corpus, {})
            own.update({utterance.id: utterance for utterance in item.test.split.utterances})
        return [list(own.values()) for own in found.values()]

    @cached_property
    def tests(self) -> dict[str, tuple[Training, Subset]]:
        """Address -> what is tested with which training, each once: of the cells, then of forgetting."""
        found = {item.address: (item.training, item.test) for item in self.cells}
        for item in self.forgetting:
            for address, training in zip(item.addresses, (item.before, item.after), strict=True):
                found.setdefault(address, (training, item.test))
        return found

    @cached_property
    def trainings(self) -> dict[str, Training]:
        """Address -> training, each once, those that others start from before these."""
        found: dict[str, Training] = {}
        for item in self.cells:
            for step in item.training.chain:
                found.setdefault(step.address, step)
        return found


def make_plan(
    options: StudyOptions,
    corpora: Mapping[str, CutCorpus],
    recipe_of: RecipeOf,
    on_progress: Progress | None = None,
) -> Plan:
    """Plan every cell of a study.

    Args:
        options: Its options.
        corpora: Its corpora with their folds.
        recipe_of: How the trainings of a condition are built.
        on_progress: Called with the number of conditions that are planned.

    Raises:
        UsageError: For folds that cannot be paired.
        FoldError: If test data would be in training or selection.
    """
    conditions, remarks = conditions_of(options)
    planner = _Planner(options, corpora, recipe_of)
    cells: list[PlannedCell] = []
    more: dict[str, None] = {}
    for condition in reporting(conditions, "planning", on_progress):
        try:
            cells += planner.cells(condition)
        except _LeftOutError as reason:
            more[f"left out: {reason}"] = None
    later = (*_stage_remarks(options, conditions), *_frozen_remarks(cells), *_weight_remarks(options, cells))
    plan = Plan(tuple(cells), (*remarks, *more, *later, *_device_remarks(cells)))
    return replace(plan, forgetting=tuple(planner.forgetting(plan)))


def _stage_remarks(options: StudyOptions, conditions: Iterable[Condition]) -> Iterator[str]:
    """Yield notes on two-stage options that differ from sercl's defaults."""
    if not any(item.setting == TWO_STAGE and item.adapter != "none" for item in conditions):
        return
    if options.continue_from == "last":
        yield f"{TWO_STAGE}: with adapters, the second stage continues from the last weights of the first"
    if options.epoch_budget == "shared":
        yield f"{TWO_STAGE}: with adapters, both stages share one budget of epochs"


def _frozen_remarks(cells: Sequence[PlannedCell]) -> Iterator[str]:
    """Yield notes on heads of frozen encoders: without seeds, or trained one by one."""
    if any(item.training.recipe.ignores_seeds for item in cells):
        yield "frozen encoders: one seed is enough, since logistic regressions involve no chance"
    if any(item.training.adapter == "none" and not item.training.is_frozen for item in cells):
        yield (
            "frozen encoders: with a model class, head, pooling, loss, optimizer or schedule of your own, "
            "each training is a fit of its own, with the options of model and trainer; those of probe do not "
            "apply"
        )


def _weight_remarks(options: StudyOptions, cells: Sequence[PlannedCell]) -> Iterator[str]:
    """Yield a note on the weights of unions, where there are any."""
    if options.weights != PROPORTIONAL and any(PLUS in item.cell.condition.source for item in cells):
        what = options.weights.removeprefix("by-")
        yield f"unions of corpora: balanced by {what}, smaller ones are repeated in each epoch"


def _device_remarks(cells: Iterable[PlannedCell]) -> Iterator[str]:
    """Yield a note on trainings whose steps have a batch of each of several devices."""
    for devices in sorted({item.training.recipe.devices for item in cells} - {1}):
        yield f"adapters: each training has {devices} devices, and in every step a batch on each of them"


class _LeftOutError(Exception):
    """A condition that is impossible with these corpora; the text says which and why."""


class _Planner:
    def __init__(self, options: StudyOptions, corpora: Mapping[str, CutCorpus], recipe_of: RecipeOf) -> None:
        self.options, self.corpora, self.recipe_of = options, corpora, recipe_of
        self._checked: dict[tuple[str, str], tuple[str, ...]] = {}
        self._known: dict[str, Training] = {}
        self._drawn: dict[tuple[str, str, int, int, int], Subset] = {}
        self._sources: dict[tuple[str, int], Parts] = {}

    def cells(self, condition: Condition) -> list[PlannedCell]:
        """Return the cells of a condition."""
        sources, target = self._corpora_of(condition.source), self.corpora[condition.target]
        self._check_speakers_known(condition, [*sources, target])
        if condition.adapter != "none":
            _check_loading(sources)
        folds = fold_indices(sources, target, self.options.folds)
        return [
            self._cell(Cell(condition, draw, fold, seed))
            for draw, seed in self._runs(condition)
            for fold in folds
        ]

    def forgetting(self, plan: Plan) -> Iterator[PlannedForgetting]:
        """Yield the tests of sources before and after trainings on targets, where both trainings are planned.

        Raises:
            FoldError: If test data of a source would be in training or selection.
        """
        for item in plan.cells:
            before, condition = _before_target(item), item.cell.condition
            if before is None or before.address not in plan.trainings:
                continue
            before = plan.trainings[before.address]  # hashes are computed once
            for corpus in self._corpora_of(condition.source):
                test = corpus.fold(item.cell.fold)["test"]
                notes = self._check(condition, item.training, test)
                yield PlannedForgetting(item.cell, before, item.training, test, notes)

    def _runs(self, condition: Condition) -> list[tuple[int, int]]:
        seeds = self.options.seeds_of(condition.adapter)
        seeds = seeds[:1] if self.recipe_of(condition).ignores_seeds else seeds
        if not condition.shots:
            return [(0, seed) for seed in seeds]
        draws = self.options.draws_of(condition.adapter)
        return [(draw, seeds[draw % len(seeds)]) for draw in range(draws)]

    def _corpora_of(self, source: str) -> list[CutCorpus]:
        return [self.corpora[name] for name in corpora_of(source, self.corpora)]

    def _source(self, name: str, fold: int) -> Parts:
        """Return the training and validation parts of a source; those of a union are checked and weighted."""
        key = (name, fold)
        if key not in self._sources:
            cut = {corpus.name: corpus.fold(fold) for corpus in self._corpora_of(name)}
            parts = {part: tuple(own[part] for own in cut.values()) for part in SEEN}
            if len(cut) > 1:
                check_apart(
                    {
                        corpus: {part: own[part].split.utterances for part in SEEN}
                        for corpus, own in cut.items()
                    }
                )
                parts["train"] = weighted(parts["train"], self.options.weights)
            self._sources[key] = parts
        return self._sources[key]

    def _check_speakers_known(self, condition: Condition, corpora: Iterable[CutCorpus]) -> None:
        if condition.adaptation != BY_SPEAKER:
            return
        for corpus in corpora:
            if not corpus.all_known_by_speaker:
                raise _LeftOutError(
                    f"{condition.label}: not every speaker of {corpus.name} is known, so speaker "
                    f"normalisation is not possible"
                )

    def _cell(self, cell: Cell) -> PlannedCell:
        condition = cell.condition
        source, target = (self._source(name, cell.fold) for name in (condition.source, condition.target))
        training, parts = self._training(cell, source, target)
        training = self._known.setdefault(training.address, training)  # hashes are computed once
        test = self.corpora[condition.target].fold(cell.fold)["test"]
        notes = self._check(condition, training, test)
        return PlannedCell(cell, training, test, {**parts, "test": len(test)}, notes)

    def _training(self, cell: Cell, source: Parts, target: Parts) -> tuple[Training, dict[str, int]]:
        """Return the training of a cell and the sizes of its parts."""
        condition = cell.condition
        if condition.setting in (MONOLINGUAL, TRANSFER):
            return self._plain(cell, target), _sizes(target)
        if condition.setting == TWO_STAGE:
            training = self._two_stages(cell, source, target)
            sizes = {
                "source train": _size(source["train"]),
                "source validation": _size(training.chain[0].validation),
            }
            return training, {**sizes, **_sizes(target)}
        if condition.setting == TARGET_ONLY:
            shots = self._shots(cell, source["train"], target["train"])
            # No other target data are labelled, and the best on the source need not be the best on the
            # target.
            alone = replace(self._plain(cell, target), train=(shots,), validation=(replace(shots, repeat=1),))
            return alone, {"target train": len(shots), "validation": len(shots)}
        validation = target if condition.select_on == TARGET else source
        training = replace(self._plain(cell, source), validation=validation["validation"])
        parts = {"train": _size(source["train"]), "validation": _size(training.validation)}
        if condition.adaptation != NO_ADAPTATION:
            (unlabelled,) = target["train"]
            training = replace(training, adaptation=condition.adaptation, unlabelled=unlabelled)
        if not condition.shots:
            return training, parts
        shots = self._shots(cell, source["train"], target["train"])
        return replace(training, train=(*training.train, shots)), {**parts, "target train": len(shots)}

    def _two_stages(self, cell: Cell, source: Parts, target: Parts) -> Training:
        """Return the second of two trainings; heads on a frozen encoder continue from the best weights."""
        condition, options = cell.condition, self.options
        selects = target if condition.select_on == TARGET else source
        first = replace(self._plain(cell, source), validation=selects["validation"])
        second = self._plain(cell, target)
        if condition.adapter == "none":
            return replace(second, start=first)
        last = options.continue_from == "last"
        first = replace(first, max_epochs=options.switch_epoch, keeps_last=last)
        return replace(
            second,
            start=first,
            continue_from=options.continue_from,
            shares_epochs=options.epoch_budget == "shared",
        )

    def _plain(self, cell: Cell, parts: Parts) -> Training:
        condition = cell.condition
        return Training(
            encoder=condition.encoder,
            adapter=condition.adapter,
            recipe=self.recipe_of(condition),
            train=parts["train"],
            validation=parts["validation"],
            seed=cell.seed,
        )

    def _shots(self, cell: Cell, source: tuple[Subset, ...], target: tuple[Subset, ...]) -> Subset:
        """Return the few utterances of a cell, drawn once for all encoders, adapters and seeds."""
        condition = cell.condition
        key = (condition.source, condition.target, condition.shots or 0, cell.draw, cell.fold)
        if key not in self._drawn:
            self._drawn[key] = self._draw(cell, source, *target)
        return self._drawn[key]

    def _draw(self, cell: Cell, source: tuple[Subset, ...], target: Subset) -> Subset:
        shots = few(target, cell.condition.shots or 0, cell.draw, cell.fold)
        if shots is None:
            sizes = Counter(target.split.labels)
            raise _LeftOutError(
                f"{cell.condition.label}: a class of {target.corpus} has only {min(sizes.values())} training "
                f"utterances in fold {cell.fold}"
            )
        return balanced_with(shots, source)

    def _check(self, condition: Condition, training: Training, test: Subset) -> tuple[str, ...]:
        key = (training.address, test.fingerprint)
        if key not in self._checked:
            check_leak(training, test)
            self._checked[key] = tuple(_notes(training, test))
        self._check_pair(condition, training, test)
        return self._checked[key]

    def _check_pair(self, condition: Condition, training: Training, test: Subset) -> None:
        if condition.source == condition.target:
            return
        foreign = [subset for subset in training.known if subset.corpus != test.corpus]
        for subset in foreign:
            check_ids(subset.split.utterances, test.split.utterances)
        seen = {name for subset in foreign for name in subset.speakers} & test.speakers
        if seen and not self.corpora[test.corpus].data.allows_speaker_overlap:
            others = " and ".join(dict.fromkeys(subset.corpus for subset in foreign))
            raise SpeakerOverlapError(
                f"{condition.label}: {count(len(seen), 'speaker')} of {others} "
                f"{'is' if len(seen) == 1 else 'are'} tested in "
                f"{test.corpus}: {', '.join(sorted(seen)[:5])}. Exclude the pair, choose other folds, "
                f"or allow it with folds.allow_speaker_overlap of {test.corpus}."
            )


def _before_target(item: PlannedCell) -> Training | None:
    """Return the training of a cell as it was before it learnt from labels of the target; None without one.

    Label-free adaptation changes features by what is tested, so few-shot cells with it are left out.
    """
    condition = item.cell.condition
    if condition.setting == TWO_STAGE:
        return item.training.start
    if condition.setting == FEW_SHOT and condition.shots and condition.adaptation == NO_ADAPTATION:
        return replace(item.training, train=item.training.train[:-1])
    return None


def _size(subsets: Iterable[Subset]) -> int:
    return sum(len(subset) for subset in subsets)


def _sizes(parts: Parts) -> dict[str, int]:
    return {part: _size(subsets) for part, subsets in parts.items()}


def _check_loading(sources: Sequence[CutCorpus]) -> None:
    """Raise `UsageError` unless the clips of all corpora of a union are batched and augmented alike."""
    first, *others = sources
    for other in others:
        for name, one, two in (
            ("loader", first.data.loader_config, other.data.loader_config),
            ("augment", first.data.augment_config, other.data.augment_config),
        ):
            if one != two:
                raise UsageError(
                    f"study.corpora: {first.name} and {other.name} are trained on as one source with an "
                    f"adapter, but their {name} differs. Give both the same."
                )


def _notes(training: Training, test: Subset) -> Iterator[str]:
    if count := duplicates(training, test):
        yield f"{test.corpus}: {count} test utterances contain the same samples as training utterances"
