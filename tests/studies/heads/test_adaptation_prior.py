from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sercl.studies.heads.adaptation import reweighted, uniform_weights
from sercl.studies.heads.config import ProbeConfig
from sercl.studies.heads.frozen import train_frozen
from tests.studies.heads.frozen_samples import QUICK, features, part, two_corpora, zero_shot

ROWS = two_corpora()


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 6), st.integers(1, 40), st.floats(0.1, 4), st.integers(0, 2**16))
def test_all_classes_are_predicted_equally_often(classes: int, rows: int, spread: float, seed: int) -> None:
    draw = np.random.default_rng(seed)
    logits = draw.normal(scale=spread, size=(rows, classes)) + draw.normal(scale=2, size=classes)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    weights = uniform_weights(probabilities)
    found = reweighted(probabilities, weights)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_allclose(found.mean(axis=0), 1 / classes, atol=1e-6)
    # The probabilities that any priors would have given lead to the same result.
    other = reweighted(probabilities, draw.uniform(0.1, 10, classes))
    np.testing.assert_allclose(reweighted(other, uniform_weights(other)), found, atol=1e-5)


def test_a_classifier_that_prefers_a_class_is_mended() -> None:
    moved = features(shift=1.2)  # towards class 0
    config = ProbeConfig(head="linear", c=(0.1,), seeds=(0,), max_epochs=500)
    plain, mended = train_frozen(moved, ROWS, [zero_shot(), zero_shot("prior")], config)
    truth = np.array(ROWS.labels)[list(part("B", 4, 5))]
    hits = [(own.probabilities["B"].argmax(axis=1) == truth).mean() for own in (plain, mended)]
    assert hits[1] > hits[0] + 0.1
    assert (plain.layer, plain.c, plain.validation) == (mended.layer, mended.c, mended.validation)


def test_weights_are_those_of_the_unlabelled_rows() -> None:
    training = zero_shot("prior")
    whole = {"unlabelled": training.unlabelled, "B": part("B", 4, 5)}
    trainings = [replace(zero_shot(), tests=whole), replace(training, tests={"B": whole["B"]})]
    plain, adapted = train_frozen(features(2.0), ROWS, trainings, QUICK)
    weights = uniform_weights(plain.probabilities["unlabelled"])
    expected = reweighted(plain.probabilities["B"], weights)
    np.testing.assert_allclose(adapted.probabilities["B"], expected, atol=1e-6)
