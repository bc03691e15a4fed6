"""Corpora whose labels are in one table beside the audio, described as data and read by one reader."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sercl.corpora.base import Corpus, CorpusInfo, Listing, Problem, Utterance
from sercl.corpora.cells import clean, key_of, text_of
from sercl.corpora.disk_names import file_named
from sercl.corpora.folders import AudioFolder, find_root
from sercl.corpora.patterned import unique_listing
from sercl.corpora.tables import TableRow, read_rows
from sercl.errors import ManifestError


@dataclass(frozen=True)
class LabelTable:
    """The label table of a corpus: where it is, and what its columns mean.

    Attributes:
        info: Facts about the corpus.
        table: Path of the table below the corpus folder.
        audio: Folder of the audio below the corpus folder.
        columns: Field of `Utterance` ("path", "emotion", "speaker", "text", "gender") -> column.
        emotions: Emotion code -> emotion name.
        extras: Columns that go to `Utterance.extra`, if they exist.
    """

    info: CorpusInfo
    table: str
    audio: str
    columns: Mapping[str, str]
    emotions: Mapping[str, str]
    extras: tuple[str, ...] = ()


EMOZIONALMENTE = LabelTable(
    info=CorpusInfo(
        name="Emozionalmente",
        title="Emozionalmente, crowd-sourced Italian emotional speech",
        languages=("it",),
        speakers=431,
        emotions=("angry", "disgusted", "fearful", "happy", "neutral", "sad", "surprised"),
        license="CC BY 4.0",
        access="free download",
        layout="audio/*.wav, labels in metadata/samples.csv",
        notes=("18 sentences, recorded by amateurs with their own devices",),
    ),
    table="metadata/samples.csv",
    audio="audio",
    columns={"path": "file_name", "emotion": "emotion_expressed", "speaker": "actor", "text": "sentence"},
    emotions={
        "anger": "angry",
        "disgust": "disgusted",
        "fear": "fearful",
        "joy": "happy",
        "neutrality": "neutral",
        "sadness": "sad",
        "surprise": "surprised",
    },
)

NEMO = LabelTable(
    info=CorpusInfo(
        name="nEMO",
        title="nEMO, Polish emotional speech",
        languages=("pl",),
        speakers=9,
        emotions=("angry", "fearful", "happy", "neutral", "sad", "surprised"),
        license="CC BY-NC-SA 4.0",
        access="free download",
        layout="samples/EB0_anger_1.wav, labels in data.tsv",
    ),
    table="data.tsv",
    audio="samples",
    columns={
        "path": "file_id",
        "emotion": "emotion",
        "speaker": "speaker_id",
        "text": "raw_text",
        "gender": "gender",
    },
    emotions={
        "anger": "angry",
        "fear": "fearful",
        "happiness": "happy",
        "neutral": "neutral",
        "sadness": "sad",
        "surprised": "surprised",
        "surprise": "surprised",
    },
    extras=("age",),
)


def read_labelled(layout: LabelTable, root: Path) -> Listing:
    """List a corpus by its label table.

    Args:
        layout: How its table is read.
        root: The corpus folder, its parent, or a folder inside it.

    Raises:
        CorpusNotFoundError: If the table is not there.
        ManifestError: If the table lacks a column or cannot be read.
    """
    folder = find_root(
        root, layout.info.name, lambda path: (path / layout.table).is_file(), layout.table, upwards=True
    )
    rows = read_rows(folder / layout.table, tuple(layout.columns.values()))
    _check_columns(layout, folder / layout.table, rows)
    audio = AudioFolder(folder)
    found = [_read_row(layout, folder, row, audio) for row in rows]
    unlisted = audio.rest(lambda path: Problem(path, f"not listed in {layout.table}, so it has no label"))
    return unique_listing((*found, *unlisted), audio.problems)


def _check_columns(layout: LabelTable, table: Path, rows: Sequence[TableRow]) -> None:
    present = {name for row in rows for name in row.cells}
    for field in ("path", "emotion", "speaker"):
        column = layout.columns[field]
        if column not in present:
            found = ", ".join(sorted(present))
            raise ManifestError(
                table, 1, f"no column {column!r}; found: {found}. Is this {layout.info.name}?"
            )


def _audio_path(layout: LabelTable, folder: Path, row: TableRow) -> Path:
    name = clean(text_of(row.cells.get(layout.columns["path"], "")))
    return file_named(folder / layout.audio, name if Path(name).suffix else f"{name}.wav")


def _read_row(layout: LabelTable, folder: Path, row: TableRow, audio: AudioFolder) -> Utterance | Problem:
    path = _audio_path(layout, folder, row)
    code = clean(text_of(row.cells.get(layout.columns["emotion"], "")))
    on_disk = audio.find(path)
    emotion = layout.emotions.get(key_of(code))
    if emotion is None:
        reason = f"unknown emotion {code!r} of {path.name}; valid: {', '.join(layout.emotions)}"
        return Problem(folder / layout.table, reason, line=row.line)
    if on_disk is None:
        return Problem(path, f"listed in {layout.table}:{row.line} but not on disk", kind="missing")
    return _utterance(layout, on_disk, emotion, row)


def _utterance(layout: LabelTable, path: Path, emotion: str, row: TableRow) -> Utterance:
    words = {field: text_of(row.cells.get(column, "")) for field, column in layout.columns.items()}
    return Utterance(
        id=path.stem,
        path=path,
        emotion=emotion,
        corpus=layout.info.name,
        language=layout.info.languages[0],
        speaker=words["speaker"],
        gender=words.get("gender"),
        text=words["text"],
        extra={name: text_of(row.cells[name]) for name in layout.extras if name in row.cells},
    )


LABELLED: tuple[Corpus, ...] = tuple(
    Corpus(layout.info, partial(read_labelled, layout)) for layout in (EMOZIONALMENTE, NEMO)
)
"""All corpora that are read by their label table."""
