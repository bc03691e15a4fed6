import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score
from sklearn.metrics.cluster import contingency_matrix, expected_mutual_information

from sercl.studies.corpus_inspection import MIN_SCORE, Confound, find_confounds, score_attribute


def _scores(emotions: list[str], values: list[str | None]) -> dict[str, Confound]:
    return {item.emotion: item for item in score_attribute("text", emotions, values)}


@pytest.mark.parametrize("seed", range(3))
def test_the_score_is_adjusted_mutual_information(seed: int) -> None:
    generator = np.random.default_rng(seed)
    speakers = generator.integers(0, 8, 400)
    emotions = np.where(generator.random(400) < 0.5, speakers % 3, generator.integers(0, 3, 400))
    ours = _scores([f"e{code}" for code in emotions], [str(code) for code in speakers])
    for code in range(3):
        one = emotions == code
        expected = expected_mutual_information(contingency_matrix(speakers, one, sparse=True), 400)
        reference = (mutual_info_score(speakers, one) - expected) / (mutual_info_score(one, one) - expected)
        assert ours[f"e{code}"].score == pytest.approx(reference, abs=0.01)


def test_sentences_of_its_own_give_neutral_away_and_nothing_else() -> None:
    # PAVOQUE: four styles speak the same sentences, neutral speaks others.
    styles = ["angry", "happy", "sad", "poker"]
    emotions = [style for style in styles for _ in range(50)] + ["neutral"] * 200
    texts: list[str | None] = [f"shared {i}" for _ in styles for i in range(50)]
    texts += [f"own {i}" for i in range(200)]
    found = find_confounds(emotions, {"text": texts})
    assert [(item.attribute, item.emotion) for item in found] == [("text", "neutral")]
    assert found[0].score == pytest.approx(1)
    assert (found[0].exclusive, found[0].utterances) == (1, 200)


def test_sentences_that_occur_once_are_no_evidence() -> None:
    emotions = ["angry", "sad"] * 50
    assert find_confounds(emotions, {"text": [f"sentence {i}" for i in range(100)]}) == ()


def test_a_speaker_who_has_one_emotion_only_is_found() -> None:
    emotions = ["angry"] * 40 + ["sad"] * 40
    speakers: list[str | None] = ["a", "b"] * 20 + ["c", "d"] * 20
    assert {item.emotion for item in find_confounds(emotions, {"speaker": speakers})} == {"angry", "sad"}


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_independent_attributes_are_not_reported(seed: int) -> None:
    generator = np.random.default_rng(seed)
    emotions = [str(code) for code in generator.integers(0, 4, 300)]
    values: list[str | None] = [str(code) for code in generator.integers(0, 10, 300)]
    assert all(abs(item.score) < MIN_SCORE for item in score_attribute("x", emotions, values))


def test_utterances_of_unknown_value_are_left_out() -> None:
    emotions = ["angry"] * 30 + ["sad"] * 30
    values = ["a", "b", None] * 20
    assert _scores(emotions, values)["angry"].utterances == 20


@pytest.mark.parametrize("values", [["a"] * 4, [None] * 4, ["a", "b", None, None]])
def test_one_value_or_one_emotion_says_nothing(values: list[str | None]) -> None:
    assert score_attribute("x", ["angry", "angry", "sad", "sad"], values) == []
