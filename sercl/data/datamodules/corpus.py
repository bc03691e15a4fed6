from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from sercl.audio.augment import Augment, AugmentConfig
from sercl.audio.scan import Limits
from sercl.corpora.base import Listing, Problem
from sercl.corpora.folds import Fold, FoldConfig, check_fold, make_fold
from sercl.corpora.labels import LabelScheme, label_scheme
from sercl.data.config import LoaderConfig
from sercl.data.datamodules.base import EmotionDataModule
from sercl.data.problems import Scanned, check_policy, enforce, listed_kinds, scan_utterances
from sercl.data.report import DataReport, report_split
from sercl.data.split import Split
from sercl.errors import UsageError

PARTS = ("train", "validation", "test")

Labels = str | int | dict[str, str | list[str]]


class CorpusDataModule(EmotionDataModule):
    """One corpus: from its folder to batches.

    Args:
        root: Folder of the corpus.
        labels: 4 (angry, happy, neutral, sad), 6 (and fearful, disgusted) or 7 (and surprised) classes; or a
            map from class to emotions; or a YAML file with such a map.
        on_error: What missing, unreadable, silent or badly labelled files do: "raise" stops with the first of
            them, "skip" leaves them out and counts them.
        folds: Who trains, who validates, who tests.
        loader: Checks of the clips, batches, workers.
        augment: Changes made to training clips; none unless asked for.

    Raises:
        UsageError: For an option that does not exist or is out of its range.
    """

    corpus: str
    """Name of the corpus in reports and messages."""

    def __init__(
        self,
        root: Path | str,
        labels: Labels = "4",
        on_error: str = "raise",
        folds: FoldConfig = FoldConfig(),
        loader: LoaderConfig = LoaderConfig(),
        augment: AugmentConfig = AugmentConfig(),
    ) -> None:
        super().__init__()
        check_policy(on_error)
        self.root, self.scheme, self.on_error = Path(root), _scheme(labels), on_error
        self.fold_config, self.loader_config, self.augment_config = folds, loader, augment
        self._listing: Listing | None = None
        self._fold: Fold | None = None
        self._scanned: dict[str, Scanned] = {}

    @property
    def classes(self) -> list[str]:
        """Class names; their position is the class index."""
        return list(self.scheme.classes)

    @property
    def label_map(self) -> dict[str, list[str]]:
        """Class -> the emotions that count as it, in class order."""
        return self.scheme.to_dict()

    @property
    def can_use_features(self) -> bool:
        """Whether no training clip is augmented."""
        return not self.augment_config.enabled

    @abstractmethod
    def read(self) -> Listing:
        """List the corpus."""

    def setup(self, stage: str | None = None) -> None:
        """List the corpus, cut the fold and check its audio; a second call does nothing.

        Args:
            stage: Lightning's; all parts are always made, since their speakers must be compared.

        Raises:
            CorpusError: If the folder is not the corpus, or has problems and `on_error` is "raise".
            FoldError: If the fold cannot be cut, or has lost a part or a class to problems.
        """
        self.prepare(PARTS)

    def prepare(self, parts: Sequence[str]) -> None:
        """Do the work of `setup` for some parts; the audio of the others is not read."""
        if self._listing is None or self._fold is None:
            self._listing = self.read()
            enforce(self._listing.problems, self.on_error, self.corpus)
            self._fold = make_fold(self._listing.utterances, self.scheme, self.fold_config)
        if new := [part for part in parts if part not in self._scanned]:
            self._scan(new)

    @property
    def fold(self) -> Fold:
        """The fold, without the utterances that were left out for their audio."""
        if self._fold is None:
            raise UsageError(f"{self.corpus}: the data are not there yet; call setup() first.")
        return self._fold

    @property
    def folds_in_use(self) -> Mapping[str, Fold]:
        """The fold, by the name of the corpus."""
        return {self.corpus: self.fold}

    @property
    def splits(self) -> Mapping[str, Split]:
        """The parts whose audio has been checked."""
        parts = self.fold.parts
        return MappingProxyType({part: self._split(part) for part in parts if part in self._scanned})

    @property
    def report(self) -> DataReport:
        """What is used, what is left out, and the notes that belong beside every result."""
        _, dropped = self.scheme.split(self._listing.utterances if self._listing else ())
        return DataReport(
            name=self.corpus,
            classes=self.scheme.classes,
            splits={
                part: report_split(split, self.corpus, self.classes, self._scanned[part].problems)
                for part, split in self.splits.items()
            },
            dropped={self.corpus: dict(dropped.most_common())},
            problems={self.corpus: self._problems()},
            notes=(*self.fold.notes, *self._skip_notes(), *self._duplicate_notes()),
        )

    def _scan(self, parts: Sequence[str]) -> None:
        limits = Limits(self.loader_config.min_seconds, self.loader_config.max_seconds or None)
        found = {}
        for part in parts:
            what = f"{self.corpus}: checking {part} audio"
            found[part] = scan_utterances(self.fold.parts[part], limits, what, self.on_progress)
        enforce([problem for part in found.values() for problem in part.problems], self.on_error, self.corpus)
        kept = self.fold.parts | {part: scanned.utterances for part, scanned in found.items()}
        fold = replace(self.fold, train=kept["train"], validation=kept["validation"], test=kept["test"])
        check_fold(fold, self.fold_config.allow_speaker_overlap)
        self._fold = fold
        self._scanned |= found

    def _split(self, part: str) -> Split:
        scanned = self._scanned[part]
        indices = (self.scheme.index(utterance.emotion) for utterance in scanned.utterances)
        return Split(
            utterances=scanned.utterances,
            labels=tuple(index for index in indices if index is not None),
            seconds=scanned.seconds,
            config=self.loader_config,
            augment=Augment(self.augment_config) if self.augment_config.enabled else None,
        )

    def _problems(self) -> tuple[Problem, ...]:
        listed = self._listing.problems if self._listing else ()
        return (*listed, *(problem for part in self._scanned.values() for problem in part.problems))

    def _skip_notes(self) -> list[str]:
        notes = []
        for part, (utterances, _, _, problems) in self._scanned.items():
            if problems:
                total = len(utterances) + len(problems)
                kinds = listed_kinds(problems)
                notes.append(f"{part}: {len(problems)} of {total} utterances left out ({kinds})")
        return notes

    def _duplicate_notes(self) -> list[str]:
        if not {"train", "test"} <= self._scanned.keys():
            return []
        train = set(self._scanned["train"].digests)
        count = sum(digest in train for digest in self._scanned["test"].digests)
        return [f"{count} test utterances hold the same samples as training utterances"] if count else []


def _scheme(labels: Labels) -> LabelScheme:
    return label_scheme(str(labels) if isinstance(labels, int) else labels)
