from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread
from rich.console import Console

from sercl.errors import OutputError
from sercl.reports.results import confusion_figure, confusion_text, row_shares

MATRIX = [[8, 2, 0], [1, 3, 0], [0, 0, 0]]
CLASSES = ("angry", "happy", "sad")


def test_text_holds_the_counts_row_by_row() -> None:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(confusion_text(MATRIX, CLASSES))
    rows = [line.split() for line in capture.get().splitlines() if line.split()[:1] and "─" not in line]
    assert rows == [
        ["True", "\\", "predicted", "angry", "happy", "sad"],
        ["angry", "8", "2", "0"],
        ["happy", "1", "3", "0"],
        ["sad", "0", "0", "0"],
    ]


def test_a_larger_share_of_the_row_is_darker() -> None:
    console = Console(width=80, color_system="truecolor", force_terminal=True)
    with console.capture() as capture:
        console.print(confusion_text([[1, 3], [0, 0]], ("a", "b")))
    # light and dark blue, mixed by share: 1/4 and 3/4
    assert "48;2;187;200;218" in capture.get()
    assert "48;2;68;99;144" in capture.get()


@given(st.lists(st.lists(st.integers(0, 1000), min_size=3, max_size=3), min_size=3, max_size=3))
def test_shares_of_a_row_sum_to_one_or_it_is_empty(matrix: list[list[int]]) -> None:
    for row, shares in zip(matrix, row_shares(matrix), strict=True):
        assert sum(shares) == pytest.approx(1 if any(row) else 0)


def test_figure_is_a_picture_with_darker_cells_for_larger_shares(tmp_path: Path) -> None:
    path = tmp_path / "new" / "confusion.png"
    confusion_figure([[10, 0], [0, 10]], ("a", "b"), path, "two classes")
    pixels = imread(path)
    height, width = pixels.shape[:2]
    # a little off the middle of the upper cells, where no text stands
    upper_left, upper_right = pixels[height // 5, width // 4], pixels[height // 5, 3 * width // 4]
    assert upper_left[:3].sum() < upper_right[:3].sum() - 1


def test_figure_in_an_unwritable_place(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        confusion_figure(MATRIX, CLASSES, tmp_path / "file" / "x.png")
