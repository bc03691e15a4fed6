import pytest
import torch

from sercl.batch import FeatureBatch
from sercl.errors import UnknownNameError, UsageError
from sercl.tasks.classification import EmotionClassifier


def test_probabilities_sum_to_one_and_do_not_depend_on_the_batch(build, batch, fit_standardizer):
    task = fit_standardizer(build(layer=2), batch)
    together = task(batch)
    alone = task(type(batch).from_clips([batch.waveforms[0, :4000]]))
    assert together.shape == (3, 4)
    assert torch.allclose(together.sum(dim=1), torch.ones(3))
    assert torch.allclose(together[0], alone[0], atol=1e-4)


def test_features_of_a_frozen_encoder_stand_in_for_audio(build, batch, fit_standardizer):
    task = fit_standardizer(build(layer="auto"), batch)
    features = FeatureBatch(task.pool(batch), batch.labels, batch.ids)
    assert features.features.shape == (3, 4, task.pooling.out_dim)
    assert torch.allclose(task(features), task(batch), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "cached"),
    [
        ({}, True),
        ({"adapter": "gating"}, False),
        ({"adapter": "full"}, False),
        ({"pooling": "attentive"}, False),
    ],
)
def test_features_are_kept_only_where_nothing_below_them_is_trained(build, options, cached):
    assert build(**options).can_use_features is cached


def test_a_numbered_layer_is_the_same_hidden_state_as_in_the_whole_encoder(build, batch):
    whole, cut = build(layer="auto"), build(layer=2)
    assert len(cut.encoder.blocks) == 2
    assert torch.allclose(whole.pool(batch)[:, 2], cut.pool(batch)[:, 0], atol=1e-5)


def test_cutting_by_block_keeps_the_norm_that_stands_behind_the_last_block(build, batch):
    cut = build(layer="last", last_block=1)
    assert len(cut.encoder.blocks) == 2
    assert not torch.allclose(cut.pool(batch), build(layer=2).pool(batch), atol=1e-3)


@pytest.mark.parametrize("layer", ["auto", "weighted", "last", 0, 1])
def test_every_layer_choice_trains(build, batch, fit_standardizer, layer):
    task = fit_standardizer(build(layer=layer), batch).train()
    before = [p.clone() for p in task.parameter_groups()["head"]]
    optimizer = torch.optim.SGD(task.parameter_groups()["head"], lr=0.1)
    task.losses(task.scores(batch), batch.labels).sum().backward()
    optimizer.step()
    changed = [not torch.equal(a, b) for a, b in zip(before, task.parameter_groups()["head"], strict=True)]
    assert all(changed)


def test_automatic_layer_choice_takes_the_lowest_validation_loss(build, batch, fit_standardizer):
    task = fit_standardizer(build(layer="auto"), batch)
    logits = torch.zeros(3, 4, 4)
    logits[torch.arange(3), 2, batch.labels] = 5.0  # hidden state 2 is right, the others know nothing
    task.scores = lambda _: logits
    task.log = lambda *args, **options: None
    task._trainer = type("T", (), {"strategy": type("S", (), {"reduce": staticmethod(lambda x, **_: x)})})()
    task.on_validation_epoch_start()
    task.validation_step(batch, 0)
    task.on_validation_epoch_end()
    assert task.readout.chosen_state == 2
    assert torch.equal(task(batch).argmax(dim=1), batch.labels)


def test_heads_of_all_layers_start_alike(build):
    heads = build(layer="auto").readout.heads
    states = [list(head.state_dict().values()) for head in heads]
    assert len(heads) == 4
    assert all(torch.equal(a, b) for state in states[1:] for a, b in zip(states[0], state, strict=True))


def test_a_frozen_encoder_stays_in_evaluation_mode(build):
    assert not build().train().encoder.training
    assert build(adapter="lora").train().encoder.training


def test_adapters_get_their_own_group_and_the_encoder_none(build):
    groups = build(adapter="lora+bottleneck+gating").parameter_groups()
    assert set(groups) == {"head", "adapter"}
    assert all(groups.values())
    full = build(adapter="full").parameter_groups()
    assert set(full) == {"head", "encoder"}
    assert full["encoder"]


def test_balanced_weights_are_inverse_to_the_share(build):
    task = build(class_weights="balanced")
    task.set_training_labels([0, 0, 0, 0, 1, 1, 2, 3])
    assert task.loss_weights.tolist() == [0.5, 1.0, 2.0, 2.0]
    with pytest.raises(UsageError, match="sad"):
        task.set_training_labels([0, 1, 2])


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"layer": 9}, UsageError, "no layer 9 in the encoder .* to 3"),
        ({"layer": "best"}, UsageError, "auto"),
        ({"layer": 2, "last_block": 0}, UsageError, "0 to 1"),
        ({"adapter": "lorra"}, UnknownNameError, "lora"),
        ({"pooling": "max"}, UnknownNameError, "mean"),
        ({"head": "mpl"}, UnknownNameError, "linear"),
        ({"class_weights": "equal"}, UnknownNameError, "balanced"),
        ({"adapter": "lora", "adapter_blocks": [7]}, UsageError, "7"),
    ],
)
def test_wrong_options_are_named(build, options, error, named):
    with pytest.raises(error, match=named):
        build(**options)


def test_hyper_parameters_are_plain_data(build):
    from sercl.models.adapters import AdapterOptions
    from sercl.tasks.optim import OptimizerConfig

    task = build(adapter="lora", adapters=AdapterOptions(), optimizer=OptimizerConfig(head_lr=0.5))
    assert task.hparams["optimizer"]["head_lr"] == 0.5
    rebuilt = EmotionClassifier(**dict(task.hparams))
    assert rebuilt.optimizer_config == task.optimizer_config
    assert {n: p.shape for n, p in rebuilt.named_parameters()} == {
        n: p.shape for n, p in task.named_parameters()
    }


@pytest.mark.parametrize(
    ("options", "normed"),
    [({}, True), ({"adapter": "gating"}, False), ({"layer_norm": False}, False)],
)
def test_vectors_of_a_frozen_encoder_are_normalised(build, options, normed):
    task = build(**options)
    assert task.readout.layer_norm is task.hparams["layer_norm"] is normed


def test_a_head_that_comes_first_reads_the_vectors_of_the_adapters(build):
    for normed in (True, False):
        task = build(adapter="gating", head_first=True, layer_norm=normed)
        assert task.frozen_twin().readout.layer_norm is normed


def test_regressions_are_refused_where_they_are_not_possible(build):
    for options in ({"adapter": "gating"}, {"head": "paper"}, {"layer": "weighted"}):
        with pytest.raises(UsageError, match="head_init regression: is for a linear head"):
            build(**options, head_init="regression")
    with pytest.raises(UnknownNameError, match="head_init"):
        build(head_init="zeros")
    assert build(head={"class_path": "torch.nn.Linear"}).head_init == "regression"
    assert build(adapter="gating", head_first=True).frozen_twin().head_init == "random"


def test_the_standardiser_is_fitted_on_normalised_vectors(build, batch):
    task, data = build(), [batch]
    standardizer = task.readout.standardizer
    task.fit_standardizer(standardizer, data)
    prepared = task.readout.prepare(task.pool(batch))
    assert prepared.mean(dim=0).abs().max() < 1e-3
