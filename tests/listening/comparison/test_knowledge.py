"""Groups by how well listeners know the language of an item."""

from dataclasses import replace

import pytest

from sercl.errors import UsageError
from sercl.listening.comparison.compare import CompareOptions, compare
from sercl.listening.comparison.knowledge import FOREIGN, KNOWLEDGE, NATIVE, NONE, SECOND, by_knowledge
from sercl.listening.ratings import VOTES, table_of
from sercl.testing.listeners import Group, fake_items, fake_ratings

OPTIONS = CompareOptions(groups=KNOWLEDGE, resamples=100, mixed_models=False)
SPOKEN = {"German-0": "English:fluent, zh-CN:beginner", "German-1": "English:good", "Chinese-0": "de:good"}


def ratings(languages=("de", "zh"), spoken=SPOKEN, people=("German", "Chinese")):
    """Return answers of three listeners of each native language, with the other languages that they speak."""
    table = fake_ratings(fake_items(languages, 4), [Group(name, 3) for name in people])
    if spoken is None:
        return table
    return replace(table, frame=table.frame.assign(listener_languages=table.frame["listener"].map(spoken)))


def known(table) -> dict[tuple[str, str], set[str]]:
    pairs = table.frame.groupby(["listener", "language"])["listener_knowledge"].agg(set)
    return dict(pairs)


def test_each_answer_is_of_the_group_of_its_language():
    assert known(by_knowledge(ratings(), "native")) == {
        ("German-0 (native)", "de"): {NATIVE},
        ("German-0 (l2)", "zh"): {SECOND},
        ("German-1 (native)", "de"): {NATIVE},
        ("German-1 (none)", "zh"): {NONE},
        ("German-2 (native)", "de"): {NATIVE},
        ("German-2 (none)", "zh"): {NONE},
        ("Chinese-0 (l2)", "de"): {SECOND},
        ("Chinese-0 (native)", "zh"): {NATIVE},
        ("Chinese-1 (none)", "de"): {NONE},
        ("Chinese-1 (native)", "zh"): {NATIVE},
        ("Chinese-2 (none)", "de"): {NONE},
        ("Chinese-2 (native)", "zh"): {NATIVE},
    }


def test_listeners_of_one_group_keep_their_names():
    found = known(by_knowledge(ratings(["de"]), "native"))
    assert found[("German-0", "de")] == {NATIVE}
    assert found[("Chinese-0", "de")] == {SECOND}


def test_without_further_languages_the_others_are_not_native():
    assert set(by_knowledge(ratings(spoken=None), "native").frame["listener_knowledge"]) == {NATIVE, FOREIGN}


def test_groups_are_scored_within_each_language_as_of_any_column():
    table = ratings()
    scores = {(row.group, row.language): row for row in compare(table, [], OPTIONS).groups}
    assert {group for group, _ in scores} == {NATIVE, SECOND, NONE}
    native = compare(table, [], replace(OPTIONS, groups="native")).groups
    (german,) = (row for row in native if (row.group, row.language) == ("German", "de"))
    (chinese,) = (row for row in native if (row.group, row.language) == ("Chinese", "zh"))
    assert scores[(NATIVE, "de")].uar == german.uar
    assert scores[(NATIVE, "zh")].uar == chinese.uar
    assert scores[(SECOND, "zh")].listeners == 1


def test_what_is_not_known_is_said():
    table = ratings()
    with pytest.raises(UsageError, match="no column 'mother': name it with --native"):
        by_knowledge(table, "mother")
    with pytest.raises(UsageError, match="not known for any answer"):
        by_knowledge(replace(table, frame=table.frame.assign(language=None)), "native")
    votes = table_of(VOTES, [{"item": "a", "answer": "sad", "truth": "sad", "votes": 3}])
    with pytest.raises(UsageError, match="a table of votes has no single listeners"):
        compare(votes, [], OPTIONS)
