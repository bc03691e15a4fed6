"""Two systems on the same utterances: their scores side by side, and the test of the difference."""

from collections.abc import Mapping

from rich.console import RenderableType
from rich.text import Text

from sercl.counting import count
from sercl.metrics.functional.classification import AVERAGES
from sercl.metrics.functional.intervals import SIGNIFICANT
from sercl.reports.cross_eval.wording import p_value, points, points_interval, score_text
from sercl.reports.results import average_interval, average_text
from sercl.reports.style import table
from sercl.studies.results.paired import Paired
from sercl.studies.results.scores import Score


def scores_side_by_side(
    first: Mapping[str, Score], second: Mapping[str, Score], names: tuple[str, str] = ("A", "B")
) -> RenderableType:
    """Return a row per average and recall, with the intervals of both.

    Args:
        first: Name -> score, as of `score_confusions`.
        second: The same names.
        names: What the two are called.
    """
    grid = table("Score, % (95 %)", *names, numbers=names)
    for name, own in first.items():
        title = AVERAGES[name].title if name in AVERAGES else f"Recall of {name.removeprefix('recall/')}"
        style = "bold" if name == "uar" else ""
        grid.add_row(
            *(Text(text, style) for text in (title, *(_score(name, each) for each in (own, second[name]))))
        )
    return grid


def _score(name: str, score: Score) -> str:
    if name not in AVERAGES:
        return score_text(score)
    return f"{average_text(name, score.value)}{in_brackets(average_interval(name, score))}"


def difference_in_words(paired: Paired, names: tuple[str, str] = ("A", "B")) -> str:
    """Return the difference of UAR with its paired test, a line each.

    Args:
        paired: The second minus the first.
        names: What the two are called.
    """
    score, test = paired.difference, paired.test
    shared = count(paired.utterances, "utterance")
    lines = [
        f"Both were tested on {shared}; their predictions differ for {paired.differ:,} of them.",
        f"{names[1]} - {names[0]}: UAR {points(score.value)} points{in_brackets(points_interval(score))}.",
    ]
    if test is not None:
        kind = "every exchange" if test.exact else "random exchanges"
        who = f"{test.count} {test.unit}"
        lines.append(
            f"Permutation test, {kind} of the predictions of {who}: p = {p_value(test.p)}. The interval "
            f"is from the same test."
        )
        if test.smallest > SIGNIFICANT:
            lines.append(
                f"With {who} no difference can reach p below {test.smallest:.3f}, and there is no 95 % "
                "interval."
            )
    if paired.mcnemar is not None:
        p = p_value(paired.mcnemar)
        lines.append(f"McNemar's test of accuracy, treating utterances as independent: p = {p}.")
    return "\n".join(lines)


def in_brackets(text: str) -> str:
    """Return a text in brackets after a space; nothing for an empty one."""
    return f" ({text})" if text else ""
