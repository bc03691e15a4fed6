"""The findings of a study in a paragraph.

Means are over directions (source and target) of one encoder, adapter and setting only, and come with their
range; over different settings, numbers of shots or adapters, only the range or a count is given. Conditions
that predict one class only are included in means, with a note, and excluded from everything else.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean

from sercl.counting import count
from sercl.reports.corpus import clock
from sercl.reports.cross_eval.wording import (
    BEST_SINGLE,
    ORACLE,
    UNION_NAMES,
    adapter_name,
    condition_name,
    enough_text,
    listed,
    pair_name,
    percent_interval,
    points,
)
from sercl.reports.results import percent
from sercl.studies.cross_eval.analysis.analysis import Analysis
from sercl.studies.cross_eval.analysis.comparisons import ENOUGH, Comparison, monolingual_of
from sercl.studies.cross_eval.analysis.scores import ConditionScores
from sercl.studies.cross_eval.analysis.sources import (
    ALL_OTHERS,
    OTHER_LANGUAGES,
    Choose,
    Scores,
    Sources,
    chosen_single,
    oracle_single,
)
from sercl.studies.cross_eval.cells import SETTINGS, WITH_SHOTS, Condition, Study, computations
from sercl.studies.results.paired import Paired
from sercl.version import __version__

MOST_COLUMNS = 4
"""Combinations of encoder and adapter that get a sentence each; the overview table has the others."""

MOST_CURVES = 8

LEAST_COUNTED = 4
"""Conditions over which it is counted which emotion is recognised worst and best."""


def summary(analysis: Analysis) -> list[str]:
    """Return the findings of a study, a sentence each."""
    return [
        *_by_column(analysis),
        *_best_zero_shot(analysis),
        *_adapters(analysis),
        *_adaptation(analysis),
        *_unions(analysis),
        *_few_shot(analysis),
        *_baseline(analysis),
        *_forgetting(analysis),
        *_emotions(analysis),
    ]


def _by_column(analysis: Analysis) -> Iterator[str]:
    """Yield the scores of each encoder and adapter within and across corpora, and with target labels."""
    columns = list(dict.fromkeys((item.encoder, item.adapter) for item in analysis.scores))
    for encoder, adapter in columns[:MOST_COLUMNS]:
        parts = _parts(analysis, encoder, adapter)
        if parts:
            yield f"{encoder}, {adapter_name(adapter)}: {'; '.join(parts)}."
    if len(columns) > MOST_COLUMNS:
        yield (
            f"The overview table lists the other {len(columns) - MOST_COLUMNS} combinations of "
            f"encoder and adapter."
        )
    if columns:
        yield f"Chance is {percent(1 / len(analysis.study.classes))} %."


def _parts(analysis: Analysis, encoder: str, adapter: str) -> list[str]:
    def own(scores: Iterable[ConditionScores]) -> list[ConditionScores]:
        wanted = (encoder, adapter)
        return [item for item in scores if (item.condition.encoder, item.condition.adapter) == wanted]

    parts = []
    if within := own(plain(analysis, "monolingual")):
        parts.append(f"within a corpus the UAR is {spread(within)}")
    if crossed := own(_crossed(analysis)):
        peeked = crossed[0].condition.select_on == "target"
        how = "selected on labelled target data" if peeked else "without target labels"
        parts.append(f"zero-shot, {how}, it is {spread(crossed)}{_cost(crossed, analysis)}")
    for name in ("transfer", "two-stage"):
        if scores := own(plain(analysis, name) or plain(analysis, name, select_on="target")):
            how = ", selected on the target in both stages," * (scores[0].condition.select_on == "target")
            parts.append(f"with all target labels, {name}{how} reaches {spread(scores)}")
    return parts


def spread(scores: Sequence[ConditionScores]) -> str:
    """Return one UAR, or the mean of several with their number and range."""
    values = [own.uar.value for own in scores]
    guesses = sum(own.is_guess for own in scores)
    if len(values) == 1:
        one_class = ", predicting one class only" if guesses else ""
        return f"{percent(values[0])} % ({pair_name(scores[0].condition)}{one_class})"
    setting = scores[0].condition.setting
    kind = ("corpus", "corpora") if setting == "monolingual" else ("direction", "directions")
    ends = f"{percent(min(values))} to {percent(max(values))}"
    one_class = f"; {guesses} of them predicting one class only" if guesses else ""
    return f"{percent(mean(values))} % (mean of {count(len(values), *kind)}, {ends}{one_class})"


def _cost(crossed: Sequence[ConditionScores], analysis: Analysis) -> str:
    """Return the difference of zero-shot from monolingual on the same targets, if all have one."""
    references = [monolingual_of(own.condition, analysis.scores, analysis.study) for own in crossed]
    gaps = [
        own.uar.value - analysis.scores[reference].uar.value
        for own, reference in zip(crossed, references, strict=True)
        if reference is not None
    ]
    if len(gaps) < len(crossed):
        return ""
    side = "lower" if mean(gaps) < 0 else "higher"
    return f", {abs(100 * mean(gaps)):.1f} points {side} than monolingual on the same targets"


def _best_zero_shot(analysis: Analysis) -> Iterator[str]:
    crossed, guesses = _not_guessed(_crossed(analysis))
    if len(crossed) > 1:
        best = max(crossed, key=lambda item: item.uar.value)
        yield (
            f"The highest zero-shot UAR of {len(crossed)} conditions is {percent(best.uar.value)} % "
            f"({percent_interval(best.uar)}; {condition_name(best.condition)}): chosen by test score, so "
            f"it is optimistic{_left_out(guesses)}."
        )


def _crossed(analysis: Analysis) -> list[ConditionScores]:
    """Return the strictly zero-shot scores, or else those selected on the target."""
    return plain(analysis, "zero-shot") or plain(analysis, "zero-shot", select_on="target")


def _adapters(analysis: Analysis) -> Iterator[str]:
    """Yield a sentence for every two adapters."""
    groups: dict[tuple[str, str], list[Comparison]] = {}
    for item in _overall(analysis, "adapters"):
        groups.setdefault((item.first.adapter, item.second.adapter), []).append(item)
    for names, items in groups.items():
        first, second = map(adapter_name, names)
        yield f"Adapter {first} changes UAR against {second} by {_by_setting(items)}."


def _adaptation(analysis: Analysis) -> Iterator[str]:
    groups: dict[str, list[Comparison]] = {}
    for item in _overall(analysis, "adaptation"):
        groups.setdefault(item.first.adaptation, []).append(item)
    for name, items in groups.items():
        changes = _by_setting(items)
        yield f"Adaptation to the target's audio by {name}, without labels, changes UAR by {changes}."


def _unions(analysis: Analysis) -> Iterator[str]:
    """Yield what a union of corpora gains over a single source, chosen with and without the test."""
    for kind, name in ((ALL_OTHERS, "union"), (OTHER_LANGUAGES, "languages")):
        union = UNION_NAMES[kind].lower()
        if items := _overall(analysis, name):
            yield (
                f"Training on {union} together instead of the best single source (chosen without the target) "
                f"changes UAR by {_by_setting(items)}."
            )
        if items := _overall(analysis, f"{name}-oracle"):
            yield (
                f"Against the single source that is best on the test itself, an upper bound, {union} "
                f"change UAR by {_by_setting(items)}."
            )


def _by_setting(items: Sequence[Comparison]) -> str:
    """Return differences by setting, a range if there are several, and the number of significant ones."""
    groups: dict[str, list[Comparison]] = {}
    for item in items:
        groups.setdefault(item.first.setting, []).append(item)
    parts = [f"{_range(own)} points in {setting}" for setting, own in groups.items()]
    mean_of = "a mean over its directions" if len(items) == 1 else "each a mean over its directions"
    return f"{listed(parts)}, {mean_of}; {_how_many_significant(items)}"


def _how_many_significant(items: Sequence[Comparison]) -> str:
    if len(items) == 1:
        return f"{'' if significant(items) else 'not '}significant after Holm's correction"
    return f"significant after Holm's correction: {significant(items)} of {len(items)} differences"


def _range(items: Iterable[Comparison]) -> str:
    return _spread_of(item.paired for item in items)


def _spread_of(items: Iterable[Paired]) -> str:
    values = [item.difference.value for item in items]
    low, high = points(min(values)), points(max(values))
    return low if low == high else f"{low} to {high}"


def _overall(analysis: Analysis, name: str) -> list[Comparison]:
    """Return the comparisons over all corpora of a family that have a difference."""
    found = [item for family in analysis.families if family.name == name for item in family.overall]
    return [item for item in found if item.paired.utterances]


def _few_shot(analysis: Analysis) -> Iterator[str]:
    """Yield how many labelled utterances are enough in each direction; of many curves, how many reach it."""
    curves = [curve for curve in analysis.curves if curve.closed(0) is not None]
    if not curves:
        return
    share = f"{100 * ENOUGH:.0f} % of the gap between zero-shot and monolingual"
    if len(curves) > MOST_CURVES:
        reached = sum(curve.enough() is not None for curve in curves)
        yield (
            f"Labelled utterances per emotion that close {share}: {reached} of {len(curves)} curves "
            f"reach this with the numbers tried; the table of few-shot curves lists each direction."
        )
        return
    parts = [
        f"{condition_name(curve.condition).replace(', few-shot ', ', ')}: {enough_text(curve)}"
        for curve in curves
    ]
    yield (
        f"Labelled utterances per emotion that close {share}, with the 95 % interval where there is one: "
        f"{'; '.join(parts)}."
    )


def _baseline(analysis: Analysis) -> Iterator[str]:
    if items := _overall(analysis, "few-shot"):
        parts = [f"{_range([item])} with {count(item.first.shots or 0, 'shot')}" for item in items]
        shown = listed(parts) if len(parts) <= MOST_CURVES else f"{_range(items)}, regardless of their number"
        yield (
            f"Compared with training on the same few utterances alone, adding the source changes UAR by "
            f"{shown} (points, means over "
            f"directions; significant after Holm's correction: {significant(items)} of {len(items)})."
        )


def _forgetting(analysis: Analysis) -> Iterator[str]:
    """Yield how the UAR on the source changes by training on the target, for each setting."""
    groups: dict[str, list[Paired]] = {}
    for own in analysis.forgetting:
        groups.setdefault(own.condition.setting, []).append(own.scores.paired)
    parts = [
        f"{_spread_of(items)} points in {setting} (significant after Holm's correction: "
        f"{sum(item.is_significant for item in items)} of {len(items)})"
        for setting, items in groups.items()
    ]
    if parts:
        yield f"Training on the target changes UAR on the source's own test part by {listed(parts)}."


def _emotions(analysis: Analysis) -> Iterator[str]:
    """Yield the emotions with the lowest and highest recall, by count: a mean would mix conditions."""
    classes = analysis.study.classes
    crossed, guesses = _not_guessed(_crossed(analysis))
    lowest, highest = Counter[str](), Counter[str]()
    for own in crossed:
        recalls = {name: own.recalls[index].value for index, name in enumerate(classes) if own.support[index]}
        if len(recalls) > 1:
            lowest[min(recalls, key=recalls.__getitem__)] += 1
            highest[max(recalls, key=recalls.__getitem__)] += 1
    if lowest.total() >= LEAST_COUNTED:
        (low, lows), (high, highs) = lowest.most_common(1)[0], highest.most_common(1)[0]
        total = lowest.total()
        yield (
            f"Zero-shot, {low} has the lowest recall in {lows} of {count(total, 'condition')} and {high} the "
            f"highest in {highs} of {total} (a count, not a test{_left_out(guesses)})."
        )


def _not_guessed(scores: Sequence[ConditionScores]) -> tuple[list[ConditionScores], int]:
    """Return the scores of conditions that predict several classes, and the number of the others."""
    kept = [own for own in scores if not own.is_guess]
    return kept, len(scores) - len(kept)


def _left_out(guesses: int) -> str:
    return f"; {guesses} more predict one class only and are excluded" if guesses else ""


def plain(analysis: Analysis, setting: str, select_on: str = "source") -> list[ConditionScores]:
    """Return the scores of a setting without adaptation, by default without selection on the target.

    They are those of single sources, of unions only where there are no others.
    """
    sources = Sources(analysis.study)
    every = [
        own
        for condition, own in analysis.scores.items()
        if (condition.setting, condition.adaptation, condition.select_on) == (setting, "none", select_on)
    ]
    return [own for own in every if not sources.is_union(own.condition)] or every


def mean_uar(scores: Iterable[ConditionScores]) -> float:
    """Return the mean UAR of conditions, equally weighted."""
    return mean(own.uar.value for own in scores)


def significant(items: Iterable[Comparison]) -> int:
    """Return how many comparisons stay significant after Holm's correction."""
    return sum(item.paired.is_significant for item in items)


Column = tuple[str, str]
"""(encoder, adapter)."""


@dataclass(frozen=True)
class OverviewRow:
    """A setting with its tags.

    Attributes:
        setting: The setting.
        tags: What union of corpora is the source, shots, adaptation, selection on the target.
        means: (encoder, adapter) -> mean UAR over directions (source and target), 0 to 1.
        counts: (encoder, adapter) -> the number of directions (or corpora) that its mean is over.
    """

    setting: str
    tags: tuple[str, ...]
    means: Mapping[Column, float]
    counts: Mapping[Column, int]

    @property
    def count(self) -> int:
        """The most directions (or corpora) that a mean of the row is over."""
        return max(self.counts.values())

    @property
    def kind(self) -> str:
        """What the means are over: "3 corpora", "6 directions", "1 direction"."""
        if self.setting == "monolingual":
            return count(self.count, "corpus", "corpora")
        return count(self.count, "direction")

    def lacks(self, column: Column) -> str:
        """Return how many of them a mean covers if not all: "4 of 6", or ""."""
        return "" if self.counts[column] == self.count else f"{self.counts[column]} of {self.count}"


@dataclass(frozen=True)
class Overview:
    """Rows of settings, columns of encoders with their adapters."""

    columns: tuple[Column, ...]
    rows: tuple[OverviewRow, ...]


def overview(analysis: Analysis) -> Overview:
    """Return the mean UAR by setting, encoder and adapter."""
    columns = tuple(dict.fromkeys((item.encoder, item.adapter) for item in analysis.scores))
    groups: dict[tuple[str, tuple[str, ...]], dict[Column, list[ConditionScores]]] = {}
    sources = Sources(analysis.study)
    for condition in sorted(analysis.scores, key=lambda own: _sort_key(own, sources)):
        tags = tuple(filter(None, (sources.kind_of(condition), *condition.tags)))
        row = groups.setdefault((condition.setting, tags), {})
        column = (condition.encoder, condition.adapter)
        row.setdefault(column, []).append(analysis.scores[condition])
    rows = [
        OverviewRow(
            setting,
            tags,
            {column: mean_uar(own) for column, own in row.items()},
            {column: len(own) for column, own in row.items()},
        )
        for (setting, tags), row in groups.items()
    ]
    return Overview(columns, tuple(rows))


def _sort_key(condition: Condition, sources: Sources) -> tuple[int, bool, int, int]:
    """Order settings, strictly zero-shot before selection on the target, shots and sources by number."""
    size = len(sources.corpora_of(condition))
    return SETTINGS.index(condition.setting), condition.select_on == "target", condition.shots or 0, size


Cells = tuple[tuple[ConditionScores | None, ...], ...]

ANY_SOURCE = "any"
"""Row of a matrix whose rows are all the same computation."""

UNADAPTED = "The diagonal is monolingual and without adaptation: there is no other corpus to adapt to."
"""Note below the matrix of an adaptation."""
DIAGONAL = "The diagonal is monolingual: trained and tested on the same corpus."
"""Note below the zero-shot matrix, which includes monolingual scores."""
BEST_NOTE = (
    f"{BEST_SINGLE}: the source with the highest mean UAR on the test parts of all other corpora, chosen "
    "without the target. Oracle: chosen by the scores shown, an upper bound."
)
"""Note below a matrix with rows of unions."""


@dataclass(frozen=True)
class Matrix:
    """Scores by training corpus (rows) and test corpus (columns).

    Attributes:
        title: The setting.
        tags: Tags that distinguish it from the plain setting.
        rows: Training corpora; then `BEST_SINGLE`, `ORACLE` and kinds of unions, where there are unions.
        columns: Test corpora.
        cells: `[rows][columns]`, None where there is no score; monolingual ones are on the diagonal of the
            settings `zero-shot` and `monolingual`.
        note: A sentence below it, or "".
        singles: Number of rows that are single training corpora, which come first.
    """

    title: str
    tags: tuple[str, ...]
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: Cells
    note: str = ""
    singles: int = 0

    def source_in(self, row: int, column: int) -> str:
        """Return the source to be named in a cell: of rows in which it was chosen, else ""."""
        own = self.cells[row][column]
        return own.condition.source if own and self.rows[row] in (BEST_SINGLE, ORACLE) else ""


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
    joint = _joint_rows(members, columns, analysis)
    tags = members[0].tags if members else ()
    notes = (_note(kind, bool(own & shown)), BEST_NOTE if BEST_SINGLE in joint or ORACLE in joint else "")
    return Matrix(
        kind[0],
        tags,
        (*rows, *joint),
        columns,
        (*cells, *joint.values()),
        " ".join(filter(None, notes)),
        singles=len(rows),
    )


def _joint_rows(
    members: Sequence[Condition], columns: Sequence[str], analysis: Analysis
) -> dict[str, tuple[ConditionScores | None, ...]]:
    """Return the rows below single sources: unions of corpora, and what they are compared with."""
    sources, scores = Sources(analysis.study), analysis.scores
    unions: dict[str, dict[str, Condition | None]] = {ALL_OTHERS: {}, OTHER_LANGUAGES: {}}
    for member in members:
        unions.setdefault(sources.kind_of(member), {})[member.target] = member
    compared = unions[ALL_OTHERS] or unions[OTHER_LANGUAGES]
    rows = {
        BEST_SINGLE: _chosen(compared, scores, sources, chosen_single),
        ORACLE: _chosen(compared, scores, sources, oracle_single),
        **{kind.capitalize(): unions[kind] for kind in (ALL_OTHERS, OTHER_LANGUAGES)},
    }
    found = {
        name: tuple(scores[item] if (item := row.get(column)) else None for column in columns)
        for name, row in rows.items()
    }
    return {name: cells for name, cells in found.items() if any(cells)}


def _chosen(
    unions: Mapping[str, Condition | None], scores: Scores, sources: Sources, choose: Choose
) -> dict[str, Condition | None]:
    return {target: choose(own, scores, sources) for target, own in unions.items() if own is not None}


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
    tags = replace(members[0], shots=None).tags
    return Matrix("transfer", tags, (ANY_SOURCE,), columns, cells, note, singles=1)


def title(study: Study) -> str:
    """Return the heading of a study's report."""
    return f"Cross-lingual study: {listed(list(study.corpora))}"


def facts(analysis: Analysis) -> list[tuple[str, str]]:
    """Return when a study ran, how large it is, and how it was repeated, as (name, value)."""
    study = analysis.study
    cells = [record.cell for record in study.records]
    done = sum(record.status == "done" for record in study.records)
    rows = [
        ("Run", study.created.replace("T", " ")[:16]),
        ("Runtime", clock(study.seconds)),
        ("Cells", f"{done:,} of {len(cells):,} done"),
        ("Conditions", f"{len(study.conditions):,}"),
        ("Classes", ", ".join(study.classes)),
        ("Folds", str(len({cell.fold for cell in cells}))),
        ("Seeds", ", ".join(map(str, sorted({cell.seed for cell in cells})))),
        ("Few-shot draws", str(len({cell.draw for cell in cells})) if analysis.curves else ""),
        ("sercl", str(study.environment.get("sercl", ""))),
    ]
    return [(name, value) for name, value in rows if value]


def versions(study: Study) -> list[tuple[str, str]]:
    """Return the versions that a study ran with, as (name, version)."""
    environment = study.environment
    named = [
        (name, str(environment[name])) for name in ("sercl", "python", "platform") if name in environment
    ]
    return [*named, *((name, str(own)) for name, own in dict(environment.get("packages", {})).items())]


STUDY = """@inproceedings{han2025crosslingual,
  title     = {Cross-lingual Speech Emotion Recognition: Humans vs. Self-Supervised Models},
  author    = {Han, Zhichen and Geng, Tianqi and Feng, Hui and Yuan, Jiahong and Richmond, Korin and Li, Yuanchao},
  booktitle = {IEEE International Conference on Acoustics, Speech and Signal Processing (ICASSP)},
  year      = {2025}, note = {arXiv:2409.16920}
}"""  # noqa: E501
"""The study whose method is reproduced, as the README cites it, too."""


def bibtex(version: str = __version__) -> str:
    """Return the BibTeX entries of the study and of sercl.

    Args:
        version: The version of sercl that made the results.
    """
    own = f"""@software{{sercl,
  title   = {{sercl: cross-lingual speech emotion recognition}},
  version = {{{version}}}
}}"""
    return f"{STUDY}\n\n{own}\n"
