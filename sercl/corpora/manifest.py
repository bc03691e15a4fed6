"""Manifests: a table of utterances, which brings in any corpus that has no reader."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sercl.corpora.base import Listing, Problem, Segment, Utterance
from sercl.corpora.emotion_names import to_emotion
from sercl.corpora.manifest_cells import BadCellError, interval, segments, split_name, text
from sercl.corpora.tables import Row, read_rows, write_rows
from sercl.errors import ManifestError, UnknownNameError

REQUIRED = ("path", "emotion")
_WORDS = ("speaker", "gender", "text", "dialect", "session")
COLUMNS = ("id", *REQUIRED, "corpus", "language", *_WORDS, "start", "end", "split", "segments")
"""The columns with a meaning; any other goes to `Utterance.extra`."""


def read_manifest(path: Path | str, *, corpus: str | None = None, language: str = "und") -> Listing:
    """List the utterances of a manifest.

    The columns `path` and `emotion` are required, the others of `COLUMNS` optional; an empty cell counts as
    not given. `emotion` takes the names of `labels.EMOTIONS` and common other words for them. `segments` is
    JSON: `[{"emotion": "sad", "start": 0.5, "end": 1.2}]`. Where there is no `id`, it is the file's stem, or
    the path without suffix where stems repeat.

    Args:
        path: CSV, TSV, JSONL or Parquet file, told by its suffix. Relative paths in it start at its folder.
        corpus: Corpus name; by default the column `corpus`, else the file's stem.
        language: ISO 639-1 code for rows that name none.

    Returns:
        Utterances sorted by id; a listed file that is not on disk is a problem of kind "missing".

    Raises:
        CorpusNotFoundError: Where there is no such file.
        ManifestError: For a missing column, or a bad cell, with its line and what is legal there.
        UnknownNameError: For a suffix that is not known.
    """
    source = _Source(Path(path).absolute(), corpus, language, tuple(read_rows(Path(path))))
    found = [source.utterance(row) for row in source.checked_rows()]
    problems = [
        Problem(item.path, f"listed in {source.path.name}:{row.line} but not on disk", kind="missing")
        for row, item in zip(source.rows, found, strict=True)
        if not item.path.is_file()
    ]
    gone = {problem.path for problem in problems}
    kept = sorted((item for item in found if item.path not in gone), key=lambda item: item.id)
    return Listing(tuple(kept), tuple(problems))


def write_manifest(utterances: Iterable[Utterance], path: Path | str) -> None:
    """Write utterances as a manifest that `read_manifest` reads back unchanged, whole or not at all.

    Paths below the manifest's folder are written relative to it. Empty strings are read back as absent.

    Args:
        utterances: With ids that do not repeat.
        path: CSV, TSV, JSONL or Parquet file, told by its suffix.

    Raises:
        ManifestError: For an id that stands twice, an extra that has the name of a column, or a file name
            that is no UTF-8 text.
        OutputError: Where the place cannot be written.
        UnknownNameError: For a suffix that is not known.
    """
    target, items = Path(path).absolute(), list(utterances)
    extras = sorted({key for item in items for key in item.extra})
    _check_writable(target, items, extras)
    as_text = target.suffix.lower() != ".jsonl"
    rows = [_cells(item, target.parent, segments_as_text=as_text) for item in items]
    used = {name for row in rows for name in row}
    write_rows(target, [name for name in (*COLUMNS, *extras) if name in used or name in REQUIRED], rows)


@dataclass(frozen=True)
class _Source:
    path: Path
    corpus: str | None
    language: str
    rows: tuple[Row, ...]

    def checked_rows(self) -> Sequence[Row]:
        """Return the rows with known columns in lower case and an id each, after checking both."""
        rows = [Row(row.line, _named(row.cells)) for row in self.rows]
        columns = sorted({name for row in rows for name in row.cells})
        missing = [name for name in REQUIRED if name not in columns]
        if missing:
            raise ManifestError(
                self.path,
                None,
                f"no column (or only empty cells) {' and '.join(map(repr, missing))}; "
                f"found: {', '.join(columns)}. The columns 'path' and 'emotion' are required.",
            )
        return self._with_ids(rows)

    def utterance(self, row: Row) -> Utterance:
        """Return the utterance of a row that has an id."""
        try:
            return self._utterance(row.cells)
        except (BadCellError, UnknownNameError) as error:
            raise ManifestError(self.path, row.line, str(error)) from None

    def _utterance(self, cells: Mapping[str, object]) -> Utterance:
        start, end = interval(cells)
        words = {name: text(cells[name]) if name in cells else None for name in _WORDS}
        return Utterance(
            id=text(cells["id"]),
            path=self.path.parent / text(cells["path"]),
            emotion=to_emotion(text(cells["emotion"])),
            corpus=self.corpus or text(cells.get("corpus", self.path.stem)),
            language=text(cells.get("language", self.language)),
            start=start,
            end=end,
            split=split_name(cells.get("split")),
            segments=segments(cells.get("segments")),
            extra={name: text(cell) for name, cell in cells.items() if name not in COLUMNS},
            **words,
        )

    def _with_ids(self, rows: Sequence[Row]) -> list[Row]:
        for row in rows:
            for name in REQUIRED:
                if name not in row.cells:
                    raise ManifestError(self.path, row.line, f"the cell {name!r} is empty. Fill it.")
        stems = Counter(Path(text(row.cells["path"])).stem for row in rows)
        named = [Row(row.line, {"id": _default_id(row, stems), **row.cells}) for row in rows]
        self._refuse_repeated(named)
        return named

    def _refuse_repeated(self, rows: Sequence[Row]) -> None:
        first: dict[str, int] = {}
        for row in rows:
            name = text(row.cells["id"])
            if name in first:
                message = f"id {name!r} stands in line {first[name]} too. Give each row an id of its own."
                raise ManifestError(self.path, row.line, message)
            first[name] = row.line


def _named(cells: Mapping[str, object]) -> dict[str, object]:
    return {name.lower() if name.lower() in COLUMNS else name: cell for name, cell in cells.items()}


def _default_id(row: Row, stems: Mapping[str, int]) -> str:
    path = Path(text(row.cells["path"]))
    return path.stem if stems[path.stem] == 1 else path.with_suffix("").as_posix()


def _check_writable(path: Path, utterances: Sequence[Utterance], extras: Sequence[str]) -> None:
    twice = [name for name, count in Counter(item.id for item in utterances).items() if count > 1]
    if twice:
        raise ManifestError(path, None, f"two utterances have the id {twice[0]!r}. Ids must not repeat.")
    odd = [item.path for item in utterances if not _is_text(str(item.path))]
    if odd:
        raise ManifestError(
            path,
            None,
            f"{len(odd)} file names are no UTF-8 text, which a manifest cannot hold; the first is "
            f"{str(odd[0])!a}. Rename them: convmv -r -f latin1 -t utf8 --notest FOLDER.",
        )
    for name in extras:
        if name.lower() in COLUMNS or name != name.strip() or not name:
            raise ManifestError(path, None, f"the extra {name!r} cannot be a column name. Rename it.")


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _cells(utterance: Utterance, folder: Path, *, segments_as_text: bool) -> dict[str, object]:
    events = [_event(segment) for segment in utterance.segments]
    path = utterance.path
    cells: dict[str, object | None] = {
        **{name: getattr(utterance, name) for name in COLUMNS if name not in ("path", "segments")},
        "path": (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix(),
        "segments": (json.dumps(events) if segments_as_text else events) if events else None,
        **utterance.extra,
    }
    return {name: cell for name, cell in cells.items() if cell is not None}


def _event(segment: Segment) -> dict[str, object]:
    return {"emotion": segment.emotion, "start": segment.start, "end": segment.end}
