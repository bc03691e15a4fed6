import pytest
import torch

from sercl.batch import SOURCE, TARGET, UNLABELLED, AudioBatch
from sercl.errors import UsageError
from sercl.models.adversary import AdversarialConfig
from sercl.tasks.adversarial import adversarial_losses, adversarial_step
from sercl.tasks.classification import EmotionClassifier

ON = AdversarialConfig(weight=1.0)


@pytest.fixture
def mixed():
    """Two clips with labels and two longer ones without."""
    generator = torch.Generator().manual_seed(1)
    clips = [0.1 * torch.randn(n, generator=generator) for n in (4000, 5000, 6400, 8000)]
    batch = AudioBatch.from_clips(clips, labels=[0, 2, UNLABELLED, UNLABELLED], ids=list("abcd"))
    return with_domains(batch, [SOURCE, SOURCE, TARGET, TARGET])


def with_domains(batch, domains):
    return AudioBatch(batch.waveforms, batch.lengths, batch.labels, batch.ids, torch.tensor(domains))


def test_without_weight_there_is_no_classifier_of_domains_and_all_starts_alike(build):
    off, on = build(adapter="lora"), build(adapter="lora", adversarial=ON)
    assert off.adversary is None
    assert not [name for name in off.state_dict() if "adversary" in name]
    assert all(torch.equal(value, on.state_dict()[name]) for name, value in off.state_dict().items())
    assert set(on.parameter_groups()["head"]) >= set(on.adversary.parameters())


@pytest.mark.parametrize("pooling", ["mean", "attentive"])
def test_a_frozen_encoder_has_nothing_to_hide(build, pooling):
    with pytest.raises(UsageError, match=r"--model\.adapter none"):
        build(adversarial=ON, pooling=pooling)


def test_the_loss_of_the_classes_passes_over_utterances_without_label(build, mixed, fit_standardizer):
    task = fit_standardizer(build(adapter="gating", adversarial=ON), mixed)
    losses = adversarial_losses(task, task.adversary, mixed, 1.0)
    labelled = mixed.rows(torch.tensor([True, True, False, False]))
    assert losses.classes.item() == pytest.approx(
        task.losses(task.scores(labelled), labelled.labels).item(), rel=1e-5
    )
    other = AudioBatch(
        mixed.waveforms * torch.tensor([1.0, 1.0, -1.0, 0.5]).unsqueeze(1), mixed.lengths, mixed.labels,
        mixed.ids, mixed.domains,
    )  # fmt: skip
    changed = adversarial_losses(task, task.adversary, other, 1.0)
    assert torch.equal(changed.classes, losses.classes)
    assert not torch.equal(changed.domains, losses.domains)


@pytest.mark.parametrize(("layer", "heads"), [("last", 1), ("weighted", 1), ("auto", 4)])
def test_the_encoder_is_pushed_against_the_classifier_of_domains(
    build, mixed, fit_standardizer, layer, heads
):
    task = fit_standardizer(build(adapter="gating", adversarial=ON, layer=layer), mixed)
    gradients = []
    for strength in (1.0, 0.5, -1.0):
        task.zero_grad()
        losses = adversarial_losses(task, task.adversary, mixed, strength)
        assert losses.domains.shape == (2, heads)
        losses.domains.sum().backward()
        gradients.append([parameter.grad.clone() for parameter in task.parameter_groups()["adapter"]])
    against, half, along = (torch.cat([part.flatten() for part in each]) for each in gradients)
    assert against.abs().sum() > 0
    assert torch.allclose(half, against / 2, atol=1e-7)
    assert torch.allclose(along, -against, atol=1e-7)


def test_batches_without_domains_are_refused(build, batch, fit_standardizer):
    task = fit_standardizer(build(adapter="gating", adversarial=ON), batch)
    with pytest.raises(UsageError, match="batches with domains"):
        adversarial_step(task, task.adversary, batch)


def test_predicting_never_asks_the_classifier_of_domains(build, batch, fit_standardizer):
    task = fit_standardizer(build(adapter="gating", adversarial=ON), batch)
    before = task(batch)
    task.adversary = None
    assert torch.equal(task(batch), before)


def test_a_model_is_built_again_from_its_hyper_parameters(build):
    task = build(adapter="gating", adversarial=AdversarialConfig(weight=0.3, hidden=7))
    assert task.hparams["adversarial"] == {"weight": 0.3, "gamma": 10.0, "hidden": 7}
    rebuilt = EmotionClassifier(**dict(task.hparams))
    assert rebuilt.adversarial == task.adversarial
    assert rebuilt.state_dict().keys() == task.state_dict().keys()
