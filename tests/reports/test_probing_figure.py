from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from sercl.errors import OutputError, UnknownNameError, UsageError
from sercl.reports.probing_figure import MOST_CURVES, curve_names, probe_figure
from sercl.studies.layer_probe.summary import ProbeResults
from tests.studies.heads.samples import results


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Draw, and return the figure as it was when it was saved."""
    figures: list[Figure] = []
    save = Figure.savefig

    def keep(self: Figure, *args: object, **kwargs: object) -> None:
        figures.append(self)
        save(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Figure, "savefig", keep)

    def draw(found: Sequence[ProbeResults], title: str = "") -> Figure:
        probe_figure(found, tmp_path / "curve.png", title)
        return figures[-1]

    return draw


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]  # type: ignore[union-attr]


THREE = [results(), results("speaker", chance=0.1, splits="within-speaker"), results("gender", chance=0.5)]
DEEP = results(uars=tuple(np.linspace(0.3, 0.9, 25)))


def test_png_and_svg_are_written(tmp_path: Path) -> None:
    for suffix in (".png", ".svg"):
        probe_figure(THREE, tmp_path / "new" / f"curve{suffix}", "EMO-DB")
    height, width, _ = matplotlib.image.imread(tmp_path / "new" / "curve.png").shape
    assert width > 1000
    assert height > 700
    assert "EMO-DB" in (tmp_path / "new" / "curve.svg").read_text()


def test_the_curve_its_band_and_the_best_layer(drawn) -> None:
    curves, weights = drawn([results()]).axes
    line = next(line for line in curves.lines if len(line.get_xdata()) == 4)
    assert line.get_ydata() == pytest.approx([50, 75, 90, 60])
    band = curves.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == pytest.approx(45)
    assert band[:, 1].max() == pytest.approx(95)
    ring = next(line for line in curves.lines if len(line.get_xdata()) == 1)
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (2, pytest.approx(90))
    assert [bar.get_height() for bar in weights.patches] == pytest.approx([25] * 4)


def test_chance_and_control_are_drawn(drawn) -> None:
    curves = drawn([results()]).axes[0]
    labels = curves.get_legend_handles_labels()[1]
    assert labels == [
        "emotion: 90.0 % at the layers chosen",
        "chance",
        "shuffled labels",
        "best on validation (lowest loss)",
    ]
    assert any(list(line.get_ydata()) == [25, 25] for line in curves.lines)


def test_no_curve_leaves_the_picture(drawn) -> None:
    found = results()
    low = replace(found.layers[0], control=replace(found.layers[0].control, value=0.05))
    axes = drawn([replace(found, layers=(low, *found.layers[1:]))]).axes[0]
    assert axes.get_ylim()[0] < 5


def test_each_curve_has_a_colour_a_marker_and_its_own_chance(drawn) -> None:
    curves = drawn(THREE).axes[0]
    lines = [line for line in curves.lines if len(line.get_xdata()) == 4]
    assert len({line.get_color() for line in lines}) == len({line.get_marker() for line in lines}) == 3
    chances = {line.get_ydata()[0]: line.get_color() for line in curves.lines if len(line.get_xdata()) == 2}
    assert [chances[level] for level in (25, 10, 50)] == [line.get_color() for line in lines]


def test_names_say_what_differs() -> None:
    zero = results(setting="zero-shot")
    assert curve_names([results()]) == ["emotion"]
    assert curve_names([results(), zero]) == ["monolingual", "zero-shot"]
    assert curve_names(THREE) == ["emotion", "speaker (within-speaker folds)", "gender"]
    assert curve_names([zero, THREE[2]]) == ["emotion, zero-shot", "gender, monolingual"]


@pytest.mark.parametrize(
    "found", [[results()], THREE, THREE * 2, [DEEP]], ids=["one", "three", "six", "deep"]
)
def test_nothing_overlaps(found: list[ProbeResults], drawn) -> None:
    figure = drawn(found, "EMO-DB, whisper-base")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # the layout once more, for the resolution that is measured in
    renderer = canvas.get_renderer()
    for axes in figure.axes:
        for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
            boxes = [label.get_window_extent(renderer) for label in labels if label.get_text()]
            assert not any(one.overlaps(two) for one, two in combinations(boxes, 2))
    panels = [axes.get_tightbbox(renderer) for axes in figure.axes]
    legend = figure.legends[0].get_window_extent(renderer)
    assert all(panel is not None and not panel.overlaps(legend) for panel in panels)
    assert panels[0].y0 > panels[1].y1
    assert legend.x1 <= figure.bbox.x1
    assert panels[0].height > 2 * panels[1].height


def test_without_weights_there_is_one_panel(drawn) -> None:
    figure = drawn([results(weighted=False, control=False)])
    assert len(figure.axes) == 1
    assert "shuffled labels" not in words(figure)


def test_no_interval_is_no_band(drawn) -> None:
    found = results()
    bare = tuple(
        replace(entry, uar=replace(entry.uar, low=float("nan"), high=float("nan"))) for entry in found.layers
    )
    assert drawn([replace(found, layers=bare)]).axes[0].get_ylim()[0] >= 0


def test_wrong_calls_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"Valid: \.png"):
        probe_figure(THREE, tmp_path / "curve.gif")
    for count in (0, MOST_CURVES + 1):
        with pytest.raises(UsageError, match=f"{count} layer curves in a picture: valid: 1 to"):
            probe_figure([results()] * count, tmp_path / "curve.png")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        probe_figure(THREE, tmp_path / "file" / "curve.png")
