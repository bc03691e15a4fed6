"""Packages outside the tree: modules with the metadata that pip would write."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from sercl import plugins

_SCAN = plugins.installed.__wrapped__


def install(
    folder: Path, name: str, points: Mapping[str, Mapping[str, str]], modules: Mapping[str, str] = {}
) -> Path:
    """Write a package as pip installs it; to be found, its folder must be on the import path.

    Args:
        folder: As site-packages.
        name: Name of the package.
        points: Group -> name -> value of its entry points.
        modules: File below `folder` -> text.
    """
    about = folder / f"{name}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [
        [f"[{group}]", *(f"{key} = {value}" for key, value in rows.items())] for group, rows in points.items()
    ]
    (about / "entry_points.txt").write_text("\n".join(line for group in lines for line in group) + "\n")
    for file, text in modules.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text)
    return folder


def find_packages(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Put a folder of packages on the import path of this process, until the test ends."""
    monkeypatch.syspath_prepend(str(folder))
    found = _SCAN()
    monkeypatch.setattr(plugins, "installed", lambda: found)
