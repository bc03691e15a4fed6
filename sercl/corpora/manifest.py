"""Manifests: tables of utterances, for any corpus without a reader."""

import dataclasses
import json
import re
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
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
from sercl.corpora.tables import NO_ROW, TableRow, read_table, write_rows
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
    shared = _shared(utterances, {index: item.corpus for index, item in enumerate(utterances)})
    named = tuple(replace(item, speaker=item.person) for item in utterances)
    if not shared:
        return Settled(named, ())
    return Settled(
        named, (f"{_ids(shared)} are in several corpora ({', '.join(corpora)}): treated as different people",)
    )


def _folder_notes(utterances: Sequence[Utterance]) -> tuple[str, ...]:
    """Return the note on speaker ids shared by several folders that may be corpora."""
    tops = _top_folders(utterances)
    speakers: dict[str, set[str]] = {}
    for index, top in tops.items():
        if (speaker := utterances[index].speaker) is not None:
            speakers.setdefault(top, set()).add(speaker)
    likely = {top for top, own in speakers.items() if len(own) > 1 and not _is_part(top)}
    shared = [
        name
        for name in _shared(utterances, {index: top for index, top in tops.items() if top in likely})
        if _GENERIC.fullmatch(name)
    ]
    if not shared or len({re.sub(r"\d+", "", top) for top in likely}) < 2:
        return ()
    return (
        f"{_ids(shared)} are below several folders ({', '.join(sorted(likely)[:_MOST])}): treated as the "
        f"same people. If these folders are different corpora, name them in a column 'corpus'",
    )


def _top_folders(utterances: Sequence[Utterance]) -> Mapping[int, str]:
    """Return the folder of each utterance at the level where the paths first differ."""
    if not utterances:
        return {}
    parents = [str(item.path.parent) for item in utterances]
    common = commonpath(parents)
    tops = {parent: Path(parent).relative_to(common).parts[:1] for parent in set(parents)}
    return {index: tops[parent][0] for index, parent in enumerate(parents) if tops[parent]}


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


def _shared(utterances: Sequence[Utterance], groups: Mapping[int, str]) -> list[str]:
    """Return the speakers that are in several groups, sorted; `groups` is index -> group."""
    found_in: dict[str, set[str]] = {}
    for index, group in groups.items():
        if (speaker := utterances[index].speaker) is not None:
            found_in.setdefault(speaker, set()).add(group)
    return sorted(name for name, found in found_in.items() if len(found) > 1)


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
_WORDS = ("speaker", "gender", "text", "dialect", "session")
COLUMNS = ("id", *REQUIRED, "corpus", "language", *_WORDS, "start", "end", "split", "segments")
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
    table = read_table(Path(path), [named.get(name, name) for name in REQUIRED])
    if not table.columns:
        raise ManifestError(table_path, None, NO_ROW)
    fields = _fields(table_path, table.columns, named)
    if not table.rows:
        raise ManifestError(table_path, None, NO_ROW)
    notes = _column_notes(table_path, table.columns, fields)
    decimal_comma = table.delimiter not in (None, ",")
    source = _ManifestReader(table_path, corpus, to_language(language), words, decimal_comma)
    rows, found, paths = deque(table.rows), [], []
    del table
    while rows:  # which are freed one by one: those of a large corpus take more memory than its utterances
        row = _renamed(rows.popleft(), fields)
        found.append(source.read(row))
        paths += _paths(row)
    there = [row for row in found if isinstance(row, _Read) and row.is_there]
    files = {row.utterance.path: row.line for row in reversed(there)}
    check_folders(table_path, files, table_path.parent, table_path.resolve().parent)
    listing = _listing(source, found, notes)
    unlisted = unlisted_audio(table_path, [source.file(name) for name in paths])
    return replace(listing, unlisted=unlisted)


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


@dataclass(frozen=True)
class _Dropped:
    """A row that the user leaves out, with its label."""

    label: str


@dataclass(frozen=True, slots=True)
class _Read:
    """A row that could be read.

    Attributes:
        line: Its line.
        name: Its id in the table, None without one.
        utterance: With an empty id.
        is_there: Whether its file is on disk.
        written: Its path as written in the table.
    """

    line: int
    name: str | None
    utterance: Utterance
    is_there: bool
    written: str


@dataclass(frozen=True)
class _ManifestReader:
    path: Path
    corpus: str | None
    language: str
    emotions: EmotionWords
    decimal_comma: bool
    files: dict[str, Path] = dataclasses.field(default_factory=dict)

    def file(self, name: str) -> Path:
        """Return the file that a row names, relative to the table or, if that is a link, to its target."""
        if name not in self.files:
            here = file_named(self.path.parent, name)
            if self.path.is_symlink() and not is_file(here):
                there = file_named(self.path.resolve().parent, name)
                here = there if is_file(there) else here
            self.files[name] = here
        return self.files[name]

    def read(self, row: TableRow) -> _Read | Problem | _Dropped:
        """Read one row."""
        try:
            emotion = self.emotions.read(_text(row.cells.get("emotion")))
        except UnknownLabelError as error:
            return Problem(self.path, str(error), line=row.line)
        if emotion is None:
            return _Dropped(str(_text(row.cells["emotion"])))
        try:
            utterance = self._utterance(row.cells, emotion)
        except (BadCellError, UsageError) as error:
            return Problem(self.path, str(error), line=row.line, kind="row")
        name, written = word_of(row.cells.get("id")), path_of(row.cells["path"]) or ""
        return _Read(row.line, name, utterance, is_file(utterance.path), written)

    def _utterance(self, cells: Mapping[str, object], emotion: str) -> Utterance:
        path = path_of(cells.get("path"))
        if path is None or (is_missing(path) and not is_file(self.file(path))):
            raise BadCellError("the cell 'path' is empty. Fill it.")
        start, end = interval(cells, decimal_comma=self.decimal_comma)
        words = {name: text_of(cells[name]) if name in cells else None for name in _WORDS}
        return Utterance(
            id="",
            path=self.file(path),
            emotion=emotion,
            corpus=word_of(cells.get("corpus")) or self.corpus or self.path.stem,
            language=to_language(cells.get("language"), self.language),
            start=start,
            end=end,
            split=split_name(cells.get("split")),
            segments=segments(cells.get("segments")),
            extra={name: text_of(cell) for name, cell in cells.items() if name not in COLUMNS},
            **words,
        )


def _paths(row: TableRow) -> list[str]:
    try:
        path = path_of(row.cells.get("path"))
    except BadCellError:
        return []
    return [path] if path is not None and not is_missing(path) else []


def _text(cell: object) -> str | None:
    return None if cell is None else clean(text_of(cell))


def _column_notes(path: Path, columns: Sequence[str], fields: Mapping[str, str]) -> tuple[str, ...]:
    """Return notes on columns that are not read."""
    ignored = sorted(set(columns) - fields.keys())
    return tuple(
        f"column {name!r} of {path.name} is not read: another column was given for it" for name in ignored
    )


def _renamed(row: TableRow, fields: Mapping[str, str]) -> TableRow:
    """Return a row with the standard names as keys."""
    return TableRow(row.line, {fields[name]: cell for name, cell in row.cells.items() if name in fields})


def _fields(path: Path, columns: Sequence[str], named: Mapping[str, str]) -> dict[str, str]:
    """Return column -> field (or the column's own name, for an extra) of those that are read."""
    by_key = {key_of(name): name for name in columns}
    for field, column in named.items():
        if key_of(column) not in by_key:
            raise UnknownNameError(f"{field} column of {path.name}", column, columns)
    fields = {name: key_of(name) if key_of(name) in COLUMNS else name for name in columns}
    chosen = {by_key[key_of(column)]: field for field, column in named.items()}
    kept = {name: field for name, field in fields.items() if field not in named}
    missing = [name for name in REQUIRED if name not in {*(kept | chosen).values()}]
    if missing:
        raise ManifestError(
            path,
            None,
            f"no column{'s' if len(missing) > 1 else ''} {' and '.join(map(repr, missing))}; found: "
            f"{', '.join(sorted(columns))}. The columns 'path' and 'emotion' are required; if one has "
            f"another name, say so: --data.columns.{missing[0]} NAME (in `sercl corpus`: "
            f"--columns.{missing[0]} NAME).",
        )
    return kept | chosen


def _listing(
    source: _ManifestReader, found: Sequence[_Read | Problem | _Dropped], notes: tuple[str, ...]
) -> Listing:
    rows = [item for item in found if isinstance(item, _Read)]
    utterances, spelling_notes = unified([row.utterance for row in rows])
    ids = made_ids(utterances, source.path.parent, [row.name for row in rows])
    named = [replace(item, id=id) for item, id in zip(utterances, ids, strict=True)]
    settled = apart(named, source.path.parent)
    corpus = source.corpus
    problems = [item for item in found if isinstance(item, Problem)]
    kept: dict[str, Utterance] = {}
    for row, item in zip(rows, settled.utterances, strict=True):
        item = item if corpus is None else replace(item, corpus=corpus)
        if not row.is_there:
            what = _what_is_at(item.path)
            reason = f"listed in {source.path.name}:{row.line} but {what}{foreign_hint(row.written)}"
            problems.append(Problem(item.path, reason, kind="missing"))
        elif item.id in kept:
            problems.append(_second(source, row, item, kept[item.id]))
        else:
            kept[item.id] = item
    dropped = Counter(item.label for item in found if isinstance(item, _Dropped))
    return Listing(
        tuple(kept[id] for id in sorted(kept)),
        tuple(problems),
        (*notes, *spelling_notes, *_id_notes(rows, ids), *settled.notes),
        dict(dropped.most_common()),
    )


def _second(source: _ManifestReader, row: _Read, item: Utterance, first: Utterance) -> Problem:
    """Return the problem of a row whose file and interval were listed before."""
    if item.emotion == first.emotion:
        reason = f"a second row for {first.id}, which is ignored"
        return Problem(source.path, reason, line=row.line, kind="duplicate")
    reason = f"{first.id} is {item.emotion!r} here but {first.emotion!r} in an earlier row, which is used"
    return Problem(source.path, reason, line=row.line)


def _id_notes(rows: Sequence[_Read], ids: Sequence[str]) -> list[str]:
    changed = [row.name for row, id in zip(rows, ids, strict=True) if row.name is not None and row.name != id]
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
