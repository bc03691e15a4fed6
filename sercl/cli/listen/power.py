"""`sercl listen power`: how many listeners and items a listening test needs."""

import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sercl.cli.console import progress, stdout
from sercl.cli.help import JSON_HELP
from sercl.cli.pages import LISTEN_POWER
from sercl.errors import UsageError
from sercl.json_text import json_text

if TYPE_CHECKING:
    from sercl.cli.parser import SerclParser
    from sercl.listening.power import PowerOptions

_PILOT_HELP = "Ratings of a pilot, from which UAR and spread are taken where they are not given."
_GROUPS_HELP = "Column that describes listeners of the pilot, such as native."


def main() -> int:
    """Run `sercl listen power` with the arguments of the process."""
    parser = build_parser()
    parsed = parser.parse_args(sys.argv[1:])
    _check(parsed)
    from sercl.listening.power import PowerOptions, find_power
    from sercl.reports.listening.power import power_table, smallest_text
    from sercl.reports.style import drawn

    built = parser.instantiate(parsed)
    options = PowerOptions(**{field.name: _plain(built[field.name]) for field in fields(PowerOptions)})
    if parsed.pilot is not None:
        options = _like_pilot(options, Path(parsed.pilot), parsed.groups)
    with progress("Simulating listening tests", len(options.listeners) * len(options.items)) as advance:
        found = find_power(options, advance)
    if parsed.json:
        print(json_text(found.to_dict(), indent=2))
        return 0
    stdout.print(drawn(power_table(found)))
    stdout.print(smallest_text(found))
    return 0


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _check(parsed: Any) -> None:
    """Check the pilot before pandas and torch are imported."""
    if parsed.pilot is None and parsed.groups is not None:
        raise UsageError("--groups: has no effect without --pilot.")
    if parsed.pilot is None:
        return
    if not Path(parsed.pilot).is_file():
        raise UsageError(
            f"--pilot {parsed.pilot}: no such file. `sercl listen import` writes a table of ratings."
        )
    if given := [word for word in sys.argv[1:] if word.startswith("--spread")]:
        raise UsageError(
            f"{given[0].partition('=')[0]}: has no effect with --pilot, which says how much listeners differ."
        )


def _like_pilot(options: "PowerOptions", file: Path, groups: str | None) -> "PowerOptions":
    """Return the options with the spread, and unless it is given the UAR, of the listeners of a pilot."""
    from sercl.listening.comparison.answers import answers_of
    from sercl.listening.comparison.groups import score_group
    from sercl.listening.comparison.mixed import deviations_of
    from sercl.listening.power import spread_of
    from sercl.listening.ratings import read_table

    own = answers_of(read_table(file), groups, {})
    uar = score_group(own, "", "", "", 100, options.seed).uar.value if options.uar is None else options.uar
    return replace(options, spread=spread_of(deviations_of(own)), uar=uar)


def build_parser() -> "SerclParser":
    """Return the parser of the command."""
    from sercl.cli.parser import SerclParser
    from sercl.listening.power import PowerOptions

    parser = SerclParser(prog="sercl listen power", description=LISTEN_POWER.summary)
    parser.add_class_arguments(PowerOptions)
    parser.add_argument("--pilot", type=str | None, default=None, help=_PILOT_HELP)
    parser.add_argument("--groups", type=str | None, default=None, help=_GROUPS_HELP)
    parser.add_argument("--json", action="store_true", help=JSON_HELP)
    return parser
