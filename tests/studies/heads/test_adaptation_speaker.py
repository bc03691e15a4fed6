import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from sercl.studies.heads.adaptation import normalize_speakers, thin_speakers

# Corpora A and B both have a speaker "1".
CORPORA = (*"A" * 10, *"B" * 6)
SPEAKERS = (*"1" * 5, *"2" * 5, *"1" * 4, *"3" * 2)
TRAIN, TEST = (0, 1, 2, 5, 6, 7, 8, 9), (3, 4, 10, 11, 12, 13, 14, 15)


def features(seed: int = 0) -> torch.Tensor:
    return torch.randn(16, 3, generator=torch.Generator().manual_seed(seed)) * 4 + 7


@given(st.integers(0, 20))
def test_each_speaker_is_standardised_in_each_part(seed: int) -> None:
    made = normalize_speakers(features(seed), CORPORA, SPEAKERS, [TRAIN, TEST]).double()
    for own in ((0, 1, 2), (5, 6, 7, 8, 9), (10, 11, 12, 13)):
        known = features(seed)[list(own)].double()
        expected = (known - known.mean(0)) / known.std(0, correction=0)
        np.testing.assert_allclose(made[list(own)], expected, rtol=1e-5, atol=1e-5)


def test_a_speaker_with_too_few_utterances_is_standardised_by_the_corpus_in_the_part() -> None:
    made = normalize_speakers(features(), CORPORA, SPEAKERS, [TRAIN, TEST]).double()
    known = features()[10:].double()
    expected = (known - known.mean(0)) / known.std(0, correction=0)
    np.testing.assert_allclose(made[14:], expected[4:], rtol=1e-5, atol=1e-5)
    assert thin_speakers(CORPORA, SPEAKERS, [TRAIN, TEST]) == ["A 1", "B 3"]
    assert thin_speakers(CORPORA, SPEAKERS, [TRAIN]) == []


def test_another_part_makes_no_difference() -> None:
    moved = features()
    moved[list(TEST)] += 100
    one = normalize_speakers(features(), CORPORA, SPEAKERS, [TRAIN, TEST])
    other = normalize_speakers(moved, CORPORA, SPEAKERS, [TRAIN, TEST])
    torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_a_repeated_row_counts_once_and_a_lone_utterance_gives_no_nan() -> None:
    one = normalize_speakers(features(), CORPORA, SPEAKERS, [(*TRAIN, 0, 0), TEST])
    other = normalize_speakers(features(), CORPORA, SPEAKERS, [TRAIN, TEST])
    torch.testing.assert_close(one, other, rtol=0, atol=0)
    alone = normalize_speakers(features(), CORPORA, SPEAKERS, [(0,)])
    assert alone[0].tolist() == [0, 0, 0]
