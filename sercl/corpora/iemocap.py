"""IEMOCAP: five sessions of two American actors each, scripted and improvised dialogs."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sercl.corpora.base import CorpusInfo, Listing, Problem, Utterance
from sercl.corpora.folders import AudioFolder, find_root, visible
from sercl.corpora.patterned import SEXES, unique_listing
from sercl.corpora.text_files import read_text

EMOTIONS: Mapping[str, str] = {
    "ang": "angry",
    "hap": "happy",
    "exc": "excited",
    "sad": "sad",
    "neu": "neutral",
    "fru": "frustrated",
    "sur": "surprised",
    "fea": "fearful",
    "dis": "disgusted",
    "oth": "other",
    "xxx": "unknown",
}

INFO = CorpusInfo(
    name="IEMOCAP",
    title="Interactive Emotional Dyadic Motion Capture database",
    languages=("en",),
    speakers=10,
    emotions=tuple(sorted(EMOTIONS.values())),
    license="research only",
    access="signed licence",
    layout="Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav",
    notes=(
        "excited counts as happy in the standard label schemes",
        "the letter in a dialog's name is not the speaker: both speak in each dialog",
        "scripted dialogs repeat the same lines across speakers",
    ),
)

_SESSION = re.compile(r"Session([1-5])")
_NUMBER = r"(-?[\d.]+)"
_LABEL = re.compile(
    rf"\[{_NUMBER} - {_NUMBER}\]\t(?P<id>\S+)\t(?P<emotion>\w+)\t"
    rf"\[(?P<valence>[\d.]+), (?P<activation>[\d.]+), (?P<dominance>[\d.]+)\]\s*"
)
_ID = re.compile(r"(?P<session>Ses\d\d)[FM]_(?P<setting>impro|script)\w+?_(?P<speaker>[FM])(?:\d{3}|XX\d)")
_TEXT = re.compile(r"(?P<id>Ses\S+) \[[\d.]+-[\d.]+\]: ?(?P<text>.*)")
_SETTINGS: Mapping[str, str] = {"impro": "improvised", "script": "scripted"}


def read(root: Path) -> Listing:
    """List IEMOCAP with all its labels; those without a clear emotion are "other" and "unknown".

    The speaker is the session and the letter in the utterance's last part ("Ses01M" for
    `Ses01F_impro01_M003`). `extra` holds `setting` (improvised or scripted), `dialog`, and the mean ratings
    `valence`, `activation` and `dominance` (1 to 5).

    Args:
        root: Folder that holds `Session1` and so on, or its parent.

    Raises:
        CorpusNotFoundError: If there is no session folder with labels.
    """
    folder = find_root(root, INFO.name, _is_root, "Session1/dialog/EmoEvaluation")
    audio = AudioFolder(folder)
    found = [item for session in _sessions(folder) for item in _read_session(session, audio)]
    unlabelled = audio.rest(lambda path: _unlabelled(folder, path))
    return unique_listing((*found, *unlabelled), audio.problems)


def _is_root(folder: Path) -> bool:
    return any((session / "dialog" / "EmoEvaluation").is_dir() for session in _sessions(folder))


def _sessions(folder: Path) -> list[Path]:
    return [child for child in visible(folder) if _SESSION.fullmatch(child.name) and child.is_dir()]


def _label_files(session: Path) -> list[Path]:
    folder = session / "dialog" / "EmoEvaluation"
    if not folder.is_dir():
        return []
    return [path for path in visible(folder) if path.suffix == ".txt" and path.is_file()]


def _read_session(session: Path, audio: AudioFolder) -> Iterator[Utterance | Problem]:
    for labels in _label_files(session):
        transcript = session / "dialog" / "transcriptions" / labels.name
        texts, problems = _read_transcript(transcript)
        yield from problems
        for number, line in enumerate(read_text(labels).splitlines(), start=1):
            if line.startswith("["):
                yield _read_label(_LabelLine(labels, number), line, texts, audio)


@dataclass(frozen=True)
class _LabelLine:
    labels: Path
    line: int

    def find(self, name: str, audio: AudioFolder) -> tuple[Path, Path | None]:
        """Return the expected path of an utterance's recording, and its path on disk."""
        session = self.labels.parents[2]
        path = session / "sentences" / "wav" / self.labels.stem / f"{name}.wav"
        return path, audio.find(path)


def _read_label(
    position: _LabelLine, line: str, texts: Mapping[str, str], audio: AudioFolder
) -> Utterance | Problem:
    labels, number = position.labels, position.line
    match = _LABEL.fullmatch(line)
    parts = _ID.fullmatch(match["id"]) if match else None
    if match is None or parts is None:
        if name := _ID.search(line):
            position.find(name[0], audio)  # this line is why it is not used
        return Problem(labels, f"not a label line: {line[:60]!r}; the utterance is lost", line=number)
    path, on_disk = position.find(match["id"], audio)
    emotion = EMOTIONS.get(match["emotion"].lower())
    if emotion is None:
        reason = f"unknown label {match['emotion']!r} of {match['id']}; valid: {', '.join(EMOTIONS)}"
        return Problem(labels, reason, line=number)
    if on_disk is None:
        return Problem(path, f"listed in {labels.name}:{number} but not on disk", kind="missing")
    return _utterance(on_disk, emotion, match, parts, texts)


def _utterance(
    path: Path, emotion: str, match: re.Match[str], parts: re.Match[str], texts: Mapping[str, str]
) -> Utterance:
    ratings = {name: match[name] for name in ("valence", "activation", "dominance")}
    return Utterance(
        id=path.stem,
        path=path,
        emotion=emotion,
        corpus=INFO.name,
        language="en",
        speaker=parts["session"] + parts["speaker"],
        gender=SEXES[parts["speaker"].lower()],
        text=texts.get(path.stem),
        session=parts["session"],
        extra={"setting": _SETTINGS[parts["setting"]], "dialog": path.parent.name, **ratings},
    )


def _read_transcript(path: Path) -> tuple[dict[str, str], list[Problem]]:
    if not path.is_file():
        return {}, [Problem(path, "no transcript of this dialog; only the text is lost", kind="transcript")]
    texts: dict[str, str] = {}
    problems = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        match = _TEXT.fullmatch(line.strip())
        if match:
            texts[match["id"]] = match["text"].strip()
        elif line.startswith("Ses"):
            reason = f"no `id [start-end]: text` in {line[:60]!r}; only the text is lost"
            problems.append(Problem(path, reason, line=number, kind="transcript"))
    return texts, problems


def _unlabelled(folder: Path, path: Path) -> Problem:
    """Return why a recording that no label line names is not used."""
    parts = path.relative_to(folder).parts
    if _SESSION.fullmatch(parts[0]) and parts[1:3] == ("dialog", "wav"):
        return Problem(path, "a whole dialog; its sentences are read", kind="excluded")
    if not (_SESSION.fullmatch(parts[0]) and parts[1:3] == ("sentences", "wav") and len(parts) == 5):
        return Problem(path, f"not where IEMOCAP keeps its sentences ({INFO.layout})", kind="name")
    labels = folder / parts[0] / "dialog" / "EmoEvaluation" / f"{parts[3]}.txt"
    if not labels.is_file():
        return Problem(path, f"no label: {labels} is not on disk")
    return Problem(path, f"no label: {labels} has no line for it. Is that file complete?")
