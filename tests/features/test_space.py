import json
from dataclasses import replace

import pytest

from sercl.features.space import FeatureSpace
from tests.features.rows import SPACE

CHANGES = {
    "states": ("a" * 64, "b" * 64),
    "preprocessing": {"sample_rate": 16_000, "normalize": False},
    "pooling": "mean+std",
    "precision": "bf16",
    "width": 8,
    "computation": SPACE.computation + 1,
}


@pytest.mark.parametrize("field", CHANGES)
def test_everything_that_decides_a_value_makes_another_space(field: str) -> None:
    other = replace(SPACE, **{field: CHANGES[field]})
    assert other.name != SPACE.name
    if field != "states":
        assert SPACE.positions_in(other) is None
        assert SPACE.only([0]).positions_in(other) is None


def test_every_field_but_the_name_for_people_is_among_them() -> None:
    assert {*CHANGES, "encoder"} == set(SPACE.to_dict())
    renamed = replace(SPACE, encoder="moved")
    assert renamed.name == SPACE.name
    assert renamed.positions_in(SPACE) == (0, 1, 2)


def test_states_are_found_among_more_in_any_order() -> None:
    assert SPACE.only([2, 0]).positions_in(SPACE) == (2, 0)
    assert SPACE.positions_in(SPACE.only([2, 0])) is None


def test_the_order_of_states_matters_and_that_of_settings_does_not() -> None:
    assert SPACE.only([0, 1]).name != SPACE.only([1, 0]).name
    turned = dict(reversed(SPACE.preprocessing.items()))
    assert replace(SPACE, preprocessing=turned).name == SPACE.name


def test_it_survives_json() -> None:
    assert FeatureSpace.from_dict(json.loads(json.dumps(SPACE.to_dict()))) == SPACE
