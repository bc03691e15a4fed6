from collections.abc import Collection
from itertools import combinations
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sercl.errors import UsageError
from sercl.studies.cross_eval.plan.unions import Unions, drawn_subsets
from sercl.studies.cross_eval.sources import SOURCES, corpora_of, union_of

LANGUAGES = {"A": ["de"], "B": ["en"], "C": ["de"], "D": ["zh", "en"], "E": ["fr"], "F": ["und"]}
CORPORA = st.lists(st.sampled_from("ABCDE"), min_size=1, unique=True)


def unions(kinds: Collection[str], corpora: Collection[str] = "ABCDE", limit: int = 10) -> Unions:
    return Unions(kinds, list(corpora), LANGUAGES.__getitem__, limit)


@given(CORPORA, st.sampled_from("ABCDE"), st.sets(st.sampled_from(SOURCES)), st.integers(1, 6))
def test_no_union_has_the_target_and_each_is_named_once(
    corpora: list[str], target: str, kinds: set[str], limit: int
) -> None:
    names = unions(kinds, corpora, limit).of(target)
    assert len(names) == len(set(names))
    for name in names:
        own = corpora_of(name, corpora)
        assert target not in own
        assert list(own) == [corpus for corpus in corpora if corpus in own]
        assert union_of(own) == name


def test_all_others_and_those_of_other_languages() -> None:
    both = unions(["all-but-target", "all-but-language"])
    assert both.of("A") == ["B + C + D + E", "B + D + E"]
    assert both.of("B") == ["A + C + D + E", "A + C + E"]
    assert both.of("D") == ["A + B + C + E", "A + C + E"]
    assert both.of("E") == ["A + B + C + D"]
    assert list(both.remarks("ABCDE")) == []
    assert unions(["single"]).of("A") == []


def test_a_union_of_one_is_a_single_source_and_said_to_be() -> None:
    both = unions(["all-but-target", "all-but-language"], "AC")
    assert both.of("A") == ["C"]
    assert list(both.remarks("A")) == [
        "all-but-target: for A this is C alone, a single source",
        "all-but-language: left out for A: every other corpus has its language",
    ]
    assert list(unions(["all-but-language"], "ABC").remarks("C")) == [
        "all-but-language: for C this is B alone, a single source"
    ]


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(UsageError, match="all-but-language: the language of F is unknown"):
        unions(["all-but-language"], "AF").of("A")
    assert unions(["all-but-target"], "ABF").of("A") == ["B + F"]


def test_subsets_are_between_one_and_all() -> None:
    own = unions(["single", "all-but-target", "subsets"])
    sizes = [name.count("+") + 1 for name in own.of("A")]
    assert (sizes.count(2), sizes.count(3), sizes.count(4)) == (6, 4, 1)
    assert list(own.remarks("A")) == []
    few = unions(["single", "all-but-target", "subsets"], limit=5)
    assert [name.count("+") + 1 for name in few.of("A")].count(2) == 5
    assert list(few.remarks("A")) == ["subsets: 5 of 6 unions of 2 corpora, drawn, for A"]
    assert list(unions(["subsets"], "ABC").remarks("CD")) == [
        "subsets: left out for C, which has 2 other corpora only"
    ]


@given(st.integers(2, 7), st.integers(1, 6), st.integers(1, 40), st.randoms())
def test_the_draw_of_subsets_depends_on_the_names_alone(count, size, limit, rng) -> None:  # type: ignore[no-untyped-def]
    names = tuple("ABCDEFG"[:count])
    drawn = drawn_subsets(names, size, limit)
    assert len(drawn) == min(limit, comb(count, size))
    assert set(drawn) <= set(combinations(names, size))
    mixed = rng.sample(names, count)
    assert {frozenset(own) for own in drawn_subsets(tuple(mixed), size, limit)} == {*map(frozenset, drawn)}
