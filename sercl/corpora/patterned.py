"""Reads a corpus that is only a file-name pattern and a label map."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from sercl.corpora.base import CorpusInfo, Listing, Problem, Utterance
from sercl.corpora.folders import existing_folder, files_below, not_found

SEXES: Mapping[str, str] = {"f": "female", "m": "male", "female": "female", "male": "male"}


@dataclass(frozen=True)
class Pattern:
    """How the file names of a corpus are to be read. Codes are compared in lower case.

    Attributes:
        info: Facts about the corpus.
        regex: Searched, ignoring case, in the absolute path with forward slashes; ends in `$`. The groups
            `emotion`, `speaker` and `gender` mean what they say, any other group goes to `extra`.
        emotions: Emotion code -> emotion name.
        genders: Code of the group `gender`, or speaker where there is no such group -> gender.
        id: Format of the utterance's id, from the groups and `stem`.
        speakers: Speaker code -> the code it stands for, for misspelt ones.
        values: Group -> code -> readable value, for groups that go to `extra`.
        texts: Value of the group `sentence` -> transcript.
    """

    info: CorpusInfo
    regex: str
    emotions: Mapping[str, str]
    genders: Mapping[str, str] = field(default_factory=dict)
    id: str = "{stem}"
    speakers: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        """The compiled `regex`."""
        return re.compile(self.regex, re.IGNORECASE)

    def groups(self, path: Path) -> dict[str, str] | None:
        """Return the groups that are set in a path, or None where its name has another shape."""
        match = self.compiled.search(path.as_posix())
        return {name: text for name, text in match.groupdict().items() if text} if match else None

    def utterance(self, path: Path, groups: Mapping[str, str]) -> Utterance | None:
        """Return the utterance in a file, or None where its emotion code is unknown."""
        emotion = self.emotions.get(groups["emotion"].lower())
        if emotion is None:
            return None
        code = groups.get("speaker", "")
        speaker = self.speakers.get(code.lower(), code)
        return Utterance(
            id=self.id.format(**{**groups, "stem": path.stem, "speaker": speaker}),
            path=path,
            emotion=emotion,
            corpus=self.info.name,
            language=self.info.languages[0],
            speaker=speaker or None,
            gender=self.genders.get(groups.get("gender", speaker).lower()),
            text=self.texts.get(groups.get("sentence", "").lower()),
            extra=self._extra(groups),
        )

    def _extra(self, groups: Mapping[str, str]) -> dict[str, str]:
        rest = {key: code for key, code in groups.items() if key not in ("emotion", "speaker", "gender")}
        return {key: self.values.get(key, {}).get(code.lower(), code) for key, code in rest.items()}


def read_pattern(pattern: Pattern, root: Path) -> Listing:
    """List a corpus by its file names.

    The files may lie anywhere below `root`, so a root one level too high or too deep works too.

    Args:
        pattern: How its file names read.
        root: The corpus folder.

    Raises:
        CorpusNotFoundError: Where no file below `root` has a name of this corpus.
    """
    folder = existing_folder(root, pattern.info.name)
    utterances, problems = [], []
    for path in files_below(folder, (".wav",)):
        found = _read_name(pattern, path)
        if isinstance(found, Utterance):
            utterances.append(found)
        else:
            problems.append(found)
    if not utterances:
        raise not_found(folder, pattern.info.name, f"files such as {pattern.info.layout}")
    return unique_listing(utterances, problems)


def unique_listing(utterances: Iterable[Utterance], problems: Iterable[Problem]) -> Listing:
    """Return a listing sorted by id; of several files with one id, the one of the shortest path is kept."""
    ranked = sorted(utterances, key=lambda item: (item.id, len(item.path.parts), str(item.path)))
    kept: dict[str, Utterance] = {}
    copies = []
    for utterance in ranked:
        first = kept.setdefault(utterance.id, utterance)
        if first is not utterance:
            reason = f"a second file for utterance {utterance.id}; {first.path} is used"
            copies.append(Problem(utterance.path, reason, kind="duplicate"))
    return Listing(tuple(kept.values()), (*problems, *copies))


def _read_name(pattern: Pattern, path: Path) -> Utterance | Problem:
    groups = pattern.groups(path)
    if groups is None:
        reason = f"not a file name of {pattern.info.name} ({pattern.info.layout})"
        return Problem(path, reason, kind="name")
    code = groups["emotion"]
    legal = ", ".join(Counter(pattern.emotions))
    return pattern.utterance(path, groups) or Problem(path, f"unknown emotion {code!r}; legal: {legal}")
