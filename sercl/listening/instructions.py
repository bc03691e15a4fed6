"""The instructions of listening tests, one file per language; a further file adds a language. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sercl.documents import parse_yaml, read_text
from sercl.errors import DocumentError, ResultsError, UnknownNameError, UsageError
from sercl.listening.protocol import Protocol, text_file
from sercl.studies.results.records import as_record

PACKAGED = Path(__file__).with_name("texts")
LEVELS = 5
"""Steps of the question how sure a listener is."""

_PLACEHOLDERS = {"attention": ("{answer}",), "wrong": ("{answer}",), "block": ("{number}", "{total}")}


@dataclass(frozen=True)
class Instructions:
    """What listeners read, in one language; the keys of its file, where words in braces are replaced.

    Attributes:
        language: Its name in itself.
        title: Heading of the test.
        welcome: What the test is about.
        consent: What listeners agree to.
        consent_question: The question whether they do.
        volume: How to set the volume.
        practice: Before the practice items.
        choice: The question of the task "choice".
        segments: The instruction of the task "segments".
        right: Feedback on a right answer in the practice.
        wrong: Feedback on a wrong one, with {answer}, the right one.
        confidence: The question how sure a listener is.
        confidence_1: The lowest answer to it; the others up to 5.
        confidence_2: See above.
        confidence_3: See above.
        confidence_4: See above.
        confidence_5: See above.
        attention: Asks for the {answer} of an attention check.
        block: Heading of a block, with {number} and {total}.
        pause: Between two blocks.
        next: Button to go on.
        play: Button to hear a recording.
        about_you: Before the questions about the listener.
        finish: Before answers are sent.
        thanks: After that.
        participant: Label of the listener's number.
        native_language: Label of that question; so are the next three.
        other_languages: See above.
        dialects: See above.
        age: See above.
        age_groups: Its answers.
        hearing: The question whether the hearing is impaired.
        hearing_answers: Its answers.
        answers: Emotion, "other" or "unsure" -> its label.
    """

    language: str
    title: str
    welcome: str
    consent: str
    consent_question: str
    volume: str
    practice: str
    choice: str
    segments: str
    right: str
    wrong: str
    confidence: str
    confidence_1: str
    confidence_2: str
    confidence_3: str
    confidence_4: str
    confidence_5: str
    attention: str
    block: str
    pause: str
    next: str
    play: str
    about_you: str
    finish: str
    thanks: str
    participant: str
    native_language: str
    other_languages: str
    dialects: str
    age: str
    age_groups: tuple[str, ...]
    hearing: str
    hearing_answers: tuple[str, ...]
    answers: Mapping[str, str]

    def label(self, answer: str) -> str:
        """Return the label of an answer; of a class that is no emotion, its name."""
        return self.answers.get(answer, answer)

    @property
    def levels(self) -> tuple[str, ...]:
        """The labels of the answers to how sure a listener is, from 1."""
        return tuple(getattr(self, f"confidence_{level}") for level in range(1, LEVELS + 1))

    def attention_to(self, answer: str) -> str:
        """Return the sentence that asks for an answer."""
        return self.attention.replace("{answer}", self.label(answer))

    def block_title(self, number: int, total: int) -> str:
        """Return the heading of a block, counted from 1."""
        return self.block.replace("{number}", str(number)).replace("{total}", str(total))


def available(own: Path | None = None) -> dict[str, Path]:
    """Return language code -> file, of sercl and of a folder of the user's, whose files come first.

    Raises:
        UsageError: If the folder has no file CODE.yaml.
    """
    found = {path.stem: path for path in sorted(PACKAGED.glob("*.yaml"))}
    if own is None:
        return found
    given = {path.stem: path for path in sorted(own.glob("*.yaml"))}
    if not given:
        raise UsageError(
            f"--instructions {own}: no file such as en.yaml there. Copy one from {PACKAGED}, and change it."
        )
    return {**found, **given}


def chosen(codes: tuple[str, ...], own: Path | None = None) -> dict[str, Path]:
    """Return the files of some languages, in their order.

    Raises:
        UnknownNameError: For a language without a file.
        UsageError: For no language, or files with errors.
    """
    files = available(own)
    if not codes:
        raise UsageError(f"--languages: none is given. Valid: {', '.join(files)}.")
    for code in codes:
        if code not in files:
            hint = f"To add one, give a folder with {code}.yaml as --instructions."
            raise UnknownNameError("language of the instructions", code, files, hint)
        load(files[code])
    return {code: files[code] for code in codes}


def load(path: Path) -> Instructions:
    """Read the instructions of a file.

    Raises:
        ResultsError: If it is missing or not valid YAML, or lacks a key or a word in braces.
    """
    advice = f"Compare it with {PACKAGED / 'en.yaml'}."
    try:
        content = parse_yaml(read_text(path))
    except (OSError, DocumentError) as error:
        raise ResultsError(path, f"cannot be read ({error}). {advice}") from error
    texts = as_record(content, Instructions, path, advice)
    for name, words in _PLACEHOLDERS.items():
        if absent := [word for word in words if word not in getattr(texts, name)]:
            raise ResultsError(path, f"{name}: lacks {absent[0]}, which is replaced. {advice}")
    return texts


def of_test(protocol: Protocol, folder: Path) -> dict[str, Instructions]:
    """Return language code -> instructions of a test folder."""
    return {code: load(text_file(folder, code)) for code in protocol.languages}
