from pathlib import Path

import pytest

from sercl.errors import UnknownNameError, UsageError
from sercl.features.wanted import wanted_of
from sercl.models.adapters import attach
from sercl.models.encoders import Encoder, load_encoder
from sercl.testing.encoders import tiny_encoder


def test_all_pooled_states_are_stored_whichever_are_asked_for(encoder: Encoder) -> None:
    wanted = wanted_of(encoder, states=(3, 1))
    assert wanted.space.states == encoder.state_fingerprints()
    assert wanted.computed == (0, 1, 2, 3)
    assert wanted.asked.states == (wanted.space.states[3], wanted.space.states[1])
    assert wanted_of(encoder).asked == wanted.space


def test_of_frames_only_what_is_asked_for_is_stored_in_one_order(encoder: Encoder) -> None:
    wanted = wanted_of(encoder, "frames", states=(3, 1))
    assert wanted.computed == (1, 3)
    assert wanted.space == wanted_of(encoder, "frames", states=(1, 3)).space
    assert wanted.asked.positions_in(wanted.space) == (1, 0)


@pytest.mark.parametrize(("pooling", "width"), [("mean", 16), ("mean+std", 32), ("frames", 16)])
def test_the_width_is_that_of_the_pooling(encoder: Encoder, pooling: str, width: int) -> None:
    assert wanted_of(encoder, pooling).space.width == width


def test_the_form_of_whisper_is_part_of_the_space(tmp_path: Path) -> None:
    folder = str(tiny_encoder("whisper", tmp_path / "whisper"))
    spaces = [wanted_of(load_encoder(folder, whisper_form=form)).space for form in ("padded", "short")]
    assert spaces[0].states == spaces[1].states
    assert spaces[0].positions_in(spaces[1]) is None


def test_what_does_not_exist_is_refused(encoder: Encoder) -> None:
    with pytest.raises(UsageError, match="hidden state 4: valid: 0 to 3"):
        wanted_of(encoder, states=(1, 4))
    with pytest.raises(UsageError, match=r"hidden states \[1, 1\]: valid: 0 to 3, each once"):
        wanted_of(encoder, states=(1, 1))
    with pytest.raises(UsageError, match="at least one"):
        wanted_of(encoder, states=())
    with pytest.raises(UnknownNameError, match=r"'attentive'.*Valid: mean, mean\+std, frames"):
        wanted_of(encoder, "attentive")
    with pytest.raises(UnknownNameError, match="Valid: fp32, bf16, fp16"):
        wanted_of(encoder, precision="fp8")


@pytest.mark.parametrize("adapter", ["gating", "bottleneck"])
def test_adapters_that_hook_are_refused(encoder: Encoder, adapter: str) -> None:
    attach(encoder, adapter)
    with pytest.raises(UsageError, match="has adapters or hooks"):
        wanted_of(encoder)


def test_lora_makes_another_encoder(encoder: Encoder) -> None:
    before = encoder.state_fingerprints()
    attach(encoder, "lora")
    after = wanted_of(encoder).space.states
    assert [a == b for a, b in zip(after, before, strict=True)] == [True, False, False, False]
