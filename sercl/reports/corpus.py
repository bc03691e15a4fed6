"""Tables about corpora for the terminal."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from sercl.corpora.base import CorpusInfo, Problem, kinds_text, label_hint, problem_lines
from sercl.reports.style import table
from sercl.studies.confounds import Confound
from sercl.studies.corpus_inspection import Coverage, Duplicate, Inspection, spread

MOST_SPEAKERS = 24
"""Corpora with more speakers get a summary instead of a row for each."""

FOLDS_BY_LABELS = "Speaker folds are balanced by class: other labels may draw other test speakers."

MOST_ROWS = 10
"""Problems and duplicates that are spelt out; all are counted, and all stand in the JSON."""


def corpora_table(infos: Iterable[CorpusInfo]) -> RenderableType:
    """Return one row per registered corpus."""
    grid = table("Name", "Language", "Speakers", "Emotions, and a file", "Licence", numbers=("Speakers",))
    for info in sorted(infos, key=lambda info: info.name.lower()):
        grid.add_row(
            Text(info.name, style="bold"),
            ", ".join(info.languages),
            "any" if info.speakers is None else str(info.speakers),
            Text.assemble(", ".join(info.emotions), "\n", (info.layout, "dim")),
            info.license,
        )
    return grid


def inspection_report(
    inspection: Inspection, known: Sequence[str] = (), maps_labels: bool = False
) -> RenderableType:
    """Return everything that an inspection found, the counts first and the warnings last.

    Args:
        inspection: What was found.
        known: What is known about this corpus (`CorpusInfo.notes`).
        maps_labels: Whether options can map its labels to emotions.
    """
    parts: list[RenderableType] = [Text(headline(inspection), style="bold"), Text(audio_line(inspection))]
    if inspection.utterances:
        parts += [_emotions(inspection), _speakers(inspection), _coverage(inspection.coverage)]
    parts += _problems(inspection)
    if maps_labels and (hint := label_hint(inspection.problems)):
        parts.append(Text(f"  {hint} (in a run: --data.emotions)"))
    parts += [*_duplicates(inspection.duplicates), *_confounds(inspection.confounds)]
    parts += [Text(f"Dropped as asked for: {_listed(inspection.dropped)}")] * bool(inspection.dropped)
    parts += [Text(f"Note: {note}", style="yellow") for note in inspection.notes]
    parts += [Text(f"Known: {note}") for note in known]
    return Group(*parts)


def headline(inspection: Inspection) -> str:
    """Return one line: utterances, speakers, languages, duration."""
    return (
        f"{inspection.corpus}: {_count(inspection.utterances, 'utterance')}, "
        f"{_count(inspection.known_speakers, 'speaker')}, "
        f"{', '.join(inspection.languages) or 'no language'}, {clock(inspection.total_seconds)}"
    )


def audio_line(inspection: Inspection) -> str:
    """Return one line about files, sampling rates and channels: "339 files, 16,000 Hz, mono"."""
    rates = {f"{rate:,} Hz": count for rate, count in inspection.rates.items()}
    names = {1: "mono", 2: "stereo"}
    channels = {names.get(n, f"{n} channels"): count for n, count in inspection.channels.items()}
    return ", ".join(filter(None, (_count(inspection.files, "file"), _mixed(rates), _mixed(channels))))


def _mixed(counts: Mapping[str, int]) -> str:
    """Return the one name there is, or each with its count."""
    if len(counts) == 1:
        return next(iter(counts))
    return " and ".join(f"{name} ({count:,})" for name, count in counts.items())


def clock(seconds: float) -> str:
    """Return a duration in words: "15 min 54 s", "29 h 6 min"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def confound_sentence(confound: Confound) -> str:
    """Return a confound as one sentence."""
    score = f"score {confound.score:.2f}"
    if confound.exclusive == 1:
        return f"{confound.emotion} shares no {confound.attribute} with the other emotions ({score})"
    tail = f"{confound.exclusive:.0%} of its utterances have one that no other emotion has; {score}"
    return f"{confound.attribute} gives {confound.emotion} away ({tail})"


def problems_sentence(inspection: Inspection) -> str:
    """Return the number of problems of each kind: "no problems", "2 missing, 1 silent"."""
    return _kinds([item for item in inspection.problems if not item.is_left_out]) or "no problems"


def _kinds(problems: Sequence[Problem]) -> str:
    counts = Counter(problem.kind for problem in problems)
    return kinds_text(dict(counts.most_common()))


def _emotions(inspection: Inspection) -> RenderableType:
    genders = list(inspection.genders)
    numbers = ("Utterances", "Share", *genders, "Shortest s", "Median s", "Longest s")
    grid = table("Emotion", *numbers, numbers=numbers)
    for emotion, count in inspection.emotions.items():
        grid.add_row(
            emotion,
            f"{count:,}",
            f"{count / inspection.utterances:.0%}",
            *(f"{inspection.genders[gender].get(emotion, 0):,}" for gender in genders),
            *_durations(inspection.seconds[emotion]),
        )
    return grid


def _durations(seconds: Sequence[float]) -> list[str]:
    if not seconds:
        return ["-"] * 3
    values = spread(seconds)
    return [f"{values[name]:.2f}" for name in ("min", "median", "max")]


def _speakers(inspection: Inspection) -> RenderableType:
    if len(inspection.speakers) > MOST_SPEAKERS:
        return _speaker_summary(inspection)
    emotions = list(inspection.emotions)
    grid = table("Speaker", *emotions, "all", numbers=(*emotions, "all"))
    for speaker, counts in inspection.speakers.items():
        grid.add_row(speaker, *(_cell(counts.get(name, 0)) for name in emotions), str(sum(counts.values())))
    return grid


def _speaker_summary(inspection: Inspection) -> RenderableType:
    numbers = ("Speakers with it", "Fewest", "Most")
    grid = table("Emotion", *numbers, numbers=numbers, title=_count(len(inspection.speakers), "speaker"))
    for emotion in inspection.emotions:
        counts = [own[emotion] for own in inspection.speakers.values() if own.get(emotion)]
        grid.add_row(emotion, str(len(counts)), str(min(counts)), str(max(counts)))
    return grid


def _cell(count: int) -> Text:
    return Text(str(count), style="" if count else "red")


def _coverage(coverage: Sequence[Coverage]) -> RenderableType:
    grid = table("Labels", "Kept", "Classes", "Dropped", numbers=("Kept",))
    for item in coverage:
        grid.add_row(
            f"{item.scheme} classes",
            f"{sum(item.classes.values()):,}",
            _listed(item.classes),
            _listed(item.dropped) or "none",
        )
    grid.caption, grid.caption_justify = FOLDS_BY_LABELS, "left"
    return grid


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _problems(inspection: Inspection) -> list[Text]:
    lost = [problem for problem in inspection.problems if not problem.is_left_out]
    left = [problem for problem in inspection.problems if problem.is_left_out]
    lines = [Text("Problems: none", style="green")]
    if lost:
        lines = [Text(f"Problems: {_kinds(lost)}", style="red")]
        lines += [Text(f"  {line}") for line in problem_lines(lost, MOST_ROWS)]
    if left:
        first = {problem.kind: problem for problem in reversed(left)}
        lines.append(Text(f"Left out, nothing lost: {_kinds(left)}"))
        lines += [Text(f"  {problem}", style="dim") for problem in first.values()]
    return lines


def _duplicates(duplicates: Sequence[Duplicate]) -> list[RenderableType]:
    if not duplicates:
        return [Text("Duplicates: none", style="green")]
    # Those that cannot both be right come first.
    ordered = sorted(duplicates, key=lambda item: not item.contradicts)
    lines = [Text(f"Duplicates: {_count(len(duplicates), 'group')} of the same samples", style="yellow")]
    lines += [Text(f"  {_duplicate(item)}") for item in ordered[:MOST_ROWS]]
    return [*lines, *_more(len(duplicates))]


def _duplicate(duplicate: Duplicate) -> str:
    ids = " = ".join(duplicate.ids)
    if not duplicate.contradicts:
        return ids
    facts = {
        f"{speaker or 'unknown'} {emotion}"
        for speaker, emotion in zip(duplicate.speakers, duplicate.emotions, strict=True)
    }
    return f"{ids}: labels contradict ({', '.join(sorted(facts))})"


def _confounds(confounds: Sequence[Confound]) -> list[RenderableType]:
    if not confounds:
        return [Text("Confounds: none found", style="green")]
    lines = [Text("Confounds: a model may learn these instead of the emotion", style="yellow")]
    return [*lines, *(Text(f"  {confound_sentence(item)}") for item in confounds)]


def _more(count: int) -> list[Text]:
    return [Text(f"  and {count - MOST_ROWS} more", style="dim")] if count > MOST_ROWS else []


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
