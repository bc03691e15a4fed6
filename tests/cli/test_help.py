import shlex
from argparse import Action

import pytest
from rich.console import Console

from sercl.cli import option_table
from sercl.cli.commands import COMMANDS, EXAMPLES
from sercl.cli.help import ShortPage, render

PAGE = ShortPage(
    "probe",
    usage="FILE [OPTIONS]",
    summary="Probe a file.",
    arguments=(("FILE", "What is probed"),),
    options=(("-c, --config FILE", "YAML"), ("--format csv|json", "How it is written")),
    examples=(("A long one", "sercl probe " + " ".join(f"--option{number} value" for number in range(9))),),
    more="--help-all lists every option.",
)


def shown(page: ShortPage, width: int = 100) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(render(page), crop=False)
    return capture.get()


def test_a_page_shows_all_its_parts() -> None:
    text = shown(PAGE)
    for part in ("sercl probe FILE", "Probe a file.", "What is probed", "--format csv|json", "--help-all"):
        assert part in text


def test_flags_are_the_long_ones() -> None:
    assert PAGE.flags == ("--config", "--format")


def test_a_long_example_can_be_copied_as_one_command() -> None:
    lines = shown(PAGE, width=80).splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("  sercl probe"))
    end = next(number for number in range(start, len(lines)) if not lines[number].endswith("\\"))
    command = " ".join(line.rstrip("\\").strip() for line in lines[start : end + 1])
    assert end > start
    assert command == PAGE.examples[0][1]


def all_pages() -> list[ShortPage]:
    return [command.page for command in COMMANDS.values()]


@pytest.mark.parametrize("width", [40, 60, 79, 80, 200])
def test_what_is_copied_is_the_command(width: int) -> None:
    for page in all_pages():
        lines = [line.rstrip() for line in shown(page, width).splitlines()]
        copied = "\n".join(lines).replace("\\\n", " ")
        words = [shlex.split(line) for line in copied.splitlines() if line.startswith("  sercl ")]
        assert words == [shlex.split(command) for _, command in page.examples]
        shell = lines[lines.index("Examples") + 1 :] if page.examples else []
        shell = shell[: shell.index("")] if "" in shell else shell
        assert all(line.startswith(("  sercl ", "  # ", "      ")) for line in shell), (
            "comments stay comments"
        )
        longest = max(len(word) for _, command in page.examples for word in command.split())
        lines = [line for line in lines if page.file is None or line.strip() not in page.file[1]]
        assert max(map(len, lines)) <= max(width, longest + len("      ") + len(" \\"))


def test_the_front_page_can_be_copied_too(capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert run_main([]) == 0
    copied = capsys.readouterr().out.replace("\\\n", " ")
    for _, command in EXAMPLES:
        assert command.split() in [line.split() for line in copied.splitlines()]


SUBCOMMANDS = (
    "corpus list", "corpus inspect", "corpus manifest", "features info", "features prune",
    "cross-eval report", "diarize fit", "diarize evaluate", "diarize score",
)  # fmt: skip


@pytest.mark.parametrize("flag", ["--help", "--help-all"])
@pytest.mark.parametrize("line", [*COMMANDS, *SUBCOMMANDS])
def test_every_help_has_one_form(line, flag, capsys):
    assert run_main([*line.split(), flag]) == 0
    page = capsys.readouterr().out
    assert page.startswith(f"Usage: sercl {line.split()[0]}")
    assert "\nOptions\n  -" in page
    for foreign in ("usage:", "options:", "positional arguments", "show this help", "(type: ", "<class "):
        assert foreign not in page, foreign


@pytest.mark.parametrize(
    "line", ["predict", "compare", "corpus", "features", "demo", "diarize", "diarize score"]
)
def test_every_command_knows_help_all(line, capsys):
    assert run_main([*line.split(), "--help-all"]) == 0
    assert "--" in capsys.readouterr().out


def run_main(words):
    from sercl.cli.main import main

    return main(words)


def test_every_row_is_a_short_sentence_of_its_parser():
    table = option_table.read()["help"]
    rows = {f"{name} {flag}": text for name, row in table.items() for flag, (_, text) in row.items()}
    assert {name: text for name, text in rows.items() if not 5 < len(text) < 150 or "\n" in text} == {}
    assert rows["predict --batch_seconds"].endswith("in s; lower values need less memory (default: 60)")
    preset = rows["layer-probe --probe"]
    assert preset.endswith("(default: logistic)"), "a short form has the text of its option"
    assert rows["features --json"] == "Print JSON instead of tables", "one text of all actions"
    assert rows["corpus --figure"] == "inspect: file for a figure (.png, .pdf, .svg)"
    assert table["predict"]["--format"][0] == "table|csv|json|jsonl"


@pytest.mark.parametrize(
    ("help", "default", "expected"),
    [
        ("Length, in s. Further\nsentences.", 0.5, "Length, in s (default: 0.5)"),
        ("A file\n  (.png, .pdf).", None, "A file (.png, .pdf)"),
        ("A rate", 1e-5, "A rate (default: 1e-05)"),
        ("Whether it is so.", True, "Whether it is so (default: true)"),
        ("Name; empty for any.", "", "Name; empty for any"),
    ],
)
def test_a_row_is_the_first_sentence_and_the_default(help, default, expected):
    from sercl.cli.options_file import sentence

    assert sentence("fit", Action(["--x"], "x", default=default, help=help)) == expected


def test_an_option_of_a_page_needs_a_help_text():
    from sercl.cli.options_file import sentence

    with pytest.raises(LookupError, match="fit: --x has no help text"):
        sentence("fit", Action(["--x"], "x"))
