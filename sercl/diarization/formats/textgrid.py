"""Praat's TextGrid, long and short text form: a tier "emotion", and one "confidence"; one recording a file.

Read here rather than through a library, since a bad interval is reported with its line.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from sercl.corpora.cells import clean, key_of
from sercl.diarization.formats.praat import Tier, read_tiers
from sercl.diarization.formats.rows import NO_NAMES, Names, Row, annotations, confidence_of, written
from sercl.diarization.segments import Annotation, filled
from sercl.errors import SegmentError
from sercl.files import write_text

EMOTION, CONFIDENCE = "emotion", "confidence"


def read(path: Path, names: Names = NO_NAMES) -> list[Annotation]:
    """Read the tier "emotion", or the only interval tier; intervals without text are not segments.

    Raises:
        SegmentError: With file and line.
    """
    grid = read_tiers(path)
    tier = _emotion_tier(grid.tiers, path)
    scores = {
        (item.start, item.end): item.text
        for t in grid.tiers
        if key_of(t.name) == CONFIDENCE
        for item in t.intervals
    }
    rows = [
        Row(path.stem, item.start, item.end, item.text, scores.get((item.start, item.end)), item.line)
        for item in tier.intervals
        if clean(item.text)
    ]
    return annotations(path, rows, {path.stem: grid.end}, names)


def write(item: Annotation, path: Path) -> None:
    """Write the annotation of one recording; without a duration it ends with its last segment.

    Raises:
        SegmentError: For an annotation without duration and segments: a TextGrid has a length.
        OutputError: Where the place cannot be written.
    """
    if not item.end > 0:
        raise SegmentError(f"recording {item.id!r}: without duration and segments it makes no TextGrid.")
    write_text(path, "".join(line + "\n" for line in _lines(item)))


def _emotion_tier(tiers: Sequence[Tier], path: Path) -> Tier:
    chosen = [tier for tier in tiers if key_of(tier.name) == EMOTION] or [
        tier for tier in tiers if key_of(tier.name) != CONFIDENCE
    ]
    if len(chosen) != 1:
        found = ", ".join(repr(tier.name) for tier in tiers) or "none"
        raise SegmentError(
            f"there is no single interval tier to read (found: {found}). Call the right one {EMOTION!r}.",
            path=path,
        )
    return chosen[0]


def _lines(item: Annotation) -> Iterator[str]:
    given = {(segment.start, segment.end) for segment in item.segments}
    # Praat wants intervals without gaps; what was not given is a blank interval.
    whole = filled(item.segments, item.end)
    times = [(written(segment.start), written(segment.end)) for segment in whole]
    blank = [(segment.start, segment.end) not in given for segment in whole]
    emotions = ["" if empty else segment.emotion for segment, empty in zip(whole, blank, strict=True)]
    tiers = {EMOTION: emotions}
    if any(confidence_of(segment) is not None for segment in item.segments):
        tiers[CONFIDENCE] = [_score(confidence_of(segment)) for segment in whole]
    end = written(item.end)
    yield from ('File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {end}")
    yield from ("tiers? <exists>", f"size = {len(tiers)}", "item []:")
    for number, (name, texts) in enumerate(tiers.items(), start=1):
        yield from (f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{name}"')
        yield from ("        xmin = 0", f"        xmax = {end}", f"        intervals: size = {len(texts)}")
        for place, ((start, stop), text) in enumerate(zip(times, texts, strict=True), start=1):
            yield from (f"        intervals [{place}]:", f"            xmin = {start}")
            yield from (f"            xmax = {stop}", f'            text = "{text}"')


def _score(confidence: float | None) -> str:
    return "" if confidence is None else f"{confidence:.4f}"
