"""Folds by speaker: k folds with disjoint speakers, leave one out, and a corpus's official split."""

from collections import Counter
from collections.abc import Mapping, Sequence

from sercl.corpora.base import PARTS, Utterance, how_to_give
from sercl.corpora.folds.config import FoldConfig
from sercl.corpora.folds.draw import cut, grouped, shuffled, whole_share
from sercl.corpora.folds.fold import Draft, named, speakers
from sercl.corpora.labels import LabelScheme
from sercl.errors import FoldCountError, FoldError


def unit_of(utterance: Utterance, unit: str) -> str | None:
    """Return the speaker or the session of an utterance."""
    return utterance.speaker if unit == "speaker" else utterance.session


_WITHOUT_UNITS = (
    "say yourself what is tested: lists of your own (--data.folds.scheme csv --data.folds.lists FOLDER), or "
    "a split in the manifest (column 'split', --data.folds.scheme official); where speakers are unknown, "
    "both need --data.folds.allow_speaker_overlap true"
)


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
            f"so {unit}-disjoint folds cannot be cut. {how_to_give(unit)}, or {_WITHOUT_UNITS}."
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
        others: All other units, in the order in which they are tried for validation.
        utterances: All utterances.
        labels: The classes.
        config: Fraction for validation, and seed.
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
    """Split utterances into training and validation, by whole speakers (or sessions) if there are two.

    Returns:
        Training utterances, validation utterances, and notes for the results.
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
    """Choose names so that training keeps every class, and validation gets every class and both genders."""
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


Traits = Counter[tuple[str, object]]


def speaker_folds(utterances: Sequence[Utterance], labels: LabelScheme, config: FoldConfig) -> list[Draft]:
    """Cut `config.count` folds; each speaker is tested in exactly one of them.

    Raises:
        FoldError: For utterances without a speaker, or fewer speakers than folds.
    """
    names = unit_names(utterances, "speaker")
    if len(names) < config.count:
        raise _too_few(names, config.count)
    groups = speaker_groups(utterances, labels, config.count, config.seed)
    # Starting after the test group, so that the folds validate on different speakers.
    return [
        draft_without(
            set(group),
            [name for later in (*groups[i + 1 :], *groups[:i]) for name in later],
            utterances,
            labels,
            config,
            unit="speaker",
        )
        for i, group in enumerate(groups)
    ]


def speaker_groups(
    utterances: Sequence[Utterance], labels: LabelScheme, count: int, seed: int
) -> list[list[str]]:
    """Divide the speakers into groups with about the same number of utterances per class and gender.

    Greedy: the speaker with most utterances first, each to the group that lacks these most.
    """
    traits = {
        name: _traits(clips, labels) for name, clips in grouped(utterances, lambda u: str(u.speaker)).items()
    }
    totals = sum(traits.values(), Counter())
    groups: list[list[str]] = [[] for _ in range(count)]
    filled: list[Traits] = [Counter() for _ in range(count)]
    for name in sorted(shuffled(traits, seed, "speaker"), key=lambda name: -traits[name].total()):
        index = min(
            range(count), key=lambda i: (_clash(filled[i], traits[name], totals), filled[i].total(), i)
        )
        groups[index].append(name)
        filled[index].update(traits[name])
    return groups


def _traits(utterances: Sequence[Utterance], labels: LabelScheme) -> Traits:
    traits: Traits = Counter(("class", labels.index(utterance.emotion)) for utterance in utterances)
    traits.update(("gender", utterance.gender) for utterance in utterances)
    return traits


def _clash(group: Traits, speaker: Traits, totals: Mapping[tuple[str, object], int]) -> float:
    # Each class and each gender has the same weight, however rare: counts are fractions of the corpus.
    return sum(group[trait] * count / totals[trait] ** 2 for trait, count in speaker.items())


def _too_few(names: Sequence[str], count: int) -> FoldError:
    if len(names) == 1:
        return FoldError(
            f"there is one speaker only ({names[0]}), so no fold can have unseen speakers in test. PAVOQUE "
            "has the scheme paper (--data.folds.scheme paper); else bring your own lists with the scheme csv "
            "(--data.folds.scheme csv --data.folds.lists FOLDER). Both need allow_speaker_overlap "
            "(--data.folds.allow_speaker_overlap true)."
        )
    return FoldCountError(
        f"{len(names)} speakers ({named(names)}) cannot fill {count} folds. "
        f"Give a count of {'2' if len(names) == 2 else f'2 to {len(names)}'} (--data.folds.count)."
    )


def loso_folds(utterances: Sequence[Utterance], labels: LabelScheme, config: FoldConfig) -> list[Draft]:
    """Cut one fold per speaker (or session), by name; validation consists of whole ones, too.

    Raises:
        FoldError: For utterances without a speaker (session), or fewer than two of them.
    """
    unit = config.leave_out
    names = unit_names(utterances, unit)
    if len(names) < 2:
        raise FoldError(
            f"there is one {unit} only ({names[0]}); leaving it out leaves nothing to train on. Bring your "
            "own lists with --data.folds.scheme csv --data.folds.lists FOLDER."
        )
    return [
        draft_without({name}, [*names[i + 1 :], *names[:i]], utterances, labels, config, unit)
        for i, name in enumerate(names)
    ]


def _give_split() -> str:
    sentence = how_to_give("split")
    return sentence[0].lower() + sentence[1:]


def official_folds(utterances: Sequence[Utterance], labels: LabelScheme, config: FoldConfig) -> list[Draft]:
    """Return the single fold of the corpus; without a validation part, one is held out from training.

    Raises:
        FoldError: If an utterance has no split or an unknown one, or training or test is empty.
    """
    parts = grouped(utterances, lambda utterance: utterance.split)
    strange = [utterance for split in parts if split not in PARTS for utterance in parts[split]]
    if strange:
        raise FoldError(
            f"{len(strange)} of {len(utterances)} utterances have no official split (the first is "
            f"{strange[0].id!r}: {strange[0].split!r}; valid: {', '.join(PARTS)}). Choose "
            f"--data.folds.scheme speaker. A corpus of your own can have a split: {_give_split()}."
        )
    for part in ("train", "test"):
        if part not in parts:
            raise FoldError(f"the official split has no {part} part. Choose --data.folds.scheme speaker.")
    if "validation" in parts:
        return [Draft(parts["train"], parts["validation"], parts["test"])]
    return [_without_validation(parts["train"], parts["test"], labels, config)]


def _without_validation(
    utterances: Sequence[Utterance], test: Sequence[Utterance], labels: LabelScheme, config: FoldConfig
) -> Draft:
    known = all(utterance.speaker is not None for utterance in utterances)
    names = sorted(speakers(utterances)) if known else []
    train, validation, remarks = hold_out(utterances, names, labels, config, "speaker")
    remark = "the official split has no validation part: it is held out from training"
    return Draft(train, validation, test, (remark, *remarks))
