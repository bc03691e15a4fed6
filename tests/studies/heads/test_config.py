from dataclasses import replace

import pytest

from sercl.errors import UnknownNameError, UsageError
from sercl.studies.heads.config import PRESETS, ProbeConfig, ProbeOptions


def test_the_study_is_reproduced_by_its_preset() -> None:
    assert PRESETS["paper"] == ProbeConfig(
        head="paper",
        standardize=False,
        lr=1e-4,
        mix_lr=3e-3,
        weight_decay=1e-5,
        eps=1e-8,
        batch_size=32,
        max_epochs=100,
        patience=10,
        select="accuracy",
        seeds=(42,),
    )


@pytest.mark.parametrize("preset", PRESETS)
def test_options_start_from_a_preset(preset: str) -> None:
    assert ProbeOptions(preset=preset).config() == PRESETS[preset]
    if PRESETS[preset].is_convex:
        changed = ProbeOptions(preset=preset, c=(1, 0.1), class_weights="none", standardize=False).config()
        assert changed == replace(PRESETS[preset], c=(0.1, 1.0), class_weights="none", standardize=False)
        return
    changed = ProbeOptions(preset=preset, lr=0.5, standardize=False, seeds=(7, 8)).config()
    assert changed == replace(PRESETS[preset], lr=0.5, standardize=False, seeds=(7, 8))


@pytest.mark.parametrize(
    ("preset", "options"),
    [
        ("logistic", {"lr": 0.1}),
        ("logistic", {"seeds": (1, 2)}),
        ("logistic", {"patience": 3}),
        ("mlp", {"c": (0.1,)}),
        ("linear", {"class_weights": "balanced"}),
    ],
)
def test_options_without_effect_are_refused(preset: str, options: dict[str, object]) -> None:
    (name,) = options
    with pytest.raises(UsageError, match=rf"--probe\.{name}: has no effect with the preset {preset}"):
        ProbeOptions(preset=preset, **options)  # type: ignore[arg-type]
    assert name not in PRESETS[preset].deciding


def test_a_logistic_regression_is_linear_and_its_c_above_0() -> None:
    with pytest.raises(UsageError, match="probe head paper: a logistic regression has the head linear"):
        ProbeOptions(preset="logistic", head="paper")
    with pytest.raises(UsageError, match=r"probe c \[0.0, 1.0\]: valid: numbers above 0"):
        ProbeOptions(preset="logistic", c=(1, 0))
    with pytest.raises(UnknownNameError, match="probe class_weights"):
        ProbeOptions(preset="logistic", class_weights="all")


def test_lists_of_seeds_become_tuples() -> None:
    assert ProbeConfig(seeds=[1, 2]) == ProbeConfig(seeds=(1, 2))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("lr", 0.0, "probe lr 0.0: valid: a number above 0 .--probe.lr"),
        ("mix_lr", -1.0, "a number above 0"),
        ("eps", 0.0, "a number above 0"),
        ("weight_decay", -0.1, "a number from 0 up"),
        ("batch_size", 0, "a whole number from 1 up"),
        ("max_epochs", 0, "a whole number from 1 up"),
        ("patience", 0, "a whole number from 1 up"),
        ("seeds", 0, "probe seeds 0: valid: a list of one or more"),
        ("seeds", (), "one or more different whole numbers"),
        ("seeds", (1, 1), r"probe seeds \[1, 1\]"),
        ("seeds", (-1,), "from 0 up"),
    ],
)
def test_numbers_out_of_range_are_refused(option: str, value: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ProbeConfig(**{option: value})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=message):
        ProbeOptions(preset="mlp", **{option: value})  # type: ignore[arg-type]


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="corpus"):
        ProbeConfig(standardize="speaker")
    with pytest.raises(UnknownNameError, match=r"unknown probe 'mpl'\. Did you mean 'mlp'"):
        ProbeOptions(preset="mpl")
    with pytest.raises(UnknownNameError, match="probe head"):
        ProbeConfig(head="mlp")
    with pytest.raises(UnknownNameError, match="Valid: loss, accuracy, uar"):
        ProbeConfig(select="f1")


def test_options_that_were_added_later_change_no_earlier_address() -> None:
    earlier = {"head", "standardize", "max_epochs", "select", "c", "class_weights"}
    assert set(ProbeConfig(head="linear", c=(0.1,)).deciding) == earlier
    later = ProbeConfig(head="linear", c=(0.1,), layer_norm=True, inner_folds=5).deciding
    assert set(later) == earlier | {"layer_norm", "inner_folds"}
