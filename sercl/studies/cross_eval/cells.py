"""Cells, each one training and one test, and conditions of cells: the parts of a cross-lingual study."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from sercl.data.settings import NO_ADAPTATION, ROLES, SOURCE, TARGET
from sercl.data.settings import SETTINGS as OF_A_PAIR

FEW_SHOT = "few-shot"
TARGET_ONLY = "target-only"
"""The baseline of few-shot: the few labelled utterances of the target alone, without the source's."""

SETTINGS = (*OF_A_PAIR, FEW_SHOT, TARGET_ONLY)
"""Settings in the order in which they are shown."""

WITH_SHOTS = (FEW_SHOT, TARGET_ONLY)
"""Settings in which a number of labelled target utterances per emotion is trained on."""

STATUSES = ("done", "failed", "missing")

ENCODER_LANGUAGES: Mapping[str, str] = {
    "TencentGameMate/chinese-wav2vec2-base": "zh",
    "facebook/wav2vec2-base-de-voxpopuli-v2": "de",
    "facebook/wav2vec2-base-960h": "en",
}
"""Encoder -> the language it was pre-trained on, of the three encoders of the study."""


def _check(name: str, value: str, valid: Sequence[str]) -> None:
    if value not in valid:
        raise ValueError(f"{name} is {value!r}; valid: {', '.join(valid)}")


@dataclass(frozen=True)
class Condition:
    """All cells that differ only in fold, seed and draw: one row of a report.

    Attributes:
        encoder: Name of the encoder in the study.
        adapter: "none", "full", or adapter methods joined by "+".
        setting: One of `SETTINGS`.
        source: Training corpus (language A); the target itself in the setting `MONOLINGUAL`.
        target: Test corpus.
        select_on: Whose validation part selects: "source" or "target".
        adaptation: Label-free use of the target, one of `sercl.data.settings.ADAPTATIONS`.
        shots: Labelled target utterances per emotion in the settings `WITH_SHOTS`, None elsewhere.
    """

    encoder: str
    adapter: str
    setting: str
    source: str
    target: str
    select_on: str = SOURCE
    adaptation: str = NO_ADAPTATION
    shots: int | None = None

    def __post_init__(self) -> None:
        _check("setting", self.setting, SETTINGS)
        _check("select_on", self.select_on, ROLES)

    @property
    def pair(self) -> str:
        """Training and test corpus: "EmoDB -> RAVDESS", or the one corpus of the setting `monolingual`."""
        return self.target if self.source == self.target else f"{self.source} -> {self.target}"

    @property
    def label(self) -> str:
        """The whole condition in words: "whisper, lora, zero-shot EmoDB -> RAVDESS, coral"."""
        adapter = "frozen" if self.adapter == "none" else self.adapter
        return ", ".join([self.encoder, adapter, f"{self.setting} {self.pair}", *self.tags])

    @property
    def tags(self) -> tuple[str, ...]:
        """Tags that distinguish it from the plain setting: shots, adaptation, selection on the target."""
        tags = [f"{self.shots} shot{'' if self.shots == 1 else 's'}"] if self.shots is not None else []
        tags += [self.adaptation] if self.adaptation != NO_ADAPTATION else []
        return (*tags, "selected on target") if self.select_on == TARGET else tuple(tags)


@dataclass(frozen=True)
class Cell:
    """One training and one test.

    Attributes:
        condition: Its condition.
        draw: Index of the draw of the few labelled utterances; 0 where nothing is drawn.
        fold: Index of the fold, of both corpora.
        seed: Seed of initial weights and order of batches.
    """

    condition: Condition
    draw: int
    fold: int
    seed: int

    @property
    def run(self) -> tuple[int, int]:
        """The repeat that the cell belongs to: (draw, seed). Repeats test the same utterances."""
        return self.draw, self.seed

    def to_dict(self) -> dict[str, Any]:
        """Return the fields of condition and cell side by side, in the order of `CELL_FIELDS`."""
        own = {"draw": self.draw, "fold": self.fold, "seed": self.seed}
        return {name: getattr(self.condition, name) for name in CONDITION_FIELDS} | own


CONDITION_FIELDS = tuple(item.name for item in fields(Condition))
CELL_FIELDS = (*CONDITION_FIELDS, "draw", "fold", "seed")


@dataclass(frozen=True)
class CellRecord:
    """The outcome of a cell.

    Attributes:
        cell: The cell.
        address: Hash of everything that determines its result; cells of one address share one computation.
        status: "done"; "failed", with `error`; or "missing", where the study was stopped before it.
        error: The message of a failed cell.
        layer: Hidden state used; None for a weighted sum, or where nothing was computed.
        epochs: Epochs run, of all stages.
        early_stopped: Whether early stopping ended training, or a logistic regression converged, rather than
            the epoch limit; None where training has no such end.
        seconds: Wall-clock time.
        parts: Part ("train", "validation", "test", with two stages "source train", ...) -> utterances.
        shared_speakers: Speakers of the test part that are also in a training part.
        one_class: The class predicted for every test utterance, if their true classes differ.
        notes: Sentences to show with its result.
        c: The chosen C of a logistic regression on a frozen encoder.
    """

    cell: Cell
    address: str
    status: str = "done"
    error: str | None = None
    layer: int | None = None
    epochs: int | None = None
    early_stopped: bool | None = None
    seconds: float | None = None
    parts: Mapping[str, int] = field(default_factory=dict)
    shared_speakers: tuple[str, ...] = ()
    one_class: str | None = None
    notes: tuple[str, ...] = ()
    c: float | None = None

    def __post_init__(self) -> None:
        _check("status", self.status, STATUSES)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, the fields of the cell first."""
        own = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "cell"}
        own["parts"], own["shared_speakers"] = dict(self.parts), list(self.shared_speakers)
        return {**self.cell.to_dict(), **own, "notes": list(self.notes)}


@dataclass(frozen=True)
class ForgettingRecord:
    """The tests of a cell's source before and after its training on the target.

    Attributes:
        cell: The cell; its training is the one after which the source is tested.
        corpus: The tested source, or one of several.
        before: Address of the test before any training on the target.
        after: Address of the test after it.
        status: "done"; "failed", with `error`; or "missing".
        error: The message of a failed one.
        utterances: Number of test utterances.
        shared_speakers: Speakers of the test who are also in a training part.
        notes: Sentences to show with its result.
    """

    cell: Cell
    corpus: str
    before: str
    after: str
    status: str = "done"
    error: str | None = None
    utterances: int = 0
    shared_speakers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check("status", self.status, STATUSES)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, the fields of the cell first."""
        own = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "cell"}
        own |= {"shared_speakers": list(self.shared_speakers), "notes": list(self.notes)}
        return {**self.cell.to_dict(), **own}


@dataclass(frozen=True)
class StudyCorpus:
    """A corpus of a study.

    Attributes:
        corpus: Registered name, or the manifest's.
        languages: ISO 639-1 codes.
        folds: Scheme of its folds ("speaker", "loso", "official", "paper", "csv").
        fold_count: How many folds it has.
        notes: Notes on every result on it, sentences without their full stop.
        where: Which of its utterances are used, in words; "" for all.
    """

    corpus: str
    languages: tuple[str, ...]
    folds: str
    fold_count: int
    notes: tuple[str, ...] = ()
    where: str = ""


@dataclass(frozen=True)
class StudyEncoder:
    """An encoder of a study.

    Attributes:
        source: Hub id or folder it was loaded from.
        family: Its architecture ("wav2vec2", "whisper", ...).
        fingerprint: Hash of its weights.
        language: ISO 639-1 code of the one language it was pre-trained on, None for several or unknown.
    """

    source: str
    family: str
    fingerprint: str
    language: str | None = None


@dataclass(frozen=True)
class Study:
    """A study as stored in `study.json`.

    Attributes:
        classes: Class names in class order.
        label_map: Class -> emotions that belong to it.
        corpora: Name in the study -> corpus.
        encoders: Name in the study -> encoder.
        created: When the study was last run, ISO 8601 with time zone.
        seconds: Wall-clock time of all runs into its folder.
        environment: "sercl", "python", "platform", "packages" (name -> version), "command".
        warnings: Sentences about the study as a whole.
        records: Every cell of the grid, done or not.
        forgetting: The tests of sources that show what was forgotten of them.
        digest: Digest of the file that it was read from or written to.
    """

    classes: tuple[str, ...]
    label_map: Mapping[str, tuple[str, ...]]
    corpora: Mapping[str, StudyCorpus]
    encoders: Mapping[str, StudyEncoder]
    created: str
    seconds: float
    environment: Mapping[str, Any]
    warnings: tuple[str, ...]
    records: tuple[CellRecord, ...]
    forgetting: tuple[ForgettingRecord, ...] = ()
    digest: str = field(default="", compare=False)

    @property
    def has_failed(self) -> bool:
        """Whether a cell or a test of a source failed."""
        states = [*(own.status for own in self.records), *(own.status for own in self.forgetting)]
        return "failed" in states

    @property
    def cell_notes(self) -> list[str]:
        """The notes of all cells, and of the tests of their sources, as often as they occur."""
        of_cells = [note for record in self.records for note in record.notes]
        return of_cells + [note for record in self.forgetting for note in record.notes]

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Every condition, in the order of the grid."""
        return distinct(record.cell.condition for record in self.records)


def distinct(conditions: Iterable[Condition]) -> tuple[Condition, ...]:
    """Return each condition once, in order of first appearance."""
    return tuple(dict.fromkeys(conditions))


def computations(study: Study) -> dict[Condition, frozenset[str]]:
    """Return the addresses of each condition's cells: conditions that share them are one computation."""
    addresses: dict[Condition, set[str]] = {}
    for record in study.records:
        addresses.setdefault(record.cell.condition, set()).add(record.address)
    return {condition: frozenset(own) for condition, own in addresses.items()}
