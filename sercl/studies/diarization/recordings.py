"""What a diarizer is evaluated on: clips built from utterances, or recordings of a corpus with segments."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from sercl.audio.resample import SAMPLE_RATE, load
from sercl.audio.scan import Limits, Memory
from sercl.audio.sources import AudioInput
from sercl.corpora.base import Problem, Segment, Utterance
from sercl.corpora.labels import LabelScheme
from sercl.data.clips.dataset import render
from sercl.data.clips.plan import clip_seconds
from sercl.data.datamodules.base import speakers_of
from sercl.data.datamodules.corpus import CorpusDataModule
from sercl.data.datamodules.diarization import Diarization
from sercl.data.report import Progress, enforce, kinds, scan_utterances
from sercl.data.split import Take, likeness
from sercl.diarization.postprocess import PostConfig, to_segments
from sercl.diarization.segments import filled, in_classes
from sercl.errors import CorpusError, SegmentError
from sercl.metrics.functional.timeline import timeline
from sercl.tasks.diarizer import FrameScores


class System(Protocol):
    """Anything that gives class probabilities for the frames of a recording."""

    classes: tuple[str, ...]

    def frames(self, source: AudioInput) -> FrameScores:
        """Return the class probabilities of a recording."""


@dataclass(frozen=True)
class Recording:
    """A recording to evaluate on.

    Attributes:
        id: Unique among the recordings.
        speaker: "corpus speaker", None where unknown.
        reference: Reference segments, named by class, including neutral ones.
        duration: Length in s.
        source: The file, or a waveform with its rate.
    """

    id: str
    speaker: str | None
    reference: tuple[Segment, ...]
    duration: float
    source: AudioInput


class Recordings(Protocol):
    """Recordings that are created one at a time, so that they need not fit into memory together."""

    def __len__(self) -> int:
        """Their number."""

    def __iter__(self) -> Iterator[Recording]:
        """Create them, in order."""


@dataclass(frozen=True)
class SystemFrames:
    """A recording without its audio, and the frames of every system.

    Attributes:
        id: As in the recording; so are the next three.
        speaker: "corpus speaker", None where unknown.
        reference: Reference segments.
        duration: Length in s.
        frames: System -> class probabilities.
    """

    id: str
    speaker: str | None
    reference: tuple[Segment, ...]
    duration: float
    frames: Mapping[str, FrameScores]


@dataclass(frozen=True)
class DiarizedRecording:
    """A recording with its reference and the segments found.

    Attributes:
        id: As in the recording; so are the next two.
        speaker: "corpus speaker", None where unknown.
        reference: Reference segments.
        hypothesis: Segments found.
        duration: Length in s.
        uncovered: How time without a hypothesis segment is counted, see `metrics.functional.eder`.
    """

    id: str
    speaker: str | None
    reference: tuple[Segment, ...]
    hypothesis: tuple[Segment, ...]
    duration: float
    uncovered: str = "neutral"


def run_systems(
    recordings: Recordings, systems: Mapping[str, System], on_progress: Callable[[int], None] | None = None
) -> list[SystemFrames]:
    """Run every system on every recording once.

    Args:
        recordings: The recordings.
        systems: Name -> system.
        on_progress: Called with the number of further recordings done.

    Raises:
        AudioError: For a recording that cannot be read or is too short for one frame.
    """
    done = []
    for item in recordings:
        frames = {name: system.frames(item.source) for name, system in systems.items()}
        done.append(SystemFrames(item.id, item.speaker, item.reference, item.duration, frames))
        if on_progress is not None:
            on_progress(1)
    return done


def find_segments(
    recordings: Sequence[SystemFrames],
    system: str,
    classes: Sequence[str],
    post: PostConfig,
    uncovered: str = "neutral",
) -> list[DiarizedRecording]:
    """Return the segments that a system finds in each recording.

    Args:
        recordings: The recordings with the frames of every system.
        system: The system whose frames are used.
        classes: Class names.
        post: How they become segments.
        uncovered: "neutral": the last frame extends to the end of the recording; or "error": the rest has no
            segment, which counts as an error.
    """
    return [
        DiarizedRecording(
            item.id,
            item.speaker,
            item.reference,
            _segments(item, system, classes, post, to_end=uncovered == "neutral"),
            item.duration,
            uncovered,
        )
        for item in recordings
    ]


def all_neutral(recordings: Sequence[SystemFrames]) -> list[DiarizedRecording]:
    """Return the segments of a baseline that labels every recording neutral throughout."""
    return [
        DiarizedRecording(item.id, item.speaker, item.reference, (), item.duration) for item in recordings
    ]


def _segments(
    item: SystemFrames, system: str, classes: Sequence[str], post: PostConfig, *, to_end: bool
) -> tuple[Segment, ...]:
    scores = item.frames[system]
    return to_segments(scores.probabilities, classes, scores.stride, scores.duration, post, to_end)


@dataclass(frozen=True)
class EvaluationSet:
    """Recordings to evaluate on, with their description.

    Attributes:
        name: Corpus and part.
        speakers: "corpus speaker" of everyone in it.
        seconds: Total duration in s.
        make: Creates the recordings, one at a time.
        count: Their number.
        dropped: Emotion without a class -> recordings left out for it.
        problems: Kind of problem -> recordings left out for it.
        notes: Sentences to show with every score.
        sources: For each recording, in order, the utterances that it is built from.
        takes: Every utterance or recording that they are built from.
        trained: Hashes of the training part of the same fold; empty if there is none.
    """

    name: str
    speakers: tuple[str, ...]
    seconds: float
    make: Callable[[], Iterator[Recording]]
    count: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    problems: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    sources: tuple[tuple[Utterance, ...], ...] = ()
    takes: tuple[Take, ...] = ()
    trained: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Recording]:
        return self.make()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for a results file."""
        return {
            "name": self.name,
            "recordings": self.count,
            "speakers": list(self.speakers),
            "seconds": round(self.seconds, 3),
            "dropped": dict(self.dropped),
            "problems": dict(self.problems),
            "notes": list(self.notes),
        }


def clips_of(data: Diarization, part: str) -> EvaluationSet:
    """Return the clips of a part ("validation" or "test") of a data module that is set up."""
    source = data.source(part)
    clips = source.epoch(0)

    def make() -> Iterator[Recording]:
        for clip in clips:
            waveform, segments = render(clip, source.config)
            owner = clip.pieces[0].utterance
            name = next(iter(speakers_of([owner])), None)
            source_of = (waveform, SAMPLE_RATE)
            yield Recording(clip.id, name, tuple(segments), len(waveform) / SAMPLE_RATE, source_of)

    people = sorted({name for clip in clips for name in speakers_of([clip.pieces[0].utterance])})
    seconds = sum(clip_seconds(clip, source.config) for clip in clips)
    report = data.report
    name = f"{report.name}, {part} clips"
    return EvaluationSet(
        name,
        tuple(people),
        seconds,
        make,
        len(clips),
        notes=report.notes,
        sources=tuple(tuple(piece.utterance for piece in clip.pieces) for clip in clips),
        takes=data.splits[part].takes,
        trained=frozenset(data.audio_keys_in("train")),
    )


def has_whole_recordings(data: CorpusDataModule) -> bool:
    """Whether a corpus has segment annotations, or is for tests only."""
    utterances = data.read_selected().utterances
    test_only = bool(utterances) and all(utterance.split == "test" for utterance in utterances)
    return test_only or any(utterance.segments for utterance in utterances)


def recordings_of(
    data: CorpusDataModule, on_progress: Progress | None = None, memory: Memory | None = None
) -> EvaluationSet:
    """Return every recording of a corpus, without folds, with audio and segments checked.

    A recording without segments has one emotion throughout.

    Args:
        data: The corpus, with the model's labels and its policy on problems.
        on_progress: Called with the progress of the audio check.
        memory: Cache of earlier audio checks.

    Raises:
        CorpusError: For a corpus that cannot be read, has problems while `on_error` is "raise", or has no
            recording left.
    """
    listing = data.read_selected()
    kept, dropped = _in_scheme(listing.utterances, data.scheme)
    dropped = {**dropped, **listing.dropped}
    limits = Limits(data.loader_config.min_seconds, None)
    what = f"{data.corpus}: checking recordings"
    scanned = scan_utterances(kept, limits, what, on_progress, memory)
    problems = [*listing.problems, *scanned.faults.values()]
    usable: list[tuple[Utterance, float, tuple[Segment, ...]]] = []
    takes: list[Take] = []
    for utterance, seconds, key, _ in scanned.checked.values():
        found = _reference(utterance, seconds, data.scheme)
        if isinstance(found, Problem):
            problems.append(found)
        else:
            usable.append((utterance, seconds, found))
            takes.append(Take(utterance.path, key, likeness(utterance, seconds)))
    enforce(problems, data.on_error, data.corpus, data.label_advice, len(usable))
    if not usable:
        raise CorpusError(
            f"{data.corpus}: no recording is left to evaluate. Check --data.labels and the corpus."
        )
    evaluation_set = _evaluation_set(data.title, usable, dropped, kinds(problems), listing.notes)
    return replace(evaluation_set, takes=tuple(takes))


def _evaluation_set(
    corpus: str,
    usable: Sequence[tuple[Utterance, float, tuple[Segment, ...]]],
    dropped: Mapping[str, int],
    problems: Mapping[str, int],
    notes: Sequence[str],
) -> EvaluationSet:
    def make() -> Iterator[Recording]:
        for utterance, seconds, segments in usable:
            name = next(iter(speakers_of([utterance])), None)
            yield Recording(utterance.id, name, segments, seconds, _source(utterance))

    lost = [f"{count} recordings left out: {kind}" for kind, count in problems.items()]
    lost += [f"{count} recordings left out: {emotion} has no class" for emotion, count in dropped.items()]
    return EvaluationSet(
        name=f"{corpus}, all recordings",
        speakers=tuple(speakers_of([utterance for utterance, _, _ in usable])),
        seconds=sum(seconds for _, seconds, _ in usable),
        make=make,
        count=len(usable),
        dropped=dropped,
        problems=problems,
        notes=(*notes, *lost),
        sources=tuple((utterance,) for utterance, _, _ in usable),
    )


def _in_scheme(
    utterances: Sequence[Utterance], scheme: LabelScheme
) -> tuple[list[Utterance], dict[str, int]]:
    """Return the utterances with segments or with a class, and the number of each other emotion."""
    whole = [utterance for utterance in utterances if not utterance.segments]
    known, dropped = scheme.split(whole)
    ids = {utterance.id for utterance in known}
    kept = [utterance for utterance in utterances if utterance.segments or utterance.id in ids]
    return kept, dict(dropped.most_common())


def _reference(utterance: Utterance, seconds: float, scheme: LabelScheme) -> tuple[Segment, ...] | Problem:
    """Return the reference segments, named by class, that fill a recording; or why they are invalid."""
    given = utterance.segments or (Segment(0.0, seconds, utterance.emotion),)
    try:
        segments = [Segment(*stretch) for stretch in timeline(given, seconds)]
        return in_classes(filled(segments, seconds), scheme)
    except SegmentError as error:
        return Problem(utterance.path, f"{utterance.id}: {error.message}")


def _source(utterance: Utterance) -> AudioInput:
    if utterance.start is None and utterance.end is None:
        return utterance.path
    return load(utterance.path, utterance.start, utterance.end), SAMPLE_RATE
