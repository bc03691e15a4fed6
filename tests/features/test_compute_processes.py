import multiprocessing
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import pytest
import torch
import torch.distributed as dist

from sercl.errors import FeatureError
from sercl.features import shard
from sercl.features.config import FeatureConfig
from sercl.features.extraction import features_of
from sercl.features.store import FeatureStore, space_folders
from sercl.features.stored import StoredFeatures
from sercl.features.upkeep import inspect_store
from sercl.features.wanted import wanted_of
from sercl.models.encoders import Encoder
from tests.features.fakes import FakeAudio, SlowAudio, some_audio, trainer
from tests.features.rows import SPACE, fill, rows
from tests.processes import gathered

FORK = multiprocessing.get_context("fork")


def extract(encoder: Encoder, store: Path, data: FakeAudio) -> StoredFeatures:
    """Extract with a shard per utterance."""
    torch.set_num_threads(1)  # a forked process must not use the threads of its parent
    shard.SHARD_BYTES = 1
    return features_of(encoder, data, trainer(), config=FeatureConfig(dir=str(store)))


@pytest.fixture
def shard_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo what `extract` sets."""
    monkeypatch.setattr(shard, "SHARD_BYTES", shard.SHARD_BYTES)


def shards(root: Path) -> set[Path]:
    return {path for path in root.rglob("*.arrow") if not path.name.startswith(".")}


def test_a_killed_writer_loses_no_finished_shard_and_the_next_run_does_the_rest(
    encoder: Encoder, tmp_path: Path, shard_bytes: None
) -> None:
    data = some_audio(30)
    killed = FORK.Process(target=extract, args=(encoder, tmp_path, SlowAudio(data, most=4)))
    killed.start()
    while len(shards(tmp_path)) < 4 and killed.is_alive():
        time.sleep(0.01)
    assert killed.pid is not None
    os.kill(killed.pid, signal.SIGKILL)
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    kept = {path: path.read_bytes() for path in shards(tmp_path)}
    assert 4 <= len(kept) < 30
    rest = SlowAudio(data)
    extract(encoder, tmp_path, rest)
    assert len(rest.encoded) == len(set(rest.encoded)) == 30 - len(kept)
    assert all(path.read_bytes() == content for path, content in kept.items())
    info = inspect_store(tmp_path, verify=True)[0]
    assert (info.rows, info.damaged) == (30, ())


def test_two_runs_may_fill_one_store_at_once(encoder: Encoder, tmp_path: Path, shard_bytes: None) -> None:
    data = some_audio(12)
    ours, theirs = SlowAudio(data, pause=0.1), SlowAudio(data, pause=0.1)
    other = FORK.Process(target=extract, args=(encoder, tmp_path, theirs))
    other.start()
    found = extract(encoder, tmp_path, ours)
    other.join()
    assert other.exitcode == 0
    assert found.stack(data.clips).isfinite().all()
    info = inspect_store(tmp_path, verify=True)[0]
    assert info.damaged == ()
    third = SlowAudio(data)
    again = extract(encoder, tmp_path, third)
    assert third.encoded == []
    assert torch.equal(again.stack(data.clips), found.stack(data.clips))


def write_and_read(root: Path, numbers: Sequence[int]) -> None:
    for number in numbers:
        [row] = rows(1, start=number)
        fill(root, SPACE, [row])
        assert row.key in FeatureStore(root).open(SPACE)


def test_writers_and_readers_of_one_space_do_not_disturb_each_other(tmp_path: Path) -> None:
    numbers = (range(30), range(20, 50), range(40, 10, -1))
    processes = [FORK.Process(target=write_and_read, args=(tmp_path, part)) for part in numbers]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    store = FeatureStore(tmp_path).open(SPACE)
    keys = [row.key for row in rows(60)]
    assert {row.key for row in store.read(keys)} == set(keys[:50])
    assert inspect_store(tmp_path, verify=True)[0].damaged == ()
    assert list(store.folder.glob(".*")) == []


def in_two_processes(store: Path, encoder: Encoder, count: int, place: Path) -> list[Any]:
    """Extract in two processes; return what each reports.

    What it encoded in a first run, in a second one, and in one without a store, and what it got; and the
    message that a clip full of NaN is answered with.
    """

    def two() -> L.Trainer:
        return trainer(devices=2, strategy="ddp")

    def work(rank: int) -> list[Any]:
        os.environ["LOCAL_RANK"] = str(rank)
        report, config = list[Any](), FeatureConfig(dir=str(store))
        for cache in (True, True, False):
            data = SlowAudio(some_audio(count))
            found = features_of(encoder, data, two(), config=config, cache=cache)
            report.append({"encoded": data.encoded, "sum": float(found.stack(data.clips).double().sum())})
        spoilt = some_audio(count)
        spoilt.clips["utterance 3"].fill_(torch.nan)
        spoilt.keys["utterance 3"] = "NaN"
        with pytest.raises(FeatureError) as error:
            features_of(encoder, spoilt, two(), config=config)
        dist.barrier()  # the first process takes the temporary store with it
        return [*report, str(error.value)]

    return gathered(work, place)


def test_two_processes_give_the_store_of_one(encoder: Encoder, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    data = some_audio(20)
    single = features_of(encoder, data, trainer(), config=FeatureConfig(dir=str(one)))
    first, second = in_two_processes(two, encoder, 20, tmp_path)
    parts = [set(report[0]["encoded"]) for report in (first, second)]
    assert parts[0]
    assert parts[1]
    assert parts[0] | parts[1] == set(data.clips)
    assert not parts[0] & parts[1]
    double = StoredFeatures(FeatureStore(two), wanted_of(encoder).space, data.audio_keys)
    assert double.lacking() == []
    assert [path.name for path in space_folders(one)] == [path.name for path in space_folders(two)]
    for id in data.clips:
        torch.testing.assert_close(double[id], single[id], rtol=1e-6, atol=1e-6)
    # The second run finds everything; the third, without a store, computes everything, and both see all.
    assert [report[1]["encoded"] for report in (first, second)] == [[], []]
    assert [set(report[2]["encoded"]) for report in (first, second)] == parts
    total = float(single.stack(data.clips).double().sum())
    sums = [run["sum"] for report in (first, second) for run in report[:3]]
    assert sums == pytest.approx([total] * 6, abs=1e-4)
    # Whichever process met it, both stop with the same message.
    assert first[3] == second[3]
    assert "'utterance 3' (hidden states 0, 1, 2, 3)" in first[3]
