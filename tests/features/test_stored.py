from pathlib import Path

import numpy as np
import pytest
import torch

from sercl.errors import FeatureError
from sercl.features import stored
from sercl.features.space import FeatureSpace
from sercl.features.space_store import SpaceStore
from sercl.features.store import FeatureStore
from sercl.features.stored import StoredFeatures
from tests.features.rows import SPACE, fill, rows, values_of

KEYS = {f"utterance {number}": f"{number:032x}" for number in range(5)}


def features(root: Path, space: FeatureSpace = SPACE, keys: dict[str, str] = KEYS) -> StoredFeatures:
    return StoredFeatures(FeatureStore(root), space, keys)


@pytest.fixture(params=[stored.HELD_BYTES, 0], ids=["held", "from the disk"])
def held(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(stored, "HELD_BYTES", request.param)
    return request.param


def test_it_is_a_mapping_from_utterances_to_states(tmp_path: Path, held: int) -> None:
    fill(tmp_path, SPACE, rows(9))
    found = features(tmp_path)
    assert list(found) == list(KEYS)
    assert len(found) == 5
    assert "utterance 3" in found
    assert "utterance 6" not in found
    for number, id in enumerate(KEYS):
        assert found[id].dtype == torch.float32
        np.testing.assert_array_equal(found[id], values_of(number))
    with pytest.raises(KeyError):
        found["utterance 6"]


def test_states_come_in_the_order_asked_for_from_wherever_they_stand(tmp_path: Path, held: int) -> None:
    fill(tmp_path, SPACE, rows(3))
    last = SPACE.only([2])
    fill(tmp_path, last, [row._replace(values=row.values[2:]) for row in rows(2, start=3)])
    found = features(tmp_path, last)
    for number, id in enumerate(KEYS):
        np.testing.assert_array_equal(found[id], values_of(number)[2:])
    turned = features(tmp_path, SPACE.only([2, 0]), dict(list(KEYS.items())[:3]))
    np.testing.assert_array_equal(turned["utterance 1"], values_of(1)[[2, 0]])


def test_utterances_of_equal_audio_share_a_row(tmp_path: Path, held: int) -> None:
    fill(tmp_path, SPACE, rows(5))
    found = features(tmp_path, keys={**KEYS, "again": KEYS["utterance 2"]})
    assert torch.equal(found["again"], found["utterance 2"])
    assert torch.equal(
        found.stack(["again", "utterance 0", "utterance 2"])[[0, 2]], found["again"].expand(2, 3, 4)
    )


def test_rows_are_stacked_in_the_order_asked_for(tmp_path: Path, held: int) -> None:
    fill(tmp_path, SPACE, rows(5))
    ids = ["utterance 4", "utterance 0", "utterance 3", "utterance 0"]
    expected = np.stack([values_of(4), values_of(0), values_of(3), values_of(0)])
    np.testing.assert_array_equal(features(tmp_path).stack(ids), expected)


def test_what_is_given_away_can_be_changed_and_trained_on(tmp_path: Path, held: int) -> None:
    fill(tmp_path, SPACE, rows(5))
    row = features(tmp_path)["utterance 0"]
    row.mul_(2)
    assert not row.is_inference()


def test_frames_have_their_own_number(tmp_path: Path) -> None:
    space = FeatureSpace(SPACE.states[:2], {}, "frames", "fp32", 4, "tiny")
    long, short = (np.random.default_rng(n).standard_normal((2, n, 4), dtype=np.float32) for n in (7, 1))
    store = FeatureStore(tmp_path).open(space)
    with store.writer() as writer:
        writer.add("long", long)
        writer.add("short", short)
    found = features(tmp_path, space, {"a": "long", "b": "short"})
    np.testing.assert_array_equal(found["a"], long)
    np.testing.assert_array_equal(found["b"], short)
    one = features(tmp_path, space.only([1]), {"a": "long"})
    np.testing.assert_array_equal(one["a"], long[1:])


def test_lacking_are_the_first_utterances_of_audio_that_is_nowhere(tmp_path: Path) -> None:
    assert features(tmp_path).lacking() == list(KEYS)
    fill(tmp_path, SPACE, rows(2))
    fill(tmp_path, SPACE.only([1]), rows(1, start=4, states=1))
    keys = {**KEYS, "copy of 3": KEYS["utterance 3"], "copy of 0": KEYS["utterance 0"]}
    assert features(tmp_path, keys=keys).lacking() == ["utterance 2", "utterance 3", "utterance 4"]
    assert features(tmp_path, SPACE.only([1]), keys).lacking() == ["utterance 2", "utterance 3"]


def test_reading_what_is_lacking_is_an_error(tmp_path: Path, held: int) -> None:
    fill(tmp_path, SPACE, rows(4))
    with pytest.raises(FeatureError, match="1 utterances are not stored there"):
        features(tmp_path)["utterance 4"]


def test_few_are_read_once_and_many_each_time(
    tmp_path: Path, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, SPACE, rows(5))
    found, reads, read = features(tmp_path), [], SpaceStore.read

    def counted(self: SpaceStore, keys: list[str]) -> object:
        reads.append(keys)
        return read(self, keys)

    monkeypatch.setattr(SpaceStore, "read", counted)
    for _ in range(2):
        for id in found:
            found[id]
    assert len(reads) == (1 if held else 10)
