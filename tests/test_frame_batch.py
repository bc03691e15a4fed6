import torch

from sercl.batch import NO_LABEL, FrameBatch


def batch():
    clips = [torch.ones(640), torch.ones(1280)]
    labels = [torch.tensor([2] * 5 + [3] * 5), torch.tensor([0] * 20)]
    return FrameBatch.from_clips(clips, labels, ["a", "b"])


def test_padding():
    found = batch()
    assert found.waveforms.shape == (2, 1280)
    assert found.labels.shape == (2, 20)
    assert found.labels[0, 10:].tolist() == [NO_LABEL] * 10
    assert found.audio.lengths.tolist() == [640, 1280]
    assert found.audio.labels is None
    assert len(found) == 2


def test_a_frame_takes_the_label_of_its_middle():
    found = batch().labels_of_frames(6, 320.0)
    assert found.tolist() == [[2, 3] + [NO_LABEL] * 4, [0, 0, 0, 0, NO_LABEL, NO_LABEL]]
    # Frames of 40 ms: the first one's middle is where the label changes.
    assert batch().labels_of_frames(1, 640.0).tolist() == [[3], [0]]


def test_it_moves_as_a_whole():
    moved = batch().to("meta")
    assert {moved.waveforms.device.type, moved.lengths.device.type, moved.labels.device.type} == {"meta"}
    assert moved.ids == ("a", "b")
