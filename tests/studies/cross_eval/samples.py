"""Subsets of utterances without audio, and trainings on hidden states without an encoder."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sercl.corpora.base import Utterance
from sercl.corpora.folds import Fold
from sercl.corpora.labels import label_scheme
from sercl.data import datamodules
from sercl.data.config import LoaderConfig
from sercl.data.split import Split
from sercl.features.space import FeatureSpace
from sercl.features.store import FeatureStore
from sercl.studies.cross_eval.plan.corpora import CutCorpus
from sercl.studies.cross_eval.plan.options import StudyOptions
from sercl.studies.cross_eval.plan.planner import Plan, PlannedCell, make_plan
from sercl.studies.cross_eval.plan.trainings import Recipe, Subset, Training
from sercl.studies.cross_eval.run.pieces import FrozenBatch
from sercl.studies.heads.config import ProbeConfig

EMOTIONS = ("angry", "happy", "neutral", "sad")
SPACE = FeatureSpace(("a", "b"), {"rate": 16_000}, "mean", "fp32", 6, "an encoder")
PROBE = ProbeConfig(max_epochs=2, seeds=(0,))
EmoDB = datamodules.EmoDB  # type: ignore[attr-defined]
ADAPTED = Recipe(model={}, decides={"rank": 8})
MODEL = {"encoder": "e", "revision": None, "whisper_form": "short", "last_block": None, "pooling": "mean"}
FROZEN = Recipe(model=MODEL, decides={"lr": 1e-3}, probe=PROBE)


def subset(corpus: str, names: Sequence[str], folder: str = "/audio") -> Subset:
    """Return utterances whose classes take turns."""
    items = tuple(
        Utterance(name, Path(folder) / f"{name}.wav", EMOTIONS[index % 4], corpus, speaker=name[0])
        for index, name in enumerate(names)
    )
    split = Split(
        utterances=items,
        labels=tuple(index % 4 for index in range(len(items))),
        seconds=(1.0,) * len(items),
        audio_keys=tuple(f"{folder} {name}" for name in names),
        config=LoaderConfig(),
    )
    return Subset(corpus, split)


def names(speaker: str, count: int = 8) -> list[str]:
    """Return names of utterances of a speaker."""
    return [f"{speaker}{number}" for number in range(count)]


def frozen_training(corpus: str = "A", seed: int = 1, start: Training | None = None) -> Training:
    """Return a training on stored hidden states, of speaker a, selected on speaker b."""
    parts = (subset(corpus, names("a")),), (subset(corpus, names("b")),)
    return Training("an encoder", "none", FROZEN, *parts, seed, start)


def frozen_batch(folder: Path, trainings: Iterable[Training], test: Subset) -> FrozenBatch:
    """Return trainings with one test each, after putting hidden states of all that they read into a store."""
    every = tuple(trainings)
    fill_store(folder / "store", [test, *(subset for training in every for subset in training.known)])
    return FrozenBatch(
        folder=folder,
        store=folder / "store",
        space=SPACE,
        classes=EMOTIONS,
        config=PROBE,
        layers=None,
        trainings=every,
        tests=tuple({training.test_address(test): test} for training in every),
    )


def fill_store(root: Path, subsets: Iterable[Subset]) -> None:
    """Put hidden states into a store that tell the label."""
    keys = {
        key: label
        for subset in subsets
        for key, label in zip(subset.split.audio_keys, subset.split.labels, strict=True)
    }
    generator = np.random.default_rng(0)
    with FeatureStore(root).open(SPACE).writer() as writer:
        for key, label in keys.items():
            states = generator.normal(size=(len(SPACE.states), SPACE.width)) + 3 * np.eye(SPACE.width)[label]
            writer.add(key, states.astype(np.float32))


def cut(name: str, folds: int = 2, speakers: str = "abcd", known: bool = True) -> CutCorpus:
    """Return a corpus cut by speakers of 8 utterances; in fold k, speaker k is tested, and k + 1 selects."""
    parts = []
    for index in range(folds):
        tested, selects = speakers[index], speakers[index + 1]
        rest = [speaker for speaker in speakers if speaker not in (tested, selects)]
        lists = {"train": rest, "validation": [selects], "test": [tested]}
        parts.append({part: _subset_of(name, own, known) for part, own in lists.items()})
    return CutCorpus(
        name, EmoDB(name), tuple(_fold(own, index, folds) for index, own in enumerate(parts)), tuple(parts)
    )


def _subset_of(corpus: str, speakers: Iterable[str], known: bool) -> Subset:
    own = subset(
        corpus, [f"{name}-{corpus}" for speaker in speakers for name in names(speaker)], f"/{corpus}"
    )
    if known:
        return own
    nameless = tuple(replace(item, speaker=None) for item in own.split.utterances)
    return replace(own, split=replace(own.split, utterances=nameless))


def _fold(parts: Mapping[str, Subset], index: int, count: int) -> Fold:
    lists = {part: own.split.utterances for part, own in parts.items()}
    return Fold("speaker", index, count, label_scheme("4"), **lists)


def options(corpora: Mapping[str, CutCorpus] | Sequence[str] = ("A", "B"), **changes: Any) -> StudyOptions:
    """Return what a study crosses: one encoder, whatever else is not given by default."""
    data = {name: EmoDB(name) for name in corpora}
    return StudyOptions(**{"encoders": ["an encoder"], "corpora": data, **changes})


def plan_of(corpora: Sequence[CutCorpus], **changes: Any) -> Plan:
    """Return the plan of a study; every frozen condition has one recipe, every other one another."""
    named = {corpus.name: corpus for corpus in corpora}
    return make_plan(
        options(named, **changes), named, lambda condition: FROZEN if condition.adapter == "none" else ADAPTED
    )


def by_condition(plan: Plan, **fields: Any) -> list[PlannedCell]:
    """Return the cells whose condition has some values."""
    return [
        item
        for item in plan.cells
        if all(getattr(item.cell.condition, name) == value for name, value in fields.items())
    ]
