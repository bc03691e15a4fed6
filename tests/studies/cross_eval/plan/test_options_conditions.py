from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sercl.data.settings import ADAPTATIONS
from sercl.studies.cross_eval.cells import SETTINGS
from sercl.studies.cross_eval.plan.options import Exclude, StudyOptions, conditions_of, matches
from tests.studies.cross_eval.samples import options


def some(values: Any) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), min_size=1, unique=True)


GRIDS = st.builds(
    options,
    some(["A", "B", "C"]),
    encoders=some(["one", "two"]),
    settings=some(SETTINGS),
    adapters=some(["none", "lora", "gating"]),
    adaptation=some(ADAPTATIONS),
    select_on=some(["source", "target"]),
    shots=some([0, 1, 4]),
    seeds=st.just([1]),
)


SIDES = ("encoders", "settings", "adapters", "adaptation", "select_on", "shots", "seeds")


def expected(grid: StudyOptions) -> int:
    """The product, worked out without making it."""
    corpora = len(grid.corpora)
    pairs, count = corpora * (corpora - 1), 0
    baseline = {"few-shot", "target-only"} & set(grid.settings)
    shots = len([number for number in grid.shots if number])
    for adapter, setting in product(grid.adapters, grid.settings):
        valid = set(ADAPTATIONS) - {"adversarial"} if adapter == "none" else {"none", "adversarial"}
        adaptations = len(valid & set(grid.adaptation))
        count += {
            "monolingual": corpora,
            "zero-shot": pairs * len(grid.select_on) * adaptations,
            "two-stage": pairs * len(grid.select_on),
            "few-shot": pairs * len(grid.shots) * adaptations,
            "target-only": pairs * shots,
        }.get(setting, pairs)
    if baseline == {"few-shot"} and "none" in grid.adapters:
        valid = (set(ADAPTATIONS) - {"adversarial"}) & set(grid.adaptation)
        count += pairs * shots * bool(valid)
    return count * len(grid.encoder_options)


@settings(deadline=None, max_examples=50)
@given(GRIDS)
def test_the_grid_is_the_product_of_what_applies(grid: StudyOptions) -> None:
    conditions, _ = conditions_of(grid)
    assert len(conditions) == len(set(conditions)) == expected(grid)


@settings(deadline=None, max_examples=50)
@given(GRIDS, st.data())
def test_what_is_excluded_is_left_out_and_nothing_else(grid: StudyOptions, data: st.DataObject) -> None:
    when = {
        "setting": data.draw(some(grid.settings)),
        "adapter": data.draw(st.sampled_from(grid.adapters)),
        "target": data.draw(some(sorted(grid.corpora))),
    }
    whole, _ = conditions_of(grid)
    less = options(
        list(grid.corpora), **{name: getattr(grid, name) for name in SIDES}, exclude=[Exclude(when)]
    )
    kept = {item for item in whole if not matches(when, item)}
    found = set(conditions_of(less)[0])
    # With a few-shot condition goes the baseline that was there for its sake alone.
    gone = {item for item in kept - found if item.setting == "target-only" and item.adapter == "none"}
    assert found == kept - gone
    assert not gone or "target-only" not in grid.settings


def test_a_frozen_few_shot_condition_has_its_baseline_unless_it_is_excluded() -> None:
    grid = {"settings": ["few-shot"], "adapters": ["none", "lora"], "adaptation": ["none", "corpus"]}
    found, _ = conditions_of(options(shots=[0, 4], **grid))
    alone = [item for item in found if item.setting == "target-only"]
    assert {(item.adapter, item.adaptation, item.shots) for item in alone} == {("none", "none", 4)}
    assert len(alone) == 2
    named, _ = conditions_of(options(shots=[4], **{**grid, "settings": ["target-only"]}))
    assert {item.adapter for item in named} == {"none", "lora"}
    for when in ({"setting": "target-only"}, {"setting": "few-shot"}):
        less, _ = conditions_of(options(shots=[4], exclude=[Exclude(when)], **grid))
        assert not [item for item in less if item.setting == "target-only"]


def test_train_and_test_corpora_bound_the_pairs() -> None:
    found, _ = conditions_of(options("ABC", train=["A", "B"], test=["C", "B"]))
    assert [(item.setting, item.source, item.target) for item in found] == [
        ("monolingual", "B", "B"),
        ("zero-shot", "A", "C"),
        ("zero-shot", "A", "B"),
        ("zero-shot", "B", "C"),
    ]


def test_what_does_not_apply_is_said_once() -> None:
    grid = options(
        adapters=["none", "lora"], settings=["zero-shot"], adaptation=["none", "coral", "adversarial"]
    )
    conditions, remarks = conditions_of(grid)
    assert {(item.adapter, item.adaptation) for item in conditions} == {
        ("none", "none"),
        ("none", "coral"),
        ("lora", "none"),
        ("lora", "adversarial"),
    }
    assert [text.split(" trains ")[0].split(" changes ")[0] for text in remarks] == [
        "left out of the grid: adaptation 'adversarial'",
        "left out of the grid: adaptation 'coral'",
    ]


def test_an_excluded_combination_is_not_called_inapplicable() -> None:
    grid = options(
        adapters=["lora"],
        settings=["zero-shot"],
        adaptation=["none", "coral"],
        exclude=[Exclude({"adaptation": "coral"})],
    )
    assert conditions_of(grid)[1] == ()


def test_few_shot_selects_on_the_source_alone() -> None:
    found, _ = conditions_of(options(settings=["few-shot"], shots=[1], select_on=["target"]))
    assert {item.select_on for item in found} == {"source"}
