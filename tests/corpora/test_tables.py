import io
import json
import tracemalloc
from collections import deque
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sercl.corpora.cells import clean, key_of
from sercl.corpora.tables import (
    SUFFIXES,
    TableRow,
    _lines,
    delimited_table,
    open_table,
    read_rows,
    read_table,
    table_suffix,
    write_rows,
)
from sercl.errors import CorpusNotFoundError, ManifestError, OutputError, UnknownNameError

words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8).filter(clean)
names = words.map(clean).filter(lambda word: not word.lower().startswith(("sep=", "unnamed", "__index")))


def rows_of(path: Path, content: str) -> list[TableRow]:
    path.write_bytes(content.encode())
    return read_rows(path)


@pytest.mark.parametrize("name", ["a.CSV", "a.b.tsv", "x.jsonl", "dir.csv/y.Parquet"])
def test_the_suffix_decides_in_any_case(name: str) -> None:
    assert table_suffix(Path(name)) == Path(name).suffix.lower()


@pytest.mark.parametrize("name", ["a.xlsx", "table", ".csv"])
def test_another_suffix_is_refused(name: str) -> None:
    with pytest.raises(UnknownNameError, match=r"table format .*Valid: \.csv, \.tsv, \.jsonl, \.parquet"):
        table_suffix(Path(name))


def test_lines_are_counted_over_blank_lines_and_line_breaks_in_cells(tmp_path: Path) -> None:
    found = rows_of(tmp_path / "a.csv", 'id,text\r\n\r\na,"one\ntwo"\r\n  ,  \r\nb,x\r\n')
    assert found == [TableRow(3, {"id": "a", "text": "one\ntwo"}), TableRow(6, {"id": "b", "text": "x"})]


def test_empty_cells_are_left_out_and_names_are_stripped(tmp_path: Path) -> None:
    assert rows_of(tmp_path / "a.tsv", "\ufeff id \tx\nu\t\n") == [TableRow(2, {"id": "u"})]
    assert rows_of(tmp_path / "a.jsonl", '{"id": "u", "x": null, "y": "", "z": NaN}') == [
        TableRow(1, {"id": "u"})
    ]


def test_rows_of_text_alone_need_no_file() -> None:
    found = delimited_table(Path("shown.txt"), "a|b\n1|2\n", "|").rows
    assert found == (TableRow(2, {"a": "1", "b": "2"}),)
    with pytest.raises(ManifestError, match=r"^shown\.txt:2: 1 cells, but the header has 2 columns"):
        delimited_table(Path("shown.txt"), "a|b\n1\n", "|")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "", "has no rows"),
        ("a.csv", "a,b\n", "has no rows"),
        ("a.jsonl", "\n\n", "has no rows"),
        ("a.csv", "a,a\n1,2\n", r":1: column 'a' appears twice"),
        ("a.csv", "a,A \n1,2\n", r":1: column 'A' appears twice \(as 'a', too\)"),
        ("a.csv", "a,\u00e9,e\u0301\n1,2,3\n", r":1: column .* appears twice"),
        ("a.jsonl", '{"a": 1, "a": 2}\n', r":1: column 'a' appears twice"),
        ("a.jsonl", '{"a": 1, "A": 2}\n', r":1: column 'A' appears twice"),
        ("a.csv", "a,\n1,2\n", r":2: column 2 has no name"),
        ("a.csv", "a,b\n1,2,3\n", r":2: 3 cells"),
        ("a.csv", 'a,b\n1,"2\n', r":2: not readable .*quotation marks"),
        ("a.jsonl", '{"a": 1}\n{"a"\n', r":2: is not valid JSON"),
        ("a.jsonl", "3\n", r":1: '3' is not a JSON object"),
        ("a.parquet", "PAR1", "not readable as Parquet"),
    ],
)
def test_a_bad_table_is_named_with_its_line(tmp_path: Path, name: str, content: str, said: str) -> None:
    with pytest.raises(ManifestError, match=said):
        rows_of(tmp_path / name, content)


def test_text_whose_encoding_cannot_be_recognised_and_absent_files(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("a,b\n\u0437\u043b\u043e\u0439,1\n".encode("cp1251"))
    with pytest.raises(ManifestError, match=r"a\.csv: not UTF-8 \(byte 4\).*iconv"):
        read_rows(tmp_path / "a.csv")
    with pytest.raises(CorpusNotFoundError, match="no such file"):
        read_rows(tmp_path / "b.csv")


@pytest.mark.parametrize(
    "content",
    [
        "a,b\n1,x;y\n",
        "a;b\n1;x;\n",
        "a\tb\r\n1\tx\r\n",
        "a|b\n1|x\n",
        "sep=;\na;b\n1;x\n",
        ",a,b\n0,1,x\n",
        "Unnamed: 0,a,b,,\n0,1,x,,\n",
        "a,b\n1,x,,\n",
    ],
)
def test_dialects_of_spreadsheets_are_read(tmp_path: Path, content: str) -> None:
    (row,) = rows_of(tmp_path / "a.csv", content)
    assert row.cells["a"] == "1"
    assert str(row.cells["b"]).startswith("x")
    assert set(row.cells) == {"a", "b"}


def test_the_wanted_columns_tell_the_delimiter(tmp_path: Path) -> None:
    text = "path;emotion\tx\ty\n1;sad\t0\t0\n"
    (tmp_path / "a.csv").write_text(text)
    assert read_table(tmp_path / "a.csv").delimiter == "\t"
    assert read_table(tmp_path / "a.csv", ("path",)).delimiter == ";"


def test_the_index_of_a_parquet_file_is_left_out(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.parquet", ["a", "__index_level_0__"], [{"a": "1", "__index_level_0__": 7}])
    assert read_rows(tmp_path / "a.parquet") == [TableRow(1, {"a": "1"})]


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    columns=st.lists(names, min_size=1, max_size=3, unique_by=key_of),
    cells=st.lists(st.lists(words, min_size=3, max_size=3), min_size=1, max_size=4),
)
def test_what_is_written_is_read_back(
    tmp_path: Path, suffix: str, columns: list[str], cells: list[list[str]]
) -> None:
    rows = [dict(zip(columns, row, strict=False)) for row in cells]
    rows.append({columns[0]: "last"})  # the others stay empty
    if suffix in (".csv", ".tsv") and any(not any(cell.strip() for cell in row.values()) for row in rows):
        return  # a row of blanks alone reads as a blank line
    write_rows(tmp_path / f"a{suffix}", columns, rows)
    assert [dict(row.cells) for row in read_rows(tmp_path / f"a{suffix}")] == rows


def test_json_lines_keep_numbers_and_scripts(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.jsonl", ["n", "t"], [{"n": 1.5, "t": "你好"}])
    assert (tmp_path / "a.jsonl").read_text(encoding="utf-8") == '{"n": 1.5, "t": "你好"}\n'
    assert json.loads((tmp_path / "a.jsonl").read_text(encoding="utf-8"))["n"] == 1.5


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_place_that_cannot_be_written_is_an_output_error(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        write_rows(tmp_path / "file" / f"a{suffix}", ["a"], [{"a": "1"}])


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_blanks_before_quotation_marks_are_of_no_account(tmp_path: Path, delimiter: str) -> None:
    text = '"path", "emotion", "text"\n"a", "sad", "one, two"\n'
    (tmp_path / "a.csv").write_text(text.replace(",", delimiter))
    (row,) = read_rows(tmp_path / "a.csv")
    assert row.cells == {"path": "a", "emotion": "sad", "text": f"one{delimiter} two"}


def test_formulas_that_keep_a_number_a_text_are_that_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('a,b\n="03","=""03"""\n')
    assert read_rows(tmp_path / "a.csv")[0].cells == {"a": "03", "b": "03"}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_line_ends_of_any_system(tmp_path: Path, end: str, name: str) -> None:
    lines = ["sep=;", "a;b", "1;2", "3;4", ""] if name == "a.csv" else ['{"a": "1"}', '{"a": "3"}', "", ""]
    (tmp_path / name).write_bytes(end.join(lines).encode())
    rows = read_rows(tmp_path / name)
    assert [row.cells["a"] for row in rows] == ["1", "3"]
    assert rows[1].line - rows[0].line == 1


@pytest.mark.parametrize(
    ("start", "said"),
    [(b"PAR1\0PAR1", "Parquet"), (b"PK\3\4", "spreadsheet"), (b"\x1f\x8b\0", "gunzip")],
)
def test_what_is_no_text_is_called_by_its_name(tmp_path: Path, start: bytes, said: str) -> None:
    (tmp_path / "a.csv").write_bytes(start)
    with pytest.raises(ManifestError, match=rf"a\.csv: not text, but .*{said}"):
        read_table(tmp_path / "a.csv")
    with pytest.raises(CorpusNotFoundError, match="is a folder, not a table"):
        read_table(tmp_path)


@given(st.text(st.sampled_from('a,"\n\r\u2028\x0b\x85'), max_size=12))
def test_lines_are_those_of_a_text_file(text: str) -> None:
    assert list(_lines(text)) == list(io.StringIO(text, newline=""))


def peak_of(work: Callable[[], object]) -> int:
    """Return the bytes that Python objects take at most during some work."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_rows_of_an_open_table_are_not_kept(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write_rows(path, ["path", "speaker"], [{"path": f"{n:05d}.wav", "speaker": f"s{n}"} for n in range(4000)])
    whole = read_rows(path)
    assert list(open_table(path).rows) == whole
    streamed = peak_of(lambda: deque(open_table(path).rows, maxlen=1))
    assert streamed < 0.4 * peak_of(lambda: read_rows(path))


def test_a_bad_row_is_an_error_when_it_is_reached(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n3\n")
    rows = open_table(tmp_path / "a.csv").rows
    assert next(rows) == TableRow(2, {"a": "1", "b": "2"})
    with pytest.raises(ManifestError, match=r"a\.csv:3: 1 cells, but the header has 2 columns"):
        next(rows)


def test_empty_columns_are_columns_where_the_format_has_a_header(tmp_path: Path) -> None:
    for suffix in SUFFIXES:
        write_rows(tmp_path / f"a{suffix}", ["b", "a"], [{"a": "1"}])
        columns = ("a",) if suffix == ".jsonl" else ("b", "a")
        assert read_table(tmp_path / f"a{suffix}").columns == columns
    assert open_table(tmp_path / "a.jsonl").columns is None


def test_columns_of_parquet_that_stand_twice_are_named(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [pa.array(["x"]).dictionary_encode()] * 2
    for first, second in (("a", "a"), ("a", "A ")):
        pq.write_table(pa.Table.from_arrays(columns, names=[first, second]), tmp_path / "a.parquet")
        with pytest.raises(ManifestError, match=r"a\.parquet:1: column .* appears twice"):
            read_table(tmp_path / "a.parquet")
