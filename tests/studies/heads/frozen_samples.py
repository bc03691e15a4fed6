"""Two small corpora in which the same hidden state shows the label, in two places of the feature space."""

from functools import cache

import torch
from torch import Tensor

from sercl.studies.heads.adaptation import FrozenRows, FrozenTraining
from sercl.studies.heads.config import ProbeConfig

QUICK = ProbeConfig(lr=1e-2, max_epochs=15, patience=3, seeds=(5,))
STATES, DIM, CLASSES, SPEAKERS, EACH = 3, 10, 3, 6, 12
SIZE = SPEAKERS * EACH
TELLING = 1
CLASS_NAMES = ("angry", "happy", "sad")


@cache
def two_corpora() -> FrozenRows:
    """Six speakers with twelve utterances in each of "A" (rows 0 to 71) and "B" (rows 72 to 143)."""
    count = 2 * SIZE
    return FrozenRows(
        ids=tuple(f"u{row}" for row in range(count)),
        labels=tuple(row % CLASSES for row in range(count)),
        corpora=tuple("AB"[row // SIZE] for row in range(count)),
        speakers=tuple(f"s{row % SIZE // EACH}" for row in range(count)),
        classes=CLASS_NAMES,
    )


def features(shift: float = 0.0, scale: float = 1.0) -> Tensor:
    """`[144, STATES, DIM]`; corpus B is stretched by `scale` and moved by `shift` towards class 0."""
    generator = torch.Generator().manual_seed(1)
    made = torch.randn(2 * SIZE, STATES, DIM, generator=generator)
    centres = 2 * torch.randn(CLASSES, DIM, generator=generator)
    made[:, TELLING] += centres[torch.tensor(two_corpora().labels)]
    made[SIZE:] = made[SIZE:] * scale + shift * centres[0]
    return made * 3 + 20


def part(corpus: str, *speakers: int) -> tuple[int, ...]:
    """Rows of some speakers of a corpus."""
    begin = "AB".index(corpus) * SIZE
    return tuple(
        row for speaker in speakers for row in range(begin + speaker * EACH, begin + (speaker + 1) * EACH)
    )


def zero_shot(adaptation: str = "none", seed: int = 5) -> FrozenTraining:
    """Trained and selected on A, tested on speakers of A and of B that are not in training."""
    return FrozenTraining(
        train=part("A", 0, 1, 2, 3),
        validation=part("A", 4),
        tests={"A": part("A", 5), "B": part("B", 4, 5)},
        seed=seed,
        adaptation=adaptation,
        unlabelled=part("B", 0, 1, 2) if adaptation != "none" else (),
    )
