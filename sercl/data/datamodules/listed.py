"""Parts that were chosen elsewhere, as data for training and testing."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from sercl.corpora.base import PARTS
from sercl.corpora.folds import Fold
from sercl.data.datamodules.base import EmotionDataModule
from sercl.data.report import Checked, DataReport
from sercl.data.split import Split, picked
from sercl.errors import UsageError


class Listed(EmotionDataModule):
    """Checked utterances of any corpora, in parts that were chosen elsewhere; created in Python only.

    Args:
        label_map: Class -> emotions that belong to it, in class order.
        parts: "train", "validation" and "test" -> utterances; training may repeat some.
        unlabelled: Utterances of the target for training without labels; None for none.
        name: What reports call them.

    Raises:
        UsageError: For a part of another name.
    """

    def __init__(
        self,
        label_map: Mapping[str, Sequence[str]],
        parts: Mapping[str, Split],
        unlabelled: Split | None = None,
        name: str = "lists",
    ) -> None:
        super().__init__()
        if wrong := sorted(set(parts) - set(PARTS)):
            raise UsageError(f"there is no part {wrong[0]!r}; valid: {', '.join(PARTS)}.")
        self._label_map = {name: list(emotions) for name, emotions in label_map.items()}
        self._parts, self._unlabelled, self._name = dict(parts), unlabelled, name
        self.preprocess = next(iter(self._parts.values())).preprocess

    @property
    def classes(self) -> list[str]:
        """Class names; their index is the class index."""
        return list(self._label_map)

    @property
    def label_map(self) -> dict[str, list[str]]:
        """Class -> emotions that belong to it, in class order."""
        return self._label_map

    @property
    def can_use_features(self) -> bool:
        """Whether no training clip is augmented."""
        return "train" not in self._parts or self._parts["train"].augment is None

    @property
    def unlabelled(self) -> Split | None:
        """Utterances of the target for training without labels; None if there are none."""
        return self._unlabelled

    def setup(self, stage: str | None = None) -> None:
        """Do nothing: everything is prepared."""

    @property
    def fold_count(self) -> int:
        """One, since the parts are fixed."""
        return 1

    def set_fold(self, index: int) -> None:
        """Raise `UsageError` for any fold but 0."""
        if index != 0:
            raise UsageError(f"there is no fold {index}; lists have one, 0.")

    @property
    def checked(self) -> Mapping[str, Checked]:
        """Every utterance by its id."""
        found: dict[str, Checked] = {}
        for split in self._parts.values():
            rows = zip(split.utterances, split.seconds, split.audio_keys, split.speech, strict=True)
            found |= {row[0].id: Checked(*row) for row in rows}
        return found

    @property
    def splits(self) -> Mapping[str, Split]:
        """The parts."""
        return self._parts

    @property
    def folds_in_use(self) -> Mapping[str, Fold]:
        """None: the lists come from folds of several corpora."""
        return {}

    @property
    def report(self) -> DataReport:
        """Name and classes; the utterances are reported where they were listed."""
        return DataReport(
            name=self._name, classes=tuple(self.classes), splits={}, dropped={}, problems={}, notes=()
        )

    @property
    def allows_speaker_overlap(self) -> bool:
        """Whether speakers may be in both training and test; already checked when the lists were made."""
        return True

    def split_of(self, ids: Sequence[str]) -> Split:
        """Return some utterances as a split."""
        every, (first, *others) = set(ids), self._parts.values()
        whole = first.joined(others)
        indices = {item.id: index for index, item in enumerate(whole.utterances) if item.id in every}
        return picked(whole, sorted(indices.values()))  # repeated utterances are taken once

    def save_folds(self, folder: Path) -> None:
        """Write nothing: the creator of the lists saves them."""
