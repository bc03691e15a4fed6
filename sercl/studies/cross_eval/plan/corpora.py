"""The corpora of a study, checked and cut into all folds."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sercl.corpora.base import synthetic_notes
from sercl.corpora.folds import Fold
from sercl.counting import count as counted
from sercl.data.datamodules.base import Memories
from sercl.data.datamodules.corpus import CorpusDataModule
from sercl.data.report import Progress, listed_kinds
from sercl.errors import FoldError, UsageError
from sercl.studies.cross_eval.cells import StudyCorpus
from sercl.studies.cross_eval.plan.trainings import Subset


@dataclass(frozen=True)
class CutCorpus:
    """A corpus with all its folds.

    Attributes:
        name: Its name in the study.
        data: Its data module, set up.
        folds: The folds.
        parts: Per fold, part ("train", "validation", "test") -> its utterances.
    """

    name: str
    data: CorpusDataModule
    folds: tuple[Fold, ...]
    parts: tuple[Mapping[str, Subset], ...]

    @property
    def facts(self) -> StudyCorpus:
        """Its entry in `study.json`."""
        utterances = [item for part in self.parts[0].values() for item in part.split.utterances]
        return StudyCorpus(
            corpus=utterances[0].corpus,
            languages=tuple(sorted({item.language for item in utterances})),
            folds=self.folds[0].scheme,
            fold_count=len(self.folds),
            notes=self._notes,
            where=self.data.conditions,
        )

    @property
    def all_known_by_speaker(self) -> bool:
        """Whether the speaker of every utterance is known."""
        return all(
            item.speaker is not None
            for parts in self.parts
            for part in parts.values()
            for item in part.split.utterances
        )

    @property
    def _notes(self) -> tuple[str, ...]:
        """Notes on the corpus that apply to all folds and are not in the results."""
        utterances = [item for part in self.parts[0].values() for item in part.split.utterances]
        remarks = (remark for fold in self.folds for remark in fold.remarks)
        unlisted = [self.data.unlisted] if self.data.unlisted else []
        return tuple(
            dict.fromkeys(
                (*synthetic_notes(utterances), *remarks, *self.data.listing_notes, *self._left_out, *unlisted)
            )
        )

    @property
    def _left_out(self) -> tuple[str, ...]:
        problems = [item for own in self.data.report.problems.values() for item in own]
        costly = [problem for problem in problems if problem.costs_an_utterance]
        left = counted(len(costly), "utterance")
        return (f"{left} left out ({listed_kinds(costly)})",) if costly else ()

    def fold(self, index: int) -> Mapping[str, Subset]:
        """Return the parts of a fold; a corpus with a single one has it for every index."""
        return self.parts[min(index, len(self.parts) - 1)]


def cut_corpora(
    corpora: Mapping[str, CorpusDataModule],
    on_progress: Progress | None = None,
    memories: Memories = Memories(),
) -> dict[str, CutCorpus]:
    """List and check every corpus, and cut all its folds.

    Args:
        corpora: Name in the study -> data module.
        on_progress: Called with the progress of the audio check.
        memories: Caches of earlier audio checks and searches for speech.

    Raises:
        CorpusError: If one is missing, or has problems and does not skip them.
        FoldError: If a fold cannot be cut, or lacks training, validation or test data.
    """
    return {name: _cut(name, data, on_progress, memories) for name, data in corpora.items()}


def check_labels(corpora: Mapping[str, CorpusDataModule]) -> None:
    """Raise `UsageError` unless all corpora have the same classes, of the same emotions, in one order."""
    (first, reference), *others = corpora.items()
    for name, data in others:
        if list(data.label_map.items()) == list(reference.label_map.items()):
            continue
        shared = [label for label in reference.classes if label in data.classes]
        which = f"they share {', '.join(shared)}" if shared else "they share no class"
        raise UsageError(
            f"study.corpora: the classes of {first} are {_listed(reference.label_map)}, those of {name} are "
            f"{_listed(data.label_map)}; {which}. A study has one set of classes: give every corpus the "
            "same labels."
        )


def fold_indices(
    sources: Iterable[CutCorpus], target: CutCorpus, chosen: str | Sequence[int] = "all"
) -> tuple[int, ...]:
    """Return the folds that a target is tested on with some sources: its own.

    Raises:
        UsageError: If it and a source have several folds and not equally many, or for a fold that it lacks.
    """
    count = len(target.folds)
    for source in sources:
        other = len(source.folds)
        if count > 1 and other > 1 and count != other:
            raise UsageError(
                f"folds of two corpora are paired by index, but {source.name} has {other} and {target.name} "
                f"has {count}. "
                "Give both the same number with folds.count, or exclude the pair."
            )
    if isinstance(chosen, str):
        return tuple(range(count))
    wrong = [index for index in chosen if not 0 <= index < count]
    if wrong and count > 1:
        raise UsageError(f"study.folds has {wrong[0]}, but {target.name} has folds 0 to {count - 1}.")
    return tuple(index for index in chosen if index < count)


def _listed(label_map: Mapping[str, Sequence[str]]) -> str:
    parts = (name if list(own) == [name] else f"{name} ({', '.join(own)})" for name, own in label_map.items())
    return ", ".join(parts)


def _cut(name: str, data: CorpusDataModule, on_progress: Progress | None, memories: Memories) -> CutCorpus:
    data.on_progress, data.memories = on_progress, memories
    try:
        data.setup()
        folds, parts = zip(*_folds(name, data), strict=True)
    except FoldError as error:
        raise type(error)(f"corpus {name!r} of the study: {error}") from error
    finally:
        data.on_progress = None
    return CutCorpus(name, data, folds, parts)


def _folds(name: str, data: CorpusDataModule) -> Iterator[tuple[Fold, Mapping[str, Subset]]]:
    for index in range(data.fold_count):
        data.set_fold(index)
        yield data.fold, {part: Subset(name, split) for part, split in data.splits.items()}


def study_root(folder: Path) -> Path:
    """Return the folder of a study as an absolute path: processes elsewhere write into it, too."""
    return folder.expanduser().resolve()
