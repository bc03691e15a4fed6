from dataclasses import replace

import numpy as np
import pytest
import torch

from sercl.errors import FeatureError, UsageError
from sercl.models.heads import build_head
from sercl.models.standardize import normed_vectors
from sercl.studies.heads import jobs
from sercl.studies.heads.adaptation import FrozenResult, FrozenRows, FrozenTraining
from sercl.studies.heads.config import PRESETS, ProbeConfig
from sercl.studies.heads.frozen import epochs_of, fit_regressions, train_frozen
from sercl.studies.heads.running import initial_head
from sercl.studies.layer_probe.folds import probe_study
from sercl.studies.layer_probe.task import ProbeTask
from tests.studies.heads.frozen_samples import (
    QUICK,
    SIZE,
    STATES,
    TELLING,
    features,
    part,
    two_corpora,
    zero_shot,
)
from tests.studies.heads.reference import train_alone
from tests.studies.heads.samples import features_for, toy_task

ROWS = two_corpora()
SECOND = replace(
    zero_shot(), train=part("B", 0, 1, 2), validation=part("B", 3), tests={"B": part("B", 4, 5)}, start=0
)


def rows_of(task: ProbeTask) -> FrozenRows:
    return FrozenRows(task.ids, task.labels, ("toy",) * len(task.ids), task.speakers, task.classes)


def uar(probabilities: np.ndarray, rows: tuple[int, ...], labels: tuple[int, ...]) -> float:
    truth, predicted = np.array(labels)[list(rows)], probabilities.argmax(axis=1)
    return float(np.mean([(predicted[truth == name] == name).mean() for name in set(truth.tolist())]))


@pytest.mark.parametrize("select", ["loss", "accuracy"])
def test_a_plain_training_is_a_fold_of_the_layer_probe(select: str) -> None:
    task, config = toy_task(), replace(QUICK, select=select)
    source = features_for(task)
    trainings = [
        FrozenTraining(fold.train, fold.validation, {"own": fold.test}, seed)
        for seed in (5, 6)
        for fold in task.folds
    ]
    found = train_frozen(source, rows_of(task), trainings, config)
    for index, (seed, fold) in enumerate((seed, fold) for seed in (5, 6) for fold in task.folds):
        alone = probe_study(
            source,
            replace(task, folds=(fold,)),
            replace(config, seeds=(seed,)),
            control=False,
            weighted=False,
        )
        result = found[index]
        run = next(run for run in alone.runs if run.layer == result.layer)
        assert (result.layer,) == alone.chosen.layers
        assert (result.epoch + 1, result.epochs, result.early_stopped) == (
            run.best_epoch,
            run.epochs,
            not run.at_limit,
        )
        assert result.validation == pytest.approx(getattr(run, f"validation_{select}"), abs=1e-5)
        own = result.probabilities["own"]
        assert own.sum(axis=1) == pytest.approx(np.ones(len(own)))
        assert uar(own, fold.test, task.labels) == pytest.approx(alone.chosen.uar.value)


def test_each_test_gets_its_rows_in_their_order() -> None:
    turned = part("B", 5, 4)[::-1]
    training = replace(zero_shot(), tests={"B": turned, "A": part("A", 5), "again": turned[3:7]})
    (found,) = train_frozen(features(), ROWS, [training], QUICK)
    (plain,) = train_frozen(features(), ROWS, [zero_shot()], QUICK)
    assert list(found.probabilities) == ["B", "A", "again"]
    np.testing.assert_allclose(found.probabilities["A"], plain.probabilities["A"], atol=1e-5)
    by_row = dict(zip(zero_shot().tests["B"], plain.probabilities["B"], strict=True))
    np.testing.assert_allclose(found.probabilities["B"], [by_row[row] for row in turned], atol=1e-5)
    np.testing.assert_allclose(found.probabilities["again"], found.probabilities["B"][3:7], atol=1e-12)
    assert uar(plain.probabilities["A"], part("A", 5), ROWS.labels) > 0.9


def test_repeated_rows_are_trained_as_copies_of_them_would_be() -> None:
    shots = part("B", 0)[:3]
    repeated = replace(zero_shot(), train=zero_shot().train + shots * 4)
    source = features(1.5)
    copies = torch.cat([source, *[source[list(shots)]] * 3])
    more = len(ROWS.ids)
    longer = FrozenRows(
        *(values + tuple(values[row] for row in shots) * 3 for values in (ROWS.ids, ROWS.labels)),
        *(values + tuple(values[row] for row in shots) * 3 for values in (ROWS.corpora, ROWS.speakers)),
        classes=ROWS.classes,
    )
    spelled = replace(zero_shot(), train=(*zero_shot().train, *shots, *range(more, more + 9)))
    once = replace(zero_shot(), train=zero_shot().train + shots)
    short = replace(QUICK, max_epochs=2)
    one, lighter = train_frozen(source, ROWS, [repeated, once], short)
    (other,) = train_frozen(copies, longer, [spelled], short)
    np.testing.assert_allclose(one.probabilities["B"], other.probabilities["B"], atol=1e-5)
    assert np.abs(one.probabilities["B"] - lighter.probabilities["B"]).max() > 0.01


def test_the_layer_is_chosen_by_validation_alone() -> None:
    source, training = features(), zero_shot()
    tested = list(part("A", 5))
    source[tested, 0], source[tested, TELLING] = source[tested, TELLING], source[tested, 0]
    (found,) = train_frozen(source, ROWS, [training], QUICK)
    assert found.layer == TELLING
    assert uar(found.probabilities["A"], part("A", 5), ROWS.labels) < 0.7
    (kept,) = train_frozen(source, ROWS, [training], QUICK, layers=[0, 2])
    assert kept.layer in (0, 2)


def test_labels_of_tests_change_nothing() -> None:
    labels = np.array(ROWS.labels)
    labels[SIZE:] = labels[SIZE:][::-1].copy()
    (one,) = train_frozen(features(2.0), ROWS, [zero_shot()], QUICK)
    (other,) = train_frozen(features(2.0), replace(ROWS, labels=tuple(labels.tolist())), [zero_shot()], QUICK)
    assert replace(one, seconds=0, probabilities={}) == replace(other, seconds=0, probabilities={})
    np.testing.assert_array_equal(one.probabilities["B"], other.probabilities["B"])


def test_other_trainings_of_the_call_and_their_order_change_nothing() -> None:
    many = [
        zero_shot(seed=7),
        zero_shot(),
        replace(zero_shot(), train=part("A", 0, 1)),
        replace(SECOND, start=1),
    ]
    together = train_frozen(features(), ROWS, many, QUICK)
    alone = [
        *train_frozen(features(), ROWS, many[2:3], QUICK),
        *train_frozen(features(), ROWS, [zero_shot(), SECOND], QUICK),
    ]
    for one, other in zip([together[2], together[1], together[3]], alone, strict=True):
        assert (one.layer, one.epoch, one.epochs) == (other.layer, other.epoch, other.epochs)
        np.testing.assert_allclose(one.probabilities["B"], other.probabilities["B"], atol=1e-4)


@pytest.mark.parametrize("standardize", [True, False])
def test_a_second_stage_goes_on_from_the_head_of_the_first(standardize: bool) -> None:
    config = replace(QUICK, standardize=standardize, lr=3e-3)
    source = features(1.0) / 20
    _, found = train_frozen(source, ROWS, [zero_shot(), SECOND], config)
    labels = torch.tensor(ROWS.labels)
    known = source[list(zero_shot().train)].double()
    if standardize:
        source = ((source - known.mean(0)) / known.std(0, correction=0)).float()
    plain = replace(config, standardize=False)
    best = None
    for layer in range(STATES):
        own = source[:, layer]
        first = train_alone(own, labels, stage(zero_shot()), plain, 3, 5)
        second = train_alone(own, labels, stage(SECOND), plain, 3, 5, start=first.state)
        if best is None or second.validation_loss < best.validation_loss:
            best, chosen = second, layer
    assert best is not None
    assert (found.layer, found.epoch, found.epochs) == (chosen, best.best_epoch, best.epochs)
    assert found.validation == pytest.approx(best.validation_loss, abs=1e-4)
    assert found.probabilities["B"].argmax(axis=1).tolist() == best.predicted.tolist()


def test_the_second_stage_learns() -> None:
    # In the study's own second stage nothing was learned. Here corpus B has other names for the same classes.
    labels = (*ROWS.labels[:SIZE], *((label + 1) % 3 for label in ROWS.labels[SIZE:]))
    first, second = train_frozen(features(), replace(ROWS, labels=labels), [zero_shot(), SECOND], QUICK)
    assert uar(first.probabilities["B"], part("B", 4, 5), labels) < 0.2
    assert uar(second.probabilities["B"], part("B", 4, 5), labels) > 0.8


def test_a_first_stage_needs_no_test() -> None:
    first, second = train_frozen(features(), ROWS, [replace(zero_shot(), tests={}), SECOND], QUICK)
    assert first.probabilities == {}
    assert list(second.probabilities) == ["B"]


def test_epochs_and_time_are_reported() -> None:
    reports: list[int] = []
    trainings = [zero_shot(), SECOND]
    found = train_frozen(features(), ROWS, trainings, QUICK, on_epochs=reports.append)
    assert sum(reports) == epochs_of(trainings, QUICK, STATES)
    assert all(result.seconds > 0 for result in found)


@pytest.mark.parametrize("workers", [1, 2])
def test_results_are_reported_while_others_are_being_trained(
    workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "STACK_BYTES", 0)  # every head alone
    monkeypatch.setattr(torch, "get_num_threads", lambda: workers)
    reports: dict[int, FrozenResult] = {}

    def stop_at_the_second(position: int, result: FrozenResult) -> None:
        if len(reports) == 2:
            raise OSError("no space left")
        reports[position] = result

    many = [zero_shot(), zero_shot(seed=7), SECOND, zero_shot(seed=8)]
    with pytest.raises(OSError, match="no space left"):
        train_frozen(features(), ROWS, many, QUICK, on_result=stop_at_the_second)
    assert len(reports) == 2
    every: dict[int, FrozenResult] = {}
    found = train_frozen(features(), ROWS, many, QUICK, on_result=every.__setitem__)
    assert sorted(every) == [0, 1, 2, 3]
    assert list(every)[-1] == 2, "a second stage comes after the first"
    for position, result in every.items():
        assert result is found[position]
    for position, result in reports.items():
        np.testing.assert_allclose(result.probabilities["B"], found[position].probabilities["B"], atol=1e-4)


def test_the_process_keeps_its_random_numbers() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    train_frozen(features(), ROWS, [zero_shot(), SECOND], replace(QUICK, max_epochs=1))
    torch.testing.assert_close(torch.rand(2), expected)
    assert initial_head(ProbeConfig(), 4, 3, 0) is not None


def test_nothing_to_train_gives_nothing() -> None:
    assert train_frozen(features(), ROWS, [], QUICK) == []


def test_features_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(UsageError, match="for 144 utterances"):
        train_frozen(features()[1:], ROWS, [zero_shot()], QUICK)
    with pytest.raises(UsageError, match="probe layers 3: valid: hidden states from 0 to 2"):
        train_frozen(features(), ROWS, [zero_shot()], QUICK, layers=[3])
    broken = features()
    broken[9, 2, 0] = float("nan")
    with pytest.raises(FeatureError, match="hidden state 2 of utterance 'u9'"):
        train_frozen(broken, ROWS, [zero_shot()], QUICK)


def stage(training: FrozenTraining):
    from sercl.studies.heads.parts import Parts

    return Parts(training.train, training.validation, training.tests["B"])


def misleading() -> torch.Tensor:
    """Features whose state 2 shows the class of the one validation speaker clearly, of the others hardly."""
    training, made = zero_shot(), features()
    codes = torch.randn(3, made.shape[2], generator=torch.Generator().manual_seed(0))
    for rows, strength in ((training.train, 3.0), (training.validation, 100.0)):
        made[list(rows), 2] += strength * codes[[ROWS.labels[row] for row in rows]]
    return made


def test_the_layer_is_chosen_on_held_out_training_speakers_too() -> None:
    made, training = misleading(), zero_shot()
    (alone,) = train_frozen(made, ROWS, [training], replace(PRESETS["logistic"], inner_folds=0))
    (both,) = train_frozen(made, ROWS, [training], PRESETS["logistic"])
    assert (alone.layer, both.layer) == (2, TELLING)
    assert fit_regressions(made, ROWS, training.train, training.validation).best == TELLING
    assert fit_regressions(made, ROWS, part("A", 0), training.validation).best is None


@pytest.mark.parametrize("norm", [True, False])
def test_regressions_are_those_of_a_study(norm) -> None:
    made, training = misleading(), zero_shot()
    config = replace(PRESETS["logistic"], layer_norm=norm)
    (studied,) = train_frozen(made, ROWS, [training], config)
    found = fit_regressions(made, ROWS, training.train, training.validation, config)
    head = build_head("linear", made.shape[2], len(ROWS.classes))
    head.load_state_dict(found.heads[studied.layer])
    vectors = normed_vectors(made[:, studied.layer]) if norm else made[:, studied.layer]
    mean, deviation = (getattr(vectors[list(training.train)], name)(dim=0) for name in ("mean", "std"))
    deviation *= ((len(training.train) - 1) / len(training.train)) ** 0.5
    tested = ((vectors - mean) / deviation)[list(training.tests["B"])]
    expected = torch.tensor(studied.probabilities["B"]).float()
    torch.testing.assert_close(head(tested).softmax(dim=-1), expected, atol=1e-4, rtol=1e-4)


def test_without_anybody_to_predict_the_penalty_is_the_strongest() -> None:
    made, one = features(), part("A", 0)
    found = fit_regressions(made, ROWS, one, ())
    strongest = fit_regressions(made, ROWS, one, (), replace(PRESETS["logistic"], c=(0.003,)))
    assert found.best is None
    for own, other in zip(found.heads, strongest.heads, strict=True):
        torch.testing.assert_close(own["1.weight"], other["1.weight"])
    assert found.heads[0]["1.weight"].abs().sum() > 0


def test_no_layer_is_chosen_on_broken_features() -> None:
    with pytest.raises(FeatureError, match="NaN"):
        fit_regressions(features() * torch.nan, ROWS, zero_shot().train, zero_shot().validation)
