"""The settings of a language pair: which corpus is used for training, selection and test in each stage."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from sercl.errors import UnknownNameError, UsageError

ROLES = ("source", "target")

WEIGHTS = ("best", "last")
"""Weights of the first of two stages that the second may continue from."""

BUDGETS = ("each", "shared")
"""Whether each of two stages has the trainer's epochs, or both share them."""


class Plan(NamedTuple):
    """The role, "source" or "target", of the corpus that provides each part of a training stage."""

    train: str
    validation: str
    test: str


SETTINGS: Mapping[str, Mapping[str, Plan]] = MappingProxyType(
    {
        "monolingual": {"train": Plan("source", "source", "source")},
        "zero-shot": {"train": Plan("source", "source", "target")},
        "transfer": {"train": Plan("target", "target", "target")},
        "two-stage": {
            "source": Plan("source", "source", "target"),
            "target": Plan("target", "target", "target"),
        },
    }
)
"""Setting -> training stage -> plan, as in arXiv 2409.16920."""


def plans_for(setting: str, select_on: str) -> dict[str, Plan]:
    """Return training stage -> plan.

    Args:
        setting: A name of `SETTINGS`.
        select_on: "source", or "target", which moves the validation part of `zero-shot` and of the first of
            two stages.

    Raises:
        UnknownNameError: For another setting or role.
        UsageError: For selection on a target that the setting does not touch.
    """
    if setting not in SETTINGS:
        raise UnknownNameError("setting", setting, SETTINGS)
    if select_on not in ROLES:
        raise UnknownNameError("select_on", select_on, ROLES)
    if setting == "monolingual" and select_on == "target":
        raise UsageError("select_on is 'target', but the setting 'monolingual' does not use the target.")
    plans = dict(SETTINGS[setting])
    first = next(iter(plans))
    if setting in ("zero-shot", "two-stage"):
        plans[first] = plans[first]._replace(validation=select_on)
    return plans
