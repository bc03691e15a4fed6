from dataclasses import replace

import numpy as np
import pytest
import torch

from sercl.errors import UsageError
from sercl.studies.heads.adaptation import NOTES
from sercl.studies.heads.config import ProbeConfig
from sercl.studies.heads.frozen import train_frozen, views_of
from tests.studies.heads.frozen_samples import QUICK, SIZE, features, part, two_corpora, zero_shot

ROWS = two_corpora()
ADAPTED = [name for name in NOTES if name != "none"]


def test_trainings_that_see_the_same_share_a_view() -> None:
    second = replace(zero_shot(), train=part("B", 0), tests={}, start=0)
    adapted = [zero_shot("coral", seed=seed) for seed in (1, 2)]
    views = views_of(ROWS, [zero_shot(), zero_shot(seed=9), second, *adapted], ProbeConfig())
    assert views[0] == views[1] == views[2]
    assert views[0].reference == zero_shot().train
    assert views[3] == views[4] != views[0]
    (raw,) = views_of(ROWS, [zero_shot()], ProbeConfig(standardize=False))
    assert raw.reference == ()


def test_errors_name_the_training() -> None:
    lacking = replace(ROWS, speakers=(None, *ROWS.speakers[1:]))
    with pytest.raises(
        UsageError, match="frozen training 1, adaptation 'speaker': the speaker of 1 utterance"
    ):
        views_of(lacking, [zero_shot(), zero_shot("speaker")], ProbeConfig())


@pytest.mark.parametrize("name", ADAPTED)
@pytest.mark.parametrize("standardize", [True, False])
def test_an_adapted_training_tells_a_moved_target(name: str, standardize: bool) -> None:
    source, config = features(8.0, 3.0) / 20, replace(QUICK, standardize=standardize)
    plain, adapted = train_frozen(source, ROWS, [zero_shot(), zero_shot(name)], config)
    truth = np.array(ROWS.labels)[list(part("B", 4, 5))]
    accuracy = [(result.probabilities["B"].argmax(axis=1) == truth).mean() for result in (plain, adapted)]
    assert accuracy[0] < 0.75 < accuracy[1]
    assert adapted.notes == (NOTES[name],)
    assert plain.notes == ()


@pytest.mark.parametrize("name", ADAPTED)
def test_no_label_of_the_target_is_touched(name: str) -> None:
    labels = (*ROWS.labels[:SIZE], *np.random.default_rng(0).permutation(ROWS.labels[SIZE:]).tolist())
    one, other = (
        train_frozen(features(2.0), rows, [zero_shot(name)], QUICK)[0]
        for rows in (ROWS, replace(ROWS, labels=labels))
    )
    assert (one.layer, one.epoch, one.validation) == (other.layer, other.epoch, other.validation)
    np.testing.assert_array_equal(one.probabilities["B"], other.probabilities["B"])


@pytest.mark.parametrize("name", ADAPTED)
def test_what_is_heard_of_the_target_matters(name: str) -> None:
    source = features()
    source[list(part("B", 2))] *= 3
    few = replace(zero_shot(name), unlabelled=part("B", 0, 1))
    one, other = train_frozen(source, ROWS, [zero_shot(name), few], QUICK)
    same = np.allclose(one.probabilities["B"], other.probabilities["B"], atol=1e-6)
    assert same is (name == "speaker"), "other speakers are no reference of a speaker"


@pytest.mark.parametrize("name", ADAPTED)
def test_constant_features_give_no_nan(name: str) -> None:
    source = features()
    source[:, :, 0] = 0.3
    source[SIZE:, :, 1] = -4.4
    source[list(part("B", 5)), :, 2] = 9.9
    found = train_frozen(source, ROWS, [zero_shot(name)], replace(QUICK, max_epochs=2))[0]
    assert np.isfinite(found.probabilities["B"]).all()
    assert torch.isfinite(torch.tensor(found.validation))


@pytest.mark.parametrize("name", ADAPTED)
def test_few_shots_of_the_target_are_trained_together_with_the_source(name: str) -> None:
    shots = part("B", 0)[:3]
    training = replace(zero_shot(name), train=(*zero_shot().train, *shots * 16))
    found = train_frozen(features(6.0, 2.0), ROWS, [training], QUICK)[0]
    truth = np.array(ROWS.labels)[list(part("B", 4, 5))]
    assert (found.probabilities["B"].argmax(axis=1) == truth).mean() > 0.8
