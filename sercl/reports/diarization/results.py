"""Tables of diarization results for the terminal."""

import math
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sercl.counting import count
from sercl.diarization.postprocess import PostConfig
from sercl.metrics.functional.classification import AVERAGES
from sercl.metrics.functional.eder import ERRORS, ErrorParts
from sercl.reports.groups import groups_report
from sercl.reports.results import average_interval, average_text, percent, recalls_of_a_guess
from sercl.reports.style import table
from sercl.studies.diarization.evaluation import EVENTS_FOUND, DiarizationScores, Tuning
from sercl.studies.diarization.results import DiarizationResults, RunScores, SystemScores
from sercl.studies.results.scores import Score


def diarization_table(results: DiarizationResults) -> RenderableType:
    """Return the scores of every system, the emotions of the first, and the notes."""
    first = results.systems[0]
    title = f"Results: {results.data['name']}"
    parts: list[RenderableType] = [Text(title, style="bold"), systems_table(results.systems)]
    parts += [averages_table(first.scores), emotions_table(first.scores)]
    if results.groups:
        parts.append(groups_report(results.groups))
    if results.runs:
        parts.append(runs_table(results.runs))
    if first.post is not None:
        tuned = ", chosen on validation" if tuning_lines(results) else ""
        parts.append(Text(f"Post-processing: {post_text(first.post)}{tuned}", style="dim"))
    notes = (*score_notes(first.scores), *results.notes)
    return Group(*parts, *(Text(f"Note: {note}", style="yellow") for note in notes))


def systems_table(systems: Sequence[SystemScores]) -> RenderableType:
    """Return a row per system: EDER in %, interval, components, and difference from the first system."""
    numbers = ["EDER %", "95 % interval", "Missed", "False alarm", "Confusion", "Time-weighted"]
    compared = len(systems) > 1
    numbers += [f"Above {systems[0].name}"] if compared else []
    grid = table("System", *numbers, numbers=numbers)
    caption(grid, systems[0].scores)
    for number, system in enumerate(systems):
        scores = system.scores
        style = "bold" if number == 0 else ""
        row = [Text(system.name, style=style), Text(percent(scores.eder.value), style=style)]
        row += [Text(cell) for cell in (percent_interval(scores.eder), *_parts(scores))]
        row += [Text(points(system.difference))] if compared else []
        grid.add_row(*row)
    return grid


def runs_table(runs: Sequence[RunScores]) -> RenderableType:
    """Return a row per run: its test speakers, and the EDER of every system in %."""
    systems = [f"{system.name}, EDER %" for system in runs[0].systems]
    grid = table("Run", "Test speakers", "Recordings", *systems, numbers=("Recordings", *systems))
    for run in runs:
        errors = [percent(system.scores.eder.value) for system in run.systems]
        speakers = ", ".join(run.data["speakers"])
        grid.add_row(run.name, speakers, str(run.data["recordings"]), *errors)
    return grid


def parts_table(scores: DiarizationScores) -> RenderableType:
    """Return the EDER of one system and its components."""
    numbers = ("EDER %", "95 % interval", "Missed", "False alarm", "Confusion", "Time-weighted")
    grid = table(*numbers, numbers=numbers)
    caption(grid, scores)
    grid.add_row(percent(scores.eder.value), percent_interval(scores.eder), *_parts(scores))
    return grid


def caption(grid: Table, scores: DiarizationScores) -> None:
    """Write below a table of EDER how time without a segment is counted."""
    rule = {
        "neutral": "as neutral",
        "error": f"as an error, as SpeechBrain does: {scores.uncovered_seconds:.2f} s",
    }[scores.uncovered]
    grid.caption = f"EDER counts time not covered by any segment {rule}"


def tuning_lines(results: DiarizationResults) -> list[str]:
    """Return a line per system of each run on the choice made on validation data and its effect."""
    chosen = dict(results.tuning or {})
    for run in results.runs:
        chosen |= {f"{name} of {run.name}": own for name, own in run.tuning.items()}
    return [
        f"Chosen for {name} on {own.recordings} validation clips, of {own.tried} settings: "
        f"{post_text(own.post)} (EDER {percent(own.before)} to {percent(own.eder)} % there{_falls_text(own)})"
        for name, own in chosen.items()
    ]


def _falls_text(own: Tuning) -> str:
    """Return the scores that fall with the chosen post-processing, or ""."""
    shown = [
        f"{name} {before:.0f} to {after:.0f} of {own.events}"
        if name == EVENTS_FOUND
        else f"{name} {percent(before)} to {percent(after)} %"
        for name, (before, after) in own.falls.items()
    ]
    return f"; lower there: {', '.join(shown)}" if shown else ""


def averages_table(scores: DiarizationScores) -> RenderableType:
    """Return a row per score besides EDER and its components, and the number of events found."""
    grid = table("Score", "Value", "95 % interval", numbers=("Value", "95 % interval"))
    for name, score in scores.named.items():
        if name not in ("eder", *ErrorParts._fields):
            grid.add_row(*_score_cells(name, score))
    grid.add_row("Events found", f"{scores.events_found} of {scores.events}", "")
    return grid


def _score_cells(name: str, score: Score) -> tuple[str, str, str]:
    """Return title, value and interval; a score of a package that is not installed has its name as title."""
    if name in AVERAGES:
        in_percent = AVERAGES[name].in_percent and not math.isnan(score.value)
        unit = " %" if in_percent else ""
        text = f"{average_text(name, score.value)}{unit}"
        return f"{AVERAGES[name].title} of frames", text, average_interval(name, score) or "-"
    if name in ERRORS and not ERRORS[name].in_seconds:
        return ERRORS[name].title, f"{percent(score.value)} %", percent_interval(score)
    title, unit = (ERRORS[name].title, " s") if name in ERRORS else (name, "")
    shown = "-" if math.isnan(score.value) else f"{score.value:.2f}{unit}"
    return title, shown, seconds_interval(score)


def emotions_table(scores: DiarizationScores) -> RenderableType:
    """Return a row per class: EDER of the recordings that hold it, recall over time."""
    numbers = ("EDER %", "95 % interval", "Recall %", "Recordings", "Seconds")
    grid = table("Emotion", *numbers, numbers=numbers)
    for row in scores.by_emotion:
        grid.add_row(
            row.name,
            percent(row.eder.value),
            percent_interval(row.eder),
            percent(row.recall),
            str(row.recordings),
            f"{row.seconds:.1f}",
        )
    return grid


def post_text(post: PostConfig) -> str:
    """Return a description of the post-processing."""
    smoothing = {
        "none": "no smoothing",
        "median": f"median over {post.median_seconds:g} s",
        "viterbi": f"Viterbi with penalty {post.switch_penalty:g}",
    }[post.smoothing]
    return f"{smoothing}, at least {post.min_seconds:g} s, threshold {post.threshold:g}"


def percent_interval(score: Score) -> str:
    """Return an interval of a fraction in %, "-" for none."""
    return "-" if math.isnan(score.low) else f"{percent(score.low)} to {percent(score.high)}"


def seconds_interval(score: Score) -> str:
    """Return an interval in s, "-" for none; no distance is below 0."""
    return "-" if math.isnan(score.low) else f"{max(0.0, score.low):.2f} to {score.high:.2f}"


def points(difference: Score | None) -> str:
    """Return a difference in percentage points with its interval, "" for none."""
    if difference is None:
        return ""
    value = f"{100 * difference.value:+.1f}"
    if math.isnan(difference.low):
        return value
    return f"{value} ({100 * difference.low:+.1f} to {100 * difference.high:+.1f})"


def score_notes(scores: DiarizationScores) -> list[str]:
    """Return the notes that follow from the scores."""
    total = f"{count(scores.recordings, 'recording')}, {scores.seconds / 60:.1f} min"
    return [f"{total}; {_resampled(scores.eder)}", *_one_class(scores)]


def _resampled(score: Score) -> str:
    if math.isnan(score.low):
        return "no interval, since a single one cannot be resampled."
    if score.unit == "speakers":
        return f"intervals resample the {score.count} speakers."
    return "intervals resample recordings, not speakers, and are therefore too narrow."


def _one_class(scores: DiarizationScores) -> list[str]:
    """Return a note if everything has the same label, else nothing."""
    if not recalls_of_a_guess([row.recall for row in scores.by_emotion]):
        return []
    name = next(row.name for row in scores.by_emotion if row.recall == 1)
    return [f"everything was labelled {name}: UAR is that of guessing, and no change of emotion was found."]


def _parts(scores: DiarizationScores) -> list[str]:
    return [percent(scores.named[name].value) for name in (*ErrorParts._fields, "eder_time")]
