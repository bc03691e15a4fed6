from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from sercl.errors import UnknownNameError, UsageError
from sercl.models.standardize import CorpusStandardizer, Moments, Standardizer, build_standardizer
from sercl.studies.heads.adaptation import normalize_corpora


def fitted(x: torch.Tensor, pieces: list[int]) -> Standardizer:
    standardizer = Standardizer(x.shape[1:])
    for piece in torch.tensor_split(x, pieces):
        if len(piece):
            standardizer.update(piece)
    standardizer.finish()
    return standardizer


@given(
    seed=st.integers(0, 1000),
    pieces=st.lists(st.integers(0, 40), max_size=4).map(sorted),
    offset=st.sampled_from([0.0, 5.0, -100.0]),
)
def test_equals_sklearn_however_the_data_is_cut(seed: int, pieces: list[int], offset: float) -> None:
    x = (
        torch.randn(40, 3, generator=torch.Generator().manual_seed(seed)) * torch.tensor([0.1, 1.0, 30.0])
        + offset
    )
    ours = fitted(x, pieces)(x)
    theirs = StandardScaler().fit_transform(x.double().numpy())
    np.testing.assert_allclose(ours.numpy(), theirs, atol=2e-4)


def test_a_constant_feature_becomes_zero() -> None:
    x = torch.full((7, 2), 0.1)
    x[:, 1] = torch.arange(7)
    standardizer = fitted(x, [2, 5])
    assert standardizer.std[0] == 1
    assert (standardizer(x)[:, 0].abs() < 1e-6).all()


def test_features_of_several_states_are_standardised_each() -> None:
    x = torch.randn(50, 4, 3) * torch.arange(1, 5).view(1, 4, 1)
    y = fitted(x, [])(x)
    torch.testing.assert_close(y.std(0, correction=0), torch.ones(4, 3))


def test_refuses_before_it_is_fitted() -> None:
    standardizer = Standardizer(3)
    standardizer.update(torch.randn(4, 3))
    with pytest.raises(UsageError, match="not fitted"):
        standardizer(torch.randn(1, 3))
    with pytest.raises(UsageError, match="no training feature"):
        Standardizer(3).finish()


def test_state_survives_a_checkpoint(tmp_path: Path) -> None:
    x = torch.randn(9, 3)
    before = nn.Sequential(fitted(x, []))
    torch.save(before.state_dict(), tmp_path / "state.pt")
    after = nn.Sequential(Standardizer(3))
    after.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert torch.equal(after(x), before(x))


@pytest.fixture
def corpora() -> tuple[Tensor, list[str]]:
    """Vectors of two corpora at different levels, the third feature of B constant."""
    draw = torch.Generator().manual_seed(0)
    a, b = torch.randn(7, 3, generator=draw), 4 * torch.randn(5, 3, generator=draw) + 20
    b[:, 2] = 3.1
    return torch.cat([a, b]), [*"AAAAAAA", *"BBBBB"]


def by_corpus(x: Tensor, names: list[str]) -> CorpusStandardizer:
    standardizer = CorpusStandardizer(x.shape[1:])
    for start in range(0, len(x), 4):
        standardizer.update(x[start : start + 4], names[start : start + 4])
    standardizer.finish()
    return standardizer


def test_each_corpus_has_its_own_statistics_as_in_a_study(corpora: tuple[Tensor, list[str]]) -> None:
    x, names = corpora
    expected = normalize_corpora(x, names, range(len(x)))
    torch.testing.assert_close(by_corpus(x, names)(x, names), expected)
    assert expected[7:, 2].abs().max() == 0


def test_another_corpus_has_the_statistics_of_all_together(corpora: tuple[Tensor, list[str]]) -> None:
    x, names = corpora
    standardizer, other = by_corpus(x, names), torch.randn(4, 3)
    expected = fitted(x, [])(other)
    torch.testing.assert_close(standardizer(other, ["C"] * 4), expected)
    torch.testing.assert_close(standardizer(other), expected)


def test_statistics_of_corpora_survive_a_checkpoint(corpora: tuple[Tensor, list[str]]) -> None:
    x, names = corpora
    before, after = by_corpus(x, names), CorpusStandardizer(3)
    with pytest.raises(UsageError, match="not fitted"):
        after(x, names)
    after.hold(before.names)
    after.load_state_dict(before.state_dict())
    assert torch.equal(after(x, names), before(x, names))


def test_ranks_share_the_corpora_that_they_have_seen(
    monkeypatch: pytest.MonkeyPatch, corpora: tuple[Tensor, list[str]]
) -> None:
    x, names = corpora
    other = CorpusStandardizer(3)
    other.update(x[5:], names[5:])
    asked: list[object] = []

    def gather(parts: list[object], own: object) -> None:
        asked.append(own)
        # First the names; then the moments of A and of B.
        parts[:] = [own, ("A", "B") if len(asked) == 1 else other._moments["AB"[len(asked) - 2]]]

    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(dist, "all_gather_object", gather)
    shared = by_corpus(x[:5], names[:5])  # without B
    monkeypatch.undo()
    torch.testing.assert_close(shared.state_dict(), by_corpus(x, names).state_dict())


def test_the_corpora_must_be_known(corpora: tuple[Tensor, list[str]]) -> None:
    with pytest.raises(UsageError, match="do not name the corpus"):
        CorpusStandardizer(3).update(corpora[0], None)
    with pytest.raises(UsageError, match="no training features"):
        CorpusStandardizer(3).finish()
    with pytest.raises(UnknownNameError, match="corpus"):
        build_standardizer("speaker", 3)


def test_moments_merge_to_those_of_the_whole() -> None:
    x = torch.randn(11, 2)
    merged, whole = Moments.of(x[:4]).merge(Moments.of(x[4:])), Moments.of(x)
    assert merged.count == whole.count
    torch.testing.assert_close((merged.mean, merged.squares), (whole.mean, whole.squares))


def test_ranks_share_what_they_have_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(9, 2)
    others = [Moments.of(x[3:]), None]  # The third rank has seen nothing.

    def gather(parts: list[Moments | None], own: Moments | None) -> None:
        parts[:] = [own, *others]

    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 3)
    monkeypatch.setattr(dist, "all_gather_object", gather)
    shared = fitted(x[:3], [])
    monkeypatch.undo()
    torch.testing.assert_close(shared.state_dict(), fitted(x, []).state_dict())


def test_a_process_group_of_one_changes_nothing(tmp_path: Path) -> None:
    x = torch.randn(9, 2)
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    try:
        alone = fitted(x, [4])
    finally:
        dist.destroy_process_group()
    torch.testing.assert_close(alone.state_dict(), fitted(x, []).state_dict())
