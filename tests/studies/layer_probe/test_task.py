from collections import Counter
from dataclasses import replace

import pytest

from sercl.corpora.base import Utterance
from sercl.corpora.folds import FoldConfig, make_folds
from sercl.corpora.labels import label_scheme
from sercl.errors import FoldError
from sercl.studies.layer_probe.task import probe_task
from tests.corpora.folds.samples import even

FOUR = label_scheme("4")


def folds_of(utterances: list[Utterance], count: int = 3) -> list[dict[str, tuple[Utterance, ...]]]:
    return [fold.parts for fold in make_folds(utterances, FOUR, FoldConfig(count=count))]


def test_emotion_on_speaker_disjoint_folds() -> None:
    utterances = even("abcdef", 3)
    folds = folds_of(utterances)
    task = probe_task(folds)
    assert sorted(task.ids) == sorted(item.id for item in utterances)
    assert (task.target, task.splits, task.notes) == ("emotion", "speaker-disjoint", ())
    by_id = {item.id: item for item in utterances}
    for row, name in enumerate(task.ids):
        assert task.classes[task.labels[row]] == by_id[name].emotion
        assert task.speakers[row] == f"Toy {by_id[name].speaker}"
    for parts, fold in zip(task.folds, folds, strict=True):
        for name, rows in parts.items():
            assert [task.ids[row] for row in rows] == [item.id for item in fold[name]]


def test_speakers_are_asked_for_within_speakers() -> None:
    task = probe_task(folds_of(even("abcdef", 3)), "speaker")
    assert task.splits == "within-speaker"
    assert "share all speakers by design" in task.notes[0]
    for fold in task.folds:
        assert {task.labels[row] for row in fold.train} == set(range(6))


def test_gender_is_asked_for_across_speakers() -> None:
    utterances = [
        replace(item, gender="female" if item.speaker in "abc" else "male") for item in even("abcdef", 3)
    ]
    task = probe_task(folds_of(utterances), "gender")
    assert (task.splits, task.classes) == ("speaker-disjoint", ("female", "male"))


def test_shared_or_unknown_speakers_are_reported() -> None:
    a, b, c = even("a", 2), even("b", 2), even("c", 2)
    shared = probe_task([{"train": a[:6] + b, "validation": c, "test": a[6:]}])
    assert (shared.splits, "share speakers" in shared.notes[0]) == ("speaker-dependent", True)
    nameless = [replace(item, speaker=None) for item in c]
    assert probe_task([{"train": a, "validation": b, "test": nameless}]).splits == "speaker-dependent"


def test_utterances_without_value_are_left_out_and_counted() -> None:
    utterances = [
        replace(item, extra={} if item.id.endswith("_002") else {"take": item.id[-1]})
        for item in even("abcdef", 3)
    ]
    task = probe_task(folds_of(utterances), "take")
    assert (len(task.ids), task.missing) == (48, 24)
    assert task.notes == ("24 utterances have no take and are left out",)
    assert not any(name.endswith("_002") for name in task.ids)


def test_zero_shot_takes_both_corpora_once() -> None:
    source, target = even("abcdef", 3, "A"), even("abcdef", 3, "B")
    folds = [
        {**fold, "test": other["test"]}
        for fold, other in zip(folds_of(source), folds_of(target), strict=True)
    ]
    task = probe_task(folds, setting="zero-shot")
    assert (len(task.ids), task.setting) == (144, "zero-shot")
    # Speaker a of one corpus is not speaker a of the other.
    assert (len(set(task.speakers)), task.splits) == (12, "speaker-disjoint")


def test_shuffled_labels_keep_their_counts() -> None:
    task = probe_task(folds_of(even("abcdef", 3)))
    control = task.shuffled(0)
    assert Counter(control.labels) == Counter(task.labels)
    assert control.labels != task.labels
    assert control.labels == task.shuffled(0).labels != task.shuffled(1).labels
    assert replace(control, labels=task.labels) == task


def test_no_fold_is_refused() -> None:
    with pytest.raises(FoldError, match="no fold"):
        probe_task([])
