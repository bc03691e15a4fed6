"""Builds checked folds from utterances and options."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from types import MappingProxyType

from sercl.corpora.base import PARTS, Utterance, how_to_give
from sercl.corpora.folds.config import NO_FOLDS, FoldConfig
from sercl.corpora.folds.draw import balanced, listed
from sercl.corpora.folds.fold import Draft, Fold, named
from sercl.corpora.folds.lists import csv_folds, with_test_list
from sercl.corpora.folds.paper import paper_folds
from sercl.corpora.folds.speaker import loso_folds, official_folds, speaker_folds
from sercl.corpora.labels import LabelScheme, LabelSpec, label_scheme
from sercl.counting import count
from sercl.errors import FoldError, SpeakerOverlapError, UsageError
from sercl.files import at_home

Scheme = Callable[[Sequence[Utterance], LabelScheme, FoldConfig], list[Draft]]


def no_folds(utterances: Sequence[Utterance], labels: LabelScheme, config: FoldConfig) -> list[Draft]:
    """Return one draft with everything in training."""
    return [Draft(utterances, (), ())]


FOLD_SCHEMES: Mapping[str, Scheme] = MappingProxyType(
    {
        "speaker": speaker_folds,
        "loso": loso_folds,
        "official": official_folds,
        "paper": paper_folds,
        "csv": csv_folds,
        NO_FOLDS: no_folds,
    }
)
LISTED = "+list"
"""After the name of a scheme whose test part was replaced by a list."""

WHOLE = "whole"
"""Instead of a part: the whole corpus, for a model that was trained on other corpora."""

ALLOW = "--data.folds.allow_speaker_overlap true"


def make_folds(
    utterances: Sequence[Utterance], labels: LabelSpec = "4", config: FoldConfig = FoldConfig()
) -> list[Fold]:
    """Cut every fold of a scheme.

    Args:
        utterances: All utterances of one corpus, in any order; those without a class are left out.
        labels: The label scheme, or anything that `label_scheme` builds one from.
        config: The fold scheme and its options; `index` is not used.

    Raises:
        FoldError: If the folds cannot be cut, a class is absent from training, or a part is empty.
        SpeakerOverlapError: If training and test share speakers and that is not allowed.
        ManifestError: For a bad row in the lists of the scheme `csv`.
    """
    cut = CutFolds(utterances, label_scheme(labels), config)
    return [cut.fold(index) for index in range(len(cut))]


class CutFolds:
    """All folds of a scheme, cut at once; each is checked when it is asked for, as others may be unusable.

    Args:
        utterances: As for `make_folds`; so are the next two.
        labels: The label scheme.
        config: The fold scheme and its options; `index` is not used.

    Raises:
        FoldError: If the folds cannot be cut.
        ManifestError: For a bad row in the lists of the scheme `csv`.
    """

    def __init__(self, utterances: Sequence[Utterance], labels: LabelScheme, config: FoldConfig) -> None:
        self._labels, self._config = labels, config
        self._drafts = _drafts(utterances, labels, config)

    def __len__(self) -> int:
        return len(self._drafts)

    def fold(self, index: int, may_lack_classes: bool = False) -> Fold:
        """Return one fold.

        Args:
            index: From 0.
            may_lack_classes: Whether training may lack a class.

        Raises:
            UsageError: If there is no fold of that index.
            FoldError: As `make_folds`, also its other errors.
        """
        config = replace(self._config, index=index)
        _check_index(self._drafts, config)
        return _finish(self._drafts, index, self._labels, config, may_lack_classes)


def make_fold(
    utterances: Sequence[Utterance], labels: LabelScheme, config: FoldConfig, may_lack_classes: bool = False
) -> Fold:
    """Cut the fold `config.index`; other folds of the scheme may be unusable.

    Args:
        utterances: As for `make_folds`; so are the next two.
        labels: The label scheme.
        config: The fold scheme and its options.
        may_lack_classes: Whether training may lack a class.

    Raises:
        UsageError: If the scheme has no fold of that index.
        FoldError: As `make_folds`, also its other errors.
    """
    return CutFolds(utterances, labels, config).fold(config.one, may_lack_classes)


def _check_index(drafts: Sequence[Draft], config: FoldConfig) -> None:
    if config.one >= len(drafts):
        raise UsageError(
            f"folds: there is no fold {config.index}; the scheme {config.scheme!r} has {len(drafts)} here, "
            f"0 to {len(drafts) - 1}. Give one of these (--data.folds.index)."
        )


def make_scored_fold(
    utterances: Sequence[Utterance], labels: LabelScheme, config: FoldConfig, part: str
) -> Fold:
    """Cut the fold `config.index` for a model that is already trained: only `part` must be usable.

    Classes may be absent, and so may the other parts of an `official` split.

    Args:
        utterances: As for `make_fold`.
        labels: The label scheme.
        config: The fold scheme and its options; not used for the whole corpus.
        part: "validation" or "test", or `WHOLE`: all utterances are then the test part.

    Raises:
        UsageError: As `make_fold`.
        FoldError: If the fold cannot be cut, or there is no utterance in `part`.
        SpeakerOverlapError: If training and test of the fold share speakers and that is not allowed.
    """
    if part != WHOLE and not _is_official_alone(utterances, config, part):
        drafts = _drafts(utterances, labels, config)
        _check_index(drafts, config)
        return _finish(drafts, config.one, labels, config, scored=part)
    drafts = _drafts(utterances, labels, config, scheme=_one_part(part))
    return _finish(drafts, 0, labels, replace(config, index=0), scored=part)


def _is_official_alone(utterances: Sequence[Utterance], config: FoldConfig, part: str) -> bool:
    """Return whether the official split has the part to score, but nothing to train on."""
    if config.scheme != "official" or config.test_list is not None:
        return False
    found = {utterance.split for utterance in utterances}
    return part in found and "train" not in found and found <= set(PARTS)


def _one_part(part: str) -> Scheme:
    def cut(utterances: Sequence[Utterance], labels: LabelScheme, config: FoldConfig) -> list[Draft]:
        if part == WHOLE:
            return [Draft((), (), utterances)]
        by_split = {name: [item for item in utterances if item.split == name] for name in PARTS}
        return [Draft(by_split["train"], by_split["validation"], by_split["test"])]

    return cut


def _drafts(
    utterances: Sequence[Utterance], labels: LabelScheme, config: FoldConfig, scheme: Scheme | None = None
) -> list[Draft]:
    ordered = sorted(utterances, key=lambda utterance: utterance.id)
    kept, dropped = labels.split(ordered)
    if not kept:
        found = listed(dict(dropped)) or "no utterance at all"
        raise FoldError(f"no utterance has one of the classes {', '.join(labels.classes)}; there is {found}.")
    identifier, count = Counter(utterance.id for utterance in ordered).most_common(1)[0]
    if count > 1:
        raise FoldError(f"{count} utterances have the id {identifier!r}; ids must be unique within a corpus.")
    if scheme is not None:
        return scheme(kept, labels, config)
    # A list may name an utterance that has no class: that is a contradiction to report, not a missing file.
    drafts = FOLD_SCHEMES[config.scheme](ordered if config.scheme == "csv" else kept, labels, config)
    if config.test_list is None:
        return drafts
    return [with_test_list(draft, at_home(config.test_list), ordered, labels) for draft in drafts]


def _finish(
    drafts: Sequence[Draft],
    index: int,
    labels: LabelScheme,
    config: FoldConfig,
    may_lack_classes: bool = False,
    scored: str | None = None,
) -> Fold:
    draft = drafts[index]
    train = draft.train
    if train and (config.balance or config.per_emotion is not None):
        train = balanced(train, labels, config.per_emotion, config.seed)
    fold = Fold(
        scheme=WHOLE if scored == WHOLE else _scheme_name(config),
        index=index,
        count=len(drafts),
        labels=labels,
        train=tuple(train),
        validation=tuple(draft.validation),
        test=tuple(draft.test),
        remarks=draft.remarks,
    )
    check_fold(fold, config.allow_speaker_overlap, may_lack_classes, scored)
    return fold


def _scheme_name(config: FoldConfig) -> str:
    return config.scheme if config.test_list is None else f"{config.scheme}{LISTED}"


def check_fold(
    fold: Fold,
    allow_speaker_overlap: bool = False,
    may_lack_classes: bool = False,
    scored: str | None = None,
) -> None:
    """Raise if the fold's parts overlap, or it cannot be used for training or testing.

    Args:
        fold: The fold.
        allow_speaker_overlap: Whether training and test may share speakers.
        may_lack_classes: Whether training may lack a class.
        scored: The one part that is needed, as for `make_scored_fold`; None for all.

    Raises:
        SpeakerOverlapError: If training and test share speakers, or may do so, and that is not allowed.
        FoldError: If an utterance is in two parts, a part is empty (with the scheme "none": training), or a
            class is absent from training.
    """
    for (first, ours), (second, theirs) in combinations(fold.parts.items(), 2):
        twice = {utterance.id for utterance in ours} & {utterance.id for utterance in theirs}
        if twice:
            raise FoldError(
                f"{fold.name}: {len(twice)} utterances in both {first} and {second}: {named(twice)}."
            )
    whole = ["train"] if fold.scheme == NO_FOLDS else PARTS
    needed = whole if scored is None else ["test" if scored == WHOLE else scored]
    for part in needed:
        if not fold.parts[part]:
            raise FoldError(f"{fold.name}: no utterance in {part}. Choose another fold or scheme.")
    if scored is None and not may_lack_classes:
        _check_classes(fold)
    if fold.train and fold.scheme != NO_FOLDS and not allow_speaker_overlap:
        _check_speakers(fold)


def _check_classes(fold: Fold) -> None:
    absent = [name for name, count in fold.counts["train"].items() if count == 0]
    if absent:
        raise FoldError(
            f"{fold.name}: no training utterance of {', '.join(absent)} (training has "
            f"{listed(fold.counts['train'])}). Choose labels that the corpus has with --data.labels, "
            "or another fold or scheme."
        )


def _check_speakers(fold: Fold) -> None:
    shared = fold.shared_speakers
    if shared:
        raise SpeakerOverlapError(
            f"{fold.name}: {count(len(shared), 'speaker')} in both training and test ({named(shared)}), so "
            f"all scores are speaker-dependent. Allow it with {ALLOW}, or choose --data.folds.scheme "
            "speaker."
        )
    unknown = sum(utterance.speaker is None for utterance in (*fold.train, *fold.test))
    if unknown:
        raise SpeakerOverlapError(
            f"{fold.name}: {unknown} utterances in training and test have no speaker, so an overlap cannot "
            f"be ruled out. {how_to_give('speaker')}, or allow it with {ALLOW}."
        )
