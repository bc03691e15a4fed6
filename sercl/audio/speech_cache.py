"""Cached stretches of speech of audio that has the same samples."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from sercl.audio.scan_cache import Database
from sercl.audio.voice import Speech

_SCHEMA = """
create table if not exists speech (
    audio_key text, detector text, stretches text, primary key (audio_key, detector)
) without rowid
"""


class SpeechCache(Database):
    """A small database of where the speech of clips is, so that it is searched once per clip.

    Args:
        folder: Folder of the database; created if missing.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "speech-1.sqlite", _SCHEMA)

    def recall(self, audio_keys: Iterable[str], detector: str) -> dict[str, tuple[Speech, ...]]:
        """Return audio key -> stretches of speech, of the clips that are known.

        Args:
            audio_keys: Hashes of the samples and their rates.
            detector: What found the speech, with its version.

        Raises:
            OutputError: If the database cannot be opened or is damaged.
        """
        if not self.path.is_file():
            return {}
        query = "select stretches from speech where audio_key = ? and detector = ?"
        with self.opened() as connection:
            rows = ((key, connection.execute(query, (key, detector)).fetchone()) for key in audio_keys)
            return {key: _stretches(row[0]) for key, row in rows if row is not None}

    def remember(self, found: Mapping[str, Sequence[Speech]], detector: str) -> None:
        """Store the stretches of speech of clips.

        Raises:
            OutputError: If the database cannot be written.
        """
        rows = [(key, detector, msgspec.json.encode(stretches).decode()) for key, stretches in found.items()]
        with self.opened() as connection, connection:
            connection.executemany("insert or replace into speech values (?, ?, ?)", rows)


def _stretches(text: str) -> tuple[Speech, ...]:
    return msgspec.json.decode(text, type=tuple[Speech, ...])
