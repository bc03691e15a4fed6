"""Everything that a study's report says: scores, tests, curves, and what to know before reading them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sercl.counting import count
from sercl.data.settings import NO_ADAPTATION, TARGET, ZERO_SHOT
from sercl.metrics.functional.classification import AVERAGES
from sercl.metrics.functional.intervals import SIGNIFICANT
from sercl.studies.cross_eval.analysis.comparisons import Curve, Family, compare_conditions, few_shot_curves
from sercl.studies.cross_eval.analysis.forgetting import Forgotten, find_forgetting
from sercl.studies.cross_eval.analysis.published import Match, matches
from sercl.studies.cross_eval.analysis.scores import ConditionScores, score_conditions
from sercl.studies.cross_eval.analysis.source_curves import SourceCurve, source_curves
from sercl.studies.cross_eval.analysis.sources import Scores, Sources, chosen_single
from sercl.studies.cross_eval.cells import CellRecord, Condition, ForgettingRecord, Study
from sercl.studies.cross_eval.study_file import read_forgetting, read_predictions, read_study
from sercl.studies.results.groups import FEW_UTTERANCES, Grouping, groups_of
from sercl.studies.results.paired import Paired

UNBALANCED = 2.0
"""Classes are called unbalanced from this ratio between the largest and the smallest on."""


@dataclass(frozen=True)
class ReportWarning:
    """A warning.

    Attributes:
        kind: "incomplete", "guess", "data", "speakers", "selection", "adaptation", "size", "balance",
            "training", "repeats", "test" or "note".
        text: One or two sentences.
        details: What it concerns, one entry each, where useful.
    """

    kind: str
    text: str
    details: tuple[str, ...] = ()


def find_warnings(
    study: Study,
    scores: Mapping[Condition, ConditionScores],
    families: Iterable[Family],
    left_out: Mapping[Condition, int],
    forgetting: Iterable[Forgotten] = (),
) -> tuple[ReportWarning, ...]:
    """Return the warnings of a study, the most serious first.

    Args:
        study: The study.
        scores: From `score_conditions`.
        families: From `compare_conditions`.
        left_out: Condition -> number of its repeats that lack utterances and are not averaged.
        forgetting: From `find_forgetting`.
    """
    found = [
        *_incomplete(study.records),
        *_guesses(scores),
        *_corpora(study),
        *_untested_sources(study),
        *_shared_speakers(study),
        *_selection(study),
        *_unchosen(study, scores),
        *_adaptation(study),
        *_left_out(left_out),
        *_sizes(scores, study.classes),
        *_exact_by_utterance(scores, study.classes),
        *_epoch_limit(study.records),
        *_single_seed(scores, study.records),
        *_powerless([item.paired for family in families for item in family.comparisons]),
        *_powerless([item.scores.paired for item in forgetting], "of sources "),
        *_notes(study),
    ]
    return tuple(found)


def _incomplete(records: Iterable[CellRecord]) -> Iterator[ReportWarning]:
    all_records = list(records)
    states = Counter(record.status for record in all_records)
    failed = tuple(_failure(record) for record in all_records if record.status == "failed")
    if failed:
        text = f"{len(failed):,} of {len(all_records):,} cells failed; scores cover the others."
        yield ReportWarning("incomplete", text, failed)
    if states["missing"]:
        yield ReportWarning(
            "incomplete",
            f"{states['missing']:,} of {len(all_records):,} cells have not been run; the same command "
            "continues with them.",
        )


def _failure(record: CellRecord) -> str:
    reason = (record.error or "no message").splitlines()[0]
    cell = record.cell
    return f"{cell.condition.label}, fold {cell.fold}, seed {cell.seed} ({record.address}): {reason}"


def _untested_sources(study: Study) -> Iterator[ReportWarning]:
    """Yield which tests of sources failed; where a cell itself failed, its source cannot be tested."""
    cells = {own.cell for own in study.records if own.status == "failed"}
    failed = [own for own in study.forgetting if own.status == "failed" and own.cell not in cells]
    if failed:
        text = f"{count(len(failed), 'test')} of sources failed; the scores of forgetting cover the others."
        yield ReportWarning("incomplete", text, tuple(map(_failed_test, failed)))


def _failed_test(record: ForgettingRecord) -> str:
    cell, reason = record.cell, (record.error or "no message").splitlines()[0]
    return f"{record.corpus} for {cell.condition.label}, fold {cell.fold}, seed {cell.seed}: {reason}"


def _guesses(scores: Mapping[Condition, ConditionScores]) -> Iterator[ReportWarning]:
    affected = [own for own in scores.values() if own.one_class]
    if affected:
        whole = [own for own in affected if own.is_guess]
        yield ReportWarning(
            "guess",
            f"{count(len(affected), 'condition')} with cells that predict one class for every test "
            f"utterance, {len(whole)} of them in all cells: there UAR is that of guessing, its interval "
            f"is meaningless, and statements about single emotions and the highest score exclude the "
            f"condition.",
            tuple(map(_guess, affected)),
        )


def _guess(own: ConditionScores) -> str:
    name = f", always {own.only_class}" if own.only_class else ""
    return f"{own.condition.label}: {own.one_class} of {own.cells} cells{name}"


def _corpora(study: Study) -> Iterator[ReportWarning]:
    noted: dict[str, list[str]] = {}
    for name, corpus in study.corpora.items():
        for note in corpus.notes:
            noted.setdefault(note, []).append(name)
    yield from (ReportWarning("data", f"{', '.join(names)}: {note}.") for note, names in noted.items())


def _shared_speakers(study: Study) -> Iterator[ReportWarning]:
    shared: dict[str, set[str]] = {}
    done = [
        *((own.cell.condition.target, own.shared_speakers) for own in study.records if own.status == "done"),
        *((own.corpus, own.shared_speakers) for own in study.forgetting if own.status == "done"),
    ]
    for corpus, speakers in done:
        if speakers:
            shared.setdefault(corpus, set()).update(speakers)
    for corpus, names in shared.items():
        yield ReportWarning(
            "speakers",
            f"{corpus}: {count(len(names), 'tested speaker')} also seen in training. These scores are "
            f"speaker-dependent and do not generalise to new speakers.",
        )


def _selection(study: Study) -> Iterator[ReportWarning]:
    affected = [item for item in study.conditions if item.setting == ZERO_SHOT and item.select_on == TARGET]
    if affected:
        yield ReportWarning(
            "selection",
            f"{count(len(affected), 'zero-shot condition')} selected epochs and layers on labelled "
            "validation data of the target. They are marked, and are not strictly zero-shot.",
        )


def _unchosen(study: Study, scores: Scores) -> Iterator[ReportWarning]:
    sources = Sources(study)
    unions = [own for own in scores if sources.kind_of(own) and sources.singles_of(own, scores)]
    without = [own for own in unions if chosen_single(own, scores, sources) is None]
    if without:
        yield ReportWarning(
            "incomplete",
            f"{count(len(without), 'condition')} trained on several corpora without a best single source to "
            "compare with, other than the one that is best on the test: choosing it needs monolingual and "
            "zero-shot scores of all of them. Add both to study.settings, and the corpora to study.test.",
        )


def _adaptation(study: Study) -> Iterator[ReportWarning]:
    names = sorted({item.adaptation for item in study.conditions} - {NO_ADAPTATION})
    if names:
        yield ReportWarning(
            "adaptation",
            f"Adaptation used audio of the target, without its labels ({', '.join(names)}). These "
            f"conditions are marked; they require target recordings when the model is built or used.",
        )


def _left_out(left_out: Mapping[Condition, int]) -> Iterator[ReportWarning]:
    affected = {condition: number for condition, number in left_out.items() if number}
    if affected:
        yield ReportWarning(
            "incomplete",
            f"{count(len(affected), 'condition')} with fewer repeats than were run: repeats that lack a "
            f"fold are left out, so that all cover the same utterances.",
            tuple(f"{condition.label}: {number} left out" for condition, number in affected.items()),
        )


def _sizes(scores: Mapping[Condition, ConditionScores], classes: tuple[str, ...]) -> Iterator[ReportWarning]:
    targets: dict[str, ConditionScores] = {}
    for own in scores.values():
        known = targets.setdefault(own.condition.target, own)
        if sum(own.support) > sum(known.support):
            targets[own.condition.target] = own
    for target, own in targets.items():
        yield from _size(target, own, classes)


def _size(target: str, own: ConditionScores, classes: tuple[str, ...]) -> Iterator[ReportWarning]:
    present = {name: count for name, count in zip(classes, own.support, strict=True) if count}
    absent = [name for name in classes if name not in present]
    if absent:
        text = f"{target}: no test utterance of {', '.join(absent)}; UAR is the mean over the other classes."
        yield ReportWarning("balance", text)
    tiny = [f"{name} {count}" for name, count in present.items() if count < FEW_UTTERANCES]
    if tiny:
        yield ReportWarning(
            "size", f"{target}: tiny test set ({', '.join(tiny)} utterances). Rely on the intervals."
        )
    if max(present.values()) >= UNBALANCED * min(present.values()):
        spread = f"{min(present.values())} to {max(present.values())} utterances per class"
        yield ReportWarning("balance", f"{target}: unbalanced test set ({spread}). Use UAR, not WA.")
    if own.uar.unit == "utterances":
        who = "speakers are unknown" if own.speakers is None else count(own.speakers, "speaker")
        yield ReportWarning(
            "speakers",
            f"{target}: {who}, so intervals and tests resample utterances: they are too narrow for new "
            "speakers.",
        )


def _exact_by_utterance(
    scores: Mapping[Condition, ConditionScores], classes: tuple[str, ...]
) -> Iterator[ReportWarning]:
    """Where speakers are unknown, the exact interval of 0 or 100 % treats utterances as speakers."""
    affected = {
        condition.label: names
        for condition, own in scores.items()
        if own.uar.unit == "utterances" and (names := _at_an_end(own, classes))
    }
    if affected:
        yield ReportWarning(
            "speakers",
            f"{count(len(affected), 'condition')} with a score of exactly 0 or 100 %, whose exact "
            f"interval treats each utterance as a different speaker: for new speakers it is far too "
            f"narrow.",
            tuple(f"{label}: {', '.join(names)}" for label, names in affected.items()),
        )


def _at_an_end(own: ConditionScores, classes: tuple[str, ...]) -> list[str]:
    recalls = {f"recall of {name}": recall for name, recall in zip(classes, own.recalls, strict=True)}
    averages = {AVERAGES[name].title: score for name, score in own.averages.items()}
    return [name for name, score in {**averages, **recalls}.items() if score.value in (0.0, 1.0)]


def _epoch_limit(records: Iterable[CellRecord]) -> Iterator[ReportWarning]:
    trained = [record for record in records if record.status == "done" and record.early_stopped is not None]
    cut = [record for record in trained if not record.early_stopped]
    if cut:
        conditions = Counter(record.cell.condition.label for record in cut)
        yield ReportWarning(
            "training",
            f"{len(cut):,} of {len(trained):,} trainings ended at a limit of epochs, steps or time, not "
            f"by early stopping: longer training may score higher.",
            tuple(f"{name}: {count}" for name, count in conditions.items()),
        )


def _single_seed(
    scores: Mapping[Condition, ConditionScores], records: Iterable[CellRecord]
) -> Iterator[ReportWarning]:
    convex = {record.cell.condition for record in records if record.c is not None}
    repeats: dict[str, int] = {}
    for condition, own in scores.items():
        if condition in convex:
            continue  # logistic regressions involve no chance
        repeats[condition.adapter] = max(repeats.get(condition.adapter, 0), len(own.runs))
    single = [adapter for adapter, number in repeats.items() if number == 1]
    if single:
        yield ReportWarning(
            "repeats",
            f"One seed only for adapter {', '.join(single)}: how much its scores vary between seeds is "
            f"unknown, and the intervals do not include it.",
        )


def _powerless(compared: Iterable[Paired], of: str = "") -> Iterator[ReportWarning]:
    tests = [paired.test for paired in compared if paired.test]
    blunt = {(test.count, test.unit): test.smallest for test in tests if test.smallest > SIGNIFICANT}
    for (size, unit), smallest in sorted(blunt.items()):
        yield ReportWarning(
            "test",
            f"With {size} {unit} no paired test {of}can give p below {smallest:.3f}, however clear the "
            f"difference: no difference can be significant, and none has a 95 % interval.",
        )


def _notes(study: Study) -> Iterator[ReportWarning]:
    notes = Counter(study.cell_notes)
    yield from (ReportWarning("note", text) for text in (*study.warnings, *notes))


@dataclass(frozen=True)
class Analysis:
    """A study with its scores.

    Attributes:
        study: The grid of cells and their status.
        scores: Condition -> scores, in the order of the grid; conditions without a finished cell are absent.
        families: The paired tests.
        curves: The few-shot curves.
        source_curves: Scores over the number of corpora that were trained on.
        published: Published figures beside the study's own.
        warnings: What a reader must know before trusting the scores.
        forgetting: What trainings on targets forget of their sources.
        groups: Condition -> scores of groups of its utterances, by each column that was asked for.
    """

    study: Study
    scores: Mapping[Condition, ConditionScores]
    families: tuple[Family, ...]
    curves: tuple[Curve, ...]
    source_curves: tuple[SourceCurve, ...]
    published: tuple[Match, ...]
    warnings: tuple[ReportWarning, ...]
    forgetting: tuple[Forgotten, ...] = ()
    groups: Mapping[Condition, tuple[Grouping, ...]] = field(default_factory=dict)


def analyse(folder: Path, study: Study | None = None, group_by: Sequence[str] = ()) -> Analysis:
    """Read a study's folder and compute everything in its report.

    Args:
        folder: Holds `study.json` and its files of predictions.
        study: The content of the former; None to read it.
        group_by: Columns of what is known of the utterances ("dialect"), by which they are scored in groups.

    Raises:
        UsageError: As `groups_of`.
        ResultsError: If one of them is missing or broken, or they contradict each other.
    """
    study = read_study(folder) if study is None else study
    everything = read_predictions(folder, study)
    predictions = {condition: item.complete() for condition, item in everything.items()}
    left_out = {
        condition: len(item.runs) - len(predictions[condition].runs) for condition, item in everything.items()
    }
    scores = score_conditions(predictions)
    families = compare_conditions(predictions, study, scores)
    forgetting = find_forgetting(read_forgetting(folder, study))
    return Analysis(
        study=study,
        scores=scores,
        families=families,
        curves=few_shot_curves(scores, study, predictions),
        source_curves=source_curves(scores, study, predictions),
        published=matches(scores, study),
        warnings=find_warnings(study, scores, families, left_out, forgetting),
        forgetting=forgetting,
        groups=groups_of(predictions, group_by) if group_by else {},
    )
