from hypothesis import given
from hypothesis import strategies as st

from sercl.corpora.folds.draw import shuffled, whole_share

names = st.lists(st.text(max_size=4), unique=True, min_size=2, max_size=20)


@given(names, st.integers())
def test_leaving_one_name_out_keeps_the_order_of_the_others(items: list[str], seed: int) -> None:
    order = shuffled(items, seed)
    assert sorted(order) == sorted(items)
    assert shuffled(items[1:], seed) == [name for name in order if name != items[0]]


def test_the_order_is_the_same_on_every_machine() -> None:
    assert shuffled(["a", "b", "c", "d", "e"], 42) == EXPECTED


EXPECTED = ["a", "d", "c", "b", "e"]


def test_shares_are_rounded_up_but_not_by_rounding_errors() -> None:
    assert whole_share(0.15, 8) == 2
    assert whole_share(0.1, 30) == 3
    assert whole_share(0.07, 100) == 7
