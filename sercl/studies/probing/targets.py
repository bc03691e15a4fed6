"""What a probe is asked to tell: emotion, speaker, language or any other property of an utterance."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sercl.corpora.base import Utterance
from sercl.corpora.labels import LabelScheme, label_scheme
from sercl.errors import UnknownNameError, UsageError

FIELDS = ("emotion", "language", "speaker", "gender", "corpus", "dialect", "session", "split", "text")
"""Properties of every utterance; a corpus may have more in `Utterance.extra`."""


@dataclass(frozen=True)
class Target:
    """A property of utterances as class indices.

    Attributes:
        name: Name of the property.
        classes: Its values; their position is the class index.
        labels: Class index of each utterance, None where it has no value (or an emotion without a class).
    """

    name: str
    classes: tuple[str, ...]
    labels: tuple[int | None, ...]

    @property
    def missing(self) -> int:
        """How many utterances have no class."""
        return self.labels.count(None)


def target_of(
    utterances: Sequence[Utterance], name: str = "emotion", labels: LabelScheme | None = None
) -> Target:
    """Read a property of utterances.

    Args:
        utterances: The utterances.
        name: One of `FIELDS`, or a column of the manifest (a key of `Utterance.extra`).
        labels: Classes of the target "emotion"; None for the four of `label_scheme("4")`.

    Raises:
        UnknownNameError: For a property that no utterance has.
        UsageError: If no utterance has a value, or all have the same.
    """
    emotion = name == "emotion"
    target = _emotion(utterances, labels or label_scheme("4")) if emotion else _read(utterances, name)
    _check(target, utterances)
    return target


def columns_of(utterances: Sequence[Utterance]) -> list[str]:
    """Return the names of the targets that these utterances offer: every property with two values or more."""
    names = [*FIELDS, *sorted({key for item in utterances for key in item.extra} - set(FIELDS))]
    return [name for name in names if len({_value(item, name) for item in utterances} - {None}) > 1]


def _emotion(utterances: Sequence[Utterance], scheme: LabelScheme) -> Target:
    return Target("emotion", scheme.classes, tuple(scheme.index(item.emotion) for item in utterances))


def _read(utterances: Sequence[Utterance], name: str) -> Target:
    extra = {key for item in utterances for key in item.extra}
    if name not in FIELDS and name not in extra:
        raise UnknownNameError("target", name, [*FIELDS, *sorted(extra - set(FIELDS))])
    values = [_value(item, name) for item in utterances]
    classes = tuple(sorted({value for value in values if value is not None}))
    index = {value: position for position, value in enumerate(classes)}
    return Target(name, classes, tuple(None if value is None else index[value] for value in values))


def _value(utterance: Utterance, name: str) -> str | None:
    value = getattr(utterance, name) if name in FIELDS else utterance.extra.get(name)
    return value or None  # an empty cell of a manifest is no value


def _check(target: Target, utterances: Sequence[Utterance]) -> None:
    counts = Counter(target.classes[label] for label in target.labels if label is not None)
    if len(counts) > 1:
        return
    found = " and ".join(f"{count} utterances are {value!r}" for value, count in counts.items())
    raise UsageError(
        f"target {target.name!r}: a probe needs at least two values to tell apart, but "
        f"{found or 'no utterance has a value'} ({target.missing} of {len(utterances)} have none). "
        f"These utterances differ in: {', '.join(columns_of(utterances)) or 'nothing'}."
    )
