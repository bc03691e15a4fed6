from collections.abc import Mapping, Sequence
from dataclasses import replace

from sercl.corpora.base import PARTS, SEEN, Utterance
from sercl.corpora.folds import Fold, is_on_classes
from sercl.counting import count
from sercl.data.datamodules.base import EmotionDataModule
from sercl.data.datamodules.corpus import (
    CorpusDataModule,
    all_train_on_everything,
    joint_checked,
    joint_fold_count,
    joint_split,
    set_joint_fold,
)
from sercl.data.datamodules.listed import Listed
from sercl.data.datamodules.overlap import check_clips, check_ids, check_speakers
from sercl.data.report import Checked, DataReport, SplitReport
from sercl.data.settings import (
    BUDGETS,
    ROLES,
    SOURCE,
    TARGET,
    TWO_STAGE,
    WEIGHTS,
    ZERO_SHOT,
    Plan,
    plans_for,
)
from sercl.data.split import Split
from sercl.errors import UnknownNameError, UsageError


def report_pair(
    setting: str,
    plans: Mapping[str, Plan],
    reports: Mapping[str, DataReport],
    unlabelled: Split | None = None,
    going_on: tuple[str, bool] = ("best", False),
    everything: bool = False,
) -> DataReport:
    """Merge the reports of two corpora into the one of their pair.

    Args:
        setting: Its setting.
        plans: Training stage -> the role that provides each part.
        reports: Role -> report, of the corpora in use.
        unlabelled: Utterances of the target for training without labels.
        going_on: The weights that the second of two stages continues from, and whether both share epochs.
        everything: Whether everything is for training, so that nothing was selected.
    """
    names = _names(reports)
    chosen = list(plans.values())[-1].validation
    named = {names[role]: report for role, report in reports.items()}
    used = {(role, part) for plan in plans.values() for part, role in plan._asdict().items()}
    used |= {(SOURCE, "test")} if len(plans) > 1 else set()
    notes = [
        f"{names[role]}: {note}"
        for role, report in reports.items()
        for note in report.notes
        if not any(is_on_classes(note, part) for part in PARTS if (role, part) not in used)
    ]
    return DataReport(
        name=" -> ".join(named),
        classes=next(iter(reports.values())).classes,
        splits=_splits(plans, reports),
        dropped={name: counts for name, report in named.items() for counts in report.dropped.values()},
        folds={name: fold for name, report in named.items() for fold in report.folds.values()},
        unlisted={name: line for name, report in named.items() for line in report.unlisted.values()},
        not_selected={
            name: sum(report.not_selected.values()) for name, report in named.items() if report.not_selected
        },
        problems={name: found for name, report in named.items() for found in report.problems.values()},
        notes=(
            *([] if everything else [f"selected on {chosen}: the validation part of {names[chosen]}"]),
            *_first_stage(plans, names, going_on, everything),
            *([] if unlabelled is None else [_unlabelled_note(unlabelled, names["target"])]),
            *notes,
        ),
        corpora={name: counts for report in reports.values() for name, counts in report.corpora.items()},
        setting=setting,
        select_on=chosen,
    )


def _first_stage(
    plans: Mapping[str, Plan], names: Mapping[str, str], going_on: tuple[str, bool], everything: bool
) -> list[str]:
    """Return notes on the first of two stages: what it was selected on."""
    if len(plans) == 1 or everything:
        return []
    role = next(iter(plans.values())).validation
    weights, shared = going_on
    epochs = "both stages share one budget of epochs" if shared else "each stage has its own budget of epochs"
    return [
        f"the first stage was also selected on {role}: the validation part of {names[role]}"
        if role == "target"
        else f"the first stage was selected on {role}: the validation part of {names[role]}",
        f"the second stage continued from the {weights} weights of the first; {epochs}",
    ]


def _unlabelled_note(unlabelled: Split, name: str) -> str:
    count = len(unlabelled.utterances)
    return f"target audio without labels was used: {count} utterances of the train part of {name}"


def _names(reports: Mapping[str, DataReport]) -> dict[str, str]:
    """Return role -> name; two corpora of the same name are distinguished by their role."""
    names = {role: report.name for role, report in reports.items()}
    if len(set(names.values())) < len(names):
        return {role: f"{name} ({role})" for role, name in names.items()}
    return names


def _splits(plans: Mapping[str, Plan], reports: Mapping[str, DataReport]) -> dict[str, SplitReport]:
    splits = {}
    for stage, plan in plans.items():
        for part, role in plan._asdict().items():
            name = part if len(plans) == 1 or part == "test" else f"{stage} {part}"
            splits[name] = reports[role].splits[part]
    if len(plans) > 1 and "test" in reports[SOURCE].splits:
        splits["source test"] = reports[SOURCE].splits["test"]
    # The test part comes last, as in a single stage.
    splits["test"] = splits.pop("test")
    return splits


class LanguagePair(EmotionDataModule):
    """Two corpora, usually of two languages: trained on one, tested on the other.

    Loader and augmentation options of each corpus apply to its own clips. Only the parts that the setting
    uses are read.

    Args:
        source: Corpus of language A.
        target: Corpus of language B, with the same labels.
        setting: `monolingual` (train and test on the source), `zero-shot` (train on the source, test on the
            target), `transfer` (train and test on the target, with an encoder of the source's language),
            `two-stage` (train on the source, then on the target, test on the target; also tests the source
            before and after the second stage, to show what was forgotten).
        select_on: Whose validation part selects checkpoints in the setting `zero-shot`, and in the first of
            two stages: `source`, or `target` as in arXiv 2409.16920, which is then not strictly zero-shot.
            The second stage, and the other settings, select on the corpus that they train on.
        switch_epoch: Maximum number of epochs of the first of two stages; early stopping may end it sooner.
        continue_from: Weights of the first stage from which the second continues: `best`, or `last` as in
            arXiv 2409.16920.
        epoch_budget: Whether each of two stages may use all epochs of the trainer (`each`), or both share
            them (`shared`, as in arXiv 2409.16920; the second gets what the first has left, at least one).

    Raises:
        UnknownNameError: If a setting or choice does not exist.
        UsageError: If the labels differ, or an option has no effect in the setting.
    """

    def __init__(
        self,
        source: CorpusDataModule,
        target: CorpusDataModule,
        setting: str = ZERO_SHOT,
        select_on: str = "source",
        switch_epoch: int = 50,
        continue_from: str = "best",
        epoch_budget: str = "each",
    ) -> None:
        super().__init__()
        _check_labels(source, target)
        _check_stages(setting, continue_from, epoch_budget)
        if switch_epoch < 1:
            raise UsageError(f"switch_epoch is {switch_epoch}; it must be 1 or more.")
        self.source, self.target, self.setting, self.switch_epoch = source, target, setting, switch_epoch
        self._continue_from, self._epoch_budget = continue_from, epoch_budget
        self._plans = plans_for(setting, select_on)
        self._stage = self.stages[0]
        self._ready = self._every_part = self._target_train = self._only_scored = False

    @property
    def classes(self) -> list[str]:
        """Class names of both corpora; their index is the class index."""
        return self.source.classes

    @property
    def label_map(self) -> dict[str, list[str]]:
        """Class -> emotions that belong to it, in class order; the same for both corpora."""
        return self.source.label_map

    @property
    def can_use_features(self) -> bool:
        """Whether no training clip of a stage is augmented."""
        corpora = self.corpora_in_use
        return all(corpora[plan.train].can_use_features for plan in self._plans.values())

    def epoch_limit(self, stage: str) -> int | None:
        """Maximum number of epochs of the first of two stages; None for every other stage."""
        return self.switch_epoch if stage == "source" else None

    @property
    def shares_epochs(self) -> bool:
        """Whether both stages share the trainer's epochs, rather than each having them."""
        return self._epoch_budget == "shared"

    @property
    def continues_from(self) -> str:
        """The weights of the first stage that the second one continues from: "best" or "last"."""
        return self._continue_from

    @property
    def stages(self) -> tuple[str, ...]:
        """`("source", "target")` for two-stage training, else `("train",)`."""
        return tuple(self._plans)

    def set_stage(self, stage: str) -> None:
        """Set the training stage whose data are used; raises `UsageError` for one not in `stages`."""
        super().set_stage(stage)
        self._stage = stage

    def use_every_part(self) -> None:
        """Prepare all parts of both corpora in `setup`, including those that the setting does not use."""
        self._every_part = True

    def score_only(self, part: str) -> None:
        """Before `setup`: leave out what only a training needs, the source's test part."""
        self._only_scored = True

    @property
    def _tests_source(self) -> bool:
        return self.setting == TWO_STAGE and not self._only_scored and not self.trains_on_everything

    @property
    def source_test(self) -> EmotionDataModule | None:
        """The source's test part by itself, in the setting `two-stage`; see the base class."""
        if not self._tests_source:
            return None
        own = Listed(self.label_map, {"test": self.source.splits["test"]}, name=self.source.corpus)
        own.use_features(self._features)
        return own

    @property
    def unlabelled(self) -> Split | None:
        """The target's training part, after `use_unlabelled`."""
        return self.target.splits["train"] if self._target_train and self._ready else None

    def use_unlabelled(self, wanted: bool = True) -> None:
        """Include the target's training part without labels in training batches, or stop doing so.

        Raises:
            UsageError: In a setting other than `zero-shot`.
            CorpusError: As `setup`, if that was called already.
        """
        if wanted and self.setting != ZERO_SHOT:
            raise UsageError(
                f"adversarial training uses the target without its labels, for which the setting "
                f"{self.setting!r} has no use. Use --data.setting {ZERO_SHOT} or "
                f"--model.adversarial.weight 0."
            )
        if wanted and not self._target_train:
            self._target_train = True
            if self._ready:
                self._ready = False
                self.setup()
        self._hears_target = wanted

    def use_target_statistics(self) -> None:
        """Before `setup`: have the target standardised by its training part, without labels.

        Raises:
            UsageError: If a corpus of the source has the name of one of the target.
        """
        same = set(self.source.names) & set(self.target.names)
        if same and len(self.corpora_in_use) == len(ROLES):
            raise UsageError(
                f"standardize corpus: source and target are both called {min(same)}, so that their "
                "statistics could not be distinguished. Name one of them in a map: --data.source Corpora "
                "with corpora: {NAME: ...}."
            )
        self._target_train = self._target_train or self.setting == ZERO_SHOT

    @property
    def reference_splits(self) -> tuple[Split, ...]:
        """The parts by which each corpus is standardised: those of all trainings, and the target's."""
        trained = [self.corpora_in_use[plan.train].splits["train"] for plan in self._plans.values()]
        return (*trained, *([] if self.unlabelled is None else [self.unlabelled]))

    def list_corpora(self) -> None:
        """Before `setup`: list the corpora that the setting uses; raises `CorpusError` as `setup`."""
        for corpus in self.corpora_in_use.values():
            corpus.list_corpora()

    def setup(self, stage: str | None = None) -> None:
        """Prepare the parts that the setting uses; a second call does nothing.

        Args:
            stage: Lightning's; all parts are always prepared, since they must be compared.

        Raises:
            CorpusError: As `CorpusDataModule.setup`.
            FoldError: As `CorpusDataModule.setup`, or if clips or speakers of one corpus are tested in the
                other.
        """
        if self._ready:
            return
        for role, corpus in self.corpora_in_use.items():
            corpus.on_progress, corpus.memories = self.on_progress, self.memories
            corpus.use_preprocessing(self.preprocess)
            corpus.prepare([part for part in PARTS if self._uses(role, part)])
        self._check_overlap()
        self._ready = True

    @property
    def corpora_in_use(self) -> dict[str, CorpusDataModule]:
        """Role -> corpus, "source" and "target", of those that the setting uses."""
        corpora = {"source": self.source, "target": self.target}
        used = {
            role for role in ROLES if self._every_part or any(role in plan for plan in self._plans.values())
        }
        return {role: corpora[role] for role in ROLES if role in used}

    @property
    def allows_speaker_overlap(self) -> bool:
        """Whether speakers of the target may be in both training and test."""
        return self.target.allows_speaker_overlap

    @property
    def trains_on_everything(self) -> bool:
        """Whether everything is for training, and nothing for validation and test."""
        return all_train_on_everything(self.corpora_in_use.values())

    @property
    def fold_count(self) -> int:
        """Number of folds; a corpus with a single one keeps it.

        Raises:
            UsageError: If both corpora have several folds, but different numbers of them.
        """
        advice = "Give both the same number (--data.source.folds.count, --data.target.folds.count)."
        return joint_fold_count(self.corpora_in_use.values(), "folds of a pair", advice)

    def set_fold(self, index: int) -> None:
        """Switch both corpora to another fold; one with a single fold keeps it.

        Args:
            index: From 0 to `fold_count - 1`.

        Raises:
            UsageError: If there is no such fold.
            FoldError: As `setup`.
        """
        set_joint_fold(self.corpora_in_use.values(), index, self.fold_count)
        self._check_overlap()

    @property
    def checked(self) -> Mapping[str, Checked]:
        """All usable utterances of all folds so far, by id."""
        return joint_checked(self.corpora_in_use.values())

    def split_of(self, ids: Sequence[str]) -> Split:
        """Return some checked utterances as a split, batched like the training corpus."""
        return joint_split(self.corpora_in_use.values(), ids)

    @property
    def folds_in_use(self) -> Mapping[str, Fold]:
        """The folds by role, "source" and "target", of the corpora that the setting uses."""
        return {role: corpus.fold for role, corpus in self.corpora_in_use.items()}

    @property
    def training_folds(self) -> Mapping[str, Fold]:
        """`folds_in_use`, with training utterances repeated as often as they occur in an epoch."""
        corpora = self.corpora_in_use
        return {role: next(iter(corpus.training_folds.values())) for role, corpus in corpora.items()}

    @property
    def splits(self) -> Mapping[str, Split]:
        """The parts "train", "validation" and "test" of the current stage."""
        return self._splits(self._plans[self._stage])

    @property
    def all_splits(self) -> tuple[Split, ...]:
        """The parts of all stages, in the order of their use, then the source's test part if it is scored."""
        planned = (split for plan in self._plans.values() for split in self._splits(plan).values())
        return (*planned, *([self.source.splits["test"]] if self._tests_source else []))

    @property
    def report(self) -> DataReport:
        """What is used of both corpora, what is left out, and notes for every result."""
        reports = {role: item.report for role, item in self.corpora_in_use.items()}
        report = report_pair(
            self.setting,
            self._plans,
            reports,
            self.unlabelled,
            (self.continues_from, self.shares_epochs),
            self.trains_on_everything,
        )
        return replace(report, notes=(*self._same_corpus(), *self._copies(), *report.notes))

    def _same_corpus(self) -> list[str]:
        """Return a note on utterances that both corpora contain, in whatever part."""
        if len(self.corpora_in_use) < len(ROLES):
            return []
        source, target = (
            {(item.corpus, item.id) for part in PARTS for item in getattr(fold, part)}
            for fold in self.folds_in_use.values()
        )
        if not (shared := source & target):
            return []
        return [
            f"source and target are one corpus: {count(len(shared), 'utterance')} belong to both. "
            "Test clips differ from training clips, but scores say nothing about transfer between corpora"
        ]

    def _copies(self) -> list[str]:
        """Return notes on recordings that both corpora contain as copies in different files."""
        if len(self.corpora_in_use) < len(ROLES):
            return []
        return [
            *self._copied(SOURCE, self._parts_of_source, TARGET, ("validation", "test")),
            *(self._copied(TARGET, SEEN, SOURCE, ("test",)) if self._tests_source else []),
        ]

    def _copied(self, one: str, parts: Sequence[str], other: str, held_out: Sequence[str]) -> list[str]:
        """Return a note on recordings that are held out in one corpus and in some parts of the other."""
        used, tested = (self.corpora_in_use[role].splits for role in (one, other))
        known = {key for part in parts if part in used for key in used[part].audio_keys}
        copies = [
            key for part in held_out if part in tested for key in tested[part].audio_keys if key in known
        ]
        return (
            [f"leakage: {len(copies)} recordings held out in the {other} are also in the {one}"]
            if copies
            else []
        )

    @property
    def _parts_of_source(self) -> Sequence[str]:
        """The parts of the source that must have nothing of what is held out in the target."""
        return SEEN if self._tests_source else PARTS

    def _splits(self, plan: Plan) -> dict[str, Split]:
        corpora = self.corpora_in_use
        return {part: corpora[role].splits[part] for part, role in plan._asdict().items()}

    def _uses(self, role: str, part: str) -> bool:
        used_unlabelled = self._target_train and (role, part) == ("target", "train")
        of_source = self._tests_source and (role, part) == (SOURCE, "test")
        planned = any(getattr(plan, part) == role for plan in self._plans.values())
        return self._every_part or used_unlabelled or of_source or planned

    def _check_overlap(self) -> None:
        if len(self.corpora_in_use) < len(ROLES):
            return
        check_ids(self._used(SOURCE, PARTS), self._used(TARGET, PARTS))
        source = self._used(SOURCE, self._parts_of_source)
        check_clips(source, self._used(TARGET, ("validation", "test")))
        if not self.target.allows_speaker_overlap:
            check_speakers(source, self._used(TARGET, ("test",)))
        if self._tests_source:
            self._check_source_test()

    def _check_source_test(self) -> None:
        """Raise if the second stage trains or selects on clips or speakers of the source's test part."""
        tested, target = self._used(SOURCE, ("test",)), self._used(TARGET, SEEN)
        check_clips(target, tested, (TARGET, SOURCE))
        if not self.source.allows_speaker_overlap:
            check_speakers(target, tested, (TARGET, SOURCE))

    def _used(self, role: str, parts: Sequence[str]) -> list[Utterance]:
        splits = self.corpora_in_use[role].splits
        return [utterance for part in parts if part in splits for utterance in splits[part].utterances]


def _check_stages(setting: str, continue_from: str, epoch_budget: str) -> None:
    for name, value, valid in (
        ("continue_from", continue_from, WEIGHTS),
        ("epoch_budget", epoch_budget, BUDGETS),
    ):
        if value not in valid:
            raise UnknownNameError(name, value, valid)
        if value != valid[0] and setting != TWO_STAGE:
            raise UsageError(
                f"{name} {value!r} is for the setting {TWO_STAGE!r} and has no effect in {setting!r}; "
                f"leave it out."
            )


def _check_labels(source: CorpusDataModule, target: CorpusDataModule) -> None:
    # The order of the classes matters, too, which comparing dicts would miss.
    if list(source.label_map.items()) != list(target.label_map.items()):
        raise UsageError(
            f"the labels of the source {source.title} are {source.label_map}, those of the target "
            f"{target.title} are {target.label_map}. Give both the same with --data.source.labels and "
            "--data.target.labels."
        )
