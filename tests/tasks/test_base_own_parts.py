"""Heads, poolings, losses and context layers that users write: by import path, or in a subclass."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sercl import imports
from sercl.errors import CheckpointError, ImportNotAllowedError, UnknownNameError, UsageError
from sercl.models.pooling import MeanPooling, Pooling, masked_mean
from sercl.tasks import checkpoint as checkpoints
from sercl.tasks.classification import EmotionClassifier

HERE = __name__


class MyHead(nn.Module):
    def __init__(self, dim, classes, width=3):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(dim, width), nn.Tanh(), nn.Linear(width, classes))

    def forward(self, x):
        return self.layers(x)


class Scaled(Pooling):
    def __init__(self, dim, start=1.0):
        super().__init__(dim)
        self.scale = nn.Parameter(torch.full((dim,), start))

    def forward(self, hidden, lengths):
        return masked_mean(hidden, lengths) * self.scale


class Twice(Pooling):
    """Nothing to train, and of the same shape as the mean."""

    def forward(self, hidden, lengths):
        return 2 * masked_mean(hidden, lengths)


class Temperature(nn.Module):
    def __init__(self, classes, start=1.0):
        super().__init__()
        self.logarithm = nn.Parameter(torch.tensor(float(start)))

    def forward(self, logits, labels, weight=None):
        return F.cross_entropy(logits * self.logarithm.exp(), labels, weight=weight)


class Unweighted(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.classes = classes

    def forward(self, logits, labels):
        return F.mse_loss(logits.softmax(-1), F.one_hot(labels, self.classes).float())


class Vectors(nn.Module):
    def __init__(self, classes):
        super().__init__()

    def forward(self, logits, labels):
        return F.cross_entropy(logits, labels, reduction="none")


class Wrong(nn.Module):
    def __init__(self, dim, classes):
        super().__init__()

    def forward(self, x):
        return x


class Typed(MyHead):
    def __init__(self, dim, classes, heads: int = 1):
        super().__init__(dim, classes, heads)


class OneArgument(MyHead):
    def __init__(self, dim):
        super().__init__(dim, 4)


class DeepHead(EmotionClassifier):
    """With a constructor of its own."""

    def __init__(self, width: int = 4, **kwargs):
        self.width = width
        super().__init__(**kwargs)

    def build_head(self, dim, classes):
        return MyHead(dim, classes, self.width)


class Everything(EmotionClassifier):
    """Without a constructor."""

    def build_pooling(self, dim):
        return Scaled(dim)

    def build_loss(self, classes):
        return Temperature(classes)


@pytest.fixture(autouse=True)
def allowed(monkeypatch):
    """This module is one that the user allows."""
    monkeypatch.setattr(imports, "_allowed", {HERE})


@pytest.fixture
def build(build):
    """Build a classifier that needs no statistics of a training set."""
    return lambda **options: build(**{"standardize": False, **options})


CROSS_ENTROPY = "torch.nn.CrossEntropyLoss"


def spec(kind, **arguments):
    return {"class_path": f"{HERE}.{kind.__name__}", "init_args": arguments}


def stored(task, path):
    """Write the checkpoint of a task that was not trained."""
    content = {"state_dict": task.state_dict(), "hyper_parameters": dict(task.hparams)}
    task.on_save_checkpoint(content)
    torch.save(content, path)
    return path


def gradients(task, batch):
    """Return the names of the parts that a training step trains."""
    logits = task.train().scores(batch)
    task.losses(logits, batch.labels).sum().backward()
    return {name for name, each in task.named_parameters() if each.grad is not None and each.grad.abs().sum()}


def test_a_head_by_its_path_gets_its_arguments_and_is_trained(build, batch):
    task = build(head=spec(MyHead, width=5), layer=1)
    assert task.readout.heads[0][1].layers[0].weight.shape[0] == 5
    assert any("layers.0.weight" in name for name in gradients(task, batch))
    plain = build(layer=1).trainable_counts()["head"]
    width, dim = 5, task.encoder.hidden_size
    assert task.trainable_counts()["head"] == plain - (4 * dim + 4) + (width * dim + width + 4 * width + 4)


@pytest.mark.parametrize("layer", ["auto", "weighted", 2])
def test_a_loss_and_a_pooling_are_trained_counted_and_stored(layer, build, batch, tmp_path):
    task = build(pooling=spec(Scaled), loss=spec(Temperature, start=0.5), layer=layer)
    assert {"pooling.scale", "criteria.0.loss.logarithm"} <= gradients(task, batch)
    optimizer = torch.optim.SGD(task.parameter_groups()["head"], 0.1)
    optimizer.step()
    again = EmotionClassifier.restore(stored(task, tmp_path / "a.ckpt"))
    for name in ("pooling.scale", "criteria.0.loss.logarithm"):
        assert torch.equal(again.state_dict()[name], task.state_dict()[name]), name
        assert not torch.equal(again.state_dict()[name], build(**dict(task.hparams)).state_dict()[name])


def test_every_head_has_a_loss_of_its_own_in_auto(build, batch):
    task = build(loss=spec(Temperature), layer="auto")
    assert len(task.criteria) == task.encoder.num_states
    assert len({id(each.loss.logarithm) for each in task.criteria}) == task.encoder.num_states


def test_vectors_of_a_pooling_of_ones_own_are_never_stored(build):
    """It has no parameters and the shape of the mean, so nothing else would tell them apart."""
    assert build(pooling="mean").can_use_features
    assert not build(pooling=spec(Twice)).can_use_features
    assert not build(pooling="attentive").can_use_features

    class Renamed(EmotionClassifier):
        def build_pooling(self, dim):
            return Twice(dim)

    class Pooled(EmotionClassifier):
        def pool(self, batch):
            return 2 * super().pool(batch)

    class Chosen(EmotionClassifier):
        def build_pooling(self, dim):
            return MeanPooling(dim)

    options = dict(build().hparams)
    assert not Renamed(**options).can_use_features
    assert not Pooled(**options).can_use_features
    own = Chosen(**{**options, "pooling": "mean+std"})
    assert (own.can_use_features, own.stored_pooling) == (True, "mean")


def test_class_weights_reach_a_loss_that_takes_them_and_are_refused_else(build, batch):
    options = {"class_weights": "balanced", "layer": 1}
    task = build(loss=spec(Temperature, start=0.0), **options)
    plain = build(**options)
    for each in (task, plain):
        each.set_training_labels([0, 0, 0, 1, 2, 3])
    logits = torch.randn(3, 1, 4)
    torch.testing.assert_close(task.losses(logits, batch.labels), plain.losses(logits, batch.labels))
    with pytest.raises(UsageError, match="takes no class weights"):
        build(loss=spec(Unweighted), **options)
    assert build(loss=spec(Unweighted), layer=1).losses(logits, batch.labels).shape == (1,)


def test_torchs_losses_need_no_permission(build, batch):
    logits = torch.randn(3, 1, 4)
    smooth = {"class_path": "torch.nn.CrossEntropyLoss", "init_args": {"label_smoothing": 0.1}}
    expected = F.cross_entropy(logits[:, 0], batch.labels, label_smoothing=0.1)
    assert torch.equal(build(loss=smooth, layer=1).losses(logits, batch.labels)[0], expected)
    margin = build(loss="torch.nn.MultiMarginLoss", layer=1).losses(logits, batch.labels)[0]
    torch.testing.assert_close(margin, F.multi_margin_loss(logits[:, 0], batch.labels))


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"head": spec(MyHead, widht=3)}, UnknownNameError, "Did you mean 'width'"),
        ({"head": "no.Such"}, ImportNotAllowedError, "'no.Such' is not imported"),
        ({"head": f"{HERE}.Haed"}, UsageError, "MyHead"),
        ({"head": spec(Wrong)}, UsageError, r"must map an input of shape \[2, \d+\] to \[2, 4\], but makes"),
        ({"head": spec(MyHead, width="a")}, UsageError, r"model.head .*MyHead: TypeError"),
        ({"head": "torch.nn.Bilinear"}, UnknownNameError, "torch.nn.Linear"),
        ({"pooling": spec(MyHead)}, UsageError, "MyHead: is not a subclass of sercl.models.pooling.Pooling"),
        ({"head": spec(Typed, heads="x")}, UsageError, "heads: 'x' is not valid. Valid: a whole number"),
        ({"head": spec(OneArgument)}, UsageError, "called with the width of a vector and the number"),
        ({"loss": "torch.nn.NLLLoss"}, UnknownNameError, "torch.nn.CrossEntropyLoss"),
        ({"loss": {"class_path": CROSS_ENTROPY, "init_args": {"weight": [1]}}}, UsageError, "weight"),
        ({"loss": {"class_path": CROSS_ENTROPY, "init_args": {"reduction": "sum"}}}, UsageError, "red"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_before_training(options, error, said, build):
    with pytest.raises(error, match=said):
        build(**options)


def test_a_loss_that_is_no_number_is_refused(build, batch):
    task = build(loss=spec(Vectors), layer=1)
    with pytest.raises(UsageError, match=r"Vectors must return the mean as one number.*returns \[3\]"):
        task.losses(torch.randn(3, 1, 4), batch.labels)


def test_a_subclass_with_options_of_its_own_is_stored_and_built_again(build, batch, tmp_path):
    options = dict(build(layer=1).hparams)
    task = DeepHead(width=7, **options).eval()
    assert task.hparams["width"] == 7
    path = stored(task, tmp_path / "own.ckpt")
    content = torch.load(path, weights_only=True)
    assert content["sercl"]["model"] == f"{HERE}.DeepHead"
    again = EmotionClassifier.restore(path).eval()
    assert type(again) is DeepHead
    assert again.width == 7
    assert torch.equal(again(batch), task(batch))
    assert "model" not in torch.load(stored(build(), tmp_path / "b.ckpt"), weights_only=True)["sercl"]


def test_saving_hyperparameters_again_as_lightning_users_do_does_no_harm(build, tmp_path):
    class Saves(DeepHead):
        def __init__(self, depth: int = 1, **kwargs):
            super().__init__(**kwargs)
            self.save_hyperparameters()

    task = Saves(depth=3, **build(layer=1).hparams)
    content = torch.load(stored(task, tmp_path / "own.ckpt"), weights_only=True)
    assert content["hyper_parameters"]["depth"] == 3
    assert content["hyper_parameters"].keys() <= checkpoints.option_types(Saves).keys()


def test_options_that_no_checkpoint_can_store_are_refused(build):
    class Odd(EmotionClassifier):
        def __init__(self, shape: object = None, **kwargs):
            super().__init__(**kwargs)

    with pytest.raises(UsageError, match=r"the option shape: holds a object"):
        Odd(shape=object(), **build(layer=1).hparams)


def test_override_points_need_no_constructor(build, batch, tmp_path):
    task = Everything(**build(layer="auto").hparams)
    assert {"pooling.scale", "criteria.0.loss.logarithm"} <= gradients(task, batch)
    assert type(EmotionClassifier.restore(stored(task, tmp_path / "own.ckpt"))) is Everything


def test_a_checkpoint_imports_nothing_that_is_not_allowed(build, tmp_path, monkeypatch):
    path = stored(build(head=spec(MyHead), layer=1), tmp_path / "head.ckpt")
    monkeypatch.setattr(imports, "_allowed", set())
    with pytest.raises(ImportNotAllowedError, match=r"head.ckpt: --model.head: .*MyHead"):
        EmotionClassifier.restore(path)
    content = torch.load(path, weights_only=True)
    for name in ("os.path.join", "mymodule.Model"):
        content["sercl"]["model"] = name
        torch.save(content, path)
        with pytest.raises(ImportNotAllowedError, match=name):
            EmotionClassifier.restore(path)
    content["sercl"]["model"] = "sercl.tasks.diarization.EmotionDiarizer"
    torch.save(content, path)
    with pytest.raises((ImportNotAllowedError, CheckpointError), match="EmotionDiarizer"):
        EmotionClassifier.restore(path)


def test_a_frozen_twin_is_of_the_same_class_and_passes_on_all_that_it_trained(build):
    task = Everything(**{**build(layer=1).hparams, "adapter": "lora", "head_first": True})
    twin = task.frozen_twin()
    assert type(twin) is Everything
    assert twin.encoder_is_frozen
    with torch.no_grad():
        twin.pooling.scale.fill_(3.0)
        twin.criteria[0].loss.logarithm.fill_(2.0)
    task.take_head_of(twin)
    assert task.pooling.scale.eq(3).all()
    assert task.criteria[0].loss.logarithm == 2


def test_adversarial_training_goes_through_pooling_and_loss_of_ones_own(build, batch):
    options = {**build().hparams, "adapter": "lora", "layer": "last", "adversarial": {"weight": 1.0}}
    task = Everything(**options)
    assert task.adversary is not None
    assert task.losses(task.scores(batch), batch.labels).shape == (1,)


class Fixed(EmotionClassifier):
    """Fixes an option, and changes the default of another."""

    def __init__(self, dropout: float = 0.3, **kwargs):
        super().__init__(head="paper", dropout=dropout, **kwargs)


def test_a_subclass_may_fix_options_and_change_defaults(build, tmp_path):
    options = {
        name: value for name, value in build(layer=1).hparams.items() if name not in ("head", "dropout")
    }
    task = Fixed(**options)
    again = EmotionClassifier.restore(stored(task, tmp_path / "own.ckpt"))
    assert type(again) is Fixed
    assert again.dropout == 0.3
    assert len(again.readout.heads[0]) == 6  # dropout, and the five layers of the paper's head


def test_an_optimiser_of_ones_own_needs_one_method(build):
    class Plain(EmotionClassifier):
        def configure_optimizers(self):
            return torch.optim.LBFGS(self.parameter_groups()["head"], lr=0.5)

    assert isinstance(Plain(**build(layer=1).hparams).configure_optimizers(), torch.optim.LBFGS)


def test_short_names_are_accepted_in_any_case(build):
    task = build(head="Linear", pooling="Mean", loss="CrossEntropyLoss", layer=1)
    assert task.stored_pooling == "mean"
    with pytest.raises(
        UsageError, match=r"no class 'Scalde' in .*Valid: Scaled, Twice\.$"
    ):  # no imported ones
        build(pooling=f"{HERE}.Scalde")
