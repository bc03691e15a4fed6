"""Audio of Hugging Face datasets as files, and folders of audio with `metadata.csv` or a folder per label."""

import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from sercl.corpora.cells import key_of
from sercl.corpora.disk_names import file_named
from sercl.corpora.folders import visible, walk
from sercl.corpora.manifest_cells import split_name
from sercl.corpora.tables import read_table
from sercl.errors import CorpusError, ManifestError, UnknownNameError
from sercl.files import atomic_path, is_file

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class NoAudioError(CorpusError):
    """A cell without audio, or with audio that cannot be read."""


@dataclass(frozen=True)
class StoredAudio:
    """Audio as a file.

    Attributes:
        path: The file, whether it exists or not.
        name: Its name in the dataset, "" without one.
        digest: Hash of its bytes if the dataset contains them, None for a file that it only names.
    """

    path: Path
    name: str
    digest: str | None = None

    @property
    def stem(self) -> str:
        """The name without folders and suffix."""
        return PurePosixPath(self.name.replace("\\", "/")).stem


@dataclass(frozen=True)
class HubAudio:
    """Turns audio cells into files.

    Args:
        cache: Folder for audio whose bytes or samples are in the dataset; file names are content hashes.
        folder: Folder that relative paths start from, if the file is there; otherwise the working folder.
    """

    cache: Path
    folder: Path

    def file_of(self, cell: Any) -> StoredAudio:
        """Return the file of a cell: a path, bytes, or a map of `path`, `bytes`, or `array`.

        Raises:
            NoAudioError: For an empty cell, or one of another shape.
            OutputError: If the cache cannot be written.
        """
        if isinstance(cell, str) and cell.strip():
            return StoredAudio(self._found(cell), cell)
        if isinstance(cell, bytes) and cell:
            return self._stored(cell, "")
        if not isinstance(cell, Mapping) or not any(cell.get(key) is not None for key in _KEYS):
            raise NoAudioError(_refusal(cell))
        name = str(cell.get("path") or "")
        if cell.get("bytes"):
            if not isinstance(cell["bytes"], bytes):
                raise NoAudioError("bytes that are none")
            return self._stored(cell["bytes"], name)
        if cell.get("array") is not None:
            samples, rate = _samples(cell["array"]), _rate(cell.get("sampling_rate"))
            # The header of a wav may contain the time of day, so only the samples are hashed.
            digest = hashlib.sha256(samples.tobytes() + str(rate).encode()).hexdigest()
            return self._stored(
                _wav(samples, rate), str(Path(name).with_suffix(".wav")) if name else "", digest
            )
        if not name:
            raise NoAudioError("no audio")
        return StoredAudio(self._found(name), name)

    def _found(self, name: str) -> Path:
        here = file_named(self.folder, name)
        return here if is_file(here) else file_named(Path.cwd(), name)

    def _stored(self, data: bytes, name: str, digest: str | None = None) -> StoredAudio:
        digest = digest or hashlib.sha256(data).hexdigest()
        suffix = Path(name).suffix
        target = self.cache / f"{digest[:32]}{suffix if _SUFFIX.fullmatch(suffix) else '.wav'}"
        if not target.is_file():
            with atomic_path(target, sync=False) as temporary:
                temporary.write_bytes(data)
        return StoredAudio(target, name, digest)


_KEYS = ("bytes", "path", "array")
_SUFFIX = re.compile(r"\.\w{1,10}")


def _refusal(cell: Any) -> str:
    if cell is None or isinstance(cell, str | bytes | Mapping):
        return "no audio"
    return "samples without a sampling rate. Give {array: ..., sampling_rate: ...}, bytes, or a path."


def _rate(rate: Any) -> int:
    if not isinstance(rate, int) or rate < 1:
        raise NoAudioError(f"samples without a sampling rate ({rate!r}). Give sampling_rate in Hz.")
    return rate


def _samples(cell: Any) -> "npt.NDArray[np.float32]":
    """Return `[samples]` or `[samples, channels]`."""
    import numpy as np

    try:
        array = np.asarray(cell, dtype=np.float32)
    except (TypeError, ValueError):
        raise NoAudioError("samples that are not numbers") from None
    if array.ndim not in (1, 2) or array.size == 0:
        raise NoAudioError(
            f"samples of the shape {list(array.shape)}. Give [samples] or [channels, samples]."
        )
    return array if array.ndim == 1 or array.shape[0] > array.shape[1] else np.ascontiguousarray(array.T)


def _wav(samples: "npt.NDArray[np.float32]", rate: int) -> bytes:
    import soundfile

    data = io.BytesIO()
    soundfile.write(data, samples, rate, format="WAV", subtype="FLOAT")
    return data.getvalue()


_TABLES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_FILE = "file_name"
_STORED = {".parquet", ".arrow"}


@dataclass
class AudioRows:
    """One split, with the part of the interface of `datasets.Dataset` that the reader needs.

    Attributes:
        column_names: `audio`, and the columns of the table, or `label`.
        rows: Column -> cell for each audio file; None for empty cells.
        features: Empty: there are no class labels.
    """

    column_names: list[str]
    rows: Sequence[Mapping[str, Any]]
    features: Mapping[str, Any] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return iter(self.rows)


def read_audio_folder(folder: Path) -> dict[str, AudioRows] | None:
    """Return the rows of a folder of audio by split, or None if it is not such a folder.

    Folders named `train`, `validation` or `test`, or a common word for these, are splits; without them
    everything is `train`, as in `datasets`. Audio that no table lists has a row without a label.

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
    candidates = [folder, *(child for child in visible(folder) if child.is_dir())]
    candidates += [below for child in candidates[1:] for below in visible(child) if below.is_dir()]
    return [candidate / name for candidate in candidates for name in _TABLES if (candidate / name).is_file()]


def _listed(path: Path) -> list[dict[str, Any]]:
    table = read_table(path, (_FILE,))
    names = [name for name in table.columns if key_of(name) == _FILE]
    if not names:
        raise ManifestError(
            path, None, f"no column {_FILE!r}; found: {', '.join(table.columns)}. It must name the audio."
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
