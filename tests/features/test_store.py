import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from sercl.errors import DamagedStoreError, FeatureError
from sercl.features.space_store import DESCRIPTION, FORMAT
from sercl.features.store import FeatureStore, read_space
from tests.features.rows import SPACE, fill, rows


def edit(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_store_that_is_not_there_is_empty_and_not_made(tmp_path: Path) -> None:
    assert FeatureStore(tmp_path / "none").sources(SPACE) == []
    assert list(tmp_path.iterdir()) == []


def test_states_are_found_wherever_they_stand(tmp_path: Path) -> None:
    fill(tmp_path, SPACE, rows(3))
    fill(tmp_path, SPACE.only([1]), rows(2, start=3, states=1))
    fill(tmp_path, replace(SPACE, precision="bf16"), rows(3))
    fill(tmp_path, SPACE.only([0]), rows(3, states=1))
    sources = FeatureStore(tmp_path).sources(SPACE.only([1]))
    assert sorted((len(source.rows.space.states), source.positions) for source in sources) == [
        (1, (0,)),
        (3, (1,)),
    ]


def test_precisions_poolings_and_settings_never_mix(tmp_path: Path) -> None:
    fill(tmp_path, SPACE, rows(3))
    others = [
        replace(SPACE, precision="bf16"),
        replace(SPACE, pooling="mean+std", width=8),
        replace(SPACE, preprocessing={**SPACE.preprocessing, "normalize": False}),
        replace(SPACE, states=("d" * 64,)),
        replace(SPACE, computation=SPACE.computation + 1),
    ]
    assert [FeatureStore(tmp_path).sources(other) for other in others] == [[]] * 5


def test_another_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    folder = fill(tmp_path, SPACE, rows(3))
    edit(folder / DESCRIPTION, format=FORMAT + 1)
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(
        FeatureError, match=rf"format {FORMAT + 1}; this version reads {FORMAT}.*prune --all --dir"
    ):
        FeatureStore(tmp_path).sources(SPACE)
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"format": 1}', '{"format": 1, "space": {"states": []}}']
)
def test_a_damaged_description_is_named(tmp_path: Path, content: str) -> None:
    folder = fill(tmp_path, SPACE, rows(3))
    (folder / DESCRIPTION).write_text(content)
    with pytest.raises(DamagedStoreError, match=DESCRIPTION):
        FeatureStore(tmp_path).sources(SPACE)


def test_a_description_in_the_wrong_folder_is_damage(tmp_path: Path) -> None:
    folder = fill(tmp_path, SPACE, rows(3))
    other = folder.rename(tmp_path / ("0" * 32))
    with pytest.raises(DamagedStoreError, match="does not describe this folder"):
        read_space(other)


def test_folders_of_others_are_left_alone(tmp_path: Path) -> None:
    for name in ("mine", f".{SPACE.name}-removed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / DESCRIPTION).write_text("not a space")
    (tmp_path / ("1" * 32)).mkdir()  # just being made
    fill(tmp_path, SPACE, rows(1))
    assert len(FeatureStore(tmp_path).sources(SPACE)) == 1


def test_use_is_noted(tmp_path: Path) -> None:
    folder = fill(tmp_path, SPACE, rows(1))
    os.utime(folder / DESCRIPTION, (1000, 1000))
    FeatureStore(tmp_path).sources(replace(SPACE, precision="bf16"))
    assert (folder / DESCRIPTION).stat().st_mtime == 1000
    FeatureStore(tmp_path).sources(SPACE)
    assert (folder / DESCRIPTION).stat().st_mtime > 1000


def test_a_temporary_store_goes_with_its_object() -> None:
    store = FeatureStore.temporary()
    fill(store.root, SPACE, rows(1))
    root = store.root
    assert root.is_dir()
    del store
    assert not root.exists()
