"""Compare two runs or two studies: the settings that differ, and their scores."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd

from sercl.errors import UsageError
from sercl.files import at_home
from sercl.studies.cross_eval.cells import Condition
from sercl.studies.results import paired
from sercl.studies.results.groups import Grouping, check_columns, grouping_columns, groups_of, split_by
from sercl.studies.results.paired import Paired, correct
from sercl.studies.results.predictions import Predictions
from sercl.studies.results.scores import Score, score_confusions
from sercl.studies.run_files import FinishedRun, read_finished

ABSENT = "(not set)"


@dataclass(frozen=True)
class Change:
    """An option that differs; a side without it has `ABSENT`."""

    option: str
    first: Any
    second: Any


@dataclass(frozen=True)
class Compared:
    """The scores of one condition, or of a run's test.

    Attributes:
        condition: The condition of two studies, None for two runs.
        first: Scores of the first, on everything that it was tested on.
        second: Scores of the second.
        paired: UAR of the second minus that of the first, on the utterances that both were tested on.
        only_first: Utterances that only the first was tested on.
        only_second: Utterances that only the second was tested on.
    """

    condition: Condition | None
    first: Mapping[str, Score]
    second: Mapping[str, Score]
    paired: Paired
    only_first: int
    only_second: int


@dataclass(frozen=True)
class GroupCompared:
    """Two systems on one group of utterances.

    Attributes:
        condition: The condition of two studies, None for two runs.
        column: What groups are made by.
        value: The value of the group.
        first: UAR of the first, on all utterances of the group that it was tested on.
        second: UAR of the second.
        paired: UAR of the second minus that of the first, on those that both were tested on; corrected for
            all groups of a column.
    """

    condition: Condition | None
    column: str
    value: str
    first: Score
    second: Score
    paired: Paired


@dataclass(frozen=True)
class RunComparison:
    """Two runs or studies.

    Attributes:
        folders: Their folders.
        classes: Class names.
        settings_file: The file whose settings are compared: one that both have; None without such a file.
        changes: Options that differ.
        rows: The conditions that both have.
        only_first: Conditions that only the first has a score of.
        only_second: Conditions that only the second has a score of.
        groups: The same for groups of utterances, by each column that was asked for.
    """

    folders: tuple[Path, Path]
    classes: tuple[str, ...]
    settings_file: str | None
    changes: tuple[Change, ...]
    rows: tuple[Compared, ...]
    only_first: tuple[Condition, ...]
    only_second: tuple[Condition, ...]
    groups: tuple[GroupCompared, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Return a row per condition that both have, with its paired test.

        The fields of the condition (of studies), `first_uar` and `second_uar` on all that each was tested on;
        on the utterances that both were tested on, `difference` (UAR of the second minus that of the first)
        with `low` and `high` (its 95 % interval), `p`, `p_holm`, `unit` and `count` of the permutation test,
        and the numbers of `utterances` and of those that `differ`.
        """
        return pd.DataFrame([_row(own) for own in self.rows])


def _row(own: Compared) -> dict[str, Any]:
    test, difference = own.paired.test, asdict(own.paired.difference)
    return {
        **({} if own.condition is None else asdict(own.condition)),
        "first_uar": own.first["uar"].value,
        "second_uar": own.second["uar"].value,
        "difference": difference.pop("value"),
        **difference,
        "p": nan if test is None else test.p,
        "p_holm": own.paired.p_holm,
        "utterances": own.paired.utterances,
        "differ": own.paired.differ,
    }


def compare(first: str | Path, second: str | Path, group_by: Sequence[str] = ()) -> RunComparison:
    """Compare two runs of `sercl fit` or `sercl test`, or two studies of `sercl cross-eval`.

    Args:
        first: Folder of one of them, the earlier or simpler.
        second: Folder of the other; a positive difference means that it is better.
        group_by: Columns of what is known of the utterances ("dialect"): each of their values is compared by
            itself, too.

    Raises:
        UsageError: If a folder is not a run, or they differ in kind or classes, or share no utterance; or for
            a column that they do not have.
        ResultsError: If a file is broken.
    """
    one, two = (read_finished(at_home(folder)) for folder in (first, second))
    _check(one, two)
    shared = [condition for condition in one.predictions if condition in two.predictions]
    rows = [_compared(condition, one, two) for condition in shared]
    if not any(row.paired.utterances for row in rows):
        raise UsageError(_nothing_shared(one, two, len(shared)))
    corrected = correct([row.paired for row in rows])
    file = next((name for name in one.settings if name in two.settings), None)
    return RunComparison(
        folders=(one.folder, two.folder),
        classes=one.classes,
        settings_file=file,
        changes=changes(one.settings[file], two.settings[file]) if file else (),
        rows=tuple(replace(row, paired=own) for row, own in zip(rows, corrected, strict=True)),
        only_first=tuple(
            item for item in one.predictions if item is not None and item not in two.predictions
        ),
        only_second=tuple(
            item for item in two.predictions if item is not None and item not in one.predictions
        ),
        groups=tuple(chain.from_iterable(_groups(one, two, shared, column) for column in group_by)),
    )


def compare_groups(
    folder: str | Path, group_by: Sequence[str]
) -> dict[Condition | None, tuple[Grouping, ...]]:
    """Score the groups of utterances in one run or study, and test whether they differ.

    Args:
        folder: Its folder.
        group_by: Columns of what is known of the utterances, such as "dialect".

    Returns:
        Condition (None for a run) -> its groups, by each column.

    Raises:
        UsageError: If the folder is not a run, or for a column that it does not have, or that has one value.
        ResultsError: If a file is broken.
    """
    return groups_of(read_finished(at_home(folder)).predictions, group_by)


def _groups(
    one: FinishedRun, two: FinishedRun, conditions: Sequence[Condition | None], column: str
) -> list[GroupCompared]:
    found = []
    for condition in conditions:
        sides = one.predictions[condition], two.predictions[condition]
        if all(column in grouping_columns(own) for own in sides):
            first, second = (split_by(own, column) for own in sides)
            both = [value for value in first if value in second]
            found += [_group(condition, column, value, first[value], second[value]) for value in both]
    if not found:
        known = _columns(two)
        check_columns([column], [name for name in _columns(one) if name in known])
    corrected = correct([own.paired for own in found])
    return [replace(own, paired=test) for own, test in zip(found, corrected, strict=True)]


def _group(
    condition: Condition | None, column: str, value: str, first: Predictions, second: Predictions
) -> GroupCompared:
    one, two = (_scores(own)["uar"] for own in (first, second))
    return GroupCompared(condition, column, value, one, two, paired.compare(second, first))


def _columns(run: FinishedRun) -> list[str]:
    return list(dict.fromkeys(name for own in run.predictions.values() for name in grouping_columns(own)))


def changes(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return every option whose value differs, in the order of the first; null is as good as absent."""
    names = dict.fromkeys([*first, *second])
    found = (Change(name, first.get(name, ABSENT), second.get(name, ABSENT)) for name in names)
    nothing = (ABSENT, None)
    return tuple(
        change
        for change in found
        if change.first != change.second and not (change.first in nothing and change.second in nothing)
    )


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
    first, second = one.predictions[condition], two.predictions[condition]
    ids = set(first.utterance), set(second.utterance)
    return Compared(
        condition=condition,
        first=_scores(first),
        second=_scores(second),
        paired=paired.compare(second, first),
        only_first=len(ids[0] - ids[1]),
        only_second=len(ids[1] - ids[0]),
    )


def _scores(own: Predictions) -> dict[str, Score]:
    return score_confusions(own.confusions(), own.classes, own.unit_name)
