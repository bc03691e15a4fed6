from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sercl.data import sampler as module
from sercl.data.sampler import LengthBucketBatchSampler
from sercl.errors import UsageError

durations = st.lists(st.floats(0.1, 30.0), max_size=80)
bounds = st.tuples(st.none() | st.floats(0.5, 200), st.none() | st.integers(1, 40)).filter(any)


def make(seconds, batch_seconds=20.0, batch_size=4, shuffle=True, seed=1, even=True):
    return LengthBucketBatchSampler(seconds, batch_seconds, batch_size, shuffle, seed, even)


def indices(batches):
    return [index for batch in batches for _, index in batch]


def dealt(sampler, world):
    """What each of `world` processes gets."""
    parts = []
    for rank in range(world):
        with mock.patch.object(module, "_rank_and_world", return_value=(rank, world)):
            parts.append(list(sampler))
            assert len(parts[-1]) == len(sampler)
    return parts


@given(durations, bounds, st.booleans(), st.integers(0, 5))
def test_every_clip_comes_once_per_epoch_within_the_bounds(seconds, limits, shuffle, epoch):
    batch_seconds, batch_size = limits
    sampler = make(seconds, batch_seconds, batch_size, shuffle)
    sampler.set_epoch(epoch)
    batches = list(sampler)
    assert sorted(indices(batches)) == list(range(len(seconds)))
    assert len(batches) == len(sampler)
    for batch in batches:
        padded = len(batch) * max(seconds[index] for _, index in batch)
        assert batch_seconds is None or len(batch) == 1 or padded <= batch_seconds * (1 + 1e-9)
        assert batch_size is None or len(batch) <= batch_size


@given(st.lists(st.floats(0.1, 30.0), min_size=5, max_size=40), bounds, st.integers(1, 5), st.booleans())
def test_processes_share_the_clips_without_repeats_in_equally_many_batches(seconds, limits, world, shuffle):
    parts = dealt(make(seconds, *limits, shuffle), world)
    assert len({len(part) for part in parts}) == 1
    assert sorted(index for part in parts for index in indices(part)) == list(range(len(seconds)))


def test_fewer_clips_than_processes_is_refused():
    with pytest.raises(UsageError, match=r"2 utterances cannot be spread over 3"):
        dealt(make([1.0, 2.0]), 3)


@given(durations, bounds, st.integers(1, 5))
def test_uneven_processes_share_the_batches_of_a_single_one(seconds, limits, world):
    parts = dealt(make(seconds, *limits, shuffle=False, even=False), world)
    alone = list(make(seconds, *limits, shuffle=False))
    assert sorted(batch for part in parts for batch in part) == sorted(alone)


def test_order_depends_on_seed_and_epoch_alone():
    seconds = [1 + index / 10 for index in range(60)]
    first, again, other = make(seconds), make(seconds), make(seconds, seed=2)
    list(first)
    for sampler in (first, again, other):
        sampler.set_epoch(3)
    assert list(first) == list(again)
    assert indices(first) != indices(other)
    again.set_epoch(4)
    assert indices(first) != indices(again)
    assert {epoch for batch in again for epoch, _ in batch} == {4}


def test_the_number_of_batches_is_the_same_in_every_epoch():
    sampler = make([0.3 + (index * 7 % 23) for index in range(150)], 40.0, 16)
    counts = set()
    for epoch in range(10):
        sampler.set_epoch(epoch)
        counts.add(len(list(sampler)))
    assert len(counts) == 1


def test_batches_of_similar_duration_pad_less_than_chance():
    seconds = [1.0 + index % 40 for index in range(2000)]

    def padded(batch_seconds):
        batches = list(make(seconds, batch_seconds, 8))
        return sum(len(batch) * max(seconds[index] for _, index in batch) for batch in batches)

    assert padded(8 * 40.0) < 1.1 * sum(seconds) < 1.5 * sum(seconds) < padded(None)


def test_evaluation_begins_with_the_longest_clip():
    assert list(make([1.0, 9.0, 3.0], 10.0, 2, shuffle=False)) == [[(0, 1)], [(0, 2), (0, 0)]]


def test_lightning_finds_set_epoch():
    from lightning.fabric.utilities.data import _set_sampler_epoch
    from torch.utils.data import DataLoader

    sampler = make([1.0] * 40)
    loader = DataLoader(list(range(40)), batch_sampler=sampler)
    _set_sampler_epoch(loader, 7)
    assert next(iter(sampler))[0][0] == 7


@pytest.mark.parametrize(("batch_seconds", "batch_size"), [(None, None), (0.0, 3), (-1.0, None), (3.0, 0)])
def test_useless_bounds_are_refused(batch_seconds, batch_size):
    with pytest.raises(UsageError, match="batch"):
        make([1.0], batch_seconds, batch_size)


def test_a_bound_that_nothing_reaches_is_none():
    assert len(indices(make([0.5, 0.5], batch_seconds=1e308))) == 2


def test_batches_that_were_had_are_left_out_once():
    sampler = LengthBucketBatchSampler([1.0] * 10, None, 3, shuffle=True, seed=1)
    whole = list(sampler)
    sampler.skip(2)
    assert len(sampler) == len(whole)
    assert list(sampler) == whole[2:]
    assert list(sampler) == whole
