"""Pages and pictures: templates, picture formats, and atomic writing."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from sercl.errors import UnknownNameError
from sercl.files import atomic_path, check_replaceable, contains

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".png", ".pdf", ".svg")

# Okabe and Ito's colours for colour-blind readers, without yellow. Markers and dashes differ, too.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK, PALE, GRID = "#2b2f33", "#6d757d", "#e6e9ec"
STYLE = {"font.size": 10, "text.color": INK, "axes.labelcolor": INK, "svg.fonttype": "none"}
"""Of figures of curves."""


def check_format(path: Path) -> None:
    """Raise `UnknownNameError` unless the suffix of a picture's file is one of `FORMATS`."""
    if path.suffix.lower() not in FORMATS:
        raise UnknownNameError("picture format", path.suffix, FORMATS, "The suffix decides.")


_MARKS = {".png": ("Software", "Software\\x00sercl"), ".pdf": ("Creator", r"/Creator \(sercl\)")}
_MARK_OF_SVG = ("Creator", "<dc:title>sercl</dc:title>")
"""Where the program is named that made a picture, and how that is written in the file."""


def check_picture(path: Path) -> None:
    """Refuse a picture's file that the user names, before the work begins.

    Raises:
        UnknownNameError: For a suffix that is not one of `FORMATS`.
        UsageError: For an existing file that is not a picture by sercl.
    """
    check_format(path)
    _, mark = _MARKS.get(path.suffix.lower(), _MARK_OF_SVG)
    check_replaceable(path, "a picture of sercl", partial(contains, mark))


@contextmanager
def picture_file(path: Path | str, style: Mapping[str, Any], dpi: int = 160) -> Iterator["Figure"]:
    """Yield an empty figure, and write what has been drawn when the block ends.

    Args:
        path: The file; its suffix is one of `FORMATS`.
        style: Settings of matplotlib while it is drawn and written.
        dpi: Dots per inch of a PNG.

    Raises:
        UnknownNameError: For another suffix.
        OutputError: If the file cannot be written.
    """
    from matplotlib import rc_context  # takes half a second, which tables alone should not cost
    from matplotlib.figure import Figure

    check_format(Path(path))
    settings: Any = dict(style)  # matplotlib's stubs list every name
    with rc_context(settings):
        figure = Figure()
        yield figure
        with atomic_path(path) as temporary:
            field, _ = _MARKS.get(Path(path).suffix.lower(), _MARK_OF_SVG)
            figure.savefig(temporary, dpi=dpi, facecolor="white", metadata={field: "sercl"})


def page_environment(package: str) -> Environment:
    """Return an environment for the templates of a package.

    Args:
        package: A package with a folder `templates`, with that of `sercl.reports` as fallback: `head.html`
            opens a page with `title` and the package's own `style.css`, or the shared one and its `own.css`.
    """
    return Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("sercl.reports")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
