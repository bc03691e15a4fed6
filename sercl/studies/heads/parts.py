"""Utterances that a head trains, validates and is tested on, and their features as it reads them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from typing import Any, Self

import torch
from torch import Tensor

from sercl.corpora.base import PARTS, Utterance
from sercl.corpora.folds.draw import grouped, shuffled_utterances
from sercl.counting import count
from sercl.counting import count as count_of
from sercl.errors import FeatureError, FoldError, UsageError
from sercl.models.standardize import Moments, normed_vectors

LEAST_GROUPS = 3
"""Training, validation and test need one group each."""


@dataclass(frozen=True)
class Parts:
    """One fold as indices of utterances, that is, rows of the features.

    Attributes:
        train: Training rows, whose statistics standardise the features.
        validation: Rows that determine when training ends, which epoch is kept and which layer is best.
        test: Rows that are used only for the final scores.
    """

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]

    def items(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Name and rows of each part."""
        return tuple((name, getattr(self, name)) for name in PARTS)


def parts_of(
    folds: Sequence[Mapping[str, Sequence[Utterance]]], rows: Mapping[tuple[str, str], int]
) -> tuple[Parts, ...]:
    """Turn folds of utterances into folds of rows.

    Args:
        folds: Per fold, "train", "validation" and "test" -> utterances (as `Fold.parts`).
        rows: `(corpus, id)` of an utterance -> its row; utterances without a row are left out.
    """
    return tuple(Parts(*(rows_of(fold[name], rows) for name in PARTS)) for fold in folds)


def rows_of(utterances: Sequence[Utterance], rows: Mapping[tuple[str, str], int]) -> tuple[int, ...]:
    """Return the rows of utterances; those without a row are left out."""
    keys = ((item.corpus, item.id) for item in utterances)
    return tuple(rows[key] for key in keys if key in rows)


Person = tuple[str, str | None]
"""Corpus and speaker of a row; None for an unknown speaker."""


def held_out_groups(
    train: Sequence[int],
    validation: Sequence[int],
    people: Sequence[Person],
    labels: Sequence[int],
    count: int,
) -> list[tuple[int, ...]]:
    """Divide training rows into groups of speakers, each of which can be held out in turn.

    Only rows of corpora that are validated on are held out, so that, say, a model that is selected on the
    target is selected on the target alone. A group without which a class would be absent from training is
    left out.

    Args:
        train: Training rows; those that are repeated are held out once, with all their copies.
        validation: Validation rows.
        people: Corpus and speaker of every row; a row of an unknown speaker is a speaker by itself.
        labels: Class index of every row.
        count: Maximum number of groups.

    Returns:
        The rows of each group, in order; none if fewer than two speakers can be held out, or if validation
        shares rows with training.
    """
    corpora = {people[row][0] for row in validation}
    speakers: dict[tuple[Any, ...], list[int]] = {}
    for row in sorted(set(train)):
        corpus, speaker = people[row]
        if corpus in corpora:
            speakers.setdefault((corpus, speaker) if speaker is not None else (corpus, "", row), []).append(
                row
            )
    if len(speakers) < 2 or set(train) & set(validation):
        return []
    # Neighbours in order are often of one gender or session: each goes to another group.
    ordered = [speakers[key] for key in sorted(speakers)]
    groups = [tuple(sorted(chain.from_iterable(ordered[number::count]))) for number in range(count)]
    return [group for group in groups if group and _keeps_classes(train, group, labels)]


def _keeps_classes(train: Sequence[int], group: Sequence[int], labels: Sequence[int]) -> bool:
    rest = set(train).difference(group)
    return {labels[row] for row in rest} == {labels[row] for row in train}


def within_speaker_folds(
    utterances: Sequence[Utterance], count: int, seed: int = 42
) -> list[dict[str, list[Utterance]]]:
    """Make folds that share their speakers, which speaker probes need.

    Each speaker's utterances, emotion by emotion, are distributed over as many groups as there are folds.
    Fold k tests on group k, validates on the next one and trains on the others.

    Args:
        utterances: Of known speakers.
        count: Number of folds; at least `LEAST_GROUPS`.
        seed: Seed of the draw, which depends only on the ids and not on the order of the utterances.

    Raises:
        FoldError: For a speaker with fewer than `LEAST_GROUPS` utterances.
    """
    groups: list[list[Utterance]] = [[] for _ in range(max(count, LEAST_GROUPS))]
    for speaker, own in sorted(grouped(utterances, lambda item: str(item.speaker)).items()):
        if len(own) < LEAST_GROUPS:
            raise FoldError(
                f"speaker {speaker} has {count_of(len(own), 'utterance')}; folds within speakers need at "
                f"least {LEAST_GROUPS} of each. Leave this speaker out, or choose another target."
            )
        ordered = sorted(shuffled_utterances(own, seed, "within"), key=lambda item: item.emotion)
        start = min(range(len(groups)), key=lambda index: len(groups[index]))
        for position, utterance in enumerate(ordered, start):
            groups[position % len(groups)].append(utterance)
    return [_fold(groups, index) for index in range(len(groups))]


def _fold(groups: Sequence[list[Utterance]], index: int) -> dict[str, list[Utterance]]:
    held = (index + 1) % len(groups)
    rest = [group for number, group in enumerate(groups) if number not in (index, held)]
    return {
        "train": [utterance for group in rest for utterance in group],
        "validation": groups[held],
        "test": groups[index],
    }


def check_parts(folds: Sequence[Parts], labels: Sequence[int], classes: Sequence[str]) -> None:
    """Raise unless probes can be trained and tested on every fold.

    Args:
        folds: The folds.
        labels: Class index of each row.
        classes: Class names.

    Raises:
        FoldError: If there is no fold, a part is empty or shares rows with another, or a class is absent
            from training.
    """
    if not folds:
        raise FoldError("probe: there is no fold to train on; at least one is needed.")
    for number, fold in enumerate(folds):
        where = f"probe, fold {number}"
        check_filled(where, dict(fold.items()))
        check_apart(where, dict(fold.items()))
        check_classes(where, fold.train, labels, classes)


def check_filled(where: str, parts: Mapping[str, Sequence[int]]) -> None:
    """Raise `FoldError` for an empty part; `where` is the prefix of the message, here and below."""
    for name, rows in parts.items():
        if not rows:
            raise FoldError(f"{where}: no utterance in {name}. Choose other folds.")


def check_apart(where: str, parts: Mapping[str, Sequence[int]]) -> None:
    """Raise `FoldError` for parts that share rows."""
    for (first, ours), (second, theirs) in combinations(parts.items(), 2):
        shared = len(set(ours) & set(theirs))
        if shared:
            raise FoldError(f"{where}: {shared} utterances in both {first} and {second}.")


def check_classes(where: str, train: Sequence[int], labels: Sequence[int], classes: Sequence[str]) -> None:
    """Raise `FoldError` for a class that is absent from training."""
    counts = Counter(labels[row] for row in train)
    absent = [name for index, name in enumerate(classes) if not counts[index]]
    if absent:
        found = ", ".join(f"{name} {counts[index]}" for index, name in enumerate(classes))
        raise FoldError(
            f"{where}: no training utterance of {', '.join(absent)} (training has {found}). "
            "Choose classes that every fold has in training, or other folds."
        )


CHUNK_BYTES = 1 << 25
"""Rows are gathered in chunks of about this size where gradients are not needed."""


Adapt = Callable[[Tensor], Tensor]
"""Transforms float32 features `[utterances, dim]` of one hidden state, in the same order."""


@dataclass(frozen=True)
class View:
    """How features are transformed for probes; equal views share a copy.

    Attributes:
        reference: Rows whose statistics standardise the features; a repeated row counts as often. Empty for
            raw features.
        adapt: Transformation before that; None for none. It must be hashable.
        layer_norm: Whether each vector is normalised before all of that.
    """

    reference: tuple[int, ...] = ()
    adapt: Adapt | None = None
    layer_norm: bool = False


@dataclass(frozen=True)
class Rows:
    """Blocks of features over the same utterances.

    Attributes:
        values: `[blocks, utterances, *shape]` float32; a probe uses one block.
        labels: `[utterances]` int64 class indices.
    """

    values: Tensor
    labels: Tensor

    @classmethod
    def of(
        cls,
        features: Tensor,
        labels: Tensor,
        blocks: Sequence[tuple[int | None, View]],
        device: torch.device,
    ) -> Self:
        """Copy the features that some probes need, standardised if requested.

        Args:
            features: `[utterances, states, dim]`.
            labels: `[utterances]` class indices.
            blocks: For each block its layer, None for all states of every utterance, and its view.
            device: Device on which the probes are trained.
        """
        shape = features.shape if blocks[0][0] is None else (len(features), features.shape[2])
        values = torch.empty(len(blocks), *shape, device=device)
        for block, (layer, view) in zip(values, blocks, strict=True):
            _fill(block, features if layer is None else features[:, layer], view)
        return cls(values, labels.to(device))

    def gather(self, blocks: Tensor, index: Tensor) -> Tensor:
        """Return `[models, rows, *shape]` of utterances `index` `[models, rows]` in `blocks` `[models]`."""
        flat = blocks.unsqueeze(1) * self.values.shape[1] + index
        picked = self.values.flatten(0, 1).index_select(0, flat.flatten())
        return picked.view(*index.shape, *picked.shape[1:])

    def chunk(self, models: int) -> int:
        """Return how many rows of each of `models` models may be gathered at once."""
        row = self.values[0, 0].numel() * self.values.element_size()
        return max(1, CHUNK_BYTES // (models * row))


def _fill(block: Tensor, features: Tensor, view: View) -> None:
    vectors = normed_vectors(features) if view.layer_norm else features
    block.copy_(vectors if view.adapt is None else view.adapt(vectors))
    if view.reference:
        moments = Moments.of(block[torch.tensor(view.reference, device=block.device)])
        block.sub_(moments.mean.float()).div_(moments.std().float())


def check_shape(features: Tensor, ids: Sequence[str]) -> None:
    """Raise `UsageError` unless the features are `[utterances, states, dim]`, one row for each of `ids`."""
    if features.ndim != 3 or len(features) != len(ids):
        raise UsageError(
            f"probe: features of shape {list(features.shape)} for {len(ids)} utterances; expected "
            "[utterances, states, dim]."
        )


def check_layers(layers: Sequence[int], states: int) -> None:
    """Raise `UsageError` unless `layers` are different hidden states from 0 to `states` - 1."""
    if not layers or min(layers) < 0 or max(layers) >= states or len(set(layers)) < len(layers):
        raise UsageError(
            f"probe layers {', '.join(map(str, layers)) or 'none'}: valid: hidden states from 0 to "
            f"{states - 1}, each once."
        )


def check_finite(features: Tensor, ids: Sequence[str], layers: Sequence[int]) -> None:
    """Raise `FeatureError` for NaN or infinite values in a layer, naming the first utterance."""
    for layer in layers:
        broken = (~torch.isfinite(features[:, layer]).all(dim=-1)).nonzero().flatten()
        if len(broken):
            raise FeatureError(
                f"hidden state {layer} of utterance {ids[int(broken[0])]!r} holds NaN or infinite values "
                f"({count(len(broken), 'such utterance')} in this layer). Check the audio file and the "
                "precision of the encoder, and extract the features again."
            )
