from collections import Counter
from collections.abc import Mapping, Sequence

from sercl.data.clips.config import ClipConfig
from sercl.data.clips.dataset import ClipSource
from sercl.data.report import DataReport, SplitReport


def merged_report(reports: Sequence[DataReport], notes: Sequence[str]) -> DataReport:
    """Merge the reports of several corpora, whose utterances are used together, into one.

    Args:
        reports: One each; their names differ.
        notes: Put behind those of the corpora.
    """
    alone = len(reports) == 1
    own = [note if alone else f"{report.name}: {note}" for report in reports for note in report.notes]
    return DataReport(
        name=" + ".join(report.name for report in reports),
        classes=reports[0].classes,
        splits={part: _merged([report.splits[part] for report in reports]) for part in reports[0].splits},
        dropped={name: counts for report in reports for name, counts in report.dropped.items()},
        problems={name: found for report in reports for name, found in report.problems.items()},
        notes=(*own, *notes),
        folds={name: fold for report in reports for name, fold in report.folds.items()},
        unlisted={name: line for report in reports for name, line in report.unlisted.items()},
    )


def clip_notes(
    config: ClipConfig, sources: Mapping[str, ClipSource], without: Mapping[str, int]
) -> list[str]:
    """Return sentences on the clips of each part, and on how many utterances had too little speech."""
    notes = [_clips_note(part, source) for part, source in sources.items()]
    if config.random_validation:
        notes.append("validation clips were drawn by chance: their speakers are trained on, too")
    short = f"less than {config.min_piece:g} s of speech"
    return notes + [
        f"{part}: {count} utterances left out of the clips ({short})"
        for part, count in without.items()
        if count
    ]


def _clips_note(part: str, source: ClipSource) -> str:
    clips = source.epoch(0)
    patterns = Counter(clip.pattern for clip in clips)
    shown = ", ".join(f"{pattern} {count}" for pattern, count in patterns.most_common())
    speakers = {piece.speaker for clip in clips for piece in clip.pieces}
    per_epoch = "" if source.fixed else " an epoch"
    return f"{part}: {source.count} clips{per_epoch} of {len(speakers)} speakers ({shown})"


def _merged(splits: Sequence[SplitReport]) -> SplitReport:
    alone = len(splits) == 1
    speakers = {
        name if alone else f"{split.corpus} {name}": count
        for split in splits
        for name, count in split.speakers.items()
    }
    return SplitReport(
        corpus=" + ".join(split.corpus for split in splits),
        languages=tuple(sorted({language for split in splits for language in split.languages})),
        classes={name: sum(split.classes[name] for split in splits) for name in splits[0].classes},
        speakers=speakers,
        seconds=sum(split.seconds for split in splits),
        skipped=dict(sum((Counter(split.skipped) for split in splits), Counter())),
    )
