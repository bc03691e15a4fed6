"""Inspect a corpus before training on it: counts, durations, faults, duplicates, confounds."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median

import numpy as np
import numpy.typing as npt

from sercl.audio.scan import AudioSpan, Limits, Memory, ScanReport, scan
from sercl.corpora.base import Listing, Problem, Utterance
from sercl.corpora.emotion_names import to_emotion
from sercl.corpora.folds import FoldConfig, make_fold
from sercl.corpora.labels import EMOTIONS, label_scheme
from sercl.errors import FoldError, UnknownNameError

MIN_SCORE = 0.1
"""Confounds that remove less than this fraction of the uncertainty are not reported."""

MAX_P = 0.01
"""Confounds that chance alone would produce more often than this are not reported."""

PERMUTATIONS = 199

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Confound:
    """An attribute whose values distinguish one emotion from the rest better than chance.

    Attributes:
        attribute: "text", "speaker", "sampling rate" or another property of an utterance.
        emotion: The emotion that it reveals.
        score: Fraction of the uncertainty about "this emotion or not" that knowing the attribute removes,
            beyond what it removes for shuffled emotions; 1 if it determines the emotion. It is mutual
            information, adjusted for chance (Vinh et al. 2010), so many rare values alone do not raise it.
        p: Fraction of the shuffled corpora that score at least as high.
        exclusive: Fraction of the emotion's utterances whose value no other emotion has.
        utterances: Utterances of the emotion whose value is known.
    """

    attribute: str
    emotion: str
    score: float
    p: float
    exclusive: float
    utterances: int


def find_confounds(
    emotions: Sequence[str], attributes: Mapping[str, Sequence[str | None]], seed: int = 0
) -> tuple[Confound, ...]:
    """Find the attributes that reveal an emotion.

    Args:
        emotions: Emotion of each utterance.
        attributes: Attribute -> its value for each utterance, None where unknown (those are left out).
        seed: Seed of the shuffles.

    Returns:
        The confounds with `score >= MIN_SCORE` and `p <= MAX_P`, the strongest first.
    """
    found = [
        confound
        for name, values in attributes.items()
        for confound in score_attribute(name, emotions, values, seed)
        if confound.score >= MIN_SCORE and confound.p <= MAX_P
    ]
    return tuple(sorted(found, key=lambda item: (-item.score, item.attribute, item.emotion)))


def score_attribute(
    attribute: str, emotions: Sequence[str], values: Sequence[str | None], seed: int = 0
) -> list[Confound]:
    """Score one attribute against every emotion; nothing where it has one value, or there is one emotion."""
    known = [(emotion, value) for emotion, value in zip(emotions, values, strict=True) if value is not None]
    names, emotion_codes = _codes([emotion for emotion, _ in known])
    kinds, value_codes = _codes([value for _, value in known])
    if len(names) < 2 or len(kinds) < 2:
        return []
    shape = (len(kinds), len(names))
    table = _table(value_codes, emotion_codes, shape)
    observed, shuffled = _uncertainty(table), _shuffled_uncertainty(value_codes, emotion_codes, shape, seed)
    expected = shuffled.mean(axis=0)
    # Where every value occurs once, nothing is uncertain for shuffled emotions either: no evidence.
    scores = 1 - np.divide(observed, expected, out=np.ones_like(observed), where=expected > 1e-9)
    p = (1 + (shuffled <= observed + 1e-12).sum(axis=0)) / (1 + PERMUTATIONS)
    exclusive = np.where((table > 0).sum(axis=1, keepdims=True) == 1, table, 0).sum(axis=0) / table.sum(
        axis=0
    )
    totals = table.sum(axis=0)
    return [
        Confound(attribute, name, float(scores[i]), float(p[i]), float(exclusive[i]), int(totals[i]))
        for i, name in enumerate(names)
    ]


def _codes(words: Sequence[str]) -> tuple[list[str], Codes]:
    names = sorted(set(words))
    index = {name: code for code, name in enumerate(names)}
    return names, np.array([index[word] for word in words], dtype=np.int64)


def _table(values: Codes, emotions: Codes, shape: tuple[int, int]) -> Codes:
    """Return `[values, emotions]` counts."""
    return np.bincount(values * shape[1] + emotions, minlength=shape[0] * shape[1]).reshape(shape)


def _uncertainty(table: Codes) -> Floats:
    """Return, for each emotion, the conditional entropy (nats) of "this emotion or not" given the value."""
    sizes = table.sum(axis=1, keepdims=True)
    share = table / sizes
    entropy = _plogp(share) + _plogp(1 - share)
    result: Floats = -(sizes * entropy).sum(axis=0) / sizes.sum()
    return result


def _plogp(share: Floats) -> Floats:
    return share * np.log(share, out=np.zeros_like(share), where=share > 0)


def _shuffled_uncertainty(values: Codes, emotions: Codes, shape: tuple[int, int], seed: int) -> Floats:
    """Return `[PERMUTATIONS, emotions]` uncertainties for shuffled emotions."""
    generator = np.random.default_rng(seed)
    return np.stack(
        [_uncertainty(_table(values, generator.permutation(emotions), shape)) for _ in range(PERMUTATIONS)]
    )


SCHEMES = ("4", "6", "7")
UNKNOWN = "unknown"

# Ratings of the emotion itself: that they correlate with it is not a confound.
_RATINGS = {"valence", "activation", "arousal", "dominance"}

Counts = Mapping[str, int]
Table = Mapping[str, Counts]


@dataclass(frozen=True)
class Duplicate:
    """Utterances with the same samples.

    Attributes:
        ids: Their ids.
        emotions: Their emotions, in the same order.
        speakers: Their speakers, in the same order.
    """

    ids: tuple[str, ...]
    emotions: tuple[str, ...]
    speakers: tuple[str | None, ...]

    @property
    def contradicts(self) -> bool:
        """Whether the same samples have two emotions or two speakers."""
        return len(set(self.emotions)) > 1 or len(set(self.speakers)) > 1


@dataclass(frozen=True)
class Coverage:
    """The utterances of a corpus that a label scheme keeps and drops.

    Attributes:
        scheme: Name of the label scheme.
        classes: Class -> utterances, every class in its order.
        dropped: Emotion without a class -> utterances.
        unusable: Further utterances whose audio cannot be used, which neither of these counts.
    """

    scheme: str
    classes: Counts
    dropped: Counts
    unusable: int = 0


@dataclass(frozen=True)
class Inspection:
    """What an inspection found.

    Attributes:
        corpus: Name of the corpus.
        utterances: Number of utterances listed.
        files: Number of audio files that hold them.
        emotions: Emotion -> utterances, in the order of `labels.EMOTIONS`.
        languages: Language -> utterances.
        genders: Gender -> emotion -> utterances; "unknown" where not given.
        speakers: Speaker -> emotion -> utterances; "unknown" where not given.
        seconds: Emotion -> duration in s of each utterance that could be decoded.
        rates: Sampling rate in Hz -> utterances.
        channels: Number of channels -> utterances.
        problems: What the reader and the scan cannot use.
        duplicates: Groups of utterances with the same samples.
        confounds: Attributes that reveal an emotion.
        coverage: What each label scheme keeps and drops.
        notes: What the reader merged or kept separate, a sentence each.
        dropped: Label -> utterances that were left out at the user's request.
        refused: Why no fold for training can be cut by default; None where one can, or for several corpora,
            whose folds are cut one by one.
    """

    corpus: str
    utterances: int
    files: int
    emotions: Counts
    languages: Counts
    genders: Table
    speakers: Table
    seconds: Mapping[str, tuple[float, ...]]
    rates: Mapping[int, int]
    channels: Mapping[int, int]
    problems: tuple[Problem, ...]
    duplicates: tuple[Duplicate, ...]
    confounds: tuple[Confound, ...]
    coverage: tuple[Coverage, ...]
    notes: tuple[str, ...] = ()
    dropped: Counts = field(default_factory=dict)
    refused: str | None = None

    @property
    def total_seconds(self) -> float:
        """Duration in s of everything that could be decoded."""
        return sum(map(sum, self.seconds.values()))

    @property
    def known_speakers(self) -> int:
        """Number of speakers, without the unknown."""
        return len(self.speakers.keys() - {UNKNOWN})

    @property
    def problem_kinds(self) -> Counts:
        """Kind of problem -> how many, the most frequent first."""
        return dict(Counter(problem.kind for problem in self.problems).most_common())

    def to_dict(self) -> dict[str, object]:
        """Return plain data for JSON, with durations summed up per emotion."""
        return {
            "corpus": self.corpus,
            "utterances": self.utterances,
            "files": self.files,
            "total_seconds": round(self.total_seconds, 3),
            "emotions": dict(self.emotions),
            "languages": dict(self.languages),
            "genders": {name: dict(counts) for name, counts in self.genders.items()},
            "speakers": {name: dict(counts) for name, counts in self.speakers.items()},
            "seconds": {name: spread(values) for name, values in self.seconds.items() if values},
            "rates": {str(rate): count for rate, count in self.rates.items()},
            "channels": {str(number): count for number, count in self.channels.items()},
            "problems": [{**asdict(problem), "path": str(problem.path)} for problem in self.problems],
            "duplicates": [asdict(duplicate) for duplicate in self.duplicates],
            "confounds": [asdict(confound) for confound in self.confounds],
            "coverage": [asdict(coverage) for coverage in self.coverage],
            "notes": list(self.notes),
            "dropped": dict(self.dropped),
            "refused": self.refused,
        }


def inspect(
    listing: Listing,
    corpus: str,
    limits: Limits = Limits(),
    on_progress: Callable[[int], None] | None = None,
    memory: Memory | None = None,
) -> Inspection:
    """Decode every utterance of a corpus once, and summarise the corpus.

    Args:
        listing: What the reader found.
        corpus: Name to show.
        limits: Which clips count as faulty.
        on_progress: Called with the number of clips decoded since the last call.
        memory: Cache of earlier checks, so that unchanged clips are not decoded again.
    """
    utterances = listing.utterances
    clips = [AudioSpan(item.path, item.start, item.end) for item in utterances]
    report = scan(clips, limits, on_progress=on_progress, memory=memory)
    faulty = {fault.clip_index for fault in report.faults}
    usable = [item for index, item in enumerate(utterances) if index not in faulty]
    return Inspection(
        corpus=corpus,
        utterances=len(utterances),
        files=len({item.path for item in utterances}),
        emotions=_emotion_counts(utterances),
        languages=_sorted_counts([item.language for item in utterances]),
        genders=_by_emotion(utterances, [item.gender for item in utterances]),
        speakers=_by_emotion(utterances, [item.speaker for item in utterances]),
        seconds=_seconds(utterances, report),
        rates=_numbers(report.rates),
        channels=_numbers(report.channels),
        problems=(*listing.problems, *_faults(utterances, report)),
        duplicates=tuple(_duplicate([utterances[i] for i in group]) for group in report.duplicates()),
        confounds=find_confounds([item.emotion for item in utterances], _attributes(utterances, report)),
        coverage=tuple(_coverage(name, usable, len(faulty)) for name in SCHEMES),
        notes=(*listing.notes, *([listing.unlisted.note] if listing.unlisted else [])),
        dropped=listing.dropped,
        refused=_refusal(usable),
    )


def _refusal(utterances: Sequence[Utterance]) -> str | None:
    """Return why `sercl fit` could not cut its first fold with the default labels and scheme."""
    if len({item.corpus for item in utterances}) > 1:
        return None
    try:
        make_fold(utterances, label_scheme("4"), FoldConfig())
    except FoldError as error:
        return str(error)
    return None


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Return count, total, shortest, median and longest of some durations in s."""
    return {
        "count": len(seconds),
        "total": round(sum(seconds), 3),
        "min": round(min(seconds), 3),
        "median": round(median(seconds), 3),
        "max": round(max(seconds), 3),
    }


def _emotion_counts(utterances: Sequence[Utterance]) -> dict[str, int]:
    counts = Counter(item.emotion for item in utterances)
    return {emotion: counts[emotion] for emotion in EMOTIONS if counts[emotion]}


def _sorted_counts(names: Sequence[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _by_emotion(utterances: Sequence[Utterance], names: Sequence[str | None]) -> dict[str, dict[str, int]]:
    groups: dict[str, list[Utterance]] = {}
    for name, utterance in zip(names, utterances, strict=True):
        groups.setdefault(UNKNOWN if name is None else name, []).append(utterance)
    return {name: _emotion_counts(groups[name]) for name in sorted(groups)}


def _seconds(utterances: Sequence[Utterance], report: ScanReport) -> dict[str, tuple[float, ...]]:
    values: dict[str, list[float]] = {emotion: [] for emotion in _emotion_counts(utterances)}
    for utterance, seconds in zip(utterances, report.seconds, strict=True):
        if seconds is not None:
            values[utterance.emotion].append(seconds)
    return {emotion: tuple(seconds) for emotion, seconds in values.items()}


def _numbers(values: Sequence[int | None]) -> dict[int, int]:
    return dict(sorted(Counter(value for value in values if value is not None).items()))


def _faults(utterances: Sequence[Utterance], report: ScanReport) -> list[Problem]:
    return [
        Problem(utterances[fault.clip_index].path, fault.reason, kind=fault.kind) for fault in report.faults
    ]


def _duplicate(utterances: Sequence[Utterance]) -> Duplicate:
    return Duplicate(
        ids=tuple(item.id for item in utterances),
        emotions=tuple(item.emotion for item in utterances),
        speakers=tuple(item.speaker for item in utterances),
    )


def _coverage(name: str, utterances: Sequence[Utterance], unusable: int) -> Coverage:
    scheme = label_scheme(name)
    kept, dropped = scheme.split(utterances)
    counts = Counter(scheme.index(item.emotion) for item in kept)
    return Coverage(
        scheme=name,
        classes={label: counts[index] for index, label in enumerate(scheme.classes)},
        dropped={emotion: dropped[emotion] for emotion in EMOTIONS if dropped[emotion]},
        unusable=unusable,
    )


def _attributes(utterances: Sequence[Utterance], report: ScanReport) -> dict[str, list[str | None]]:
    """Return attributes that may reveal an emotion, without those that only repeat the label."""
    fields = ("corpus", "speaker", "gender", "text", "language", "dialect", "session")
    attributes: dict[str, list[str | None]] = {
        name: [getattr(item, name) for item in utterances] for name in fields
    }
    for name in sorted({key for item in utterances for key in item.extra} - _RATINGS):
        values = [item.extra.get(name) for item in utterances]
        if not all(map(_restates, values, utterances)):
            attributes[name] = values
    attributes["sampling rate"] = [None if rate is None else str(rate) for rate in report.rates]
    attributes["number of channels"] = [None if number is None else str(number) for number in report.channels]
    return attributes


def _restates(value: str | None, utterance: Utterance) -> bool:
    try:
        return value is None or to_emotion(value) == utterance.emotion
    except UnknownNameError:
        return False
