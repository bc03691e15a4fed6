"""Emotion names and label schemes: one class order for every corpus."""

import json
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sercl.corpora.base import Utterance
from sercl.counting import count
from sercl.documents import read_yaml
from sercl.errors import DocumentError, ManifestError, UnknownNameError, UsageError

EMOTIONS = (
    "angry",
    "happy",
    "neutral",
    "sad",
    "fearful",
    "disgusted",
    "surprised",
    "calm",
    "bored",
    "excited",
    "frustrated",
    "amused",
    "sleepy",
    "anxious",
    "apologetic",
    "assertive",
    "concerned",
    "encouraging",
    "poker",
    "other",
    "unknown",
)
"""All emotions of utterances. The first seven are the classes of the 7-class scheme."""

_MERGED = {"excited": "happy"}
_SIZES = {"4": 4, "6": 6, "7": 7}


@dataclass(frozen=True)
class LabelScheme:
    """The classes of a study, in order, and the emotions of each.

    Attributes:
        name: "4", "6", "7" or "custom".
        classes: Class names; their index is the class index.
        members: Class name -> the emotions that count as it.
    """

    name: str
    classes: tuple[str, ...]
    members: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        owners = Counter(emotion for emotions in self.members.values() for emotion in emotions)
        twice = sorted(emotion for emotion, count in owners.items() if count > 1)
        if twice:
            raise UsageError(
                f"label scheme: {', '.join(twice)} is in two classes; an emotion may be in one class only."
            )
        if len(self.classes) < 2:
            raise UsageError(
                f"label scheme: {count(len(self.classes), 'class', 'classes')}; at least two are needed."
            )

    def index(self, emotion: str) -> int | None:
        """Return the class index of an emotion, or None if the scheme drops it."""
        for index, name in enumerate(self.classes):
            if emotion in self.members[name]:
                return index
        return None

    def class_of(self, emotion: str) -> str | None:
        """Return the class name of an emotion, or None if the scheme drops it."""
        index = self.index(emotion)
        return None if index is None else self.classes[index]

    def split(self, utterances: Iterable[Utterance]) -> tuple[list[Utterance], Counter[str]]:
        """Return the utterances that have a class, and how many of each other emotion were dropped."""
        kept: list[Utterance] = []
        dropped: Counter[str] = Counter()
        for utterance in utterances:
            if self.index(utterance.emotion) is None:
                dropped[utterance.emotion] += 1
            else:
                kept.append(utterance)
        return kept, dropped

    def to_dict(self) -> dict[str, list[str]]:
        """Return class -> emotions in class order, as plain data for a checkpoint or a YAML file."""
        return {name: list(self.members[name]) for name in self.classes}


LabelSpec = str | Path | Mapping[str, str | Sequence[str]] | LabelScheme
"""A label scheme, or anything that `label_scheme` builds one from."""


def label_scheme(spec: LabelSpec = "4") -> LabelScheme:
    """Build a label scheme.

    Args:
        spec: "4" (angry, happy, neutral, sad), "6" (and fearful, disgusted), "7" (and surprised); or a map
            from class to the emotions that count as it, in class order; or a YAML file with such a map.

    Raises:
        UnknownNameError: For a scheme or emotion that does not exist.
        UsageError: For a map with fewer than two classes or with one emotion in two classes.
    """
    if isinstance(spec, LabelScheme):
        return spec
    if isinstance(spec, Mapping):
        return _custom(spec)
    if str(spec) in _SIZES:
        return _standard(str(spec))
    if str(spec).endswith((".yaml", ".yml")):
        return _custom(_read_map(Path(spec)))
    raise UnknownNameError("label scheme", str(spec), _SIZES, "Or give a YAML file: class: [emotion, ...].")


def labels_option(label_map: Mapping[str, Sequence[str]]) -> str:
    """Return the value of `--data.labels` that gives some classes: "4", or a map, quoted for a command line.

    Args:
        label_map: Class -> emotions that belong to it, in class order.
    """
    own = [(name, list(emotions)) for name, emotions in label_map.items()]
    standard = (size for size in _SIZES if list(_standard(size).to_dict().items()) == own)
    return next(standard, shlex.quote(json.dumps(dict(own), ensure_ascii=False)))


def _standard(name: str) -> LabelScheme:
    classes = EMOTIONS[: _SIZES[name]]
    members = {
        label: (label, *(other for other, into in _MERGED.items() if into == label)) for label in classes
    }
    return LabelScheme(name, classes, members)


def _custom(spec: Mapping[str, str | Sequence[str]]) -> LabelScheme:
    for name, emotions in spec.items():
        if not isinstance(emotions, str | list | tuple):
            raise UsageError(
                f"labels: class {str(name)!r} has {emotions!r}; valid: an emotion, or a list of them."
            )
    members = {
        str(name): (emotions,) if isinstance(emotions, str) else tuple(emotions)
        for name, emotions in spec.items()
    }
    for emotion in (emotion for emotions in members.values() for emotion in emotions):
        if emotion not in EMOTIONS:
            raise UnknownNameError("emotion", emotion, EMOTIONS)
    return LabelScheme("custom", tuple(members), members)


def _read_map(path: Path) -> Mapping[str, str | Sequence[str]]:
    try:
        content = read_yaml(path)
    except FileNotFoundError:
        raise UsageError(f"{path}: no such label file.") from None
    except DocumentError as error:
        raise ManifestError(path, error.line, f"{error.reason}.") from None
    if not isinstance(content, dict):
        raise ManifestError(path, None, "expected a map `class: [emotion, ...]`.")
    return content
