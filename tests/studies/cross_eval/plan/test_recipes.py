import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sercl.errors import UnknownOptionError, UsageError
from sercl.studies.cross_eval.cells import Condition
from sercl.studies.cross_eval.plan.options import Exclude, Override
from sercl.studies.cross_eval.plan.recipes import EncoderFacts, Encoders, EncoderSpec, Recipes, merged
from sercl.studies.cross_eval.plan.trainings import Recipe
from sercl.studies.heads.config import ProbeOptions
from sercl.studies.training.trainers import TrainerOptions
from tests.studies.cross_eval.samples import SPACE, options

LABELS = {"angry": ["angry"], "sad": ["sad"]}
DEFAULTS: dict[str, Any] = {
    "revision": None, "whisper_form": "padded", "last_block": None, "layer": "auto", "layer_norm": None,
    "pooling": "mean", "head_init": None,
    "head": "paper", "head_first": False, "gradient_checkpointing": False, "save_full": False,
    "encoder_config": None, "adapters": {"lora": {"rank": 8}, "gating": {"kernel": 3}},
    "adversarial": {"weight": 0.0, "hidden": 64}, "loss": "cross-entropy", "optimizer": {},
}  # fmt: skip
SAVING = {
    "monitor": "x", "mode": "min", "save_top_k": 1, "every_n_epochs": 1, "save_on_train_epoch_end": None,
    "save_last": True,
}  # fmt: skip
FROZEN = Condition("an encoder", "none", "monolingual", "A", "A")
LORA = replace(FROZEN, adapter="lora")


class FakeEncoders(Encoders):
    """Encoders by name; "w" and "w again" are the same weights."""

    def facts(self, spec: EncoderSpec) -> EncoderFacts:
        form = {"form": spec.whisper_form}
        return EncoderFacts("whisper", spec.encoder.removesuffix(" again"), form, (spec.last_block or 5) + 1)

    def space(self, spec: EncoderSpec, pooling: str) -> Any:
        facts = self.facts(spec)
        states = tuple(f"{facts.fingerprint} {state}" for state in range(facts.states))
        return replace(
            SPACE, states=states, pooling=pooling, precision=self.precision, preprocessing=facts.preprocessing
        )


def recipes(
    model: Mapping[str, Any] | None = None,
    probe: ProbeOptions = ProbeOptions(preset="mlp"),
    trainer: Mapping[str, Any] | None = None,
    precision: str = "fp32",
    labels: Mapping[str, list[str]] = LABELS,
    **study: Any,
) -> Recipes:
    training = TrainerOptions({"max_epochs": 9, "accelerator": "cpu", **(trainer or {})}, {}, SAVING)
    study = {"adapters": ["none", "lora"], **study}
    encoders = FakeEncoders(precision)
    return Recipes(
        options(**study), dict(model or {}), probe, training, labels, encoders,
        lambda given: merged(copy.deepcopy(DEFAULTS), given),
    )  # fmt: skip


def fingerprints(**changes: Any) -> tuple[str, str]:
    """Return those of a frozen encoder and of an adapter."""
    own = recipes(**changes)
    return own(FROZEN).fingerprint, own(LORA).fingerprint


PLAIN = fingerprints()


@pytest.mark.parametrize(
    ("changes", "frozen", "adapted"),
    [
        # Adapters start from random heads, and a study's own heads are regressions or start at random.
        ({"model": {"head_init": "random"}}, False, False),
        # What decides both.
        ({"model": {"last_block": 3}}, True, True),
        ({"model": {"pooling": "mean+std"}}, True, True),
        ({"model": {"whisper_form": "short"}}, True, True),
        ({"labels": {"mad": ["angry"], "sad": ["sad"]}}, True, True),
        ({"labels": {"angry": ["angry", "disgusted"], "sad": ["sad"]}}, True, True),
        ({"encoders": {"an encoder": "another"}}, True, True),
        # What only a frozen encoder's heads know.
        ({"probe": ProbeOptions(preset="mlp", lr=0.5)}, True, False),
        ({"probe": ProbeOptions(preset="linear")}, True, False),
        ({"probe": ProbeOptions()}, True, False),
        ({"probe": ProbeOptions(preset="mlp", max_epochs=100)}, False, False),
        ({"precision": "bf16"}, True, False),
        # What only adapters know.
        ({"model": {"adapters": {"lora": {"rank": 4}}}}, False, True),
        ({"model": {"head": "linear"}}, False, True),
        ({"trainer": {"max_epochs": 3}}, False, True),
        # What decides nothing.
        ({"model": {"adapters": {"gating": {"kernel": 5}}}}, False, False),
        ({"model": {"gradient_checkpointing": True}}, False, False),
        ({"model": {"head": "Paper", "pooling": "MEAN", "optimizer": {"algorithm": "AdamW"}}}, False, False),
        ({"model": {"save_full": True}}, False, False),
        ({"trainer": {"accelerator": "gpu"}}, False, False),
        ({"encoders": {"an encoder": "an encoder again"}}, False, False),
    ],
)  # fmt: skip
def test_an_option_touches_what_it_decides(changes: dict[str, Any], frozen: bool, adapted: bool) -> None:
    found = fingerprints(**changes)
    assert (found[0] != PLAIN[0], found[1] != PLAIN[1]) == (frozen, adapted)


MODELS = st.fixed_dictionaries(
    {},
    optional={
        "last_block": st.sampled_from([None, 2, 4]),
        "pooling": st.sampled_from(["mean", "mean+std"]),
        "head": st.sampled_from(["paper", "linear"]),
        "adapters": st.sampled_from([{}, {"lora": {"rank": 2}}, {"gating": {"kernel": 9}}]),
        "save_full": st.booleans(),
        "head_first": st.booleans(),
    },
)


def deciding(model: Mapping[str, Any]) -> dict[str, Any]:
    """What of these options a training with LoRA depends on."""
    whole = merged(copy.deepcopy(DEFAULTS), model)
    kept = {name: whole[name] for name in ("last_block", "pooling", "head", "head_first")}
    return kept | {"rank": whole["adapters"]["lora"]["rank"]}


@settings(deadline=None, max_examples=50)
@given(MODELS, MODELS)
def test_fingerprints_differ_where_deciding_options_do(one: dict[str, Any], other: dict[str, Any]) -> None:
    same = recipes(model=one)(LORA).fingerprint == recipes(model=other)(LORA).fingerprint
    assert same == (deciding(one) == deciding(other))


def test_precision_of_hidden_states_decides_where_a_head_is_trained_on_them_first() -> None:
    def lora(head_first: bool, precision: str) -> str:
        return fingerprints(model={"head_first": head_first}, precision=precision)[1]

    assert lora(True, "fp32") != lora(True, "bf16")
    assert lora(False, "fp32") == lora(False, "bf16")


def test_conditions_with_the_same_options_share_a_recipe() -> None:
    own = recipes()
    zero_shot = replace(FROZEN, setting="zero-shot", target="B", adaptation="coral")
    assert own(FROZEN) is own(zero_shot)
    assert own(LORA) is own(replace(zero_shot, adapter="lora", adaptation="none"))
    assert own(FROZEN) is not own(LORA)


def test_overrides_hold_where_they_match_and_later_ones_win() -> None:
    own = recipes(
        overrides=[
            Override({"setting": ["monolingual", "transfer"]}, model={"head": "linear"}, probe={"lr": 0.1}),
            Override({"adapter": "lora"}, model={"head": "paper", "adapters": {"lora": {"rank": 2}}}),
        ]
    )
    assert own.model_options(FROZEN)["head"] == "linear"
    assert own(FROZEN).probe.lr == 0.1  # type: ignore[union-attr]
    assert own(replace(FROZEN, setting="zero-shot", target="B")).probe.lr == 1e-3  # type: ignore[union-attr]
    lora = own.model_options(LORA)
    assert (lora["head"], lora["adapters"]) == ("paper", {"lora": {"rank": 2}})


def test_adversarial_conditions_get_the_weight_of_the_file_or_one() -> None:
    condition = replace(LORA, setting="zero-shot", target="B", adaptation="adversarial")
    for given_weight, expected in ((None, 1.0), (0.0, 1.0), (0.3, 0.3)):
        model = {} if given_weight is None else {"adversarial": {"weight": given_weight}}
        own = recipes(model)
        assert own.model_options(condition)["adversarial"] == {"weight": expected, "hidden": 64}
        assert own(condition).fingerprint != own(LORA).fingerprint


@pytest.mark.parametrize(
    ("layer", "expected"), [("auto", None), (None, None), ("last", (5,)), (0, (0,)), (5, (5,))]
)
def test_layers_of_a_frozen_encoder(layer: Any, expected: Any) -> None:
    found: Recipe = recipes({"layer": layer})(FROZEN)
    assert found.layers == expected


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": {"layer": 6}}, "model.layer 6: .* from 0 to 5"),
        ({"model": {"layer": "mix"}}, "model.layer mix"),
        ({"model": {"pooling": "attentive"}}, "model.pooling attentive: .* mean or mean\\+std"),
        ({"probe": ProbeOptions(preset="mlp", seeds=(1,))}, "study.seeds"),
        ({"exclude": [Exclude({"adapter": ["none", "lora"]})]}, "leave no condition"),
    ],
)
def test_what_cannot_be_is_said_before_anything_runs(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        recipes(**changes).check()


def test_reading_encoders_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DEFAULTS, "adapters", {})
    told: list[tuple[str, int, int]] = []
    recipes(settings=["monolingual"]).check(lambda *own: told.append(own))
    count = told[0][2]
    assert told == [("reading encoders", done, count) for done in range(count + 1)]


def test_an_unknown_option_of_the_probe_is_answered() -> None:
    own = recipes(overrides=[Override({"setting": "monolingual"}, probe={"lrr": 1})])
    with pytest.raises(UnknownOptionError, match=r"probe.lr\b"):
        own.check()


def test_merging_goes_group_by_group_and_changes_neither() -> None:
    base, over = {"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 9}, "d": {"e": 1}}
    assert merged(base, over) == {"a": {"b": 9, "c": 2}, "d": {"e": 1}}
    assert base == {"a": {"b": 1, "c": 2}, "d": 3}


def test_statistics_of_each_corpus_are_an_adaptation() -> None:
    with pytest.raises(UsageError, match=r"probe.standardize corpus: .* study.adaptation: \[corpus\]"):
        recipes(probe=ProbeOptions(standardize="corpus"))(FROZEN)


def test_regressions_that_a_head_starts_from_are_part_of_its_address():
    def fingerprint(**model: Any) -> str:
        own = {"head": "linear", "optimizer": {"algorithm": "torch.optim.SGD"}, **model}
        return recipes(model=own)(FROZEN).fingerprint

    assert fingerprint() == fingerprint(head_init="regression") != fingerprint(head_init="random")
    assert fingerprint(head="paper") == fingerprint(head="paper", head_init="random")
    of_torch = {"class_path": "torch.nn.Linear"}
    assert fingerprint(head=of_torch) == fingerprint(head=of_torch, head_init="regression")
    assert fingerprint(head=of_torch) != fingerprint(head=of_torch, head_init="random")
    without_bias = {**of_torch, "init_args": {"bias": False}}
    assert fingerprint(head=without_bias) == fingerprint(head=without_bias, head_init="random")
