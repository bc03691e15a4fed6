import csv
import io
import json
import re
import tracemalloc
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sercl.corpora.base import Segment, Utterance
from sercl.corpora.cells import clean, key_of, prose_of, word_of
from sercl.corpora.labels import EMOTIONS
from sercl.corpora.manifest import COLUMNS, ManifestColumns, apart, read_manifest, write_manifest
from sercl.corpora.normal_form import unified
from sercl.corpora.tables import read_rows, write_rows
from sercl.errors import CorpusNotFoundError, ManifestError, OutputError, UnknownNameError

FORMATS = ("csv", "tsv", "jsonl", "parquet")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "wav").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / "wav" / f"{name}.wav").touch()
    return tmp_path


def write(folder: Path, text: str, name: str = "mine.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_two_columns_are_enough(folder: Path) -> None:
    listing = read_manifest(write(folder, "path,emotion\nwav/b.wav,anger\nwav/a.wav,Joy\n"))
    assert listing.problems == ()
    assert listing.utterances == (
        Utterance("a", folder / "wav/a.wav", "happy", "mine"),
        Utterance("b", folder / "wav/b.wav", "angry", "mine"),
    )


def test_every_column_is_read(folder: Path) -> None:
    text = (
        "\ufeffPath\temotion\tid\tstart\tend\tspeaker\tgender\tlanguage\tdialect\ttext\tsplit\tsegments\troom\n"
        "wav/a.wav\tsad\tu1\t1\t2.5\tS7\tfemale\tzh\ttianjin\t你好\tdev\t"
        '"[{""emotion"": ""sadness"", ""start"": 0, ""end"": 0.5}]"\tkitchen\n'
    )
    (utterance,) = read_manifest(write(folder, text, "tjd.tsv"), corpus="TJD").utterances
    assert utterance == Utterance(
        "u1",
        folder / "wav/a.wav",
        "sad",
        "TJD",
        language="zh",
        speaker="S7",
        gender="female",
        start=1.0,
        end=2.5,
        text="你好",
        dialect="tianjin",
        split="validation",
        segments=(Segment(0.0, 0.5, "sad"),),
        extra={"room": "kitchen"},
    )


def test_json_lines_keep_lists_and_numbers(folder: Path) -> None:
    row = {"path": "wav/a.wav", "emotion": "sad", "speaker": 7, "start": 0.25, "dialect": None}
    row["segments"] = [{"emotion": "sad", "start": 0, "end": 1}]
    (utterance,) = read_manifest(write(folder, "\n" + json.dumps(row) + "\n", "m.jsonl")).utterances
    assert (utterance.speaker, utterance.start, utterance.dialect) == ("7", 0.25, None)
    assert utterance.segments == (Segment(0.0, 1.0, "sad"),)


def test_the_language_is_a_default_only(folder: Path) -> None:
    text = "path,emotion,language\nwav/a.wav,sad,de\nwav/b.wav,sad,\n"
    assert [item.language for item in read_manifest(write(folder, text), language="fr").utterances] == [
        "de",
        "fr",
    ]


def test_repeated_stems_get_their_path_as_id(folder: Path) -> None:
    (folder / "b").mkdir()
    (folder / "b" / "a.wav").touch()
    text = "path,emotion\nwav/a.wav,sad\nb/a.wav,sad\nwav/c.wav,sad\n"
    assert [item.id for item in read_manifest(write(folder, text)).utterances] == ["b/a", "c", "wav/a"]


def test_a_missing_file_is_a_problem_and_not_a_gap(folder: Path) -> None:
    listing = read_manifest(write(folder, "path,emotion\nwav/a.wav,sad\nwav/z.wav,sad\n"))
    assert [item.id for item in listing.utterances] == ["a"]
    (problem,) = listing.problems
    assert (problem.kind, problem.path) == ("missing", folder / "wav/z.wav")
    assert "mine.csv:3" in problem.reason


@pytest.mark.parametrize(
    ("text", "line", "kind", "message"),
    [
        ("path,emotion\nwav/a.wav,angri\n", 2, "label", r"unknown emotion 'angri'. Did you mean 'angry'"),
        ("path,emotion\nwav/b.wav,sad\n\nwav/a.wav,\n", 4, "label", r"no emotion"),
        ("path,emotion\nwav/b.wav,sad\n\nwav/a.wav,NaN\n", 4, "label", r"no emotion"),
        ("path,emotion,start\nwav/a.wav,sad,soon\n", 2, "row", r"start 'soon' is not a time. Give seconds"),
        ("path,emotion,start\nwav/a.wav,sad,-1\n", 2, "row", r"start '-1' is not a time"),
        ("path,emotion,end\nwav/a.wav,sad,inf\n", 2, "row", r"end 'inf' is not a time"),
        ("path,emotion,start,end\nwav/a.wav,sad,2,2\n", 2, "row", r"end 2.0 s is not after start 2.0 s"),
        ("path,emotion,split\nwav/a.wav,sad,tset\n", 2, "row", r"unknown split 'tset'. Did you mean 'test'"),
        ("path,emotion,segments\nwav/a.wav,sad,x\n", 2, "row", r"segments 'x' is not valid JSON"),
        ("path,emotion,segments\nwav/a.wav,sad,3\n", 2, "row", r"segments '3' is not a list"),
        ("path,emotion,segments\nwav/a.wav,sad,[3]\n", 2, "row", r"segment 3 needs exactly emotion"),
        (
            "path,emotion,language\nwav/a.wav,sad,xx\n",
            2,
            "row",
            r"unknown language 'xx'. Give an ISO 639-1 code",
        ),
        ("emotion,path,text\nsad,,x\nsad,wav/a.wav,x\n", 2, "row", r"the cell 'path' is empty"),
        ('path,emotion,text\nwav/a.wav,sad,"one\ntwo"\nwav/b.wav,x,y\n', 4, "label", r"unknown emotion 'x'"),
        ("path,emotion\nwav/a.wav,sad\nwav/a.wav,sad\n", 3, "duplicate", r"a second row for a"),
        (
            "path,emotion\nwav/a.wav,sad\nwav/a.wav,angry\n",
            3,
            "label",
            r"'angry' here but 'sad' in an earlier row",
        ),
    ],
)
def test_a_bad_row_is_a_problem_of_its_line(
    folder: Path, text: str, line: int, kind: str, message: str
) -> None:
    path = write(folder, text)
    listing = read_manifest(path)
    (problem,) = listing.problems
    assert (problem.path, problem.line, problem.kind) == (path, line, kind)
    assert re.search(message, problem.reason)
    assert len(listing.utterances) == len(read_rows(path)) - 1


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("path,emotion\nwav/a.wav,sad\nwav/b.wav\n", 3, r"1 cells, but the header has 2 columns"),
        ("path,emotion,path\nwav/a.wav,sad,x\n", 1, r"column 'path' appears twice"),
        ("path,emotion,speaker,Speaker \nwav/a.wav,sad,x,y\n", 1, r"column 'Speaker' appears twice"),
        ("path,emotion,room,Room\nwav/a.wav,sad,x,y\n", 1, r"column 'Room' appears twice \(as 'room', too\)"),
        ("path,emotion,\nwav/a.wav,sad,x\n", 2, r"column 3 has no name"),
        (
            'path,emotion,text\nwav/a.wav,sad,"never closed\nwav/b.wav,sad,y\n',
            2,
            r"Check the quotation marks",
        ),
        (
            "file,emotion\nwav/a.wav,sad\n",
            None,
            r"no column 'path'; found: emotion, file.*columns\.path NAME",
        ),
        ("file,label\nwav/a.wav,sad\n", None, r"no columns 'path' and 'emotion'; found: file, label"),
        ("path,emotion\n", None, r"has no rows"),
        ("", None, r"has no rows"),
    ],
)
def test_a_bad_table_names_file_line_and_cure(
    folder: Path, text: str, line: int | None, message: str
) -> None:
    path = write(folder, text)
    with pytest.raises(ManifestError, match=message) as caught:
        read_manifest(path)
    assert caught.value.line == line
    assert str(caught.value).startswith(f"{path}:{line}: " if line else f"{path}: ")


def test_bad_json_lines(folder: Path) -> None:
    good = '{"path": "wav/a.wav", "emotion": "sad"}\n'
    with pytest.raises(ManifestError, match=r"m\.jsonl:2: is not valid JSON"):
        read_manifest(write(folder, good + "{\n", "m.jsonl"))
    for odd in ("1" * 5000, "[" * 9000 + "]" * 9000):
        with pytest.raises(ManifestError, match=r"m\.jsonl:1: .*(too large a number|levels deep)"):
            read_manifest(write(folder, f'{{"path": "a", "x": {odd}}}\n', "m.jsonl"))
    with pytest.raises(ManifestError, match=r"m\.jsonl:1: '\[1\]' is not a JSON object"):
        read_manifest(write(folder, "[1]\n", "m.jsonl"))
    event = '{"path": "wav/a.wav", "emotion": "sad", "segments": [{"emotion": "sad", "start": 2, "end": 1}]}'
    (problem,) = read_manifest(write(folder, event, "m.jsonl")).problems
    assert "end 1.0 s is not after start 2.0 s" in problem.reason


def test_files_that_are_no_manifest(folder: Path) -> None:
    with pytest.raises(CorpusNotFoundError, match="no such file"):
        read_manifest(folder / "absent.csv")
    with pytest.raises(UnknownNameError, match=r"unknown table format '.xlsx'.*\.parquet"):
        read_manifest(folder / "table.xlsx")
    (folder / "russian.csv").write_bytes("path,emotion\nzлой.wav,sad\n".encode("cp1251"))
    with pytest.raises(ManifestError, match="not UTF-8"):
        read_manifest(folder / "russian.csv")
    (folder / "no.parquet").write_bytes(b"path,emotion\n")
    with pytest.raises(ManifestError, match="not readable as Parquet"):
        read_manifest(folder / "no.parquet")


words = (
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).map(clean).filter(prose_of).filter(word_of)
)
names = words.map(lambda word: str(word_of(word)))
seconds = st.floats(0, 100, allow_subnormal=False)
events = st.builds(
    lambda start, length, emotion: Segment(start, start + length, emotion),
    seconds,
    st.floats(0.01, 10),
    st.sampled_from(EMOTIONS),
)
extras = st.dictionaries(words.filter(lambda word: key_of(word) not in COLUMNS), words, max_size=2).filter(
    lambda extra: len(set(map(key_of, extra))) == len(extra)
)


@st.composite
def utterances(draw: st.DrawFn, folder: Path) -> list[Utterance]:
    ids = draw(st.lists(names, unique=True, min_size=1, max_size=3))
    found, _ = unified([draw(utterance(name, folder)) for name in sorted(ids)])
    return list(apart(found, folder).utterances)


def utterance(name: str, folder: Path) -> st.SearchStrategy[Utterance]:
    return st.builds(
        Utterance,
        id=st.just(name),
        path=st.sampled_from([folder / "wav" / "a.wav", Path(__file__).absolute()]),
        emotion=st.sampled_from(EMOTIONS),
        corpus=names,
        language=st.sampled_from(["und", "de"]),
        speaker=st.none() | names,
        gender=st.sampled_from([None, "female", "divers"]),
        start=st.none() | seconds,
        end=st.none() | st.floats(101, 1000),
        text=st.none() | words,
        dialect=st.none() | names,
        session=st.none() | names,
        split=st.sampled_from([None, "train", "validation", "test"]),
        segments=st.lists(events, max_size=2).map(tuple),
        extra=extras,
    )


@pytest.mark.parametrize("suffix", FORMATS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_written_manifest_reads_back_unchanged(folder: Path, suffix: str, data: st.DataObject) -> None:
    items = data.draw(utterances(folder))
    write_manifest(items, folder / f"out.{suffix}")
    listing = read_manifest(folder / f"out.{suffix}")
    assert listing.utterances == tuple(items)
    assert listing.problems == ()


def test_paths_below_the_folder_are_written_relative_to_it(folder: Path) -> None:
    item = Utterance("a", folder / "wav" / "a.wav", "sad", "mine")
    write_manifest([item], folder / "out.csv")
    assert (folder / "out.csv").read_text() == "id,path,emotion,corpus,language\na,wav/a.wav,sad,mine,und\n"


def test_what_could_not_be_read_back_is_refused(folder: Path) -> None:
    item = Utterance("a", folder / "wav" / "a.wav", "sad", "mine", extra={"Speaker": "x"})
    with pytest.raises(ManifestError, match="extra 'Speaker' cannot be a column name"):
        write_manifest([item], folder / "out.csv")
    with pytest.raises(ManifestError, match="two utterances have the id 'a'"):
        write_manifest([item, item], folder / "out.csv")
    with pytest.raises(UnknownNameError, match="unknown table format"):
        write_manifest([], folder / "out.txt")
    assert not (folder / "out.csv").exists()


def test_a_file_name_that_is_no_text_is_refused(folder: Path) -> None:
    item = Utterance("a", folder / "caf\udce9.wav", "sad", "mine")
    with pytest.raises(ManifestError, match=r"1 file names are not UTF-8 text.*caf\\udce9\.wav'\. Rename"):
        write_manifest([item], folder / "out.csv")
    assert not (folder / "out.csv").exists()


def test_an_unwritable_place_is_an_output_error(folder: Path) -> None:
    (folder / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write_manifest([Utterance("a", folder / "a.wav", "sad", "mine")], folder / "file" / "out.csv")


# One table in all its dialects and encodings.

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be")
people = st.sampled_from(
    ["Anna", "Jos\u00e9", "\u5f20\u4e09", "\u0410\u043d\u043d\u0430", "o; neill", "a,b", 'say "x"', "3"]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cells=st.lists(
        st.tuples(people, st.sampled_from(["sad", "\u751f\u6c14", "\u00c4rger"])), min_size=3, max_size=3
    ),
    encoding=st.sampled_from(ENCODINGS),
    delimiter=st.sampled_from(",;\t|"),
    suffix=st.sampled_from(["csv", "tsv"]),
    end=st.sampled_from(["\n", "\r\n"]),
    index=st.booleans(),
    decoy=st.sampled_from(["", "sep", "trailing"]),
    apart=st.booleans(),
)
def test_a_table_is_the_same_in_every_dialect(
    folder: Path,
    cells: list[tuple[str, str]],
    encoding: str,
    delimiter: str,
    suffix: str,
    end: str,
    index: bool,
    decoy: str,
    apart: bool,
) -> None:
    rows = [["path", "emotion", "speaker", "start"]]
    rows += [
        [f"wav/{name}.wav", emotion, who, "0.5"] for name, (who, emotion) in zip("abc", cells, strict=True)
    ]
    plain = read_manifest(write(folder, table_text(rows, ",", "\n"), "t.csv")).utterances
    if index:
        rows = [[str(place - 1) if place else "", *row] for place, row in enumerate(rows)]
    if decoy == "trailing":
        rows = [[*row, ""] for row in rows]
    if delimiter != ",":
        rows = [[cell.replace("0.5", "0,5") for cell in row] for row in rows]
    text = table_text(rows, delimiter, end)
    text = f"sep={delimiter}{end}{text}" if decoy == "sep" else text
    text = unicodedata.normalize("NFD", text) if apart else text
    (folder / f"t.{suffix}").write_bytes(text.encode(encoding))
    found = read_manifest(folder / f"t.{suffix}")
    assert found.problems == ()
    assert found.utterances == plain


def table_text(rows: list[list[str]], delimiter: str, end: str) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows(rows)
    return text.getvalue()


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "path;emotion;speaker\r\nwav/a.wav;\u00c4rger;J\u00f6rg\r\n"),
        ("gb18030", "path,emotion,speaker\nwav/a.wav,\u751f\u6c14,\u5f20\u4e09\n"),
    ],
)
def test_older_encodings_that_leave_no_doubt(folder: Path, encoding: str, text: str) -> None:
    (folder / "t.csv").write_bytes(text.encode(encoding))
    (item,) = read_manifest(folder / "t.csv").utterances
    assert item.emotion == "angry"
    assert item.speaker in ("J\u00f6rg", "\u5f20\u4e09")


# Columns and labels of other names.


def test_columns_and_labels_of_other_names(folder: Path) -> None:
    text = "file;label;Speaker_ID;emotion\nwav/a.wav;Furius;7;1\nwav/b.wav;unklar;8;2\nwav/c.wav;sad;9;3\n"
    listing = read_manifest(
        write(folder, text),
        columns=ManifestColumns(path="file", emotion="label", speaker="speaker_id"),
        emotions={"furius": "angry", "Unklar": "drop"},
    )
    assert [(item.id, item.emotion, item.speaker, item.extra) for item in listing.utterances] == [
        ("a", "angry", "7", {}),
        ("c", "sad", "9", {}),
    ]
    assert listing.problems == ()
    assert listing.dropped == {"unklar": 1}
    assert listing.notes == ("column 'emotion' of mine.csv is not read: another column was given for it",)


def test_a_column_of_json_may_be_named_in_any_row_and_case(folder: Path) -> None:
    rows = [
        {"path": "wav/a.wav", "Label": "sad"},
        {"path": "wav/b.wav", "label": "angry", "emotion": "sad", "Room": 1},
    ]
    path = write(folder, "".join(json.dumps(row) + "\n" for row in rows), "m.jsonl")
    listing = read_manifest(path, columns=ManifestColumns(emotion="LABEL"))
    assert [(item.emotion, item.extra) for item in listing.utterances] == [
        ("sad", {}),
        ("angry", {"Room": "1"}),
    ]
    assert listing.notes == ("column 'emotion' of m.jsonl is not read: another column was given for it",)
    with pytest.raises(ManifestError, match=r"no column 'emotion'; found: Label, Room, emotion, label, path"):
        read_manifest(path, columns=ManifestColumns(emotion="label", text="LABEL"))
    with pytest.raises(UnknownNameError, match=r"speaker column of m\.jsonl 'who'"):
        read_manifest(path, columns=ManifestColumns(speaker="who"))


def test_a_column_without_any_label_is_there(folder: Path) -> None:
    write_rows(folder / "m.parquet", ["path", "emotion"], [{"path": "wav/a.wav"}])
    write(folder, "path,emotion\nwav/a.wav,\n", "m.csv")
    for name in ("m.csv", "m.parquet"):
        (problem,) = read_manifest(folder / name).problems
        assert "no emotion" in problem.reason


def test_a_named_column_that_is_not_there(folder: Path) -> None:
    with pytest.raises(
        UnknownNameError, match=r"speaker column of mine\.csv 'spaeker'. Did you mean 'speaker'"
    ):
        read_manifest(
            write(folder, "path,emotion,speaker\nwav/a.wav,sad,x\n"),
            columns=ManifestColumns(speaker="spaeker"),
        )


# Who is who.


def test_manifests_joined_by_hand_keep_their_speakers_apart(folder: Path) -> None:
    rows = ("a.wav,sad,03,EmoDB,1", "b.wav,sad,03,RAVDESS,1", "c.wav,sad,4,emodb ,3")
    text = "path,emotion,speaker,corpus,id\n" + "".join(f"wav/{row}\n" for row in rows)
    listing = read_manifest(write(folder, text))
    assert [(item.id, item.corpus, item.speaker) for item in listing.utterances] == [
        ("3", "EmoDB", "EmoDB 4"),
        ("a", "EmoDB", "EmoDB 03"),
        ("b", "RAVDESS", "RAVDESS 03"),
    ]
    assert any("ids 03 are in several corpora" in note for note in listing.notes)
    assert any("2 rows share their id" in note for note in listing.notes)
    named = read_manifest(folder / "mine.csv", corpus="both").utterances
    assert [(item.corpus, item.speaker) for item in named] == [
        ("both", "EmoDB 4"),
        ("both", "EmoDB 03"),
        ("both", "RAVDESS 03"),
    ]


def test_reading_takes_little_more_memory_than_the_listing(folder: Path) -> None:
    names = [f"wav/{number:04d}.wav" for number in range(4000)]
    for name in names:
        (folder / name).touch()
    path = write(folder, "path,emotion,speaker\n" + "".join(f"{name},sad,{name[4:6]}\n" for name in names))
    tracemalloc.start()
    try:
        listing = read_manifest(path)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(listing.utterances) == len(names)
    assert peak < 1.5 * kept  # 1.8 with all rows, and all utterances with and without ids, at the same time


def test_parts_of_a_file_need_no_id(folder: Path) -> None:
    text = "path,emotion,start,end\nwav/a.wav,sad,0,1\nwav/a.wav,angry,1,2.5\nwav/b.wav,sad,,\n"
    assert [item.id for item in read_manifest(write(folder, text)).utterances] == ["a@0-1", "a@1-2_5", "b"]


def test_a_missing_file_of_another_machine_is_explained(folder: Path) -> None:
    listing = read_manifest(write(folder, "path,emotion\nwav/a.wav,sad\nC:\\data\\x.wav,sad\n"))
    (problem,) = listing.problems
    assert problem.kind == "missing"
    assert "'C:\\\\data\\\\x.wav' is an absolute path of a Windows machine" in str(problem)


def test_numbers_as_labels_are_the_numbers_of_the_map(folder: Path) -> None:
    text = "path,emotion\nwav/a.wav,3.0\nwav/b.wav,3\nwav/c.wav,4.0\n"
    found = read_manifest(write(folder, text), emotions={"3": "sad", "4.0": "angry"}).utterances
    assert [item.emotion for item in found] == ["sad", "sad", "angry"]


@pytest.mark.parametrize("cell", ["nan", "None", "-", "."])
def test_a_path_that_says_nothing_is_empty(folder: Path, cell: str) -> None:
    (problem,) = read_manifest(write(folder, f"path,emotion\nwav/a.wav,sad\n{cell},sad\n")).problems
    assert (problem.kind, problem.line) == ("row", 3)
    assert "'path' is empty" in problem.reason


def test_a_folder_in_place_of_a_file_is_called_so(folder: Path) -> None:
    (problem,) = read_manifest(write(folder, "path,emotion\nwav/a.wav,sad\nwav,sad\n")).problems
    assert "a folder, not a file" in str(problem)


def test_a_link_to_a_manifest_leads_to_its_audio(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path, elsewhere = (
        write(folder, "path,emotion\nwav/a.wav,sad\nwav/b.wav,sad\n"),
        tmp_path_factory.mktemp("x"),
    )
    (elsewhere / "m.csv").symlink_to(path)
    assert [item.path for item in read_manifest(elsewhere / "m.csv").utterances] == [
        folder / "wav/a.wav",
        folder / "wav/b.wav",
    ]
    (elsewhere / "wav").mkdir()
    (elsewhere / "wav" / "a.wav").touch()
    first, _ = read_manifest(elsewhere / "m.csv").utterances
    assert first.path == elsewhere / "wav/a.wav"


def test_a_manifest_below_the_home_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    write(folder, "path,emotion\nwav/a.wav,sad\n")
    assert [item.path for item in read_manifest("~/mine.csv").utterances] == [folder / "wav/a.wav"]
    with pytest.raises(CorpusNotFoundError, match="no such file"):
        read_manifest("~nobody-of-this-name/mine.csv")
