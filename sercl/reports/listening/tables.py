"""The tables of a comparison of listeners, for every format."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from sercl.listening.comparison.compare import Comparison
from sercl.listening.comparison.contrasts import Contrast
from sercl.listening.comparison.segments import ERRORS, Boundaries
from sercl.listening.ratings import RATINGS
from sercl.reports.cross_eval.wording import p_value
from sercl.reports.listening.wording import (
    NONE,
    better,
    claim_text,
    in_percent,
    in_points,
    number,
    place,
    plain,
    verdict,
    worth,
)
from sercl.reports.results import percent
from sercl.reports.style import TextTable

ALONE = "listeners alone"
"""The judges of a mixed model without a model."""

SEGMENTS_HEADING = "Marked parts"


def intervals_note(own: Comparison) -> str:
    """Return what the intervals are over."""
    units = own.options.units
    what = f"listeners and {units}" if own.kind == RATINGS else units
    return f"In brackets 95 % intervals, over {what}."


def groups_table(own: Comparison) -> TextTable:
    """Return UAR and agreement of each group."""
    rows = tuple(
        (
            row.group,
            place(row),
            in_percent(row.uar),
            plain(row.alpha),
            number(row.fleiss),
            in_percent(own.consistency.get(row.group)) if place(row) == "all items" else NONE,
            str(row.listeners or NONE),
            f"{row.items:,}",
            f"{row.answers:,}",
        )
        for row in own.groups
    )
    columns = (
        "Group", "Subset", "UAR %", "Krippendorff's\nalpha", "Fleiss'\nkappa", "Same answer\nagain %",
        "Listeners", "Items", "Answers",
    )  # fmt: skip
    return TextTable("groups", "Recognition and agreement", columns, rows, texts=2, note=intervals_note(own))


def emotions_table(own: Comparison) -> TextTable:
    """Return the scores of each emotion."""
    rows = tuple(
        (
            row.group,
            place(row),
            each.emotion,
            in_percent(each.recall),
            plain(each.hu),
            number(each.hu_by_chance),
            plain(each.d_prime),
            plain(each.criterion),
        )
        for row in own.groups
        for each in row.emotions
    )
    columns = ("Group", "Subset", "Emotion", "Recall %", "Hu", "Hu by\nchance", "d'", "Criterion")
    terms = (
        "Hu is the unbiased hit rate, recall times precision. d' is sensitivity; a criterion below 0 means "
        "that the answer is given too readily. "
    )
    has_answers = any(each.hu is not None for row in own.groups for each in row.emotions)
    note = f"{terms if has_answers else ''}{intervals_note(own)}"
    return TextTable("emotions", "Scores of each emotion", columns, rows, texts=3, note=note)


def models_table(own: Comparison) -> TextTable:
    """Return listeners against models."""
    rows = tuple(
        (
            row.group,
            row.model,
            percent(row.people.value),
            percent(row.machine.value),
            in_points(row.difference),
            p_value(row.p_holm),
            p_value(row.equivalence.p),
            verdict(row),
            f"{row.items:,}",
        )
        for row in own.models
    )
    columns = (
        "Group", "Model", "Listeners\nUAR %", "Model\nUAR %", "Difference", "p, Holm",
        "p, equal\nwithin margin", "Verdict", "Items",
    )  # fmt: skip
    note = (
        f"Listeners minus model, on the items of both. Equal: two one-sided tests with a margin of "
        f"{100 * own.options.margin:g} points, that is, a 90 % interval within it. {intervals_note(own)}"
    )
    return TextTable("models", "Listeners against models", columns, rows, texts=2, note=note)


def errors_table(own: Comparison) -> TextTable:
    """Return whether models fail where listeners do."""
    rows = tuple(
        (
            row.group,
            row.model,
            plain(row.consistency),
            number(row.between),
            plain(row.difficulty),
            plain(row.difficulty_all),
            plain(row.difficulty_ceiling),
        )
        for row in own.models
    )
    columns = (
        "Group", "Model", "Error\nconsistency", "Between\nlisteners", "Difficulty,\nwithin emotions",
        "Difficulty,\nall", "Ceiling",
    )  # fmt: skip
    note = (
        "Error consistency is the kappa of being right on the same items: 0 independent errors, 1 the same. "
        "Difficulty is the rank correlation of the listeners' errors with the model's probability of an "
        f"error; the ceiling is what a perfect model could reach with so many answers. {intervals_note(own)}"
    )
    return TextTable("errors", "Do models fail where listeners do?", columns, rows, texts=2, note=note)


def worth_table(own: Comparison) -> TextTable:
    """Return how many listeners each model is worth, and how it fits their votes and confusions."""
    rows = []
    for row in own.models:
        alike, soft = row.similarity, row.soft
        if alike is None:
            continue
        ceiling = " to ".join(map(plain, alike.ceiling)) if alike.ceiling else NONE
        rows.append(
            (
                row.group,
                row.model,
                worth(row.worth),
                worth(row.worth_by_loss),
                number(alike.value),
                number(alike.to_listeners),
                ceiling,
                f"{p_value(alike.p)} (≥ {alike.smallest:.3f})" if alike.p == alike.p else NONE,
                plain(soft.divergence) if soft else NONE,
                plain(soft.cross_entropy) if soft else NONE,
                number(soft.held_out) if soft else NONE,
            )
        )
    columns = (
        "Group", "Model", "Worth\nlisteners", "By\nlog-loss", "Confusions\nalike", "Each\nlistener",
        "Ceiling", "p of the\nerrors", "Divergence\nof votes", "Cross-\nentropy", "All but one\nlistener",
    )  # fmt: skip
    note = (
        "Worth: the number of listeners whose majority has the model's UAR, or who predict another listener "
        "as well. Confusions: 1 - Jensen-Shannon divergence of their rows; the ceiling leaves each listener "
        "out; p tests the pattern of errors by renaming emotions. Cross-entropy in nats, beside that of all "
        "listeners but one."
    )
    return TextTable("worth", "What a model is worth", columns, tuple(rows), texts=2, note=note)


def majorities_table(own: Comparison) -> TextTable:
    """Return the UAR of majorities, and how well they predict another listener."""
    rows = [
        (group, str(size), in_percent(uar), plain(own.held_out.get(group, {}).get(size), 3))
        for group, curve in own.majorities.items()
        for size, uar in curve.items()
    ]
    columns = ("Group", "Listeners", "UAR %", "Log-loss, nats")
    note = (
        "UAR of the majority of randomly chosen listeners; log-loss of predicting one more listener from "
        f"theirs. Items with fewer votes than the largest number are left out. {intervals_note(own)}"
    )
    return TextTable("majorities", "This many listeners", columns, tuple(rows), texts=1, note=note)


def contrasts_table(own: Comparison) -> TextTable:
    """Return differences between groups, languages and dialects."""
    rows = tuple(_contrast_row(row) for row in own.contrasts)
    columns = ("Kind", "What", "Difference", "p", "p, Holm", "Listeners", "Items")
    note = f"In points of UAR. Holm's correction is within each kind. {intervals_note(own)}"
    return TextTable("contrasts", "Groups, languages, dialects", columns, rows, texts=2, note=note)


def _contrast_row(row: Contrast) -> tuple[str, ...]:
    sizes = str(row.difference.listeners or NONE), str(row.difference.items)
    return row.kind, row.name, in_points(row.difference), p_value(row.p), p_value(row.p_holm), *sizes


def mixed_table(own: Comparison) -> TextTable:
    """Return the contrasts of the mixed models."""
    rows = tuple(
        (
            row.judge or ALONE,
            each.kind,
            each.name,
            plain(each.difference),
            p_value(each.p),
            p_value(each.p_holm),
        )
        for row in own.mixed_models
        for each in row.contrasts
    )
    columns = ("Judges", "Kind", "What", "Difference,\nlog-odds", "p", "p, Holm")
    note = (
        "Differences in the log-odds of being right, averaged over emotions. p by t (Satterthwaite); "
        "Holm's correction is within each kind, over all models. In brackets 95 % intervals, over "
        "listeners, items and speakers."
    )
    return TextTable("mixed", "Crossed logistic mixed models", columns, rows, texts=3, note=note)


def mixed_terms_table(own: Comparison) -> TextTable:
    """Return what was fitted, and how much listeners, items and speakers differ."""
    rows = []
    for row in own.mixed_models:
        spread = ", ".join(
            f"{name} {number(value)}{' (at its bound)' if name in row.at_bound else ''}"
            for name, value in row.deviations.items()
        )
        rows.append((row.judge or ALONE, row.formula or NONE, spread or NONE, row.problem or "converged"))
    columns = ("Judges", "Model", "Standard deviations, log-odds", "Fit")
    note = (
        "Laplace approximation. item:judge is how differently hard an item is for groups, listener:items how "
        "differently listeners respond to languages and dialects; with item:machine and speaker:machine, "
        "what is hard for the model is independent of what is hard for listeners."
    )
    return TextTable("mixed-terms", "Terms of the mixed models", columns, tuple(rows), texts=4, note=note)


def marks_table(own: Comparison) -> TextTable:
    """Return the errors of groups and models in marking parts."""
    found = own.segments
    rows = (
        tuple(
            (
                row.group,
                place(row),
                *(in_percent(row.errors.get(name)) for name in ERRORS),
                str(row.listeners or NONE),
                f"{row.known:,} of {row.items:,}" if row.known < row.items else f"{row.items:,}",
                f"{row.empty} of {row.marked}",
            )
            for row in (*found.groups, *found.models)
            if row.errors
        )
        if found
        else ()
    )
    columns = (
        "Who", "Subset", "EDER %", "Missed\nemotion %", "False\nalarm %", "Confusion %", "Listeners",
        "Recordings", "Nothing\nmarked",
    )  # fmt: skip
    note = f"EDER: share of time with the wrong emotion, mean over recordings. {intervals_note(own)}"
    return TextTable("segments", "Errors in marking emotions", columns, rows, texts=2, note=note)


def boundaries_table(own: Comparison) -> TextTable:
    """Return how well groups and models find known boundaries."""
    found = own.segments
    rows = (
        tuple(
            (row.group, place(row), *_boundaries(row.boundaries), f"{row.known:,}")
            for row in (*found.groups, *found.models)
            if row.boundaries
        )
        if found
        else ()
    )
    return TextTable(
        "boundaries",
        "Known boundaries",
        _boundary_columns(own, "Who"),
        rows,
        texts=2,
        note=_boundary_note(own),
    )


def _boundaries(own: Boundaries) -> tuple[str, str, str]:
    return in_percent(own.within), plain(own.start), plain(own.end)


def _boundary_columns(own: Comparison, *first: str) -> tuple[str, ...]:
    within = f"Within\n{own.options.tolerance:g} s, %"
    return (*first, "Subset", within, "Start,\nmedian s", "End,\nmedian s", "Recordings")


def _boundary_note(own: Comparison) -> str:
    return (
        f"Share of boundaries that were marked within {own.options.tolerance:g} s, whatever the emotions, "
        "and median distances of starts and ends of events that a marked part overlaps. Edges of recordings "
        f"do not count. {intervals_note(own)}"
    )


def agreement_table(own: Comparison) -> TextTable:
    """Return how well listeners agree with each other, and with models."""
    found = own.segments
    rows = [
        (
            row.group,
            "each other",
            place(row),
            in_percent(row.between.disagreement),
            plain(row.between.alpha),
            *_boundaries(row.between.boundaries),
            f"{row.items:,}",
        )
        for row in (found.groups if found else ())
        if row.between
    ]
    rows += [
        (
            row.group,
            row.model,
            "all items",
            in_percent(row.disagreement),
            NONE,
            *_boundaries(row.boundaries),
            f"{row.items:,}",
        )
        for row in (found.against if found else ())
    ]
    columns = _boundary_columns(own, "Group", "With")
    columns = (*columns[:3], "Labelled\ndifferently %", "Krippendorff's\nalpha", *columns[3:])
    note = (
        "Share of time that two label differently: each listener and each other one, or the model, on the "
        "same recording. Alpha is over time. Boundaries: those of a listener, as marked by the other. "
        f"{intervals_note(own)}"
    )
    return TextTable("agreement", "Agreement in marking emotions", columns, tuple(rows), texts=3, note=note)


def labellers_table(own: Comparison) -> TextTable:
    """Return listeners against models that label parts."""
    rows = tuple(
        (
            row.group,
            row.model,
            in_percent(row.people),
            in_percent(row.machine),
            in_points(row.difference),
            p_value(row.p_holm),
            p_value(row.equivalence.p),
            better(row),
            f"{row.known:,}",
        )
        for row in (own.segments.against if own.segments else ())
        if row.difference is not None and row.equivalence is not None
    )
    columns = (
        "Group", "Model", "Listeners\nEDER %", "Model\nEDER %", "Difference", "p, Holm",
        "p, equal\nwithin margin", "Verdict", "Recordings",
    )  # fmt: skip
    note = (
        "Listeners minus model in points, on the recordings of both; below 0 the EDER of listeners is lower. "
        f"Equal: two one-sided tests with a margin of {100 * own.options.eder_margin:g} points. "
        f"{intervals_note(own)}"
    )
    return TextTable("labellers", "Listeners against models", columns, rows, texts=2, note=note)


def parts_table(own: Comparison) -> TextTable:
    """Return in which errors listeners and models differ."""
    names = (*ERRORS[1:], "within")
    rows = tuple(
        (row.group, row.model, *(in_points(row.parts.get(name)) for name in names))
        for row in (own.segments.against if own.segments else ())
        if row.parts
    )
    columns = (
        "Group",
        "Model",
        "Missed\nemotion",
        "False\nalarm",
        "Confusion",
        "Boundaries\nwithin tolerance",
    )
    note = f"Listeners minus model in points. {intervals_note(own)}"
    return TextTable("parts", "In which errors they differ", columns, rows, texts=2, note=note)


def claims_table(own: Comparison) -> TextTable:
    """Return the claims of the study with their tests."""
    rows = tuple((row.statement, row.verdict, claim_text(row)) for row in own.claims)
    note = "Supported: the difference has the sign of the claim, and p is below 0.05 after Holm's correction."
    return TextTable(
        "claims", "The claims of the study", ("Claim", "Verdict", "Test"), rows, texts=3, note=note
    )


def confusion_tables(own: Comparison) -> Iterator[TextTable]:
    """Yield the confusion matrices, in percent of the rows."""
    for row in own.groups:
        if row.confusion is None:
            continue
        rows = tuple(
            (emotion, *(f"{100 * cell / sum(cells):.0f}" for cell in cells))
            for emotion, cells in zip(row.columns, row.confusion, strict=False)
            if sum(cells)
        )
        caption = f"Answers of {row.group} to {place(row)}, in % of the items' emotion"
        yield TextTable("confusion", caption, ("Emotion", *row.columns), rows)


def sections(own: Comparison) -> dict[str, list[TextTable]]:
    """Return heading -> its tables, without empty ones, and without columns of which nothing is known."""
    found = {
        "Recognition": [groups_table(own), emotions_table(own)],
        "Confusions": list(confusion_tables(own)),
        "Listeners against models": [models_table(own), errors_table(own), worth_table(own)],
        "Majorities": [majorities_table(own)],
        "Groups, languages, dialects": [contrasts_table(own)],
        "Mixed models": [mixed_table(own), mixed_terms_table(own)],
        SEGMENTS_HEADING: [
            marks_table(own),
            labellers_table(own),
            parts_table(own),
            boundaries_table(own),
            agreement_table(own),
        ],
        "Claims": [claims_table(own)],
    }
    return {heading: shown for heading, tables in found.items() if (shown := filled(tables))}


def filled(tables: Iterable[TextTable]) -> list[TextTable]:
    """Return those of some tables that have rows, without columns of which nothing is known."""
    return [_without_unknown(table) for table in tables if table.rows]


def _without_unknown(table: TextTable) -> TextTable:
    """Return a table without columns that are unknown in every row, such as Hu where only rates are given."""
    kept = [
        index
        for index in range(len(table.columns))
        if index < table.texts or any(row[index] != NONE for row in table.rows)
    ]
    rows = tuple(tuple(row[index] for index in kept) for row in table.rows)
    return replace(table, columns=tuple(table.columns[index] for index in kept), rows=rows)
