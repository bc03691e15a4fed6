"""Folders of finished runs, made by hand."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from sercl.studies.results.predictions import COLUMNS, probability_columns
from tests.studies.samples import CLASSES


def fake_run(
    folder: Path,
    right: float,
    config: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    speakers: int = 8,
    utterances: Sequence[str] | None = None,
    classes: Sequence[str] = CLASSES,
    results: bool = True,
) -> Path:
    """Write `predictions.csv` of 12 utterances per speaker, and the other files if wanted."""
    rng = np.random.default_rng(seed)
    truth = np.tile(np.arange(len(classes)), 3 * max(speakers, 1))
    names = utterances or [f"u{index}" for index in range(len(truth))]
    folder.mkdir(parents=True)
    with (folder / "predictions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, *probability_columns(classes)])
        for index, (name, own) in enumerate(zip(names, truth, strict=False)):
            said = own if rng.random() < right else (own + 1) % len(classes)
            speaker = f"s{index % speakers}" if speakers else ""
            probabilities = [
                f"{0.7 if k == said else 0.3 / (len(classes) - 1):.6f}" for k in range(len(classes))
            ]
            writer.writerow([name, speaker, classes[own], classes[said], *probabilities])
    if config is not None:
        (folder / "config.yaml").write_text(yaml.safe_dump(dict(config)))
    if results:
        content = {"data": {"name": "EmoDB"}, "model": {"adapter": "none"}, "environment": {"seed": seed}}
        (folder / "results.json").write_text(json.dumps(content))
    return folder
