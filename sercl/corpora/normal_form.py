"""The normal form of utterances: one spelling for every name, and ids for those without one."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os.path import commonpath
from pathlib import Path

from sercl.corpora.base import Utterance
from sercl.corpora.cells import clean, key_of, prose_of, word_of
from sercl.counting import count

_WORDS: Mapping[str, str] = {
    "female": "f fem female woman women girl lady feminine female_feminine w weiblich frau mädchen "
    "femme féminin feminin féminine mujer femenino femenina femmina femminile donna feminino feminina "
    "mulher vrouw vrouwelijk kobieta kvinna kvinde żeńska женский женщина жен ж 女 女性 女声 女聲 女生 "
    "여 여성 여자 أنثى انثى امرأة महिला स्त्री زن",
    "male": "m male man men boy masc masculine male_masculine männlich mann junge h homme masculin "
    "hombre masculino maschio maschile uomo homem man mannelijk mężczyzna męska mand мужской мужчина "
    "муж м 男 男性 男声 男聲 男生 남 남성 남자 ذكر رجل पुरुष مرد",
}
_BY_KEY = {key_of(word): gender for gender, words in _WORDS.items() for word in words.split()}


def to_gender(cell: object) -> str | None:
    """Return "female" or "male" for common words for them, else the word in lower case; None if unknown."""
    word = word_of(cell)
    if word is None:
        return None
    key = key_of(word).strip("(). ")
    return _BY_KEY.get(key, word.lower())


_NAMES = ("speaker", "session", "dialect")
_MOST = 5

Spellings = Mapping[tuple[str, str], str]
"""Corpus and spelling -> the spelling that replaces it."""


def normal_form(utterance: Utterance) -> Utterance:
    """Return an utterance with all texts in their normal form; path and emotion are unchanged."""
    extra = {clean(name): prose for name, cell in utterance.extra.items() if (prose := prose_of(cell))}
    found = {
        "id": clean(utterance.id) or utterance.id,
        "corpus": clean(utterance.corpus) or utterance.corpus,
        "gender": to_gender(utterance.gender),
        "text": prose_of(utterance.text),
        **{name: word_of(getattr(utterance, name)) for name in _NAMES},
        "extra": extra,
    }
    changed = {name: value for name, value in found.items() if value != getattr(utterance, name)}
    return replace(utterance, **changed) if changed else utterance  # type: ignore[arg-type]


def unified(utterances: Sequence[Utterance]) -> tuple[list[Utterance], tuple[str, ...]]:
    """Return utterances in their normal form, with one spelling of each name, and notes.

    Spellings that differ only in case or width are the same name, spelt as in most utterances. Numbers that
    differ in leading zeros ("3", "03") are different names; a note points them out.
    """
    items = [normal_form(item) for item in utterances]
    notes: list[str] = []
    for name in ("corpus", *_NAMES):
        spellings = _spellings(items, name)
        items = [_respelt(item, name, spellings) for item in items]
        notes += _spelling_notes(name, utterances, items)
    return items, (*notes, *_number_notes(items))


def _spellings(utterances: Sequence[Utterance], name: str) -> Spellings:
    """Return the spellings that are replaced by another."""
    counts = Counter(_named_value(item, name) for item in utterances)
    groups: dict[tuple[str, str], list[str]] = {}
    for corpus, word in counts:
        if word is not None:
            groups.setdefault((corpus, key_of(word)), []).append(word)
    chosen: dict[tuple[str, str], str] = {}
    for (corpus, _), words in groups.items():
        best = min(words, key=lambda word: (-counts[corpus, word], word.isupper() or word.islower(), word))
        chosen |= {(corpus, word): best for word in words if word != best}
    return chosen


def _named_value(utterance: Utterance, name: str) -> tuple[str, str]:
    return "" if name == "corpus" else utterance.corpus, getattr(utterance, name)


def _respelt(utterance: Utterance, name: str, spellings: Spellings) -> Utterance:
    named_value = _named_value(utterance, name)
    return replace(utterance, **{name: spellings[named_value]}) if named_value in spellings else utterance  # type: ignore[arg-type]


def _spelling_notes(name: str, written: Sequence[Utterance], items: Sequence[Utterance]) -> list[str]:
    """Return the note on names with several spellings, including white space and Unicode form."""
    forms: dict[tuple[str, str], set[str]] = {}
    for before, item in zip(written, items, strict=True):
        if (word := getattr(before, name)) is not None and getattr(item, name) is not None:
            forms.setdefault(_named_value(item, name), set()).add(word)
    shown = [
        f"{best!r} (also {', '.join(repr(word) for word in sorted(words - {best}))})"
        for (_, best), words in sorted(forms.items())
        if len(words) > 1
    ]
    if not shown:
        return []
    names = count(len(shown), f"{name} name")
    return [f"{names} {_are(shown)} written in several ways, each treated as one: {_first(shown)}"]


def _number_notes(utterances: Sequence[Utterance]) -> list[str]:
    numbers: dict[tuple[str, int], set[str]] = {}
    for item in utterances:
        if item.speaker and re.fullmatch(r"[0-9]{1,18}", item.speaker):
            numbers.setdefault((item.corpus, int(item.speaker)), set()).add(item.speaker)
    shown = [" and ".join(map(repr, sorted(words))) for _, words in sorted(numbers.items()) if len(words) > 1]
    if not shown:
        return []
    return [
        f"{count(len(shown), 'speaker number')} {_are(shown)} written with and without leading zeros: "
        f"{_first(shown)}. They are treated as different people; write them the same way if they are not"
    ]


def _are(shown: Sequence[str]) -> str:
    return "is" if len(shown) == 1 else "are"


def _first(shown: Sequence[str]) -> str:
    more = f" and {len(shown) - _MOST} more" if len(shown) > _MOST else ""
    return ", ".join(shown[:_MOST]) + more


def made_ids(utterances: Sequence[Utterance], folder: Path, given: Sequence[str | None]) -> list[str]:
    """Return an id for each utterance: the given one if it is unique, otherwise one built from its file.

    Such an id is the file's stem; if files share a stem, the path without suffix; and if they share that,
    too, the path. For a file with several utterances the interval follows. Ids depend neither on the order of
    the utterances nor on the folder above the files. They are unique unless two rows have the same file and
    interval.

    Args:
        utterances: Only their paths, starts and ends are used.
        folder: Paths below it are taken relative to it, others relative to their common folder.
        given: The id of each utterance, None for those without one.
    """
    own = Counter(name for name in given if name is not None)
    files = _relative([item.path for item in utterances], folder)
    clips = [(file, _interval(item)) for file, item in zip(files, utterances, strict=True)]
    names, intervals = _file_names(set(files)), Counter(file for file, _ in set(clips))
    made = [names[file] + (interval if intervals[file] > 1 else "") for file, interval in clips]
    ids = [name if name and own[name] == 1 else other for name, other in zip(given, made, strict=True)]
    # A given id may equal the name of another row's file: that row is then identified by its whole path.
    users = Counter(id for id, _ in set(zip(ids, clips, strict=True)))
    return [
        "".join(clip) if users[id] > 1 and id != name else id
        for id, name, clip in zip(ids, given, clips, strict=True)
    ]


def _relative(paths: Sequence[Path], folder: Path) -> list[str]:
    lead, names = f"{folder}/", [str(path) for path in paths]
    outside = sorted({name.rpartition("/")[0] or "/" for name in names if not name.startswith(lead)})
    common = commonpath(outside).rstrip("/") + "/" if outside else lead
    # Files outside the folder must not look as if they were in it.
    mark = "../" if any(name.startswith(lead) for name in names) else ""
    return [
        clean(name[len(lead) :] if name.startswith(lead) else mark + name[len(common) :]) for name in names
    ]


def _file_names(files: set[str]) -> dict[str, str]:
    """Return stem, path without suffix, or path of each file: the first that is unique."""
    bare = {file: _bare(file) for file in files}
    stems = {file: name.rpartition("/")[2] for file, name in bare.items()}
    of_stem, of_name = Counter(stems.values()), Counter(bare.values())
    return {
        file: stems[file] if of_stem[stems[file]] == 1 else name if of_name[name] == 1 else file
        for file, name in bare.items()
    }


def _bare(file: str) -> str:
    folder, slash, name = file.rpartition("/")
    return folder + slash + (name.rpartition(".")[0] or name)


def _interval(utterance: Utterance) -> str:
    """Return "@0_5-1_25": without dots, which would look like the suffix of a file."""
    if utterance.start is None and utterance.end is None:
        return ""
    return f"@{_written(utterance.start or 0.0)}-{_written(utterance.end)}"


def _written(seconds: float | None) -> str:
    return "" if seconds is None else repr(float(seconds)).removesuffix(".0").replace(".", "_")
