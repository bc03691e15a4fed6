"""`sercl listen serve`: offer a listening test to people."""

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sercl.cli.console import stdout
from sercl.files import at_home
from sercl.listening.serving.serve import Links, ServeOptions, links_of, opened

if TYPE_CHECKING:
    from sercl.cli.parser import SerclParser

_SHOWN = 10


def main() -> int:
    """Run `sercl listen serve` with the arguments of the process."""
    parser = build_parser()
    parsed = parser.instantiate(parser.parse_args(sys.argv[1:]))
    options = ServeOptions(**{field.name: parsed[field.name] for field in dataclasses.fields(ServeOptions)})
    with opened(Path(at_home(parsed.test)), options) as server:
        from sercl.listening.serving.app import application, run

        show(links_of(server, options.address))
        app = application(server, urlsplit(options.address).path if options.url else "")
        run(app, options.host, options.port)
    return 0


def show(links: Links) -> None:
    """Print the addresses of a test."""
    stdout.print(f"Administrator: {links.admin}", soft_wrap=True, markup=False, highlight=False)
    if links.open:
        stdout.print(f"Open link:     {links.open}", soft_wrap=True, markup=False, highlight=False)
    for link in links.participants[:_SHOWN]:
        stdout.print(f"One person:    {link}", soft_wrap=True, markup=False, highlight=False)
    if len(links.participants) > _SHOWN:
        stdout.print(f"{len(links.participants)} links for one person: the administrator's page lists all.")
    if not links.open and not links.participants:
        stdout.print("No link for participants yet: make some on the administrator's page.")


def build_parser() -> "SerclParser":
    """Return the parser of the command."""
    from sercl.cli.parser import SerclParser

    parser = SerclParser(prog="sercl listen serve")
    parser.add_argument("test")
    parser.add_class_arguments(ServeOptions)
    return parser
