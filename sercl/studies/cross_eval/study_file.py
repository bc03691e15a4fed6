"""`study.json`: description of a study, with the outcome of each cell."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from sercl.errors import ResultsError
from sercl.files import write_text
from sercl.json_text import json_text, plain
from sercl.studies.cross_eval.cells import Cell, CellRecord, Study
from sercl.studies.results.records import as_record, digest, read_with_digest

NAME = "study.json"
FORMAT = 1
"""Version of the file format; other versions are refused."""

ADVICE = "Run `sercl cross-eval` into this folder again: it keeps the finished cells and rewrites the file."
"""Advice for any broken file in a study's folder."""


def write_study(study: Study, folder: Path) -> Study:
    """Write a study's `study.json` into its folder, atomically.

    Returns:
        The study as `read_study` reads it.

    Raises:
        OutputError: If it cannot be written.
    """
    content, path = plain(study_to_dict(study)), folder / NAME
    text = json_text(content, indent=1) + "\n"
    write_text(path, text)
    return replace(_study_of(content, path), digest=digest(text))


def read_study(folder: Path) -> Study:
    """Read a study's `study.json`.

    Raises:
        ResultsError: If it is missing, broken or of another version.
    """
    path = folder / NAME
    content, text_digest = read_with_digest(path, ADVICE)
    return replace(_study_of(content, path), digest=text_digest)


def _study_of(content: Mapping[str, Any], path: Path) -> Study:
    if (version := content.get("format")) != FORMAT:
        raise ResultsError(path, f"has format {version}; this sercl reads {FORMAT}. {ADVICE}")
    cells = as_record(content.get("cells"), list[dict[str, Any]], path, ADVICE, "cells")
    # A cell is one object in the file, with its own fields and those of its condition.
    nested = [{**each, "cell": {**each, "condition": each}} for each in cells]
    records = as_record(nested, tuple[CellRecord, ...], path, ADVICE, "cells")
    study = replace(as_record({**content, "records": []}, Study, path, ADVICE), records=records)
    _check_once(study.records, path)
    return study


def _check_once(records: Sequence[CellRecord], path: Path) -> None:
    seen: set[Cell] = set()
    for index, record in enumerate(records):
        if record.cell in seen:
            raise ResultsError(path, f"cells[{index}] is a cell that is already in the list. {ADVICE}")
        seen.add(record.cell)


def study_to_dict(study: Study) -> dict[str, Any]:
    """Return what the file holds."""
    return {
        "format": FORMAT,
        "classes": list(study.classes),
        "label_map": {name: list(emotions) for name, emotions in study.label_map.items()},
        "corpora": {name: asdict(corpus) for name, corpus in study.corpora.items()},
        "encoders": {name: asdict(encoder) for name, encoder in study.encoders.items()},
        "created": study.created,
        "seconds": round(study.seconds, 2),
        "environment": dict(study.environment),
        "warnings": list(study.warnings),
        "cells": [record.to_dict() for record in study.records],
    }
