import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, log_loss
from torch.nn import functional as F

from sercl.batch import SOURCE, TARGET
from sercl.errors import UsageError
from sercl.models.adversary import (
    AdversarialConfig,
    Adversary,
    domain_accuracy,
    domain_losses,
    reverse_gradient,
)


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0, 2.5])
def test_the_gradient_comes_back_reversed_and_nothing_else_changes(strength):
    x = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(5, 3, dtype=torch.float64)
    y = reverse_gradient(x, strength)
    assert torch.equal(y, x)
    (y.square() * weights).sum().backward()
    assert torch.equal(x.grad, -strength * (2 * x * weights).detach())


def test_the_classifier_of_domains_itself_learns_with_the_full_gradient():
    torch.manual_seed(0)
    adversary, features = Adversary(heads=2, dim=4, hidden=3), torch.randn(6, 2, 4)
    domains = torch.tensor([0, 0, 0, 1, 1, 1])
    gradients = []
    for strength in (0.0, 1.0):
        adversary.zero_grad()
        domain_losses(adversary(features, strength), domains).sum().backward()
        gradients.append([parameter.grad.clone() for parameter in adversary.parameters()])
    assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))
    assert any(gradient.abs().sum() > 0 for gradient in gradients[0])


def test_the_strength_rises_as_in_the_paper():
    config = AdversarialConfig(weight=0.5)
    assert config.strength(0, 100) == 0
    for step in (1, 20, 50, 100):
        assert config.strength(step, 100) == pytest.approx(0.5 * (2 / (1 + math.exp(-10 * step / 100)) - 1))
    assert config.strength(300, 100) == config.strength(100, 100)
    assert AdversarialConfig(weight=0.5, gamma=2).strength(50, 100) == pytest.approx(0.5 * math.tanh(0.5))


def test_a_training_without_a_set_end_is_at_the_end_of_the_ramp():
    assert AdversarialConfig(weight=1).strength(0, math.inf) == pytest.approx(2 / (1 + math.exp(-10)) - 1)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"weight": -1}, "weight is -1"),
        ({"weight": float("nan")}, "weight is nan"),
        ({"weight": float("inf")}, "weight is inf"),
        ({"gamma": 0}, "gamma is 0"),
        ({"hidden": 0}, "hidden is 0"),
    ],
)
def test_a_number_out_of_range_is_named(options, named):
    with pytest.raises(UsageError, match=f"adversarial.{named}"):
        AdversarialConfig(**options)


def test_both_domains_count_alike_however_many_of_each_there_are():
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(9, 2, generator=generator)
    domains = torch.tensor([TARGET, *[SOURCE] * 7, TARGET])
    weights = np.where(domains == TARGET, 1 / 2, 1 / 7)
    for head, loss in enumerate(domain_losses(logits, domains).sum(dim=0)):
        probabilities = logits[:, head].sigmoid().numpy()
        assert loss == pytest.approx(log_loss(domains, probabilities, sample_weight=weights), rel=1e-5)
    wanted = [balanced_accuracy_score(domains, logits[:, head] > 0) for head in (0, 1)]
    assert domain_accuracy(logits, domains) == pytest.approx(np.mean(wanted))


def test_one_domain_alone_has_a_loss_too():
    logits = torch.tensor([[0.0], [0.0]])
    found = domain_losses(logits, torch.tensor([TARGET, TARGET])).flatten()
    assert found.tolist() == pytest.approx([0.0, math.log(2)])


def clouds(count=400):
    """Return points `[count, 6]`, of which dimension 0 shows the class and 1 the domain; and both."""
    generator = torch.Generator().manual_seed(3)
    classes = torch.arange(count) % 2
    domains = (torch.arange(count) // 2) % 2
    points = torch.randn(count, 6, generator=generator)
    points[:, 0] += 4.0 * classes
    points[:, 1] += 4.0 * domains
    return points, classes, domains


def trained(weight, steps=300):
    """Train a linear map and a head on the source's classes; return accuracy of domain, and of the target."""
    points, classes, domains = clouds()
    torch.manual_seed(0)
    encoder, head = torch.nn.Linear(6, 4), torch.nn.Linear(4, 2)
    adversary, config = Adversary(1, 4, 32), AdversarialConfig(weight=weight)
    modules = torch.nn.ModuleList([encoder, head, adversary])
    optimizer = torch.optim.AdamW(modules.parameters(), lr=0.01)
    source = domains == SOURCE
    for step in range(steps):
        features = encoder(points)
        logits = adversary(features.unsqueeze(1), config.strength(step, steps))
        loss = F.cross_entropy(head(features[source]), classes[source]) + domain_losses(logits, domains).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        features = encoder(points)
        right = (head(features).argmax(dim=1) == classes)[~source].float().mean()
    probe = LogisticRegression(max_iter=1000).fit(features, domains)
    return probe.score(features, domains), float(right)


def test_features_tell_less_of_the_domain_and_no_less_of_the_class():
    plain, adversarial = trained(0.0), trained(1.0)
    assert plain[0] > 0.9
    assert adversarial[0] < 0.7
    assert adversarial[1] > 0.9
