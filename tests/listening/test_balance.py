from collections import Counter
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sercl.listening.balance import (
    Candidate,
    counts,
    groups_of,
    most_even,
    most_even_sentences,
    select,
    spread,
)

CLASSES = ("angry", "happy", "sad")


def candidates(speakers, per_cell, classes=CLASSES):
    """Return candidates of speakers named f0, m1, ..., whose gender is the first letter."""
    return [
        Candidate(f"{label} {name} {take}", label, name, {"f": "female", "m": "male"}[name[0]], "de", None)
        for label, name, take in product(classes, speakers, range(per_cell))
    ]


def spans(values):
    return max(values) - min(values)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 14), st.integers(0, 20))
def test_with_enough_of_everything_the_choice_is_as_even_as_can_be(women, men, wanted, seed):
    names = [*(f"f{n}" for n in range(women)), *(f"m{n}" for n in range(men))]
    found = select(candidates(names, wanted), CLASSES, wanted, seed)
    assert Counter(item.label for item in found) == dict.fromkeys(CLASSES, wanted)
    genders = Counter((item.label, item.gender) for item in found)
    for label in CLASSES:
        assert abs(genders[label, "female"] - genders[label, "male"]) <= 1
    assert abs(sum(n for (_, name), n in genders.items() for n in [n if name == "male" else -n])) <= 1
    cells = Counter((item.label, item.speaker) for item in found)
    for own in ([name for name in names if name[0] == gender] for gender in "fm"):
        for label in CLASSES:
            assert spans([cells[label, name] for name in own]) <= 1
    totals = Counter(item.speaker for item in found)
    for gender in "fm":
        own = [totals[name] for name in names if name[0] == gender]
        # Genders may differ by one within a class, so that two speakers of one may differ by one.
        assert spans(own) <= 1


def cost(flows):
    """Return what the choice minimises, computed from its definition."""
    sums = {"eg": Counter(), "g": Counter(), "es": Counter(), "s": Counter()}
    for (label, gender, speaker), number in flows.items():
        sums["eg"][label, gender] += number
        sums["g"][gender] += number
        sums["es"][label, gender, speaker] += number
        sums["s"][gender, speaker] += number
    squares = {name: sum(number**2 for number in own.values()) for name, own in sums.items()}
    return tuple(squares[name] for name in ("eg", "g", "es", "s"))


def test_few_men_in_one_class_are_not_made_up_for_in_another():
    available = {
        ("angry", "f", "a"): 12,
        ("angry", "m", "b"): 12,
        **{(label, *who): n for label in ("happy", "sad") for who, n in ((("f", "a"), 12), (("m", "b"), 2))},
    }
    found = most_even(available, 12, 0)
    assert (found["angry", "f", "a"], found["angry", "m", "b"]) == (6, 6)
    assert (found["happy", "f", "a"], found["happy", "m", "b"]) == (10, 2)


CELLS = [(label, *who) for label in ("angry", "sad") for who in (("f", "a"), ("f", "b"), ("m", "c"))]


@settings(max_examples=60)
@given(st.lists(st.integers(0, 3), min_size=6, max_size=6), st.integers(1, 4), st.integers(0, 5))
def test_no_choice_is_more_even_with_few_candidates(numbers, wanted, seed):
    available = dict(zip(CELLS, numbers, strict=True))
    found = most_even(available, wanted, seed)
    full = {
        label: min(wanted, sum(n for cell, n in available.items() if cell[0] == label))
        for label in ("angry", "sad")
    }
    assert all(found[cell] <= available[cell] for cell in found)
    best = min(
        cost(dict(zip(CELLS, choice, strict=True)))
        for choice in product(*(range(number + 1) for number in numbers))
        if all(sum(choice[first : first + 3]) == full[label] for first, label in ((0, "angry"), (3, "sad")))
    )
    assert {label: sum(n for cell, n in found.items() if cell[0] == label) for label in full} == full
    assert cost(found) == best


def test_the_order_of_candidates_does_not_matter_and_the_seed_does():
    own = candidates(["f0", "f1", "m0"], 5)
    first = select(own, CLASSES, 4, 1)
    assert select(own[::-1], CLASSES, 4, 1) == first
    assert any(select(own, CLASSES, 4, seed) != first for seed in range(2, 6))


def test_what_is_unknown_is_a_gender_and_a_speaker_of_its_own():
    own = [*candidates(["f0"], 3, ["sad"]), Candidate("x", "sad", None, None, "de", None)]
    found = select(own, ["sad"], 2, 0)
    assert counts(found, "gender") == {"sad": {"female": 1, "unknown": 1}}
    assert counts(found, "speaker") == {"sad": {"f0": 1, "unknown": 1}}


def test_fewer_than_wanted_are_all_taken():
    own = candidates(["f0", "m0"], 1)
    assert len(select(own, CLASSES, 12, 0)) == len(own)
    assert select([], CLASSES, 12, 0) == []


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 9, 50])
def test_a_few_are_taken_from_the_classes_in_turn(count):
    found = spread(candidates(["f0", "m0"], 3), CLASSES, count, 0)
    assert len(found) == min(count, 18)
    numbers = [Counter(item.label for item in found)[name] for name in CLASSES]
    assert spans(numbers) <= 1
    assert len({item.id for item in found}) == len(found)


def test_languages_and_dialects_are_groups_and_standard_speech_is_first():
    own = [
        Candidate(str(number), "sad", "x", None, language, dialect)
        for number, (language, dialect) in enumerate([("zh", "tianjin"), ("de", None), ("zh", None)])
    ]
    assert list(groups_of(own)) == [("de", None), ("zh", None), ("zh", "tianjin")]


SPOKEN = [(cell, sentence) for cell in CELLS[::2] for sentence in "xyz"]


def sentence_cost(flows):
    """Return what the choice of sentences minimises, computed from its definition."""
    within, whole = Counter(), Counter()
    for (cell, sentence), number in flows.items():
        within[cell[0], sentence] += number
        whole[sentence] += number
    return sum(number**2 for own in (within, whole) for number in own.values())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=9, max_size=9), st.integers(1, 3), st.integers(0, 5))
def test_no_choice_of_sentences_is_more_even_with_the_same_speakers(numbers, wanted, seed):
    available = dict(zip(SPOKEN, numbers, strict=True))
    there = Counter()
    for (cell, _), number in available.items():
        there[cell] += number
    full = {cell: min(wanted, number) for cell, number in there.items()}
    found = most_even_sentences(available, full, seed)
    assert all(found[spoken] <= available[spoken] for spoken in found)
    per_cell = [
        [
            own
            for own in product(*(range(available[cell, name] + 1) for name in "xyz"))
            if sum(own) == full[cell]
        ]
        for cell in full
    ]
    best = min(
        sentence_cost(dict(zip(SPOKEN, (number for own in choice for number in own), strict=True)))
        for choice in product(*per_cell)
    )
    assert {cell: sum(n for own, n in found.items() if own[0] == cell) for cell in full} == full
    assert sentence_cost(found) == best


@given(st.integers(1, 6), st.integers(0, 9))
def test_sentences_are_even_where_everybody_says_each_of_them(wanted, seed):
    own = [
        replace(item, id=f"{item.id} {sentence}", sentence=sentence)
        for item in candidates(["f0", "f1", "m0", "m1"], 1)
        for sentence in "uvwxyz"
    ]
    found = select(own, CLASSES, wanted, seed)
    assert set(Counter(item.label for item in found).values()) == {wanted}
    totals = Counter(item.sentence for item in found)
    assert spans([totals[sentence] for sentence in "uvwxyz"]) <= 1
    assert max(Counter((item.label, item.sentence) for item in found).values()) == 1


def test_genders_and_speakers_come_before_sentences():
    own = [
        Candidate(f"{name}{sentence}", "sad", name, "female", "de", None, sentence)
        for name, sentence in (("a", "x"), ("b", "x"), ("a", "y"), ("a", "z"))
    ]
    assert counts(select(own, ["sad"], 2, 0), "speaker") == {"sad": {"a": 1, "b": 1}}
    assert counts(select(own, ["sad"], 2, 0), "sentence")["sad"]["x"] == 1
