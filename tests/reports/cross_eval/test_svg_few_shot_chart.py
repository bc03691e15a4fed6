import re
from xml.etree.ElementTree import Element, fromstring

import pytest

from sercl.reports.cross_eval.svg import BOTTOM, CHART_HEIGHT, CHART_WIDTH, TOP, few_shot_charts, series_names
from sercl.studies.cross_eval.analysis.analysis import Analysis


@pytest.fixture
def pictures(wide: Analysis) -> dict[tuple[str, str], Element]:
    return {
        (chart.encoder, chart.pair): fromstring(chart.svg) for chart in few_shot_charts(wide.curves, 0.25)
    }


def of_class(picture: Element, name: str) -> list[Element]:
    return [element for element in picture.iter() if name in element.get("class", "").split()]


def test_a_picture_per_encoder_and_pair_with_a_line_per_adapter(wide: Analysis, pictures) -> None:
    assert len(pictures) == 2 * 6
    assert series_names(wide.curves) == ["frozen", "lora + bottleneck + gating"]
    for picture in pictures.values():
        assert len(of_class(picture, "line")) == 2
        assert len(of_class(picture, "ceiling")) == 2
        assert len(of_class(picture, "marker")) == 2 * 4  # 0 (zero-shot), 1, 4 and 16 shots
        assert len(of_class(picture, "alone")) == 1, "the frozen encoder's baseline"
        assert len(of_class(picture, "s0")) == len(of_class(picture, "s1")) + 1


def test_points_stand_at_their_scores(wide: Analysis, pictures) -> None:
    curve = wide.curves[0]
    picture = pictures[curve.condition.encoder, curve.condition.pair]
    ticks = {
        float(text.text or 0) / 100: float(line.get("y1", 0))
        for text, line in zip(of_class(picture, "end"), of_class(picture, "grid"), strict=False)
    }
    (low, y_low), (high, y_high) = min(ticks.items()), max(ticks.items())
    line = re.findall(r"[\d.]+ ([\d.]+)", of_class(picture, "line")[0].get("d", ""))
    shares = [low + (high - low) * (float(y) - y_low) / (y_high - y_low) for y in line]
    assert shares == pytest.approx([own.uar.value for own in curve.points.values()], abs=0.002)


def test_everything_stays_inside_and_speaks(pictures) -> None:
    for picture in pictures.values():
        assert picture.get("role") == "img"
        assert "labelled utterances per emotion" in picture.get("aria-label", "")
        for line in picture.iter("line"):
            assert 0 <= float(line.get("x1", 0)) <= float(line.get("x2", 0)) + 0.01 <= CHART_WIDTH
            assert TOP - 0.01 <= float(line.get("y2", 0)) <= CHART_HEIGHT - BOTTOM + 0.01
        tips = [title.text or "" for title in picture.iter("title")]
        assert all(re.search(r"\d shots?: [\d.]+ \([\d.]+ to [\d.]+\), \d repeats?", tip) for tip in tips)


def test_no_curves_no_pictures(bare: Analysis) -> None:
    assert few_shot_charts(bare.curves, 0.25) == []
