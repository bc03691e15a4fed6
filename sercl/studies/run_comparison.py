"""Two runs, or two studies, side by side: what was set otherwise, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sercl.errors import UsageError
from sercl.studies.answer_scores import score_confusions
from sercl.studies.answers import Answers, confusions
from sercl.studies.cross_eval.cells import Condition
from sercl.studies.evaluation import Score
from sercl.studies.paired import Paired, compare, correct
from sercl.studies.run_files import FinishedRun, read_finished
from sercl.studies.votes import count_votes

ABSENT = "(not set)"


@dataclass(frozen=True)
class Change:
    """An option that differs; a side without it has `ABSENT`."""

    option: str
    first: Any
    second: Any


@dataclass(frozen=True)
class Compared:
    """The scores of one condition, or of the one thing that a run tested.

    Attributes:
        condition: The condition of two studies, None for two runs.
        first: Scores of the first, each on all that it tested.
        second: Scores of the second.
        paired: UAR of the second minus that of the first, on the utterances that both tested.
        only_first: Utterances that only the first tested.
        only_second: Utterances that only the second tested.
    """

    condition: Condition | None
    first: Mapping[str, Score]
    second: Mapping[str, Score]
    paired: Paired
    only_first: int
    only_second: int


@dataclass(frozen=True)
class RunComparison:
    """Two runs or studies.

    Attributes:
        folders: Where they lie.
        classes: Class names.
        settings_file: The file whose settings are compared: one that both have; None without such a file.
        changes: Options that differ.
        rows: What both tested.
        only_first: Conditions that only the first has a score of.
        only_second: Conditions that only the second has a score of.
    """

    folders: tuple[Path, Path]
    classes: tuple[str, ...]
    settings_file: str | None
    changes: tuple[Change, ...]
    rows: tuple[Compared, ...]
    only_first: tuple[Condition, ...]
    only_second: tuple[Condition, ...]


def compare_folders(first: Path, second: Path) -> RunComparison:
    """Compare two runs of `sercl fit` or `sercl test`, or two studies of `sercl cross-eval`.

    Args:
        first: Folder of the one, the earlier or plainer.
        second: Folder of the other; a positive difference is in its favour.

    Raises:
        UsageError: Where a folder is no run, they are of different kinds or classes, or share no utterance.
        ResultsError: Where a file is broken.
    """
    one, two = read_finished(first), read_finished(second)
    _check(one, two)
    shared = [condition for condition in one.answers if condition in two.answers]
    rows = [_compared(condition, one, two) for condition in shared]
    if not any(row.paired.utterances for row in rows):
        raise UsageError(_nothing_shared(one, two, len(shared)))
    corrected = correct([row.paired for row in rows])
    file = next((name for name in one.settings if name in two.settings), None)
    return RunComparison(
        folders=(first, second),
        classes=one.classes,
        settings_file=file,
        changes=changes(one.settings[file], two.settings[file]) if file else (),
        rows=tuple(replace(row, paired=own) for row, own in zip(rows, corrected, strict=True)),
        only_first=tuple(item for item in one.answers if item is not None and item not in two.answers),
        only_second=tuple(item for item in two.answers if item is not None and item not in one.answers),
    )


def changes(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return every option whose value differs, in the order of the first."""
    names = dict.fromkeys([*first, *second])
    found = (Change(name, first.get(name, ABSENT), second.get(name, ABSENT)) for name in names)
    return tuple(change for change in found if change.first != change.second)


def _check(one: FinishedRun, two: FinishedRun) -> None:
    if one.is_study != two.is_study:
        kinds = {True: "a study", False: "a run"}
        raise UsageError(
            f"{one.folder} is {kinds[one.is_study]}, {two.folder} is {kinds[two.is_study]}. Give two runs or "
            "two studies."
        )
    if one.classes != two.classes:
        raise UsageError(
            f"the classes differ, so the scores cannot be compared: {one.folder} has "
            f"{', '.join(one.classes)}; {two.folder} has {', '.join(two.classes)}. Train one of them again "
            "with the --data.labels of the other."
        )


def _nothing_shared(one: FinishedRun, two: FinishedRun, shared: int) -> str:
    if one.is_study and not shared:
        return (
            f"{one.folder} and {two.folder} share no condition (encoder, adapter, setting, corpora, "
            "selection, adaptation, shots). Compare studies with corpora and encoders of the same names."
        )
    return (
        f"{one.folder} and {two.folder} share no tested utterance with the same true class, so they cannot "
        "be compared. Test both on the same fold of the same corpus: `sercl test --ckpt FILE --out FOLDER`."
    )


def _compared(condition: Condition | None, one: FinishedRun, two: FinishedRun) -> Compared:
    first, second = one.answers[condition], two.answers[condition]
    size = len(one.classes)
    ids = set(first.utterance), set(second.utterance)
    return Compared(
        condition=condition,
        first=_scores(first, one.classes),
        second=_scores(second, two.classes),
        paired=compare(count_votes(second, size), count_votes(first, size)),
        only_first=len(ids[0] - ids[1]),
        only_second=len(ids[1] - ids[0]),
    )


def _scores(answers: Answers, classes: tuple[str, ...]) -> dict[str, Score]:
    return score_confusions(confusions(answers, len(classes)), classes, answers.unit_name)
