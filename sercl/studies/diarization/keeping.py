"""Post-processing that was chosen on validation data goes into the checkpoint, for all that use it."""

from dataclasses import asdict
from pathlib import Path

import torch

from sercl.files import atomic_path
from sercl.studies.diarization.tuning import Tuning
from sercl.tasks import checkpoint as checkpoints


def keep_tuning(path: Path, tuning: Tuning, data: str) -> None:
    """Write the chosen post-processing into a checkpoint, in place of its own.

    Args:
        path: The checkpoint.
        tuning: What was chosen.
        data: What it was chosen on, to be kept beside it.

    Raises:
        CheckpointError: For a file that is no checkpoint of sercl.
        OutputError: Where it cannot be written.
    """
    stored = checkpoints.read(path)
    stored["hyper_parameters"]["post"] = asdict(tuning.post)
    stored["sercl"]["tuned"] = {"on": data, **{k: v for k, v in asdict(tuning).items() if k != "post"}}
    with atomic_path(path) as temporary:
        torch.save(stored, temporary)
