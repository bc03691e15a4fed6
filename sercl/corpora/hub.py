"""Corpora that come through Hugging Face `datasets`: from the hub, or from a folder of `save_to_disk`."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sercl.corpora.base import Listing, Problem, Utterance
from sercl.corpora.emotion_names import to_emotion
from sercl.corpora.patterned import unique_listing
from sercl.errors import CorpusError, MissingExtraError, UnknownNameError, UsageError
from sercl.files import atomic_path


@dataclass(frozen=True)
class HubColumns:
    """What the columns of a dataset are called.

    Args:
        audio: Column of the audio.
        emotion: Column of the emotion: a class label, an emotion's name, or a common other word for it.
        speaker: Column of the speaker, if there is one.
        gender: Column of the gender, if there is one.
        text: Column of the transcript, if there is one.
        language: Column of the ISO 639-1 code, if there is one.
        id: Column of the utterance's id; else the audio file's stem, or split and row number.
    """

    audio: str = "audio"
    emotion: str = "emotion"
    speaker: str | None = None
    gender: str | None = None
    text: str | None = None
    language: str | None = None
    id: str | None = None

    def __post_init__(self) -> None:
        if not self.audio or not self.emotion:
            raise UsageError("hub columns: 'audio' and 'emotion' need a column each.")

    @property
    def named(self) -> dict[str, str]:
        """Field -> column, for the columns that are named."""
        return {field: column for field, column in vars(self).items() if column}


@dataclass(frozen=True)
class HubEmotions:
    """How a dataset's labels read: `names` of its class labels, and the user's own `words` for them."""

    names: tuple[str, ...] | None
    words: Mapping[str, str]

    def emotion(self, label: object) -> str:
        """Return the emotion of a label.

        Raises:
            UnknownNameError: For a word that is no emotion and has no entry in `words`.
        """
        word = str(label)
        # A label of -1 stands for "none" in `datasets`.
        if self.names and isinstance(label, int) and 0 <= label < len(self.names):
            word = self.names[label]
        return to_emotion(self.words.get(word, word))


def read_hub(
    source: str,
    *,
    cache: Path | str,
    split: str | None = None,
    columns: HubColumns = HubColumns(),
    emotions: Mapping[str, str] | None = None,
    corpus: str | None = None,
    language: str = "und",
) -> Listing:
    """List a dataset; audio is not decoded, and bytes stored in the dataset are written to `cache` once.

    Args:
        source: Folder written by `save_to_disk`, or a hub id.
        cache: Folder for audio whose bytes are in the dataset; file names are content hashes.
        split: One split ("train"); None takes all, and keeps the names train, validation and test.
        columns: What its columns are called.
        emotions: Label -> emotion name, for labels that are no common word for one.
        corpus: Corpus name; by default the last part of `source`.
        language: ISO 639-1 code for rows that name none.

    Returns:
        Utterances sorted by id. Audio that is named but not on disk, and a row without audio or with an
        unknown label, is a problem.

    Raises:
        CorpusError: For a source, split or column that is not there, or a hub id without network.
        MissingExtraError: Where `datasets` is not installed.
        OutputError: Where the cache cannot be written.
    """
    name = corpus or source.rstrip("/").rsplit("/", 1)[-1]
    found: list[Utterance | Problem] = []
    for part, dataset in _load(source, split).items():
        _check_columns(source, dataset.column_names, columns)
        rows = _Rows(
            Path(cache).absolute(), name, part, columns, _emotions(dataset, columns, emotions), language
        )
        found += rows.read(_undecoded(dataset, columns))
    utterances = [item for item in found if isinstance(item, Utterance)]
    return unique_listing(utterances, (item for item in found if isinstance(item, Problem)))


@dataclass(frozen=True)
class _Rows:
    cache: Path
    corpus: str
    split: str
    columns: HubColumns
    emotions: HubEmotions
    language: str

    def read(self, dataset: Any) -> Iterator[Utterance | Problem]:
        for number, row in enumerate(dataset, start=1):
            yield self._row(number, row)

    def _row(self, number: int, row: Mapping[str, Any]) -> Utterance | Problem:
        path = self._audio(row[self.columns.audio])
        if path is None:
            return Problem(Path(self.corpus), f"row {number} of {self.split}: no audio", kind="missing")
        if not path.is_file():
            return Problem(path, f"row {number} of {self.split}: not on disk", kind="missing")
        try:
            emotion = self.emotions.emotion(row[self.columns.emotion])
        except UnknownNameError as error:
            return Problem(path, f"row {number} of {self.split}: {error}")
        return self._utterance(number, row, path, emotion)

    def _utterance(self, number: int, row: Mapping[str, Any], path: Path, emotion: str) -> Utterance:
        wanted = ("speaker", "gender", "text", "language", "id")
        cells = {field: row[column] for field, column in self.columns.named.items() if field in wanted}
        words = {field: str(cell) for field, cell in cells.items() if cell is not None}
        audio = row[self.columns.audio]
        stem = Path(audio["path"]).stem if isinstance(audio, dict) and audio.get("path") else ""
        return Utterance(
            id=words.get("id") or stem or f"{self.split}-{number:06d}",
            path=path,
            emotion=emotion,
            corpus=self.corpus,
            language=words.get("language", self.language),
            speaker=words.get("speaker"),
            gender=words.get("gender"),
            text=words.get("text"),
            split=self.split if self.split in ("train", "validation", "test") else None,
        )

    def _audio(self, audio: Any) -> Path | None:
        """Return the file of an audio cell: a path, or a map of `path` and `bytes`."""
        if isinstance(audio, str):
            return Path(audio).absolute()
        if not audio or not (audio.get("bytes") or audio.get("path")):
            return None
        if not audio.get("bytes"):
            return Path(audio["path"]).absolute()
        suffix = Path(audio.get("path") or "").suffix or ".wav"
        target = self.cache / f"{hashlib.sha256(audio['bytes']).hexdigest()[:32]}{suffix}"
        if not target.is_file():
            with atomic_path(target) as temporary:
                temporary.write_bytes(audio["bytes"])
        return target


def _load(source: str, split: str | None) -> dict[str, Any]:
    try:
        import datasets
    except ImportError:
        raise MissingExtraError("datasets", "hub", f"reading the dataset {source!r}") from None
    try:
        is_folder = Path(source).is_dir()
        loaded = datasets.load_from_disk(source) if is_folder else datasets.load_dataset(source)
    except (OSError, ValueError, RuntimeError) as error:
        raise CorpusError(f"{source}: cannot be loaded ({_first_line(error)}). {_ADVICE}") from error
    parts = dict(loaded) if isinstance(loaded, datasets.DatasetDict) else {str(loaded.split or "all"): loaded}
    if split is not None and split not in parts:
        raise UnknownNameError(f"split of {source}", split, parts)
    return {split: parts[split]} if split is not None else parts


_ADVICE = (
    "Give a folder written by save_to_disk, or the id of a dataset on the hub; that needs the network the "
    "first time, unless it is in the cache of `datasets`."
)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _check_columns(source: str, present: list[str], columns: HubColumns) -> None:
    for field, column in columns.named.items():
        if column not in present:
            raise UnknownNameError(f"{field} column of {source}", column, present)


def _emotions(dataset: Any, columns: HubColumns, words: Mapping[str, str] | None) -> HubEmotions:
    names = getattr(dataset.features[columns.emotion], "names", None)
    return HubEmotions(tuple(names) if names else None, words or {})


def _undecoded(dataset: Any, columns: HubColumns) -> Any:
    from datasets import Audio

    kept = dataset.select_columns(list(dict.fromkeys(columns.named.values())))
    if isinstance(dataset.features[columns.audio], Audio):
        return kept.cast_column(columns.audio, Audio(decode=False))
    return kept
