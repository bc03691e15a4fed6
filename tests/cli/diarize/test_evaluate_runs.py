import pytest

from sercl.cli.diarize.evaluate import _names
from sercl.errors import UsageError


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["runs/fold0/best.ckpt", "runs/fold1/last.ckpt"], ["fold0", "fold1"]),
        (["a/run/best.ckpt", "b/run/best.ckpt"], ["a-run", "b-run"]),
        (["a/x/run/best.ckpt", "b/x/run/best.ckpt"], ["run-1", "run-2"]),
        (["a/x/run/best.ckpt", "run-1/best.ckpt", "b/x/run/best.ckpt"], ["run-1", "run-1-2", "run-3"]),
        (["only/best.ckpt"], ["only"]),
    ],
)
def test_a_run_is_called_by_its_folder(tmp_path, paths, names):
    assert _names([tmp_path / path for path in paths]) == names


def test_two_checkpoints_of_one_run_are_refused(tmp_path):
    with pytest.raises(UsageError, match="Give one checkpoint for each fold"):
        _names([tmp_path / "best.ckpt", tmp_path / "sub" / ".." / "last.ckpt"])
