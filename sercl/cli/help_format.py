"""Help generated from a parser in the style of the short pages, for `--help-all` and commands without one."""

import argparse
import re
from collections.abc import Iterable
from typing import Any

import jsonargparse
from rich.text import Text

_TITLES = {"positional arguments": "Arguments", "options": "Options"}
_CLASS = re.compile(r"<class '([^']+)'>")
_OWN_OPTION = re.compile(r"^ {2}-\S.*?(?=  |$)", re.MULTILINE)
_HEADING = re.compile(r"^(Usage:|[^\s-].*)$", re.MULTILINE)


class HelpFormatter(jsonargparse.DefaultHelpFormatter):
    """Formats usage in one line, headings without a colon, and values in readable form."""

    def _format_usage(self, usage: Any, actions: Iterable[Any], *args: Any, **kwargs: Any) -> str:
        words = [self._prog]
        own = list(actions)
        words += [_placeholder(action) for action in own if not action.option_strings]
        words += [
            f"{_names(action)[-1]} {_placeholder(action)}"
            for action in own
            if action.option_strings and action.required and action.default is None
        ]
        return f"Usage: {' '.join([*words, '[OPTIONS]'])}\n\n"

    def start_section(self, heading: str | None) -> None:
        """Begin a group of options."""
        super().start_section(_TITLES.get(heading or "", heading))

    def format_help(self) -> str:
        """Return the help text; headings at the end of a line lose their colon."""
        return re.sub(r"^(\S.*):$", r"\1", super().format_help(), flags=re.MULTILINE)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings:
            return _placeholder(action)
        names = ", ".join(_names(action))
        return names if action.nargs == 0 else f"{names} {_placeholder(action)}"

    def _get_help_string(self, action: argparse.Action) -> str:
        if isinstance(action, argparse._HelpAction):
            return "This page."
        if type(action).__name__ == "_ActionConfigLoad":
            return "YAML with these options."
        text = super()._get_help_string(action)
        if action.nargs == 0:
            text = text.removesuffix(" (default: %(default)s)")
        return text.removesuffix(" (required)")

    def _expand_help(self, action: argparse.Action) -> str:
        text = super()._expand_help(action).replace("``", "`")
        text = _CLASS.sub(lambda found: found[1].rpartition(".")[2], text)
        head, known, classes = text.partition("known subclasses: ")
        head = re.sub(r"(\((?:required, )?)type: ", r"\1", head)
        head = re.sub(r" \| null(?=\))", "", head.replace(", default: null", ""))
        return head + known.replace("known subclasses", "classes") + re.sub(r"[\w.]+\.(\w+)", r"\1", classes)


def _names(action: argparse.Action) -> list[str]:
    """Return the names of an option; `--x+`, which appends, exists for every list and is not shown."""
    return [name for name in action.option_strings if not name.endswith("+")]


def _placeholder(action: argparse.Action) -> str:
    if _is_file(action):
        return "FILE"
    if isinstance(action.metavar, str):
        return "|".join(action.metavar.strip("{}").split(","))
    if action.choices:
        return "|".join(map(str, action.choices))
    return action.dest.rpartition(".")[2].upper()


def _is_file(action: argparse.Action) -> bool:
    """Return whether an option takes a file with further options."""
    return type(action).__name__ in ("ActionConfigFile", "_ActionConfigLoad")


def styled(text: str) -> Text:
    """Return a page as the terminal shows it: headings bold, options coloured as on the short pages."""
    page = Text(text.rstrip("\n"))
    page.highlight_regex(_HEADING, "bold")
    page.highlight_regex(_OWN_OPTION, "cyan")
    return page
