import json
from collections.abc import Callable
from unittest.mock import patch

import pytest
import torch
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel
from transformers import Wav2Vec2Config, WhisperConfig

from sercl.errors import UnknownNameError, UsageError
from sercl.models.encoders import Encoder, Regularization, load_encoder, rebuild_encoder
from sercl.models.encoders.masking import SpanMasks
from sercl.models.encoders.regularization import PublishedRates
from sercl.testing.encoders import FAMILIES, tiny_encoder
from tests.processes import gathered

RATES = {
    "dropout": 0.2, "hidden_dropout": 0.2, "attention_dropout": 0.2, "activation_dropout": 0.2,
    "feat_proj_dropout": 0.2, "conformer_conv_dropout": 0.2, "layerdrop": 0.3, "encoder_layerdrop": 0.3,
    "apply_spec_augment": True, "mask_time_prob": 0.5, "mask_feature_prob": 0.25, "mask_feature_length": 4,
}  # fmt: skip
"""What the tiny encoders are published with."""

PARTS = ("dropout", "spec_augment", "layer_drop")
Load = Callable[..., Encoder]


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Load:
    """Loads tiny encoders whose config has every rate above 0, in training mode."""
    root = tmp_path_factory.mktemp("published")

    def load(family: str, **options: object) -> Encoder:
        folder = root / family
        if not folder.exists():
            path = tiny_encoder(family, folder) / "config.json"
            config = json.loads(path.read_text())
            path.write_text(json.dumps(config | {k: v for k, v in RATES.items() if k in config}))
        encoder = load_encoder(str(folder), **{"whisper_form": "short", **options})  # type: ignore[arg-type]
        return encoder.train()

    return load


@pytest.fixture
def audio() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return 0.1 * torch.randn(2, 16_000, generator=generator), torch.tensor([16_000, 9_000])


def states(encoder, audio, seed=0):
    torch.manual_seed(seed)
    return encoder(*audio).hidden_states


def differ(encoder, audio):
    return [
        not torch.equal(a, b)
        for a, b in zip(states(encoder, audio, 0), states(encoder, audio, 1), strict=True)
    ]


def only(part, value="checkpoint"):
    return Regularization(preset="off", **{part: value})


@pytest.mark.parametrize("family", FAMILIES)
def test_off_means_that_training_mode_gives_what_evaluation_gives(family, published, audio):
    encoder = published(family)
    encoder.regularize(Regularization("off"))
    trained = states(encoder, audio)
    evaluated = states(encoder.eval(), audio)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(trained, evaluated, strict=True))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("part", PARTS)
def test_each_part_acts_in_training_alone_and_leaves_as_many_states(family, part, published, audio):
    encoder = published(family)
    encoder.regularize(only(part))
    assert any(differ(encoder, audio))
    assert len(states(encoder, audio)) == encoder.num_states
    assert not any(differ(encoder.eval(), audio))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_rate_holds_for_every_dropout(family, published, audio):
    encoder, used = published(family), set()
    encoder.regularize(only("dropout", 0.375))
    original, attention = F.dropout, F.scaled_dot_product_attention

    def noted(input, p=0.5, training=True, inplace=False):
        used.add(p)
        return original(input, p, training, inplace)

    def noted_attention(*args, dropout_p=0.0, **more):
        used.add(dropout_p)
        return attention(*args, dropout_p=dropout_p, **more)

    with patch.object(F, "dropout", noted), patch.object(F, "scaled_dot_product_attention", noted_attention):
        states(encoder, audio)
    assert used == {0.375}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_skipped_block_gives_its_input(family, published, audio):
    encoder = published(family)
    encoder.regularize(only("layer_drop", 0.6))
    encoder.train()
    for seed in range(6):
        torch.manual_seed(seed)
        skipped = encoder._skipped()
        found = states(encoder, audio, seed)
        for index in range(encoder.num_states - 2):  # the last state has passed a norm besides
            assert torch.equal(found[index], found[index + 1]) is (index in skipped), (seed, index)
    if family.startswith("wavlm"):  # its first block holds the relative positions of all
        assert not any(0 in encoder._skipped() for _ in range(50))


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_weight_has_a_finite_gradient_whatever_is_skipped(family, checkpointing, published, audio):
    encoder = published(family, gradient_checkpointing=checkpointing)
    encoder.regularize(Regularization("checkpoint", layer_drop=0.9))
    torch.manual_seed(0)
    encoder(*audio).hidden_states[-1].square().mean().backward()
    for name, weight in encoder.blocks.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name


@pytest.mark.parametrize("family", FAMILIES)
def test_checkpointed_gradients_are_the_same_with_everything_on(family, published, audio):
    gradients = []
    for checkpointing in (False, True):
        encoder = published(family, gradient_checkpointing=checkpointing)
        encoder.regularize(Regularization("checkpoint"))
        torch.manual_seed(3)
        encoder(*audio).hidden_states[-1].square().mean().backward()
        gradients.append([weight.grad for weight in encoder.blocks.parameters()])
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(*gradients, strict=True))


@pytest.mark.parametrize("family", FAMILIES)
def test_clips_that_are_shorter_than_a_mask_are_encoded(family, published):
    encoder = published(family)
    encoder.regularize(Regularization("checkpoint"))
    short = encoder.min_samples + 320
    assert encoder(torch.randn(1, short), torch.tensor([short])).hidden_states[0].isfinite().all()


@pytest.mark.parametrize("family", ["wav2vec2", "wavlm-stable", "wav2vec2-bert"])
def test_masked_frames_hold_the_embedding_of_the_checkpoint(family, published, audio):
    encoder = published(family)
    encoder.regularize(only("spec_augment", 0.9))
    filling, hidden = encoder.model.mask_filling, torch.randn(2, 49, encoder.hidden_size)
    assert filling.abs().sum() > 0
    masked = encoder._augmented(hidden, torch.tensor([49, 20]))
    frames = (masked == filling).all(dim=2)
    assert frames[0].any()
    assert frames[1, :20].any()
    assert not frames[1, 20:].any()
    assert torch.equal(masked[~frames], hidden[~frames])


def test_weights_settings_and_stored_states_do_not_depend_on_it(published, tmp_path):
    plain, regular = published("wav2vec2"), published("wav2vec2")
    regular.regularize(Regularization("checkpoint"))
    assert regular.fingerprint == plain.fingerprint
    assert regular.state_fingerprints() == plain.state_fingerprints()
    assert regular.state_dict().keys() == plain.state_dict().keys()
    assert "masked_spec_embed" not in dict(regular.model.named_parameters())
    rebuilt = rebuild_encoder("again", regular.config)
    rebuilt.load_state_dict(regular.state_dict())


def test_the_defaults_are_off_with_adapters_and_dropout_with_a_trained_encoder():
    options = Regularization()
    assert [options.chosen(part, trains_encoder=False) for part in PARTS] == ["off"] * 3
    assert [options.chosen(part, trains_encoder=True) for part in PARTS] == ["checkpoint", "off", "off"]


def test_what_is_set_wins_over_the_preset():
    options = Regularization("checkpoint", dropout=0, spec_augment="off")
    assert [options.chosen(part, trains_encoder=True) for part in PARTS] == [0.0, "off", "checkpoint"]


def test_batch_norms_keep_their_statistics_in_training(published, audio):
    encoder = published("hubert-batch-norm")
    before = {name: value.clone() for name, value in encoder.named_buffers()}
    states(encoder, audio)
    assert any("running_mean" in name for name in before)
    assert all(torch.equal(value, before[name]) for name, value in encoder.named_buffers())


def test_a_plain_off_of_yaml_is_off():
    assert Regularization(False, dropout=False) == Regularization("off", dropout="off")


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({"preset": "on"}, UnknownNameError, "off, checkpoint"),
        ({"preset": 0.1}, UnknownNameError, "regularization.preset"),
        ({"dropout": "chekpoint"}, UnknownNameError, "Did you mean 'checkpoint'"),
        ({"dropout": True}, UnknownNameError, "regularization.dropout"),
        ({"layer_drop": 1.0}, UsageError, "from 0 to below 1"),
        ({"spec_augment": -0.1}, UsageError, "from 0 to below 1"),
        ({"dropout": float("nan")}, UsageError, "from 0 to below 1"),
    ],
)
def test_what_is_no_rate_is_refused(options, kind, said):
    with pytest.raises(kind, match=said):
        Regularization(**options)


def test_rates_are_read_as_they_were_published():
    config = Wav2Vec2Config(layerdrop=0.07, mask_time_prob=0.06, mask_time_length=8, mask_feature_prob=0.01)
    assert PublishedRates.of(config) == PublishedRates(SpanMasks(0.06, 8, 2), SpanMasks(0.01, 10, 0), 0.07)
    assert PublishedRates.of(Wav2Vec2Config(apply_spec_augment=False)).time.share == 0
    assert PublishedRates.of(WhisperConfig(encoder_layerdrop=0.2)).layer_drop == 0.2


def test_processes_that_skip_different_blocks_train_on_alike(published, audio, tmp_path):
    def part(rank):
        encoder = published("wav2vec2")
        encoder.regularize(only("layer_drop", 0.5))
        encoder.trainable("top:3")  # what stays without a gradient here has nothing to do with LayerDrop
        encoder.model.encoder.layer_norm.requires_grad_(False)
        model = DistributedDataParallel(encoder)
        torch.manual_seed(rank)
        skipped = []
        for _ in range(3):
            torch.manual_seed(10 * rank + len(skipped))
            skipped.append(encoder._skipped())
            torch.manual_seed(10 * rank + len(skipped) - 1)
            model(*audio).hidden_states[-1].square().mean().backward()
        return skipped, [weight.grad.sum().item() for weight in encoder.blocks.parameters()]

    (first, gradients), (second, others) = gathered(part, tmp_path)
    assert first != second
    assert gradients == others
