import io
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from sercl.cli import console
from sercl.cli.console import EscapingConsole, from_here, progress, stdout, table, visible


def test_results_and_remarks_go_to_different_streams(capsys: pytest.CaptureFixture[str]) -> None:
    console.stdout.print("result")
    console.stderr.print("remark")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("result\n", "remark\n")


def test_whoever_stops_reading_does_not_end_what_is_going_on() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as file:
        own = EscapingConsole(file=file)
        assert own.has_reader
        own.print("announcement")
        own.print("result")
    assert not own.has_reader


def test_a_table_is_not_cut_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    grid = table("name", "n", numbers=("n",))
    grid.add_row("x" * 100, "12345")
    stdout.print(grid)
    output = capsys.readouterr().out
    assert "x" * 100 in output
    assert "12345" in output


def test_progress_is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("reading", total=2) as advance:
        advance(2)
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


def test_long_work_prints_a_line_now_and_then_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr(console, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(console, "EVERY", 20.0)
    with progress("reading", total=200) as advance:
        for _ in range(10):
            now[0] += 9.0
            advance(20)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "reading: 60 of 200 (30%)",
        "reading: 120 of 200 (60%)",
        "reading: 180 of 200 (90%)",
    ]


def test_a_terminal_says_that_something_heavy_is_loaded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(console, "stderr", Console(file=terminal, force_terminal=True, width=80))
    with console.loading():
        pass
    assert "loading PyTorch" in terminal.getvalue()
    assert capsys.readouterr().out == ""


def test_progress_on_a_terminal_leaves_stdout_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(console, "stderr", Console(file=terminal, force_terminal=True, width=80))
    with progress("reading", total=2) as advance:
        advance(1)
        print("result")
    assert capsys.readouterr().out == "result\n"
    assert "reading" in terminal.getvalue()
    assert "result" not in terminal.getvalue()


def test_control_characters_are_shown_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    name = "\x1b]0;title\x07\x1b[2Ja\r\x9b31m\u202egpj.wav"
    grid = table("name")
    grid.add_row(name)
    for thing in (name, Text(name, style="red"), grid, Panel(Text(name))):
        console.stdout.print(thing, soft_wrap=True)
    terminal = io.StringIO()
    EscapingConsole(terminal, width=100).print(Text(name))
    shown = capsys.readouterr().out + terminal.getvalue()
    assert not set(shown) & set("\x1b\x07\r\x9b\u202e")
    assert shown.count("\\u202egpj.wav") >= 4  # a panel may break it
    assert visible("a\tb\n") == "a\tb\n"


def test_names_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    grid = table("name")
    grid.add_row("a[/b]")
    console.stdout.print(grid, "[link=file:///etc]x[/link]")
    assert "a[/b]" in (shown := capsys.readouterr().out)
    assert "[link=file:///etc]x[/link]" in shown


def test_colours_are_kept_on_a_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TERM", "xterm")
        patch.delenv("NO_COLOR", raising=False)
        EscapingConsole(terminal, width=80).print(Text("red\x1b[0m", style="red"))
    assert terminal.getvalue().startswith("\x1b[31m")
    assert "\\x1b[0m" in terminal.getvalue()


def test_a_path_is_named_as_seen_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert from_here(tmp_path / "runs" / "best.ckpt") == Path("runs/best.ckpt")
    assert from_here(tmp_path.parent / "best.ckpt") == tmp_path.parent / "best.ckpt"
