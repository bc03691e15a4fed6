"""The options of a cross-lingual study: what its grid crosses."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from sercl.data.balance import PROPORTIONAL
from sercl.data.balance import WEIGHTS as BALANCES
from sercl.data.datamodules.corpus import CorpusDataModule
from sercl.data.settings import (
    ADAPTATIONS,
    ADVERSARIAL,
    BUDGETS,
    MONOLINGUAL,
    NO_ADAPTATION,
    ROLES,
    SELECTABLE,
    SOURCE,
    TRANSFER,
    TWO_STAGE,
    WEIGHTS,
    ZERO_SHOT,
)
from sercl.errors import UnknownNameError, UsageError
from sercl.models.adapters.registry import parse_adapter
from sercl.studies.cross_eval.cells import (
    CONDITION_FIELDS,
    FEW_SHOT,
    SETTINGS,
    TARGET_ONLY,
    Condition,
    distinct,
)
from sercl.studies.cross_eval.plan.unions import LEAST_OTHERS, Unions
from sercl.studies.cross_eval.sources import (
    ALL_BUT_TARGET,
    PLUS,
    SINGLE,
    SOURCES,
    SUBSETS,
    corpora_of,
    union_of,
)

MOST_SUBSETS = 10

ANY = "*"
"""Key for all adapters that are not named."""


@dataclass(frozen=True)
class Override:
    """Options for some conditions.

    Args:
        when: Field of a condition (encoder, adapter, setting, source, target, select_on, adaptation, shots)
            -> its value, or a list of values; all must match.
        model: Options of the group model.
        probe: Options of the group probe.
    """

    when: dict[str, Any]
    model: dict[str, Any] = field(default_factory=dict)
    probe: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Exclude:
    """Conditions that are left out.

    Args:
        when: As for overrides.
    """

    when: dict[str, Any]


@dataclass(frozen=True)
class StudyOptions:
    """What the study crosses; every list is one dimension of the grid.

    Args:
        encoders: Names as --model.encoder takes them (a folder is named by its last component); or own name
            -> such a name, or options of the model.
        corpora: Own name -> data module, as --data takes it.
        settings: monolingual, zero-shot, transfer, two-stage, few-shot, target-only (the few utterances
            alone; with few-shot, always included for a frozen encoder).
        adapters: As --model.adapter takes them.
        adaptation: Label-free use of the target in zero-shot and few-shot: none; corpus, speaker, coral or
            prior for a frozen encoder; adversarial for adapters.
        select_on: Whose validation part selects in zero-shot, and in the first of two stages: source, or
            target as in arXiv 2409.16920.
        shots: Labelled target utterances per emotion in few-shot and target-only.
        draws: Number of random draws of the few utterances; draws use the seeds in turn. Or adapter ->
            number, with "*" for all others.
        seeds: Seeds, each a repeat; or adapter -> seeds, with "*" for all others.
        folds: all, or a list of folds, counted from 0.
        train: Training corpora; null for all.
        test: Test corpora; null for all.
        sources: Sources of zero-shot, two-stage, few-shot and target-only: each other corpus (single); all of
            them as one (all-but-target); all of other languages (all-but-language); for the curve over their
            number, also unions of some of them (subsets).
        weights: How much each corpus counts in the training of a union: `proportional` to its utterances; or
            `by-corpus`, `by-language` or `by-speaker`: smaller ones are repeated in each epoch until all have
            the same size.
        subset_limit: Most unions of one size in `subsets`, for each target; of more, this many are drawn.
        switch_epoch: Maximum number of epochs of the first of two stages with an adapter; null: as for any
            training, so that one training serves all settings.
        continue_from: Weights of the first of two stages with an adapter from which the second continues:
            best, or last as in arXiv 2409.16920.
        epoch_budget: Whether each of two stages with an adapter may use all epochs of the trainer (each), or
            both share them (shared, as in arXiv 2409.16920).
        overrides: Options of model and probe for some conditions; later ones override earlier ones.
        exclude: Conditions that are left out.

    Raises:
        UnknownNameError: For a name that does not exist, or that the study does not have.
        UsageError: For an empty list, a number out of its range, or something named twice.
    """

    encoders: list[str] | dict[str, str | dict[str, Any]]
    corpora: dict[str, CorpusDataModule]
    settings: list[str] = field(default_factory=lambda: [MONOLINGUAL, ZERO_SHOT])
    adapters: list[str] = field(default_factory=lambda: ["none"])
    adaptation: list[str] = field(default_factory=lambda: [NO_ADAPTATION])
    select_on: list[str] = field(default_factory=lambda: [SOURCE])
    shots: list[int] = field(default_factory=lambda: [1, 4, 16, 64])
    draws: int | dict[str, int] = 3
    seeds: list[int] | dict[str, list[int]] = field(default_factory=lambda: [1, 2, 3])
    folds: str | list[int] = "all"
    train: list[str] | None = None
    test: list[str] | None = None
    sources: list[str] = field(default_factory=lambda: [SINGLE])
    weights: str = PROPORTIONAL
    subset_limit: int = MOST_SUBSETS
    switch_epoch: int | None = None
    continue_from: str = "best"
    epoch_budget: str = "each"
    overrides: list[Override] = field(default_factory=list)
    exclude: list[Exclude] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("encoders", "corpora", "settings", "adapters", "adaptation", "select_on", "sources"):
            if not getattr(self, name):
                raise UsageError(f"study.{name} is empty; name at least one.")
        for adapter in self.adapters:
            parse_adapter(adapter)
        _check_names("study.settings", self.settings, SETTINGS)
        _check_names("study.adaptation", self.adaptation, ADAPTATIONS)
        _check_names("study.select_on", self.select_on, ROLES)
        self._check_stages()
        _check_names("study.train", self.train or (), self.corpora)
        _check_names("study.test", self.test or (), self.corpora)
        self._check_sources()
        for name in ("adapters", "encoders", "settings", "adaptation", "select_on", "shots", "sources"):
            _check_once(f"study.{name}", getattr(self, name))
        self._check_numbers()
        self._check_repeats()
        for number, item in enumerate(self.overrides):
            self._check_when(f"study.overrides[{number}].when", item.when)
        for number, left_out in enumerate(self.exclude):
            self._check_when(f"study.exclude[{number}].when", left_out.when)

    @property
    def encoder_options(self) -> dict[str, dict[str, Any]]:
        """Name in the study -> options of the model; a local folder is named by its last component."""
        names = short_names(self.encoders)
        if not isinstance(self.encoders, Mapping):
            return {names[name]: {"encoder": name} for name in self.encoders}
        return {
            names[name]: {"encoder": value} if isinstance(value, str) else {"encoder": name} | value
            for name, value in self.encoders.items()
        }

    @property
    def unions(self) -> Unions:
        """The unions of corpora that conditions are trained on."""
        corpora = [name for name in self.corpora if name in (self.train or self.corpora)]
        return Unions(self.sources, corpora, lambda name: self.corpora[name].languages, self.subset_limit)

    def named_alike(self, when: Mapping[str, Any]) -> dict[str, Any]:
        """Return the conditions of an override or exclusion as conditions have them.

        Encoders have their names in the study, and unions their corpora in its order.
        """
        found = dict(when)
        if "encoder" in when:
            names = short_names(self.encoders)
            found["encoder"] = [names.get(name, name) for name in as_list(when["encoder"])]
        if "source" in when:
            found["source"] = [self._in_order(name) for name in as_list(when["source"])]
        return found

    def _in_order(self, source: Any) -> Any:
        """Return the name of a union with its corpora in the order of the study; of all else, as it is."""
        if not self._is_union(source):
            return source
        names = corpora_of(source, self.corpora)
        return union_of(name for name in self.corpora if name in names)

    def _is_union(self, source: Any) -> bool:
        if self.sources == [SINGLE] or not isinstance(source, str):
            return False
        names = corpora_of(source, self.corpora)
        return len(names) > 1 and set(names) <= set(self.corpora)

    def seeds_of(self, adapter: str) -> list[int]:
        """Return the seeds of an adapter's trainings.

        Raises:
            UsageError: If none are given for it.
        """
        seeds: list[int] = self._of_adapter("seeds", adapter)
        return seeds

    def draws_of(self, adapter: str) -> int:
        """Return the number of few-shot draws of an adapter's trainings.

        Raises:
            UsageError: If none is given for it.
        """
        draws: int = self._of_adapter("draws", adapter)
        return draws

    def _of_adapter(self, name: str, adapter: str) -> Any:
        given = getattr(self, name)
        if not isinstance(given, Mapping):
            return given
        for key in (adapter, ANY):
            if key in given:
                return given[key]
        raise UsageError(
            f"study.{name} has nothing for the adapter {adapter!r}. Add an entry for it, or for '*'."
        )

    def _check_numbers(self) -> None:
        if self.shots and min(self.shots) < 0:
            raise UsageError(f"study.shots has {min(self.shots)}; valid: whole numbers from 0 up.")
        if self.switch_epoch is not None and self.switch_epoch < 1:
            raise UsageError(f"study.switch_epoch is {self.switch_epoch}; it must be 1 or more, or null.")
        if isinstance(self.folds, str) and self.folds != "all":
            raise UsageError(f"study.folds is {self.folds!r}; valid: all, or a list such as [0, 1].")

    def _check_stages(self) -> None:
        _check_names("study.continue_from", [self.continue_from], WEIGHTS)
        _check_names("study.epoch_budget", [self.epoch_budget], BUDGETS)
        is_careful = (self.continue_from, self.epoch_budget) == (WEIGHTS[0], BUDGETS[0])
        if not is_careful and (TWO_STAGE not in self.settings or set(self.adapters) == {"none"}):
            raise UsageError(
                f"study.continue_from and study.epoch_budget are for the setting {TWO_STAGE} with an "
                "adapter, which this study does not have. Add it to study.settings and study.adapters, "
                "or leave these out."
            )

    def _check_sources(self) -> None:
        _check_names("study.sources", self.sources, SOURCES)
        _check_names("study.weights", [self.weights], BALANCES)
        if self.sources == [SINGLE] and self.weights != PROPORTIONAL:
            raise UsageError(
                f"study.weights {self.weights} is for unions of corpora, which this study does not train on. "
                f"Add {ALL_BUT_TARGET} to study.sources, or leave it out."
            )
        if self.sources != [SINGLE] and (joined := [name for name in self.corpora if PLUS in name]):
            raise UsageError(
                f"study.corpora: {joined[0]!r} would be mistaken for a union of corpora; choose a name "
                f"without {PLUS.strip()!r}."
            )
        self._check_subsets()

    def _check_subsets(self) -> None:
        if self.subset_limit < 1:
            raise UsageError(f"study.subset_limit is {self.subset_limit}; it must be 1 or more.")
        if SUBSETS not in self.sources:
            if self.subset_limit != MOST_SUBSETS:
                raise UsageError(
                    f"study.subset_limit is for {SUBSETS}, which study.sources does not have. Add them there "
                    "or leave it out."
                )
            return
        if not {SINGLE, ALL_BUT_TARGET} <= set(self.sources):
            raise UsageError(
                f"study.sources: {SUBSETS} are the unions between one corpus and all; add {SINGLE} and "
                f"{ALL_BUT_TARGET}, the ends of the curve."
            )
        targets, corpora = self.test or self.corpora, self.unions.corpora
        if all(len([name for name in corpora if name != target]) < LEAST_OTHERS for target in targets):
            raise UsageError(
                f"study.sources: {SUBSETS} needs at least {LEAST_OTHERS} corpora besides the target; "
                f"{SINGLE} and {ALL_BUT_TARGET} are every union of fewer. Leave {SUBSETS} out."
            )

    def _check_repeats(self) -> None:
        for name in ("draws", "seeds"):
            if isinstance(given := getattr(self, name), Mapping):
                _check_names(f"adapter in study.{name}", given, [*self.adapters, ANY])
        for adapter in self.adapters:
            if (draws := self.draws_of(adapter)) < 1:
                raise UsageError(f"study.draws of {adapter!r} is {draws}; it must be 1 or more.")
            seeds = self.seeds_of(adapter)
            if not seeds or min(seeds) < 0:
                raise UsageError(f"study.seeds of {adapter!r}: {seeds}; valid: whole numbers from 0 up.")
            _check_once("study.seeds", seeds)

    def _check_when(self, where: str, when: Mapping[str, Any]) -> None:
        named = self.named_alike(when)
        valid: dict[str, Collection[object]] = {
            "encoder": self.encoder_options,
            "adapter": self.adapters,
            "setting": SETTINGS,
            "source": [*self.corpora, *filter(self._is_union, as_list(named.get("source", [])))],
            "target": self.corpora,
            "select_on": ROLES,
            "adaptation": ADAPTATIONS,
            "shots": self.shots,
        }
        _check_names(f"field in {where}", when, CONDITION_FIELDS)
        for name, value in named.items():
            _check_names(f"{name} in {where}", as_list(value), valid[name])


def short_names(encoders: Iterable[str]) -> dict[str, str]:
    """Return the names of encoders in a study.

    Args:
        encoders: Names as given: presets, ids of the hub, or paths of folders.

    Returns:
        Name as given -> the last component of a path, if no other encoder has the same; else the name.
    """
    given = list(encoders)
    last = {name: Path(name).expanduser().name if _is_path(name) else name for name in given}
    shared = Counter(last.values())
    return {name: last[name] if last[name] and shared[last[name]] == 1 else name for name in given}


def _is_path(name: str) -> bool:
    return name.startswith(("/", "~", ".")) or Path(name).is_dir()


def as_list(value: Any) -> list[Any]:
    """Return a value as a list of one, and a list as it is."""
    return list(value) if isinstance(value, list | tuple) else [value]


def _check_names(kind: str, names: Collection[object], valid: Collection[object]) -> None:
    for name in names:
        if name not in valid:
            raise UnknownNameError(kind, name, valid)


def _check_once(kind: str, names: Collection[object] | Sequence[object]) -> None:
    listed = list(names)
    twice = [name for name in listed if listed.count(name) > 1]
    if twice:
        raise UsageError(f"{kind} has {twice[0]!r} twice; name each once.")


ADAPTABLE = (ZERO_SHOT, FEW_SHOT)
"""Settings in which audio of the target may be used without its labels."""


def conditions_of(options: StudyOptions) -> tuple[tuple[Condition, ...], tuple[str, ...]]:
    """Return every condition of the grid, and a sentence for each kind of combination that does not apply."""
    sound: list[Condition] = []
    reasons: dict[str, int] = {}
    excluded = [options.named_alike(item.when) for item in options.exclude]
    for condition in _product(options):
        if any(matches(when, condition) for when in excluded):
            continue
        if reason := _inapplicable(condition):
            reasons[reason] = reasons.get(reason, 0) + 1
        else:
            sound.append(condition)
    sound += [item for item in _baselines(sound) if not any(matches(when, item) for when in excluded)]
    notes = options.unions.remarks(options.test or list(options.corpora))
    return distinct(sound), (*(f"left out of the grid: {reason}" for reason in reasons), *notes)


def matches(when: Mapping[str, Any], condition: Condition) -> bool:
    """Return whether every field named in `when` has one of its values."""
    return all(getattr(condition, name) in as_list(value) for name, value in when.items())


def _baselines(conditions: Iterable[Condition]) -> Iterator[Condition]:
    """Yield the baselines of few-shot conditions of a frozen encoder: the few utterances alone.

    These are heads on stored hidden states, which take seconds; with adapters they are trained only if the
    study names the setting.
    """
    for item in conditions:
        if item.setting == FEW_SHOT and item.adapter == "none" and item.shots:
            yield replace(item, setting=TARGET_ONLY, adaptation=NO_ADAPTATION)


def _product(options: StudyOptions) -> Iterator[Condition]:
    for encoder, adapter, setting in product(options.encoder_options, options.adapters, options.settings):
        for source, target in _directions(options, setting):
            yield from _variants(Condition(encoder, adapter, setting, source, target), options)


def _directions(options: StudyOptions, setting: str) -> Iterator[tuple[str, str]]:
    """Yield training source and test corpus, single sources first."""
    targets = options.test or list(options.corpora)
    trains_on_source = setting not in (MONOLINGUAL, TRANSFER)
    if SINGLE in options.sources or not trains_on_source:
        for source, target in product(options.train or list(options.corpora), targets):
            if (source == target) == (setting == MONOLINGUAL):
                yield source, target
    if trains_on_source:
        yield from ((union, target) for target in targets for union in options.unions.of(target))


def _variants(plain: Condition, options: StudyOptions) -> Iterator[Condition]:
    if plain.setting == TARGET_ONLY:
        yield from (replace(plain, shots=count) for count in options.shots if count)
        return
    shots = options.shots if plain.setting == FEW_SHOT else [None]
    # Few-shot selects on the source: labelled data of the target to select on would be shots, too.
    selections = options.select_on if plain.setting in SELECTABLE else [SOURCE]
    adaptations = options.adaptation if plain.setting in ADAPTABLE else [NO_ADAPTATION]
    for count, select_on, adaptation in product(shots, selections, adaptations):
        yield replace(plain, shots=count, select_on=select_on, adaptation=adaptation)


def _inapplicable(condition: Condition) -> str | None:
    """Return why a combination does not apply, or None if it does."""
    name, is_frozen = condition.adaptation, condition.adapter == "none"
    if name not in (NO_ADAPTATION, ADVERSARIAL) and not is_frozen:
        return (
            f"adaptation {name!r} changes hidden states of a frozen encoder; with adapters, use "
            f"{ADVERSARIAL!r}"
        )
    if name == ADVERSARIAL and is_frozen:
        return f"adaptation {name!r} trains the encoder's adapters; there are none with adapter 'none'"
    return None
