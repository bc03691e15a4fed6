"""Settings that become commands or reach other machines: from the user alone, never from a study's file."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sercl.documents import parse_yaml
from sercl.errors import DocumentError, OutputError, UsageError

SETUP, ADDRESS = "--launch.slurm.setup", "--launch.ray.address"


def setup_file() -> Path:
    """Return the user's own file of shell lines that jobs of SLURM begin with; it need not be there."""
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(home).expanduser() / "sercl" / "slurm_setup.sh"


def refuse_from_files(config: Any) -> None:
    """Raise `UsageError` where a configuration has such settings: those of the command line were `taken_out`.

    Args:
        config: What the rest of the command line, and the files that it names, came to.
    """
    launch = config["launch"]
    for option, value in ((SETUP, launch["slurm"]["setup"]), (ADDRESS, launch["ray"]["address"])):
        if value:
            own = f", or write its lines to your own file {setup_file()}" if option == SETUP else ""
            raise UsageError(
                f"{option}: not accepted from a configuration file, which must not run commands or choose "
                f"machines. Give it on the command line{own}."
            )


def taken_out(words: Sequence[str], options: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Return the words without some options, and the values that they were given.

    Args:
        words: A command line.
        options: Long options that take a value; `--x V`, `--x=V`, `--x+=V` and `--x+ V` are the same.

    Raises:
        UsageError: For an option without a value.
    """
    rest: list[str] = []
    found: dict[str, list[str]] = {}
    queue = list(words)
    while queue:
        word = queue.pop(0)
        name, sign, value = word.partition("=")
        option = name.removesuffix("+")
        if option not in options:
            rest.append(word)
            continue
        if not sign and not queue:
            raise UsageError(f"{option} needs a value.")
        found.setdefault(option, []).append(value if sign else queue.pop(0))
    return rest, found


def setup_lines(given: Sequence[str] | None) -> list[str]:
    """Return the shell lines of jobs: those of the command line, else of the user's own file.

    Args:
        given: Values of the option, each a line or a YAML list of lines; None where it was not given.

    Raises:
        UsageError: For a value that is neither.
    """
    if given is not None:
        return [line for value in given for line in _lines(value)]
    try:
        return [line for line in setup_file().read_text(encoding="utf-8").splitlines() if line.strip()]
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise OutputError(f"{setup_file()}: cannot be read ({error}).") from error


def _lines(value: str) -> list[str]:
    if not value.lstrip().startswith("["):
        return [value]
    try:
        lines = parse_yaml(value)
    except DocumentError as error:
        raise UsageError(f"{SETUP}: {value!r} {error.reason}.") from error
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise UsageError(f"{SETUP}: {value!r} is not a list of lines.")
    return lines
