"""`sercl features info | prune`: show or remove stored hidden states."""

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict

from sercl.cli.console import stdout
from sercl.cli.parser import SerclParser, help_of
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
        dir: Folder of the store (--features.dir of other commands); by default in the user's cache.
        verify: Verify the checksums of all files.
        json: Print JSON instead of tables.
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
        dir: Folder of the store (--features.dir of other commands); by default in the user's cache.
        older_than: Remove states not used for this many days.
        encoder: Remove states of this encoder; combined with --older-than, both must hold.
        damaged: Remove damaged files, and leftovers of killed processes.
        all: Remove everything.
        dry_run: Only show what would be removed.
        json: Print JSON instead of tables.

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
    texts = help_of(_ACTIONS[name])
    for option, parameter in inspect.signature(_ACTIONS[name]).parameters.items():
        flags = dict.fromkeys((f"--{option.replace('_', '-')}", f"--{option}"))
        is_switch = parameter.annotation is bool
        kind = {"action": "store_true"} if is_switch else {"type": parameter.annotation, "default": None}
        parser.add_argument(*flags, help=texts[option], **kind)
    return parser


def _check_choice(by_kind: bool, damaged: bool, all: bool) -> None:
    if by_kind and all:
        raise UsageError("--all removes everything: leave it out, or leave out --older-than and --encoder.")
    if not (by_kind or damaged or all):
        raise UsageError(
            "say what to remove: --older-than DAYS, --encoder NAME, --damaged, or --all. "
            "`sercl features info` shows what there is."
        )
