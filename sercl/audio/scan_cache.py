"""Cached measures of audio files that have not changed since they were decoded. Imports no torch."""

import os
import sqlite3
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import soundfile

from sercl.audio.scan import AudioSpan, Identity, Measures
from sercl.errors import OutputError, SerclWarning
from sercl.files import ensure_folder

_SCHEMA = """
create table if not exists clips (
    path text, start real, stop real, size integer, mtime integer, ctime integer, inode integer,
    seconds real, rate integer, channels integer, peak real, digest text,
    primary key (path, start, stop)
) without rowid
"""
_RECALL = """
select seconds, rate, channels, peak, digest from clips
where path = ? and start = ? and stop = ? and size = ? and mtime = ? and ctime = ? and inode = ?
"""
_WHOLE = -1.0
"""Means the file's own start or end: no stretch has this value, and null cannot be part of a key."""

_WAIT_SECONDS = 60


class Database:
    """A small SQLite file of results that are costly to compute, shared by processes.

    Args:
        path: The file; it and its folder are created if missing.
        schema: SQL that creates its table.
    """

    def __init__(self, path: Path, schema: str) -> None:
        self.path, self._schema = path, schema

    @contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection.

        Raises:
            OutputError: If the database cannot be opened or is damaged.
        """
        try:
            ensure_folder(self.path.parent)
            with closing(sqlite3.connect(self.path, timeout=_WAIT_SECONDS)) as connection:
                connection.execute(self._schema)
                yield connection
        except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
            raise OutputError(
                f"{self.path}: the cache of audio checks cannot be used ({error}). Delete the file if it is "
                "damaged, choose another folder with --features.dir, or disable the cache with --no-cache."
            ) from error


class ScanCache(Database):
    """A small database of scan results, so that an unchanged corpus is not decoded again.

    A clip is identified by path, stretch, and the file's size, modification and status-change times and
    inode: the time of the last status change cannot be set back, so a modified file is always decoded again.
    Measures of another version of libsndfile are not used, since decoders of lossy formats differ.

    Args:
        folder: Folder of the database; created if missing.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / f"scans-2-{soundfile.__libsndfile_version__}.sqlite", _SCHEMA)

    def identify(self, clips: Mapping[int, AudioSpan]) -> dict[int, Identity]:
        """Return the identities of clips whose file exists, by their position."""
        found = ((index, _identity(clip)) for index, clip in clips.items())
        return {index: identity for index, identity in found if identity is not None}

    def recall(self, identities: Mapping[int, Identity]) -> dict[int, Measures]:
        """Return the stored measures of clips.

        Raises:
            OutputError: If the database cannot be opened or is damaged.
        """
        if not self.path.is_file():
            return {}
        with self.opened() as connection:
            rows = ((i, connection.execute(_RECALL, key).fetchone()) for i, key in identities.items())
            return {index: Measures(*row) for index, row in rows if row is not None}

    def remember(self, rows: Iterable[tuple[Identity, Measures]]) -> None:
        """Store the measures of clips, replacing earlier ones of the same stretches.

        Raises:
            OutputError: If the database cannot be written.
        """
        values = [(*identity, *measures) for identity, measures in rows]
        if not values:
            return
        with self.opened() as connection, connection:
            connection.executemany(f"insert or replace into clips values ({','.join('?' * 12)})", values)


class OptionalScanCache(ScanCache):
    """A `ScanCache` that is optional: if it cannot be used, a warning is shown and work continues."""

    def recall(self, identities: Mapping[int, Identity]) -> dict[int, Measures]:
        """Return the stored measures of clips; none if the database cannot be used."""
        try:
            return super().recall(identities)
        except OutputError as error:
            self._warn(error)
            return {}

    def remember(self, rows: Iterable[tuple[Identity, Measures]]) -> None:
        """Store the measures of clips, if the database can be written."""
        try:
            super().remember(rows)
        except OutputError as error:
            self._warn(error)

    def _warn(self, error: OutputError) -> None:
        reason = str(error.__cause__ or error)
        text = f"{self.path}: results of audio checks are not cached ({reason})"
        warnings.warn(text, SerclWarning, stacklevel=3)


def _identity(clip: AudioSpan) -> Identity | None:
    try:
        found = os.stat(clip.path)  # noqa: PTH116 - Path.stat costs a third more, a million times
    except OSError:
        return None
    start, end = (_WHOLE if bound is None else bound for bound in (clip.start, clip.end))
    # The database accepts only text, and a name may contain bytes that are not.
    name = str(clip.path).encode("utf-8", "backslashreplace").decode()
    return name, start, end, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
