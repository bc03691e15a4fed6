"""`sercl diarize`: where in a recording the emotion is; also `fit`, `evaluate` and `score`."""

import importlib
import sys
from collections.abc import Mapping

from sercl.cli.console import stdout
from sercl.cli.diarize.pages import EVALUATE_PAGE, FIT_PAGE, PAGE, SCORE_PAGE
from sercl.cli.help import ShortPage, render

ACTIONS: Mapping[str, ShortPage] = {"fit": FIT_PAGE, "evaluate": EVALUATE_PAGE, "score": SCORE_PAGE}
"""First word -> its page; any other first word is a checkpoint."""


def main() -> int:
    """Run what the first word of the process asks for; without such a word, find emotions in files."""
    words = sys.argv[1:]
    action = words[0] if words and words[0] in ACTIONS else None
    pages = {"-h", "--help"} if action == "fit" else {"-h", "--help", "--help-all"}
    if pages & set(words) or not words:
        stdout.print(render(ACTIONS[action] if action else PAGE), crop=False)
        return 0
    if action is None:
        return int(_module("files").main())
    sys.argv = [f"{sys.argv[0]} {action}", *words[1:]]
    return int(_module(action).main())


def _module(name: str):  # type: ignore[no-untyped-def]
    return importlib.import_module(f"sercl.cli.diarize.{name}")
