"""Fixed clips as JSON lines: one clip a line, without paths, so that a list holds on another machine."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sercl.corpora.base import Utterance
from sercl.data.clips.plan import Clip, Piece
from sercl.documents import parse_json
from sercl.errors import CorpusError, DocumentError, ManifestError
from sercl.files import write_text

_KEYS = {"id", "pattern", "pieces", "crop"}
_PIECE_KEYS = {"corpus", "utterance", "start", "end", "label"}


def save_clips(clips: Iterable[Clip], path: Path) -> None:
    """Write clips.

    Raises:
        OutputError: Where the place cannot be written.
    """
    write_text(path, "".join(json.dumps(_to_dict(clip), ensure_ascii=False) + "\n" for clip in clips))


def load_clips(path: Path, utterances: Sequence[Utterance], classes: Sequence[str]) -> list[Clip]:
    """Read clips that `save_clips` wrote.

    Args:
        path: The list.
        utterances: Those that clips may be made of.
        classes: Class names that pieces may have.

    Raises:
        ManifestError: With the line, for what is no clip, an utterance that is not among `utterances`, or a
            class that is not among `classes`.
    """
    known = {(utterance.corpus, utterance.id): utterance for utterance in utterances}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(path, None, f"cannot be read as a list of clips ({error}).") from error
    clips = [_clip(line, path, number, known, classes) for number, line in enumerate(lines, start=1)]
    if not clips:
        raise ManifestError(path, None, "holds no clip.")
    return clips


def _to_dict(clip: Clip) -> dict[str, Any]:
    pieces = [
        {
            "corpus": piece.utterance.corpus,
            "utterance": piece.utterance.id,
            "start": round(piece.start, 6),
            "end": round(piece.end, 6),
            "label": piece.label,
        }
        for piece in clip.pieces
    ]
    return {"id": clip.id, "pattern": clip.pattern, "crop": round(clip.crop, 6), "pieces": pieces}


def _clip(
    line: str,
    path: Path,
    number: int,
    known: Mapping[tuple[str, str], Utterance],
    classes: Sequence[str],
) -> Clip:
    try:
        row = parse_json(line)
        if not isinstance(row, dict) or set(row) != _KEYS or not row["pieces"]:
            raise CorpusError(f"is not a clip: it needs {', '.join(sorted(_KEYS))}.")
        pieces = tuple(_piece(item, known, classes) for item in row["pieces"])
        return Clip(str(row["id"]), str(row["pattern"]), pieces, _between(row["crop"], "crop", 1.0))
    except DocumentError as error:
        raise ManifestError(path, number, f"{error.reason}.") from error
    except CorpusError as error:
        raise ManifestError(path, number, str(error)) from error


def _piece(
    item: Mapping[str, Any], known: Mapping[tuple[str, str], Utterance], classes: Sequence[str]
) -> Piece:
    if not isinstance(item, dict) or set(item) != _PIECE_KEYS:
        raise CorpusError(f"a piece needs {', '.join(sorted(_PIECE_KEYS))}, not {item}.")
    utterance = known.get((item["corpus"], item["utterance"]))
    if utterance is None:
        raise CorpusError(
            f"utterance {item['utterance']!r} of {item['corpus']} is not in this part of the data. Use the "
            "corpora and the fold that the list was made with."
        )
    if item["label"] not in classes:
        raise CorpusError(f"class {item['label']!r} is not one of {', '.join(classes)}.")
    start, end = (_between(item[name], name, math.inf) for name in ("start", "end"))
    if not start < end:
        raise CorpusError(f"a piece from {start:g} s to {end:g} s is not a valid time span.")
    return Piece(utterance, start, end, item["label"])


def _between(value: object, name: str, most: float) -> float:
    if not isinstance(value, int | float) or not 0 <= value <= most:
        raise CorpusError(f"{name} {value!r} is not a number from 0 to {most:g}.")
    return float(value)
