"""Problems of a corpus: raised with the first few of them, or counted; never dropped silently."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from sercl.audio.scan import AudioSpan, Limits, Memory, scan
from sercl.corpora.base import Problem, Utterance, kinds_text, problem_lines
from sercl.counting import count
from sercl.errors import CorpusError, UnknownNameError

ON_ERROR = ("raise", "skip")
SHOWN = 5
"""Number of problems that an error message shows."""

Progress = Callable[[str, int, int], None]
"""Called with the current step, the number of clips done, and their total."""


class Checked(NamedTuple):
    """A usable utterance, its duration in s, and the hash of its samples and their rate."""

    utterance: Utterance
    seconds: float
    audio_key: str


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
