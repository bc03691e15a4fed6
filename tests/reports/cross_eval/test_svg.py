from xml.etree.ElementTree import fromstring

import pytest

from sercl.reports.cross_eval.svg import SHAPES, line, marker, number, path, picture, polyline, render, text


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1.0, "1"), (0.5, "0.5"), (0.126, "0.13"), (-2.0, "-2"), (10.0, "10"), (100.0, "100")],
)
def test_numbers_are_short(value: float, shown: str) -> None:
    assert number(value) == shown


def test_a_picture_is_well_formed_whatever_its_texts() -> None:
    svg = picture(10, 20, 'a "quoted" <label>')
    line(svg, (0, 1), (2, 3), "grid")
    text(svg, (1, 2), "a < b & c", "tick")
    path(svg, polyline([(0, 0), (1, 1.5)]), "line s0", tip="<tip>")
    found = fromstring(render(svg))
    assert (found.get("viewBox"), found.get("aria-label")) == ("0 0 10 20", 'a "quoted" <label>')
    assert [element.tag for element in found] == ["line", "text", "path"]
    assert found[1].text == "a < b & c"
    assert found[2].get("d") == "M0 0L1 1.5"
    assert found[2][0].text == "<tip>"


def test_markers_differ_in_shape() -> None:
    assert len({marker(series, 5, 5) for series in range(len(SHAPES))}) == len(SHAPES)
    assert marker(0, 5, 5) == marker(len(SHAPES), 5, 5)
