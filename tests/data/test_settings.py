import pytest

from sercl.data.settings import SETTINGS, plans_for
from sercl.errors import UnknownNameError, UsageError


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_selects_on_what_it_trains_on(setting):
    select_on = "target" if setting == "transfer" else "source"
    for plan in plans_for(setting, select_on).values():
        assert plan.validation == plan.train


@pytest.mark.parametrize(("setting", "tested"), [("monolingual", "source"), ("zero-shot", "target")])
def test_the_tested_corpus_never_trains_in_zero_shot(setting, tested):
    (plan,) = plans_for(setting, "source").values()
    assert (plan.train, plan.test) == ("source", tested)


def test_the_study_s_selection_moves_validation_alone():
    (blind,), (study,) = (plans_for("zero-shot", role).values() for role in ("source", "target"))
    assert study == blind._replace(validation="target")
    # What was chosen for one run changes no other.
    assert next(iter(plans_for("zero-shot", "source").values())) == blind


def test_two_stages_end_on_the_target():
    assert list(plans_for("two-stage", "source")) == ["source", "target"]
    assert {plan.test for plan in plans_for("two-stage", "source").values()} == {"target"}


def test_what_does_not_exist_is_named():
    with pytest.raises(UnknownNameError, match=r"setting 'zero'\..*Valid: monolingual, zero-shot"):
        plans_for("zero", "source")
    with pytest.raises(UnknownNameError, match="select_on 'test'"):
        plans_for("zero-shot", "test")
    with pytest.raises(UsageError, match="'monolingual' does not use the target"):
        plans_for("monolingual", "target")


def test_settings_of_studies_are_named() -> None:
    with pytest.raises(UnknownNameError, match="few-shot and target-only are settings of `sercl cross-eval`"):
        plans_for("few-shot", "source")
