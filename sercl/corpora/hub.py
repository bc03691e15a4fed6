"""Corpora read with Hugging Face `datasets`: from the hub, or from a folder on disk."""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sercl.corpora.base import Listing, Problem, Utterance
from sercl.corpora.cells import clean, key_of, text_of, word_of
from sercl.corpora.emotion_names import EmotionWords, UnknownLabelError
from sercl.corpora.hub_audio import AudioRows, HubAudio, NoAudioError, StoredAudio, read_audio_folder
from sercl.corpora.languages import UnknownLanguageError, to_language
from sercl.corpora.manifest import apart
from sercl.corpora.manifest_cells import split_name
from sercl.corpora.normal_form import made_ids
from sercl.corpora.patterned import unique_listing
from sercl.corpora.table_folders import check_folders
from sercl.errors import CorpusError, MissingExtraError, UnknownNameError, UsageError
from sercl.files import at_home, is_file


@dataclass(frozen=True)
class HubColumns:
    """Names of the columns of a dataset.

    Args:
        audio: Column of the audio.
        emotion: Column of the emotion: a class label, an emotion's name, or a common other word for it.
        speaker: Column of the speaker, if there is one.
        gender: Column of the gender, if there is one.
        text: Column of the transcript, if there is one.
        language: Column of the language, if there is one: a code, tag or name.
        corpus: Column of the corpus, for a dataset of several corpora, whose speakers are different people;
            by default the column "corpus", if there is one.
        id: Column of the utterance's id. Without one, ids are the stems of the audio files, with folder or a
            hash of the content if stems repeat, and the hash alone if the audio has no name.
    """

    audio: str = "audio"
    emotion: str = "emotion"
    speaker: str | None = None
    gender: str | None = None
    text: str | None = None
    language: str | None = None
    corpus: str | None = None
    id: str | None = None

    def __post_init__(self) -> None:
        if not self.audio or not self.emotion:
            raise UsageError("hub columns: 'audio' and 'emotion' need a column each.")

    @property
    def named(self) -> dict[str, str]:
        """Field -> column, for the columns that are named."""
        return {field: column for field, column in vars(self).items() if column}


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
        source: Folder written by `save_to_disk`, a folder of audio with `metadata.csv` or of Parquet files,
            or a hub id.
        cache: Folder for audio whose bytes or samples are in the dataset; file names are content hashes.
        split: One split ("train"); None takes all, and keeps the names train, validation and test.
        columns: Names of its columns. Class labels (`ClassLabel`) in any of them are read as their names.
        emotions: Label -> emotion name, or "drop", for labels that are not common words for an emotion.
        corpus: Corpus name; by default the column of the corpus, else the last part of `source`.
        language: Language of rows without one: a code, tag or name.

    Returns:
        Utterances sorted by id. Problems are audio that is named but not on disk, and rows without audio or
        with an unknown label or language.

    Raises:
        CorpusError: For a source, split or column that does not exist, or a hub id without network.
        ManifestError: For audio outside of the folders that it may name (`table_folders`).
        MissingExtraError: If `datasets` is not installed.
        OutputError: If the cache cannot be written.
        UnknownNameError: For an unknown emotion in `emotions`.
        UnknownLanguageError: For an unknown `language`.
    """
    source = str(at_home(source)) if source.startswith("~") else source
    name, words = corpus or source.rstrip("/").rsplit("/", 1)[-1], EmotionWords(emotions or {})
    found: list[_Read | Problem | _Dropped] = []
    for part, dataset in _load(source, split).items():
        own = _own_columns(source, dataset.column_names, columns)
        audio = HubAudio(Path(cache).absolute(), Path(source).absolute())
        labels = {column: _class_names(dataset, column) for column in own.named.values()}
        rows = _Rows(audio, name, part, own, words, labels, to_language(language))
        found += rows.read(_undecoded(dataset, own))
    read = [item for item in found if isinstance(item, _Read)]
    _check_folders(Path(source).absolute(), read, Path(cache))
    problems = [item for item in found if isinstance(item, Problem)]
    dropped = Counter(item.label for item in found if isinstance(item, _Dropped))
    listing = unique_listing(_named(read, Path(source).absolute()), problems)
    settled = apart(listing.utterances, Path(source).absolute()) if _names_corpora(read) else None
    return replace(
        listing,
        utterances=tuple(
            item if corpus is None else replace(item, corpus=corpus)
            for item in (settled.utterances if settled else listing.utterances)
        ),
        notes=(*listing.notes, *(settled.notes if settled else ())),
        dropped=dict(dropped),
    )


def _check_folders(source: Path, rows: "Sequence[_Read]", cache: Path) -> None:
    """Raise `ManifestError` for audio that is outside of a dataset and of where its audio is fetched to."""
    config = getattr(sys.modules.get("datasets"), "config", None)
    fetched = [Path(config.HF_CACHE_HOME), Path(config.HF_DATASETS_CACHE)] if config else []
    relative = [Path.cwd()] if not any(Path(row.audio.name).is_absolute() for row in rows) else []
    files: dict[Path, int | None] = {row.audio.path: None for row in rows}
    check_folders(source, files, source, cache, *fetched, *relative)


def _names_corpora(rows: "Sequence[_Read]") -> bool:
    return len({row.utterance.corpus for row in rows}) > 1


@dataclass(frozen=True)
class _Dropped:
    """A row that the user leaves out, with its label."""

    label: str


@dataclass(frozen=True)
class _Read:
    """A row that could be read: its utterance, with an empty id if it has none, and its audio."""

    utterance: Utterance
    audio: StoredAudio


@dataclass(frozen=True)
class _Rows:
    audio: HubAudio
    corpus: str
    split: str
    columns: HubColumns
    emotions: EmotionWords
    labels: Mapping[str, tuple[str, ...]]
    language: str

    def read(self, dataset: Any) -> Iterator[_Read | Problem | _Dropped]:
        for number, row in enumerate(self._readable(dataset), start=1):
            where = f"row {number} of {self.split}"
            try:
                audio = self.audio.file_of(row[self.columns.audio])
            except NoAudioError as error:
                yield Problem(Path(self.corpus), f"{where}: {error}", kind="missing")
                continue
            yield self._row(where, row, audio)

    def _readable(self, dataset: Any) -> Iterator[Mapping[str, Any]]:
        """Yield the rows of a dataset; cells that are no values of Python (a date, text) are an error."""
        try:
            yield from dataset
        except (ArithmeticError, ValueError, OSError) as error:
            raise CorpusError(
                f"{self.corpus}: a row of {self.split} cannot be read ({_first_line(error)}). Fetch or write "
                "the dataset again."
            ) from error

    def _row(self, where: str, row: Mapping[str, Any], audio: StoredAudio) -> _Read | Problem | _Dropped:
        if not is_file(audio.path):
            return Problem(audio.path, f"{where}: not on disk", kind="missing")
        label = self._cell(row, self.columns.emotion)
        code = str(row[self.columns.emotion])
        try:
            emotion = self.emotions.read(None if label is None else clean(text_of(label)), code)
            if emotion is None:
                return _Dropped(clean(text_of(label)))
            return _Read(self._utterance(row, audio.path, emotion), audio)
        except UnknownLabelError as error:
            return Problem(audio.path, f"{where}: {error}")
        except UnknownLanguageError as error:
            return Problem(audio.path, f"{where}: {error}", kind="row")

    def _utterance(self, row: Mapping[str, Any], path: Path, emotion: str) -> Utterance:
        wanted = ("speaker", "gender", "text", "language", "corpus", "id")
        cells = {
            field: self._cell(row, column) for field, column in self.columns.named.items() if field in wanted
        }
        words = {field: None if cell is None else text_of(cell) for field, cell in cells.items()}
        return Utterance(
            id=word_of(words.get("id")) or "",
            path=path,
            emotion=emotion,
            corpus=word_of(words.get("corpus")) or self.corpus,
            language=to_language(words.get("language"), self.language),
            speaker=words.get("speaker"),
            gender=words.get("gender"),
            text=words.get("text"),
            split=_official(self.split),
        )

    def _cell(self, row: Mapping[str, Any], column: str) -> Any:
        """Return a cell; for a class label its name, and None for -1, which means no label."""
        cell, names = row[column], self.labels[column]
        if not names or not isinstance(cell, int):
            return cell
        return names[cell] if 0 <= cell < len(names) else None


def _official(split: str) -> str | None:
    try:
        return split_name(split)
    except UnknownNameError:
        return None


def _class_names(dataset: Any, column: str) -> tuple[str, ...]:
    return tuple(getattr(dataset.features.get(column), "names", None) or ())


def _named(rows: Sequence[_Read], folder: Path) -> list[Utterance]:
    """Return the utterances with unique ids that do not depend on the order of the rows."""
    names = [row.utterance.id or clean(row.audio.stem) or None for row in rows]
    counts = Counter(names)
    by_path = made_ids([row.utterance for row in rows], folder, [None] * len(rows))
    ids = [
        name if name and counts[name] == 1 else _by_content(row.audio, name) or path_id
        for row, name, path_id in zip(rows, names, by_path, strict=True)
    ]
    return [replace(row.utterance, id=id) for row, id in zip(rows, ids, strict=True)]


def _by_content(audio: StoredAudio, name: str | None) -> str | None:
    if audio.digest is None:
        return None
    return f"{name}-{audio.digest[:12]}" if name else audio.digest[:12]


def _load(source: str, split: str | None) -> Mapping[str, Any]:
    parts = _parts(source)
    if split is not None and split not in parts:
        raise UnknownNameError(f"split of {source}", split, parts)
    return {split: parts[split]} if split is not None else parts


def _parts(source: str) -> Mapping[str, Any]:
    folder = Path(source).absolute()
    saved = any((folder / name).is_file() for name in ("state.json", "dataset_dict.json"))
    if folder.is_dir() and not saved and (found := read_audio_folder(folder)) is not None:
        return found
    try:
        import datasets
    except ImportError:
        raise MissingExtraError("datasets", "hub", f"reading the dataset {source!r}") from None
    try:
        loaded = datasets.load_from_disk(source) if saved else datasets.load_dataset(source)
    except (OSError, ValueError, RuntimeError, LookupError, datasets.exceptions.DatasetsError) as error:
        raise CorpusError(f"{source}: cannot be loaded ({_first_line(error)}). {_ADVICE}") from error
    return dict(loaded) if isinstance(loaded, datasets.DatasetDict) else {str(loaded.split or "all"): loaded}


_ADVICE = (
    "Give a folder written by save_to_disk, a folder of audio with metadata.csv or of Parquet files, or the "
    "id of a dataset on the hub; that needs the network the first time, unless it is in the cache of "
    "`datasets`."
)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _own_columns(source: str, present: list[str], columns: HubColumns) -> HubColumns:
    """Return the names of the columns in the dataset, in whatever case and form, if only one fits."""
    found = {}
    for field, column in columns.named.items():
        alike = [name for name in present if key_of(name) == key_of(column)]
        if column not in present and len(alike) != 1:
            raise UnknownNameError(f"{field} column of {source}", column, present)
        found[field] = column if column in present else alike[0]
    own = [name for name in present if key_of(name) == "corpus"]
    if columns.corpus is None and len(own) == 1:
        found["corpus"] = own[0]
    return replace(columns, **found)


def _undecoded(dataset: Any, columns: HubColumns) -> Any:
    if isinstance(dataset, AudioRows):
        return dataset
    from datasets import Audio

    kept = dataset.select_columns(list(dict.fromkeys(columns.named.values())))
    if isinstance(dataset.features[columns.audio], Audio):
        return kept.cast_column(columns.audio, Audio(decode=False))
    return kept
