from pathlib import Path

import pytest
import soundfile
import torch

from sercl.audio.augment import Augment, AugmentConfig
from sercl.batch import AudioBatch, FeatureBatch
from sercl.corpora.base import Utterance
from sercl.data.config import LoaderConfig
from sercl.data.split import Split
from tests.data.corpora import tone

SECONDS = (0.1, 0.2, 0.3, 0.4)


@pytest.fixture
def split(tmp_path):
    """Four tones of growing length, labelled by their place."""
    for place, seconds in enumerate(SECONDS):
        soundfile.write(tmp_path / f"{place}.wav", tone(seconds, hz=200 + 50 * place), 16_000)

    def make(augment=None, **config):
        utterances = tuple(
            Utterance(str(place), Path(tmp_path / f"{place}.wav"), "sad", "Toy") for place in range(4)
        )
        options = LoaderConfig(**{"batch_size": 2, "batch_seconds": 0, **config})
        return Split(utterances, (0, 1, 2, 3), SECONDS, tuple("abcd"), options, augment and Augment(augment))

    return make


def ids(loader):
    return [batch.ids for batch in loader]


def test_evaluation_reads_clips_as_they_are_the_longest_first(split):
    loud = AugmentConfig(gain_db=(20.0, 20.0), probability=1.0)
    batches = list(split(loud).audio_loader(training=False))
    assert [batch.ids for batch in batches] == [("3", "2"), ("1", "0")]
    assert all(isinstance(batch, AudioBatch) and batch.waveforms.abs().max() < 0.31 for batch in batches)
    assert [batch.labels.tolist() for batch in batches] == [[3, 2], [1, 0]]


def test_training_shuffles_with_the_epoch_and_augments(split):
    loud = AugmentConfig(gain_db=(20.0, 20.0), probability=1.0)
    loader = split(loud).audio_loader(training=True)
    orders = []
    for epoch in range(6):
        loader.batch_sampler.set_epoch(epoch)
        batches = list(loader)
        orders.append([batch.ids for batch in batches])
        assert sorted(name for batch in batches for name in batch.ids) == ["0", "1", "2", "3"]
        assert all(batch.waveforms.abs().max() > 2 for batch in batches)
    assert len({str(order) for order in orders}) > 1


def test_features_are_batched_by_number_alone_where_that_is_bounded(split):
    features = {str(place): torch.full((1, 2), float(place)) for place in range(4)}
    by_number = list(split(batch_size=3, batch_seconds=0.2).feature_loader(features, training=False))
    assert all(isinstance(batch, FeatureBatch) for batch in by_number)
    assert sorted(len(batch) for batch in by_number) == [1, 3]
    by_seconds = list(split(batch_size=0, batch_seconds=0.4).feature_loader(features, training=False))
    assert [len(batch) for batch in by_seconds] == [1, 1, 2]
    for batch in by_number:
        assert batch.features[:, 0, 0].tolist() == [float(name) for name in batch.ids]


@pytest.mark.parametrize(("training", "sizes"), [(True, {1}), (False, {2})])
def test_the_bound_counts_slowed_clips_at_their_length(split, training, sizes):
    slow = AugmentConfig(speed=(0.5, 1.0), probability=1.0)
    loader = split(slow, batch_seconds=0.8).audio_loader(training)
    assert {len(batch) for batch in loader.batch_sampler if (0, 3) in batch} == sizes


def test_joined_splits_are_loaded_as_the_first(split):
    first, second = split(batch_size=3), split(batch_size=1)
    both = first.joined([second])
    assert both.config.batch_size == 3
    assert both.seconds == SECONDS * 2
    assert (both.labels, both.audio_keys) == ((0, 1, 2, 3) * 2, tuple("abcd") * 2)
    assert sum(len(batch) for batch in both.audio_loader(training=False).batch_sampler) == 8


def test_reading_leaves_the_global_generator_alone(split):
    torch.manual_seed(0)
    state = torch.get_rng_state()
    ids(split().audio_loader(training=True))
    assert torch.equal(torch.get_rng_state(), state)
