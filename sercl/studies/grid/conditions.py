"""The grid of a study: every condition that its file asks for, and what it leaves out."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

from sercl.studies.cross_eval.cells import TARGET_ONLY, Condition, distinct
from sercl.studies.grid.options import StudyOptions, as_list

ADAPTABLE = ("zero-shot", "few-shot")
"""Settings in which audio of the target may be used without its labels."""

SELECTABLE = ("zero-shot", "two-stage")
"""Settings in which source or target may select; in `two-stage`, in the first of the stages."""

FROZEN_ADAPTATIONS = ("corpus", "speaker", "coral")


def conditions_of(options: StudyOptions) -> tuple[tuple[Condition, ...], tuple[str, ...]]:
    """Return every condition of the grid, and a sentence for each kind of combination that does not apply."""
    sound: list[Condition] = []
    reasons: dict[str, int] = {}
    excluded = [options.named_alike(item.when) for item in options.exclude]
    for condition in _product(options):
        if any(matches(when, condition) for when in excluded):
            continue
        if reason := _inapplicable(condition):
            reasons[reason] = reasons.get(reason, 0) + 1
        else:
            sound.append(condition)
    sound += [item for item in _baselines(sound) if not any(matches(when, item) for when in excluded)]
    return distinct(sound), tuple(f"left out of the grid: {reason}" for reason in reasons)


def matches(when: Mapping[str, Any], condition: Condition) -> bool:
    """Say whether every field named in `when` has one of its values."""
    return all(getattr(condition, name) in as_list(value) for name, value in when.items())


def _baselines(conditions: Iterable[Condition]) -> Iterator[Condition]:
    """Yield what few-shot conditions of a frozen encoder are held against: the few utterances alone.

    These are heads on stored hidden states, which cost seconds; with adapters they are trained where the
    study names the setting.
    """
    for item in conditions:
        if item.setting == "few-shot" and item.adapter == "none" and item.shots:
            yield replace(item, setting=TARGET_ONLY, adaptation="none")


def _product(options: StudyOptions) -> Iterator[Condition]:
    sources = options.train or list(options.corpora)
    targets = options.test or list(options.corpora)
    for encoder, adapter, setting in product(options.encoder_options, options.adapters, options.settings):
        for source, target in product(sources, targets):
            if (source == target) == (setting == "monolingual"):
                yield from _variants(Condition(encoder, adapter, setting, source, target), options)


def _variants(plain: Condition, options: StudyOptions) -> Iterator[Condition]:
    if plain.setting == TARGET_ONLY:
        yield from (replace(plain, shots=count) for count in options.shots if count)
        return
    shots = options.shots if plain.setting == "few-shot" else [None]
    # Few-shot selects on the source: labelled data of the target to select on would be shots, too.
    selections = options.select_on if plain.setting in SELECTABLE else ["source"]
    adaptations = options.adaptation if plain.setting in ADAPTABLE else ["none"]
    for count, select_on, adaptation in product(shots, selections, adaptations):
        yield replace(plain, shots=count, select_on=select_on, adaptation=adaptation)


def _inapplicable(condition: Condition) -> str | None:
    """Return why a combination is none, or None."""
    name, is_frozen = condition.adaptation, condition.adapter == "none"
    if name in FROZEN_ADAPTATIONS and not is_frozen:
        return f"adaptation {name!r} changes hidden states of a frozen encoder; adapters have 'adversarial'"
    if name == "adversarial" and is_frozen:
        return "adaptation 'adversarial' trains the encoder's adapters; there are none with adapter 'none'"
    return None
