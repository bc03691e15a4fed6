"""From utterances and options to checked folds."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from types import MappingProxyType

from sercl.corpora.base import Utterance
from sercl.corpora.folds.config import FoldConfig
from sercl.corpora.folds.draft import Draft
from sercl.corpora.folds.draw import balanced, listed
from sercl.corpora.folds.fold import Fold, named
from sercl.corpora.folds.lists import csv_folds, with_test_list
from sercl.corpora.folds.loso import loso_folds
from sercl.corpora.folds.official import official_folds
from sercl.corpora.folds.paper import paper_folds
from sercl.corpora.folds.speaker import speaker_folds
from sercl.corpora.labels import LabelScheme
from sercl.errors import FoldError, SpeakerOverlapError, UsageError

Scheme = Callable[[Sequence[Utterance], LabelScheme, FoldConfig], list[Draft]]

FOLD_SCHEMES: Mapping[str, Scheme] = MappingProxyType(
    {
        "speaker": speaker_folds,
        "loso": loso_folds,
        "official": official_folds,
        "paper": paper_folds,
        "csv": csv_folds,
    }
)
LISTED = "+list"
"""After the name of a scheme whose test part was replaced by a list."""

ALLOW = "--data.folds.allow_speaker_overlap true"


def make_folds(utterances: Sequence[Utterance], labels: LabelScheme, config: FoldConfig) -> list[Fold]:
    """Cut every fold of a scheme.

    Args:
        utterances: All utterances of one corpus, in any order; those without a class are left out.
        labels: The label scheme.
        config: The fold scheme and its options; `index` is not used.

    Raises:
        FoldError: If the folds cannot be cut, a class is absent from training, or a part is empty.
        SpeakerOverlapError: If training and test share speakers and that is not allowed.
        ManifestError: For a bad row in the lists of the scheme `csv`.
    """
    drafts = _drafts(utterances, labels, config)
    return [_finish(drafts, index, labels, config) for index in range(len(drafts))]


def make_fold(
    utterances: Sequence[Utterance], labels: LabelScheme, config: FoldConfig, may_lack_classes: bool = False
) -> Fold:
    """Cut the fold `config.index`; the other folds of the scheme may be unusable.

    Args:
        utterances: As for `make_folds`; so are the next two.
        labels: The label scheme.
        config: The fold scheme and its options.
        may_lack_classes: Whether training may lack a class.

    Raises:
        UsageError: If the scheme has no fold of that index.
        FoldError: As `make_folds`, also its other errors.
    """
    drafts = _drafts(utterances, labels, config)
    if config.index >= len(drafts):
        raise UsageError(
            f"folds: there is no fold {config.index}; the scheme {config.scheme!r} has {len(drafts)} here, "
            f"0 to {len(drafts) - 1}. Give --data.folds.index."
        )
    return _finish(drafts, config.index, labels, config, may_lack_classes)


def _drafts(utterances: Sequence[Utterance], labels: LabelScheme, config: FoldConfig) -> list[Draft]:
    ordered = sorted(utterances, key=lambda utterance: utterance.id)
    kept, dropped = labels.split(ordered)
    if not kept:
        found = listed(dict(dropped)) or "no utterance at all"
        raise FoldError(f"no utterance has one of the classes {', '.join(labels.classes)}; there is {found}.")
    identifier, count = Counter(utterance.id for utterance in ordered).most_common(1)[0]
    if count > 1:
        raise FoldError(f"{count} utterances have the id {identifier!r}; ids must be unique within a corpus.")
    # A list may name an utterance that has no class: that is a contradiction to report, not a missing file.
    drafts = FOLD_SCHEMES[config.scheme](ordered if config.scheme == "csv" else kept, labels, config)
    if config.test_list is None:
        return drafts
    return [with_test_list(draft, Path(config.test_list), ordered, labels) for draft in drafts]


def _finish(
    drafts: Sequence[Draft],
    index: int,
    labels: LabelScheme,
    config: FoldConfig,
    may_lack_classes: bool = False,
) -> Fold:
    draft = drafts[index]
    train = draft.train
    if config.balance or config.per_emotion is not None:
        train = balanced(train, labels, config.per_emotion, config.seed)
    fold = Fold(
        scheme=config.scheme if config.test_list is None else f"{config.scheme}{LISTED}",
        index=index,
        count=len(drafts),
        labels=labels,
        train=tuple(train),
        validation=tuple(draft.validation),
        test=tuple(draft.test),
        remarks=draft.remarks,
    )
    check_fold(fold, config.allow_speaker_overlap, may_lack_classes)
    return fold


def check_fold(fold: Fold, allow_speaker_overlap: bool = False, may_lack_classes: bool = False) -> None:
    """Raise if the fold's parts overlap, or it cannot be trained or tested on.

    Raises:
        SpeakerOverlapError: If training and test share speakers, or may do so, and that is not allowed.
        FoldError: If an utterance stands in two parts, a part is empty, or a class is absent from training.
    """
    for (first, ours), (second, theirs) in combinations(fold.parts.items(), 2):
        twice = {utterance.id for utterance in ours} & {utterance.id for utterance in theirs}
        if twice:
            raise FoldError(
                f"{fold.name}: {len(twice)} utterances in both {first} and {second}: {named(twice)}."
            )
    for part, utterances in fold.parts.items():
        if not utterances:
            raise FoldError(f"{fold.name}: no utterance in {part}. Choose another fold or scheme.")
    if not may_lack_classes:
        _check_classes(fold)
    if not allow_speaker_overlap:
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
            f"{fold.name}: {len(shared)} speaker(s) in both training and test ({named(shared)}), so every "
            f"figure is speaker-dependent. Allow it with {ALLOW}, or choose --data.folds.scheme speaker."
        )
    unknown = sum(utterance.speaker is None for utterance in (*fold.train, *fold.test))
    if unknown:
        raise SpeakerOverlapError(
            f"{fold.name}: {unknown} utterances in training and test have no speaker, so an overlap cannot "
            f"be ruled out. Fill the column 'speaker' of the manifest, or allow it with {ALLOW}."
        )
