"""`speaker`: k folds with disjoint speakers."""

from collections import Counter
from collections.abc import Mapping, Sequence

from sercl.corpora.base import Utterance
from sercl.corpora.folds.config import FoldConfig
from sercl.corpora.folds.draft import Draft
from sercl.corpora.folds.draw import grouped, shuffled
from sercl.corpora.folds.fold import named
from sercl.corpora.folds.holdout import draft_without, unit_names
from sercl.corpora.labels import LabelScheme
from sercl.errors import FoldError

Traits = Counter[tuple[str, object]]


def speaker_folds(utterances: Sequence[Utterance], labels: LabelScheme, config: FoldConfig) -> list[Draft]:
    """Cut `config.count` folds; each speaker is tested in exactly one of them.

    Raises:
        FoldError: For utterances without speaker, or fewer speakers than folds.
    """
    names = unit_names(utterances, "speaker")
    if len(names) < config.count:
        raise FoldError(_too_few(names, config.count))
    groups = speaker_groups(utterances, labels, config.count, config.seed)
    # The speakers after the test group, in turn: the folds then validate on different speakers.
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
    """Deal the speakers into groups that hold about the same number of utterances per class and gender.

    Greedy: the largest speaker first, each to the group that has least of what the speaker brings.
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
    # Each class and each gender weighs the same, however rare: counts are shares of the corpus.
    return sum(group[trait] * count / totals[trait] ** 2 for trait, count in speaker.items())


def _too_few(names: Sequence[str], count: int) -> str:
    if len(names) == 1:
        return (
            f"there is one speaker only ({names[0]}), so no fold can have unseen speakers in test. PAVOQUE "
            "has --data.folds.scheme paper; else bring your own lists with --data.folds.scheme csv "
            "--data.folds.lists FOLDER. Both need --data.folds.allow_speaker_overlap true."
        )
    return (
        f"{len(names)} speakers ({named(names)}) cannot fill {count} folds. "
        f"Give --data.folds.count {'2' if len(names) == 2 else f'2 to {len(names)}'}."
    )
