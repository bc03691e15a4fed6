import pytest
import torch

from sercl.errors import UsageError
from sercl.models.heads import build_head
from sercl.models.readout import Readout, check_layer

STATES, DIM, CLASSES = 4, 6, 3


def readout(layer, head="linear", **options):
    torch.manual_seed(0)
    return Readout(layer, STATES, DIM, build_head(head, DIM, CLASSES), **{"standardize": False, **options})


def features(rows=5, states=STATES):
    return torch.randn(rows, states, DIM, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("given", "resolved"), [("last", 3), ("weighted", "weighted"), ("auto", "auto"), (0, 0), (3, 3)]
)
def test_a_layer_is_resolved(given, resolved):
    assert check_layer(given, STATES) == resolved


@pytest.mark.parametrize("layer", [-1, 4, "first", "2", None])
def test_a_layer_that_does_not_exist_is_refused(layer):
    with pytest.raises(UsageError, match=r"Valid: a hidden state 0 to 3, 'last', 'weighted', 'auto'"):
        check_layer(layer, STATES)


def test_a_numbered_layer_reads_that_state_alone():
    one = readout(2)
    assert (one.states, len(one.heads), one.chosen_state) == ([2], 1, 2)
    everything = features()
    assert torch.equal(one.select(everything), everything[:, [2]])
    assert torch.equal(one.select(everything[:, [2]]), everything[:, [2]])
    logits = one(one.select(everything))
    assert torch.equal(one.choose(logits), one.heads[0](everything[:, 2]))


def test_every_candidate_is_scored_from_its_own_state():
    auto = readout("auto")
    with torch.no_grad():
        for number, head in enumerate(auto.heads):
            head[-1].bias.fill_(float(number))
    logits = auto(features())
    assert logits.shape == (5, STATES, CLASSES)
    for number, head in enumerate(auto.heads):
        assert torch.equal(logits[:, number], head(features()[:, number]))


def test_candidates_start_alike_and_share_nothing():
    auto = readout("auto", head="paper")
    first, *others = [list(head.parameters()) for head in auto.heads]
    for other in others:
        assert all(torch.equal(a, b) and a is not b for a, b in zip(first, other, strict=True))


def test_the_chosen_layer_is_what_is_read_and_it_is_stored():
    auto = readout("auto")
    auto.chosen.fill_(2)
    logits = auto(features())
    assert torch.equal(auto.choose(logits), logits[:, 2])
    assert auto.chosen_state == 2
    again = readout("auto")
    again.load_state_dict(auto.state_dict())
    assert again.chosen_state == 2


def test_a_weighted_sum_has_one_head_and_no_chosen_state():
    mixed = readout("weighted")
    assert (len(mixed.heads), mixed.chosen_state) == (1, None)
    # Equal weights at first: the head reads the mean of all states.
    torch.testing.assert_close(mixed(features())[:, 0], mixed.heads[0](features().mean(dim=1)))


def test_each_state_is_standardised_by_its_own_statistics():
    scaled = readout("auto", standardize=True)
    train = features(200) * torch.tensor([1.0, 10.0, 100.0, 1000.0])[:, None] + 7
    scaled.standardizer.update(train)
    scaled.standardizer.finish()
    inputs = scaled.standardizer(train)
    torch.testing.assert_close(inputs.mean(dim=0), torch.zeros(STATES, DIM), atol=1e-4, rtol=0)
    torch.testing.assert_close(inputs.std(dim=0, correction=0), torch.ones(STATES, DIM), atol=1e-3, rtol=0)
    logits = scaled(train)
    assert torch.equal(logits[:, 3], scaled.heads[3](inputs[:, 3]))


def test_vectors_are_normalised_before_they_are_standardised():
    made, fitted = features(rows=50) * 3 + 7, readout("auto", standardize=True, layer_norm=True)
    vectors = made.double().numpy()
    vectors = (vectors - vectors.mean(-1, keepdims=True)) / (vectors.std(-1, keepdims=True) + 1e-6)
    fitted.standardizer.update(fitted.normed(made))
    fitted.standardizer.finish()
    expected = (vectors - vectors.mean(0)) / vectors.std(0)
    torch.testing.assert_close(fitted.prepare(made).double(), torch.from_numpy(expected), atol=1e-3, rtol=0)
    # A louder recording is the same.
    torch.testing.assert_close(fitted(made * 5), fitted(made), atol=1e-3, rtol=0)
