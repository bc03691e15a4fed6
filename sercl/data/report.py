from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sercl.corpora.base import Problem
from sercl.data.problems import kinds
from sercl.data.split import Split

SAVED = 20
"""Maximum number of problems listed in a results file; all are counted."""


@dataclass(frozen=True)
class SplitReport:
    """Contents of one part.

    Attributes:
        corpus: Name of its corpus.
        languages: ISO 639-1 codes, sorted.
        classes: Class -> number of utterances, every class in order.
        speakers: Speaker -> number of utterances, sorted; "unknown" for those without one.
        seconds: Duration of all its utterances in s.
        skipped: Kind of problem -> number of its utterances left out for it.
    """

    corpus: str
    languages: tuple[str, ...]
    classes: Mapping[str, int]
    speakers: Mapping[str, int]
    seconds: float
    skipped: Mapping[str, int]

    @property
    def utterances(self) -> int:
        """Number of utterances in use."""
        return sum(self.classes.values())

    def to_dict(self) -> dict[str, object]:
        """Return plain data for a results file."""
        return {
            "corpus": self.corpus,
            "languages": list(self.languages),
            "utterances": self.utterances,
            "classes": dict(self.classes),
            "speakers": dict(self.speakers),
            "seconds": round(self.seconds, 3),
            "skipped": dict(self.skipped),
        }


@dataclass(frozen=True)
class DataReport:
    """The training, validation and test data of a run, and what was left out; printed and saved.

    Attributes:
        name: The corpus, or "source -> target".
        classes: Class names in order.
        splits: Part -> its contents; "train", "validation", "test", and with two stages "source train",
            "source validation", "target train", "target validation", "test".
        dropped: Corpus -> emotion without a class -> number of utterances.
        problems: Corpus -> problems found by its reader and the scan.
        notes: Sentences to print with every result.
        setting: The setting of a language pair, None for one corpus.
        select_on: Whose validation part selects: "source" or "target"; None for one corpus.
        unlisted: Corpus -> a few words on audio beside its table that no row names. Shown with the data only,
            not with results, since the table may be a deliberate selection.
        folds: Corpus -> the fold in words, shown with the data.
    """

    name: str
    classes: tuple[str, ...]
    splits: Mapping[str, SplitReport]
    dropped: Mapping[str, Mapping[str, int]]
    problems: Mapping[str, tuple[Problem, ...]]
    notes: tuple[str, ...]
    setting: str | None = None
    select_on: str | None = None
    unlisted: Mapping[str, str] = field(default_factory=dict)
    folds: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """Return plain data for a results file."""
        return {
            "name": self.name,
            "setting": self.setting,
            "select_on": self.select_on,
            "classes": list(self.classes),
            "splits": {name: split.to_dict() for name, split in self.splits.items()},
            "dropped": {corpus: dict(counts) for corpus, counts in self.dropped.items()},
            "problems": {corpus: _problems_to_dict(problems) for corpus, problems in self.problems.items()},
            "notes": list(self.notes),
        }


def report_split(
    split: Split, corpus: str, classes: Sequence[str], problems: Sequence[Problem] = ()
) -> SplitReport:
    """Count the contents of a split; `problems` are those of the utterances left out of it."""
    counts = Counter(classes[label] for label in split.labels)
    speakers = Counter(utterance.speaker or "unknown" for utterance in split.utterances)
    return SplitReport(
        corpus=corpus,
        languages=tuple(sorted({utterance.language for utterance in split.utterances})),
        classes={name: counts[name] for name in classes},
        speakers=dict(sorted(speakers.items())),
        seconds=sum(split.seconds),
        skipped=kinds(problems),
    )


def _problems_to_dict(problems: Sequence[Problem]) -> dict[str, object]:
    return {"kinds": kinds(problems), "first": [str(problem) for problem in problems[:SAVED]]}
