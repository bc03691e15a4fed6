from pathlib import Path

import pytest

from sercl.errors import OutputError, UnknownNameError
from sercl.reports.rendering import FORMATS, check_format, picture_file


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_was_drawn_is_in_the_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture{suffix.upper()}"
    with picture_file(path, {"font.size": 5}) as figure:
        figure.text(0.5, 0.5, "here")
        assert not path.exists()
    assert path.stat().st_size > 500
    assert list(tmp_path.iterdir()) == [path]


def test_another_format_is_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"'\.gif'.*\.png, \.pdf, \.svg"):
        check_format(tmp_path / "a.gif")
    with pytest.raises(UnknownNameError), picture_file(tmp_path / "a.gif", {}):
        pytest.fail("drawn")


def test_a_drawing_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), picture_file(tmp_path / "a.png", {}):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError), picture_file(tmp_path / "file" / "a.png", {}):
        pass
