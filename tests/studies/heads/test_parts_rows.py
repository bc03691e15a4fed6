import pytest
import torch

from sercl.errors import FeatureError, UsageError
from sercl.models.standardize import Standardizer
from sercl.studies.heads.parts import Rows, View, check_finite, check_layers, check_shape

CPU = torch.device("cpu")
FEATURES = torch.randn(6, 3, 5, generator=torch.Generator().manual_seed(0)) * 4 + 2
LABELS = torch.tensor([0, 1, 0, 1, 0, 1])


def test_blocks_are_standardised_by_their_own_training_part() -> None:
    rows = Rows.of(FEATURES, LABELS, [(1, View((0, 1, 2))), (2, View((3, 4, 5))), (1, View())], CPU)
    assert rows.values.shape == (3, 6, 5)
    for block, layer, train in ((0, 1, [0, 1, 2]), (1, 2, [3, 4, 5])):
        standardizer = Standardizer(5)
        standardizer.update(FEATURES[train, layer])
        standardizer.finish()
        torch.testing.assert_close(rows.values[block], standardizer(FEATURES[:, layer]))
    torch.testing.assert_close(rows.values[2], FEATURES[:, 1], rtol=0, atol=0)


def test_the_features_stay_as_they_are() -> None:
    before = FEATURES.clone()
    Rows.of(FEATURES, LABELS, [(0, View((0, 1)))], CPU)
    torch.testing.assert_close(FEATURES, before, rtol=0, atol=0)


def test_all_states_are_standardised_each_by_itself() -> None:
    rows = Rows.of(FEATURES, LABELS, [(None, View((0, 1, 2, 3)))], CPU)
    assert rows.values.shape == (1, 6, 3, 5)
    single = Rows.of(FEATURES, LABELS, [(2, View((0, 1, 2, 3)))], CPU)
    torch.testing.assert_close(rows.values[0, :, 2], single.values[0])


def test_rows_are_gathered_from_the_block_of_each_model() -> None:
    rows = Rows.of(FEATURES, LABELS, [(0, View()), (1, View())], CPU)
    index = torch.tensor([[4, 0], [1, 1], [5, 2]])
    picked = rows.gather(torch.tensor([1, 0, 1]), index)
    expected = torch.stack([FEATURES[index[0], 1], FEATURES[index[1], 0], FEATURES[index[2], 1]])
    torch.testing.assert_close(picked, expected)


def test_few_rows_are_gathered_at_once_where_they_are_large() -> None:
    small = Rows.of(FEATURES, LABELS, [(0, View())], CPU)
    large = Rows(torch.zeros(1, 1, 1 << 22).expand(1, 10, -1), LABELS)
    assert small.chunk(1) > 1000
    assert small.chunk(10) == small.chunk(1) // 10
    assert large.chunk(4) == 1


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_nan_and_inf_are_refused_with_utterance_and_layer(value: float) -> None:
    broken = FEATURES.clone()
    broken[4, 2, 1] = broken[5, 2, 0] = value
    ids = list("abcdef")
    with pytest.raises(FeatureError, match=r"hidden state 2 of utterance 'e' .*\(2 such utterance"):
        check_finite(broken, ids, [0, 1, 2])
    check_finite(broken, ids, [0, 1])


@pytest.mark.parametrize("layers", [[3], [-1], [0, 0], []])
def test_layers_out_of_range_are_refused(layers: list[int]) -> None:
    with pytest.raises(UsageError, match="valid: hidden states from 0 to 2"):
        check_layers(layers, 3)
    check_layers([0, 2], 3)


@pytest.mark.parametrize("shape", [(6, 5), (5, 3, 5), (6, 3, 5, 1)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="for 6 utterances"):
        check_shape(torch.zeros(shape), list("abcdef"))


def test_vectors_are_normalised_before_all_else() -> None:
    made = torch.randn(6, 2, 5, generator=torch.Generator().manual_seed(0)) * 4 + 3
    seen = []

    def adapt(features: torch.Tensor) -> torch.Tensor:
        seen.append(features)
        return features

    rows = Rows.of(made, torch.zeros(6), [(1, View((0, 1, 2), adapt, layer_norm=True))], torch.device("cpu"))
    (given,) = seen
    torch.testing.assert_close(given.mean(dim=-1), torch.zeros(6), atol=1e-5, rtol=0)
    torch.testing.assert_close(given.std(dim=-1, correction=0), torch.ones(6), atol=1e-3, rtol=0)
    reference = given[:3].double()
    expected = (given.double() - reference.mean(0)) / reference.std(0, correction=0)
    torch.testing.assert_close(rows.values[0].double(), expected, atol=1e-4, rtol=0)
