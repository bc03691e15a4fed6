"""Forgetting: how well a model knows its source before and after it was trained on the target."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from sercl.studies.results.paired import Paired, compare, correct
from sercl.studies.results.predictions import Predictions
from sercl.studies.results.records import as_record, with_nan
from sercl.studies.results.scores import Score, frame_of, score_confusions, without_nan

if TYPE_CHECKING:
    import pandas as pd


class SourceTest(NamedTuple):
    """Predictions for a source's test part by two states of one model.

    Attributes:
        corpus: Name of the source.
        before: Before the training on the target.
        after: After it.
    """

    corpus: str
    before: Predictions
    after: Predictions


@dataclass(frozen=True)
class Forgetting:
    """Scores of the source's test part before and after a training on the target.

    Attributes:
        corpus: Name of the source.
        before: Every average, and "recall/<class>" of each class, before the training on the target.
        after: The same after it.
        paired: UAR after minus UAR before, paired over speakers: negative where the source was forgotten.
    """

    corpus: str
    before: Mapping[str, Score]
    after: Mapping[str, Score]
    paired: Paired

    @classmethod
    def of(cls, test: SourceTest) -> Self:
        """Return the scores of a source's test; averages are over repeats that cover all folds."""
        before, after = test.before.complete(), test.after.complete()
        (paired,) = correct([compare(after, before)])
        return cls(test.corpus, _scores(before), _scores(after), paired)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; NaN becomes None."""
        return dict(without_nan(asdict(self)))

    @classmethod
    def from_dict(cls, content: Any, path: Path, advice: str) -> Self:
        """Return what `to_dict` described; arguments and errors as of `as_record`."""
        plain = as_record(content, dict[str, Any], path, advice, "forgetting")
        return as_record(with_nan(plain, cls), cls, path, advice, "forgetting")

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a row per score for a table with `COLUMNS`."""
        for name, before in self.before.items():
            after = self.after[name]
            difference = {"difference": after.value - before.value, **dict.fromkeys(_TESTED, nan)}
            yield {
                "tested": self.corpus,
                "score": name,
                **_ends("before", before),
                **_ends("after", after),
                **(_tested(self.paired) if name == "uar" else difference),
                "unit": before.unit,
                "count": before.count,
            }

    def to_frame(self) -> "pd.DataFrame":
        """Return a table with `COLUMNS`."""
        return frame_of(self.rows())


_TESTED = ("difference_low", "difference_high", "p", "p_holm")

COLUMNS = (
    "tested", "score", "before", "before_low", "before_high", "after", "after_low", "after_high",
    "difference", *_TESTED, "unit", "count",
)  # fmt: skip
"""Of a table: the tested source; a score before and after, with intervals; after minus before, for UAR with
interval and p-values of the paired test; what the intervals resample, and how many of them."""


def _tested(paired: Paired) -> dict[str, float]:
    p = nan if paired.test is None else paired.test.p
    return {**_ends("difference", paired.difference), "p": p, "p_holm": paired.p_holm}


def _ends(name: str, score: Score) -> dict[str, float]:
    return {name: score.value, f"{name}_low": score.low, f"{name}_high": score.high}


def _scores(own: Predictions) -> dict[str, Score]:
    return score_confusions(own.confusions(), own.classes, own.unit_name)
