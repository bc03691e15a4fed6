import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from sercl.studies.heads.config import PRESETS, ProbeConfig
from sercl.studies.heads.jobs import WEIGHTED, Job
from sercl.studies.heads.logistic import principal_components
from sercl.studies.heads.parts import Parts
from sercl.studies.heads.running import ProbeData, train_probes
from sercl.studies.heads.training import Keep

CPU = torch.device("cpu")


def data(sizes=(60, 43), states=3, dim=8, views=None):
    """Folds of different sizes over separable classes of different frequency."""
    draw = torch.Generator().manual_seed(3)
    rows = 120
    labels = torch.multinomial(torch.tensor([0.6, 0.3, 0.1]), rows, replacement=True, generator=draw)
    features = torch.randn(rows, states, dim, generator=draw)
    features[:, 1, :3] += 1.5 * torch.nn.functional.one_hot(labels, 3)
    folds = [Parts(tuple(range(size)), tuple(range(80, 100)), tuple(range(100, 120))) for size in sizes]
    return ProbeData(features, labels, 3, folds, views or {})


def fit(config, jobs, own=None, **options):
    keep = Keep(logits=True, heads=set(jobs))
    return train_probes(own or data(), jobs, config, CPU, keep=keep, **options)


def logistic(**options):
    return ProbeConfig(**{"head": "linear", "seeds": (0,), "max_epochs": 500, "c": (0.1,), **options})


# scikit-learn minimises the same function: C times the sum of the weighted losses plus half the squared norm.
@pytest.mark.parametrize("class_weights", ["none", "balanced"])
@pytest.mark.parametrize("c", [0.001, 0.1, 10.0])
def test_coefficients_are_those_of_scikit_learn(class_weights, c):
    own, jobs = data(), [Job(0, 1, 0), Job(1, 1, 0), Job(1, 2, 0)]
    for outcome in fit(logistic(c=(c,), class_weights=class_weights), jobs, own):
        fold = own.folds[outcome.job.fold]
        states = own.features[:, outcome.job.layer].double().numpy()
        train = states[list(fold.train)]
        scaled = (states - train.mean(axis=0)) / train.std(axis=0)
        theirs = LogisticRegression(
            C=c, tol=1e-8, max_iter=5000, class_weight="balanced" if class_weights == "balanced" else None
        )
        theirs.fit(scaled[list(fold.train)], own.labels[list(fold.train)])
        assert outcome.c == c
        assert not outcome.at_limit
        np.testing.assert_allclose(outcome.head["1.weight"], theirs.coef_, atol=2e-3)
        np.testing.assert_allclose(
            outcome.logits.softmax(dim=-1), theirs.predict_proba(scaled[list(fold.test)]), atol=1e-3
        )


def test_c_is_chosen_on_validation_and_the_strongest_penalty_wins_ties():
    jobs = [Job(0, 1, 0)]
    grid = (10.0, 0.001, 0.1)
    (chosen,) = fit(logistic(c=grid), jobs)
    alone = {c: fit(logistic(c=(c,)), jobs)[0] for c in grid}
    assert chosen.c == min(grid, key=lambda c: alone[c].validation_loss)
    torch.testing.assert_close(chosen.head["1.weight"], alone[chosen.c].head["1.weight"], atol=2e-3, rtol=0)
    (tied,) = fit(logistic(c=(1e-9, 1e-8), select="accuracy"), jobs)
    assert tied.c == 1e-9


def test_the_second_of_two_stages_is_drawn_to_the_weights_of_the_first():
    first, second = Job(0, 1, 0), Job(1, 1, 0)
    (start,) = fit(logistic(), [first])
    head = torch.nn.Sequential(torch.nn.Dropout(0.0), torch.nn.Linear(8, 3))
    head.load_state_dict(start.head)
    (tight,) = fit(logistic(c=(1e-8,)), [second], start={second: head})
    torch.testing.assert_close(tight.head["1.weight"], start.head["1.weight"], atol=1e-4, rtol=0)
    (loose,) = fit(logistic(c=(0.1,)), [second], start={second: head})
    assert (loose.head["1.weight"] - start.head["1.weight"]).abs().max() > 1e-3


def test_stacked_regressions_are_those_that_are_fitted_alone():
    jobs = [Job(fold, layer, 0) for fold in (0, 1) for layer in (0, 1, 2)]
    config = logistic(c=(0.01, 0.1), class_weights="balanced")
    for outcome in fit(config, jobs):
        (alone,) = fit(config, [outcome.job])
        assert alone.c == outcome.c
        torch.testing.assert_close(alone.logits, outcome.logits, atol=2e-3, rtol=0)


def test_a_weighted_sum_prefers_the_state_that_tells_classes_apart():
    (outcome,) = fit(logistic(c=(10.0,)), [Job(0, WEIGHTED, 0)])
    assert sum(outcome.layer_weights) == pytest.approx(1)
    assert max(outcome.layer_weights) == outcome.layer_weights[1]


def test_a_limit_of_steps_is_reported():
    (outcome,) = fit(logistic(max_epochs=2), [Job(0, 1, 0)])
    assert outcome.at_limit
    assert outcome.epochs == 2


def test_a_seed_changes_nothing():
    one, two = (fit(PRESETS["logistic"], [Job(0, 1, seed)])[0] for seed in (0, 1))
    assert torch.equal(one.logits, two.logits)


def people(rows=120, speakers=8):
    """A speaker for each of the first 80 rows in turn, all of one corpus, and others for the rest."""
    return tuple(("A", f"s{row % speakers}" if row < 80 else f"t{row}") for row in range(rows))


def held_out_by_hand(own, job, config, c):
    """Fit with one C without each group, with the public means, and evaluate all that was held out."""
    fold = own.folds[job.fold]
    groups = [tuple(row for row in fold.train if int(own.people[row][1][1:]) % 3 == n) for n in range(3)]
    losses, hits = [], []
    for held in groups:
        rest = tuple(row for row in fold.train if row not in held)
        inner = ProbeData(own.features, own.labels, 3, [Parts(rest, fold.validation, held)])
        (outcome,) = fit(logistic(c=(c,), class_weights=config.class_weights), [Job(0, job.layer, 0)], inner)
        truth = own.labels[list(held)]
        losses.append(torch.nn.functional.cross_entropy(outcome.logits.double(), truth, reduction="none"))
        hits.append(outcome.predicted == truth)
    return torch.cat(losses), torch.cat(hits)


def test_held_out_speakers_count_as_validation():
    own = data()
    own = ProbeData(own.features, own.labels, 3, own.folds, people=people())
    config = logistic(c=(0.003, 0.1, 3.0), inner_folds=3, class_weights="balanced")
    for job in (Job(0, 1, 0), Job(1, 2, 0)):
        (outcome,) = fit(config, [job], own)
        by_c = {}
        for c in config.c:
            (alone,) = fit(logistic(c=(c,), class_weights="balanced"), [job], own)
            losses, hits = held_out_by_hand(own, job, config, c)
            loss = (20 * alone.validation_loss + losses.sum()) / (20 + len(losses))
            by_c[c] = float(loss), (20 * alone.validation_accuracy + hits.sum()) / (20 + len(hits)), alone
        best = min(by_c, key=lambda c: by_c[c][0])
        loss, accuracy, alone = by_c[best]
        assert outcome.c == best
        assert outcome.validation_loss == pytest.approx(loss, abs=1e-3)
        assert outcome.validation_accuracy == pytest.approx(float(accuracy))
        # What is used is the regression on the whole training part.
        torch.testing.assert_close(outcome.logits, alone.logits, atol=2e-3, rtol=0)


def test_held_out_regressions_continue_from_the_first_stage_too():
    own, job = data(), Job(0, 1, 0)
    own = ProbeData(own.features, own.labels, 3, own.folds, people=people())
    (first,) = fit(logistic(c=(10.0,)), [job], own)
    head = torch.nn.Sequential(torch.nn.Dropout(0.0), torch.nn.Linear(8, 3))
    head.load_state_dict(first.head)
    config = logistic(c=(1e-8,), inner_folds=3)
    (continued,) = fit(config, [job], own, start={job: head})
    (anew,) = fit(config, [job], own)
    assert continued.validation_loss < anew.validation_loss - 0.1


def test_progress_is_complete_whatever_can_be_held_out():
    own, jobs = data(), [Job(0, 1, 0), Job(1, 1, 0)]
    config = logistic(c=(0.01, 0.1), inner_folds=3)
    for known in ((), people(), tuple(("A", "one") for _ in range(120))):
        steps = []
        fit(
            config,
            jobs,
            ProbeData(own.features, own.labels, 3, own.folds, people=known),
            on_epochs=steps.append,
        )
        assert sum(steps) == len(jobs) * config.rounds


@pytest.mark.parametrize("shape", [(3, 20, 6), (3, 6, 20)])
def test_principal_components_are_those_of_a_singular_value_decomposition(shape):
    rows = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rows[1, :, 3] = rows[1, :, 2]  # of lower rank
    rows[2, -2:] = 0  # padding
    basis, variances = principal_components(rows)
    assert basis.shape == (3, shape[2], min(shape[1:]))
    for own, directions, sums in zip(rows, basis, variances, strict=True):
        values = torch.linalg.svdvals(own).square()
        torch.testing.assert_close(sums.sort(descending=True).values, values, atol=1e-9, rtol=0)
        used = directions[:, sums > 0]
        torch.testing.assert_close(used.T @ used, torch.eye(used.shape[1], dtype=torch.float64))
        torch.testing.assert_close(own @ used @ used.T, own)
        assert not directions[:, sums == 0].any()


def test_more_dimensions_than_utterances_give_the_coefficients_of_scikit_learn_too():
    draw = torch.Generator().manual_seed(4)
    features = torch.randn(60, 1, 90, generator=draw)
    features[:, 0, 5] = 1.0  # a constant one
    labels = torch.arange(60) % 3
    parts = Parts(tuple(range(40)), tuple(range(40, 50)), tuple(range(50, 60)))
    own = ProbeData(features, labels, 3, [parts])
    (outcome,) = fit(logistic(c=(0.05,), standardize=False), [Job(0, 0, 0)], own)
    theirs = LogisticRegression(C=0.05, tol=1e-8, max_iter=5000)
    theirs.fit(features[:40, 0].double().numpy(), labels[:40])
    np.testing.assert_allclose(outcome.head["1.weight"], theirs.coef_, atol=1e-3)
    assert not outcome.at_limit
