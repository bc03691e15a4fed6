from dataclasses import replace

import pytest

from sercl.corpora.labels import label_scheme
from sercl.errors import UnknownNameError, UsageError
from sercl.studies.layer_probe.task import columns_of, target_of
from tests.corpora.folds.samples import even, utterance


def test_emotion_follows_the_label_scheme() -> None:
    utterances = [utterance("a", "sad"), utterance("b", "excited"), utterance("c", "bored")]
    target = target_of(utterances)
    assert target.classes == ("angry", "happy", "neutral", "sad")
    assert target.labels == (3, 1, None)
    assert target.missing == 1
    two = target_of(utterances, "emotion", label_scheme({"low": ["bored", "sad"], "high": "excited"}))
    assert two.labels == (0, 1, 0)


def test_a_field_gives_its_values_in_order() -> None:
    utterances = [
        replace(utterance("a", "sad"), language="zh"),
        replace(utterance("b", "sad"), language="de"),
        replace(utterance("c", "sad"), language="zh"),
    ]
    target = target_of(utterances, "language")
    assert (target.classes, target.labels, target.missing) == (("de", "zh"), (1, 0, 1), 0)


def test_a_column_of_the_manifest_and_its_gaps() -> None:
    values = ({"style": "read"}, {"style": "acted"}, {}, {"style": ""})
    utterances = [replace(utterance(f"u{i}", "sad"), extra=extra) for i, extra in enumerate(values)]
    target = target_of(utterances, "style")
    assert (target.classes, target.labels, target.missing) == (("acted", "read"), (1, 0, None, None), 2)


def test_an_unknown_column_is_answered_with_the_known_ones() -> None:
    utterances = [replace(item, extra={"style": "read"}) for item in even("ab", 1)]
    with pytest.raises(UnknownNameError, match=r"target 'stile'\. Did you mean 'style'.* emotion, language"):
        target_of(utterances, "stile")


def test_one_value_or_none_cannot_be_probed() -> None:
    utterances = even("ab", 1)
    with pytest.raises(UsageError, match=r"8 utterances are 'und' \(0 of 8 have none\).*emotion, speaker"):
        target_of(utterances, "language")
    with pytest.raises(UsageError, match=r"no utterance has a value \(8 of 8"):
        target_of(utterances, "gender")


def test_what_utterances_differ_in() -> None:
    utterances = [replace(item, extra={"take": item.id[-1]}) for item in even("ab", 2)]
    assert columns_of(utterances) == ["emotion", "speaker", "take"]
