from collections import Counter
from dataclasses import replace

import pytest
import torch

from sercl.audio.augment import Augment, AugmentConfig
from sercl.batch import SOURCE, TARGET, UNLABELLED
from sercl.data.config import LoaderConfig
from sercl.data.datamodules import Manifest
from sercl.data.split import domain_loader
from tests.data.corpora import write_manifest


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    def make(name, speakers, **options):
        path = write_manifest(tmp_path_factory.mktemp(name), speakers=speakers, prefix=name)
        data = Manifest(path, name=name, language="it", loader=LoaderConfig(**options))
        data.setup()
        return data.splits["train"]

    return make


@pytest.fixture(scope="module")
def source(split):
    return split("source", 8, batch_size=8)


@pytest.fixture(scope="module")
def target(split):
    return split("target", 5, batch_size=8)


def listed(loader, epoch=0):
    loader.batch_sampler.set_epoch(epoch)
    return list(loader)


def test_each_batch_holds_both_and_each_labelled_utterance_comes_once(source, target):
    batches = listed(domain_loader(source, target))
    assert len(batches) == len(domain_loader(source, target))
    of_source = {
        utterance.id: label for utterance, label in zip(source.utterances, source.labels, strict=True)
    }
    seen = Counter()
    for batch in batches:
        inside = torch.tensor([id in of_source for id in batch.ids])
        assert (batch.domains == TARGET).tolist() == (~inside).tolist()
        assert batch.labels[inside].tolist() == [of_source[id] for id in batch.ids if id in of_source]
        assert set(batch.labels[~inside].tolist()) == {UNLABELLED}
        assert 0 < (~inside).sum() <= inside.sum() <= 4
        seen.update(batch.ids)
    assert {id: seen[id] for id in of_source} == dict.fromkeys(of_source, 1)


def test_both_domains_are_seen_about_equally_though_one_is_smaller(source, target):
    assert len(source.utterances) > len(target.utterances)
    domains = torch.cat([batch.domains for batch in listed(domain_loader(source, target))])
    assert (domains == SOURCE).sum() == len(source.utterances)
    assert (domains == TARGET).sum() >= 0.8 * len(source.utterances)
    turned = torch.cat([batch.domains for batch in listed(domain_loader(target, source))])
    assert (turned == SOURCE).sum() == len(target.utterances)
    assert (turned == TARGET).sum() >= 0.8 * len(target.utterances)


def test_all_of_the_target_is_heard_about_equally_often(source, target):
    loader = domain_loader(source, target)
    seen = Counter(id for epoch in range(6) for batch in listed(loader, epoch) for id in batch.ids)
    counts = [seen[utterance.id] for utterance in target.utterances]
    assert min(counts) > 0
    assert max(counts) <= 2 * min(counts)


def test_the_order_depends_on_the_epoch_alone(source, target):
    first, second = domain_loader(source, target), domain_loader(source, target)
    orders = [[batch.ids for batch in listed(first, epoch)] for epoch in range(3)]
    assert [batch.ids for batch in listed(second, 2)] == orders[2]
    assert orders[0] != orders[1]
    of_target = [[id for ids in order for id in ids if id.startswith("target")] for order in orders]
    assert of_target[0] != of_target[1]


def test_labels_of_the_target_are_never_read(source, target):
    permuted = replace(target, labels=tuple(reversed(target.labels)))
    assert permuted.labels != target.labels
    pairs = zip(listed(domain_loader(source, target)), listed(domain_loader(source, permuted)), strict=True)
    for one, other in pairs:
        assert one.ids == other.ids
        assert torch.equal(one.labels, other.labels)
        assert torch.equal(one.waveforms, other.waveforms)


def test_an_utterance_of_the_target_that_has_its_label_keeps_both(source, target):
    few = replace(
        target,
        utterances=target.utterances[:2],
        labels=target.labels[:2],
        seconds=target.seconds[:2],
        audio_keys=target.audio_keys[:2],
        speech=target.speech[:2],
    )
    known = {}
    for batch in listed(domain_loader(source.joined([few]), target)):
        rows = zip(batch.ids, batch.labels.tolist(), batch.domains.tolist(), strict=True)
        known |= {id: (label, domain) for id, label, domain in rows if label != UNLABELLED}
    ids = [utterance.id for utterance in few.utterances]
    assert [known[id] for id in ids] == [(label, TARGET) for label in few.labels]
    assert Counter(domain for _, domain in known.values()) == {SOURCE: len(source.utterances), TARGET: 2}


def test_each_half_keeps_to_half_of_the_bounds_of_its_corpus(split):
    source = split("bounded", 5, batch_size=0, batch_seconds=2.0)
    target = split("other", 5, batch_size=0, batch_seconds=1.0)
    for batch in listed(domain_loader(source, target)):
        counts = Counter(batch.domains.tolist())
        assert counts[SOURCE] * 0.2 <= 1.0 + 1e-6
        assert counts[TARGET] * 0.2 <= 0.5 + 1e-6


def test_batches_of_one_clip_become_one_of_each(source, target):
    single = replace(source, config=replace(source.config, batch_size=1))
    for batch in listed(domain_loader(single, target)):
        assert batch.domains.tolist() == [SOURCE, TARGET]


def test_clips_are_augmented_as_their_own_corpus_says(source, target):
    loud = replace(target, augment=Augment(AugmentConfig(gain_db=(6.0, 6.0))))
    plain, changed = (listed(domain_loader(source, part)) for part in (target, loud))
    for one, other in zip(plain, changed, strict=True):
        of_source = one.domains == SOURCE
        assert torch.equal(one.waveforms[of_source], other.waveforms[of_source])
        assert not torch.allclose(one.waveforms[~of_source], other.waveforms[~of_source])


def test_processes_share_the_batches(source, target, monkeypatch):
    monkeypatch.setattr("sercl.data.sampler._rank_and_world", lambda: (0, 2))
    first = [batch.ids for batch in listed(domain_loader(source, target))]
    monkeypatch.setattr("sercl.data.sampler._rank_and_world", lambda: (1, 2))
    second = [batch.ids for batch in listed(domain_loader(source, target))]
    assert len(first) == len(second)
    labelled = {utterance.id for utterance in source.utterances}
    seen = [id for ids in (*first, *second) for id in ids if id in labelled]
    assert sorted(seen) == sorted(labelled)
