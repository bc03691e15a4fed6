import json
from dataclasses import replace

from sercl.corpora.base import Utterance
from sercl.corpora.folds import Fold, is_on_classes, merged_notes
from sercl.corpora.labels import label_scheme
from tests.corpora.folds.samples import corpus, even


def _fold(train: list[Utterance], validation: list[Utterance], test: list[Utterance]) -> Fold:
    return Fold("csv", 0, 1, label_scheme("4"), tuple(train), tuple(validation), tuple(test), ("a remark",))


def test_a_clean_fold_has_only_the_remarks_of_its_scheme() -> None:
    fold = _fold(even("a", 10), even("b", 10), even("c", 10))
    assert fold.notes == ("a remark",)
    assert fold.shared_speakers == ()


def test_notes_name_what_a_reader_of_the_results_must_know() -> None:
    train = corpus({"a": {"angry": 36, "happy": 12, "neutral": 12, "sad": 12}})
    test = corpus({"a": {"angry": 10, "happy": 9}})
    nameless = [replace(item, speaker=None) for item in even("x", 10)]
    notes = _fold(train, [*even("a", 10), *nameless], test).notes
    assert notes == (
        "speaker-dependent: a in both training and test",
        "speakers unknown for 40 utterances: training and test may share them, so treat the figures as "
        "speaker-dependent",
        "a remark",
        "absent from test: neutral, sad",
        "few utterances in test: happy 9",
        "training is unbalanced: angry 36, happy 12, neutral 12, sad 12",
    )


def test_speakers_shared_with_validation_are_named() -> None:
    fold = _fold(even("ab", 10), even("bc", 10), even("cd", 10))
    assert fold.notes == (
        "validation and test share speakers: c",
        "validation and training share speakers: b",
        "a remark",
    )


def test_many_shared_speakers_are_shortened() -> None:
    fold = _fold(even("abcdefg", 10), even("x", 10), even("abcdefg", 10))
    assert fold.notes[0] == "speaker-dependent: a, b, c, d, e and 2 more in both training and test"


def test_synthetic_speech_is_named_first() -> None:
    spoken = [replace(item, extra={"synthetic": "espeak-ng"}) for item in even("a", 10)]
    note, *others = _fold(spoken, even("b", 10), even("c", 10)).notes
    assert note.startswith("40 of 120 utterances are synthetic speech (espeak-ng)")
    assert others == ["a remark"]


def test_plain_data_of_a_fold_survives_json() -> None:
    fold = _fold(even("a", 10), even("b", 10), even("c", 3))
    data = json.loads(json.dumps(fold.to_dict()))
    assert data["utterances"]["test"] == {"angry": 3, "happy": 3, "neutral": 3, "sad": 3}
    assert data["speakers"] == {"train": ["a"], "validation": ["b"], "test": ["c"]}
    assert data["notes"] == list(fold.notes)


def test_notes_on_classes_belong_to_a_part() -> None:
    assert is_on_classes("few utterances in validation: sad 4", "validation")
    assert is_on_classes("absent from test: sad", "test")
    assert is_on_classes("training is unbalanced: angry 36, sad 4", "train")
    assert not is_on_classes("few utterances in test: sad 4", "validation")


def test_notes_of_several_folds_come_once_with_the_folds_that_have_them() -> None:
    found = merged_notes(
        [("0", ["few: sad 4", "unknown"]), ("1", ["unknown", "unknown"]), ("2", ["few: sad 4", "unknown"])]
    )
    assert found == [([], "unknown"), (["0", "2"], "few: sad 4")]
