"""The audio of a dataset of Hugging Face, in any of the shapes that it comes in, as files."""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from sercl.corpora.disk_names import file_named
from sercl.errors import CorpusError
from sercl.files import atomic_path

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class NoAudioError(CorpusError):
    """A cell without audio, or with audio that cannot be read from it."""


@dataclass(frozen=True)
class StoredAudio:
    """Audio as a file.

    Attributes:
        path: The file, whether it is there or not.
        name: What the dataset calls it, "" where it does not.
        digest: Hash of its bytes where they come from the dataset, None for a file that is only named.
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
    """Makes files of audio cells.

    Args:
        cache: Folder for audio whose bytes or samples are in the dataset; file names are content hashes.
        folder: What relative paths start at, where the file is there; else at the working folder.
    """

    cache: Path
    folder: Path

    def file_of(self, cell: Any) -> StoredAudio:
        """Return the file of a cell: a path, bytes, or a map of `path`, `bytes`, or `array`.

        Raises:
            NoAudioError: For an empty cell, or one of another shape.
            OutputError: Where the cache cannot be written.
        """
        if isinstance(cell, str) and cell.strip():
            return StoredAudio(self._found(cell), cell)
        if isinstance(cell, bytes) and cell:
            return self._stored(cell, "")
        if not isinstance(cell, Mapping) or not any(cell.get(key) is not None for key in _KEYS):
            raise NoAudioError(_refusal(cell))
        name = str(cell.get("path") or "")
        if cell.get("bytes"):
            return self._stored(cell["bytes"], name)
        if cell.get("array") is not None:
            samples, rate = _samples(cell["array"]), _rate(cell.get("sampling_rate"))
            # The header of a wav holds the time of day, so the samples are what is hashed.
            digest = hashlib.sha256(samples.tobytes() + str(rate).encode()).hexdigest()
            return self._stored(
                _wav(samples, rate), str(Path(name).with_suffix(".wav")) if name else "", digest
            )
        if not name:
            raise NoAudioError("no audio")
        return StoredAudio(self._found(name), name)

    def _found(self, name: str) -> Path:
        here = file_named(self.folder, name)
        return here if here.is_file() else file_named(Path.cwd(), name)

    def _stored(self, data: bytes, name: str, digest: str | None = None) -> StoredAudio:
        digest = digest or hashlib.sha256(data).hexdigest()
        target = self.cache / f"{digest[:32]}{Path(name).suffix or '.wav'}"
        if not target.is_file():
            with atomic_path(target, sync=False) as temporary:
                temporary.write_bytes(data)
        return StoredAudio(target, name, digest)


_KEYS = ("bytes", "path", "array")


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
