import csv
import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import soundfile

from sercl.cli.corpus import build_parser
from sercl.cli.help import unknown_flags
from sercl.cli.main import main
from sercl.cli.pages import CORPUS as PAGE
from sercl.corpora.base import Listing
from sercl.corpora.registry import CORPORA
from sercl.errors import SerclWarning
from sercl.testing.corpora import fake_corpus

# What each action must be given at least.
GIVEN = {
    "list": [],
    "inspect": ["EmoDB", "--root", "."],
    "manifest": ["EmoDB", "--root", ".", "--out", "a.csv"],
}


@pytest.fixture
def emodb(tmp_path: Path) -> Path:
    return fake_corpus("EmoDB", tmp_path / "emodb", speakers=2, per_emotion=2)


def _run(*words: object) -> int:
    return main(["corpus", *map(str, words)])


def test_list_names_every_corpus(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("list", "--json") == 0
    infos = json.loads(capsys.readouterr().out)
    assert [info["name"] for info in infos] == list(CORPORA)
    assert _run("list") == 0
    page = capsys.readouterr().out
    assert all(name in page for name in CORPORA)


def test_several_corpora_of_a_configuration_are_inspected(tmp_path, capsys):
    roots = {
        name: fake_corpus(name, tmp_path / name, speakers=2, per_emotion=2) for name in ("EmoDB", "RAVDESS")
    }
    own = "".join(
        f"\n      - {{class_path: {name}, init_args: {{root: {root}}}}}" for name, root in roots.items()
    )
    config = tmp_path / "run.yaml"
    config.write_text(f"seed_everything: 1\ndata:\n  class_path: Corpora\n  init_args:\n    corpora:{own}\n")
    assert _run("inspect", "-c", config, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["corpus"] == "EmoDB + RAVDESS"
    assert {name.split()[0] for name in found["speakers"]} == {"EmoDB", "RAVDESS"}
    assert found["utterances"] == sum(sum(own.values()) for own in found["speakers"].values())


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "a corpus is missing"),
        (["EmoDB"], "the root of EmoDB is missing: give EmoDB --root DIR"),
        (["EmoDB", "-c", "study.yaml"], "Leave NAME and its options out"),
        (["-c", "study.yaml"], "has no `data`"),
        (["-c", "pair.yaml"], "one corpus or Corpora"),
    ],
)
def test_what_names_no_corpus_is_refused(words, reason, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    side = "{class_path: EmoDB, init_args: {root: emodb}}"
    Path("study.yaml").write_text("study: {}\n")
    Path("pair.yaml").write_text(
        f"data: {{class_path: LanguagePair, init_args: {{source: {side}, target: {side}}}}}\n"
    )
    assert _run("inspect", *words) == 2
    assert reason in " ".join(capsys.readouterr().err.split())


def test_list_loads_no_torch() -> None:
    code = (
        "import sys; from sercl.cli.main import main; main(['corpus', 'list']); "
        "sys.exit('torch' in sys.modules or 'matplotlib' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0
    )


def test_inspect_prints_what_it_finds(emodb: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = sorted(emodb.rglob("*.wav"))[0]
    damaged.write_bytes(b"RIFF")
    assert _run("inspect", "emo-db", "--root", emodb) == 0
    text = capsys.readouterr().out
    assert text.startswith("EmoDB: 28 utterances, 2 speakers, de, ")
    assert "Problems: 1 unreadable" in text
    assert damaged.name in text
    assert "Known of the whole corpus: ten sentences, each spoken in every emotion" in text


def test_inspect_prints_json_and_nothing_else(emodb: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("inspect", "EmoDB", "--root", emodb, "--json") == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["speakers"].keys() == {"03", "08"}
    assert printed.err == ""


def test_inspect_writes_its_picture_and_data(emodb: Path, tmp_path: Path) -> None:
    picture, folder = tmp_path / "emodb.svg", tmp_path / "inspection"
    assert _run("inspect", "EmoDB", "--root", emodb, "--figure", picture, "--out", folder) == 0
    assert picture.read_text().startswith("<?xml")
    assert sorted(path.name for path in folder.iterdir()) == ["inspection.json", "inspection.png"]
    assert json.loads((folder / "inspection.json").read_text())["utterances"] == 28


def test_a_picture_format_is_refused_before_the_corpus_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("inspect", "EmoDB", "--root", tmp_path / "none", "--figure", "a.xyz") == 2
    assert "unknown picture format '.xyz'" in capsys.readouterr().err


@pytest.mark.parametrize(("flag", "name"), [("--out", "inspection"), ("--figure", "picture.png")])
def test_a_place_that_cannot_be_written_is_said_before_the_corpus_is_read(
    flag: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert _run("inspect", "EmoDB", "--root", tmp_path / "none", flag, tmp_path / "file" / name) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_a_manifest_is_written_and_inspected(
    emodb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / "emodb.csv"
    assert _run("manifest", "EmoDB", "--root", emodb, "--out", manifest) == 0
    assert capsys.readouterr().out == f"{manifest}: 28 utterances of EmoDB\n"
    with manifest.open(newline="", encoding="utf-8") as file:
        assert {row["speaker"] for row in csv.DictReader(file)} == {"03", "08"}
    assert _run("inspect", "manifest", "--root", manifest, "--options", "{corpus: Mine}", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["corpus"], found["utterances"]) == ("Mine", 28)


def test_a_manifest_leaves_nothing_out_unless_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "rows.csv"
    soundfile.write(tmp_path / "a.wav", [0.1] * 800, 8000)
    table.write_text("path,emotion\na.wav,sad\nb.wav,sad\n")
    out = tmp_path / "out.jsonl"
    assert _run("manifest", "Manifest", "--root", table, "--out", out) == 1
    message = capsys.readouterr().err
    assert "rows: 1 problem" in message
    assert "b.wav" in message
    assert "--on_error skip" in message
    assert not out.exists()
    assert _run("manifest", "Manifest", "--root", table, "--out", out, "--on_error", "skip") == 0
    assert "1 utterance of rows, 1 problem skipped" in capsys.readouterr().out
    assert len(out.read_text().splitlines()) == 1


def test_reader_options_reach_the_reader(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = fake_corpus("ESD", tmp_path, speakers=["0001", "0011"])
    assert _run("inspect", "ESD", "--root", root, "--options", "{language: en}", "--json") == 0
    assert json.loads(capsys.readouterr().out)["languages"].keys() == {"en"}


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["lst"], 2, "unknown corpus action 'lst'. Did you mean 'list'?"),
        (["inspect"], 2, "give NAME --root DIR, or -c FILE"),
        (["inspect", "EmoBD", "--root", "."], 2, "Did you mean 'EmoDB'"),
        (["inspect", "EmoDB", "--root", "nowhere"], 1, "no such folder"),
        (["inspect", "EmoDB", "--root", ".", "--options", "{language: en}"], 2, "unknown option of EmoDB"),
        (["inspect", "Manifest", "--root", "a.csv", "--options", "{lang: en}"], 2, "Did you mean 'language'"),
        (["inspect", "EmoDB", "--root", ".", "--jsn"], 2, "Did you mean --json"),
        (["manifest", "EmoDB", "--root", "."], 2, "missing: --out"),
        (["manifest", "EmoDB", "--root", ".", "--out", "a", "--on_error", "ignore"], 2, "'raise' or 'skip'"),
    ],
)
def test_wrong_usage_is_one_message(
    words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(*words) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_the_page_tells_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run() == 0
    page = capsys.readouterr().out
    assert all(flag in page for flag in PAGE.flags)
    unknown = set(PAGE.flags)
    for name, given in GIVEN.items():
        unknown &= set(unknown_flags(PAGE.flags, partial(_parse, name, given)))
    assert unknown == set()


def _parse(name: str, given: list[str], words: list[str]) -> object:
    return build_parser(name).parse_args([*given, *words])


@pytest.fixture
def odd_manifest(emodb: Path, tmp_path: Path) -> Path:
    """A manifest from a spreadsheet: UTF-16, semicolons, other column names, two labels that sercl lacks."""
    clips = sorted(emodb.rglob("*.wav"))[:8]
    labels = ["Unklar", "Furius", "contempt", "contempt", "Trauer", "Wut", "neutral", "Freude"]
    rows = [
        f"{clip};{label};0{place % 2}" for place, (clip, label) in enumerate(zip(clips, labels, strict=True))
    ]
    path = tmp_path / "odd.csv"
    path.write_bytes("\r\n".join(["Datei;Label;Wer", *rows]).encode("utf-16"))
    return path


ODD = ("--columns.path", "Datei", "--columns.emotion", "Label", "--columns.speaker", "Wer")
WORDS = ("--emotions", "{unklar: drop, Furius: angry}")


def test_inspect_goes_on_over_bad_labels(odd_manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("inspect", "Manifest", "--root", odd_manifest, *ODD, *WORDS) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "odd: 5 utterances, 2 speakers" in text
    assert "Problems: 2 with bad labels" in text
    assert "odd.csv:4: unknown emotion 'contempt' (2 rows in all)" in text
    assert "Dropped on request: Unklar 1" in text
    assert "--emotions '{contempt: angry}' (in a run: --data.emotions)" in text
    assert "sercl fit cannot train on it: 2 speakers (00, 01) cannot fill 5 folds." in text
    assert "may select different test speakers" not in text
    assert _run("inspect", "Manifest", "--root", odd_manifest, *ODD, *WORDS, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["dropped"], len(found["problems"])) == ({"Unklar": 1}, 2)
    (note,) = found["notes"]
    assert note.startswith("20 audio files below")
    assert "in no row of odd.csv" in note
    assert "in no row of odd.csv" in text


def test_a_manifest_of_a_manifest(
    odd_manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("manifest", "Manifest", "--root", odd_manifest, *ODD, *WORDS, "--out", tmp_path / "a.csv")
    assert _run(*words) == 1
    error = capsys.readouterr().err
    assert "unknown emotion 'contempt' (2 rows in all)" in error
    assert "Map labels, or drop them: --emotions" in error
    assert _run(*words, "--on_error", "skip") == 0
    assert "5 utterances of odd, 2 problems skipped, 1 dropped on request" in capsys.readouterr().out
    with (tmp_path / "a.csv").open(newline="") as file:
        assert sorted(row["emotion"] for row in csv.DictReader(file)) == [
            "angry",
            "angry",
            "happy",
            "neutral",
            "sad",
        ]


def test_an_inspection_of_nothing_is_a_failure(
    emodb: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sercl.cli.corpus.read_listing", lambda *_: ("EmoDB", Listing(())))
    assert _run("inspect", "EmoDB", "--root", emodb) == 1
    assert "EmoDB: no utterances found. Check the root folder" in capsys.readouterr().err


def test_columns_are_options_of_manifests_only(emodb: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("inspect", "EmoDB", "--root", emodb, *ODD) == 2
    assert "columns and emotions are options of Manifest, not of EmoDB" in capsys.readouterr().err


def test_inspect_warns_of_ids_that_corpora_share(
    emodb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = sorted(emodb.rglob("*.wav"))[:8]
    rows = [f"{clip},sad,0{place // 2 % 2},{'AB'[place % 2]}" for place, clip in enumerate(clips)]
    (tmp_path / "m.csv").write_text("\n".join(["path,emotion,speaker,corpus", *rows]))
    assert _run("inspect", "Manifest", "--root", tmp_path / "m.csv") == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "m: 8 utterances, 4 speakers" in text
    assert "Note: the speaker ids 00, 01 are in several corpora (A, B): treated as different people" in text


def test_an_unchanged_corpus_is_not_decoded_again(
    emodb: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    words = ["corpus", "inspect", "EmoDB", "--root", str(emodb), "--json"]
    assert main(words) == 0
    first = capsys.readouterr().out
    with monkeypatch.context() as patch:
        patch.setattr("sercl.audio.scan._decode_job", lambda _: pytest.fail("a file was decoded"))
        assert main(words) == 0
    assert capsys.readouterr().out == first


def test_a_cache_that_cannot_be_used_is_a_warning(
    emodb: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.warns(SerclWarning, match="results of audio checks are not cached"):
        assert main(["corpus", "inspect", "EmoDB", "--root", str(emodb), "--json"]) == 0
