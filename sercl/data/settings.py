"""The settings of a language pair: which corpus trains, selects and tests in each stage. No torch here."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from sercl.errors import UnknownNameError, UsageError

SOURCE, TARGET = ROLES = ("source", "target")

MONOLINGUAL, ZERO_SHOT, TRANSFER, TWO_STAGE = "monolingual", "zero-shot", "transfer", "two-stage"

NO_ADAPTATION, BY_CORPUS, BY_SPEAKER, CORAL, PRIOR, ADVERSARIAL = ADAPTATIONS = (
    "none",
    "corpus",
    "speaker",
    "coral",
    "prior",
    "adversarial",
)
"""Uses of the target's audio without its labels."""

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
        MONOLINGUAL: {"train": Plan(SOURCE, SOURCE, SOURCE)},
        ZERO_SHOT: {"train": Plan(SOURCE, SOURCE, TARGET)},
        TRANSFER: {"train": Plan(TARGET, TARGET, TARGET)},
        TWO_STAGE: {
            SOURCE: Plan(SOURCE, SOURCE, TARGET),
            TARGET: Plan(TARGET, TARGET, TARGET),
        },
    }
)
"""Setting -> training stage -> plan, as in arXiv 2409.16920."""

_STUDIES = "few-shot and target-only are settings of `sercl cross-eval`."

SELECTABLE = (ZERO_SHOT, TWO_STAGE)
"""Settings that may select on source or target; in two stages, in the first."""


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
        raise UnknownNameError("setting", setting, SETTINGS, _STUDIES)
    if select_on not in ROLES:
        raise UnknownNameError("select_on", select_on, ROLES)
    if setting == MONOLINGUAL and select_on == TARGET:
        raise UsageError("select_on is 'target', but the setting 'monolingual' does not use the target.")
    plans = dict(SETTINGS[setting])
    first = next(iter(plans))
    if setting in SELECTABLE:
        plans[first] = plans[first]._replace(validation=select_on)
    return plans
