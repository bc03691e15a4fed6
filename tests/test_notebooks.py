"""The notebooks run, without a network, in a folder of their own."""

from pathlib import Path

import nbformat
import pytest

from tests.notebooks import NOTEBOOKS, execute


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs(notebook: Path, tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader", reason="the extra `demo` is not installed")
    execute(notebook, tmp_path)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_kept_with_its_outputs(notebook: Path) -> None:
    content = nbformat.read(notebook, as_version=4)
    nbformat.validate(content)
    outputs = [own for cell in content.cells for own in cell.get("outputs", ())]
    assert any("image/png" in own.get("data", {}) for own in outputs)
    assert notebook.stat().st_size < 400_000
    text = notebook.read_text(encoding="utf-8")
    assert "the figures mean nothing" in text
    assert "/tmp/" not in text
