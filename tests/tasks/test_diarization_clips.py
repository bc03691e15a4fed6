import torch

from sercl.batch import FrameBatch
from sercl.corpora.base import Segment
from sercl.diarization.postprocess import PostConfig
from sercl.tasks.diarization import diarize_batch

CLASSES = ("angry", "happy", "neutral", "sad")
PLAIN = PostConfig(smoothing="none", min_seconds=0.0)


def test_truth_and_finding_are_in_seconds_and_without_padding():
    batch = FrameBatch.from_clips(
        [torch.ones(1280), torch.ones(650)],
        [torch.tensor([2] * 10 + [3] * 10), torch.tensor([0] * 11)],
        ["a", "b"],
    )
    probabilities = torch.full((2, 4, 4), 0.1)
    probabilities[0, :, 2] = 0.7
    probabilities[1, :2, 0] = 0.7
    first, second = diarize_batch(batch, probabilities, torch.tensor([4, 2]), CLASSES, 0.02, PLAIN)
    assert first.reference == (Segment(0, 0.04, "neutral"), Segment(0.04, 0.08, "sad"))
    assert [(s.start, s.end, s.emotion) for s in first.hypothesis] == [(0, 0.08, "neutral")]
    assert second.duration == 650 / 16_000
    assert second.reference == (Segment(0, 650 / 16_000, "angry"),)
    assert [(s.end, s.emotion) for s in second.hypothesis] == [(650 / 16_000, "angry")]
