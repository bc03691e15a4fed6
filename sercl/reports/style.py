"""Tables of text, and the style of all tables in a terminal."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

_BREAKABLE = 24
"""Longer words (mostly paths) may be broken."""


def table(*columns: str, title: str | None = None, numbers: Collection[str] = ()) -> Table:
    """Return an empty table that stays readable on a terminal of any width.

    Args:
        columns: Headings.
        title: A line above the table.
        numbers: Those of `columns` that hold numbers; they are right-aligned and never broken.
    """
    grid = FittingTable(box=box.SIMPLE_HEAD, title=title, pad_edge=False)
    for name in columns:
        if name in numbers:
            grid.add_column(name, justify="right", no_wrap=True)
        else:
            grid.add_column(name, overflow="fold")
    return grid


@dataclass(frozen=True)
class TextTable:
    """A table of text.

    Attributes:
        name: Short name for labels, letters and hyphens.
        caption: What it shows, a sentence without its full stop.
        columns: Headings; a line break marks where a narrow format may break them.
        rows: Cells, as many in a row as there are columns.
        texts: Number of columns from the left that hold text; the others hold numbers.
        note: A sentence below it, or "".
    """

    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    texts: int = 1
    note: str = ""

    @property
    def headings(self) -> tuple[str, ...]:
        """The headings, each in one line."""
        return tuple(map(_in_one_line, self.columns))


def _in_one_line(heading: str) -> str:
    return heading.replace("-\n", "-").replace("\n", " ")


def drawn(own: TextTable) -> Table:
    """Draw a table in a terminal; headings such as those of an overview are broken into lines."""
    grid = table(title=own.caption)
    grid.caption = own.note or None
    for index, name in enumerate(own.columns):
        grid.add_column(name, justify="left" if index < own.texts else "right", overflow="fold")
    for row in own.rows:
        grid.add_row(*row)
    return grid


class FittingTable(Table):
    """A table that never cuts a cell, drops a column or breaks a short word.

    If the table is too wide, text columns are broken between words; if that is not enough, each row becomes
    a list of its cells, with the first one as its heading. Title and caption are as wide as the terminal.
    """

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the table, or the list of its rows, in the available width."""
        title, caption = self.title, self.caption
        self.title = self.caption = None
        try:
            if title:
                yield _text(console, title, "bold")
            yield from self._body(console, options)
            if caption:
                yield _text(console, caption, "dim")
        finally:
            self.title, self.caption = title, caption

    def _body(self, console: Console, options: ConsoleOptions) -> RenderResult:
        least, most = self._needs(console, options)
        room = options.max_width - self._extra_width
        if sum(most) <= room:
            yield from super().__rich_console__(console, options)
        elif sum(least) <= room:
            yield from self._squeezed(console, options, _shared_out(least, most, room))
        else:
            yield from self._records(console, options.max_width)

    def _needs(self, console: Console, options: ConsoleOptions) -> tuple[list[int], list[int]]:
        """Return the minimum and maximum width of each column, with padding."""
        measures = [
            self._measure_column(console, options.update_width(10_000), column) for column in self.columns
        ]
        most = [measure.maximum for measure in measures]
        least = [
            self._unbroken(console, index) if column.no_wrap else min(measure.minimum, _BREAKABLE)
            for index, (column, measure) in enumerate(zip(self.columns, measures, strict=True))
        ]
        return list(map(min, least, most)), most

    def _unbroken(self, console: Console, index: int) -> int:
        """Return the width of a column of numbers if only its heading is broken between words."""
        column = self.columns[index]
        words = _text(console, column.header).plain.split()
        cells = [_text(console, cell).cell_len for cell in column.cells]
        return max([*map(cell_len, words), *cells, 1]) + self._get_padding_width(index)

    def _squeezed(self, console: Console, options: ConsoleOptions, widths: Sequence[int]) -> RenderResult:
        before = [(column.width, column.no_wrap) for column in self.columns]
        for index, (column, width) in enumerate(zip(self.columns, widths, strict=True)):
            column.width, column.no_wrap = width - self._get_padding_width(index), False
        try:
            yield from super().__rich_console__(console, options)
        finally:
            for column, own in zip(self.columns, before, strict=True):
                column.width, column.no_wrap = own

    def _records(self, console: Console, width: int) -> Iterator[Text | Padding]:
        cells = [list(column.cells) for column in self.columns]
        for index, row in enumerate(self.rows):
            yield from self._record(console, [own[index] for own in cells], str(row.style or ""), width)

    def _record(
        self, console: Console, cells: Sequence[object], style: str, width: int
    ) -> Iterator[Text | Padding]:
        """Yield a row: its first cell, then its texts, a line each, and its numbers, side by side."""
        numbers: list[Text] = []
        for index, (column, cell) in enumerate(zip(self.columns, cells, strict=True)):
            value = _text(console, cell, style) if isinstance(cell, str | Text) else Text()
            if not value.plain.strip():  # a bar, or nothing
                continue
            name = _in_one_line(_text(console, column.header).plain)
            line = Text.assemble((f"{name}: ", "dim" if index else "bold"), value)
            if index and column.justify == "right":
                numbers.append(line)
            else:
                yield Padding(line, (0, 0, 0, 2 if index else 0))
        yield from (Padding(line, (0, 0, 0, 2)) for line in _side_by_side(numbers, width - 2))


def _side_by_side(items: Sequence[Text], width: int) -> list[Text]:
    """Return lines of as many items as fit into the width."""
    lines: list[Text] = []
    for item in items:
        if lines and lines[-1].cell_len + 2 + item.cell_len <= width:
            lines[-1] = Text.assemble(lines[-1], "  ", item)
        else:
            lines.append(item)
    return lines


def _text(console: Console, content: object, style: str = "") -> Text:
    text = content.copy() if isinstance(content, Text) else console.render_str(str(content), highlight=False)
    text.stylize_before(style)
    return text


def _shared_out(least: Sequence[int], most: Sequence[int], room: int) -> list[int]:
    """Return widths between minimum and maximum that fill the space; narrow columns are served first."""
    widths = list(least)
    left = room - sum(least)
    order = sorted(range(len(least)), key=lambda index: most[index] - least[index])
    for number, index in enumerate(order):
        more = min(most[index] - least[index], left // (len(order) - number))
        widths[index] += more
        left -= more
    return widths
