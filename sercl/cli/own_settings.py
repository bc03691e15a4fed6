"""Settings that become commands or reach other machines: only from the user, never from a study's file."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from sercl.cli.console import stderr
from sercl.documents import parse_yaml
from sercl.errors import DocumentError, OutputError, UsageError
from sercl.features.config import FeatureConfig

SETUP, ADDRESS = "--launch.slurm.setup", "--launch.ray.address"


def usable_store(config: FeatureConfig) -> FeatureConfig:
    """Return where hidden states are stored: elsewhere, with a warning, if the user's cache is not writable.

    Raises:
        OutputError: If the folder for temporary files is not usable either.
    """
    if config.dir is not None or (reason := _unwritable(config)) is None:
        return config
    elsewhere = Path(tempfile.gettempdir()) / f"sercl-{os.getuid() if hasattr(os, 'getuid') else 'cache'}"
    try:
        elsewhere.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{elsewhere}: cannot be written ({error.strerror}). Give --features.dir."
        ) from error
    if hasattr(os, "getuid") and elsewhere.stat().st_uid != os.getuid():
        raise OutputError(f"{elsewhere}: belongs to another user. Give --features.dir.")
    _warn_once(f"warning: {reason}: hidden states and audio checks are cached in {elsewhere} this time.")
    return replace(config, dir=str(elsewhere / "features"))


def _unwritable(config: FeatureConfig) -> str | None:
    """Return why the user's cache cannot be written, None if it can."""
    try:
        folder = config.folder
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK | os.X_OK):
            return None
        return f"{folder} cannot be written"
    except OSError as error:
        return f"{folder} cannot be written ({error.strerror})"
    except RuntimeError as error:  # no home folder
        return f"the user's cache cannot be found ({error})"


@cache
def _warn_once(text: str) -> None:
    stderr.print(text, style="yellow", soft_wrap=True)


def setup_file() -> Path:
    """Return the user's own file of shell lines that SLURM jobs begin with; it need not exist."""
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(home).expanduser() / "sercl" / "slurm_setup.sh"


def refuse_from_files(config: Any) -> None:
    """Raise `UsageError` if a configuration has such settings: those of the command line were `taken_out`.

    Args:
        config: The result of the rest of the command line and its files.
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
    """Return the arguments without some options, and the values of these.

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
    """Return the shell lines of jobs: from the command line, else from the user's own file.

    Args:
        given: Values of the option, each a line or a YAML list of lines; None if it was not given.

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
