"""`paper`: the folds of arXiv 2409.16920, rebuilt from their rules.

ESD (Mandarin) and IEMOCAP: 50 utterances per speaker and class, the same in all five folds. A fold holds out
two speakers (IEMOCAP: the two of a session); 25 of their utterances per class go to validation and 25 to
test. PAVOQUE: one speaker, so each fold draws 400 + 50 + 50 utterances per class from the study's selection
of 2,146 cuts. As in its lists, a test part has 10 cuts of the style's own series and 40 of the long series
per class, and two test parts share 49 to 57 of their 200 cuts: they are built around 12 cuts per class (in
the study those of its listening test), of which each fold leaves one out. If the selection is complete, none
of them is used for training or selection (in the study's lists, a few are trained on).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, count
from types import MappingProxyType

from sercl.corpora.base import Utterance
from sercl.corpora.folds.config import FoldConfig
from sercl.corpora.folds.draw import by_class, grouped, listed, shuffled_utterances
from sercl.corpora.folds.fold import Draft
from sercl.corpora.folds.speaker import unit_names, unit_of
from sercl.corpora.labels import LabelScheme
from sercl.errors import FoldError

FOLDS = 5
PER_SPEAKER = 50
"""Utterances per speaker and class (ESD, IEMOCAP); half of a held-out speaker's are for validation."""

SIZES = (400, 50, 50)
"""Utterances per class in training, validation and test (PAVOQUE)."""

POOL: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "angry": {"m": 400, "spike": 151},
        "happy": {"m": 400, "poppy": 159},
        "neutral": {"a": 400, "prudence": 112},
        "sad": {"m": 400, "obadiah": 124},
    }
)
"""Class -> series -> number of its last cut: the 2,146 cuts of PAVOQUE that the study draws from.

The long series comes first, the style's own second.
"""

OWN = (90, 11, 10)
"""How many of `SIZES` are from the style's own series; the study's lists have 87 to 91, 10 to 14, and 10."""

LISTENING = 12
"""Cuts per class that every test part is built around (PAVOQUE)."""

SHARED_TESTS = range(49, 58)
"""How many cuts two test parts share in the study's lists (PAVOQUE)."""

MOST_DRAWS = 1000
"""Maximum number of draws of a test part; the last one is used whatever it shares with the others."""

SESSION_ORDER = (2, 4, 3, 1, 5)
"""The IEMOCAP session that each fold holds out, from 1."""

Scheme = Callable[[Sequence[Utterance], LabelScheme, int], list[Draft]]


def paper_folds(utterances: Sequence[Utterance], labels: LabelScheme, config: FoldConfig) -> list[Draft]:
    """Cut the study's five folds of one of its corpora.

    Raises:
        FoldError: For another corpus, or one that lacks speakers, sessions or utterances.
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
    series = _pavoque_series(utterances, labels, seed)
    tests = _pavoque_tests(series, seed)
    found, whole = sum(map(len, series)), sum(sum(cuts.values()) for cuts in POOL.values())
    remark = () if found == whole else (f"drawn from {found} of the {whole} utterances used by the study",)
    return [_pavoque_draft(series, test, (seed, "fold", fold), remark) for fold, test in enumerate(tests)]


@dataclass(frozen=True)
class _Series:
    """The cuts of one class: the long series, the style's own series, and the ids of test-only cuts."""

    long: Sequence[Utterance]
    own: Sequence[Utterance]
    listening: frozenset[str]

    def __len__(self) -> int:
        return len(self.long) + len(self.own)

    def quota(self) -> tuple[int, int, int]:
        """How many cuts of the style's own series each part gets: `OWN`, or as many as exist."""
        least = sum(SIZES) - len(self.long)
        train = min(max(OWN[0], least - sum(OWN[1:])), len(self.own) - sum(OWN[1:]))
        return (train, *OWN[1:])


def _pavoque_series(utterances: Sequence[Utterance], labels: LabelScheme, seed: int) -> list[_Series]:
    """Return the study's selection by class; classes that the study does not have are empty."""
    groups = by_class(utterances, labels)
    pools = {name: _of_pool(group, POOL.get(name, {"m": 0, "": 0})) for name, group in groups.items()}
    short = {
        name: len(long) + len(own)
        for name, (long, own) in pools.items()
        if len(long) + len(own) < sum(SIZES) or len(own) < sum(OWN)
    }
    if short:
        raise FoldError(
            f"the scheme 'paper' draws {sum(SIZES)} utterances per class from the PAVOQUE utterances "
            f"used by the study "
            f"({_pool_text()}), but of that there are only {listed(short)}. Is the folder complete?"
        )
    return [
        _Series(
            long, own, frozenset(item.id for item in shuffled_utterances(long, seed, "listening")[:LISTENING])
        )
        for long, own in pools.values()
    ]


def _of_pool(group: Iterable[Utterance], cuts: Mapping[str, int]) -> tuple[list[Utterance], list[Utterance]]:
    """Return the cuts of the long and of the style's own series that belong to the study's selection."""
    found: dict[str, list[Utterance]] = {name: [] for name in cuts}
    for utterance in group:
        match = _PROMPT.match(str(utterance.extra.get("prompt", utterance.id)))
        if match and int(match["number"]) <= cuts.get(match["series"], 0):
            found[match["series"]].append(utterance)
    long, own = found.values()
    return long, own


_PROMPT = re.compile(r"(?P<series>[a-z]+)(?P<number>\d+)(-|$)")


def _pool_text() -> str:
    series = (
        f"{name} {' and '.join(f'{key}0001 to {key}{last:04}' for key, last in cuts.items())}"
        for name, cuts in POOL.items()
    )
    return "; ".join(series)


def _pavoque_tests(series: Sequence[_Series], seed: int) -> list[list[Utterance]]:
    """Draw the test parts in turn, each until its overlap with the others is that of the study's."""
    tests: list[list[Utterance]] = []
    for fold in range(FOLDS):
        for attempt in count():
            drawn = [item for cuts in series for item in _pavoque_test(cuts, (seed, "test", fold, attempt))]
            ids = {item.id for item in drawn}
            shared = (len(ids & {item.id for item in test}) for test in tests)
            if attempt == MOST_DRAWS or all(number in SHARED_TESTS for number in shared):
                break
        tests.append(drawn)
    return tests


def _pavoque_test(cuts: _Series, salt: tuple[object, ...]) -> list[Utterance]:
    """Draw the test cuts of one class, including all listening-test cuts but one."""
    order = shuffled_utterances(cuts.long, *salt)
    listening = [item for item in order if item.id in cuts.listening][: LISTENING - 1]
    others = [item for item in order if item.id not in cuts.listening]
    own = shuffled_utterances(cuts.own, *salt)[: OWN[2]]
    return [*own, *others[: SIZES[2] - OWN[2] - len(listening)], *listening]


def _pavoque_draft(
    series: Sequence[_Series], test: Sequence[Utterance], salt: tuple[object, ...], remarks: tuple[str, ...]
) -> Draft:
    tested = {item.id for item in test}
    train: list[Utterance] = []
    validation: list[Utterance] = []
    for cuts in series:
        own = cuts.quota()
        rest = tuple(size - number for size, number in zip(SIZES, own, strict=True))
        for group, sizes in ((cuts.own, own), (cuts.long, rest)):
            free = shuffled_utterances((item for item in group if item.id not in tested), *salt)
            order = sorted(free, key=lambda item: item.id in cuts.listening)  # in use where all are needed
            first, second = accumulate(sizes[:2])
            train += order[:first]
            validation += order[first:second]
    return Draft(train, validation, test, remarks)


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
"""Corpus name -> function that cuts its folds as in the study."""
