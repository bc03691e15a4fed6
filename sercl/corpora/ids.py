"""Ids for utterances that have none: made of path, start and end, so unique without anybody's care."""

from collections import Counter
from collections.abc import Sequence
from os.path import commonpath
from pathlib import Path

from sercl.corpora.base import Utterance
from sercl.corpora.cells import clean


def made_ids(utterances: Sequence[Utterance], folder: Path, given: Sequence[str | None]) -> list[str]:
    """Return an id for each utterance: the given one where nobody else has it, else one made of its file.

    A made id is the file's stem; where files share a stem, the path without suffix, and where that is shared,
    too, the path. Where a file holds several utterances, the interval follows. It depends neither on the
    order of the utterances nor on where the files lie together. Only one interval of one file in two rows has
    one id twice.

    Args:
        utterances: Their paths, starts and ends count, not their ids.
        folder: What paths below it are relative to; the others are relative to their common folder.
        given: The id that each utterance has already, None for none.
    """
    own = Counter(name for name in given if name is not None)
    files = _relative([item.path for item in utterances], folder)
    clips = [(file, _interval(item)) for file, item in zip(files, utterances, strict=True)]
    names, intervals = _file_names(set(files)), Counter(file for file, _ in set(clips))
    made = [names[file] + (interval if intervals[file] > 1 else "") for file, interval in clips]
    ids = [name if name and own[name] == 1 else other for name, other in zip(given, made, strict=True)]
    # An id that somebody chose may be what another row's file is called: that row goes by its whole path.
    users = Counter(id for id, _ in set(zip(ids, clips, strict=True)))
    return [
        "".join(clip) if users[id] > 1 and id != name else id
        for id, name, clip in zip(ids, given, clips, strict=True)
    ]


def _relative(paths: Sequence[Path], folder: Path) -> list[str]:
    lead, names = f"{folder}/", [str(path) for path in paths]
    outside = sorted({name.rpartition("/")[0] or "/" for name in names if not name.startswith(lead)})
    common = commonpath(outside).rstrip("/") + "/" if outside else lead
    # Beside files below the folder, the others must not look as if they were there.
    mark = "../" if any(name.startswith(lead) for name in names) else ""
    return [
        clean(name[len(lead) :] if name.startswith(lead) else mark + name[len(common) :]) for name in names
    ]


def _file_names(files: set[str]) -> dict[str, str]:
    """Return stem, path without suffix, or path of each file: the first that no other file has."""
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
