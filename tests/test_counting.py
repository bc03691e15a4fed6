from sercl.counting import count


def test_a_number_with_its_noun() -> None:
    assert (count(1, "seed"), count(0, "seed"), count(2000, "pair")) == ("1 seed", "0 seeds", "2,000 pairs")
    assert (count(1, "corpus", "corpora"), count(3, "corpus", "corpora")) == ("1 corpus", "3 corpora")
