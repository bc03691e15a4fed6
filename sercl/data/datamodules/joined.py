"""Several corpora that are used as one."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from sercl.audio.augment import AugmentConfig
from sercl.corpora.base import PARTS, Listing, Utterance
from sercl.corpora.folds import Fold, FoldConfig
from sercl.corpora.labels import label_scheme
from sercl.corpora.where import Where, selection_of
from sercl.counting import count
from sercl.data.balance import BY_CORPUS, PROPORTIONAL, WEIGHTS, groups_of, in_rounds, repeats
from sercl.data.config import LoaderConfig
from sercl.data.datamodules.corpus import (
    CorpusDataModule,
    Labels,
    all_train_on_everything,
    joint_checked,
    joint_fold_count,
    joint_split,
    set_joint_fold,
)
from sercl.data.datamodules.overlap import check_apart
from sercl.data.report import Checked, DataReport, merged_report
from sercl.data.split import Split, picked
from sercl.errors import FoldError, UnknownNameError, UsageError


class Corpora(CorpusDataModule):
    """Several corpora as one: each with its own folds, joined part by part.

    Fold k of all corpora is joined; a corpus with a single fold keeps it. Speakers of one name in two
    corpora are two speakers. It can be used wherever one corpus can, also as source of a `LanguagePair`.

    Args:
        corpora: The corpora, each with its root, folds, on_error and options of its own, in a list; or in a
            map from a name of one's own, which they then have in tables. What concerns all of them (labels,
            loader, augment) is set here, once.
        weights: How much each corpus counts in training: `proportional` to its utterances; or `by-corpus`,
            `by-language` or `by-speaker`: smaller ones are repeated in each epoch until all have the same
            size.
        labels: As for one corpus; a corpus may lack some of the classes, but not all corpora the same one.
        loader: Checks of clips, batches, workers.
        augment: Augmentation of training clips; off by default.
        where: As for one corpus, for all of them, besides the conditions that each may have of its own. Each
            value must occur in one of the corpora, and in each corpus utterances must be left.

    Raises:
        UsageError: For no corpus, two of the same name, or options of one corpus that all of them share.
    """

    def __init__(
        self,
        corpora: list[CorpusDataModule] | dict[str, CorpusDataModule],
        weights: str = PROPORTIONAL,
        labels: Labels = "4",
        loader: LoaderConfig = LoaderConfig(),
        augment: AugmentConfig = AugmentConfig(),
        where: Where | None = None,
    ) -> None:
        if weights not in WEIGHTS:
            raise UnknownNameError("weights", weights, WEIGHTS)
        self.corpora, self.weights = _named(corpora), weights
        overlap = any(corpus.allows_speaker_overlap for corpus in self.corpora)
        folds = FoldConfig(allow_speaker_overlap=overlap)
        self.corpus = " + ".join(corpus.corpus for corpus in self.corpora)
        super().__init__("", labels, "raise", folds, loader, augment, where)
        self._is_narrowed = False
        _check(self.corpora)
        for corpus in self.corpora:
            self._share(corpus)

    def _share(self, corpus: CorpusDataModule) -> None:
        """Give a corpus the options that all share, unless it has others of its own."""
        for name, own, shared, default in (
            ("labels", corpus.scheme, self.scheme, label_scheme("4")),
            ("loader", corpus.loader_config, self.loader_config, LoaderConfig()),
            ("augment", corpus.augment_config, self.augment_config, AugmentConfig()),
        ):
            if own not in (default, shared):
                raise UsageError(
                    f"{name} of {corpus.corpus}: corpora that are used as one share their {name}. Give "
                    f"--data.{name} for all, and leave it out of {corpus.corpus}."
                )
        corpus.scheme, corpus.loader_config = self.scheme, self.loader_config
        corpus.augment_config, corpus.may_lack_classes = self.augment_config, True
        corpus.shared_where = self.where

    @property
    def title(self) -> str:
        """The corpora, each with its conditions."""
        return " + ".join(corpus.title for corpus in self.corpora)

    @property
    def conditions(self) -> str:
        """The conditions on each corpus in words, "" for none."""
        return ", ".join(f"{own.corpus}: {own.conditions}" for own in self.corpora if own.conditions)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the corpora."""
        return tuple(name for corpus in self.corpora for name in corpus.names)

    def read(self) -> Listing:
        """List the selected utterances of all corpora."""
        self._narrow()
        listings = [corpus.listed() for corpus in self.corpora]
        return Listing(
            tuple(_with_person(item) for listing in listings for item in listing.utterances),
            tuple(problem for listing in listings for problem in listing.problems),
            tuple(note for listing in listings for note in listing.notes),
        )

    def read_selected(self) -> Listing:
        """List the utterances of all corpora that meet the conditions; raises as for one corpus."""
        return self.read()

    def list_corpora(self) -> None:
        """Before `setup`: list all corpora; raises `CorpusError` as `setup`."""
        self._narrow()
        for corpus in self.corpora:
            corpus.list_corpora()

    def _narrow(self) -> None:
        """Apply the conditions on all corpora, once."""
        if self._is_narrowed or not self.where:
            return
        every = [item for corpus in self.corpora for item in corpus.listed().utterances]
        selection = selection_of(every, self.where, self.corpus)
        for corpus in self.corpora:
            corpus.narrow(selection)
        self._is_narrowed = True

    def score_only(self, part: str) -> None:
        """Before `setup`: prepare only the part that a trained model is scored on; see the base class."""
        super().score_only(part)
        for corpus in self.corpora:
            corpus.score_only(part)

    def is_known_to(self, corpora: Iterable[str]) -> bool:
        """Return whether any utterance is from one of some corpora; raises `CorpusError` as `setup`."""
        self._narrow()
        names = list(corpora)
        return any(corpus.is_known_to(names) for corpus in self.corpora)

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages of all corpora; raises `CorpusError` as `setup`."""
        self._narrow()
        return tuple(sorted({language for corpus in self.corpora for language in corpus.languages}))

    def prepare(self, parts: Sequence[str]) -> None:
        """Do the work of `setup` for some parts only; the audio of the others is not read."""
        self._narrow()
        for corpus in self.corpora:
            corpus.on_progress, corpus.memories = self.on_progress, self.memories
            corpus.use_preprocessing(self.preprocess)
            corpus.prepare(parts)
        self._check_fold()

    @property
    def trains_on_everything(self) -> bool:
        """Whether everything is for training, and nothing for validation and test."""
        return all_train_on_everything(self.corpora)

    @property
    def fold_count(self) -> int:
        """Number of folds; a corpus with a single one keeps it.

        Raises:
            UsageError: If corpora have different numbers of folds, other than one.
        """
        return joint_fold_count(self.corpora, "folds", "Give all corpora the same number (folds.count).")

    def set_fold(self, index: int) -> None:
        """Switch every corpus to another fold.

        Args:
            index: From 0 to `fold_count - 1`.

        Raises:
            UsageError: If there is no such fold.
            FoldError: As `setup`.
        """
        set_joint_fold(self.corpora, index, self.fold_count)
        self._check_fold()

    @property
    def fold(self) -> Fold:
        """The folds of all corpora, joined part by part; raises `UsageError` before `setup`."""
        folds = [corpus.fold for corpus in self.corpora]
        first = max(folds, key=lambda fold: fold.count)
        schemes = dict.fromkeys(fold.scheme for fold in folds)
        parts = {
            part: tuple(_with_person(item) for fold in folds for item in fold.parts[part]) for part in PARTS
        }
        remarks = tuple(
            f"{corpus.title}: {remark}"
            for corpus, fold in zip(self.corpora, folds, strict=True)
            for remark in fold.remarks
        )
        return Fold("+".join(schemes), first.index, first.count, self.scheme, **parts, remarks=remarks)

    @property
    def training_folds(self) -> Mapping[str, Fold]:
        """The fold with training utterances repeated by `weights`, by the name of the corpus."""
        fold = self.fold
        times = self._repeats(fold.train)
        train = tuple(item for item, often in zip(fold.train, times, strict=True) for _ in range(often))
        return {self.title: replace(fold, train=train)}

    @property
    def listing_notes(self) -> tuple[str, ...]:
        """Notes of the readers on spellings that they treated as one name or as several."""
        return tuple(f"{own.title}: {note}" for own in self.corpora for note in own.listing_notes)

    @property
    def unlisted(self) -> str:
        """A note on audio that the tables of the corpora do not list, "" for none."""
        return "; ".join(f"{own.title}: {own.unlisted}" for own in self.corpora if own.unlisted)

    @property
    def checked(self) -> Mapping[str, Checked]:
        """All usable utterances of all folds so far, by id."""
        return joint_checked(self.corpora)

    @property
    def splits(self) -> Mapping[str, Split]:
        """The parts whose audio has been checked, with training utterances repeated by `weights`."""
        own = [corpus.splits for corpus in self.corpora]
        parts = [part for part in PARTS if all(part in splits for splits in own)]
        return MappingProxyType({part: self._weighted(part, [each[part] for each in own]) for part in parts})

    def split_of(self, ids: Sequence[str]) -> Split:
        """Return some checked utterances as a split."""
        return _with_persons(joint_split(self.corpora, ids))

    @property
    def report(self) -> DataReport:
        """What is used of all corpora, who has which class, what is left out, and notes."""
        report = merged_report([corpus.report for corpus in self.corpora], [])
        counts = self._class_counts()
        notes = (*self._weight_notes(), *_rare_notes(counts), *self._copy_notes())
        return replace(report, corpora=counts, notes=(*notes, *report.notes))

    def _weighted(self, part: str, splits: Sequence[Split]) -> Split:
        whole = _with_persons(splits[0].joined(splits[1:]))
        if part != "train" or self.weights == PROPORTIONAL:
            return whole
        return picked(whole, in_rounds(self._repeats(whole.utterances)))

    def _repeats(self, utterances: Sequence[Utterance]) -> list[int]:
        if self.weights == PROPORTIONAL:
            return [1] * len(utterances)
        return repeats(self._groups(utterances), self.loader_config.seed)

    def _groups(self, utterances: Sequence[Utterance]) -> list[str]:
        if self.weights != BY_CORPUS:
            return groups_of(self.weights, utterances)
        owners = {id: corpus.title for corpus in self.corpora for id in corpus.checked}
        return [owners[item.id] for item in utterances]

    def _check_fold(self) -> None:
        parts = {corpus.title: corpus.fold.parts for corpus in self.corpora}
        check_apart(parts, self.allows_speaker_overlap)
        if self._scored is not None or self.may_lack_classes:
            return
        counts = [corpus.fold.counts["train"] for corpus in self.corpora]
        if absent := [name for name in self.classes if not any(own[name] for own in counts)]:
            raise FoldError(
                f"no training utterance of {', '.join(absent)} in any of {self.corpus}. Add a corpus that "
                "has them, or choose other labels (--data.labels)."
            )

    def _class_counts(self) -> dict[str, dict[str, int]]:
        """Return corpus -> class -> number of utterances in all parts of the fold."""
        return {
            corpus.title: {
                name: sum(part[name] for part in corpus.fold.counts.values()) for name in self.classes
            }
            for corpus in self.corpora
        }

    def _weight_notes(self) -> list[str]:
        if self.weights == PROPORTIONAL or "train" not in self.splits:
            return []
        train = self.splits["train"].utterances
        counts = Counter(self._groups(train))
        different = len({item.id for item in train})
        return [
            f"weights {self.weights}: {len(train)} training utterances per epoch, {max(counts.values())} for "
            f"each of {len(counts)}, from {different} different ones"
        ]

    def _copy_notes(self) -> list[str]:
        """Return notes on recordings that several corpora have as copies in different files."""
        owners: dict[str, set[str]] = {}
        for corpus in self.corpora:
            for split in corpus.splits.values():
                for key in split.audio_keys:
                    owners.setdefault(key, set()).add(corpus.title)
        shared = {key for key, names in owners.items() if len(names) > 1}
        splits = self.splits
        known = {key for part in ("train", "validation") if part in splits for key in splits[part].audio_keys}
        leaked = len(shared & known & set(splits["test"].audio_keys)) if "test" in splits else 0
        notes = [f"{count(len(shared), 'recording')} in more than one of the corpora"] if shared else []
        leaks = f"leakage: {count(leaked, 'test recording')} also in training or validation of another corpus"
        return [*notes, leaks] if leaked else notes


def _with_person(item: Utterance) -> Utterance:
    """Return an utterance whose speaker is unique across corpora."""
    return replace(item, speaker=item.person)


def _with_persons(split: Split) -> Split:
    """Return a split whose speakers are unique across corpora."""
    return replace(split, utterances=tuple(map(_with_person, split.utterances)))


def _rare_notes(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return notes on classes that only one corpus has."""
    alone: dict[str, list[str]] = {}
    for name in next(iter(counts.values())):
        having = [corpus for corpus, own in counts.items() if own[name]]
        if len(having) == 1 < len(counts):
            alone.setdefault(having[0], []).append(name)
    return [f"only {corpus} has {', '.join(names)}" for corpus, names in alone.items()]


def _named(corpora: Sequence[CorpusDataModule] | Mapping[str, CorpusDataModule]) -> list[CorpusDataModule]:
    """Return the corpora, with the names of a map."""
    if not isinstance(corpora, Mapping):
        return list(corpora)
    for name, corpus in corpora.items():
        corpus.call(name)
    return list(corpora.values())


def _check(corpora: Sequence[CorpusDataModule]) -> None:
    if not corpora:
        raise UsageError("no corpus to use. Give --data.corpora.")
    names = [corpus.title for corpus in corpora]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(
            f"two corpora are called {twice[0]}. Give each a unique name, in a map instead of a list "
            f"(corpora: {{NAME: {{class_path: {twice[0]}, ...}}}}), or conditions (where) of its own."
        )
