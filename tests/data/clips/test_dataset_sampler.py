from sercl.data.clips.config import ClipConfig
from sercl.data.clips.dataset import ClipBatchSampler, ClipSampler
from sercl.data.clips.plan import Planner
from sercl.data.config import LoaderConfig
from tests.data.clips.samples import pieces


def source(config=ClipConfig(max_seconds=4.0), count=0):
    planner = Planner(pieces(speakers=("a", "b", "c", "d"), each=8), config, 0)
    return ClipSampler(planner, count or planner.round, config)


def batches(sampler, epoch):
    sampler.set_epoch(epoch)
    return list(sampler)


def test_every_epoch_has_each_clip_once_and_as_many_batches():
    sampler = ClipBatchSampler(source(), LoaderConfig(batch_size=5, batch_seconds=0))
    for epoch in range(3):
        drawn = batches(sampler, epoch)
        assert len(drawn) == len(sampler) == 20
        assert sorted(key for batch in drawn for key in batch) == [(epoch, index) for index in range(96)]
    assert [len(batch) for batch in batches(sampler, 0)].count(5) == 19


def test_a_batch_of_the_longest_clips_keeps_to_the_bound():
    clips = source()
    sampler = ClipBatchSampler(clips, LoaderConfig(batch_size=32, batch_seconds=13.0))
    assert {len(batch) for batch in batches(sampler, 2)} == {3}
    slowed = ClipBatchSampler(clips, LoaderConfig(batch_size=32, batch_seconds=13.0), slowest=2.0)
    assert {len(batch) for batch in batches(slowed, 2)} == {1}


def test_clips_of_a_batch_are_of_similar_length_in_the_epoch_at_hand():
    clips = source(ClipConfig(max_seconds=0.0))
    sampler = ClipBatchSampler(clips, LoaderConfig(batch_size=3, batch_seconds=0))
    for epoch in (0, 7):
        seconds = clips.seconds(epoch)
        padding = sum(
            max(seconds[index] for _, index in batch) - seconds[place]
            for batch in batches(sampler, epoch)
            for _, place in batch
        )
        assert padding < 0.2 * sum(seconds)


def test_the_order_depends_on_seed_and_epoch_alone():
    one, other = (ClipBatchSampler(source(), LoaderConfig(batch_size=4)) for _ in range(2))
    batches(other, 1)
    assert batches(one, 3) == batches(other, 3)
    assert batches(one, 3) != [[(3, index) for _, index in batch] for batch in batches(one, 4)]
