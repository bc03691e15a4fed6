from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import matplotlib.image
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from sercl.corpora.labels import EMOTIONS
from sercl.errors import OutputError, UnknownNameError
from sercl.reports import corpus
from sercl.reports.corpus import inspection_figure
from sercl.studies.corpus_inspection import Confound, Inspection
from tests.reports.test_corpus import TOY


def _drawn(inspection: Inspection, monkeypatch: pytest.MonkeyPatch, path: Path) -> Figure:
    """Draw, and return the figure as it was when it was saved."""
    figures: list[Figure] = []
    save = Figure.savefig

    def keep(self: Figure, *args: object, **kwargs: object) -> None:
        figures.append(self)
        save(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Figure, "savefig", keep)
    inspection_figure(inspection, path)
    return figures[0]


def _words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]  # type: ignore[union-attr]


def test_a_picture_is_written(tmp_path: Path) -> None:
    inspection_figure(TOY, tmp_path / "new" / "toy.png")
    height, width, _ = matplotlib.image.imread(tmp_path / "new" / "toy.png").shape
    assert width == 1650
    assert height > 400


def test_numbers_names_and_confounds_stand_in_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    confound = Confound("text", "sad", 1.0, 0.005, 1.0, 2)
    words = _words(_drawn(replace(TOY, confounds=(confound,)), monkeypatch, tmp_path / "toy.svg"))
    for expected in ("anna", "bert", " 3", "angry 3", "female", "4 classes"):
        assert expected in words
    assert "Confound: sad shares no text with the other emotions (score 1.00)." in words
    assert words[0] == "Toy: 5 utterances, 2 speakers, de, 8 s"


def test_names_do_not_overlap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = {f"speaker{i:03}": {"angry": 1, "sad": 1} for i in range(120)}
    figure = _drawn(replace(TOY, speakers=many), monkeypatch, tmp_path / "toy.png")
    renderer = FigureCanvasAgg(figure).get_renderer()
    for axes in (axes for axes in figure.axes if axes.axison):
        for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
            boxes = [label.get_window_extent(renderer) for label in labels if label.get_text()]
            assert not any(one.overlaps(two) for one, two in pairwise(boxes))


def test_header_does_not_touch_the_panels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = _drawn(TOY, monkeypatch, tmp_path / "toy.png")
    renderer = FigureCanvasAgg(figure).get_renderer()
    title, facts = (text.get_window_extent(renderer) for text in figure.axes[0].texts)
    panel = figure.axes[1].get_tightbbox(renderer)
    assert panel is not None
    assert title.y0 > facts.y1
    assert facts.y0 > panel.y1


def test_every_emotion_has_a_colour_of_its_own() -> None:
    assert set(corpus._COLOURS) == set(EMOTIONS)
    assert len(set(corpus._COLOURS.values())) == len(EMOTIONS)


def test_a_corpus_without_utterances_or_audio_is_drawn(tmp_path: Path) -> None:
    inspection_figure(replace(TOY, seconds={"angry": (), "sad": ()}), tmp_path / "silent.png")
    inspection_figure(replace(TOY, utterances=0, emotions={}, speakers={}), tmp_path / "empty.png")
    assert (tmp_path / "silent.png").stat().st_size > (tmp_path / "empty.png").stat().st_size > 0


def test_an_unknown_format_and_an_unwritable_place(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"'\.xyz'\. Valid: \.png, \.pdf, \.svg"):
        inspection_figure(TOY, tmp_path / "toy.xyz")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        inspection_figure(TOY, tmp_path / "file" / "toy.png")
