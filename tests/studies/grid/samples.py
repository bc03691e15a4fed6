"""Shares of utterances without audio, and trainings on hidden states without an encoder."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from sercl.corpora.base import Utterance
from sercl.data.config import LoaderConfig
from sercl.data.split import Split
from sercl.features.space import FeatureSpace
from sercl.features.store import FeatureStore
from sercl.studies.grid.frozen import FrozenBatch
from sercl.studies.grid.shares import Share
from sercl.studies.grid.trainings import Recipe, Training
from sercl.studies.probing.config import ProbeConfig

EMOTIONS = ("angry", "happy", "neutral", "sad")
SPACE = FeatureSpace(("a", "b"), {"rate": 16_000}, "mean", "fp32", 6, "an encoder")
PROBE = ProbeConfig(max_epochs=2, seeds=(0,))
FROZEN = Recipe(model={}, decides={"lr": 1e-3}, probe=PROBE)


def share(corpus: str, names: Sequence[str], folder: str = "/audio") -> Share:
    """Return utterances whose classes take turns."""
    items = tuple(
        Utterance(name, Path(folder) / f"{name}.wav", EMOTIONS[place % 4], corpus, speaker=name[0])
        for place, name in enumerate(names)
    )
    split = Split(
        utterances=items,
        labels=tuple(place % 4 for place in range(len(items))),
        seconds=(1.0,) * len(items),
        audio_keys=tuple(f"{folder} {name}" for name in names),
        config=LoaderConfig(),
    )
    return Share(corpus, split)


def names(speaker: str, count: int = 8) -> list[str]:
    """Return names of utterances of a speaker."""
    return [f"{speaker}{number}" for number in range(count)]


def frozen_training(corpus: str = "A", seed: int = 1, start: Training | None = None) -> Training:
    """Return a training on stored hidden states, of speaker a, selected on speaker b."""
    parts = (share(corpus, names("a")),), share(corpus, names("b"))
    return Training("an encoder", "none", FROZEN, *parts, seed, start)


def frozen_batch(folder: Path, trainings: Iterable[Training], test: Share) -> FrozenBatch:
    """Return trainings with one test each, after putting hidden states of all that they read into a store."""
    every = tuple(trainings)
    fill_store(folder / "store", [test, *(share for training in every for share in training.known)])
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


def fill_store(root: Path, shares: Iterable[Share]) -> None:
    """Put hidden states into a store that tell the label."""
    keys = {
        key: label
        for share in shares
        for key, label in zip(share.split.audio_keys, share.split.labels, strict=True)
    }
    generator = np.random.default_rng(0)
    with FeatureStore(root).open(SPACE).writer() as writer:
        for key, label in keys.items():
            states = generator.normal(size=(len(SPACE.states), SPACE.width)) + 3 * np.eye(SPACE.width)[label]
            writer.add(key, states.astype(np.float32))
