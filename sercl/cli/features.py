"""`sercl features info | prune`: show or remove stored hidden states."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict

from sercl.cli.console import stdout
from sercl.cli.parser import SerclParser
from sercl.errors import UnknownNameError, UsageError
from sercl.json_text import json_text


def main() -> int:
    """Run the action named by the first word of `sys.argv` after the program's name."""
    words = sys.argv[1:]
    if words[0] not in _ACTIONS:
        raise UnknownNameError("features action", words[0], _ACTIONS, "`sercl features --help` says more.")
    _ACTIONS[words[0]](**build_parser(words[0]).parse_args(words[1:]).as_dict())
    return 0


def show(dir: str | None = None, verify: bool = False, json: bool = False) -> None:
    """Show the contents of the store.

    Args:
        dir: The store; None for the default one.
        verify: Verify the checksums of all files.
        json: Print JSON instead of a table.
    """
    from sercl.features.config import FeatureConfig
    from sercl.features.upkeep import inspect_store
    from sercl.reports.features import store_report

    root = FeatureConfig(dir).folder
    infos = inspect_store(root, verify)
    if json:
        print(json_text([info.to_dict() for info in infos], indent=2))
    else:
        stdout.print(store_report(root, infos), soft_wrap=not infos)


def prune(
    dir: str | None = None,
    older_than: float | None = None,
    encoder: str | None = None,
    damaged: bool = False,
    all: bool = False,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Remove selected hidden states.

    Args:
        dir: The store; None for the default one.
        older_than: Remove states not used for this many days.
        encoder: Remove states of this encoder; with `older_than`, both must hold.
        damaged: Remove damaged files and leftovers of killed processes.
        all: Remove everything.
        dry_run: Only show what would be removed.
        json: Print JSON instead of lines.

    Raises:
        UsageError: If no option selects what to remove.
        UnknownNameError: For an encoder without stored states.
        OutputError: If something cannot be removed.
    """
    from sercl.features.config import FeatureConfig
    from sercl.features.upkeep import find_damaged, find_unwanted, remove
    from sercl.reports.features import removal_report

    by_kind = older_than is not None or encoder is not None
    _check_choice(by_kind, damaged, all)
    if older_than is not None and not older_than >= 0:
        raise UsageError(f"--older-than is {older_than}; it must be 0 or more days.")
    root = FeatureConfig(dir).folder
    removals = find_damaged(root) if damaged else []
    removals += find_unwanted(root, older_than, encoder, everything=all) if by_kind or all else []
    if not dry_run:
        remove(removals)
    if json:
        rows = [{**asdict(removal), "path": str(removal.path)} for removal in removals]
        print(json_text({"removed": not dry_run, "items": rows}, indent=2))
    else:
        stdout.print(removal_report(removals, done=not dry_run), soft_wrap=True)


_ACTIONS: Mapping[str, Callable[..., None]] = {"info": show, "prune": prune}


def build_parser(name: str) -> SerclParser:
    """Return the parser of "info" or "prune"."""
    summary = str(_ACTIONS[name].__doc__).partition("\n")[0]
    parser = SerclParser(prog=f"sercl features {name}", description=summary)
    parser.add_argument("--dir", type=str | None, default=None)
    parser.add_argument("--json", action="store_true")
    if name == "info":
        parser.add_argument("--verify", action="store_true")
        return parser
    parser.add_argument("--older-than", "--older_than", type=float | None, default=None)
    parser.add_argument("--encoder", type=str | None, default=None)
    for flags in (("--damaged",), ("--all",), ("--dry-run", "--dry_run")):
        parser.add_argument(*flags, action="store_true")
    return parser


def _check_choice(by_kind: bool, damaged: bool, all: bool) -> None:
    if by_kind and all:
        raise UsageError("--all removes everything: leave it out, or leave out --older-than and --encoder.")
    if not (by_kind or damaged or all):
        raise UsageError(
            "say what to remove: --older-than DAYS, --encoder NAME, --damaged, or --all. "
            "`sercl features info` shows what there is."
        )
