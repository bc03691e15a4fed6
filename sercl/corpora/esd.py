"""ESD: ten Mandarin and ten English speakers, 350 sentences in five emotions each."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from sercl.corpora.base import CorpusInfo, Listing, Problem, Utterance
from sercl.corpora.emotion_names import to_emotion
from sercl.corpora.folders import AudioFolder, find_root, visible
from sercl.corpora.patterned import unique_listing
from sercl.corpora.text_files import read_text
from sercl.errors import UnknownNameError

LANGUAGES = ("zh", "en")
SENTENCES = 350

INFO = CorpusInfo(
    name="ESD",
    title="Emotional Speech Dataset",
    languages=LANGUAGES,
    speakers=20,
    emotions=("angry", "happy", "neutral", "sad", "surprised"),
    license="research only",
    access="signed form",
    layout="0001/Angry/0001_000351.wav, or with train, evaluation, test below the emotion",
    notes=(
        "the official split is speaker-dependent: every speaker is in all three parts",
        "0001 to 0010 speak Mandarin, 0011 to 0020 English",
    ),
)

_BY_NUMBER = ("neutral", "angry", "happy", "sad", "surprised")
_FOLDERS: Mapping[str, str] = {
    "angry": "angry",
    "happy": "happy",
    "neutral": "neutral",
    "sad": "sad",
    "surprise": "surprised",
}
_SPLITS: Mapping[str, str] = {"evaluation": "validation", "test": "test", "train": "train"}
_MALE = {4, 5, 6, 8, *range(10, 15), 20}
_NAME = re.compile(r"(?P<speaker>\d{4})_(?P<number>\d{6})")
_LINE = re.compile(r"(?P<id>\d{4}_\d{6})\s+(?P<text>.*\S)\s+(?P<emotion>\S+)")
# Chinese read as Latin-1 becomes garbage without an error, and so does English read as GB 18030.
_ENCODINGS: Mapping[str, tuple[str, ...]] = {"zh": ("gb18030",), "en": ("cp1252",)}


def read(root: Path, language: str | None = None) -> Listing:
    """List ESD in either of its two layouts.

    The emotion is that of the folder; a note reports file numbers that imply another one. The split is that
    of the folder, or else of the number: of 350 sentences, 20 are evaluation, 30 test, 300 train.

    Args:
        root: Folder that holds `0001` to `0020`, or its parent.
        language: "zh" (speakers 0001 to 0010), "en" (0011 to 0020), or None for both.

    Returns:
        Utterances, with text where the transcript has a valid line.

    Raises:
        CorpusNotFoundError: If no speaker folder is found.
        UnknownNameError: For another language.
    """
    if language is not None and language not in LANGUAGES:
        raise UnknownNameError("language of ESD", language, LANGUAGES, "Or none, for both.")
    folder = find_root(root, INFO.name, _is_root, "speaker folders such as 0001/Angry")
    audio = AudioFolder(folder)
    by_speaker: dict[Path, list[Path]] = {speaker: [] for speaker in _speaker_folders(folder)}
    found: list[Utterance | Problem] = list(audio.problems)
    for path in audio.files:
        speaker = folder / path.relative_to(folder).parts[0]
        if speaker in by_speaker:
            by_speaker[speaker].append(path)
        else:
            found.append(Problem(path, "not in the folder of a speaker (0001 to 0020)", kind="name"))
    for speaker, files in by_speaker.items():
        if language in (None, _language(speaker.name)):
            found += _read_speaker(speaker, files)
        else:
            why = f"{_language(speaker.name)}, and the option `language` is {language!r}"
            found += [Problem(path, why, kind="excluded") for path in files]
    return unique_listing(found)


def _is_root(folder: Path) -> bool:
    return any(
        any((speaker / name).is_dir() for name in _emotion_folders()) for speaker in _speaker_folders(folder)
    )


def _emotion_folders() -> list[str]:
    return [spelling for name in _FOLDERS for spelling in (name.capitalize(), name)]


def _speaker_folders(folder: Path) -> list[Path]:
    return [child for child in visible(folder) if re.fullmatch(r"\d{4}", child.name) and child.is_dir()]


def _language(speaker: str) -> str:
    return "zh" if int(speaker) <= 10 else "en"


def _read_speaker(folder: Path, files: Iterable[Path]) -> list[Utterance | Problem]:
    texts, problems = _read_transcript(folder)
    items = [_read_file(path, folder, texts) for path in files]
    contradictions = (_check_number(item) for item in items if isinstance(item, Utterance))
    missing = _missing(folder, texts, {item.path.stem for item in items})
    return [*items, *problems, *(problem for own in contradictions for problem in own), *missing]


def _read_file(path: Path, speaker: Path, texts: Mapping[str, str | None]) -> Utterance | Problem:
    folders = path.relative_to(speaker).parts[:-1]
    emotion = _FOLDERS.get(folders[0].lower()) if folders else None
    match = _NAME.fullmatch(path.stem)
    if emotion is None:
        reason = f"not in a folder of an emotion ({', '.join(name.capitalize() for name in _FOLDERS)})"
        return Problem(path, reason)
    if match is None or match["speaker"] != speaker.name or not 1 <= int(match["number"]) <= 5 * SENTENCES:
        return Problem(
            path, f"not a file name of speaker {speaker.name} ({speaker.name}_000001 to _001750)", kind="name"
        )
    sentence = (int(match["number"]) - 1) % SENTENCES
    return Utterance(
        id=path.stem,
        path=path,
        emotion=emotion,
        corpus=INFO.name,
        language=_language(speaker.name),
        speaker=speaker.name,
        gender="male" if int(speaker.name) in _MALE else "female",
        text=texts.get(path.stem),
        split=_SPLITS.get(folders[-1].lower(), _official_split(sentence)),
        extra={"sentence": f"{sentence:03d}"},
    )


def _official_split(sentence: int) -> str:
    if sentence < 20:
        return "validation"
    return "test" if sentence < 50 else "train"


def _emotion_of(name: str) -> str:
    return _BY_NUMBER[(int(name[-6:]) - 1) // SENTENCES]


def _check_number(utterance: Utterance) -> list[Problem]:
    expected = _emotion_of(utterance.id)
    if utterance.emotion == expected:
        return []
    reason = f"in the folder of {utterance.emotion}, but its number says {expected}; the folder is used"
    return [Problem(utterance.path, reason)]


def _read_transcript(speaker: Path) -> tuple[dict[str, str | None], list[Problem]]:
    """Return the text of each listed utterance, None for a line whose text cannot be decoded."""
    path = speaker / f"{speaker.name}.txt"
    if not path.is_file():
        return {}, []
    texts: dict[str, str | None] = {}
    problems = []
    lines = read_text(path, *_ENCODINGS[_language(speaker.name)]).splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        name, text = _read_line(line)
        if text is None:
            reason = f"no `id, text, emotion` in {line.strip()[:40]!r}; only the text is lost"
            problems.append(Problem(path, reason, line=number, kind="transcript"))
        if name is not None:
            texts[name] = text
    return texts, problems


def _read_line(line: str) -> tuple[str | None, str | None]:
    fields = [field.strip() for field in line.split("\t") if field.strip()]
    if len(fields) == 3 and _NAME.fullmatch(fields[0]):
        return fields[0], fields[1]
    match = _LINE.fullmatch(line.strip())
    if match and _is_emotion(match["emotion"]):
        return match["id"], match["text"]
    start = _NAME.match(line.strip())
    return (start[0] if start else None), None


def _is_emotion(word: str) -> bool:
    try:
        return to_emotion(word) in INFO.emotions
    except UnknownNameError:
        return False


def _missing(speaker: Path, listed: Iterable[str], found: set[str]) -> list[Problem]:
    problems = []
    for name in listed:
        if name not in found and 1 <= int(name[-6:]) <= 5 * SENTENCES:
            folder = next(key for key, emotion in _FOLDERS.items() if emotion == _emotion_of(name))
            path = speaker / folder.capitalize() / f"{name}.wav"
            problems.append(Problem(path, f"listed in {speaker.name}.txt but not on disk", kind="missing"))
    return problems
