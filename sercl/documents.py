"""Reading YAML, JSON and Parquet of unknown origin: plain data within limits, or a `DocumentError`.

A few lines of YAML can expand to a billion nodes (aliases), contain themselves (an alias inside its own
anchor), or nest deeper than Python can follow. Everything that sercl reads goes through here, including what
jsonargparse reads (see `cli/parser.py`).
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from sercl.errors import DocumentError

if TYPE_CHECKING:
    import pyarrow as pa

MAX_DEPTH = 100
"""Maximum number of levels of lists and maps."""
MAX_REPEATED = 10_000
"""Maximum number of nodes that the aliases of a YAML document may expand to."""
MAX_BYTES = 16 * 2**20
"""Maximum size of a file that is read into memory, unless a reader sets another."""
MAX_YAML = 2**18
"""Maximum size of a YAML file: reading takes seconds per MB, and a run's configuration has about 10 KB."""
MAX_INTEGER = 2**63 - 1
"""Largest whole number, of 64 bits."""
MAX_ROWS = 100_000_000
"""Maximum number of rows of a table: a column of equal values takes few bytes, whatever its length."""

_LONGEST_INTEGER = 100  # characters, with leading zeros and `_`
_PLAIN = ("null", "bool", "int", "float", "str", "seq", "map", "merge")
_TAGS = {f"tag:yaml.org,2002:{name}" for name in _PLAIN}
_FLOAT = re.compile(
    r"""^(?:
    [-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?
    |[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+
    |\.[0-9_]+(?:[eE][-+][0-9]+)?
    |[-+]?\.(?:inf|Inf|INF)
    |\.(?:nan|NaN|NAN))$""",
    re.VERBOSE,
)


class LimitError(yaml.MarkedYAMLError):
    """YAML that is well-formed but not accepted: too large, too deep, ambiguous, or more than plain data.

    Args:
        problem: What is wrong.
        where: The node or event.
    """

    def __init__(self, problem: str, where: Any) -> None:
        super().__init__(problem=problem, problem_mark=where.start_mark)


class SafeLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Loads plain data within the limits, including numbers such as 1e-5; dates remain text.

    Args:
        stream: Text, bytes or an open file.

    Raises:
        yaml.YAMLError: For anything else.
    """

    def __init__(self, stream: Any) -> None:
        text = stream if isinstance(stream, str | bytes) else stream.read()
        check_events(text)
        super().__init__(text)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Build a value; only tags of plain data are accepted."""
        if node.tag not in _TAGS:
            raise LimitError(f"the tag {node.tag!r} is not accepted", node)
        if isinstance(node, yaml.ScalarNode) and "\0" in node.value:
            raise LimitError("a text holds the character NUL", node)
        return super().construct_object(node, deep)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:
        """Build a map; a duplicate key is an error."""
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and not key.tag.endswith(":merge"):
                if (key.tag, key.value) in seen:
                    raise LimitError(f"the key {key.value!r} appears twice", key)
                seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """Build a whole number of at most 64 bits."""
        if len(node.value) > _LONGEST_INTEGER:
            raise LimitError(_too_long(node.value), node)
        try:
            number: int = super().construct_yaml_int(node)
        except ValueError as error:
            problem = f"{node.value!r} is not a whole number"
            raise LimitError(problem, node) from error
        if abs(number) > MAX_INTEGER:
            raise LimitError(_too_long(node.value), node)
        return number

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        """Build a number; `1_` and the like are not numbers."""
        try:
            return float(super().construct_yaml_float(node))
        except ValueError as error:
            raise LimitError(f"{node.value[:40]!r} is not a number", node) from error


def _resolvers() -> dict[str, list[tuple[str, Any]]]:
    """Return the rules for plain scalars: those of YAML 1.1 without dates, and with floats as in Python."""
    left_out = {"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:float"}
    found = {
        first: [pair for pair in pairs if pair[0] not in left_out]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    for first in "-+0123456789.":
        found.setdefault(first, []).append(("tag:yaml.org,2002:float", _FLOAT))
    return found


SafeLoader.yaml_implicit_resolvers = _resolvers()
SafeLoader.add_constructor("tag:yaml.org,2002:int", SafeLoader.construct_yaml_int)
SafeLoader.add_constructor("tag:yaml.org,2002:float", SafeLoader.construct_yaml_float)


def parse_yaml(text: str | bytes) -> Any:
    """Return the content of one YAML document.

    Raises:
        DocumentError: It is not valid YAML, or not within the limits.
    """
    try:
        return yaml.load(text, Loader=SafeLoader)
    except yaml.YAMLError as error:
        raise _document_error(error) from error
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"is not valid YAML ({error})") from error


def read_yaml(path: Path | str) -> Any:
    """Return the content of a YAML file.

    Raises:
        DocumentError: It is not valid YAML, not UTF-8, too large, or not within the limits.
        OSError: It cannot be read.
    """
    return parse_yaml(read_text(path, MAX_YAML))


def parse_json(text: str | bytes, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """Return the content of a JSON text; a duplicate key in an object is an error.

    Args:
        text: The text.
        pairs: Builds an object from its pairs; by default a dict, which refuses duplicate keys.

    Raises:
        DocumentError: It is not valid JSON, or not within the limits.
    """
    try:
        content = json.loads(text, parse_int=_integer, object_pairs_hook=pairs or _without_repeats)
    except json.JSONDecodeError as error:
        raise DocumentError(f"is not valid JSON ({error.msg})", error.lineno) from error
    except RecursionError as error:
        raise DocumentError(_TOO_DEEP) from error
    except UnicodeDecodeError as error:
        raise DocumentError(f"is not UTF-8 text ({error.reason} at byte {error.start})") from error
    _check_depth(content)
    return content


def read_json(path: Path | str, most_bytes: int = MAX_BYTES) -> Any:
    """Return the content of a JSON file.

    Args:
        path: The file.
        most_bytes: Maximum size.

    Raises:
        DocumentError: It is not valid JSON, not UTF-8, too large, or not within the limits.
        OSError: It cannot be read.
    """
    return parse_json(read_text(path, most_bytes))


def read_parquet(path: Path) -> "pa.Table":
    """Return the table in a file.

    Raises:
        DocumentError: It is no Parquet file or not a complete one, is damaged, or is not a regular file.
        FileNotFoundError: It does not exist.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.exists() and not path.is_file():
        raise DocumentError("is not a regular file")
    try:
        with path.open("rb") as start:
            if (found := start.read(4)) and found != b"PAR1":
                raise DocumentError(f"is not a valid Parquet file (it begins with {found!r})")
        file = pq.ParquetFile(path)
        if file.metadata.num_rows > MAX_ROWS:
            raise DocumentError(f"has {file.metadata.num_rows:,} rows; at most {MAX_ROWS:,} are read")
        table = file.read()
        table.validate(full=True)  # text is UTF-8, and every index within its dictionary
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DocumentError(f"is not a valid Parquet file; it may be truncated ({reason})") from error
    return table


def read_text(path: Path | str, most_bytes: int = MAX_BYTES) -> str:
    """Return the text of a UTF-8 file, with or without a byte-order mark.

    Raises:
        DocumentError: It is not UTF-8, is not a regular file, or is larger than `most_bytes`.
        OSError: It cannot be read.
    """
    file = Path(path)
    size = file.stat().st_size
    if not file.is_file() and not file.is_dir():  # opening a folder gives its own error
        raise DocumentError("is not a regular file")
    if size > most_bytes:
        raise DocumentError(f"has {size / 2**20:.3g} MB; at most {most_bytes / 2**20:.3g} are read")
    try:
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise DocumentError(f"is not UTF-8 text ({error.reason} at byte {error.start})", line) from error


_TOO_DEEP = f"is nested more than {MAX_DEPTH} levels deep"


def check_events(text: str | bytes) -> None:
    """Raise `LimitError` for YAML that nests too deeply, or whose aliases expand to too many nodes.

    Nothing is built: the text is read once, event by event.
    """
    extent = _Extent()
    for event in _events(text):
        if isinstance(event, yaml.AliasEvent):
            extent.repeat(event)
        elif isinstance(event, yaml.ScalarEvent):
            extent.total += 1
            extent.sizes[event.anchor or ""] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            extent.open(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            extent.close()


class _Extent:
    """Number of nodes that a document expands to, counted while its events are read."""

    def __init__(self) -> None:
        self.total = self.repeated = 0
        self.sizes: dict[str, int] = {}  # of anchored nodes
        self.path: list[tuple[str | None, int]] = []  # open nodes: anchor, and nodes before it

    def open(self, event: yaml.CollectionStartEvent) -> None:
        self.path.append((event.anchor, self.total))
        if len(self.path) > MAX_DEPTH:
            raise LimitError(_TOO_DEEP, event)
        self.total += 1

    def close(self) -> None:
        anchor, before = self.path.pop()
        self.sizes[anchor or ""] = self.total - before

    def repeat(self, event: yaml.AliasEvent) -> None:
        if any(event.anchor == anchor for anchor, _ in self.path):
            problem = f"*{event.anchor} contains itself"
            raise LimitError(problem, event)
        size = self.sizes.get(event.anchor or "", 0)
        self.total, self.repeated = self.total + size, self.repeated + size
        if self.repeated > MAX_REPEATED:
            problem = f"aliases expand to more than {MAX_REPEATED} values"
            raise LimitError(problem, event)


def _events(text: str | bytes) -> Iterator[yaml.Event]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    yield from yaml.parse(text, Loader=loader)


_IN_PLAIN_WORDS = {
    "found character that cannot start any token": (
        "found a character that begins no value: indent with spaces, not tabs, and quote what begins with @"
    )
}


def _document_error(error: yaml.YAMLError) -> DocumentError:
    if not isinstance(error, yaml.MarkedYAMLError):
        return DocumentError(f"is not valid YAML ({' '.join(str(error).split())})")
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else None
    if isinstance(error, LimitError):
        return DocumentError(str(error.problem), line)
    problem = _IN_PLAIN_WORDS.get(error.problem or "", error.problem)
    reason = ", ".join(part for part in (error.context, problem) if part)
    column = f", column {mark.column + 1}" if mark else ""
    return DocumentError(f"is not valid YAML ({reason}{column})", line)


def _too_long(digits: str) -> str:
    return f"{digits[:20]}... is too large a number; at most 64 bits are read"


def _integer(digits: str) -> int:
    number = int(digits) if len(digits) <= 20 else MAX_INTEGER + 1
    if abs(number) > MAX_INTEGER:
        raise DocumentError(_too_long(digits))
    return number


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise DocumentError(f"the key {twice[:80]!r} appears twice")
    return content


def _check_depth(content: Any) -> None:
    level: list[Any] = [content] if isinstance(content, dict | list) else []
    for _ in range(MAX_DEPTH):
        inner = (node.values() if isinstance(node, dict) else node for node in level)
        level = [child for children in inner for child in children if isinstance(child, dict | list | tuple)]
        if not level:
            return
    raise DocumentError(_TOO_DEEP)
