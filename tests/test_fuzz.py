"""Whatever a file contains, a reader returns or raises an error of sercl: mutated files, by a fixed seed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sercl.cli.precheck import check_config_file
from sercl.corpora.labels import label_scheme
from sercl.corpora.manifest import read_manifest
from sercl.diarization.formats import read_segments
from sercl.errors import SerclError
from sercl.features.store import read_space
from sercl.studies.cross_eval.study_file import read_study
from sercl.studies.run_files import read_predictions
from tests.fuzz import mutations

COUNT = 150
EVENT = '{"emotion": "sad", "start": 0, "end": 1}'
TEXT_GRID = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 3
tiers? <exists>
size = 1
item []:
    item [1]:
        class = "IntervalTier"
        name = "emotion"
        xmin = 0
        xmax = 3
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 1.5
            text = "sad"
"""
READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "m.csv": ("path,emotion,speaker,start,end\na.wav,sad,s1,0.5,1.5\nb.wav,angry,s2,,\n", read_manifest),
    "m.tsv": ("path\temotion\tspeaker\na.wav\tsad\ts1\n", read_manifest),
    "m.jsonl": (
        f'{{"path": "a.wav", "emotion": "sad", "speaker": 1, "segments": [{EVENT}]}}\n',
        read_manifest,
    ),
    "l.yaml": ("up: [angry, happy]\ndown: [sad]\n", label_scheme),
    "c.yaml": (
        "data:\n  class_path: EmoDB\ntrainer: {max_epochs: 3, a: &b [1, 2], c: *b}\n",
        check_config_file,
    ),
    "s.rttm": ("SPEAKER talk 1 0.50 1.20 <NA> <NA> sad <NA> <NA>\n", read_segments),
    "s.json": (f'{{"recordings": [{{"id": "a", "duration": 3.0, "segments": [{EVENT}]}}]}}', read_segments),
    "s.csv": ("id,start,end,emotion\na,0.5,1.0,sad\n", read_segments),
    "s.txt": ("0.500000\t1.000000\tsad\n1.0\t2.0\thappy\n", read_segments),
    "s.TextGrid": (TEXT_GRID, read_segments),
    "predictions.csv": (
        "utterance,speaker,truth,predicted,p_angry,p_sad\na,s1,sad,sad,0.2,0.8\n",
        read_predictions,
    ),
    "study.json": ('{"format": 3, "cells": [{"fold": 0, "seed": 1}]}', lambda path: read_study(path.parent)),
    "space.json": ('{"format": 1, "space": {"encoder": "x"}}', lambda path: read_space(path.parent)),
}


@pytest.mark.parametrize("name", READERS)
def test_a_mutated_file_is_read_or_refused(name: str, tmp_path: Path) -> None:
    valid, read = READERS[name]
    path = tmp_path / name
    for content in mutations(valid.encode(), COUNT):
        path.write_bytes(content)
        try:
            read(path)
        except SerclError as error:
            # A map of labels is also a value of an option, which has no file.
            assert name == "l.yaml" or name.split(".")[0] in str(error), content[:80]  # noqa: PT017
