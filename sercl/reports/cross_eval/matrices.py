"""Train-by-test matrices of a study: one per encoder, adapter, setting and adaptation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sercl.studies.cross_eval.analysis.analysis import Analysis
from sercl.studies.cross_eval.analysis.scores import ConditionScores
from sercl.studies.cross_eval.cells import WITH_SHOTS, Condition, computations

Cells = tuple[tuple[ConditionScores | None, ...], ...]

ANY_SOURCE = "any"
"""Row of a matrix whose rows are all the same computation."""

UNADAPTED = "The diagonal is monolingual and without adaptation: there is no other corpus to adapt to."
"""Note below the matrix of an adaptation."""
DIAGONAL = "The diagonal is monolingual: trained and tested on the same corpus."
"""Note below the zero-shot matrix, which includes monolingual scores."""


@dataclass(frozen=True)
class Matrix:
    """Scores by training corpus (rows) and test corpus (columns).

    Attributes:
        title: The setting.
        marks: Tags that distinguish it from the plain setting.
        rows: Training corpora.
        columns: Test corpora.
        cells: `[rows][columns]`, None where there is no score; monolingual ones are on the diagonal of the
            settings `zero-shot` and `monolingual`.
        note: A sentence below it, or "".
    """

    title: str
    marks: tuple[str, ...]
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: Cells
    note: str = ""


@dataclass(frozen=True)
class MatrixGroup:
    """The matrices of one encoder and adapter."""

    encoder: str
    adapter: str
    matrices: tuple[Matrix, ...]


def matrix_groups(analysis: Analysis) -> list[MatrixGroup]:
    """Return the matrices of a study, without few-shot conditions, in the order of its grid."""
    groups: dict[tuple[str, str], list[Condition]] = {}
    for condition in analysis.scores:
        groups.setdefault((condition.encoder, condition.adapter), []).append(condition)
    return [
        MatrixGroup(encoder, adapter, tuple(_matrices(conditions, analysis)))
        for (encoder, adapter), conditions in groups.items()
        if any(condition.setting not in WITH_SHOTS for condition in conditions)
    ]


def _matrices(conditions: Sequence[Condition], analysis: Analysis) -> list[Matrix]:
    """Return one matrix per setting and tags; monolingual scores are added to the zero-shot ones."""
    own = {item for item in conditions if item.setting == "monolingual"}
    kinds = {
        (item.setting, item.select_on, item.adaptation): None
        for item in conditions
        if item.setting not in (*WITH_SHOTS, "monolingual")
    }
    if not any(setting == "zero-shot" for setting, *_ in kinds) and own:
        kinds = {("monolingual", "source", "none"): None, **kinds}
    return [_matrix(kind, conditions, own, analysis) for kind in kinds]


def _matrix(
    kind: tuple[str, str, str], conditions: Sequence[Condition], own: set[Condition], analysis: Analysis
) -> Matrix:
    members = [item for item in conditions if (item.setting, item.select_on, item.adaptation) == kind]
    shown = {*members, *own} if kind[0] in ("zero-shot", "monolingual") else set(members)
    order = tuple(analysis.study.corpora)
    columns = tuple(name for name in order if any(item.target == name for item in shown))
    if kind[0] == "transfer" and _same_for_all_sources(members, analysis):
        return _one_row(members, columns, analysis.scores)
    rows = tuple(name for name in order if any(item.source == name for item in shown))
    by_place = {(item.source, item.target): analysis.scores[item] for item in shown}
    cells = tuple(tuple(by_place.get((row, column)) for column in columns) for row in rows)
    marks = members[0].marks if members else ()
    return Matrix(kind[0], marks, rows, columns, cells, _note(kind, bool(own & shown)))


def _note(kind: tuple[str, str, str], has_monolingual: bool) -> str:
    setting, _, adaptation = kind
    if not has_monolingual:
        return ""
    if adaptation != "none":
        return UNADAPTED
    return DIAGONAL if setting == "zero-shot" else ""


def _same_for_all_sources(members: Sequence[Condition], analysis: Analysis) -> bool:
    computed = computations(analysis.study)
    by_target: dict[str, set[frozenset[str]]] = {}
    for item in members:
        by_target.setdefault(item.target, set()).add(computed[item])
    return all(len(own) == 1 for own in by_target.values())


def _one_row(
    members: Sequence[Condition], columns: tuple[str, ...], scores: Mapping[Condition, ConditionScores]
) -> Matrix:
    by_target = {item.target: scores[item] for item in members}
    note = "The source corpus is not used: the model is trained on the target alone, with the same encoder."
    cells = (tuple(by_target.get(column) for column in columns),)
    return Matrix("transfer", replace(members[0], shots=None).marks, (ANY_SOURCE,), columns, cells, note)
