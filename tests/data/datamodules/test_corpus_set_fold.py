"""Other folds of the same listing, and audio that is not checked twice."""

import pytest
import torch

from sercl.audio import scan as scanning
from sercl.audio.scan_cache import ScanCache
from sercl.corpora.folds import FoldConfig, make
from sercl.data import datamodules
from sercl.data.datamodules import LanguagePair, Manifest
from sercl.data.datamodules.base import Memories
from sercl.errors import UsageError


@pytest.fixture
def decoded(monkeypatch):
    """The paths of the clips that were decoded for a check."""
    seen = []
    measure = scanning._measure
    monkeypatch.setattr(
        scanning, "_measure", lambda file, clip: seen.append(clip.path) or measure(file, clip)
    )
    return seen


def ids(module):
    return {part: [item.id for item in split.utterances] for part, split in module.splits.items()}


def test_every_fold_is_the_one_of_its_index(emodb, decoded):
    module = datamodules.EmoDB(emodb)
    module.setup()
    assert module.fold_count == 5
    for index in (3, 0, 4):
        module.set_fold(index)
        fresh = datamodules.EmoDB(emodb, folds=FoldConfig(index=index))
        fresh.setup()
        assert ids(module) == ids(fresh)
        assert module.fold.index == index
        assert module.report.to_dict() == fresh.report.to_dict()


def test_all_folds_are_cut_at_once(emodb, monkeypatch):
    cuts, cut = [], make._drafts
    monkeypatch.setattr(make, "_drafts", lambda *of, **more: cuts.append(of) or cut(*of, **more))
    module = datamodules.EmoDB(emodb)
    module.setup()
    for index in range(module.fold_count):
        module.set_fold(index)
    assert len(cuts) == 1


def test_nothing_is_checked_twice(emodb, decoded):
    module = datamodules.EmoDB(emodb)
    for index in range(5):
        module.set_fold(index) if index else module.setup()
    assert len(decoded) == len(set(decoded)) == len(module.checked) == 40
    assert len(module.audio_keys) == len(set(module.audio_keys.values())) == 40


def test_a_second_module_takes_what_the_memory_knows(emodb, tmp_path, decoded):
    keys = []
    for _ in range(2):
        module = datamodules.EmoDB(emodb)
        module.memories = Memories(ScanCache(tmp_path))
        module.setup()
        keys.append(module.audio_keys)
    assert len(decoded) == 40
    assert keys[0] == keys[1]


def test_a_fault_is_counted_in_every_fold_that_it_touches(emodb):
    bad = min((emodb / "wav").glob("03*W*.wav"))
    bad.write_bytes(b"RIFF nothing")
    module = datamodules.EmoDB(emodb, on_error="skip")
    module.setup()
    for index in range(5):
        module.set_fold(index)
        parts = module.report.splits
        assert sum(part.skipped.get("unreadable", 0) for part in parts.values()) == 1
        assert sum(part.utterances for part in parts.values()) == 39
        assert bad.stem not in module.checked


def test_there_is_no_other_fold(emodb):
    module = datamodules.EmoDB(emodb)
    module.setup()
    with pytest.raises(UsageError, match="no fold 5"):
        module.set_fold(5)


def pair_of(emodb, manifest, **folds):
    return LanguagePair(
        datamodules.EmoDB(emodb), Manifest(manifest, language="it", folds=FoldConfig(**folds))
    )


def test_both_corpora_of_a_pair_change_fold(emodb, manifest):
    module = pair_of(emodb, manifest)
    module.setup()
    assert module.fold_count == 5
    module.set_fold(2)
    assert {fold.index for fold in module.folds_in_use.values()} == {2}
    assert set(module.checked) >= {item.id for item in module.utterances_in_use}
    with pytest.raises(UsageError, match="0 to 4"):
        module.set_fold(7)


def test_folds_of_a_pair_must_go_together(emodb, manifest):
    module = pair_of(emodb, manifest, count=3)
    module.setup()
    with pytest.raises(UsageError, match=r"folds\.count"):
        _ = module.fold_count


def test_chosen_utterances_are_loaded_the_longest_first(emodb, manifest):
    module = pair_of(emodb, manifest)
    module.setup()
    chosen = [*list(module.source.checked)[:3], *list(module.target.checked)[:2]]
    batches = list(module.audio_dataloader(chosen))
    assert sorted(id for batch in batches for id in batch.ids) == sorted(chosen)
    lengths = torch.cat([batch.lengths for batch in batches]).tolist()
    assert lengths == sorted(lengths, reverse=True)
