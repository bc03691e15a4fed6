"""Manifests: tables of utterances, for any corpus without a reader."""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from os.path import commonpath
from pathlib import Path

from sercl.corpora.base import Listing, Problem, Segment, Utterance
from sercl.corpora.cells import clean, is_missing, key_of, text_of, word_of
from sercl.corpora.disk_names import file_named, foreign_hint
from sercl.corpora.emotion_names import EmotionWords, UnknownLabelError
from sercl.corpora.folders import unlisted_audio
from sercl.corpora.languages import UNKNOWN as UNKNOWN_LANGUAGE
from sercl.corpora.languages import to_language
from sercl.corpora.manifest_cells import BadCellError, interval, path_of, segments, split_name
from sercl.corpora.normal_form import made_ids, to_gender, unified
from sercl.corpora.table_folders import check_folders, remember_folders
from sercl.corpora.tables import NO_ROW, TableRow, open_table, write_rows
from sercl.errors import ManifestError, UnknownNameError, UsageError
from sercl.files import at_home, is_file

_GENERIC = re.compile(r"[a-z]{0,7}[ _-]?\d{1,4}|[a-z]", re.IGNORECASE)
_MOST = 5


@dataclass(frozen=True)
class Settled:
    """Utterances whose speakers are unique within the listing, with notes on them."""

    utterances: tuple[Utterance, ...]
    notes: tuple[str, ...]


def apart(utterances: Sequence[Utterance], folder: Path) -> Settled:
    """Make the speakers of several corpora unique.

    If utterances name several corpora, the corpus comes first in every speaker's name ("EmoDB 03"). If they
    name one, nothing changes, but a note points out ids such as "03" that occur below several folders that
    look like corpora.

    Args:
        utterances: In their normal form.
        folder: Folder that paths are shown relative to.
    """
    corpora = sorted({item.corpus for item in utterances})
    if len(corpora) < 2:
        return Settled(tuple(utterances), _folder_notes(utterances))
    shared = _shared((item.speaker, item.corpus) for item in utterances)
    named = tuple(replace(item, speaker=item.person) for item in utterances)
    if not shared:
        return Settled(named, ())
    return Settled(
        named, (f"{_ids(shared)} are in several corpora ({', '.join(corpora)}): treated as different people",)
    )


def _folder_notes(utterances: Sequence[Utterance]) -> tuple[str, ...]:
    """Return the note on speaker ids shared by several folders that may be corpora."""
    speakers: dict[str, set[str]] = {}
    for speaker, top in (pairs := _top_folders(utterances)):
        speakers.setdefault(top, set()).add(speaker)
    likely = {top for top, own in speakers.items() if len(own) > 1 and not _is_part(top)}
    shared = [
        name for name in _shared(pair for pair in pairs if pair[1] in likely) if _GENERIC.fullmatch(name)
    ]
    if not shared or len({re.sub(r"\d+", "", top) for top in likely}) < 2:
        return ()
    return (
        f"{_ids(shared)} are below several folders ({', '.join(sorted(likely)[:_MOST])}): treated as the "
        f"same people. If these folders are different corpora, name them in a column 'corpus'",
    )


def _top_folders(utterances: Sequence[Utterance]) -> set[tuple[str, str]]:
    """Return pairs of a speaker and a folder of theirs, at the level where the paths first differ."""
    found = {(item.speaker, str(item.path.parent)) for item in utterances}
    if not found:
        return set()
    common = commonpath([folder for _, folder in found])
    tops = {folder: Path(folder).relative_to(common).parts[:1] for _, folder in found}
    return {(speaker, tops[folder][0]) for speaker, folder in found if speaker is not None and tops[folder]}


def _is_part(folder: str) -> bool:
    """Whether a folder is named after an emotion, a split or a gender, and so is a part of one corpus."""
    try:
        return EmotionWords().read(folder) is not None
    except UnknownLabelError:
        pass
    try:
        return split_name(folder) is not None
    except UnknownNameError:
        return to_gender(folder) in ("female", "male")


def _shared(groups: Iterable[tuple[str | None, str]]) -> list[str]:
    """Return the speakers that are in several groups, sorted; `groups` are pairs of both."""
    found = {(name, group) for name, group in groups if name is not None}
    return sorted(name for name, number in Counter(name for name, _ in found).items() if number > 1)


def _ids(shared: Sequence[str]) -> str:
    more = f" and {len(shared) - _MOST} more" if len(shared) > _MOST else ""
    return f"the speaker ids {', '.join(shared[:_MOST])}{more}"


@dataclass(frozen=True)
class ManifestColumns:
    """Names of the columns of a manifest, if they differ from the standard names.

    Args:
        path: Column of the audio file's path.
        emotion: Column of the emotion.
        id: Column of the utterance's id.
        corpus: Column of the corpus's name.
        language: Column of the language.
        speaker: Column of the speaker.
        gender: Column of the gender.
        text: Column of the transcript.
        dialect: Column of the dialect.
        session: Column of the recording session.
        start: Column of the start in s.
        end: Column of the end in s.
        split: Column of the official split.
        segments: Column of the emotion events.
    """

    path: str | None = None
    emotion: str | None = None
    id: str | None = None
    corpus: str | None = None
    language: str | None = None
    speaker: str | None = None
    gender: str | None = None
    text: str | None = None
    dialect: str | None = None
    session: str | None = None
    start: str | None = None
    end: str | None = None
    split: str | None = None
    segments: str | None = None

    @property
    def named(self) -> dict[str, str]:
        """Field -> column, for the columns that are named."""
        return {field: column for field, column in vars(self).items() if column}


REQUIRED = ("path", "emotion")
_WORDS = ("speaker", "gender", "dialect", "session")
"""Columns of few different words, each of which is stored once."""
COLUMNS = (
    "id",
    *REQUIRED,
    "corpus",
    "language",
    "speaker",
    "gender",
    "text",
    "dialect",
    "session",
    "start",
    "end",
    "split",
    "segments",
)
"""The standard columns; all others go to `Utterance.extra`."""


def read_manifest(
    path: Path | str,
    *,
    corpus: str | None = None,
    language: str = UNKNOWN_LANGUAGE,
    columns: ManifestColumns = ManifestColumns(),
    emotions: Mapping[str, str] | None = None,
) -> Listing:
    """List the utterances of a manifest.

    The columns `path` and `emotion` are required, the others of `COLUMNS` are optional; an empty cell, or one
    with "nan", "None", "unknown" and the like, counts as not given. `emotion` takes the names of
    `labels.EMOTIONS` and common other words for them. `segments` is JSON: `[{"emotion": "sad", "start": 0.5,
    "end": 1.2}]`. Without an `id`, or if an id repeats, it is built from path, start and end
    (`normal_form.made_ids`). Every cell is converted to a normal form (`cells`), languages and genders to one
    word each.

    Args:
        path: CSV, TSV, JSONL or Parquet file, by its suffix. Relative paths in it start from its folder.
        corpus: Corpus name; by default the column `corpus`, else the file's stem.
        language: Language of rows without one: a code, tag or name.
        columns: Names of its columns, if they differ from the standard names.
        emotions: Label -> emotion name, or "drop", for labels that are no common word for one.

    Returns:
        Utterances sorted by id. A row that cannot be used is a problem: "missing" if the file is not on disk,
        "label" for the emotion, "row" for another cell, "duplicate" for an interval of a file that another
        row has already. Audio that no row names is counted (see `folders.unlisted_audio`).

    Raises:
        CorpusNotFoundError: If there is no such file.
        ManifestError: For a missing column, or a table that cannot be read, with its line and what is valid
            there; or a file outside of the folders that it may name (`table_folders`).
        UnknownNameError: For an unknown suffix, a column that does not exist, or an unknown emotion in
            `emotions`.
        UnknownLanguageError: For an unknown `language`.
    """
    table_path, words = at_home(path).absolute(), EmotionWords(emotions or {})
    named = columns.named
    table = open_table(Path(path), [named.get(name, name) for name in REQUIRED])
    fields = _Fields(table_path, named)
    if table.columns is not None:
        fields.check(table.columns)
    source = _ManifestReader(
        table_path,
        corpus or table_path.stem,
        to_language(language),
        words,
        decimal_comma=table.delimiter not in (None, ","),
    )
    # Row by row: those of a large corpus take more memory than its utterances.
    utterances, spelling_notes = unified(source.utterances(map(fields.renamed, table.rows)))
    notes = fields.check(table.columns)
    if not source.count:
        raise ManifestError(table_path, None, NO_ROW)
    check_folders(table_path, source.lines(utterances), table_path.parent, table_path.resolve().parent)
    unlisted = unlisted_audio(table_path, source.named())
    listing = _listing(source, utterances, corpus)
    return replace(listing, notes=(*notes, *spelling_notes, *listing.notes), unlisted=unlisted)


def write_manifest(utterances: Iterable[Utterance], path: Path | str) -> None:
    """Write utterances as a manifest that `read_manifest` reads back unchanged, whole or not at all.

    Paths below the manifest's folder are written relative to it. For others, the user's cache stores that
    this manifest may name them (`table_folders`). Empty strings are read back as None.

    Args:
        utterances: With unique ids.
        path: CSV, TSV, JSONL or Parquet file, by its suffix.

    Raises:
        ManifestError: For an id that appears twice, an extra with the name of a column, or a file name that
            is not valid UTF-8.
        OutputError: If the file cannot be written.
        UnknownNameError: For an unknown suffix.
    """
    target, items = Path(path).absolute(), list(utterances)
    extras = sorted({key for item in items for key in item.extra})
    _check_writable(target, items, extras)
    as_text = target.suffix.lower() != ".jsonl"
    rows = [_cells(item, target.parent, segments_as_text=as_text) for item in items]
    used = {name for row in rows for name in row}
    write_rows(target, [name for name in (*COLUMNS, *extras) if name in used or name in REQUIRED], rows)
    remember_folders(target, (item.path for item in items))


@dataclass(frozen=True, slots=True)
class _Row:
    """What is known of an utterance's row.

    Attributes:
        line: Its line.
        id: Its id in the table, None without one.
        missing: Its path as written in the table if no such file is on disk, else None.
    """

    line: int
    id: str | None
    missing: str | None


@dataclass
class _ManifestReader:
    """Reads the rows of a manifest, and notes which file each names and what is wrong with it.

    Attributes:
        rows: Of the utterances, in the same order.
        problems: Of rows that cannot be used.
        dropped: Label -> number of rows that the user leaves out.
        count: Number of rows.
    """

    path: Path
    corpus: str
    language: str
    emotions: EmotionWords
    decimal_comma: bool
    rows: list[_Row] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    count: int = 0
    _files: dict[str, Path | None] = field(default_factory=dict)

    def utterances(self, rows: Iterable[TableRow]) -> Iterator[Utterance]:
        """Yield the utterances of those rows that can be used, with empty ids."""
        for row in rows:
            self.count += 1
            with suppress(BadCellError):
                self._file(row.cells.get("path"))  # also of rows that are not used
            try:
                utterance = self._utterance(row)
            except UnknownLabelError as error:
                self.problems.append(Problem(self.path, str(error), line=row.line))
            except (BadCellError, UsageError) as error:
                self.problems.append(Problem(self.path, str(error), line=row.line, kind="row"))
            else:
                if utterance is not None:
                    yield utterance

    def named(self) -> list[Path]:
        """Return the files of all rows, including those that cannot be used."""
        return [file for file in self._files.values() if file is not None]

    def lines(self, utterances: Sequence[Utterance]) -> dict[Path, int | None]:
        """Return the files on disk, each with the first line that names it; the last file comes first."""
        pairs = zip(reversed(utterances), reversed(self.rows), strict=True)
        return {item.path: row.line for item, row in pairs if row.missing is None}

    def _utterance(self, row: TableRow) -> Utterance | None:
        """Return the utterance of a row and note the row; None for a label that is dropped."""
        cells = row.cells
        emotion = self.emotions.read(_text(cells.get("emotion")))
        if emotion is None:
            self.dropped[str(_text(cells["emotion"]))] += 1
            return None
        path = self._file(cells.get("path"))
        if path is None:
            raise BadCellError("the cell 'path' is empty. Fill it.")
        start, end = interval(cells, decimal_comma=self.decimal_comma)
        utterance = Utterance(
            id="",
            path=path,
            emotion=emotion,
            corpus=word_of(cells.get("corpus")) or self.corpus,
            language=to_language(cells.get("language"), self.language),
            start=start,
            end=end,
            text=text_of(cells["text"]) if "text" in cells else None,
            split=split_name(cells.get("split")),
            segments=segments(cells.get("segments")),
            extra={name: text_of(cell) for name, cell in cells.items() if name not in COLUMNS},
            **{name: sys.intern(text_of(cells[name])) for name in _WORDS if name in cells},
        )
        missing = None if is_file(path) else path_of(cells["path"])
        self.rows.append(_Row(row.line, word_of(cells.get("id")), missing))
        return utterance

    def _file(self, cell: object) -> Path | None:
        """Return the file that a cell names, None for an empty cell; raises `BadCellError` as `path_of`."""
        name = path_of(cell)
        if name is None:
            return None
        if name not in self._files:
            file = self._found(name)
            self._files[name] = None if is_missing(name) and not is_file(file) else file
        return self._files[name]

    def _found(self, name: str) -> Path:
        """Return the file of a name, relative to the table or, if that is a link, to its target."""
        here = file_named(self.path.parent, name)
        if self.path.is_symlink() and not is_file(here):
            there = file_named(self.path.resolve().parent, name)
            here = there if is_file(there) else here
        return here


def _text(cell: object) -> str | None:
    return None if cell is None else clean(text_of(cell))


class _Fields:
    """What each column of a manifest is read as.

    Args:
        path: The table, for messages.
        named: Field -> column, for columns that do not have the standard names.
    """

    def __init__(self, path: Path, named: Mapping[str, str]) -> None:
        self._path, self._named = path, named
        self._by_key = {key_of(column): field for field, column in named.items()}
        self._fields: dict[str, str | None] = {}

    def renamed(self, row: TableRow) -> TableRow:
        """Return a row with standard names as keys, without columns that are not read."""
        found = ((self._field(column), cell) for column, cell in row.cells.items())
        return TableRow(row.line, {name: cell for name, cell in found if name is not None})

    def check(self, columns: Sequence[str] | None = None) -> tuple[str, ...]:
        """Return notes on columns that are not read.

        Args:
            columns: Of the table; by default those of the rows so far.

        Raises:
            ManifestError: If there are none, or a required one is missing.
            UnknownNameError: If one does not exist that should have a field.
        """
        columns = list(self._fields) if columns is None else columns
        if not columns:
            raise ManifestError(self._path, None, NO_ROW)
        keys = {key_of(name) for name in columns}
        for name, column in self._named.items():
            if key_of(column) not in keys:
                raise UnknownNameError(f"{name} column of {self._path.name}", column, columns)
        self._check_required(columns)
        return tuple(
            f"column {name!r} of {self._path.name} is not read: another column was given for it"
            for name in sorted(columns)
            if self._field(name) is None
        )

    def _check_required(self, columns: Sequence[str]) -> None:
        given = {self._field(name) for name in columns}
        if missing := [name for name in REQUIRED if name not in given]:
            raise ManifestError(
                self._path,
                None,
                f"no column{'s' if len(missing) > 1 else ''} {' and '.join(map(repr, missing))}; found: "
                f"{', '.join(sorted(columns))}. The columns 'path' and 'emotion' are required; if one has "
                f"another name, say so: --data.columns.{missing[0]} NAME (in `sercl corpus`: "
                f"--columns.{missing[0]} NAME).",
            )

    def _field(self, column: str) -> str | None:
        """Return the field of a column, its own name for an extra, None if another was given for it."""
        if column not in self._fields:
            key = key_of(column)
            standard = key if key in COLUMNS else column
            self._fields[column] = self._by_key.get(key) or (None if standard in self._named else standard)
        return self._fields[column]


def _listing(source: _ManifestReader, utterances: list[Utterance], corpus: str | None) -> Listing:
    """Return the listing, with ids; the list is emptied of the utterances without."""
    ids = made_ids(utterances, source.path.parent, [row.id for row in source.rows])
    for index, id in enumerate(ids):
        utterances[index] = replace(utterances[index], id=id)
    settled = apart(utterances, source.path.parent)
    problems, kept = source.problems, dict[str, Utterance]()
    for row, item in zip(source.rows, settled.utterances, strict=True):
        item = item if corpus is None else replace(item, corpus=corpus)
        if row.missing is not None:
            what = _what_is_at(item.path)
            reason = f"listed in {source.path.name}:{row.line} but {what}{foreign_hint(row.missing)}"
            problems.append(Problem(item.path, reason, kind="missing"))
        elif item.id in kept:
            problems.append(_second(source, row, item, kept[item.id]))
        else:
            kept[item.id] = item
    return Listing(
        tuple(kept[id] for id in sorted(kept)),
        tuple(problems),
        (*_id_notes(source.rows, ids), *settled.notes),
        dict(source.dropped.most_common()),
    )


def _second(source: _ManifestReader, row: _Row, item: Utterance, first: Utterance) -> Problem:
    """Return the problem of a row whose file and interval were listed before."""
    if item.emotion == first.emotion:
        reason = f"a second row for {first.id}, which is ignored"
        return Problem(source.path, reason, line=row.line, kind="duplicate")
    reason = f"{first.id} is {item.emotion!r} here but {first.emotion!r} in an earlier row, which is used"
    return Problem(source.path, reason, line=row.line)


def _id_notes(rows: Sequence[_Row], ids: Sequence[str]) -> list[str]:
    changed = [row.id for row, id in zip(rows, ids, strict=True) if row.id is not None and row.id != id]
    if not changed:
        return []
    return [
        f"{len(changed)} rows share their id with another, such as {changed[0]!r}: they are identified "
        f"by file name"
    ]


def _check_writable(path: Path, utterances: Sequence[Utterance], extras: Sequence[str]) -> None:
    twice = [name for name, count in Counter(item.id for item in utterances).items() if count > 1]
    if twice:
        raise ManifestError(path, None, f"two utterances have the id {twice[0]!r}. Ids must not repeat.")
    odd = [item.path for item in utterances if not _is_text(str(item.path))]
    if odd:
        raise ManifestError(
            path,
            None,
            f"{len(odd)} file names are not UTF-8 text, which a manifest cannot hold; the first is "
            f"{str(odd[0])!a}. Rename them: convmv -r -f latin1 -t utf8 --notest FOLDER.",
        )
    keys = Counter(map(key_of, extras))
    for name in extras:
        if key_of(name) in COLUMNS or name != clean(name) or not name or keys[key_of(name)] > 1:
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


def _what_is_at(path: Path) -> str:
    try:
        if path.is_dir():
            return "a folder, not a file"
        return "not a regular file" if path.exists() else "not on disk"
    except OSError:
        return "not on disk"
