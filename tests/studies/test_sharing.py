from pathlib import Path

import pytest

from sercl.errors import UsageError
from sercl.studies import sharing
from sercl.studies.sharing import SharedDiarizer, SharedPredictor, check_processes
from sercl.tasks import diarizer, predictor


class FakePool:
    """Does in this process what others would do."""

    def __init__(self, prepare, processes):
        self.prepare, self.processes, self.closed = prepare, processes, False

    def each(self, items):
        work = self.prepare()
        yield from map(work, items)

    def __exit__(self, *_):
        self.closed = True


windows = []
"""Numbers of files that a predictor got."""


class FakePredictor:
    classes, checkpoints = ("angry", "sad"), ("fold-0/best.ckpt",)

    def stream(self, files, batch_seconds):
        windows.append(len(files))
        return [f"{path}, {batch_seconds:g}" for path in files]


@pytest.fixture(autouse=True)
def pool(monkeypatch):
    monkeypatch.setattr(sharing, "Pool", FakePool)


def test_windows_of_files_come_back_in_order(monkeypatch):
    asked = []
    windows.clear()

    def load(*own, precision):
        asked.append((*own, precision))
        return FakePredictor()

    monkeypatch.setattr(predictor, "load", load)
    files = [Path(f"{number}.wav") for number in range(70)]
    with SharedPredictor("run", "cpu", None, "bf16", 2) as shared:
        assert shared.classes == FakePredictor.classes
        assert shared.checkpoints == FakePredictor.checkpoints
        assert list(shared.stream(files, 30.0)) == [f"{path}, 30" for path in files]
        assert list(shared.stream(files[:5])) == [f"{path}, 60" for path in files[:5]]
    assert windows == [32, 32, 6, 3, 2]
    assert set(asked) == {("run", "cpu", None, "bf16")}
    assert shared._pool.closed


@pytest.mark.parametrize(
    ("processes", "device", "said"),
    [
        (0, "auto", "valid: 1 to"),
        (257, "cpu", "valid: 1 to"),
        (2, "cuda:1", "CUDA_VISIBLE_DEVICES"),
        (2, "mps", "share"),
    ],
)
def test_what_cannot_be_shared_is_refused(processes, device, said):
    with pytest.raises(UsageError, match=said):
        check_processes(processes, device)


@pytest.mark.parametrize(("processes", "device"), [(1, "cuda:1"), (2, "auto"), (256, "cpu")])
def test_what_can_be_shared(processes, device):
    check_processes(processes, device)


def test_a_diarizer_has_the_settings_that_are_given(monkeypatch):
    from sercl.diarization.postprocess import PostConfig

    asked = []

    class FakeDiarizer:
        post = PostConfig()

        def stream(self, files):
            return iter([(str(*files), self.post.min_seconds)])

    def diarize(*own, vad, precision):
        asked.append(precision)
        return FakeDiarizer()

    monkeypatch.setattr(diarizer, "diarize", diarize)
    with SharedDiarizer("run", "cpu", None, {"min_seconds": 0.7}, False, "bf16", 2) as shared:
        assert list(shared.stream([Path("a.wav"), Path("b.wav")])) == [("a.wav", 0.7), ("b.wav", 0.7)]
    assert set(asked) == {"bf16"}
