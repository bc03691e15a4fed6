from dataclasses import replace

import pytest

from sercl.corpora.base import KEY, synthetic_notes
from tests.corpora.folds.samples import even

PEOPLE = even("a", 2)
SPOKEN = [replace(item, extra={KEY: "espeak-ng"}) for item in even("b", 1)]
SAYING = "are synthetic speech (espeak-ng): scores on them say nothing about the speech of people"


def test_what_nobody_has_spoken_is_said() -> None:
    assert synthetic_notes(SPOKEN) == (f"all utterances {SAYING}",)
    assert synthetic_notes([*PEOPLE, *SPOKEN]) == (f"4 of 12 utterances {SAYING}",)
    other = replace(SPOKEN[0], extra={KEY: "a vocoder"})
    assert "(a vocoder, espeak-ng)" in synthetic_notes([*SPOKEN, other])[0]


@pytest.mark.parametrize("value", ["", "no", "False", "0"])
def test_people_need_no_note(value: str) -> None:
    assert synthetic_notes(PEOPLE) == ()
    assert synthetic_notes([replace(item, extra={KEY: value}) for item in PEOPLE]) == ()
    assert synthetic_notes([]) == ()
