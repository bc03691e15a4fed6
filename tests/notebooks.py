"""Execute the notebooks of docs/notebooks; `python -m tests.notebooks` writes their outputs into them."""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def execute(notebook: Path, folder: Path) -> NotebookNode:
    """Run every cell in a fresh kernel whose working directory is `folder`; the first error is raised."""
    content = nbformat.read(notebook, as_version=4)
    # `sercl` in a cell of the shell is that of the Python that runs this.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    resources = {"metadata": {"path": folder}}
    NotebookClient(
        content, timeout=600, startup_timeout=300, kernel_name="python3", resources=resources
    ).execute()
    return content


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Return outputs with what a command printed, which comes in arbitrary pieces, as one."""
    joined: list[NotebookNode] = []
    for own in outputs:
        if joined and own.output_type == joined[-1].output_type == "stream":
            joined[-1].text += own.text
        else:
            joined.append(own)
    return joined


def tidy(content: NotebookNode) -> NotebookNode:
    """Leave out what differs each time: times, versions of the kernel, and warnings about its environment."""
    content.metadata = NotebookNode(
        kernelspec={"display_name": "Python 3", "language": "python", "name": "python3"},
        language_info={"name": "python"},
    )
    for number, cell in enumerate(content.cells):
        cell.id = f"cell-{number}"
        cell.metadata = NotebookNode()
        if cell.cell_type == "code":
            cell.outputs = _joined([own for own in cell.outputs if own.get("name") != "stderr"])
    return content


if __name__ == "__main__":
    for path in NOTEBOOKS:
        with TemporaryDirectory() as place:
            nbformat.write(tidy(execute(path, Path(place))), path)
