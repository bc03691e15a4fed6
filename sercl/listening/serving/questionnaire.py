"""The questions about the listener, read from a file. No torch."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sercl.documents import parse_yaml, read_text
from sercl.errors import DocumentError, ResultsError, UsageError
from sercl.studies.results.records import as_record

PACKAGED = Path(__file__).with_name("questionnaire.yaml")
TEXT, NUMBER, CHOICE, LANGUAGE, LANGUAGES = TYPES = ("text", "number", "choice", "language", "languages")
LEVELS = ("beginner", "good", "fluent")
"""How well a listener speaks a language."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_LONGEST, _MOST_LANGUAGES = 200, 20
_ADVICE = f"Compare it with {PACKAGED}."


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        name: Its answers are in the column listener_NAME.
        type: "text", "number", "choice", "language" (one), or "languages" (several, each with a level).
        label: Language code -> the question.
        options: Of a choice: value -> language code -> label.
        required: Whether it must be answered.
    """

    name: str
    type: str
    label: Mapping[str, str]
    options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    required: bool = True


@dataclass(frozen=True)
class Questionnaire:
    """All questions, in order; the content of the file."""

    questions: tuple[Question, ...]


def load(path: Path, languages: Iterable[str]) -> tuple[Question, ...]:
    """Read the questions of a file.

    Args:
        path: YAML; see questionnaire.yaml beside this module.
        languages: In which each question must be there.

    Raises:
        ResultsError: If the file is missing, is not valid, or lacks a language.
    """
    try:
        content = parse_yaml(read_text(path))
    except (OSError, DocumentError) as error:
        raise ResultsError(path, f"cannot be read ({error}). {_ADVICE}") from error
    questions = as_record(content, Questionnaire, path, _ADVICE).questions
    names = [question.name for question in questions]
    for question in questions:
        if fault := _fault(question, names, list(languages)):
            raise ResultsError(path, f"question {question.name!r}: {fault}. {_ADVICE}")
    return questions


def _fault(question: Question, names: Sequence[str], languages: Sequence[str]) -> str | None:
    if not _NAME.fullmatch(question.name):
        return "its name must be a letter, then letters, digits and _, all small"
    if names.count(question.name) > 1:
        return "is there twice"
    if question.type not in TYPES:
        return f"type: {question.type!r} is not known; valid: {', '.join(TYPES)}"
    if (question.type == CHOICE) != bool(question.options):
        return "a choice has options, and no other question has"
    texts = [question.label, *question.options.values()]
    absent = [code for code in languages if any(code not in each for each in texts)]
    return f"lacks the language {absent[0]}" if absent else None


def checked(questions: Sequence[Question], answers: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the answers as they are stored: text, or None where there is none.

    Raises:
        UsageError: For an unknown question, an answer that does not fit, or a missing one.
    """
    unknown = set(answers) - {question.name for question in questions}
    if unknown:
        raise UsageError(f"no such question: {sorted(unknown)[0][:40]!r}.")
    found = {question.name: _value(question, answers.get(question.name)) for question in questions}
    for question in questions:
        if question.required and found[question.name] is None:
            raise UsageError(f"{question.name}: must be answered.")
    return found


def _value(question: Question, answer: Any) -> str | None:
    if answer in (None, "", []):
        return None
    if question.type == LANGUAGES:
        return _languages(question.name, answer)
    if not isinstance(answer, str) or len(answer) > _LONGEST:
        raise UsageError(f"{question.name}: must be a text of at most {_LONGEST} characters.")
    if question.type == CHOICE and answer not in question.options:
        raise UsageError(f"{question.name}: must be one of {', '.join(question.options)}.")
    if question.type == NUMBER and not _is_number(answer):
        raise UsageError(f"{question.name}: must be a number.")
    return " ".join(answer.split()) or None


def _languages(name: str, answer: Any) -> str:
    """Return "en:fluent, fr:beginner"."""
    fits = isinstance(answer, list) and len(answer) <= _MOST_LANGUAGES
    if not fits or not all(_is_spoken(each) for each in answer):
        raise UsageError(f"{name}: must be a list of pairs of a language and one of {', '.join(LEVELS)}.")
    return ", ".join(f"{' '.join(language.split())}:{level}" for language, level in answer)


def _is_spoken(pair: Any) -> bool:
    if not isinstance(pair, list) or len(pair) != 2 or pair[1] not in LEVELS:
        return False
    return isinstance(pair[0], str) and 0 < len(pair[0].strip()) <= _LONGEST and not set(pair[0]) & set(":,")


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
