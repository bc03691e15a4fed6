"""CREMA-D: 91 American actors, twelve sentences; age and sex are in a table beside the audio."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from sercl.corpora.base import CorpusInfo, Listing, Utterance
from sercl.corpora.cells import word_of
from sercl.corpora.folders import existing_folder
from sercl.corpora.normal_form import to_gender
from sercl.corpora.patterned import Pattern, read_pattern
from sercl.corpora.tables import read_rows
from sercl.errors import ManifestError

TABLE = "VideoDemographics.csv"
COLUMNS = ("ActorID", "Age", "Sex")

INFO = CorpusInfo(
    name="CREMAD",
    title="Crowd-sourced Emotional Multimodal Actors Dataset (CREMA-D)",
    languages=("en",),
    speakers=91,
    emotions=("angry", "disgusted", "fearful", "happy", "neutral", "sad"),
    license="ODbL 1.0",
    access="free download",
    layout="AudioWAV/1001_DFA_ANG_XX.wav",
    notes=(
        "1076_MTI_SAD_XX is silent",
        "twelve sentences only; the level (LO, MD, HI) is unspecified (XX) for most",
        f"age and sex need {TABLE} beside AudioWAV",
    ),
)

PATTERN = Pattern(
    info=INFO,
    regex=r"/(?P<speaker>\d{4})_(?P<sentence>[a-z]{3})_(?P<emotion>[a-z]{3})_(?P<level>[a-z]{1,2})\.wav$",
    emotions={
        "ang": "angry",
        "dis": "disgusted",
        "fea": "fearful",
        "hap": "happy",
        "neu": "neutral",
        "sad": "sad",
    },
    values={"level": {"lo": "low", "md": "medium", "hi": "high", "x": "unspecified", "xx": "unspecified"}},
    texts={
        "dfa": "Don't forget a jacket.",
        "ieo": "It's eleven o'clock.",
        "iom": "I'm on my way to the meeting.",
        "ith": "I think I have a doctor's appointment.",
        "its": "I think I've seen this before.",
        "iwl": "I would like a new alarm clock.",
        "iww": "I wonder what this is about.",
        "mti": "Maybe tomorrow it will be cold.",
        "tai": "The airplane is almost full.",
        "tie": "That is exactly what happened.",
        "tsi": "The surface is slick.",
        "wsi": "We'll stop in a couple of minutes.",
    },
)


def read(root: Path) -> Listing:
    """List CREMA-D; with gender, and age in `extra`, if `VideoDemographics.csv` exists.

    Args:
        root: Folder that holds `AudioWAV`, or that folder itself.

    Raises:
        CorpusNotFoundError: If no file below `root` has a CREMA-D name.
        ManifestError: If the table lacks a column.
    """
    listing = read_pattern(PATTERN, root)
    table = _find_table(existing_folder(root, INFO.name))
    if table is None:
        return listing
    actors = _read_actors(table)
    return replace(listing, utterances=tuple(_described(item, actors) for item in listing.utterances))


def _find_table(folder: Path) -> Path | None:
    candidates = (folder / TABLE, folder.parent / TABLE, *sorted(folder.glob(f"*/{TABLE}")))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _read_actors(table: Path) -> dict[str, tuple[str, str]]:
    rows = read_rows(table, COLUMNS)
    for column in COLUMNS:
        if column not in rows[0].cells:
            raise ManifestError(table, 1, f"no column {column!r}. Use the table of the CREMA-D release.")
    return {
        str(word_of(row.cells.get("ActorID"))): (
            word_of(row.cells.get("Age")) or "",
            str(row.cells.get("Sex", "")),
        )
        for row in rows
    }


def _described(utterance: Utterance, actors: Mapping[str, tuple[str, str]]) -> Utterance:
    age, sex = actors.get(utterance.speaker or "", ("", ""))
    if not age:
        return utterance
    return replace(utterance, gender=to_gender(sex), extra={**utterance.extra, "age": age})
