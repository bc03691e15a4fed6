"""`paper`: the folds of arXiv 2409.16920, regenerated from their rules.

ESD (Mandarin) and IEMOCAP: 50 utterances per speaker and class, the same in all five folds. A fold holds two
speakers out (IEMOCAP: the two of a session); 25 of each speaker and class go to validation and 25 to test.
PAVOQUE: one speaker, so 400 + 50 + 50 utterances per class are drawn anew for each fold.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from types import MappingProxyType

from sercl.corpora.base import Utterance
from sercl.corpora.folds.config import FoldConfig
from sercl.corpora.folds.draft import Draft
from sercl.corpora.folds.draw import by_class, grouped, listed, shuffled_utterances
from sercl.corpora.folds.holdout import unit_names, unit_of
from sercl.corpora.labels import LabelScheme
from sercl.errors import FoldError

FOLDS = 5
PER_SPEAKER = 50
"""Utterances per speaker and class (ESD, IEMOCAP); of a held-out speaker, half validate and half test."""

SIZES = (400, 50, 50)
"""Utterances per class in training, validation and test (PAVOQUE)."""

SESSION_ORDER = (2, 4, 3, 1, 5)
"""The IEMOCAP session that each fold holds out, from 1."""

Scheme = Callable[[Sequence[Utterance], LabelScheme, int], list[Draft]]


def paper_folds(utterances: Sequence[Utterance], labels: LabelScheme, config: FoldConfig) -> list[Draft]:
    """Cut the study's five folds of one of its corpora.

    Raises:
        FoldError: For another corpus, or one without the speakers, sessions or utterances that are needed.
    """
    names = {utterance.corpus for utterance in utterances}
    scheme = PAPER_SCHEMES.get(names.pop()) if len(names) == 1 else None
    if scheme is None:
        found = ", ".join(sorted({utterance.corpus for utterance in utterances}))
        raise FoldError(
            f"the scheme 'paper' exists for {', '.join(PAPER_SCHEMES)}, not for {found}. "
            "Choose --data.folds.scheme speaker."
        )
    return scheme(utterances, labels, config.seed)


def _esd(utterances: Sequence[Utterance], labels: LabelScheme, seed: int) -> list[Draft]:
    mandarin = [utterance for utterance in utterances if utterance.language == "zh"]
    names = unit_names(mandarin, "speaker")
    _need(len(names), 2 * FOLDS, "Mandarin speakers", names)
    pairs = [set(names[2 * fold : 2 * fold + 2]) for fold in range(FOLDS)]
    left_out = len(utterances) - len(mandarin)
    remark = (f"Mandarin only: {left_out} utterances of other languages are left out",) if left_out else ()
    return _leave_out(_draw(mandarin, labels, seed), labels, "speaker", pairs, remark)


def _iemocap(utterances: Sequence[Utterance], labels: LabelScheme, seed: int) -> list[Draft]:
    names = unit_names(utterances, "session")
    _need(len(names), FOLDS, "sessions", names)
    sessions = [{names[number - 1]} for number in SESSION_ORDER]
    return _leave_out(_draw(utterances, labels, seed), labels, "session", sessions)


def _pavoque(utterances: Sequence[Utterance], labels: LabelScheme, seed: int) -> list[Draft]:
    groups = by_class(utterances, labels)
    short = {name: len(group) for name, group in groups.items() if len(group) < sum(SIZES)}
    if short:
        raise FoldError(
            f"the scheme 'paper' draws {sum(SIZES)} utterances per class from PAVOQUE, but there are only "
            f"{listed(short)}. Is the folder complete?"
        )
    return [_random_draw(groups, (seed, "fold", fold)) for fold in range(FOLDS)]


def _random_draw(groups: Mapping[str, Sequence[Utterance]], salt: tuple[object, ...]) -> Draft:
    orders = [shuffled_utterances(group, *salt) for group in groups.values()]
    first, second, third = accumulate(SIZES)
    return Draft(
        [utterance for order in orders for utterance in order[:first]],
        [utterance for order in orders for utterance in order[first:second]],
        [utterance for order in orders for utterance in order[second:third]],
    )


def _draw(utterances: Sequence[Utterance], labels: LabelScheme, seed: int) -> list[Utterance]:
    """Draw `PER_SPEAKER` utterances per speaker and class, in an order that is random within each."""
    drawn: list[Utterance] = []
    short: dict[str, int] = {}
    for speaker in unit_names(utterances, "speaker"):
        own = [utterance for utterance in utterances if utterance.speaker == speaker]
        for name, group in by_class(own, labels).items():
            drawn += shuffled_utterances(group, seed)[:PER_SPEAKER]
            if len(group) < PER_SPEAKER:
                short[f"{speaker} {name}"] = len(group)
    if short:
        raise FoldError(
            f"the scheme 'paper' draws {PER_SPEAKER} utterances per speaker and class, but there are only: "
            f"{listed(short)}. Is the folder complete?"
        )
    return drawn


def _leave_out(
    drawn: Sequence[Utterance],
    labels: LabelScheme,
    unit: str,
    held: Sequence[set[str]],
    remarks: tuple[str, ...] = (),
) -> list[Draft]:
    half = PER_SPEAKER // 2
    cells = grouped(drawn, lambda u: (unit_of(u, unit), u.speaker, labels.index(u.emotion)))
    return [
        Draft(
            [u for (name, *_), cell in cells.items() if name not in names for u in cell],
            [u for (name, *_), cell in cells.items() if name in names for u in cell[:half]],
            [u for (name, *_), cell in cells.items() if name in names for u in cell[half:]],
            remarks,
        )
        for names in held
    ]


def _need(found: int, needed: int, what: str, names: Sequence[str]) -> None:
    if found != needed:
        raise FoldError(
            f"the scheme 'paper' needs exactly {needed} {what}; there are {found} "
            f"({', '.join(names) or 'none'}). Is the folder complete? Else choose "
            "--data.folds.scheme speaker."
        )


PAPER_SCHEMES: Mapping[str, Scheme] = MappingProxyType(
    {"ESD": _esd, "IEMOCAP": _iemocap, "PAVOQUE": _pavoque}
)
"""Corpus name -> its folds in the study."""
