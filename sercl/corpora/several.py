"""Several corpora in one listing: speaker 03 of one is not speaker 03 of another."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os.path import commonpath
from pathlib import Path

from sercl.corpora.base import Utterance
from sercl.corpora.emotion_names import EmotionWords, UnknownLabelError
from sercl.corpora.genders import to_gender
from sercl.corpora.manifest_cells import split_name
from sercl.errors import UnknownNameError

_GENERIC = re.compile(r"[a-z]{0,7}[ _-]?\d{1,4}|[a-z]", re.IGNORECASE)
_MOST = 5


@dataclass(frozen=True)
class Settled:
    """Utterances whose speakers are unique within the listing, and what is to be said about them."""

    utterances: tuple[Utterance, ...]
    notes: tuple[str, ...]


def apart(utterances: Sequence[Utterance], folder: Path) -> Settled:
    """Tell the speakers of several corpora apart.

    Where utterances name several corpora, the corpus leads in every speaker's name ("EmoDB 03"). Where they
    name one, nothing is changed; but ids such as "03" that stand below folders which look like corpora are
    pointed out.

    Args:
        utterances: In their normal form.
        folder: What paths are shown relative to.
    """
    corpora = sorted({item.corpus for item in utterances})
    if len(corpora) < 2:
        return Settled(tuple(utterances), _folder_notes(utterances))
    shared = _shared(utterances, {index: item.corpus for index, item in enumerate(utterances)})
    named = tuple(replace(item, speaker=item.person) for item in utterances)
    if not shared:
        return Settled(named, ())
    return Settled(
        named, (f"{_ids(shared)} are in several corpora ({', '.join(corpora)}): taken as different people",)
    )


def _folder_notes(utterances: Sequence[Utterance]) -> tuple[str, ...]:
    """Return the note on ids that several folders share which may be corpora."""
    tops = _top_folders(utterances)
    speakers: dict[str, set[str]] = {}
    for index, top in tops.items():
        if (speaker := utterances[index].speaker) is not None:
            speakers.setdefault(top, set()).add(speaker)
    likely = {top for top, own in speakers.items() if len(own) > 1 and not _is_part(top)}
    shared = [
        name
        for name in _shared(utterances, {index: top for index, top in tops.items() if top in likely})
        if _GENERIC.fullmatch(name)
    ]
    if not shared or len({re.sub(r"\d+", "", top) for top in likely}) < 2:
        return ()
    return (
        f"{_ids(shared)} are below several folders ({', '.join(sorted(likely)[:_MOST])}): taken as the same "
        "people. If these folders are different corpora, name them in a column 'corpus'",
    )


def _top_folders(utterances: Sequence[Utterance]) -> Mapping[int, str]:
    """Return the folder of each utterance at the level where the paths part."""
    if not utterances:
        return {}
    parents = [str(item.path.parent) for item in utterances]
    common = commonpath(parents)
    below = {index: Path(parent).relative_to(common).parts for index, parent in enumerate(parents)}
    return {index: parts[0] for index, parts in below.items() if parts}


def _is_part(folder: str) -> bool:
    """Whether a folder is named for an emotion, a split or a gender: a part of one corpus."""
    try:
        return EmotionWords().read(folder) is not None
    except UnknownLabelError:
        pass
    try:
        return split_name(folder) is not None
    except UnknownNameError:
        return to_gender(folder) in ("female", "male")


def _shared(utterances: Sequence[Utterance], groups: Mapping[int, str]) -> list[str]:
    """Return the speakers that stand in several groups, sorted; `groups` is index -> group."""
    places: dict[str, set[str]] = {}
    for index, group in groups.items():
        if (speaker := utterances[index].speaker) is not None:
            places.setdefault(speaker, set()).add(group)
    return sorted(name for name, found in places.items() if len(found) > 1)


def _ids(shared: Sequence[str]) -> str:
    more = f" and {len(shared) - _MOST} more" if len(shared) > _MOST else ""
    return f"the speaker ids {', '.join(shared[:_MOST])}{more}"
