"""Everything that a study's report says, from the files in its folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sercl.studies.cross_eval.analysis.cautions import Caution, cautions
from sercl.studies.cross_eval.analysis.comparisons import Family, compare_conditions
from sercl.studies.cross_eval.analysis.few_shot import Curve, few_shot_curves
from sercl.studies.cross_eval.analysis.published import Match, matches
from sercl.studies.cross_eval.analysis.scores import ConditionScores, score_conditions
from sercl.studies.cross_eval.cells import Condition, Study
from sercl.studies.cross_eval.predictions import read_predictions
from sercl.studies.cross_eval.study_file import read_study


@dataclass(frozen=True)
class Analysis:
    """A study with its scores.

    Attributes:
        study: The grid and what came of it.
        scores: Condition -> scores, in the order of the grid; conditions without a finished cell are absent.
        families: The paired tests.
        curves: The few-shot curves.
        published: Published figures beside the study's own.
        cautions: What a reader must know before trusting the scores.
    """

    study: Study
    scores: Mapping[Condition, ConditionScores]
    families: tuple[Family, ...]
    curves: tuple[Curve, ...]
    published: tuple[Match, ...]
    cautions: tuple[Caution, ...]


def analyse(folder: Path) -> Analysis:
    """Read a study's folder and work out all that its report says.

    Args:
        folder: Holds `study.json` and `predictions.parquet`.

    Raises:
        ResultsError: Where one of them is missing or broken, or they contradict each other.
    """
    study = read_study(folder)
    everything = read_predictions(folder, study)
    predictions = {condition: item.complete() for condition, item in everything.items()}
    left_out = {
        condition: len(item.runs) - len(predictions[condition].runs) for condition, item in everything.items()
    }
    scores = score_conditions(predictions)
    families = compare_conditions(predictions, study)
    return Analysis(
        study=study,
        scores=scores,
        families=families,
        curves=few_shot_curves(scores, study, predictions),
        published=matches(scores, study),
        cautions=cautions(study, scores, families, left_out),
    )
