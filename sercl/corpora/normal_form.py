"""The normal form of utterances: one spelling for every name, and ids for those without one."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
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
_SPELT = ("corpus", *_NAMES)
_MOST = 5

Spellings = Mapping[tuple[str, str], str]
"""Corpus ("" for names of corpora) and spelling -> the spelling that replaces it."""

_Forms = Counter[tuple[str, str, str]]
"""Corpus ("" for names of corpora), name in its normal form, and name as written -> number of utterances."""


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


def unified(utterances: Iterable[Utterance]) -> tuple[list[Utterance], tuple[str, ...]]:
    """Return utterances in their normal form, with one spelling of each name, and notes.

    Spellings that differ only in case or width are the same name, spelt as in most utterances. Numbers that
    differ in leading zeros ("3", "03") are different names; a note points them out.

    Args:
        utterances: Of those that a generator makes, only the normal forms are kept.
    """
    items: list[Utterance] = []
    forms: dict[str, _Forms] = {name: Counter() for name in _SPELT}
    for written in utterances:
        item = normal_form(written)
        items.append(item)
        for name, counts in forms.items():
            if (word := getattr(item, name)) is not None:
                counts["" if name == "corpus" else item.corpus, word, getattr(written, name)] += 1
    spellings, notes = _chosen(forms)
    if any(spellings.values()):
        for index, item in enumerate(items):
            items[index] = _respelt(item, spellings)
    return items, (*notes, *_number_notes(items))


def _chosen(forms: Mapping[str, _Forms]) -> tuple[dict[str, Spellings], list[str]]:
    """Return the spellings that are replaced by another, for each kind of name, and notes on them."""
    spellings: dict[str, Spellings] = {}
    notes: list[str] = []
    for name in _SPELT:
        counts: _Forms = Counter()
        for (corpus, word, written), number in forms[name].items():
            counts[_spelling(spellings, "corpus", "", corpus), word, written] += number
        spellings[name] = _spellings(counts)
        notes += _spelling_notes(name, counts, spellings[name])
    return spellings, notes


def _spelling(spellings: Mapping[str, Spellings], name: str, corpus: str, word: str) -> str:
    return spellings[name].get((corpus, word), word) if name in spellings else word


def _spellings(forms: _Forms) -> Spellings:
    """Return the spellings that are replaced by another."""
    counts: Counter[tuple[str, str]] = Counter()
    for (corpus, word, _), number in forms.items():
        counts[corpus, word] += number
    groups: dict[tuple[str, str], list[str]] = {}
    for corpus, word in counts:
        groups.setdefault((corpus, key_of(word)), []).append(word)
    chosen: dict[tuple[str, str], str] = {}
    for (corpus, _), words in groups.items():
        best = min(words, key=lambda word: (-counts[corpus, word], word.isupper() or word.islower(), word))
        chosen |= {(corpus, word): best for word in words if word != best}
    return chosen


def _respelt(utterance: Utterance, spellings: Mapping[str, Spellings]) -> Utterance:
    corpus = _spelling(spellings, "corpus", "", utterance.corpus)
    found = {name: _spelling(spellings, name, corpus, getattr(utterance, name)) for name in _NAMES}
    words = {"corpus": corpus, **found}
    changed = {name: word for name, word in words.items() if word != getattr(utterance, name)}
    return replace(utterance, **changed) if changed else utterance  # type: ignore[arg-type]


def _spelling_notes(name: str, forms: _Forms, spellings: Spellings) -> list[str]:
    """Return the note on names with several spellings, including white space and Unicode form."""
    found: dict[tuple[str, str], set[str]] = {}
    for corpus, word, written in forms:
        found.setdefault((corpus, spellings.get((corpus, word), word)), set()).add(written)
    shown = [
        f"{best!r} (also {', '.join(repr(word) for word in sorted(words - {best}))})"
        for (_, best), words in sorted(found.items())
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
    files = _relative([item.path for item in utterances], folder)
    intervals = [_interval(item) for item in utterances]
    names, divided = _file_names(set(files)), _divided(files, intervals)
    own = Counter(name for name in given if name is not None)
    ids = [
        name if name and own[name] == 1 else names[file] + (interval if file in divided else "")
        for name, file, interval in zip(given, files, intervals, strict=True)
    ]
    # A given id may equal the name of another row's file: that row is then identified by its whole path.
    shared = _divided(ids, zip(files, intervals, strict=True))
    return [
        file + interval if id in shared and id != name else id
        for id, name, file, interval in zip(ids, given, files, intervals, strict=True)
    ]


def _divided(keys: Sequence[str], values: Iterable[object]) -> set[str]:
    """Return the keys that have several different values."""
    often = {key for key, number in Counter(keys).items() if number > 1}
    pairs = {pair for pair in zip(keys, values, strict=True) if pair[0] in often}
    return {key for key, number in Counter(key for key, _ in pairs).items() if number > 1}


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
    names = {file: _bare(file).rpartition("/")[2] for file in files}
    for file in _sharing(names):
        names[file] = _bare(file)
    for file in _sharing(names):
        names[file] = file
    return names


def _sharing(names: Mapping[str, str]) -> list[str]:
    """Return the files whose name another has, too."""
    counts = Counter(names.values())
    return [file for file, name in names.items() if counts[name] > 1]


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
