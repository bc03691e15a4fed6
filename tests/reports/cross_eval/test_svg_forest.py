from dataclasses import replace
from xml.etree.ElementTree import fromstring

import pytest

from sercl.reports.cross_eval.svg import HEIGHT, MARGIN, WIDTH, forest, scale
from sercl.studies.cross_eval.analysis.analysis import Analysis
from sercl.studies.cross_eval.analysis.comparisons import Comparison
from sercl.studies.results.scores import Score


def comparison(wide: Analysis, value: float, low: float, high: float, p_holm: float = 1.0) -> Comparison:
    item = wide.families[0].comparisons[0]
    score = Score(value, low, high, "speakers", 10)
    return replace(item, paired=replace(item.paired, difference=score, p_holm=p_holm))


def test_the_scale_holds_every_whisker(wide: Analysis) -> None:
    assert scale([comparison(wide, 0.01, -0.02, 0.04)]) == pytest.approx(0.1)
    assert scale([comparison(wide, 0.01, -0.23, 0.04)]) == pytest.approx(0.3)
    assert scale([comparison(wide, 0.2, 0.1, 0.3)]) == pytest.approx(0.3)
    assert scale([comparison(wide, float("nan"), float("nan"), float("nan"))]) == pytest.approx(0.1)


def test_zero_is_in_the_middle_and_the_edges_are_the_scale(wide: Analysis) -> None:
    found = fromstring(forest(comparison(wide, 0.0, -0.2, 0.2, p_holm=0.2), reach=0.2))
    zero, whisker = found.findall("line")
    assert float(zero.get("x1", 0)) == WIDTH / 2
    assert (float(whisker.get("x1", 0)), float(whisker.get("x2", 0))) == (MARGIN, WIDTH - MARGIN)
    assert float(whisker.get("y1", 0)) == HEIGHT / 2
    assert found.findall("path")[0].get("class") == "dot"


def test_what_is_significant_is_filled(wide: Analysis) -> None:
    found = fromstring(forest(comparison(wide, 0.1, 0.05, 0.15, p_holm=0.01), reach=0.2))
    assert found.findall("path")[0].get("class") == "dot clear"
    assert found.get("aria-label") == "difference +10.0 points"


def test_nothing_to_draw_is_only_the_axis(wide: Analysis) -> None:
    nan = float("nan")
    found = fromstring(forest(comparison(wide, nan, nan, nan), reach=0.1))
    assert len(found.findall("line")) == 1
    assert found.findall("path") == []
