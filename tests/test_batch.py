from dataclasses import replace

import pytest
import torch

from sercl.batch import UNLABELLED, AudioBatch, FeatureBatch, by_length, most_parts, parts_of


def test_clips_are_padded_on_the_right():
    batch = AudioBatch.from_clips([torch.ones(2), torch.full((4,), 0.5)], labels=[3, 0])
    assert batch.waveforms.tolist() == [[1, 1, 0, 0], [0.5, 0.5, 0.5, 0.5]]
    assert batch.lengths.tolist() == [2, 4]
    assert (batch.labels.tolist(), batch.ids, len(batch)) == ([3, 0], ("0", "1"), 2)
    assert batch.lengths.dtype == batch.labels.dtype == torch.int64


def test_every_tensor_moves_and_ids_stay():
    audio = AudioBatch.from_clips([torch.ones(2)], labels=[1], ids=["a"]).to("meta")
    features = FeatureBatch(torch.ones(1, 2, 3), torch.tensor([1]), ("a",)).to("meta")
    moved = (audio.waveforms, audio.lengths, audio.labels, features.features, features.labels)
    assert {tensor.device.type for tensor in moved} == {"meta"}
    assert audio.ids == features.ids == ("a",)


def test_a_batch_without_truth_moves_too():
    assert AudioBatch.from_clips([torch.ones(2)]).to("meta").labels is None
    assert FeatureBatch(torch.ones(1, 2, 3), None, ("a",)).to("meta").labels is None


def test_batches_hold_similar_lengths_within_a_bound():
    assert by_length([3.0, 0.5, 1.0, 1.2, 9.0], 4.0) == [[1, 2, 3], [0], [4]]


@pytest.mark.parametrize(
    ("labels", "most"),
    [([0, 1, UNLABELLED, UNLABELLED, UNLABELLED], 2), ([0, 1, 2], 3), ([UNLABELLED] * 2, 2)],
)
def test_parts_of_two_domains_have_clips_of_every_kind_that_there_is(labels, most):
    clips = [torch.ones(2)] * len(labels)
    batch = replace(AudioBatch.from_clips(clips, labels), domains=torch.zeros(len(labels), dtype=torch.int64))
    parts = parts_of(batch, 10)
    assert most_parts(batch) == len(parts) == most
    assert sorted(id for part in parts for id in part.ids) == sorted(batch.ids)
    unlabelled = [(part.labels == UNLABELLED).any().item() for part in parts]
    assert unlabelled == [UNLABELLED in labels] * most
