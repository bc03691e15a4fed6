"""What a model forgot of its source, for the terminal."""

from rich.console import Group, RenderableType
from rich.text import Text

from sercl.reports.paired import difference_in_words, scores_side_by_side
from sercl.studies.results.forgetting import Forgetting

NAMES = ("Before", "After")


def forgetting_text(forgetting: Forgetting) -> RenderableType:
    """Return the scores of the source's test part before and after the second stage, and the paired test."""
    return Group(
        Text(f"Forgetting: {forgetting.corpus}, test part, before and after the second stage", style="bold"),
        scores_side_by_side(forgetting.before, forgetting.after, NAMES),
        Text(difference_in_words(forgetting.paired, NAMES)),
    )
