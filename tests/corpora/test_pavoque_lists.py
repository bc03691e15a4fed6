from pathlib import Path

import pytest

from sercl.corpora.pavoque import Entry, read_list
from sercl.errors import CorpusError

GOOD = "- {prompt: m0001, text: Ja., style: sad, start: 1.5, end: 2}\n"


def read(folder: Path, text: str) -> tuple[list[Entry], list[tuple[int | None, str]]]:
    path = folder / "pavoque-sad.yaml"
    path.write_text(text, encoding="utf-8")
    entries, problems = read_list(path)
    return entries, [(problem.line, problem.reason) for problem in problems]


def test_an_entry_is_named_after_prompt_and_style(tmp_path: Path) -> None:
    entries, problems = read(tmp_path, GOOD)
    assert entries == [Entry("m0001", "sad", 1.5, 2.0, "Ja.")]
    assert (entries[0].name, problems) == ("m0001-sad", [])


def test_phone_segments_do_not_reach_the_fields_of_their_entry(tmp_path: Path) -> None:
    text = (
        "- prompt: m0001\n  segments:\n  - {lab: a, start: 9, end: 99, prompt: no}\n  - [1, [2]]\n"
        "  style: sad\n  start: 0\n  end: 1\n" + GOOD
    )
    entries, problems = read(tmp_path, text)
    assert [(entry.prompt, entry.start, entry.end, entry.text) for entry in entries] == [
        ("m0001", 0.0, 1.0, None),
        ("m0001", 1.5, 2.0, "Ja."),
    ]
    assert problems == []


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("- {prompt: m2, style: sad, start: 0}\n", "'end'"),
        ("- {prompt: '', style: sad, start: 0, end: 1}\n", "'prompt'"),
        ("- {prompt: m2, style: sad, start: -1, end: 1}\n", "not a valid time span"),
        ("- {prompt: m2, style: sad, start: 0, end: inf}\n", "not a valid time span"),
        ("- {prompt: m2, style: sad, start: 0, end: nan}\n", "not a valid time span"),
        ("- word\n", "'prompt'"),
        ("-\n", "'prompt'"),
    ],
)
def test_a_bad_entry_is_a_problem_of_its_line(tmp_path: Path, bad: str, reason: str) -> None:
    entries, problems = read(tmp_path, GOOD + bad + GOOD)
    assert len(entries) == 2
    ((line, said),) = problems
    assert line == 2
    assert reason in said
    assert "the utterance is lost" in said


def test_an_empty_list_has_no_entries(tmp_path: Path) -> None:
    assert read(tmp_path, "[]\n") == ([], [])
    assert read(tmp_path, "") == ([], [])


@pytest.mark.parametrize("text", ["prompt: m0001\n", "m0001\n", "- {\n", "- 'open\n"])
def test_what_is_no_list_is_an_error_with_its_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(CorpusError, match=r"pavoque-sad\.yaml: (expected a list|not readable as YAML)"):
        read(tmp_path, text)
