import pytest

from sercl.errors import UsageError
from sercl.listening.serving.rows import ratings
from sercl.listening.serving.store import verify
from sercl.listening.simulated import Audience, take_part
from sercl.testing.listening import fake_listening_test
from tests.listening.serving.conftest import written

GERMANS, OTHERS = Audience("de", 8), Audience("zh", 8)


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    """A German test of 32 items that 17 simulated listeners have answered, and its ratings."""
    folder = tmp_path_factory.mktemp("simulated")
    protocol = fake_listening_test(folder, 16, 2, 0.1)
    take_part(folder, folder / "answers", (GERMANS, OTHERS, Audience("fr", 1, is_careless=True)))
    verify(folder / "answers")
    return protocol, ratings(folder / "answers", protocol).frame


def test_everyone_answers_everything_and_finishes(answered):
    protocol, frame = answered
    assert len(frame) == 17 * len(protocol.items)
    assert frame.groupby("listener_native")["listener"].nunique().to_dict() == {"de": 8, "fr": 1, "zh": 8}
    assert frame["confidence"].between(0, 1).all()


def test_they_are_better_in_their_own_language_and_careless_ones_fast(answered):
    frame = answered[1]
    right = (frame["answer"] == frame["truth"]).groupby(frame["listener_native"]).mean()
    assert right["de"] > right["zh"] + 0.05
    assert right["zh"] > right["fr"] + 0.1
    assert (frame["seconds"] < 0.5).groupby(frame["listener_native"]).mean()["fr"] == 1


def test_wrong_answers_are_mostly_of_the_same_arousal(answered):
    frame = answered[1]
    wrong = frame[(frame["truth"] == "angry") & (frame["answer"] != "angry")]
    assert wrong["answer"].value_counts().idxmax() == "happy"


def test_the_same_seed_gives_the_same_answers(tmp_path):
    protocol = fake_listening_test(tmp_path, 4, 1, 0.1)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        take_part(tmp_path, tmp_path / name, (GERMANS,), seed)
    a, b, c = (ratings(tmp_path / name, protocol).frame["answer"].tolist() for name in "abc")
    assert a == b != c


def test_whoever_listens_passes_attention_checks(tmp_path):
    protocol = written(tmp_path / "test")
    take_part(tmp_path / "test", tmp_path / "answers", (Audience("de", 6, ability=-3.0),))
    frame = ratings(tmp_path / "answers", protocol).frame
    checks = frame[frame["kind"] == "attention"]
    assert (checks["answer"] == checks["truth"]).all()


def test_parts_cannot_be_marked_by_them(tmp_path):
    written(tmp_path / "test", marked=True)
    with pytest.raises(UsageError, match="only choose"):
        take_part(tmp_path / "test", tmp_path / "answers", (GERMANS,))
