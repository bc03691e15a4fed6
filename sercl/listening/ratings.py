"""What listeners answered, as tables: ratings, and votes where single listeners are not known.

A ratings table has a row per answer, or per region that a listener has marked. Its columns are `COLUMNS`,
and any number of `listener_<name>` with what is known of the listener, such as `listener_native`. A votes
table has a row per item and answer: `votes`, or `rate`, the share of `listeners` that gave the answer.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from sercl.documents import read_parquet
from sercl.errors import DocumentError, RatingsError
from sercl.files import atomic_path, check_replaceable

if TYPE_CHECKING:
    import pyarrow as pa

RATINGS, VOTES = "ratings", "votes"
"""Kinds of tables."""

CHOICE, SEGMENTS = "choice", "segments"
"""Tasks: one answer to an item, or marked regions."""

ITEM, PRACTICE, ATTENTION, REPEAT = "item", "practice", "attention", "repeat"
"""Kinds of items."""

LISTENER = "listener_"
"""Prefix of columns that describe listeners."""

SIMULATED = "simulated"
"""Column, after the prefix, that is filled for listeners who are no people; every comparison says so."""

TEXT, NUMBER, COUNT = "text", "number", "count"

_OF_ITEMS: Mapping[str, str] = {
    "item": TEXT, "corpus": TEXT, "language": TEXT, "dialect": TEXT, "speaker": TEXT, "gender": TEXT,
    "truth": TEXT,
}  # fmt: skip

COLUMNS: Mapping[str, str] = {
    "listener": TEXT, "session": TEXT, "protocol": TEXT, **_OF_ITEMS, "task": TEXT, "answer": TEXT,
    "confidence": NUMBER, "seconds": NUMBER, "start": NUMBER, "end": NUMBER, "order": COUNT, "block": TEXT,
    "repeat": COUNT, "kind": TEXT, "source": TEXT,
}  # fmt: skip
"""Column of a ratings table -> its type."""

VOTE_COLUMNS: Mapping[str, str] = {
    **_OF_ITEMS, "answer": TEXT, "votes": COUNT, "rate": NUMBER, "listeners": COUNT, "source": TEXT,
}  # fmt: skip
"""Column of a votes table -> its type."""

_NEEDED = {RATINGS: ("listener", "item", "task", "repeat", "kind"), VOTES: ("item", "answer")}
_COLUMNS = {RATINGS: COLUMNS, VOTES: VOTE_COLUMNS}
_TYPES = {NUMBER: "float64", COUNT: "Int64"}
_ADVICE = "`sercl listen import` writes such a table."


@dataclass(frozen=True)
class Table:
    """A table of ratings or votes.

    Attributes:
        kind: `RATINGS` or `VOTES`.
        frame: Its rows; text is None where unknown.
    """

    kind: str
    frame: pd.DataFrame

    @property
    def listener_columns(self) -> list[str]:
        """Names of the columns that describe listeners, without their prefix."""
        return [str(name).removeprefix(LISTENER) for name in self.frame if str(name).startswith(LISTENER)]


def table_of(kind: str, rows: Iterable[Mapping[str, object]]) -> Table:
    """Return a table with all columns of its kind, in order.

    Args:
        kind: `RATINGS` or `VOTES`.
        rows: Column -> value; what a row lacks is unknown.
    """
    given = list(rows)
    own = list(dict.fromkeys(name for row in given for name in row if name.startswith(LISTENER)))
    names = [*_COLUMNS[kind], *own]
    frame = pd.DataFrame({name: [row.get(name) for row in given] for name in names}, dtype=object)
    return Table(kind, _typed(kind, frame))


def write_table(table: Table, path: Path) -> None:
    """Write a table as Parquet, atomically.

    Raises:
        OutputError: If the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema(table.kind, [str(name) for name in table.frame.columns])
    content = pa.Table.from_pandas(table.frame, schema=schema, preserve_index=False)
    with atomic_path(path) as temporary:
        pq.write_table(content.replace_schema_metadata({"sercl": table.kind}), temporary)


def check_file(path: Path) -> None:
    """Raise `UsageError` for an existing file that `write_table` has not written."""
    check_replaceable(path, "answers of a listening test", lambda found: _kind_of(found) in _COLUMNS)


def _kind_of(path: Path) -> str:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_schema(path).metadata or {}
    except pa.ArrowInvalid:
        return ""
    return str(metadata.get(b"sercl", b"").decode(errors="replace"))


def _schema(kind: str, names: Sequence[str]) -> "pa.Schema":
    import pyarrow as pa

    kinds = {TEXT: pa.string(), NUMBER: pa.float64(), COUNT: pa.int64()}
    fields = [pa.field(name, kinds[_COLUMNS[kind].get(name, TEXT)]) for name in names]
    return pa.schema(fields, metadata={"sercl": kind})


def read_table(path: Path) -> Table:
    """Read what `write_table` wrote.

    Raises:
        RatingsError: If there is no such file, or it is not such a table.
    """
    try:
        content = read_parquet(path)
    except FileNotFoundError as error:
        raise RatingsError(path, None, f"no such file. {_ADVICE}") from error
    except (DocumentError, OSError) as error:
        raise RatingsError(path, None, f"{error}. {_ADVICE}") from error
    kind = (content.schema.metadata or {}).get(b"sercl", b"").decode(errors="replace")
    if kind not in _COLUMNS:
        raise RatingsError(path, None, f"is not a table of ratings or votes. {_ADVICE}")
    absent = [name for name in _COLUMNS[kind] if name not in content.column_names]
    if absent:
        raise RatingsError(path, None, f"lacks the columns {', '.join(absent)}. {_ADVICE}")
    table = Table(kind, _typed(kind, _as_written(content, kind, path).to_pandas()))
    _check(table, path)
    return table


def _as_written(content: "pa.Table", kind: str, path: Path) -> "pa.Table":
    """Return the columns in the types that `write_table` gives them."""
    import pyarrow as pa

    names = content.column_names
    if len(set(names)) < len(names):
        raise RatingsError(path, None, f"has a column twice. {_ADVICE}")
    try:
        return content.cast(_schema(kind, names))
    except pa.ArrowException as error:
        raise RatingsError(path, None, f"has a column of another type ({error}). {_ADVICE}") from error


def _check(table: Table, path: Path) -> None:
    if not len(table.frame):
        raise RatingsError(path, None, f"has no rows. {_ADVICE}")
    for name in _NEEDED[table.kind]:
        missing = table.frame[name].isna()
        if missing.any():
            raise RatingsError(path, int(missing.to_numpy().argmax()) + 1, f"has no {name}. {_ADVICE}")


def _typed(kind: str, frame: pd.DataFrame) -> pd.DataFrame:
    columns = _COLUMNS[kind]
    return pd.DataFrame({str(name): _column(frame[name], columns.get(str(name), TEXT)) for name in frame})


def _column(values: Any, kind: str) -> Any:
    if kind != TEXT:
        return pd.to_numeric(values).astype(_TYPES[kind])
    plain = values.astype(object)
    return plain.where(plain.notna(), None)


def first_answers(table: Table, tasks: Sequence[str] = (CHOICE,)) -> pd.DataFrame:
    """Return the answers that scores are computed from: to items, the first of each listener, and given.

    Practice, attention checks, repetitions and unanswered items are left out.
    """
    frame = table.frame
    kept = (frame["kind"] == ITEM) & (frame["repeat"] == 0) & frame["answer"].notna()
    own = frame[kept & frame["task"].isin(list(tasks))]
    return own.drop_duplicates(["listener", "item", "task"]).reset_index(drop=True)


def first_marks(table: Table) -> pd.DataFrame:
    """Return the rows of the task segments that scores are computed from: of items, marked the first time.

    A listener and an item have a row for each marked part, or one without start where nothing was marked.
    """
    if table.kind != RATINGS:
        return table.frame.iloc[:0]
    frame = table.frame
    kept = (frame["kind"] == ITEM) & (frame["repeat"] == 0) & (frame["task"] == SEGMENTS)
    return frame[kept].reset_index(drop=True)


def has_choices(table: Table) -> bool:
    """Return whether emotions were chosen, by single listeners or as votes."""
    return table.kind == VOTES or len(first_answers(table)) > 0
