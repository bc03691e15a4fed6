from abc import abstractmethod
from collections import ChainMap
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from sercl.audio.augment import Augment, AugmentConfig
from sercl.audio.scan import Limits
from sercl.corpora.base import PARTS, Listing, Problem, Utterance
from sercl.corpora.folds import NO_FOLDS, WHOLE, CutFolds, Fold, FoldConfig, check_fold, make_scored_fold
from sercl.corpora.folds.draw import listed
from sercl.corpora.labels import LabelScheme, label_scheme
from sercl.corpora.where import Selection, Where, check_where, in_words, selection_of
from sercl.data.config import LoaderConfig
from sercl.data.datamodules.base import EmotionDataModule
from sercl.data.report import (
    Checked,
    DataReport,
    Scanned,
    check_policy,
    enforce,
    listed_kinds,
    report_split,
    scan_utterances,
)
from sercl.data.speech import speech_of
from sercl.data.split import Split
from sercl.errors import UsageError

Labels = str | int | dict[str, str | list[str]]
Conditions = Where | None


class CorpusDataModule(EmotionDataModule):
    """One corpus: from its folder to batches.

    Args:
        root: Folder of the corpus.
        labels: 4 (angry, happy, neutral, sad), 6 (and fearful, disgusted) or 7 (and surprised) classes; or a
            map from class to emotions; or a YAML file with such a map.
        on_error: What to do about missing, unreadable, silent or badly labelled files: "raise" stops with an
            error, "skip" skips and counts them.
        folds: Training, validation and test parts.
        loader: Checks of clips, batches, workers.
        augment: Augmentation of training clips; off by default.
        where: Use only utterances such as {dialect: bavarian, gender: female}. A column and its value, a list
            of values, null for unknown, or "!x" for all but x.

    Raises:
        UsageError: For an option that does not exist or is out of its range.
    """

    corpus: str
    """Name of the corpus in reports and messages; the class's own name unless a subclass sets it."""

    label_advice = ""
    """Advice on bad labels other than fixing them, a sentence."""

    shared_where: Where
    """Conditions on all corpora that are used as one; they hold in addition to `where`."""

    may_lack_classes = False
    """Whether training may lack a class, because another corpus is used, too."""

    def __init__(
        self,
        root: Path | str,
        labels: Labels = "4",
        on_error: str = "raise",
        folds: FoldConfig = FoldConfig(),
        loader: LoaderConfig = LoaderConfig(),
        augment: AugmentConfig = AugmentConfig(),
        where: Conditions = None,
    ) -> None:
        super().__init__()
        check_where(where or {})
        if not hasattr(self, "corpus"):
            self.corpus = type(self).__name__
        check_policy(on_error)
        self.root, self.scheme, self.on_error = Path(root), _scheme(labels), on_error
        self.fold_config, self.loader_config, self.augment_config = folds, loader, augment
        self.where: Where = dict(where or {})
        self.shared_where = {}
        self._listing: Listing | None = None
        self._folds: CutFolds | None = None
        self._fold: Fold | None = None
        self._scored: str | None = None
        self._scanned = Scanned({}, {})
        self._parts: dict[str, tuple[Utterance, ...]] = {}

    def call(self, name: str) -> None:
        """Before `setup`: give the corpus a name for reports and messages."""
        self.corpus = name

    @property
    def names(self) -> tuple[str, ...]:
        """Its name, or those of the corpora that it consists of."""
        return (self.title,)

    @property
    def classes(self) -> list[str]:
        """Class names; their index is the class index."""
        return list(self.scheme.classes)

    @property
    def label_map(self) -> dict[str, list[str]]:
        """Class -> emotions that belong to it, in class order."""
        return self.scheme.to_dict()

    @property
    def can_use_features(self) -> bool:
        """Whether no training clip is augmented."""
        return not self.augment_config.enabled

    @property
    def title(self) -> str:
        """The corpus with the conditions of `where`, which distinguish two selections of one corpus."""
        return f"{self.corpus} ({self.conditions})" if self.conditions else self.corpus

    @property
    def conditions(self) -> str:
        """The conditions of `where` in words, "" for none."""
        return "; ".join(in_words(where) for where in (self.where, self.shared_where) if where)

    @abstractmethod
    def read(self) -> Listing:
        """List the corpus."""

    def read_selected(self) -> Listing:
        """List the utterances that meet the conditions of `where`; raises `UsageError` as `selection_of`."""
        listing = self.read()
        if not self.where:
            return listing
        return selection_of(listing.utterances, self.where, self.corpus).narrow(listing, self.corpus)

    def narrow(self, selection: Selection) -> None:
        """Before `setup`: leave out utterances that do not meet `shared_where`, too.

        Args:
            selection: These conditions, with the values that any of the corpora has.

        Raises:
            CorpusError: As `setup`.
            UsageError: If no utterance is left.
        """
        self._listing = selection.narrow(self.listed(), self.corpus)

    def list_corpora(self) -> None:
        """Before `setup`: list the corpus, if it is not yet; raises `CorpusError` as `setup`."""
        self.listed()

    def setup(self, stage: str | None = None) -> None:
        """List the corpus, cut the fold and check its audio; a second call does nothing.

        Args:
            stage: Lightning's; all parts are always prepared, since their speakers must be compared.

        Raises:
            CorpusError: If the folder is not the corpus, or has problems and `on_error` is "raise".
            FoldError: If the fold cannot be cut, or a part or class is empty because of problems.
        """
        self.prepare(PARTS)

    def score_only(self, part: str) -> None:
        """Before `setup`: prepare only the part that a trained model is scored on; see the base class."""
        self._scored = part

    def is_known_to(self, corpora: Iterable[str]) -> bool:
        """Return whether any utterance is from one of some corpora.

        Raises:
            CorpusError: As `setup`.
        """
        return not {item.corpus for item in self.listed().utterances}.isdisjoint(corpora)

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages of all utterances, ISO 639-1; the corpus is listed. Raises `CorpusError` as `setup`."""
        return tuple(sorted({item.language for item in self.listed().utterances}))

    def prepare(self, parts: Sequence[str]) -> None:
        """Do the work of `setup` for some parts only; the audio of the others is not read."""
        utterances = self.listed().utterances
        if self._fold is None:
            self._fold, self._parts = self._cut(utterances), {}
        if self._scored == WHOLE:
            parts = [part for part in parts if part == "test"]
        if new := [part for part in parts if part not in self._parts]:
            self._scan(new)

    def _cut(self, utterances: Sequence[Utterance]) -> Fold:
        if self._scored is not None:
            return make_scored_fold(utterances, self.scheme, self.fold_config, self._scored)
        if self._folds is None:
            self._folds = CutFolds(utterances, self.scheme, self.fold_config)
        return self._folds.fold(self.fold_config.one, self.may_lack_classes)

    def listed(self) -> Listing:
        """Return the selected utterances of the corpus, listed once; raises `CorpusError` as `setup`."""
        if self._listing is None:
            self._listing = self.read_selected()
            left = len(self._listing.utterances)
            enforce(self._listing.problems, self.on_error, self.corpus, self.label_advice, left)
        return self._listing

    @property
    def allows_speaker_overlap(self) -> bool:
        """Whether speakers may be in both training and test."""
        return self.fold_config.allow_speaker_overlap

    @property
    def trains_on_everything(self) -> bool:
        """Whether everything is for training, and nothing for validation and test."""
        return self.fold_config.trains_on_everything

    @property
    def fold_count(self) -> int:
        """Number of folds of the scheme."""
        return self.fold.count

    def set_fold(self, index: int) -> None:
        """Switch to another fold of the same listing; audio is checked only once.

        Args:
            index: From 0 to `fold_count - 1`.

        Raises:
            UsageError: If the scheme has no such fold, or no folds.
            FoldError: As `setup`.
        """
        if self.trains_on_everything:
            raise UsageError(
                f"{self.corpus}: the fold scheme {NO_FOLDS!r} leaves nothing to test on. It is for the final "
                "model of `sercl fit` and `sercl diarize fit`. Choose another scheme."
            )
        parts = list(self._parts)
        self.fold_config, self._fold = replace(self.fold_config, index=index), None
        self.prepare(parts)

    @property
    def fold(self) -> Fold:
        """The fold, without the utterances that were left out because of their audio."""
        if self._fold is None:
            raise UsageError(f"{self.corpus}: the data are not loaded yet; call setup() first.")
        return self._fold

    @property
    def folds_in_use(self) -> Mapping[str, Fold]:
        """The fold, by the name of the corpus."""
        return {self.title: self.fold}

    @property
    def listing_notes(self) -> tuple[str, ...]:
        """Notes on what was selected, and on spellings that the reader treated as one name or as several."""
        return self._listing.notes if self._listing else ()

    @property
    def unlisted(self) -> str:
        """A note on audio that the corpus's table does not list, "" for none."""
        found = self._listing.unlisted if self._listing else None
        return found.line if found else ""

    @property
    def checked(self) -> Mapping[str, Checked]:
        """All usable utterances of all folds so far, by id."""
        return MappingProxyType(self._scanned.checked)

    @property
    def splits(self) -> Mapping[str, Split]:
        """The parts whose audio has been checked."""
        parts = self.fold.parts
        return MappingProxyType({part: self._split(parts[part]) for part in parts if part in self._parts})

    def split_of(self, ids: Sequence[str]) -> Split:
        """Return some checked utterances as a split."""
        return self._split([self._scanned.checked[id].utterance for id in ids])

    @property
    def report(self) -> DataReport:
        """What is used, what is left out, and notes for every result."""
        listing = self._listing or Listing(())
        _, dropped = self.scheme.split(listing.utterances)
        dropped.update(listing.dropped)
        return DataReport(
            name=self.title,
            classes=self.scheme.classes,
            splits={
                part: report_split(split, self.title, self.classes, self._faults(self._parts[part]))
                for part, split in self.splits.items()
            },
            dropped={self.title: dict(dropped.most_common())},
            problems={self.title: self._problems()},
            folds={self.title: fold_in_words(self.fold)} if self._scored != WHOLE else {},
            unlisted={self.title: self.unlisted} if self.unlisted else {},
            not_selected={self.title: listing.not_selected} if listing.not_selected else {},
            notes=(
                *self.fold.notes,
                *self.listing_notes,
                *self._listing_notes(),
                *self._skip_notes(),
                *self._duplicate_notes(),
                *self._speech_notes(),
            ),
        )

    def _scan(self, parts: Sequence[str]) -> None:
        limits = Limits(self.loader_config.min_seconds, self.loader_config.max_seconds or None)
        whole = self.fold.parts
        for part in parts:
            new = [item for item in whole[part] if not self._is_scanned(item)]
            what = f"{self.corpus}: checking {part} audio"
            scanned = (
                scan_utterances(new, limits, what, self.on_progress, self.memories.scans)
                if new
                else Scanned({}, {})
            )
            self._scanned.checked.update(self._with_speech(part, scanned.checked))
            self._scanned.faults.update(scanned.faults)
        enforce([fault for part in parts for fault in self._faults(whole[part])], self.on_error, self.corpus)
        fold = self.fold
        for part in {*self._parts, *parts}:
            fit = tuple(item for item in whole[part] if item.id not in self._scanned.faults)
            fold = replace(fold, **{part: fit})  # type: ignore[arg-type]
        check_fold(fold, self.fold_config.allow_speaker_overlap, self.may_lack_classes, self._scored)
        self._fold = fold
        self._parts |= {part: whole[part] for part in parts}

    def _with_speech(self, part: str, checked: Mapping[str, Checked]) -> dict[str, Checked]:
        """Return checked utterances with their stretches of speech, if preprocessing needs them."""
        what = f"{self.corpus}: finding speech: {part}"
        report = None if self.on_progress is None else partial(self.on_progress, what)
        speech = speech_of(list(checked.values()), self.preprocess, self.memories.speech, report)
        return {id: item._replace(speech=speech.get(item.audio_key, ())) for id, item in checked.items()}

    def _is_scanned(self, utterance: Utterance) -> bool:
        return utterance.id in self._scanned.checked or utterance.id in self._scanned.faults

    def _faults(self, utterances: Sequence[Utterance]) -> list[Problem]:
        """Return the problems of those utterances that cannot be used."""
        found = (self._scanned.faults.get(utterance.id) for utterance in utterances)
        return [fault for fault in found if fault is not None]

    def _split(self, utterances: Sequence[Utterance]) -> Split:
        checked = [self._scanned.checked[utterance.id] for utterance in utterances]
        indices = (self.scheme.index(utterance.emotion) for utterance in utterances)
        return Split(
            utterances=tuple(utterances),
            labels=tuple(index for index in indices if index is not None),
            seconds=tuple(item.seconds for item in checked),
            audio_keys=tuple(item.audio_key for item in checked),
            config=self.loader_config,
            preprocess=self.preprocess,
            speech=tuple(item.speech for item in checked),
            augment=Augment(self.augment_config) if self.augment_config.enabled else None,
            corpora=(self.title,) * len(utterances),
        )

    def _problems(self) -> tuple[Problem, ...]:
        listed = self._listing.problems if self._listing else ()
        return (*listed, *(fault for part in self._parts.values() for fault in self._faults(part)))

    def _listing_notes(self) -> list[str]:
        listed = self._listing.problems if self._listing else ()
        costly = [problem for problem in listed if problem.costs_an_utterance]
        if not costly:
            return []
        return [f"{len(costly)} files or labels of {self.corpus} cannot be used ({listed_kinds(costly)})"]

    def _skip_notes(self) -> list[str]:
        notes = []
        for part, utterances in self._parts.items():
            if faults := self._faults(utterances):
                kinds = listed_kinds(faults)
                notes.append(f"{part}: {len(faults)} of {len(utterances)} utterances left out ({kinds})")
        return notes

    def _speech_notes(self) -> list[str]:
        if not self.preprocess.needs_speech:
            return []
        splits = self.splits.values()
        silent = sum(not speech for split in splits for speech in split.speech)
        total = sum(len(split.speech) for split in splits)
        return (
            [f"{silent} of {total} clips have no detected speech: they are used whole, at their own level"]
            if silent
            else []
        )

    def _duplicate_notes(self) -> list[str]:
        splits = self.splits
        if not {"train", "test"} <= splits.keys():
            return []
        train = set(splits["train"].audio_keys)
        count = sum(key in train for key in splits["test"].audio_keys)
        return [f"{count} test utterances contain the same samples as training utterances"] if count else []


def fold_in_words(fold: Fold) -> str:
    """Return the fold in words, and whether it depends on the labels: "speaker fold 0 of 5, ..."."""
    return fold.name + (", balanced for these classes" if fold.scheme == "speaker" else "")


def _scheme(labels: Labels) -> LabelScheme:
    return label_scheme(str(labels) if isinstance(labels, int) else labels)


def joint_checked(corpora: Collection[CorpusDataModule]) -> Mapping[str, Checked]:
    """Return the usable utterances of all folds of several corpora so far, by id."""
    return ChainMap(*(dict(corpus.checked) for corpus in corpora))


def joint_split(corpora: Collection[CorpusDataModule], ids: Sequence[str]) -> Split:
    """Return some checked utterances of several corpora as a split, batched like the first corpus."""
    first, *others = (corpus.split_of([id for id in ids if id in corpus.checked]) for corpus in corpora)
    return first.joined(others)


def all_train_on_everything(corpora: Collection[CorpusDataModule]) -> bool:
    """Return whether all corpora that are used together are for training only.

    Raises:
        UsageError: If some are and others have folds.
    """
    found = {corpus.corpus: corpus.trains_on_everything for corpus in corpora}
    if len(set(found.values())) > 1:
        whole = ", ".join(name for name, everything in found.items() if everything)
        raise UsageError(
            f"folds: the scheme {NO_FOLDS!r} is for all corpora or none of them, but only {whole} has it."
        )
    return all(found.values())


def joint_fold_count(corpora: Collection[CorpusDataModule], whose: str, advice: str) -> int:
    """Return the number of folds; a corpus with a single one keeps it.

    Args:
        corpora: The corpora, set up.
        whose: What the message calls the folds ("folds of a pair").
        advice: Its last sentence.

    Raises:
        UsageError: If corpora have different numbers of folds, other than one.
    """
    counts = {corpus.title: corpus.fold_count for corpus in corpora}
    if len({count for count in counts.values() if count > 1}) > 1:
        raise UsageError(f"{whose} are paired by index, but there are {listed(counts)}. {advice}")
    return max(counts.values())


def set_joint_fold(corpora: Collection[CorpusDataModule], index: int, count: int) -> None:
    """Switch every corpus to another fold; one with a single fold keeps it.

    Args:
        corpora: The corpora, set up.
        index: From 0 to `count - 1`.
        count: From `joint_fold_count`.

    Raises:
        UsageError: If there is no such fold.
        FoldError: As `CorpusDataModule.setup`.
    """
    if not 0 <= index < count:
        raise UsageError(f"there is no fold {index}; valid: 0 to {count - 1}.")
    for corpus in corpora:
        corpus.set_fold(min(index, corpus.fold_count - 1))
