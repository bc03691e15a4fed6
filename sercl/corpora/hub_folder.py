"""A folder of audio as Hugging Face lays it out: `metadata.csv` beside the files, or a folder for each label.

`datasets` itself reads such a folder only with an audio decoder of its own, which nothing here needs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sercl.corpora.cells import key_of
from sercl.corpora.disk_names import file_named
from sercl.corpora.folders import visible, walk
from sercl.corpora.manifest_cells import split_name
from sercl.corpora.tables import read_table
from sercl.errors import ManifestError, UnknownNameError

_TABLES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_FILE = "file_name"
_STORED = {".parquet", ".arrow"}


@dataclass
class AudioRows:
    """One split, with as much of the interface of `datasets.Dataset` as the reader needs.

    Attributes:
        column_names: `audio`, and the columns of the table, or `label`.
        rows: Column -> cell for each audio file; None where the table says nothing.
        features: Empty: nothing is a class label.
    """

    column_names: list[str]
    rows: Sequence[Mapping[str, Any]]
    features: Mapping[str, Any] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return iter(self.rows)


def read_audio_folder(folder: Path) -> dict[str, AudioRows] | None:
    """Return the rows of a folder of audio by split, or None where it is not one.

    A folder that is called `train`, `validation` or `test`, or a common other word for it, makes a split;
    without one, all is `train`, as in `datasets`. Audio that no table lists has a row without a label.

    Raises:
        ManifestError: For a table that cannot be read, or has no column `file_name`.
    """
    found = walk(folder)
    if not found.audio or (_STORED & found.others.keys() and not _tables(folder)):
        return None
    tables = _tables(folder)
    listed = [row for table in tables for row in _listed(table)]
    known = {row["audio"] for row in listed}
    others = [{"audio": str(path)} for path in found.audio if str(path) not in known]
    if not tables:
        others = [{"audio": str(path), "label": path.parent.name} for path in found.audio]
    rows = [*listed, *others]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    parts: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        part = _split(Path(row["audio"]), folder)
        parts.setdefault(part, []).append({name: row.get(name) for name in columns})
    return {part: AudioRows(columns, rows) for part, rows in parts.items()}


def _tables(folder: Path) -> list[Path]:
    """Return the tables in a folder and in those below it."""
    places = [folder, *(child for child in visible(folder) if child.is_dir())]
    places += [below for child in places[1:] for below in visible(child) if below.is_dir()]
    return [place / name for place in places for name in _TABLES if (place / name).is_file()]


def _listed(path: Path) -> list[dict[str, Any]]:
    table = read_table(path, (_FILE,))
    names = [name for name in table.columns if key_of(name) == _FILE]
    if not names:
        raise ManifestError(
            path, None, f"no column {_FILE!r}; found: {', '.join(table.columns)}. It names the audio."
        )
    return [
        {
            "audio": str(file_named(path.parent, str(row.cells.get(names[0], "")))),
            **{name: row.cells.get(name) for name in table.columns if name != names[0]},
        }
        for row in table.rows
    ]


def _split(path: Path, folder: Path) -> str:
    for part in path.relative_to(folder).parts[:-1] if path.is_relative_to(folder) else ():
        try:
            name = split_name(part)
        except UnknownNameError:
            continue
        if name is not None:
            return name
    return "train"
