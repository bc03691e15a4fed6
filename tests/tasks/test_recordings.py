import pytest
import torch

from sercl.errors import DamagedCheckpointError
from sercl.tasks.recordings import LIKE, fingerprint, fingerprints, from_checkpoint, to_tensors


def test_what_a_checkpoint_holds_is_what_was_trained_on():
    recordings = {"train": fingerprints(["a", "b", ""]), "validation": fingerprints(["c"]), LIKE: {7}}
    assert len(recordings["train"]) == 2
    assert from_checkpoint(to_tensors(recordings)) == recordings
    assert fingerprint("a") in recordings["train"]
    assert fingerprint("a") == 4681665781835383343  # what is stored must be found again
    assert from_checkpoint(None) is None


@pytest.mark.parametrize(
    "stored",
    [
        7,
        {"train": torch.zeros(1, dtype=torch.int64)},
        {"train": torch.zeros(1), "validation": torch.zeros(1)},
        {"train": [1], "validation": [2]},
        {"train": torch.zeros(1, 1, dtype=torch.int64), "validation": torch.zeros(1, 1, dtype=torch.int64)},
    ],
)
def test_anything_else_is_a_damaged_checkpoint(stored):
    with pytest.raises(DamagedCheckpointError, match=r"m\.ckpt: recordings: "):
        from_checkpoint(stored, "m.ckpt")
