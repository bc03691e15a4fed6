"""`sercl listen power` and `monitor`: how many listeners and items a test needs, before and during it."""

import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sercl.cli import pages
from sercl.cli.console import progress, stdout
from sercl.cli.help import JSON_HELP
from sercl.errors import UsageError
from sercl.files import at_home
from sercl.json_text import json_text

if TYPE_CHECKING:
    from sercl.cli.parser import SerclParser
    from sercl.listening.monitoring import Models
    from sercl.listening.power import PowerOptions
    from sercl.listening.ratings import Table

_PILOT_HELP = "Ratings of a pilot, from which UAR and spread are taken where they are not given."
_GROUPS_HELP = "Column that describes listeners of the pilot, such as native."
_FIGURE_HELP = "File for the power curves (.png, .pdf, .svg)."
_PREDICTIONS_HELP = "Folders of runs and studies to decide a difference from."
_ANSWERS_HELP = "Folder of the answers, by default in that of the test."


def power() -> int:
    """Run `sercl listen power` with the arguments of the process."""
    parser = build_power_parser()
    parsed = parser.parse_args(sys.argv[1:])
    _check_pilot(parsed)
    from sercl.listening.power import PowerOptions, find_power
    from sercl.reports.listening.planning import power_chart, power_figure, power_table, smallest_text
    from sercl.reports.rendering import check_picture
    from sercl.reports.style import drawn

    if parsed.figure is not None:
        check_picture(Path(parsed.figure))
    built = parser.instantiate(parsed)
    options = PowerOptions(**{field.name: _plain(built[field.name]) for field in fields(PowerOptions)})
    if parsed.pilot is not None:
        options = _like_pilot(options, Path(parsed.pilot), parsed.groups)
    with progress("Simulating listening tests", len(options.listeners) * len(options.items)) as advance:
        found = find_power(options, advance)
    if parsed.figure is not None:
        power_figure(found, Path(parsed.figure))
    if parsed.json:
        print(json_text(found.to_dict(), indent=2))
        return 0
    stdout.print(drawn(power_table(found)))
    if len(options.items) > 1:
        stdout.print(power_chart(found))
    stdout.print(smallest_text(found))
    return 0


def monitor() -> int:
    """Run `sercl listen monitor` with the arguments of the process."""
    parsed = build_monitor_parser().parse_args(sys.argv[1:])
    _check_source(parsed)
    from sercl.listening import monitoring
    from sercl.reports.listening.planning import monitor_table, summary_text
    from sercl.reports.style import drawn

    options = monitoring.MonitorOptions(
        **{field.name: _plain(parsed[field.name]) for field in fields(monitoring.MonitorOptions)}
    )
    table, finished = _read(Path(at_home(parsed.source)), parsed.answers)
    found = monitoring.monitor(table, options, _models(parsed.predictions), finished)
    if parsed.json:
        print(json_text(found.to_dict(), indent=2))
        return 0
    stdout.print(drawn(monitor_table(found)))
    stdout.print(summary_text(found))
    return 0


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _check_pilot(parsed: Any) -> None:
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


def _check_source(parsed: Any) -> None:
    """Check the files before pandas and torch are imported."""
    source = Path(at_home(parsed.source))
    if not source.exists():
        raise UsageError(f"{parsed.source}: no such folder of a test, or table of ratings.")
    if source.is_file() and parsed.answers is not None:
        raise UsageError("--answers: has no effect on a table of ratings; it is for the folder of a test.")
    for folder in parsed.predictions:
        if not Path(folder).is_dir():
            raise UsageError(f"{folder}: no such folder. Give the folder of a run or a study.")
    if parsed.predictions and parsed.between:
        raise UsageError("--predictions and --between: give one of both, models or two groups.")
    if parsed.predictions and parsed.width is not None:
        raise UsageError("--width: has no effect on differences from models (--predictions), see --margin.")
    if parsed.margin is not None and not (parsed.predictions or parsed.between):
        raise UsageError("--margin: has no effect without --between or --predictions.")


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


def _read(source: Path, answers: str | None) -> "tuple[Table, Sequence[str] | None]":
    """Return the ratings, and who is done, if that is known."""
    if source.is_file():
        from sercl.listening.ratings import read_table

        return read_table(source), None
    from sercl.listening.protocol import read
    from sercl.listening.serving import rows
    from sercl.listening.serving.serve import answers_folder

    test, folder = read(source), answers_folder(source, answers)
    return rows.ratings(folder, test), rows.finished(folder, test)


def _models(folders: Sequence[str]) -> "Models":
    """Return what `monitor` needs of the systems in runs and studies."""
    if not folders:
        return {}
    from sercl.listening.comparison.models import read_models

    return {
        own.name: {
            item: (own.classes[own.truth[row]], float(own.predicted[row, own.truth[row]]))
            for item, row in own.items.items()
        }
        for own in read_models([Path(folder) for folder in folders])
    }


def build_power_parser() -> "SerclParser":
    """Return the parser of `sercl listen power`."""
    from sercl.listening.power import PowerOptions

    parser = _parser("power", pages.LISTEN_POWER.summary)
    parser.add_class_arguments(PowerOptions)
    parser.add_argument("--pilot", type=str | None, default=None, help=_PILOT_HELP)
    parser.add_argument("--groups", type=str | None, default=None, help=_GROUPS_HELP)
    parser.add_argument("--figure", type=str | None, default=None, help=_FIGURE_HELP)
    return parser


def build_monitor_parser() -> "SerclParser":
    """Return the parser of `sercl listen monitor`."""
    from sercl.listening.monitoring import MonitorOptions

    parser = _parser("monitor", pages.LISTEN_MONITOR.summary)
    parser.add_argument("source")
    parser.add_class_arguments(MonitorOptions)
    parser.add_argument("--predictions", nargs="+", default=[], help=_PREDICTIONS_HELP)
    parser.add_argument("--answers", type=str | None, default=None, help=_ANSWERS_HELP)
    return parser


def _parser(action: str, summary: str) -> "SerclParser":
    from sercl.cli.parser import SerclParser

    parser = SerclParser(prog=f"sercl listen {action}", description=summary)
    parser.add_argument("--json", action="store_true", help=JSON_HELP)
    return parser
