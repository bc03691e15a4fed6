"""`study.json`: what a study is, and what came of each of its cells."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from sercl.errors import ResultsError
from sercl.files import write_text
from sercl.json_text import json_text
from sercl.studies.cross_eval.cells import (
    SETTINGS,
    STATUSES,
    Cell,
    CellRecord,
    Condition,
    Study,
    StudyCorpus,
    StudyEncoder,
)
from sercl.studies.results.json_content import JsonContent

NAME = "study.json"
FORMAT = 1
"""Version of the file's shape; another one is refused."""

ADVICE = (
    "Run `sercl cross-eval` into this folder again: it keeps the finished cells and writes the file anew."
)
"""What helps against every broken file of a study's folder."""


def write_study(study: Study, folder: Path) -> None:
    """Write a study's `study.json` into its folder, whole or not at all.

    Raises:
        OutputError: Where it cannot be written.
    """
    write_text(folder / NAME, json_text(study_to_dict(study), indent=1) + "\n")


def read_study(folder: Path) -> Study:
    """Read a study's `study.json`.

    Raises:
        ResultsError: Where it is missing, broken or of another version.
    """
    content = JsonContent.read(folder / NAME, ADVICE)
    version = content.integer("format")
    if version != FORMAT:
        raise ResultsError(content.path, f"has format {version}; this sercl reads {FORMAT}. {ADVICE}")
    label_map = content.child("label_map")
    return Study(
        classes=content.texts("classes"),
        label_map={name: label_map.texts(name) for name in label_map.values},
        corpora={name: _corpus(item) for name, item in content.children("corpora").items()},
        encoders={name: _encoder(item) for name, item in content.children("encoders").items()},
        created=content.text("created"),
        seconds=content.number("seconds"),
        environment=content.mapping("environment"),
        warnings=content.texts("warnings"),
        records=_records(content),
    )


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


def _records(content: JsonContent) -> tuple[CellRecord, ...]:
    records = {}
    for item in content.items("cells"):
        record = _record(item)
        if record.cell in records:
            raise ResultsError(content.path, f"{item.place} is a cell that stands there before. {ADVICE}")
        records[record.cell] = record
    return tuple(records.values())


def _corpus(content: JsonContent) -> StudyCorpus:
    return StudyCorpus(
        corpus=content.text("corpus"),
        languages=content.texts("languages"),
        folds=content.text("folds"),
        fold_count=content.integer("fold_count"),
        notes=content.optional_texts("notes"),
    )


def _encoder(content: JsonContent) -> StudyEncoder:
    return StudyEncoder(
        source=content.text("source"),
        family=content.text("family"),
        fingerprint=content.text("fingerprint"),
        language=content.optional_text("language"),
    )


def _condition(content: JsonContent) -> Condition:
    return Condition(
        encoder=content.text("encoder"),
        adapter=content.text("adapter"),
        setting=content.one_of("setting", SETTINGS),
        source=content.text("source"),
        target=content.text("target"),
        select_on=content.one_of("select_on", ("source", "target")),
        adaptation=content.text("adaptation"),
        shots=content.optional_integer("shots"),
    )


def _record(content: JsonContent) -> CellRecord:
    parts = content.child("parts")
    return CellRecord(
        cell=Cell(
            condition=_condition(content),
            draw=content.integer("draw"),
            fold=content.integer("fold"),
            seed=content.integer("seed"),
        ),
        address=content.text("address"),
        status=content.one_of("status", STATUSES),
        error=content.optional_text("error"),
        layer=content.optional_integer("layer"),
        epochs=content.optional_integer("epochs"),
        early_stopped=content.optional_flag("early_stopped"),
        seconds=content.optional_number("seconds"),
        parts={name: parts.integer(name) for name in parts.values},
        shared_speakers=content.texts("shared_speakers"),
        one_class=content.optional_text("one_class"),
        notes=content.texts("notes"),
    )
