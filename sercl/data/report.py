from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from sercl.audio.scan import AudioSpan, Limits, Memory, scan
from sercl.audio.voice import Speech
from sercl.corpora.base import Problem, Utterance, kinds_text, problem_lines
from sercl.counting import count
from sercl.data.split import Split
from sercl.errors import CorpusError, UnknownNameError

ON_ERROR = ("raise", "skip")
SHOWN = 5
"""Number of problems that an error message shows."""

Progress = Callable[[str, int, int], None]
"""Called with the current step, the number of its clips or other items that are done, and their total."""

Item = TypeVar("Item")


def reporting(items: Sequence[Item], what: str, on_progress: Progress | None) -> Iterator[Item]:
    """Yield some items, and report before each and at the end how many are done.

    Args:
        items: The items.
        what: What is done with them.
        on_progress: Called with that, the number of items done, and their total.
    """
    report = on_progress or (lambda *_: None)
    for done, item in enumerate(items):
        report(what, done, len(items))
        yield item
    report(what, len(items), len(items))


class Checked(NamedTuple):
    """A usable utterance, its duration in s, the hash of its samples and their rate, and its speech.

    The stretches of speech are empty if preprocessing does not need them, or if there are none.
    """

    utterance: Utterance
    seconds: float
    audio_key: str
    speech: tuple[Speech, ...] = ()


class Scanned(NamedTuple):
    """Result of a scan by utterance id: usable utterances, and the problems of the others."""

    checked: dict[str, Checked]
    faults: dict[str, Problem]


def check_policy(on_error: str) -> None:
    """Raise `UnknownNameError` unless `on_error` is "raise" or "skip"."""
    if on_error not in ON_ERROR:
        raise UnknownNameError("on_error", on_error, ON_ERROR)


def enforce(
    problems: Sequence[Problem], on_error: str, corpus: str, advice: str = "", left: int | None = None
) -> None:
    """Raise for problems that cost an utterance, unless `on_error` is "skip".

    Args:
        problems: All problems found.
        on_error: "raise" or "skip".
        corpus: Name for the message.
        advice: A sentence on what else to do about bad labels.
        left: Number of utterances without a problem, None if unknown. If it is 0, skipping is not suggested.

    Raises:
        CorpusError: With the number of problems of each kind, every bad label, and the first `SHOWN` others.
    """
    costly = [problem for problem in problems if problem.costs_an_utterance]
    if costly and on_error == "raise":
        raise CorpusError(_message(costly, corpus, advice, left == 0))


def kinds(problems: Sequence[Problem]) -> dict[str, int]:
    """Return the number of problems of each kind, most frequent first."""
    return dict(Counter(problem.kind for problem in problems).most_common())


def listed_kinds(problems: Sequence[Problem]) -> str:
    """Return the number of problems of each kind as text: "2 missing, 1 silent"."""
    return kinds_text(kinds(problems))


def scan_utterances(
    utterances: Sequence[Utterance],
    limits: Limits,
    what: str,
    on_progress: Progress | None = None,
    memory: Memory | None = None,
) -> Scanned:
    """Decode every utterance once and keep the usable ones.

    Args:
        utterances: What is scanned.
        limits: Which clips are usable.
        what: Name of the job for `on_progress`.
        on_progress: Called every few clips.
        memory: Cache of earlier checks, whose clips are not decoded again.
    """
    clips = [AudioSpan(utterance.path, utterance.start, utterance.end) for utterance in utterances]
    report = scan(clips, limits, on_progress=_counter(what, len(clips), on_progress), memory=memory)
    faults = {fault.clip_index: fault for fault in report.faults}
    scanned = Scanned({}, {})
    for index, utterance in enumerate(utterances):
        if fault := faults.get(index):
            scanned.faults[utterance.id] = Problem(utterance.path, fault.reason, kind=fault.kind)
        else:
            seconds, digest = report.seconds[index] or 0.0, report.digests[index] or ""
            scanned.checked[utterance.id] = Checked(utterance, seconds, digest)
    return scanned


def _counter(what: str, total: int, on_progress: Progress | None) -> Callable[[int], None] | None:
    if on_progress is None:
        return None
    done = 0

    def counted(more: int) -> None:
        nonlocal done
        done += more
        on_progress(what, done, total)

    return counted


def _message(problems: Sequence[Problem], corpus: str, advice: str, all_bad: bool) -> str:
    lines = [f"{corpus}: {count(len(problems), 'problem')} ({listed_kinds(problems)})"]
    lines += [f"  {line}" for line in problem_lines(problems, SHOWN)]
    lines.append(
        "Every utterance has a problem, so none can be left out: correct what they have in common."
        if all_bad
        else "Restore these files or labels, or skip them (they are counted) with --data.on_error skip."
    )
    if advice and any(problem.kind == "label" for problem in problems):
        lines.append(advice)
    return "\n".join(lines)


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
        corpora: Corpus -> class -> utterances in all parts, where several corpora are used as one.
        not_selected: Corpus -> number of utterances left out by its conditions (`where`), if there are any.
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
    corpora: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    not_selected: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """Return plain data for a results file."""
        content: dict[str, object] = {
            "name": self.name,
            "setting": self.setting,
            "select_on": self.select_on,
            "classes": list(self.classes),
            "splits": {name: split.to_dict() for name, split in self.splits.items()},
            "dropped": {corpus: dict(counts) for corpus, counts in self.dropped.items()},
            "problems": {corpus: _problems_to_dict(problems) for corpus, problems in self.problems.items()},
            "notes": list(self.notes),
        }
        if self.corpora:
            content["corpora"] = {corpus: dict(counts) for corpus, counts in self.corpora.items()}
        if self.not_selected:
            content["not_selected"] = dict(self.not_selected)
        return content


def merged_report(reports: Sequence[DataReport], notes: Sequence[str]) -> DataReport:
    """Merge the reports of several corpora, whose utterances are used together, into one.

    Args:
        reports: One each; their names differ.
        notes: Added after those of the corpora.
    """
    alone = len(reports) == 1
    own = [note if alone else f"{report.name}: {note}" for report in reports for note in report.notes]
    return DataReport(
        name=" + ".join(report.name for report in reports),
        classes=reports[0].classes,
        splits={part: _merged([report.splits[part] for report in reports]) for part in reports[0].splits},
        dropped={name: counts for report in reports for name, counts in report.dropped.items()},
        problems={name: found for report in reports for name, found in report.problems.items()},
        notes=(*own, *notes),
        folds={name: fold for report in reports for name, fold in report.folds.items()},
        unlisted={name: line for report in reports for name, line in report.unlisted.items()},
        not_selected={name: number for report in reports for name, number in report.not_selected.items()},
    )


def _merged(splits: Sequence[SplitReport]) -> SplitReport:
    alone = len(splits) == 1
    speakers = {
        name if alone else f"{split.corpus} {name}": count
        for split in splits
        for name, count in split.speakers.items()
    }
    return SplitReport(
        corpus=" + ".join(split.corpus for split in splits),
        languages=tuple(sorted({language for split in splits for language in split.languages})),
        classes={name: sum(split.classes[name] for split in splits) for name in splits[0].classes},
        speakers=speakers,
        seconds=sum(split.seconds for split in splits),
        skipped=dict(sum((Counter(split.skipped) for split in splits), Counter())),
    )


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
