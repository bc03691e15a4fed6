"""PAVOQUE: one German actor in five styles, long FLAC files with cutting lists, or cut wavs."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from sercl.corpora.base import CorpusInfo, Listing, Problem, Utterance
from sercl.corpora.folders import AudioFolder, find_root, visible, walk
from sercl.corpora.patterned import unique_listing
from sercl.errors import CorpusError

_FIELDS = ("prompt", "style", "start", "end")


@dataclass(frozen=True)
class Entry:
    """One entry of a cutting list; `start` and `end` are seconds in the recording."""

    prompt: str
    style: str
    start: float
    end: float
    text: str | None
    line: int | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """The utterance's usual name, which is also the stem of its cut wav."""
        return f"{self.prompt}-{self.style}"


def read_list(path: Path) -> tuple[list[Entry], list[Problem]]:
    """Read a cutting list; the phone segments of its entries are skipped.

    Returns:
        The valid entries in the order of the file, and a problem with its line for each other.

    Raises:
        CorpusError: If the file is not a YAML list.
    """
    entries: list[Entry] = []
    problems = []
    for line, fields in _raw_entries(path):
        try:
            entries.append(_entry(fields, line))
        except (KeyError, ValueError) as error:
            reason = f"bad entry ({error}); needs {', '.join(_FIELDS)}; the utterance is lost"
            problems.append(Problem(path, reason, line=line))
    return entries, problems


def _entry(fields: dict[str, str], line: int) -> Entry:
    for name in _FIELDS:
        if not fields.get(name):
            raise KeyError(name)
    start, end = float(fields["start"]), float(fields["end"])
    if not 0 <= start < end < float("inf"):
        raise ValueError(f"{start} s to {end} s is not a valid time span")
    return Entry(fields["prompt"], fields["style"], start, end, fields.get("text") or None, line)


def _raw_entries(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line and the scalar fields of each entry, from parse events.

    Building objects from the tens of thousands of phone segments would take four times as long, and lose the
    line numbers.
    """
    depth, line, children = 0, 0, list[str]()
    for event in _events(path):
        is_node = isinstance(event, yaml.NodeEvent)
        if depth == 0 and is_node and not isinstance(event, yaml.SequenceStartEvent):
            raise CorpusError(f"{path}: expected a list of entries `prompt, text, style, start, end`.")
        if depth == 1 and is_node:
            line, children = _line(event), []
        elif depth == 2 and is_node:
            children.append(event.value.strip() if isinstance(event, yaml.ScalarEvent) else "")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth == 1 and isinstance(event, yaml.ScalarEvent | yaml.CollectionEndEvent):
            yield line, dict(zip(children[::2], children[1::2], strict=False))


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0


def _events(path: Path) -> Iterator[yaml.Event]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        with path.open(encoding="utf-8") as stream:
            yield from yaml.parse(stream, Loader=loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise CorpusError(f"{path}: not readable as YAML ({reason}). Download it again.") from None


STYLES = ("angry", "happy", "neutral", "poker", "sad")
OUTTAKES = "outtakes"

INFO = CorpusInfo(
    name="PAVOQUE",
    title="PAVOQUE corpus of expressive German speech",
    languages=("de",),
    speakers=1,
    emotions=(*STYLES, "unknown"),
    license="CC BY-NC-SA 4.0",
    access="free download",
    layout="pavoque-angry.flac and pavoque-angry.yaml, or cut: spike0001-angry.wav",
    notes=(
        "one speaker: all scores are speaker-dependent",
        "neutral uses other sentences than the rest: text and style are confounded",
        "poker is not one of the standard classes",
        "outtakes are left out unless asked for; their emotion is unknown",
    ),
)

_LIST = re.compile(r"pavoque-(?P<style>\w+)\.yaml")
_LONG = re.compile(r"pavoque-(?P<style>\w+)")
_CUT = re.compile(rf"(?P<prompt>.+)-(?P<style>{'|'.join((*STYLES, OUTTAKES))})")


def read(root: Path, outtakes: bool = False) -> Listing:
    """List PAVOQUE from its cutting lists and FLAC files, or from cut wavs if a FLAC file is missing.

    `extra` holds `style`, `prompt`, and `series`, the prompt's name without its number ("spike"). The second
    and later utterances with the same id, as among the outtakes, get a number at its end.

    Args:
        root: Folder that holds the files, or its parent.
        outtakes: Whether to list the outtakes too: repeated prompts, of unknown emotion.

    Raises:
        CorpusNotFoundError: If there is neither a cutting list nor a cut wav.
        CorpusError: If a cutting list is not a YAML list.
    """
    folder = find_root(root, INFO.name, _is_root, "pavoque-<style>.yaml or <prompt>-<style>.wav")
    audio = AudioFolder(folder)
    cut = {path.stem: path for path in audio.files if not _LONG.fullmatch(path.stem)}
    found: list[Utterance | Problem] = list(audio.problems)
    for path in _lists(folder, outtakes):
        entries, problems = read_list(path)
        found += [*problems, *_read_entries(path, entries, cut, audio)]
    found += audio.rest(lambda path: _read_unlisted(path, outtakes))
    return unique_listing(_numbered(found))


def _is_root(folder: Path) -> bool:
    if _has_list(folder):
        return True
    below = [child for child in visible(folder) if child.is_dir()]
    return not any(map(_has_list, below)) and any(_CUT.fullmatch(path.stem) for path in walk(folder).audio)


def _has_list(folder: Path) -> bool:
    return any(_LIST.fullmatch(path.name) for path in visible(folder))


def _lists(folder: Path, outtakes: bool) -> list[Path]:
    lists = [path for path in visible(folder) if _LIST.fullmatch(path.name)]
    takes = [path for path in lists if path.stem != f"pavoque-{OUTTAKES}"]
    return [*takes, *(path for path in lists if outtakes and path not in takes)]


def _read_entries(
    path: Path, entries: Sequence[Entry], cut: Mapping[str, Path], audio: AudioFolder
) -> Iterator[Utterance | Problem]:
    long = audio.find(path.with_suffix(".flac"))
    whole = [entry for entry in entries if entry.style in (*STYLES, OUTTAKES)]
    for entry in entries:
        if entry not in whole:
            valid = ", ".join((*STYLES, OUTTAKES))
            reason = f"unknown style {entry.style!r} of {entry.prompt}; valid: {valid}; the utterance is lost"
            yield Problem(path, reason, line=entry.line)
    pieces = {entry.name: cut[entry.name] for entry in entries if entry.name in cut}
    for piece in pieces.values():
        audio.find(piece)
    if long is not None:
        yield from (_utterance(long, entry, is_cut=False) for entry in whole)
        used = {entry.name for entry in whole}
        copies = {piece for name, piece in pieces.items() if name in used}
        yield from (Problem(p, f"cut out of {long.name}, which is used", kind="copy") for p in sorted(copies))
    elif pieces:
        yield from (_read_cut_entry(path, entry, pieces) for entry in whole)
    elif entries:
        reason = f"not on disk; holds the {len(entries)} utterances that {path.name} lists"
        yield Problem(path.with_suffix(".flac"), reason, kind="missing")


def _read_cut_entry(path: Path, entry: Entry, cut: Mapping[str, Path]) -> Utterance | Problem:
    if entry.name in cut:
        return _utterance(cut[entry.name], entry, is_cut=True)
    wav = path.parent / f"{entry.name}.wav"
    return Problem(wav, f"listed in {path.name} but not on disk", kind="missing")


def _read_unlisted(path: Path, outtakes: bool) -> Utterance | Problem:
    """Read a file that no cutting list names."""
    cut, long = _CUT.fullmatch(path.stem), _LONG.fullmatch(path.stem)
    match = long or cut
    if match is None:
        reason = f"not a file name of PAVOQUE (<prompt>-<style>.wav; styles: {', '.join(STYLES)})"
        return Problem(path, reason, kind="name")
    if match["style"] == OUTTAKES and not outtakes:
        return Problem(path, "outtakes, and the option `outtakes` is false", kind="excluded")
    if long is not None:
        return Problem(path, f"no cutting list {path.stem}.yaml beside it, so it has no labels")
    return _utterance(path, Entry(match["prompt"], match["style"], 0.0, 0.0, None), is_cut=True)


def _utterance(path: Path, entry: Entry, *, is_cut: bool) -> Utterance:
    series = re.split(r"\d", entry.prompt, maxsplit=1)[0]
    is_outtake = OUTTAKES in (entry.style, path.stem.removeprefix("pavoque-"))
    return Utterance(
        id=entry.name,
        path=path,
        emotion=entry.style if entry.style in STYLES and not is_outtake else "unknown",
        corpus=INFO.name,
        language="de",
        speaker="pavoque",
        gender="male",
        start=None if is_cut else entry.start,
        end=None if is_cut else entry.end,
        text=entry.text,
        extra={"style": entry.style, "series": series, "prompt": entry.prompt},
    )


def _numbered(found: Iterable[Utterance | Problem]) -> Iterator[Utterance | Problem]:
    seen: Counter[str] = Counter()
    for item in found:
        if isinstance(item, Utterance):
            seen[item.id] += 1
            count = seen[item.id]
            yield item if count == 1 else replace(item, id=f"{item.id}-{count}")
        else:
            yield item
