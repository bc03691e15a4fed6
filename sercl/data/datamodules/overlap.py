"""Checks that two corpora share no clips, ids or speakers."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import product
from pathlib import Path

from sercl.corpora.base import Utterance
from sercl.counting import count
from sercl.data.settings import ROLES, SOURCE
from sercl.errors import FoldError, SpeakerOverlapError

AudioSpan = tuple[str, float | None, float | None]
"""File, start and end of a clip."""


_UNIQUE_IDS = (
    "Ids must be unique: give them in a column 'id' of a manifest; `sercl corpus manifest NAME --root DIR "
    "--out FILE` writes one of any corpus."
)


def check_clips(
    used: Sequence[Utterance], held_out: Sequence[Utterance], roles: tuple[str, str] = ROLES
) -> None:
    """Raise if a clip is used in one corpus and also held out in the other.

    Args:
        used: What is used of the one.
        held_out: Validation or test utterances of the other.
        roles: The roles of the two, "source" and "target", for the message.

    Raises:
        FoldError: If they share a clip.
    """
    known = {clip_of(utterance) for utterance in used}
    shared = [utterance.id for utterance in held_out if clip_of(utterance) in known]
    if shared:
        one, other = roles
        raise FoldError(
            f"{len(shared)} clips of the {one} are also held out in the {other}, first {shared[0]!r}: the "
            "two overlap. Choose another corpus, language or fold for one of them."
        )


def check_ids(source: Sequence[Utterance], target: Sequence[Utterance]) -> None:
    """Raise `FoldError` if an id denotes different clips in source and target."""
    named = {utterance.id: utterance for utterance in source}
    same = ((named[item.id], item) for item in target if item.id in named)
    twice = [item.id for other, item in same if clip_of(other) != clip_of(item)]
    if twice:
        raise FoldError(
            f"{len(twice)} ids denote different clips in source and target, first {twice[0]!r}: their "
            f"results could not be distinguished. {_UNIQUE_IDS}"
        )


def check_speakers(
    used: Sequence[Utterance], test: Sequence[Utterance], roles: tuple[str, str] = ROLES
) -> None:
    """Raise if speakers of one corpus are tested in the other; only corpora of the same name can share them.

    Args:
        used: What is used of the one.
        test: Test utterances of the other.
        roles: The roles of the two, "source" and "target", for the message.

    Raises:
        SpeakerOverlapError: If they do.
    """
    one, other = roles
    seen = {item.person for item in used if item.person is not None}
    shared = sorted({str(item.speaker) for item in test if item.person in seen})
    if shared:
        raise SpeakerOverlapError(
            f"source and target are both {test[0].corpus}, and {count(len(shared), 'speaker')} of the {one} "
            f"{'is' if len(shared) == 1 else 'are'} "
            f"tested{' in the source' if other == SOURCE else ''}: {', '.join(shared[:5])}. Choose another "
            f"fold, or allow it with --data.{other}.folds.allow_speaker_overlap true."
        )


def check_apart(
    corpora: Mapping[str, Mapping[str, Sequence[Utterance]]], allow_speaker_overlap: bool = False
) -> None:
    """Raise if corpora that are used together share an id, or a clip or a speaker in different parts.

    Args:
        corpora: Name -> part -> utterances.
        allow_speaker_overlap: Whether one may train on speakers that another tests.

    Raises:
        FoldError: If they do.
        SpeakerOverlapError: If one trains on speakers that another tests, and that is not allowed.
    """
    if not allow_speaker_overlap:
        _check_people(corpora)
    owners: dict[str, tuple[str, AudioSpan]] = {}
    uses: dict[AudioSpan, tuple[str, str]] = {}
    for corpus, part, utterance in _uses(corpora):
        owner, clip = owners.setdefault(utterance.id, (corpus, clip_of(utterance)))
        if owner != corpus:
            same = clip == clip_of(utterance)
            raise FoldError(
                f"{owner} and {corpus} overlap: both have the utterance {utterance.id!r}. Leave one of them "
                "out, or give them options by which they share none."
                if same
                else f"the id {utterance.id!r} denotes different clips in {owner} and {corpus}. {_UNIQUE_IDS}"
            )
        other, elsewhere = uses.setdefault(clip_of(utterance), (corpus, part))
        if other != corpus and elsewhere != part:
            raise FoldError(
                f"{utterance.path} is for {elsewhere} in {other} but for {part} in {corpus}: the two corpora "
                "overlap. Leave one of them out."
            )


def _check_people(corpora: Mapping[str, Mapping[str, Sequence[Utterance]]]) -> None:
    """Raise if one corpus trains on people that another tests: two selections of one corpus may do so."""
    people = {
        (corpus, part): {item.person for item in own if item.person is not None}
        for corpus, parts in corpora.items()
        for part, own in parts.items()
    }
    for (trained, part), (tested, other) in product(people, people):
        shared = sorted(people[trained, part] & people[tested, other])
        if shared and trained != tested and (part, other) == ("train", "test"):
            raise SpeakerOverlapError(
                f"{count(len(shared), 'speaker')} in training of {trained} and in the test part of {tested}: "
                f"{', '.join(shared[:5])}. Choose other conditions (where) or folds, or allow it with "
                "folds.allow_speaker_overlap of one of them."
            )


def _uses(
    corpora: Mapping[str, Mapping[str, Sequence[Utterance]]],
) -> Iterator[tuple[str, str, Utterance]]:
    for corpus, parts in corpora.items():
        for part, utterances in parts.items():
            yield from ((corpus, part, utterance) for utterance in utterances)


def clip_of(utterance: Utterance) -> AudioSpan:
    """Return file, start and end of an utterance, independent of its id; symbolic links are resolved."""
    return _resolved(utterance.path), utterance.start, utterance.end


@lru_cache(maxsize=2**15)
def _resolved(path: Path) -> str:
    """Return a path without symbolic links, which asks the disk for each of its folders, once."""
    return str(path.resolve())
