from sercl.cli.listen.words import with_corpora


def test_one_corpus_stays_as_it_is():
    words = ["--data", "EmoDB", "--data.root", "x", "--out", "y"]
    assert with_corpora(words) == words
    assert with_corpora([]) == []


def test_several_are_joined_with_their_own_options():
    words = [
        "--data",
        "A",
        "--data.root",
        "x",
        "--seed",
        "3",
        "--data=B",
        "--data.root=y",
        "--data.labels",
        "6",
    ]
    assert with_corpora(words) == [
        *("--data", "Corpora", "--data.corpora+=A", "--data.corpora.root", "x", "--seed", "3"),
        *("--data.corpora+=B", "--data.corpora.root=y", "--data.labels", "6"),
    ]
