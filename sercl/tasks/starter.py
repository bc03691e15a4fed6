"""The starter model: a checkpoint that predicts without training; where it is found, and how it is verified.

This module imports no torch, so that a command can say at once that the model is missing.
"""

import hashlib
from pathlib import Path

from sercl.errors import DamagedCheckpointError, UsageError
from sercl.files import cache_folder

FILE = "starter.ckpt"
SIZE = 22_308_082
SHA256 = "acc63a018d8b84a8c84662570a319ee6c8860d92902690341b215378cfa9e6ce"
"""Size in bytes and hash of the file; `make starter` prints those of a new one."""

ABOUT = "Starter model (starter.ckpt): trained on German acted speech, 10 speakers of EMO-DB."
WARNING = (
    "Warning: other languages and spontaneous speech are outside what it was trained on; high probabilities "
    "may be wrong there. Its scores are in checkpoints/starter.md."
)
_CHECKOUT = Path(__file__).resolve().parents[2] / "checkpoints"


def find_starter() -> Path:
    """Return the path of the starter model: in the checkout that sercl runs from, else in the user's cache.

    Raises:
        UsageError: If it is in neither, with where to get it.
        DamagedCheckpointError: If the file is not the one that this version of sercl knows.
    """
    places = [_CHECKOUT / FILE, cache_folder() / FILE]
    path = next((each for each in places if each.is_file()), None)
    if path is None:
        raise UsageError(
            f"no checkpoint is given, and the starter model is not installed. Copy checkpoints/{FILE} of "
            f"sercl's repository ({SIZE / 1e6:.1f} MB, sha256 {SHA256}) to {places[1]}, or give a checkpoint "
            "first, such as RUN/best.ckpt."
        )
    verify(path)
    return path


def verify(path: Path) -> None:
    """Raise `DamagedCheckpointError` unless a file is the starter model."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256:
        raise DamagedCheckpointError(
            f"{path}: not the starter model of this version of sercl (sha256 {found}, not {SHA256}). It may "
            f"be truncated: copy checkpoints/{FILE} of the repository again."
        )
