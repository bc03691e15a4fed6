"""A batch that does not fit into memory is trained in parts; a loss that is not finite ends training."""

import weakref
from dataclasses import replace
from types import SimpleNamespace

import lightning.pytorch as L
import pytest
import torch
from torch.utils.data import DataLoader

from sercl.batch import NO_LABEL, SOURCE, TARGET, UNLABELLED, AudioBatch, FrameBatch
from sercl.errors import DivergedError, SerclWarning
from sercl.models.adversary import AdversarialConfig
from sercl.tasks.classification import EmotionClassifier
from sercl.tasks.diarization import EmotionDiarizer
from sercl.tasks.stepping import evaluated

FULL = "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried to allocate"


class Gradients(L.Callback):
    """The gradients of each step of the optimiser, and the logged loss."""

    def __init__(self):
        self.steps, self.loss = [], None

    def on_before_optimizer_step(self, trainer, task, optimizer):
        own = [(name, p.grad.clone()) for name, p in task.named_parameters() if p.grad is not None]
        self.steps.append(dict(own))

    def on_train_epoch_end(self, trainer, task):
        self.loss = float(trainer.callback_metrics["train/loss"])


def fit(task, batches, **options):
    found = Gradients()
    options = {
        "max_epochs": 1,
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        **options,
    }
    trainer = L.Trainer(
        **options, callbacks=[found], enable_progress_bar=False, enable_model_summary=False
    )  # fmt: skip
    trainer.fit(task, train_dataloaders=DataLoader(batches, batch_size=None))
    return found


def out_of_memory():
    raise RuntimeError(FULL)


def in_forward(task, most, tried):
    """Let batches of more clips than `most` not fit into memory."""
    before = task.training_loss

    def small(batch):
        tried.append(len(batch))
        if len(batch) > most:
            out_of_memory()
        return before(batch)

    task.training_loss = small


def in_backward(task, most, tried):
    """The same, after the forward pass and a part of the backward pass."""
    before = task.pool

    def small(batch):
        tried.append(len(batch))
        pooled = before(batch)
        if len(batch) > most:
            pooled.register_hook(lambda gradient: out_of_memory())
        return pooled

    task.pool = small


def check_same(found, whole):
    assert len(found.steps) == len(whole.steps) > 0
    for one, two in zip(found.steps, whole.steps, strict=True):
        assert one.keys() == two.keys()
        for name, gradient in two.items():
            assert (one[name] - gradient).norm() <= 1e-4 * gradient.norm() + 1e-7, name


STEADY = {"lora": {"dropout": 0.0}}
"""Without random draws, which parts make in another order."""
OPTIONS = {
    "adapter": "lora",
    "adapters": STEADY,
    "layer": 2,
    "standardize": False,
    "class_weights": "balanced",
}


def test_the_logged_loss_is_that_of_the_whole_batch(build, batches):
    options = {**OPTIONS, "class_weights": "none"}
    whole = fit(build(**options), batches[:1])
    for fail in (in_forward, in_backward):
        small = build(**options)
        fail(small, 3, [])
        with pytest.warns(SerclWarning):
            assert fit(small, batches[:1]).loss == pytest.approx(whole.loss, rel=1e-4)


@pytest.mark.parametrize("accumulated", [1, 2])
@pytest.mark.parametrize("fail", [in_forward, in_backward])
def test_parts_give_the_gradient_of_the_whole_batch(fail, accumulated, build, batches):
    def task():
        built = build(**OPTIONS)
        built.loss_weights = torch.tensor([1.0, 5.0, 2.0, 0.5])
        built.adapters.penalty = lambda: sum(p.square().sum() for p in built.adapters.parameters())
        return built

    options = {"accumulate_grad_batches": accumulated}
    whole, small, tried = fit(task(), batches, **options), task(), []
    fail(small, 2, tried)
    with pytest.warns(
        SerclWarning, match="6 clips did not fit into memory: it is trained in 2 parts"
    ) as said:
        found = fit(small, batches, **options)
    check_same(found, whole)
    assert any("in 4 parts" in str(each.message) for each in said)
    # The whole, a half, then parts; the second batch is not tried as a whole, if it is no smaller.
    assert tried == [6, 3, 2, 1, 2, 1, 2, 1, 2, 1]


def test_a_larger_batch_within_a_step_takes_nothing_back(build, batches):
    given = [batches[0].rows(torch.arange(6) < 2), batches[1]]
    whole = fit(build(**OPTIONS), given, accumulate_grad_batches=2)
    small, tried = build(**OPTIONS), []
    in_backward(small, 3, tried)
    with pytest.warns(SerclWarning, match="6 clips did not fit"):
        check_same(fit(small, given, accumulate_grad_batches=2), whole)
    assert tried == [2, 6, 3, 3]


class Held(torch.autograd.Function):
    """Keeps an object as long as the backward pass may still come."""

    class Object:
        """May be referred to weakly."""

    @staticmethod
    def forward(ctx, x, held):
        ctx.held = held
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


@pytest.mark.parametrize("earlier", [0, 1])
def test_what_the_whole_batch_needs_is_freed_before_its_parts_are_computed(earlier, build, batches):
    task, kept, alive = build(**OPTIONS), [], []
    in_backward(task, 3, [])
    pool = task.pool

    def holding(batch):
        alive.append([ref() is not None for ref in kept])
        held = Held.Object()
        kept.append(weakref.ref(held))
        return Held.apply(pool(batch), held)

    task.pool = holding
    given = [batches[0].rows(torch.arange(6) < 2)] * earlier + batches[1:]
    with pytest.warns(SerclWarning, match="6 clips did not fit"):
        fit(task, given, accumulate_grad_batches=2)
    assert alive == [[False] * number for number in range(3 + earlier)]


def test_a_batch_of_a_size_that_has_fitted_keeps_nothing_half_done(build, batches):
    task, tried = build(**OPTIONS), []
    before = task.pool

    def full_later(batch):
        tried.append(len(batch))
        pooled = before(batch)
        if len(tried) > 1:
            pooled.register_hook(lambda gradient: out_of_memory())
        return pooled

    task.pool = full_later
    with pytest.raises(RuntimeError, match="can't allocate"):
        fit(task, [batches[0], batches[0]], accumulate_grad_batches=2)
    assert tried == [6, 6]


ADVERSARIAL = OPTIONS | {"adversarial": AdversarialConfig(weight=1.0)}


@pytest.fixture
def two_domains(batches, monkeypatch):
    """Seven clips with labels, one of them of the target, and five without, of the target."""
    monkeypatch.setattr(AdversarialConfig, "strength", lambda *_: 0.7)  # in the first step, it would be 0
    clips = [clip for batch in batches for clip in batch.waveforms]
    batch = AudioBatch.from_clips(clips, [0, 2, 3, 0, 1, 0, 2, *[UNLABELLED] * 5])
    return replace(batch, domains=torch.tensor([SOURCE] * 3 + [TARGET] + [SOURCE] * 3 + [TARGET] * 5))


@pytest.mark.parametrize("fail", [in_forward, in_backward])
@pytest.mark.parametrize("labelled", ["both domains", "target"])
def test_a_batch_of_two_domains_is_trained_in_parts_that_have_both(fail, labelled, build, two_domains):
    if labelled == "target":
        two_domains = replace(two_domains, domains=torch.full((12,), TARGET))

    def task():
        built = build(**ADVERSARIAL | {"layer": "auto"})
        built.loss_weights = torch.tensor([1.0, 5.0, 2.0, 0.5])
        return built

    whole, small, tried = fit(task(), [two_domains]), task(), []
    fail(small, 4, tried)
    with pytest.warns(SerclWarning, match="12 clips did not fit into memory: it is trained in 2 parts"):
        check_same(fit(small, [two_domains]), whole)
    assert tried == ([12, 7, 4, 3, 3, 2] if fail is in_forward else [7, 5, 4, 3, 3, 2])


def test_a_batch_of_two_domains_is_divided_until_one_has_a_single_clip(build, two_domains):
    task, tried = build(**ADVERSARIAL), []
    in_forward(task, 1, tried)
    with (
        pytest.warns(SerclWarning, match="in 5 parts"),
        pytest.raises(RuntimeError, match="can't allocate"),
    ):
        fit(task, [two_domains])
    assert tried == [12, 7, 4, 3]


def test_a_diarizer_is_trained_in_parts(whisper):
    generator = torch.Generator().manual_seed(1)
    clips = [0.1 * torch.randn(n, generator=generator) for n in (16000, 9600, 12800, 16000)]
    labels = [torch.randint(0, 4, (len(clip) // 64,), generator=generator) for clip in clips]
    labels[1][:20] = NO_LABEL
    batch = FrameBatch.from_clips(clips, labels)

    def task():
        torch.manual_seed(0)
        return EmotionDiarizer(
            whisper, adapter="lora", adapters=STEADY, whisper_form="short", standardize=False
        )

    whole, small, tried = fit(task(), [batch]), task(), []
    in_forward(small, 2, tried)
    with pytest.warns(SerclWarning, match="in 2 parts"):
        found = fit(small, [batch])
    assert tried == [4, 2, 2]
    check_same(found, whole)


def small_encoder(task, most, tried):
    """Let batches of more clips than `most` not fit into memory, whatever they are for."""
    before = task.encode

    def small(batch):
        tried.append(len(batch))
        if len(batch) > most:
            out_of_memory()
        return before(batch)

    task.encode = small


def evaluate(task, batches):
    """Return the scores of validation and test."""
    task.eval()
    trainer = L.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False)
    loader = DataLoader(batches, batch_size=None)
    (validated,) = trainer.validate(task, loader, verbose=False)
    (tested,) = trainer.test(task, loader, verbose=False)
    return {**validated, **tested}


def test_a_batch_of_validation_and_test_is_evaluated_in_halves(build, batches):
    whole, small, tried = evaluate(build(**OPTIONS), batches), build(**OPTIONS), []
    small_encoder(small, 2, tried)
    with pytest.warns(SerclWarning, match="6 clips did not fit into memory: its halves"):
        found = evaluate(small, batches)
    assert tried == [6, 3, 2, 1, 3, 2, 1] * 4
    assert found == pytest.approx(whole, rel=1e-4, nan_ok=True)


def test_a_diarizer_is_evaluated_in_halves(whisper):
    generator = torch.Generator().manual_seed(1)
    clips = [0.1 * torch.randn(16000, generator=generator) for _ in range(4)]
    labels = [torch.randint(0, 4, (250,), generator=generator) for _ in clips]
    batch = FrameBatch.from_clips(clips, labels)

    def task():
        torch.manual_seed(0)
        return EmotionDiarizer(whisper, layer=2, whisper_form="short", standardize=False)

    whole, small, tried = evaluate(task(), [batch]), task(), []
    small_encoder(small, 2, tried)
    with pytest.warns(SerclWarning, match="its halves"):
        found = evaluate(small, [batch])
    assert tried == [4, 2, 2] * 2
    assert found == pytest.approx(whole, rel=1e-4, nan_ok=True)


def test_nothing_is_evaluated_in_halves_where_devices_share_the_weights(batches):
    task, tried = SimpleNamespace(trainer=SimpleNamespace(strategy=object())), []

    def work(batch):
        tried.append(len(batch))
        out_of_memory()

    with pytest.raises(RuntimeError, match="can't allocate"):
        evaluated(task, work, batches[0])
    assert tried == [6]


@pytest.mark.parametrize("kind", [AudioBatch, FrameBatch])
def test_the_standardizer_is_fitted_in_halves(kind, build, whisper, batches):
    """Its statistics are those of the whole batch: what is fitted on halves is only added up."""
    if kind is AudioBatch:
        tasks, given = [build(standardize=True, layer=2) for _ in range(2)], batches[:1]
    else:
        tasks = [EmotionDiarizer(whisper, layer=2, whisper_form="short") for _ in range(2)]
        labels = [torch.zeros(len(clip) // 64, dtype=torch.int64) for clip in batches[0].waveforms]
        given = [FrameBatch.from_clips(list(batches[0].waveforms), labels)]
    small_encoder(tasks[1], 3, [])
    for task in tasks:
        L.Trainer(accelerator="cpu", logger=False).strategy.connect(task)
        task._trainer = L.Trainer(accelerator="cpu", logger=False)
    tasks[0].fit_standardizer(tasks[0].readout.standardizer, given)
    with pytest.warns(SerclWarning, match="its halves"):
        tasks[1].fit_standardizer(tasks[1].readout.standardizer, given)
    one, two = (task.readout.standardizer.state_dict() for task in tasks)
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("most", [0, 2])
def test_what_parts_do_not_solve_ends_training(most, build, batches, monkeypatch):
    task, tried = build(**OPTIONS), []
    in_forward(task, most, tried)
    if most:
        monkeypatch.setattr(task, "weight_of", lambda batch: None)  # as with an adversary
        with pytest.raises(RuntimeError, match="can't allocate"):
            fit(task, batches)
        assert tried == [6]
    else:
        with pytest.warns(SerclWarning), pytest.raises(RuntimeError, match="can't allocate"):
            fit(task, batches)
        assert tried[-1] == 1


class OwnLoss(EmotionClassifier):
    """Has another loss, for which the weights of its base class may be wrong."""

    def training_loss(self, batch):
        return super().training_loss(batch) ** 2


class OwnWeights(OwnLoss):
    """Says how the losses of parts add up."""

    def weight_of(self, batch):
        return super().weight_of(batch)


@pytest.mark.parametrize("kind", [OwnLoss, OwnWeights])
def test_a_loss_of_another_class_than_its_weights_is_not_added_up(kind, whisper, batches):
    task, tried = kind(whisper, whisper_form="short", **OPTIONS), []
    in_forward(task, 3, tried)
    if kind is OwnLoss:
        with pytest.raises(RuntimeError, match="can't allocate"):
            fit(task, batches)
        assert tried == [6]
    else:
        with pytest.warns(SerclWarning, match="parts"):
            fit(task, batches)


def test_other_errors_are_not_tried_again(build, batches):
    task, tried = build(**OPTIONS), []
    in_forward(task, 6, tried)
    task.readout = None
    with pytest.raises((TypeError, AttributeError)):
        fit(task, batches)
    assert tried == [6]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_says_where(value, build, batches):
    task = build(**OPTIONS)
    before = task.training_loss
    task.training_loss = lambda batch: before(batch) * (value if batch.ids[0] == "b0" else 1.0)
    with pytest.raises(DivergedError) as error:
        fit(task, batches)
    assert str(error.value).startswith(
        f"epoch 1, step 2: the loss is {value}, for b0, b1, b2, b3, b4 and 1 more."
    )
    assert "No epoch was saved before." in str(error.value)
