"""The short page of each command shows every option that the README uses of it."""

import re
from pathlib import Path

import pytest

from sercl.cli.main import main

TEXT = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")


def used() -> dict[str, set[str]]:
    """Command, with its action, -> its options in the README's command lines."""
    found: dict[str, set[str]] = {}
    for line in re.findall(r"^(?:\$ )?sercl ([a-z].*)$|`sercl ([a-z][^`]*)`", TEXT, re.MULTILINE):
        words = "".join(line).partition("#")[0].split()
        has_action = words[0] in ("corpus", "diarize", "listen") and words[1:2] and words[1].isalpha()
        action = words[1:2] if has_action else []
        options = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        found.setdefault(" ".join([words[0], *action]), set()).update(options)
    return {command: options for command, options in found.items() if options}


@pytest.mark.parametrize("command", sorted(used()))
def test_the_page_shows_what_the_readme_uses(command, capsys):
    assert main([*command.split(), "--help"]) == 0
    page = capsys.readouterr().out
    assert {option for option in used()[command] if option not in page} == set()
