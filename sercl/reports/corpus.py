"""A corpus as tables for the terminal, and as one picture."""

import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from sercl.corpora.base import CorpusInfo, Problem, kinds_text, label_hint, problem_lines
from sercl.reports.rendering import picture_file
from sercl.reports.style import table
from sercl.studies.corpus_inspection import UNKNOWN, Confound, Duplicate, Inspection, spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


MOST_SPEAKERS = 24
"""Corpora with more speakers get a summary instead of a row for each."""

FOLDS_BY_LABELS = (
    "Speaker folds are balanced by class: a different label scheme may select different test speakers."
)

MOST_ROWS = 10
"""Problems and duplicates that are listed; all are counted, and all are in the JSON."""


def corpora_table(infos: Iterable[CorpusInfo], packages: Mapping[str, str] = {}) -> RenderableType:
    """Return one row per registered corpus with its facts, and one with the names of its files.

    Args:
        infos: Facts about the corpora.
        packages: Name of a corpus -> the installed package that adds it, "" for none.
    """
    grid = table("Name", "Language", "Speakers", "Emotions", "Licence", numbers=("Speakers",))
    # A table of their own: beside the emotions, a terminal of 80 columns has no room for the longest.
    files = table("Name", "Files")
    for info in sorted(infos, key=lambda info: info.name.lower()):
        grid.add_row(
            Text.assemble(
                (info.name, "bold"), (f"\n({added})" if (added := packages.get(info.name)) else "", "dim")
            ),
            ", ".join(info.languages),
            "any" if info.speakers is None else str(info.speakers),
            ", ".join(info.emotions),
            info.license,
        )
        files.add_row(Text(info.name, "bold"), Text(info.layout))
    return Group(grid, files)


def inspection_report(
    inspection: Inspection, known: Sequence[str] = (), maps_labels: bool = False
) -> RenderableType:
    """Return everything that an inspection found, the counts first and the warnings last.

    Args:
        inspection: What was found.
        known: Known issues of this corpus (`CorpusInfo.notes`).
        maps_labels: Whether options can map its labels to emotions.
    """
    parts: list[RenderableType] = [Text(headline(inspection), style="bold"), Text(audio_line(inspection))]
    if inspection.utterances:
        parts += [_emotions(inspection), _speakers(inspection), _coverage(inspection)]
    parts += _problems(inspection)
    if maps_labels and (hint := label_hint(inspection.problems)):
        parts.append(Text(f"  {hint} (in a run: --data.emotions)"))
    parts += [*_duplicates(inspection.duplicates), *_confounds(inspection.confounds)]
    parts += [Text(f"Dropped on request: {_listed(inspection.dropped)}")] * bool(inspection.dropped)
    parts += [Text(f"Note: {note}", style="yellow") for note in inspection.notes]
    if inspection.refused:
        how = "With its default labels and folds, sercl fit cannot train on it"
        parts.append(Text(f"{how}: {inspection.refused}", style="yellow"))
    parts += [Text(f"Known of the whole corpus: {note}") for note in known]
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
    """Return the name if there is only one, else each with its count."""
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
    return f"{confound.attribute} reveals {confound.emotion} ({tail})"


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


def _coverage(inspection: Inspection) -> RenderableType:
    grid = table("Labels", "Kept", "Classes", "Dropped", numbers=("Kept",))
    for item in inspection.coverage:
        unusable = {"unusable audio": item.unusable} if item.unusable else {}
        grid.add_row(
            f"{item.scheme} classes",
            f"{sum(item.classes.values()):,}",
            _listed(item.classes),
            _listed({**item.dropped, **unusable}) or "none",
        )
    grid.caption = None if inspection.refused else FOLDS_BY_LABELS
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
        lines.append(Text(f"Skipped, no data lost: {_kinds(left)}"))
        lines += [Text(f"  {problem}", style="dim") for problem in first.values()]
    return lines


def _duplicates(duplicates: Sequence[Duplicate]) -> list[RenderableType]:
    if not duplicates:
        return [Text("Duplicates: none", style="green")]
    # Contradicting ones come first.
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
    return f"{ids}: contradicting labels ({', '.join(sorted(facts))})"


def _confounds(confounds: Sequence[Confound]) -> list[RenderableType]:
    if not confounds:
        return [Text("Confounds: none found", style="green")]
    lines = [Text("Confounds: a model may learn these instead of the emotion", style="yellow")]
    return [*lines, *(Text(f"  {confound_sentence(item)}") for item in confounds)]


def _more(count: int) -> list[Text]:
    return [Text(f"  and {count - MOST_ROWS} more", style="dim")] if count > MOST_ROWS else []


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


# One muted colour per emotion in every panel, distinguishable by colour-blind readers where most needed.
_COLOURS: Mapping[str, str] = {
    "angry": "#c8463f",
    "happy": "#e8b13a",
    "neutral": "#8c939b",
    "sad": "#3f78b5",
    "fearful": "#7d5ba6",
    "disgusted": "#6b9a45",
    "surprised": "#e28bb0",
    "calm": "#67b7b0",
    "bored": "#a5805c",
    "excited": "#ef8a2f",
    "frustrated": "#8f3b4f",
    "amused": "#c3c44a",
    "sleepy": "#5b6f8f",
    "anxious": "#b48ad0",
    "apologetic": "#d98e73",
    "assertive": "#4b5a52",
    "concerned": "#9fc5d8",
    "encouraging": "#8fce9b",
    "poker": "#4d9de0",
    "other": "#b9bec4",
    "unknown": "#d5d9dd",
}
_INK, _PALE, _DROPPED = "#2b2f33", "#6d757d", "#e6e9ec"
_STYLE = {"font.size": 9.5, "text.color": _INK, "xtick.color": _PALE, "ytick.color": _INK}
_SHADES = (1.0, 0.62, 0.35)
"""Opacity of the parts of a bar: one gender each."""

_MOST_NUMBERS = 24
"""A speaker panel with more columns than this has shades only."""

_MOST_TICKS, _MOST_LETTERS = 40, 110
"""Names below the speaker panel, and letters in them that fit side by side."""

_MOST_NOTES = 4


def inspection_figure(inspection: Inspection, path: Path | str) -> None:
    """Draw an inspection.

    Args:
        inspection: What to draw; a corpus without utterances gives the headline only.
        path: The file; its suffix (.png, .pdf, .svg) is the format.

    Raises:
        UnknownNameError: For another suffix.
        OutputError: If the file cannot be written.
    """
    with picture_file(path, _STYLE, dpi=150) as figure:
        _draw(figure, inspection)


def _draw(figure: "Figure", inspection: Inspection) -> None:
    notes, rows = _notes(inspection), len(inspection.emotions)
    heights = [0.5, 0.75 + 0.3 * rows, 0.85 + 0.27 * rows, 1.35, 0.1 + 0.2 * len(notes)]
    figure.set_size_inches(11, sum(heights))
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.09, wspace=0.02, hspace=0.02)
    grid = figure.add_gridspec(len(heights), 2, height_ratios=heights)
    _header(figure.add_subplot(grid[0, :]), inspection)
    if inspection.utterances:
        _counts(figure.add_subplot(grid[1, 0]), inspection)
        _draw_durations(figure.add_subplot(grid[1, 1]), inspection)
        _draw_speakers(figure.add_subplot(grid[2, :]), inspection)
        _draw_coverage(figure.add_subplot(grid[3, :]), inspection)
    _footer(figure.add_subplot(grid[4, :]), notes)


def _footer(axes: "Axes", notes: Sequence[str]) -> None:
    axes.axis("off")
    axes.text(0, 1, "\n".join(notes), va="top", linespacing=1.5)


def _header(axes: "Axes", inspection: Inspection) -> None:
    axes.axis("off")
    axes.annotate(headline(inspection), (0, 1), va="top", fontsize=14, fontweight="bold")
    facts = f"{audio_line(inspection)}, {problems_sentence(inspection)}"
    axes.annotate(facts, (0, 1), (0, -22), textcoords="offset points", va="top", color=_PALE)


def _notes(inspection: Inspection) -> list[str]:
    """Return the confounds as lines that fit the width of the picture."""
    sentences = [f"Confound: {confound_sentence(item)}." for item in inspection.confounds[:_MOST_NOTES]]
    left = len(inspection.confounds) - _MOST_NOTES
    sentences += [f"And {left} more confounds."] if left > 0 else []
    return [line for sentence in sentences for line in textwrap.wrap(sentence, 140)]


def _counts(axes: "Axes", inspection: Inspection) -> None:
    emotions = list(inspection.emotions)
    colours = [_COLOURS[emotion] for emotion in emotions]
    left = [0] * len(emotions)
    for gender, shade in _shades(inspection).items():
        widths = [inspection.genders[gender].get(emotion, 0) for emotion in emotions]
        axes.barh(range(len(emotions)), widths, left=left, color=colours, alpha=shade, height=0.68)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    for row, count in enumerate(left):
        axes.text(count, row, f" {count:,}", va="center")
    axes.set_xlim(0, max(left) * 1.14)
    axes.locator_params("x", integer=True, nbins=7)
    _finish(axes, "Utterances", emotions)
    if list(inspection.genders) != [UNKNOWN]:
        _gender_legend(axes, _shades(inspection))


def _shades(inspection: Inspection) -> dict[str, float]:
    """Return gender -> opacity."""
    return dict(zip(inspection.genders, cycle(_SHADES), strict=False))


def _gender_legend(axes: "Axes", shades: Mapping[str, float]) -> None:
    from matplotlib.patches import Patch

    swatches = [Patch(color=_PALE, alpha=shade, label=gender) for gender, shade in shades.items()]
    axes.legend(
        handles=swatches,
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=len(swatches),
        frameon=False,
        fontsize=8.5,
        handlelength=1,
        borderaxespad=0.2,
    )


def _draw_durations(axes: "Axes", inspection: Inspection) -> None:
    emotions = list(inspection.emotions)
    _finish(axes, "Duration in s (box: quartiles, line: median)", [""] * len(emotions))
    decoded = [(row, name) for row, name in enumerate(emotions) if inspection.seconds[name]]
    if not decoded:
        axes.set_xticks([])
        axes.text(0, 0, "no utterance could be decoded", va="center", color=_PALE)
        return
    boxes = axes.boxplot(
        [inspection.seconds[name] for _, name in decoded],
        positions=[row for row, _ in decoded],
        orientation="horizontal",
        widths=0.5,
        patch_artist=True,
        medianprops={"color": _INK, "linewidth": 1.6},
        flierprops={"marker": "o", "markersize": 2.5, "markerfacecolor": _PALE, "markeredgewidth": 0},
        whiskerprops={"color": _PALE},
        capprops={"color": _PALE},
        manage_ticks=False,
    )
    for box, (_, name) in zip(boxes["boxes"], decoded, strict=True):
        box.set(facecolor=_COLOURS[name], alpha=0.75, edgecolor=_PALE)
    axes.set_xlim(left=0)
    axes.locator_params("x", nbins=7)
    axes.grid(axis="x", color=_DROPPED)
    axes.set_axisbelow(True)


def _draw_speakers(axes: "Axes", inspection: Inspection) -> None:
    names, emotions = list(inspection.speakers), list(inspection.emotions)
    table = [[inspection.speakers[name].get(emotion, 0) for name in names] for emotion in emotions]
    highest = max(map(max, table))
    few = len(names) <= _MOST_NUMBERS
    axes.pcolormesh(
        table, cmap="Blues", vmin=0, vmax=highest * 1.25, edgecolors="white", linewidth=1.2 if few else 0.3
    )
    if few:
        _write_counts(axes, table, highest)
    step = -(-len(names) // _MOST_TICKS)
    turned = max(map(len, names)) * min(len(names), _MOST_TICKS) > _MOST_LETTERS
    ticks = [column + 0.5 for column in range(0, len(names), step)]
    axes.set_xticks(ticks, names[::step], rotation=90 if turned else 0, fontsize=8)
    scale = "" if few else f" (white 0, darkest {highest})"
    _finish(axes, f"Utterances per speaker{scale}", emotions, centre=0.5)


def _write_counts(axes: "Axes", table: Sequence[Sequence[int]], highest: int) -> None:
    for row, counts in enumerate(table):
        for column, count in enumerate(counts):
            ink = "white" if count > 0.75 * highest else _INK
            axes.text(
                column + 0.5, row + 0.5, str(count or "-"), ha="center", va="center", color=ink, fontsize=8.5
            )


def _draw_coverage(axes: "Axes", inspection: Inspection) -> None:
    labels = [f"{item.scheme} classes" for item in inspection.coverage]
    for row, item in enumerate(inspection.coverage):
        left = 0
        for name, count in item.classes.items():
            _segment(axes, row, left, count, inspection.utterances, name, _COLOURS[name])
            left += count
        dropped = inspection.utterances - left
        _segment(axes, row, left, dropped, inspection.utterances, "dropped", _DROPPED)
    axes.set_xlim(0, inspection.utterances)
    axes.set_xticks([])
    _finish(axes, "Utterances kept by each label scheme", labels)


def _segment(axes: "Axes", row: int, left: int, count: int, total: int, name: str, colour: str) -> None:
    axes.barh(row, count, left=left, color=colour, alpha=0.85, height=0.72, edgecolor="white", linewidth=1.2)
    text = f"{name} {count:,}"
    if count / total > 0.0078 * len(text):  # it fits
        ink = _INK if name in {"dropped", "happy", "surprised", "calm"} else "white"
        axes.text(left + count / 2, row, text, ha="center", va="center", color=ink, fontsize=8.5)


def _finish(axes: "Axes", title: str, labels: Sequence[str], centre: float = 0.0) -> None:
    """Label the rows from the top, put the title on the left, and remove what carries no information.

    Args:
        axes: The panel.
        title: Its title.
        labels: Names of its rows.
        centre: Height of the middle of row 0, which is 1 high.
    """
    axes.set_yticks([row + centre for row in range(len(labels))], labels)
    axes.set_ylim(len(labels) - 0.5 + centre, centre - 0.5)
    axes.set_title(title, loc="left", fontsize=10.5, fontweight="bold", color=_INK, pad=8)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
