import torch

from sercl.data.clips.dataset import FrameItem
from sercl.data.dataset import FeatureItem, Item
from sercl.data.split import collate_audio, collate_features, collate_frames


def test_clips_are_padded_with_zeros_and_keep_their_lengths():
    batch = collate_audio([Item(torch.ones(3), 1, "a"), Item(torch.full((5,), 2.0), 0, "b")])
    assert batch.waveforms.tolist() == [[1, 1, 1, 0, 0], [2, 2, 2, 2, 2]]
    assert batch.lengths.tolist() == [3, 5]
    assert batch.labels.tolist() == [1, 0]
    assert batch.ids == ("a", "b")


def test_features_are_stacked():
    batch = collate_features([FeatureItem(torch.full((2, 3), float(i)), i, str(i)) for i in range(4)])
    assert batch.features.shape == (4, 2, 3)
    assert batch.features[:, 0, 0].tolist() == batch.labels.tolist() == [0, 1, 2, 3]
    assert batch.labels.dtype == torch.int64
    assert batch.ids == ("0", "1", "2", "3")


def test_clips_with_labels_are_padded_apart():
    items = [
        FrameItem(torch.ones(128), torch.tensor([2, 3]), "a"),
        FrameItem(torch.ones(60), torch.tensor([1]), "b"),
    ]
    batch = collate_frames(items)
    assert batch.waveforms.shape == (2, 128)
    assert batch.lengths.tolist() == [128, 60]
    assert batch.labels.tolist() == [[2, 3], [1, -100]]
    assert batch.ids == ("a", "b")
