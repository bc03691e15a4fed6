"""Which utterances, recordings or clips can be stimuli, with the reason why others cannot."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from sercl.audio.preprocess import NONE, PreprocessConfig, prepared, seconds_after, trimmed_span
from sercl.audio.resample import SAMPLE_RATE, load
from sercl.audio.voice import Speech
from sercl.corpora.base import PARTS, SEEN, Segment, Utterance
from sercl.data.clips.dataset import cut_pieces, render
from sercl.data.clips.plan import NEUTRAL_CLASS, Clip, Planner, clip_seconds
from sercl.data.datamodules import CorpusDataModule, Diarization, EmotionDataModule, LanguagePair
from sercl.data.split import likeness
from sercl.diarization.segments import filled, in_classes
from sercl.errors import UsageError
from sercl.listening.balance import Candidate
from sercl.listening.protocol import SEGMENTS
from sercl.studies.training.results import MOST_ALIKE
from sercl.tasks import checkpoint as checkpoints
from sercl.tasks.checkpoint_paths import checkpoints_of
from sercl.tasks.recordings import LIKE, fingerprint, from_checkpoint

Audio = tuple[Tensor, tuple[Segment, ...] | None]
"""Waveform `[n]` at 16 kHz; reference segments in s, with the 6 decimals that JSON keeps, None where the
boundaries are unknown or not asked for."""


@dataclass(frozen=True)
class Stimulus:
    """A possible stimulus.

    Attributes:
        candidate: What it is balanced by.
        utterance: Id in its corpus, or of the clip.
        corpus: Name of the corpus.
        make: Returns its audio at its own level.
        pieces: Of a clip, the utterances that it consists of.
    """

    candidate: Candidate
    utterance: str
    corpus: str
    make: Callable[[], Audio]
    pieces: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bounds:
    """What stimuli must fulfil.

    Attributes:
        task: "choice" or "segments".
        part: "whole" or a part of the folds.
        min_seconds: Minimum duration after trimming.
        max_seconds: Maximum duration after trimming.
    """

    task: str
    part: str
    min_seconds: float
    max_seconds: float


@dataclass
class Pool:
    """All possible stimuli.

    Attributes:
        classes: Class names, in order; for segments without neutral, which is what is not marked.
        stimuli: Id of the candidate -> stimulus.
        left_out: (language, dialect, class, reason) -> number of those that cannot be used.
        notes: Sentences for the report.
    """

    classes: tuple[str, ...]
    stimuli: dict[str, Stimulus] = field(default_factory=dict)
    left_out: Counter[tuple[str, str | None, str, str]] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    @property
    def candidates(self) -> list[Candidate]:
        """What all of them are balanced by."""
        return [stimulus.candidate for stimulus in self.stimuli.values()]

    def reasons(self, language: str, dialect: str | None, label: str) -> dict[str, int]:
        """Return reason -> number of those of a class, in a language and dialect, that cannot be used."""
        whose = (language, dialect, label)
        return {key[3]: number for key, number in sorted(self.left_out.items(), key=str) if key[:3] == whose}


@dataclass(frozen=True)
class Heard:
    """What a checkpoint was trained and selected on.

    Attributes:
        name: Folder and file of the checkpoint.
        speakers: "corpus speaker" of everyone.
        recordings: Fingerprints of the samples; empty if the checkpoint does not contain them.
        alike: Fingerprints of file name and length.
        corpora: Names of the corpora.
        knows_recordings: Whether the checkpoint contains fingerprints.
    """

    name: str
    speakers: frozenset[str]
    recordings: frozenset[int]
    alike: frozenset[int]
    corpora: frozenset[str]
    knows_recordings: bool


def heard_by(paths: Iterable[Path]) -> list[Heard]:
    """Return what checkpoints, or all models of runs' folders, were trained and selected on.

    Raises:
        CheckpointError: For a file that is not a checkpoint.
    """
    return [_heard(path) for given in paths for path in checkpoints_of(given)]


def _heard(path: Path) -> Heard:
    stored = checkpoints.read(path)
    about: dict[str, Any] = stored["sercl"]
    found = from_checkpoint(stored.get("recordings"), str(path))
    recordings = found or {LIKE: set()}
    return Heard(
        name=f"{path.resolve().parent.name}/{path.name}",
        speakers=frozenset(name for part in SEEN for name in about["seen_speakers"][part]),
        recordings=frozenset(key for part in SEEN for key in recordings.get(part, ())),
        alike=frozenset(recordings[LIKE]),
        corpora=frozenset(about.get("corpora", ())),
        knows_recordings=found is not None,
    )


@dataclass(frozen=True)
class _Row:
    """An utterance that is labelled and checked."""

    utterance: Utterance
    label: str
    seconds: float
    audio_key: str
    speech: tuple[Speech, ...]

    @property
    def id(self) -> str:
        return f"{self.utterance.corpus} {self.utterance.id}"

    @property
    def likeness(self) -> int:
        return fingerprint(likeness(self.utterance, self.seconds))

    @property
    def group(self) -> tuple[str, str | None, str]:
        return self.utterance.language, self.utterance.dialect, self.label


def pool_of(
    data: EmotionDataModule, bounds: Bounds, preprocess: PreprocessConfig, heard: Sequence[Heard] = ()
) -> Pool:
    """Return all possible stimuli of some data, which are listed and checked.

    Args:
        data: One corpus, several of them, a pair, or `Diarization`, from which clips are built.
        bounds: What stimuli must fulfil.
        preprocess: What is done to each; its level is not applied yet.
        heard: Checkpoints whose training and validation data must not be used.

    Raises:
        CorpusError: For unusable data.
        UsageError: For data that do not fit the task.
    """
    builds_clips = isinstance(data, Diarization)
    if builds_clips and bounds.task != SEGMENTS:
        raise UsageError("--data Diarization builds clips with changing emotions: give --task segments.")
    own = PreprocessConfig.RAW if builds_clips else preprocess
    classes = [name for name in data.classes if bounds.task != SEGMENTS or name != NEUTRAL_CLASS]
    pool = Pool(tuple(classes))
    rows = _unheard(_unique(_rows(data, bounds.part, own, pool), pool), heard, pool)
    if isinstance(data, Diarization):
        found = _clips(data, rows, preprocess)
    else:
        found = (_of_utterance(row, data, preprocess, bounds.task) for row in _spoken(rows, own, pool))
    for stimulus, seconds in found:
        _add(pool, stimulus, seconds, bounds)
    return pool


def corpora_of(data: EmotionDataModule) -> list[CorpusDataModule]:
    """Return the corpora of a data module, joint ones as one.

    Raises:
        UsageError: For a class of the user's own that has none.
    """
    if isinstance(data, LanguagePair):
        return [data.source, data.target]
    if isinstance(data, Diarization):
        return list(data.corpora)
    if isinstance(data, CorpusDataModule):
        return [data]
    raise UsageError(f"--data {type(data).__name__}: stimuli are taken from corpora. Give one, or several.")


def _rows(data: EmotionDataModule, part: str, preprocess: PreprocessConfig, pool: Pool) -> Iterator[_Row]:
    for corpus in corpora_of(data):
        corpus.on_progress, corpus.memories = data.on_progress, data.memories
        corpus.use_preprocessing(preprocess)
        corpus.score_only(part)
        corpus.prepare((part,) if part in PARTS else PARTS)
        pool.notes += [f"{corpus.title}: {note}" for note in corpus.report.notes]
        split = corpus.splits[part if part in PARTS else "test"]  # the whole is the test part
        fields = zip(
            split.utterances, split.labels, split.seconds, split.audio_keys, split.speech, strict=True
        )
        for utterance, label, seconds, key, speech in fields:
            yield _Row(utterance, corpus.classes[label], seconds, key, speech)


def _unique(rows: Iterable[_Row], pool: Pool) -> list[_Row]:
    """Leave out copies: listeners would hear the same recording twice."""
    ids: set[str] = set()
    keys: set[str] = set()
    kept = []
    for row in rows:
        if row.audio_key in keys and row.id not in ids:
            pool.left_out[(*row.group, "copy of another recording")] += 1
        elif row.id not in ids:
            kept.append(row)
        ids.add(row.id)
        keys.add(row.audio_key)
    return kept


def _unheard(rows: Sequence[_Row], heard: Sequence[Heard], pool: Pool) -> list[_Row]:
    """Leave out speakers and recordings of the training and validation data of checkpoints."""
    left = list(rows)
    for model in heard:
        if not model.knows_recordings:
            pool.notes.append(f"{model.name} has no record of its recordings: only speakers are compared")
        alike = _alike(left, model)
        kept = []
        for row in left:
            reason = _how_heard(row, model, alike)
            if reason:
                pool.left_out[(*row.group, f"{reason} {model.name}")] += 1
            else:
                kept.append(row)
        left = kept
    return left


def _alike(rows: Sequence[_Row], model: Heard) -> frozenset[int]:
    """Return what may be altered copies of training recordings, compared as `sercl test` does it.

    Only if no corpus of these names was in training, since all speakers of a corpus may have files of the
    same names; and not if they are so few that chance explains them.
    """
    if model.corpora & {row.utterance.corpus for row in rows}:
        return frozenset()
    found = [row.likeness for row in rows if row.likeness in model.alike]
    return frozenset(found) if found and len(found) >= MOST_ALIKE * len(rows) else frozenset()


def _how_heard(row: _Row, model: Heard, alike: frozenset[int]) -> str:
    if row.utterance.person in model.speakers:
        return "speaker heard by"
    if fingerprint(row.audio_key) in model.recordings:
        return "recording heard by"
    return "file name and length of a recording heard by" if row.likeness in alike else ""


def _spoken(rows: Iterable[_Row], preprocess: PreprocessConfig, pool: Pool) -> Iterator[_Row]:
    """Leave out clips without speech, which could be neither trimmed nor brought to one level like others."""
    for row in rows:
        if preprocess.needs_speech and not row.speech:
            pool.left_out[(*row.group, "no speech found")] += 1
        else:
            yield row


def _add(pool: Pool, stimulus: Stimulus, seconds: float, bounds: Bounds) -> None:
    item = stimulus.candidate
    if item.label not in pool.classes:
        return
    reason = ""
    if seconds < bounds.min_seconds:
        reason = f"shorter than {bounds.min_seconds:g} s"
    elif seconds > bounds.max_seconds:
        reason = f"longer than {bounds.max_seconds:g} s"
    if reason:
        pool.left_out[(item.language, item.dialect, item.label, reason)] += 1
    else:
        pool.stimuli[item.id] = stimulus


def _of_utterance(
    row: _Row, data: EmotionDataModule, preprocess: PreprocessConfig, task: str
) -> tuple[Stimulus, float]:
    utterance, scheme = row.utterance, corpora_of(data)[0].scheme
    own = replace(preprocess, loudness=NONE, level=None)
    speech = _with_events(row) if task == SEGMENTS else row.speech

    def make() -> Audio:
        whole = load(utterance.path, utterance.start, utterance.end)
        clip = prepared(whole, speech, own)
        if task != SEGMENTS or not utterance.segments:
            return clip, None
        segments = in_classes(filled(utterance.segments, row.seconds), scheme)
        first = trimmed_span(speech, own.margin, len(whole))[0] if own.changes_length else 0
        return clip, tuple(_within(segments, first / SAMPLE_RATE, len(clip) / SAMPLE_RATE))

    item = _candidate(row.id, row.label, utterance)
    return Stimulus(item, utterance.id, utterance.corpus, make), seconds_after(row.seconds, speech, own)


def _with_events(row: _Row) -> tuple[Speech, ...]:
    """Return what must not be trimmed of a recording: its speech, and its events, whatever was detected."""
    if not row.speech:
        return ()
    events = (item for item in row.utterance.segments if item.emotion != NEUTRAL_CLASS)
    kept = (*row.speech, *(Speech(item.start, item.end) for item in events))
    return (Speech(min(item.start for item in kept), max(item.end for item in kept)),)


def _within(segments: Iterable[Segment], shift: float, seconds: float) -> Iterator[Segment]:
    """Return segments of a recording in a part of it, which begins `shift` s later and lasts `seconds` s."""
    for item in segments:
        start, end = max(0.0, item.start - shift), min(seconds, item.end - shift)
        if start < end:
            yield Segment(round(start, 6), round(end, 6), item.emotion)


def _candidate(id: str, label: str, utterance: Utterance) -> Candidate:
    sentence = utterance.text or utterance.extra.get("sentence")
    return Candidate(
        id,
        label,
        utterance.person,
        utterance.gender,
        utterance.language,
        utterance.dialect or None,
        f"{utterance.corpus} {sentence}" if sentence else None,
    )


def _clips(
    data: Diarization, rows: Sequence[_Row], preprocess: PreprocessConfig
) -> Iterator[tuple[Stimulus, float]]:
    """Build clips: each emotional piece is the event of one clip."""
    config, scheme = data.clip_config, data.corpora[0].scheme
    if nameless := [row for row in rows if row.utterance.speaker is None]:
        raise UsageError(f"{nameless[0].id}: has no speaker, but clips are built speaker by speaker.")
    by_id = {row.id: replace(row.utterance, id=row.id) for row in rows}
    pieces = cut_pieces([(by_id[row.id], row.seconds) for row in rows], scheme, config)
    planner = Planner([piece for own in pieces.values() for piece in own], config, data.loader_config.seed)
    for index in range(planner.round):
        clip = planner.plan(index)
        yield _of_clip(clip, data, preprocess), clip_seconds(clip, config)


def _of_clip(clip: Clip, data: Diarization, preprocess: PreprocessConfig) -> Stimulus:
    owner = clip.pieces[0].utterance
    own = replace(preprocess, trim=NONE, loudness=NONE, level=None)

    def make() -> Audio:
        waveform, segments = render(clip, data.clip_config)
        return prepared(waveform, (), own), tuple(_within(segments, 0.0, len(waveform) / SAMPLE_RATE))

    label = next(piece.label for piece in clip.pieces if piece.label != NEUTRAL_CLASS)
    pieces = tuple(piece.utterance.id for piece in clip.pieces)
    candidate = replace(_candidate(f"{owner.corpus} {clip.id}", label, owner), sentence=None)
    return Stimulus(candidate, clip.id, owner.corpus, make, pieces)


def mapping_of(data: EmotionDataModule) -> Mapping[str, Any]:
    """Return what the protocol says about the data, without paths."""
    return {
        "name": " + ".join(corpus.title for corpus in corpora_of(data)),
        "labels": data.label_map,
        "built": isinstance(data, Diarization),
    }
