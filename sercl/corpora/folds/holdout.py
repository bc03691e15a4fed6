"""Holding whole speakers (or sessions) out for validation."""

from collections.abc import Sequence

from sercl.corpora.base import Utterance
from sercl.corpora.folds.config import FoldConfig
from sercl.corpora.folds.draft import Draft
from sercl.corpora.folds.draw import cut, whole_share
from sercl.corpora.labels import LabelScheme
from sercl.errors import FoldError


def unit_of(utterance: Utterance, unit: str) -> str | None:
    """Return the speaker or the session of an utterance."""
    return utterance.speaker if unit == "speaker" else utterance.session


def unit_names(utterances: Sequence[Utterance], unit: str) -> list[str]:
    """Return the speakers or sessions, sorted.

    Raises:
        FoldError: If an utterance has none.
    """
    names = {unit_of(utterance, unit) for utterance in utterances}
    if None in names:
        nameless = [utterance.id for utterance in utterances if unit_of(utterance, unit) is None]
        raise FoldError(
            f"{len(nameless)} of {len(utterances)} utterances have no {unit} (the first is {nameless[0]!r}), "
            f"so {unit}-disjoint folds cannot be cut. Fill the column {unit!r} of the manifest, or bring "
            "your own lists with --data.folds.scheme csv --data.folds.lists FOLDER."
        )
    return sorted(name for name in names if name is not None)


def draft_without(
    test: set[str],
    others: Sequence[str],
    utterances: Sequence[Utterance],
    labels: LabelScheme,
    config: FoldConfig,
    unit: str,
) -> Draft:
    """Test on some speakers (or sessions); hold others out for validation and train on the rest.

    Args:
        test: Names of the units to test on.
        others: Every other unit, in the order in which they are tried for validation.
        utterances: All utterances.
        labels: The classes.
        config: Share of validation, and seed.
        unit: "speaker" or "session".
    """
    rest = [utterance for utterance in utterances if unit_of(utterance, unit) not in test]
    train, validation, remarks = hold_out(rest, others, labels, config, unit)
    tested = [utterance for utterance in utterances if unit_of(utterance, unit) in test]
    return Draft(train, validation, tested, remarks)


def hold_out(
    utterances: Sequence[Utterance],
    names: Sequence[str],
    labels: LabelScheme,
    config: FoldConfig,
    unit: str,
) -> tuple[list[Utterance], list[Utterance], tuple[str, ...]]:
    """Split utterances into training and validation, by whole speakers (or sessions) where there are two.

    Returns:
        Training utterances, validation utterances, and remarks for the reader of the results.
    """
    if len(names) < 2:
        held, rest = cut(utterances, labels, config.validation, config.seed)
        remark = f"validation holds utterances of the training {unit}s: there is no second {unit} to hold out"
        return rest, held, (remark,)
    chosen = _choose(utterances, names, labels, config.validation, unit)
    train = [utterance for utterance in utterances if unit_of(utterance, unit) not in chosen]
    validation = [utterance for utterance in utterances if unit_of(utterance, unit) in chosen]
    return train, validation, ()


def _choose(
    utterances: Sequence[Utterance], names: Sequence[str], labels: LabelScheme, share: float, unit: str
) -> set[str]:
    """Pick names one by one: training keeps every class, validation soon has every class and both genders."""
    traits: dict[str, set[tuple[str, object]]] = {name: set() for name in names}
    for utterance in utterances:
        own = {("class", labels.index(utterance.emotion)), ("gender", utterance.gender)}
        traits[str(unit_of(utterance, unit))] |= own
    chosen: list[str] = []
    for _ in range(min(whole_share(share, len(names)), len(names) - 1)):
        free = [name for name in names if name not in chosen]
        chosen.append(min(free, key=lambda name: _cost(name, free, chosen, traits)))
    return set(chosen)


def _cost(
    name: str, free: Sequence[str], chosen: Sequence[str], traits: dict[str, set[tuple[str, object]]]
) -> tuple[int, int]:
    left: set[tuple[str, object]] = set().union(*(traits[other] for other in free if other != name))
    lost = {trait for trait in traits[name] - left if trait[0] == "class"}
    gained = traits[name].difference(*(traits[other] for other in chosen))
    return len(lost), -len(gained)
