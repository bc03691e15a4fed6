"""Plans of studies that train on several corpora at once."""

from collections import Counter
from dataclasses import replace

import pytest

from sercl.data.config import LoaderConfig
from sercl.errors import FoldError, UsageError
from sercl.studies.cross_eval.cells import SETTINGS
from sercl.studies.cross_eval.plan.corpora import CutCorpus
from sercl.studies.cross_eval.plan.options import Exclude
from sercl.studies.cross_eval.plan.trainings import Subset, weighted
from tests.studies.cross_eval.samples import EmoDB, by_condition, cut, plan_of, subset

A, B, C = cut("A"), cut("B"), cut("C", speakers="abcdef")
BOTH = ["single", "all-but-target"]


def test_a_union_trains_and_selects_on_its_corpora_and_never_hears_the_target() -> None:
    plan = plan_of([A, B, C], settings=["zero-shot"], sources=["all-but-target"], seeds=[1], folds=[1])
    assert {item.cell.condition.source for item in plan.cells} == {"B + C", "A + C", "A + B"}
    (item,) = by_condition(plan, target="C")
    assert item.training.train == (A.parts[1]["train"], B.parts[1]["train"])
    assert item.training.validation == (A.parts[1]["validation"], B.parts[1]["validation"])
    assert item.test == C.parts[1]["test"]
    assert {subset.corpus for subset in item.training.known} == {"A", "B"}
    assert item.parts == {"train": 32, "validation": 16, "test": 8}


def test_single_sources_keep_their_addresses_beside_unions() -> None:
    common = {"settings": list(SETTINGS), "adapters": ["none", "lora"], "shots": [1], "seeds": [1]}
    alone = plan_of([A, B, C], **common)
    beside = plan_of([A, B, C], sources=BOTH, **common)
    assert {item.cell: item.address for item in alone.cells}.items() <= {
        item.cell: item.address for item in beside.cells
    }.items()
    assert len({item.address for item in beside.cells}) > len({item.address for item in alone.cells})


def test_monolingual_and_transfer_have_single_corpora_only() -> None:
    plan = plan_of([A, B, C], settings=list(SETTINGS), shots=[1], seeds=[1], sources=["all-but-target"])
    unions = {item.cell.condition.setting for item in plan.cells if "+" in item.cell.condition.source}
    assert unions == {"zero-shot", "two-stage", "few-shot", "target-only"}
    single = {item.cell.condition.setting for item in plan.cells if "+" not in item.cell.condition.source}
    assert single == {"monolingual", "transfer"}


def test_few_shot_of_a_union_weighs_as_much_as_all_of_it() -> None:
    plan = plan_of([A, B, C], settings=["few-shot"], sources=BOTH, shots=[1], seeds=[1], draws=1, folds=[0])
    (both,) = by_condition(plan, setting="few-shot", source="A + B")
    (alone,) = by_condition(plan, setting="target-only", source="A + B")
    (single,) = by_condition(plan, setting="few-shot", source="A", target="C")
    assert both.training.train[2].keys == single.training.train[1].keys, "the same draw"
    assert [len(own.epoch) for own in both.training.train] == [16, 16, 32]
    assert alone.training.train == both.training.train[2:]


def test_two_stages_begin_with_the_union() -> None:
    plan = plan_of([A, B, C], settings=["two-stage"], sources=["all-but-target"], seeds=[1], folds=[0])
    (item,) = by_condition(plan, target="C")
    assert item.training.start is not None
    assert [own.corpus for own in item.training.start.train] == ["A", "B"]
    assert [own.corpus for own in item.training.train] == ["C"]
    assert (item.parts["source train"], item.parts["source validation"]) == (32, 16)


def test_with_two_corpora_all_but_the_target_is_the_single_source_and_not_trained_twice() -> None:
    common = {"settings": ["zero-shot"], "seeds": [1]}
    plan, alone = plan_of([A, B], sources=BOTH, **common), plan_of([A, B], **common)
    assert [item.address for item in plan.cells] == [item.address for item in alone.cells]
    assert "all-but-target: for A this is B alone, a single source" in plan.remarks


def test_only_training_corpora_are_joined() -> None:
    plan = plan_of([A, B, C], settings=["zero-shot"], sources=BOTH, train=["C", "B"], test=["A", "B"])
    assert {item.cell.condition.source for item in by_condition(plan, target="A")} == {"B", "C", "B + C"}
    assert {item.cell.condition.source for item in by_condition(plan, target="B")} == {"C"}


def spoken(corpus: CutCorpus, language: str) -> CutCorpus:
    """A corpus whose utterances are of a language."""

    def of_language(part: Subset) -> Subset:
        items = tuple(replace(item, language=language) for item in part.split.utterances)
        return replace(part, split=replace(part.split, utterances=items))

    parts = tuple({part: of_language(own) for part, own in fold.items()} for fold in corpus.parts)
    return replace(corpus, parts=parts)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ("proportional", {"A": 32, "B": 16, "D": 32}),
        ("by-corpus", {"A": 32, "B": 32, "D": 32}),
        ("by-language", {"A": 32, "B": 16, "D": 48}),
        ("by-speaker", {"A": 32, "B": 16, "D": 32}),
    ],
)
def test_weights_repeat_smaller_groups(weights: str, expected: dict[str, int]) -> None:
    six = [cut(name, speakers="abcdef") for name in "AD"]
    corpora = [spoken(six[0], "de"), spoken(B, "de"), spoken(six[1], "en"), C]
    plan = plan_of(
        corpora, settings=["zero-shot"], sources=["all-but-target"], weights=weights, seeds=[1], folds=[0]
    )
    (item,) = by_condition(plan, target="C")
    assert {own.corpus: len(own.epoch) for own in item.training.train} == expected
    assert item.training.size == sum(expected.values())
    assert item.parts["train"] == 80, "different utterances"
    assert all(own.repeat == 1 for own in item.training.validation)
    assert any("balanced by" in remark for remark in plan.remarks) == (weights != "proportional")


def test_weights_that_change_nothing_are_the_same_computation() -> None:
    even = [cut(name) for name in "ABC"]
    common = {"settings": ["zero-shot"], "sources": ["all-but-target"], "seeds": [1]}
    plain, balanced = plan_of(even, **common), plan_of(even, weights="by-corpus", **common)
    assert [item.address for item in plain.cells] == [item.address for item in balanced.cells]


def test_every_utterance_occurs_and_groups_weigh_alike() -> None:
    parts = [subset("A", [f"a{n}" for n in range(7)]), subset("B", [f"b{n}" for n in range(3)])]
    one, two = weighted(parts, "by-corpus")
    assert (one.repeat, len(two.epoch)) == (1, 7)
    assert set(Counter(two.epoch).values()) == {2, 3}
    assert weighted(parts, "by-corpus")[1].repeat == two.repeat, "drawn the same each time"


def test_speakers_that_weights_need_must_be_known() -> None:
    corpora = [A, cut("B", known=False), C]
    with pytest.raises(UsageError, match="weights by-speaker: the speaker of 16 utterances is unknown"):
        plan_of(corpora, settings=["zero-shot"], sources=["all-but-target"], weights="by-speaker", test=["C"])


def test_speaker_normalisation_needs_the_speakers_of_every_source() -> None:
    plan = plan_of(
        [A, cut("B", known=False), C],
        settings=["zero-shot"],
        sources=BOTH,
        adaptation=["speaker"],
        test=["C"],
    )
    assert {item.cell.condition.source for item in plan.cells} == {"A"}
    assert any("A + B -> C, speaker: not every speaker of B" in remark for remark in plan.remarks)


def test_corpora_of_a_union_must_not_share_ids() -> None:
    twin = cut("B")
    renamed = tuple(
        {part: replace(own, split=A.parts[index][part].split) for part, own in fold.items()}
        for index, fold in enumerate(twin.parts)
    )
    with pytest.raises(FoldError, match="A and B overlap: both have the utterance"):
        plan_of([A, replace(twin, parts=renamed), C], settings=["zero-shot"], sources=BOTH, test=["C"])


def test_a_union_with_an_adapter_is_loaded_in_one_way() -> None:
    other = replace(B, data=EmoDB("B", loader=LoaderConfig(batch_size=3)))
    common = {"settings": ["zero-shot"], "sources": ["all-but-target"], "test": ["C"]}
    with pytest.raises(
        UsageError, match="A and B are trained on as one source with an adapter, but their loader"
    ):
        plan_of([A, other, C], adapters=["lora"], **common)
    assert plan_of([A, other, C], **common).cells, "stored hidden states are not loaded"


def test_a_union_is_excluded_by_its_name() -> None:
    plan = plan_of(
        [A, B, C], settings=["zero-shot"], sources=BOTH, exclude=[Exclude({"source": ["B + A", "C"]})]
    )
    assert {item.cell.condition.source for item in plan.cells} == {"A", "B", "A + C", "B + C"}


def test_subsets_are_conditions_of_their_own() -> None:
    corpora = [A, B, C, cut("D")]
    plan = plan_of(corpora, settings=["zero-shot"], sources=[*BOTH, "subsets"], seeds=[1], folds=[0])
    found = [item.cell.condition.source for item in by_condition(plan, target="D")]
    assert sorted(found) == ["A", "A + B", "A + B + C", "A + C", "B", "B + C", "C"]


def test_folds_of_every_source_are_paired_with_those_of_the_target() -> None:
    with pytest.raises(UsageError, match="B has 3 and C has 2"):
        plan_of([A, cut("B", folds=3), C], settings=["zero-shot"], sources=["all-but-target"], test=["C"])
    whole = cut("B", folds=1)
    plan = plan_of([A, whole, C], settings=["zero-shot"], sources=["all-but-target"], test=["C"], seeds=[1])
    for index, item in enumerate(plan.cells):
        assert item.training.train == (A.parts[index]["train"], whole.parts[0]["train"])
