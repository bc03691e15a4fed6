"""Adaptations by name: the data that each needs, and the notes on its results."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sercl.counting import count
from sercl.data.settings import BY_CORPUS, BY_SPEAKER, CORAL, NO_ADAPTATION, PRIOR
from sercl.errors import UnknownNameError, UsageError
from sercl.models.standardize import Moments
from sercl.studies.heads.parts import Adapt, Person


@dataclass(frozen=True)
class FrozenRows:
    """Metadata of the utterances; features have a row for each, in this order.

    Attributes:
        ids: Id of each utterance, for messages.
        labels: Class index of each; any number for rows that are never used in training, validation or test.
        corpora: Name of the corpus of each.
        speakers: Speaker of each, None where unknown; a name may occur in several corpora.
        classes: Class names; their position is the class index.
    """

    ids: tuple[str, ...]
    labels: tuple[int, ...]
    corpora: tuple[str, ...]
    speakers: tuple[str | None, ...]
    classes: tuple[str, ...]

    @property
    def people(self) -> tuple[Person, ...]:
        """Corpus and speaker of each utterance."""
        return tuple(zip(self.corpora, self.speakers, strict=True))


@dataclass(frozen=True)
class FrozenTraining:
    """One training, on the hidden state that is best on validation, and its tests.

    Attributes:
        train: Training rows. A repeated row occurs as often in each epoch, and counts as often in the
            statistics for standardisation.
        validation: Rows that determine when training ends, which epoch is kept and which hidden state is
            used; disjoint from `train`, or identical to it if no other rows are labelled.
        tests: Name of a test -> its rows, which are used for nothing else.
        seed: Seed of the initial weights, and of the order of the training rows in each epoch.
        start: Index, in the same list, of an earlier training that this one continues, as second of two
            stages. None for a training with new weights.
        adaptation: One of `sercl.studies.heads.adaptation.NOTES`.
        unlabelled: Rows of the target's training part, possibly including labelled ones of `train`; an
            adaptation uses their features, not their labels.
    """

    train: tuple[int, ...]
    validation: tuple[int, ...]
    tests: Mapping[str, tuple[int, ...]]
    seed: int
    start: int | None = None
    adaptation: str = NO_ADAPTATION
    unlabelled: tuple[int, ...] = ()


@dataclass(frozen=True)
class FrozenResult:
    """The result of a training.

    Attributes:
        layer: Hidden state that is best on validation, 0 to N.
        epoch: Epoch whose weights were kept, from 0.
        epochs: Epochs run on that hidden state.
        early_stopped: Whether patience ran out; if not, the epoch limit ended training.
        seconds: Its share of the wall-clock time of the call, all hidden states together.
        validation: Validation score by which the epoch was selected: loss, accuracy or UAR, see
            `ProbeConfig.select`.
        probabilities: Name of a test -> `[rows, classes]` float64, in the order of its rows.
        notes: Notes on an adaptation, and on where it could not be applied in full.
        c: The chosen C of a logistic regression.
    """

    layer: int
    epoch: int
    epochs: int
    early_stopped: bool
    seconds: float
    validation: float
    probabilities: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    c: float | None = None


@dataclass(frozen=True)
class Group:
    """Utterances that are standardised together.

    Attributes:
        rows: Rows to standardise.
        reference: Rows whose mean and standard deviation are used; at least one.
    """

    rows: tuple[int, ...]
    reference: tuple[int, ...]


def normalize_groups(features: Tensor, groups: Iterable[Group]) -> Tensor:
    """Standardise each group.

    A feature that is constant in the reference becomes 0 in the whole group: dividing by a standard
    deviation near 0 would turn rounding errors into information.

    Args:
        features: `[utterances, dim]` float32.
        groups: Disjoint groups; rows in none of them are left unchanged.

    Returns:
        `[utterances, dim]` float32; each reference has mean 0 and population standard deviation 1.
    """
    made = features.clone()
    for group in groups:
        moments = Moments.of(features[list(group.reference)])
        scaled = (features[list(group.rows)].double() - moments.mean) / moments.std()
        made[list(group.rows)] = scaled.masked_fill(moments.constant(), 0).float()
    return made


def grouped_rows(
    keys: Sequence[tuple[str, ...]], rows: Iterable[int]
) -> dict[tuple[str, ...], tuple[int, ...]]:
    """Return key -> the `rows` with it, each once and in order; `keys` has a key for every row."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for row in sorted(set(rows)):
        groups.setdefault(keys[row], []).append(row)
    return {key: tuple(own) for key, own in groups.items()}


def normalize_corpora(features: Tensor, corpora: Sequence[str], reference: Sequence[int]) -> Tensor:
    """Standardise each corpus by statistics of its own reference rows.

    Args:
        features: `[utterances, dim]` float32.
        corpora: Name of the corpus of each utterance.
        reference: Rows of any corpora, usually their training parts; one that is repeated counts once.

    Returns:
        `[utterances, dim]` float32: mean 0 and population standard deviation 1 on the reference rows of each
        corpus, 0 for a feature that is constant there. A corpus without reference rows is left unchanged.
    """
    keys = [(name,) for name in corpora]
    every = grouped_rows(keys, range(len(keys)))
    known = grouped_rows(keys, reference)
    return normalize_groups(features, [Group(every[key], own) for key, own in known.items()])


LEAST_UTTERANCES = 3
"""Speakers with fewer utterances in a part have no reliable variance and are standardised by their corpus."""

Names = Sequence[str | None]


def normalize_speakers(
    features: Tensor, corpora: Sequence[str], speakers: Names, parts: Sequence[Sequence[int]]
) -> Tensor:
    """Standardise each speaker in each part by that speaker's utterances in it.

    A speaker with fewer than `LEAST_UTTERANCES` in a part is standardised by all of the corpus in it.

    Args:
        features: `[utterances, dim]` float32.
        corpora: Name of the corpus of each utterance.
        speakers: Speaker of each utterance; the same name in two corpora is two speakers.
        parts: Rows of each part, no row in two parts; one that is repeated counts once.

    Returns:
        `[utterances, dim]` float32: mean 0 and population standard deviation 1 for each speaker and part, 0
        for a feature that is constant there. Rows of no part are left unchanged.
    """
    groups = [group for part in parts for group in _groups(corpora, speakers, part)]
    return normalize_groups(features, groups)


def thin_speakers(corpora: Sequence[str], speakers: Names, parts: Sequence[Sequence[int]]) -> list[str]:
    """Return "corpus speaker" of those with fewer than `LEAST_UTTERANCES` in one of their parts."""
    keys = _keys(corpora, speakers)
    groups = [group for part in parts for group in grouped_rows(keys, part).items()]
    return sorted({" ".join(key) for key, own in groups if len(own) < LEAST_UTTERANCES})


def _groups(corpora: Sequence[str], speakers: Names, part: Sequence[int]) -> list[Group]:
    by_corpus = grouped_rows([(name,) for name in corpora], part)
    by_speaker = grouped_rows(_keys(corpora, speakers), part)
    return [
        Group(own, own if len(own) >= LEAST_UTTERANCES else by_corpus[key[:1]])
        for key, own in by_speaker.items()
    ]


def _keys(corpora: Sequence[str], speakers: Names) -> list[tuple[str, ...]]:
    return [(corpus, str(speaker)) for corpus, speaker in zip(corpora, speakers, strict=True)]


RIDGE = 1.0
"""Added to the variances before they are inverted, as in the paper: standardised features have variance 1."""


def align_corpora(
    features: Tensor, corpora: Sequence[str], reference: Sequence[int], target: str, ridge: float = RIDGE
) -> Tensor:
    """Standardise each corpus, and transform all but the target to the covariance of the target.

    Args:
        features: `[utterances, dim]` float32.
        corpora: Name of the corpus of each utterance.
        reference: Rows by which each corpus is standardised, and of which covariances are taken; those of all
            corpora but the target make one source.
        target: Name of the target.
        ridge: Added to the variances of both.

    Returns:
        `[utterances, dim]` float32. Rows of corpora without a reference are left unchanged.
    """
    normal = normalize_corpora(features, corpora, reference)
    known = sorted(set(reference))
    ours = [row for row in known if corpora[row] != target]
    theirs = [row for row in known if corpora[row] == target]
    transform = coral_transform(normal[ours].double(), normal[theirs].double(), ridge)
    sources = {corpora[row] for row in ours}
    moved = [row for row, name in enumerate(corpora) if name in sources]
    normal[moved] = (normal[moved].double() @ transform).float()
    return normal


def coral_transform(source: Tensor, target: Tensor, ridge: float = RIDGE) -> Tensor:
    """Return the matrix for right-multiplication of source features: `(Cs + r I)^-1/2 (Ct + r I)^1/2`.

    Args:
        source: `[n, dim]` float64, n at least 2.
        target: `[m, dim]` float64, m at least 2.
        ridge: r, above 0 unless both covariances Cs and Ct are regular.

    Returns:
        `[dim, dim]` float64.
    """
    return _power(_covariance(source), ridge, -0.5) @ _power(_covariance(target), ridge, 0.5)


def _covariance(x: Tensor) -> Tensor:
    centred = x - x.mean(dim=0)
    return centred.mT @ centred / (len(x) - 1)


def _power(symmetric: Tensor, ridge: float, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(symmetric)
    # Rounding may make an eigenvalue of 0 negative.
    power: Tensor = (vectors * (values.clamp(min=0) + ridge).pow(exponent)) @ vectors.mT
    return power


MOST_ROUNDS = 10_000
"""Maximum number of times that weights of classes are scaled."""


def uniform_weights(probabilities: NDArray[np.float64], tolerance: float = 1e-9) -> NDArray[np.float64]:
    """Return weights of the classes with which all classes are predicted equally often on average.

    A classifier that was trained on other recordings may prefer some classes throughout. Without labels this
    can be mended if all classes are equally frequent: probabilities times weights, divided by their sum, then
    have equal means. The weights are unique up to a factor, and found by alternately scaling rows and columns
    (Sinkhorn and Knopp 1967, *Concerning nonnegative matrices and doubly stochastic matrices*).

    Args:
        probabilities: `[utterances, classes]`, above 0.
        tolerance: Largest deviation of a mean from 1 / classes.

    Returns:
        `[classes]`, their geometric mean is 1.
    """
    count = probabilities.shape[1]
    weights = np.ones(count)
    for _ in range(MOST_ROUNDS):
        means = reweighted(probabilities, weights).mean(axis=0)
        if np.abs(means - 1 / count).max() <= tolerance:
            break
        weights /= means
        weights /= np.exp(np.log(weights).mean())
    return weights


def reweighted(probabilities: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `[utterances, classes]` probabilities after the classes were weighted."""
    products = probabilities * weights
    return np.asarray(products / products.sum(axis=1, keepdims=True))


def adaptation_of(where: str, training: FrozenTraining, rows: FrozenRows) -> Adapt | None:
    """Return the transformation of a training's features, None for none.

    Args:
        where: Prefix of error messages.
        training: The training, already checked.
        rows: Metadata of the utterances; labels are not used.

    Raises:
        UnknownNameError: For an adaptation that does not exist.
        UsageError: If the rows that it needs are missing, or a speaker is unknown.
    """
    if training.adaptation not in NOTES:
        raise UnknownNameError("adaptation", training.adaptation, NOTES)
    if training.adaptation == PRIOR and not training.unlabelled:
        raise UsageError(f"{where}, adaptation {PRIOR!r}: there are no unlabelled rows of the target.")
    build = _BUILDERS.get(training.adaptation)
    return None if build is None else build(f"{where}, adaptation {training.adaptation!r}", training, rows)


def adaptation_notes(training: FrozenTraining, rows: FrozenRows) -> tuple[str, ...]:
    """Return the notes to show with a training's results."""
    note = NOTES[training.adaptation]
    if training.adaptation != BY_SPEAKER:
        return (note,) if note else ()
    thin = thin_speakers(rows.corpora, rows.speakers, _parts(training))
    if not thin:
        return (note,)
    return note, (
        f"fewer than {LEAST_UTTERANCES} utterances in a part, so standardised by all utterances of their "
        f"corpus in it: "
        f"{', '.join(thin)}"
    )


def _corpus(where: str, training: FrozenTraining, rows: FrozenRows) -> Adapt:
    return partial(normalize_corpora, corpora=rows.corpora, reference=_reference(where, training, rows))


def _speaker(where: str, training: FrozenTraining, rows: FrozenRows) -> Adapt:
    parts = _parts(training)
    unknown = [row for row in chain.from_iterable(parts) if rows.speakers[row] is None]
    if unknown:
        raise UsageError(
            f"{where}: the speaker of {count(len(unknown), 'utterance')} is unknown, first "
            f"{rows.ids[unknown[0]]!r} of {rows.corpora[unknown[0]]}. Choose another adaptation, "
            "such as corpus, or give the speakers."
        )
    return partial(normalize_speakers, corpora=rows.corpora, speakers=rows.speakers, parts=parts)


def _coral(where: str, training: FrozenTraining, rows: FrozenRows) -> Adapt:
    reference = _reference(where, training, rows)
    targets = {rows.corpora[row] for row in training.unlabelled}
    sources = {rows.corpora[row] for row in training.train} - targets
    if len(targets) != 1 or not sources:
        raise UsageError(
            f"{where}: unlabelled rows are of {_listed(targets)}, training rows of other corpora of "
            f"{_listed(sources)}; one target and at least one source are needed."
        )
    _check_two(where, reference, rows)
    return partial(align_corpora, corpora=rows.corpora, reference=reference, target=targets.pop())


def _reference(where: str, training: FrozenTraining, rows: FrozenRows) -> tuple[int, ...]:
    """Return the training and the unlabelled rows; every corpus in use must have some."""
    reference = sorted({*training.train, *training.unlabelled})
    known = {rows.corpora[row] for row in reference}
    read = chain(training.validation, *training.tests.values())
    lacking = {rows.corpora[row] for row in read} - known
    if lacking:
        raise UsageError(
            f"{where}: there are no rows for the statistics of {_listed(lacking)}. Give rows of its "
            f"training part as unlabelled rows."
        )
    return tuple(reference)


def _check_two(where: str, reference: Iterable[int], rows: FrozenRows) -> None:
    counts: dict[str, int] = {}
    for row in reference:
        counts[rows.corpora[row]] = counts.get(rows.corpora[row], 0) + 1
    for name, number in counts.items():
        if number < 2:
            raise UsageError(f"{where}: {number} row of {name}; a covariance needs at least 2.")


def _parts(training: FrozenTraining) -> tuple[tuple[int, ...], ...]:
    """Return the parts for speaker statistics: training with unlabelled rows, validation, and all tests."""
    tested = sorted(set(chain.from_iterable(training.tests.values())))
    return tuple(sorted({*training.train, *training.unlabelled})), training.validation, tuple(tested)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


_BUILDERS: Mapping[str, Callable[[str, FrozenTraining, FrozenRows], Adapt]] = MappingProxyType(
    {BY_CORPUS: _corpus, BY_SPEAKER: _speaker, CORAL: _coral}
)

NOTES: Mapping[str, str] = MappingProxyType(
    {
        NO_ADAPTATION: "",
        BY_CORPUS: "each corpus is standardised separately, the target by its training part without labels",
        BY_SPEAKER: (
            "each speaker is standardised by all of their utterances in a part, without labels; test "
            "utterances are used together (transductive)"
        ),
        CORAL: (
            "the source is transformed to the covariance of the target's training part without labels (CORAL)"
        ),
        PRIOR: (
            "classes are weighted so that all are predicted equally often in the target's training part, "
            "without labels; this assumes that they are equally frequent in the target"
        ),
    }
)
"""Name of an adaptation -> note on its results."""
