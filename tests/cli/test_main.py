import ast
import errno
import importlib.util
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from sercl import __version__
from sercl.cli.commands import COMMANDS, EXAMPLES, FRONT, Command
from sercl.cli.main import main
from sercl.cli.pages import DEMO
from sercl.errors import CorpusError, UsageError

Install = Callable[[Callable[[], int | None]], None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a function into the table as the command "probe"."""

    def put(function: Callable[[], int | None]) -> None:
        module = types.ModuleType("sercl_probe_command")
        module.main = function  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(COMMANDS, "probe", Command(f"{module.__name__}:main", DEMO, "probe it", "Tests"))

    return put


def failing(error: BaseException) -> Callable[[], int | None]:
    def command() -> int | None:
        raise error

    return command


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_front_page_names_every_command_and_example(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 0
    page = capsys.readouterr().out
    for name, command in FRONT.items():
        assert name in page
        assert command.help in page
        assert command.group in page
    assert all(example in page for _, example in EXAMPLES)


@pytest.mark.parametrize("word", ["--version", "-V", "version"])
def test_version(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([word]) == 0
    assert capsys.readouterr().out == f"sercl {__version__}\n"


def test_unknown_command_names_the_near_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predct"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: unknown command 'predct'. Did you mean 'predict'?")
    assert "completion" in captured.err


def test_a_command_sees_its_own_words(install: Install) -> None:
    seen: list[list[str]] = []
    install(lambda: seen.append(list(sys.argv)))
    before = list(sys.argv)
    assert main(["probe", "--a", "1"]) == 0
    assert seen == [["sercl probe", "--a", "1"]]
    assert sys.argv == before


def test_exit_code_of_a_command_is_passed_on(install: Install) -> None:
    install(lambda: 1)
    assert main(["probe"]) == 1


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UsageError("layer 99: valid: 0 to 12."), 2, "error: layer 99: valid: 0 to 12.\n"),
        (CorpusError("no wav below x."), 1, "error: no wav below x.\n"),
        (KeyboardInterrupt(), 130, "error: stopped by Ctrl-C.\n"),
        (SystemExit(2), 2, ""),
        (SystemExit(None), 0, ""),
        (SystemExit("said on exit"), 1, "error: said on exit\n"),
        (
            OSError(errno.ENOSPC, "No space left on device", "/full/x"),
            1,
            "error: /full/x: No space left on device. Free some space, or write to another disk.\n",
        ),
    ],
)
def test_errors_become_one_message_and_a_code(
    error: BaseException, code: int, message: str, install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install(failing(error))
    assert main(["probe"]) == code
    assert capsys.readouterr().err == message


def test_out_of_memory_says_what_to_do(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    torch_like = type("OutOfMemoryError", (RuntimeError,), {})
    install(failing(torch_like("CUDA out of memory. Tried to allocate 3 GiB ...")))
    assert main(["probe"]) == 1
    assert capsys.readouterr().err.startswith("error: out of GPU memory. Use smaller batches")


def test_a_defect_says_so_and_hides_the_trace(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install(failing(ZeroDivisionError("division by zero")))
    assert main(["probe"]) == 1
    message = capsys.readouterr().err
    assert "unexpected ZeroDivisionError: division by zero" in message
    assert "--debug" in message
    assert "Traceback" not in message


def test_debug_shows_the_trace_and_is_taken_from_the_words(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    def command() -> int | None:
        raise UsageError(" ".join(sys.argv))

    install(command)
    assert main(["probe", "--debug", "x", "--", "--debug"]) == 2
    message = capsys.readouterr().err
    assert "Traceback" in message
    assert message.endswith("error: sercl probe x -- --debug\n")


def test_an_error_in_a_loader_process_comes_without_its_trace(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    # This is how torch re-raises what a DataLoader worker raised.
    text = (
        "Caught AudioError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n"
        '  File "x.py", line 3, in f\n    raise AudioError(path, reason)\n'
        "sercl.errors.AudioError: a.wav: the file is empty\n"
    )
    install(failing(RuntimeError(text)))
    assert main(["probe"]) == 1
    assert capsys.readouterr().err == "error: a.wav: the file is empty\n"


def test_every_command_has_its_function() -> None:
    for name, command in COMMANDS.items():
        module, function = command.target.split(":")
        spec = importlib.util.find_spec(module)
        assert spec is not None, f"{name}: {module} is missing"
        assert spec.origin is not None
        tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert function in functions, f"{name}: {command.target} is missing"


@pytest.mark.parametrize("fails", [False, True])
def test_standard_output_is_given_back_as_it_was(
    fails: bool, install: Install, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    inside = []

    def command() -> None:
        inside.append(sys.stdout.errors)
        if fails:
            raise UsageError("no")

    install(command)
    with (tmp_path / "out").open("w", encoding="utf-8", errors="strict") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert main(["probe"]) == (2 if fails else 0)
        assert (inside, stream.errors) == (["surrogateescape"], "strict")
