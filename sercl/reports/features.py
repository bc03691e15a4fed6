"""The contents of a feature store, for the terminal."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.filesize import decimal
from rich.text import Text

from sercl.features.upkeep import Removal, SpaceInfo
from sercl.reports.style import table

_NUMBERS = ("States", "Utterances", "Files", "Size", "Unused days")


def store_report(root: Path, infos: Sequence[SpaceInfo]) -> RenderableType:
    """Return a row per kind of hidden states, and the damaged files."""
    if not infos:
        return Text(f"{root}: no hidden states are stored here.")
    grid = table("Encoder", "Pooling", "Precision", *_NUMBERS, "Folder", numbers=_NUMBERS)
    for info in infos:
        grid.add_row(
            *_kind(info),
            f"{info.rows:,}",
            f"{info.shards:,}",
            decimal(info.bytes),
            f"{info.days_unused:.0f}",
            info.folder.name[:8],
        )
    lines: list[RenderableType] = [
        grid,
        Text(f"{root}: {decimal(sum(info.bytes for info in infos))}"),
    ]
    lines += [Text(message, style="red") for info in infos for message in info.damaged]
    return Group(*lines)


def removal_report(removals: Sequence[Removal], done: bool) -> RenderableType:
    """Return a line per removal.

    Args:
        removals: Files and folders to remove.
        done: Whether they have been removed.
    """
    if not removals:
        return Text("Nothing to remove.")
    verb = "Removed" if done else "Would remove"
    lines = [f"{verb} {removal.path} ({removal.reason}): {decimal(removal.bytes)}" for removal in removals]
    total = decimal(sum(removal.bytes for removal in removals))
    return Group(*map(Text, lines), Text(f"{total} in all", style="bold"))


def _kind(info: SpaceInfo) -> tuple[str, str, str, str]:
    if info.space is None:
        return "unreadable", "", "", ""
    space = info.space
    return space.encoder, space.pooling, space.precision, str(len(space.states))
