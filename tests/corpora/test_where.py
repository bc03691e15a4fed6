from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sercl.corpora.base import Listing, Utterance
from sercl.corpora.where import COLUMNS, check_where, columns_of, in_words, select, selection_of
from sercl.errors import UsageError


def utterance(name: str, **fields: object) -> Utterance:
    return Utterance(name, Path(f"/{name}.wav"), "sad", "Toy", **{"language": "de", **fields})  # type: ignore[arg-type]


UTTERANCES = [
    utterance("a", speaker="01", gender="female", dialect="Bavarian", extra={"room": "studio"}),
    utterance("b", speaker="02", gender="male", dialect="tyrolean", extra={"room": "yes"}),
    utterance("c", speaker="03", gender="female"),
    utterance("d", gender="female", language="en", extra={"room": ""}),
]


def kept(where: dict[str, object]) -> str:
    chosen, left_out = select(UTTERANCES, where)
    assert sorted(item.id for item in (*chosen, *left_out)) == ["a", "b", "c", "d"]
    return "".join(item.id for item in chosen)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({}, "abcd"),
        ({"gender": "female"}, "acd"),
        ({"gender": "f"}, "acd"),
        ({"gender": "weiblich", "language": "de"}, "ac"),
        ({"language": "German"}, "abc"),
        ({"dialect": "bavarian"}, "a"),
        ({"dialect": ["bavarian", "tyrolean"]}, "ab"),
        ({"dialect": None}, "cd"),
        ({"dialect": "standard"}, "cd"),
        ({"dialect": "unknown"}, "cd"),
        ({"dialect": ["standard", "tyrolean"]}, "bcd"),
        ({"dialect": "!bavarian"}, "bcd"),
        ({"dialect": ["!bavarian", "!standard"]}, "b"),
        ({"speaker": "!unknown"}, "abc"),
        ({"room": "studio"}, "a"),
        ({"room": None}, "cd"),
        ({"Room": "studio"}, "a"),
        ({"corpus": "toy"}, "abcd"),
    ],
)
def test_conditions(where: dict[str, object], expected: str) -> None:
    assert kept(where) == expected


def test_a_dialect_that_is_called_standard_is_not_an_unknown_one() -> None:
    named = [*UTTERANCES, utterance("e", dialect="Standard")]
    chosen, _ = select(named, {"dialect": "standard"})
    assert [item.id for item in chosen] == ["e"]


def test_an_unknown_column_names_the_others() -> None:
    with pytest.raises(UsageError) as error:
        select(UTTERANCES, {"dialekt": "bavarian"})
    text = "where.dialekt: the corpus has no such column. Did you mean 'dialect'? Valid: speaker (3 values), "
    assert str(error.value).startswith(text)
    assert "room (2 values)" in str(error.value)
    with pytest.raises(UsageError, match=r"where\.session: no session is known in Toy\. Valid: speaker"):
        selection_of(UTTERANCES, {"session": "1"}, "Toy")


def test_an_unknown_value_names_the_others_with_their_numbers() -> None:
    with pytest.raises(UsageError) as error:
        select(UTTERANCES, {"dialect": "bavaria"})
    assert str(error.value) == (
        "where.dialect: no utterance of the corpus has 'bavaria'. Did you mean 'Bavarian'? "
        "Valid: unknown (2), Bavarian (1), tyrolean (1)."
    )


@pytest.mark.parametrize(
    ("where", "advice"),
    [
        ({"speaker": 3}, r"Quote what YAML reads .*'03'"),
        ({"room": True}, "Quote"),
        ({"speaker": "01,02"}, "list"),
    ],
)
def test_how_to_write_a_value(where: dict[str, object], advice: str) -> None:
    with pytest.raises(UsageError, match=advice):
        select(UTTERANCES, where)


def test_a_value_that_none_lacks() -> None:
    with pytest.raises(UsageError, match=r"where\.gender: no utterance .* 'unknown'"):
        select(UTTERANCES, {"gender": None})


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"gender": []}, "an empty list selects nothing"),
        ({"gender": {"a": "b"}}, "is not valid"),
        ({"dialect": ["bavarian", "!tyrolean"]}, "cannot be combined"),
    ],
)
def test_conditions_that_cannot_be_valid(where: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_where(where)


def test_in_words() -> None:
    assert in_words({"dialect": ["bavarian", None], "gender": "!male"}) == (
        "dialect bavarian or unknown; gender not male"
    )
    assert in_words({"speaker": ["!01", "!02"]}) == "speaker not 01 or 02"


def test_a_listing_is_narrowed_and_says_so() -> None:
    listing = Listing(tuple(UTTERANCES), notes=("a note",))
    female = selection_of(UTTERANCES, {"gender": "female"}).narrow(listing, "Toy")
    assert [item.id for item in female.utterances] == ["a", "c", "d"]
    assert (female.not_selected, female.notes) == (
        1,
        ("3 of 4 utterances selected (gender female)", "a note"),
    )
    both = selection_of(UTTERANCES, {"language": "de"}).narrow(female, "Toy")
    assert (len(both.utterances), both.not_selected) == (2, 2)
    with pytest.raises(UsageError, match=r"none of the 2 utterances of Toy .*language en"):
        selection_of(UTTERANCES, {"language": "en"}).narrow(both, "Toy")


words = st.text("abcABC é12-", max_size=3).map(str.strip)
fields = st.fixed_dictionaries(
    {name: st.none() | words.filter(bool) for name in ("speaker", "gender", "dialect", "session", "split")}
)
listings = st.lists(st.tuples(fields, st.dictionaries(st.sampled_from(["room", "mic"]), words)), min_size=1)


@st.composite
def selections(draw: st.DrawFn) -> tuple[list[Utterance], str, list[str | None]]:
    rows = draw(listings)
    items = [utterance(str(at), **own, extra=extra) for at, (own, extra) in enumerate(rows)]
    column = draw(st.sampled_from(sorted(columns_of(items))))
    values = sorted(columns_of(items)[column], key=str)
    return items, column, draw(st.lists(st.sampled_from(values), min_size=1, unique=True))


@given(selections())
def test_a_value_and_its_exclusion_part_the_corpus(
    case: tuple[list[Utterance], str, list[str | None]],
) -> None:
    items, column, values = case
    chosen, left_out = select(items, {column: values})
    assert [item for item in items if item in chosen] == chosen
    assert Counter(item.id for item in (*chosen, *left_out)) == Counter(item.id for item in items)
    # Exact values only: no other spelling, no synonym.
    assert {item.value(column) for item in chosen} == set(values)
    excluded = ["!unknown" if value is None else f"!{value}" for value in values]
    assert select(items, {column: excluded}) == (left_out, chosen)


@given(selections(), st.randoms())
def test_conditions_hold_together_in_any_order(
    case: tuple[list[Utterance], str, list[str | None]], random: object
) -> None:
    items, column, values = case
    where = {column: values, "language": "de"}
    chosen, _ = select(items, where)
    assert chosen == select(select(items, {"language": "de"})[0], {column: values})[0]
    assert chosen == select(items, dict(reversed(where.items())))[0]


def test_columns_in_which_nothing_is_known_are_left_out() -> None:
    bare = [replace(item, gender=None) for item in UTTERANCES]
    assert list(columns_of(bare)) == ["speaker", "dialect", "language", "corpus", "room"]
    assert set(COLUMNS) >= {"speaker", "session", "split"}
