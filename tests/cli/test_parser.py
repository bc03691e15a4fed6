import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonargparse import ActionConfigFile

from sercl.cli.help import unknown_flags
from sercl.cli.parser import SerclParser
from sercl.errors import CorpusNotFoundError, SerclError, UnknownOptionError, UsageError


@dataclass(frozen=True)
class Loader:
    """How clips are read.

    Args:
        batch_seconds: Most audio in a batch, in s.
    """

    batch_seconds: float = 3.0

    def __post_init__(self) -> None:
        if self.batch_seconds <= 0:
            raise UsageError(f"batch_seconds is {self.batch_seconds}; it must be greater than 0.")


class Data:
    """Base of the classes that --data takes."""

    def __init__(self, root: str, loader: Loader = Loader()) -> None:
        if root == "gone":
            raise CorpusNotFoundError(f"{root}: no such folder.")


class Emo(Data):
    """One of them."""

    def __init__(
        self,
        root: str,
        n: int | None = 3,
        kind: Literal["acted", "wild"] = "acted",
        loader: Loader = Loader(),
    ) -> None:
        super().__init__(root, loader)


@pytest.fixture
def parser() -> SerclParser:
    parser = SerclParser(prog="sercl fit")
    parser.add_argument("-c", "--config", action=ActionConfigFile)
    parser.add_subclass_arguments(Data, "data", required=True)
    parser.add_class_arguments(Loader, "loader")
    parser.add_argument("--rate", type=float, default=1.0)
    parser.add_argument("--part", choices=["train", "test"], default="test")
    parser.add_argument("--name", type=Literal["x", "y"] | None)
    return parser


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "run.yaml"


EMO = ["--data", "Emo", "--data.root", "here"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data.rooot", "x"], "unknown option --data.rooot. Did you mean --data.root"),
        (["--data", "Emo", "--data.rooot", "x"], "unknown option --data.rooot. Did you mean --data.root"),
        (
            [*EMO, "--data.loader.batch_secs", "3"],
            "unknown option --data.loader.batch_secs. Did you mean --data",
        ),
        ([*EMO, "--rato", "3"], "unknown option --rato. Did you mean --rate? `sercl fit --help`"),
        ([*EMO, "--rat", "3"], "unknown option --rat. Did you mean --rate?"),
        ([*EMO, "--dato.root", "3"], "unknown option --dato.root. Did you mean --data"),
        ([*EMO, "extra"], "unexpected argument 'extra'. `sercl fit --help`"),
        ([*EMO, "--rate", "fast"], "--rate: 'fast' is not valid. Valid: a number."),
        ([*EMO, "--rate"], "--rate needs a value."),
        ([*EMO, "--data.n", "many"], "--data.n: 'many' is not valid. Valid: a whole number or null."),
        ([*EMO, "--data.kind", "tame"], "--data.kind: 'tame' is not valid. Valid: 'acted' or 'wild'."),
        (
            [*EMO, "--data.loader.batch_seconds", "x"],
            "--data.loader.batch_seconds: 'x' is not valid. Valid: a number",
        ),
        ([*EMO, "--part", "tset"], "unknown --part 'tset'. Did you mean 'test'? Valid: train, test."),
        ([*EMO, "--name", "z"], "--name: 'z' is not valid. Valid: 'x' or 'y' or null."),
        (["--data", "Emmo"], "unknown --data class 'Emmo'. Did you mean 'Emo'? Valid: Data, Emo."),
        (["--data", "sercl.data.datamodules.Nope"], "unknown --data class 'Nope'. Valid: Data, Emo."),
        (["--data", "no.such.module.Name"], "--data: there is no module 'no'"),
        (["--data", "Emo"], "missing: --data.root. `sercl fit --help`"),
        ([], "missing: --data. `sercl fit --help`"),
        (["--config", "nowhere.yaml"], "nowhere.yaml. Check the path."),
        (
            ["--data", "Emo", "--data.root", "caf\udce9"],
            "--data: a name contains bytes that are not UTF-8 text",
        ),
    ],
)
def test_wrong_words_give_one_message(words: list[str], message: str, parser: SerclParser) -> None:
    with pytest.raises(UsageError) as caught:
        parser.parse_args(words)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "Subtypes" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data: [unclosed\n x: : 3", "run.yaml:2: is not valid YAML (while parsing"),
        ("- 1\n- 2\n", "run.yaml: expected a map of options"),
        ("rate: fast\n", "--rate: 'fast' is not valid (set in {config}). Valid: a number."),
        ("rato: 3\n", "unknown option --rato. Did you mean --rate?"),
        ("trainer:\n  x: 1\n", "unknown option --trainer.x."),
        (
            "data:\n  class_path: Emo\n  init_args:\n    rooot: x\n",
            "unknown option --data.rooot. Did you mean --data.root",
        ),
        (
            "data:\n  class_path: Emo\n  init_args:\n    root: x\n    loader:\n      batch_secs: 3\n",
            "unknown option --data.loader.batch_secs. Did you mean --data.loader.batch_seconds",
        ),
    ],
)
def test_wrong_configuration_names_the_file_or_the_option(
    text: str, message: str, parser: SerclParser, config: Path
) -> None:
    config.write_text(text)
    with pytest.raises(UsageError) as caught:
        parser.parse_args(["--config", str(config)])
    assert message.format(config=config) in str(caught.value)


def test_a_bad_value_on_the_command_line_does_not_blame_the_file(parser: SerclParser, config: Path) -> None:
    config.write_text("rate: 2.0\n")
    with pytest.raises(UsageError) as caught:
        parser.parse_args([*EMO, "--config", str(config), "--rate", "fast"])
    assert str(config) not in str(caught.value)


def test_good_words_parse_and_build(parser: SerclParser, config: Path) -> None:
    config.write_text("rate: 2.0\ndata: Emo\n")
    options = parser.parse_args(
        ["-c", str(config), "--data.root", "here", "--data.loader.batch_seconds", "5"]
    )
    assert options.rate == 2.0
    built = parser.instantiate(options)
    assert isinstance(built.data, Emo)


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (
            [*EMO, "--loader.batch_seconds", "-1"],
            UsageError,
            "batch_seconds is -1.0; it must be greater than 0.",
        ),
        (
            [*EMO, "--data.loader.batch_seconds", "-1"],
            UsageError,
            "batch_seconds is -1.0; it must be greater than 0.",
        ),
        (["--data", "Emo", "--data.root", "gone"], CorpusNotFoundError, "gone: no such folder."),
    ],
)
def test_errors_of_constructors_come_out_as_they_were_raised(
    words: list[str], error: type[SerclError], message: str, parser: SerclParser
) -> None:
    options = parser.parse_args(words)
    with pytest.raises(error) as caught:
        parser.instantiate_classes(options)
    assert str(caught.value) == message


def test_an_error_of_a_value_check_comes_out_as_it_was_raised(parser: SerclParser) -> None:
    def level(text: str) -> int:
        raise UsageError(f"level {text}: valid: 1 to 3.")

    parser.add_argument("--level", type=level)
    with pytest.raises(UsageError) as caught:
        parser.parse_args([*EMO, "--level", "9"])
    assert str(caught.value) == "level 9: valid: 1 to 3."


def test_unknown_flags_of_a_class_are_found(parser: SerclParser) -> None:
    flags = ["--rate", "--data.root", "--data.n", "--data.loader.batch_seconds", "--data.m", "--rato"]
    assert unknown_flags(flags, lambda words: parser.parse_args([*EMO, *words])) == ["--data.m", "--rato"]


@given(name=st.from_regex(r"[a-z][a-z_]{0,8}(\.[a-z_]{1,8})?", fullmatch=True))
def test_no_unknown_option_escapes_as_another_error(name: str) -> None:
    parser = SerclParser(prog="sercl x")
    parser.add_argument("--known.option", type=int)
    if name != "known.option":
        with pytest.raises(UnknownOptionError, match="unknown option"):
            parser.parse_args([f"--{name}", "1"])


IMPORTS = """
from sercl.cli.parser import SerclParser, restrict_imports
from sercl.errors import UsageError
import collections.abc
restrict_imports()
parser = SerclParser(prog="sercl x")
parser.add_argument("--call", type=collections.abc.Callable)
for path in {paths!r}:
    try:
        parser.parse_args(["--call", path])
        print("allowed")
    except UsageError as error:
        print(error)
"""


def run_imports(paths: list[str], **environment: str) -> list[str]:
    command = [sys.executable, "-c", IMPORTS.format(paths=paths)]
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=300, env={"PATH": "", **environment}
    )
    return result.stdout.splitlines() or result.stderr.splitlines()[-1:]


def test_values_may_import_nothing_of_others() -> None:
    system, shelf, own = run_imports(["os.system", "colorsys.rgb_to_hsv", "sercl.errors.near_names"])
    assert "--call: 'os.system' may not be imported" in system
    assert "SERCL_ALLOW_IMPORTS=colorsys" in shelf
    assert own == "--call: does not accept a function."


def test_a_user_can_allow_a_package() -> None:
    assert run_imports(["colorsys.rgb_to_hsv"], SERCL_ALLOW_IMPORTS="fractions, colorsys") == ["allowed"]
    (message,) = run_imports(["x"], SERCL_ALLOW_IMPORTS="*")
    assert "UsageError: SERCL_ALLOW_IMPORTS=*" in message
