from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sercl.errors import FoldError, SpeakerOverlapError, UsageError
from sercl.studies.cross_eval.cells import SETTINGS
from sercl.studies.cross_eval.plan import planner as planning
from sercl.studies.cross_eval.plan.trainings import Subset, digest, few
from tests.studies.cross_eval.samples import FROZEN, by_condition, cut, options, plan_of

A, B = cut("A"), cut("B")


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.integers(0, 99), min_size=1, max_size=3, unique=True),
    st.integers(1, 3),
    st.sampled_from(["all", [0], [1], [0, 1]]),
)
def test_a_condition_has_a_cell_per_fold_and_repeat(
    seeds: list[int], draws: int, folds: str | list[int]
) -> None:
    plan = plan_of([A, B], settings=list(SETTINGS), shots=[0, 1], seeds=seeds, draws=draws, folds=folds)
    assert len({item.cell for item in plan.cells}) == len(plan.cells)
    each = 2 if folds == "all" else len(folds)
    for condition, count in Counter(item.cell.condition for item in plan.cells).items():
        repeats = draws if condition.shots else len(seeds)
        assert count == each * repeats


def test_the_disk_is_asked_once_where_a_file_is(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: Counter[Path] = Counter()
    resolve = Path.resolve
    monkeypatch.setattr(Path, "resolve", lambda path: asked.update([path]) or resolve(path))
    plan_of([cut("once A"), cut("once B")], settings=list(SETTINGS), shots=[1], draws=3)
    assert set(asked.values()) == {1}


def test_planning_is_reported_condition_by_condition() -> None:
    told: list[tuple[str, int, int]] = []
    corpora = {"A": A, "B": B}
    plan = planning.make_plan(
        options(corpora, settings=["monolingual", "zero-shot"]),
        corpora,
        lambda _: FROZEN,
        lambda *own: told.append(own),
    )
    count = len(plan.conditions)
    assert told == [("planning", done, count) for done in range(count + 1)]


def test_few_shot_with_no_shots_is_zero_shot() -> None:
    plan = plan_of([A, B], settings=["zero-shot", "few-shot"], shots=[0, 1], seeds=[1])
    none = by_condition(plan, setting="few-shot", shots=0)
    assert [item.address for item in none] == [
        item.address for item in by_condition(plan, setting="zero-shot")
    ]
    some = by_condition(plan, setting="few-shot", shots=1)
    assert not {item.address for item in some} & {item.address for item in none}


def test_what_each_setting_trains_selects_and_tests_on() -> None:
    plan = plan_of([A, B], settings=list(SETTINGS), shots=[1], seeds=[1], folds=[1])
    source, target = A.parts[1], B.parts[1]
    for setting, train, validation in (
        ("zero-shot", source, source),
        ("transfer", target, target),
        ("two-stage", target, target),
        ("few-shot", source, source),
    ):
        item = by_condition(plan, setting=setting, source="A")[0]
        assert item.training.train[0] == train["train"], setting
        assert item.training.validation == (validation["validation"],), setting
        assert item.test == target["test"], setting
    (second,) = by_condition(plan, setting="two-stage", source="A")
    assert second.training.start is not None
    assert second.training.start.train == (source["train"],)
    assert second.training.start.validation == (source["validation"],)
    shots = by_condition(plan, setting="few-shot", source="A")[0].training.train[1]
    assert set(shots.keys) < set(target["train"].keys)
    assert Counter(shots.split.labels) == dict.fromkeys(range(4), 1)


def test_the_few_clips_alone_are_those_of_few_shot_and_select_on_themselves() -> None:
    plan = plan_of([A, B], settings=["few-shot"], shots=[0, 1], seeds=[1], folds=[1])
    (few_shot,) = by_condition(plan, setting="few-shot", source="A", shots=1)[:1]
    (alone,) = by_condition(plan, setting="target-only", source="A", shots=1)[:1]
    assert alone.training.train == few_shot.training.train[1:]
    assert alone.training.train[0].corpus == "B"
    (selects,) = alone.training.validation
    assert (selects.keys, selects.repeat) == (alone.training.train[0].keys, 1)
    assert (alone.test, alone.cell.draw, alone.cell.seed) == (few_shot.test, few_shot.cell.draw, 1)
    assert alone.parts == {"target train": 4, "validation": 4, "test": 8}
    assert {item.cell.condition.shots for item in by_condition(plan, setting="target-only")} == {1}


def test_the_baseline_leaves_the_addresses_of_other_cells_alone() -> None:
    both = {"settings": list(SETTINGS), "adapters": ["none", "lora"], "shots": [0, 1, 2], "switch_epoch": 5}
    both |= {"adaptation": ["none", "corpus", "speaker"], "select_on": ["source", "target"]}
    plan = plan_of([A, B], **{**both, "settings": [name for name in SETTINGS if name != "target-only"]})
    cells = [
        item
        for item in plan.cells
        if item.cell.condition.setting != "target-only"
        and (item.cell.condition.setting, item.cell.condition.select_on) != ("two-stage", "target")
    ]
    assert len(cells) == 312
    assert digest([item.address for item in cells]).startswith("4a8db7eb336e7c3a")
    assert digest([item.training.address for item in cells]).startswith("3ff5a54ca19d37bb")


def test_selection_on_the_target_uses_its_validation_part_and_never_its_test() -> None:
    plan = plan_of([A, B], settings=["zero-shot"], select_on=["source", "target"], seeds=[1], folds=[0])
    for item in by_condition(plan, source="A"):
        expected = B if item.cell.condition.select_on == "target" else A
        assert item.training.validation == (expected.parts[0]["validation"],)
        assert not {key for subset in item.training.known for key in subset.keys} & set(item.test.keys)


def test_settings_that_are_one_computation_share_it() -> None:
    plan = plan_of([A, B], settings=["monolingual", "transfer", "two-stage"], seeds=[1], folds=[0])
    (own,) = by_condition(plan, setting="monolingual", target="B")
    (transfer,) = by_condition(plan, setting="transfer", target="B")
    (second,) = by_condition(plan, setting="two-stage", target="B")
    (first,) = by_condition(plan, setting="monolingual", target="A")
    assert own.address == transfer.address
    assert second.training.start == first.training
    # Two of one stage, and two that go on from them.
    assert len(plan.trainings) == 4
    order = list(plan.trainings)
    assert order.index(first.training.address) < order.index(second.training.address)


def test_an_epoch_limit_of_the_first_stage_makes_a_training_of_its_own_for_adapters_alone() -> None:
    both = {
        "settings": ["monolingual", "two-stage"],
        "adapters": ["none", "lora"],
        "seeds": [1],
        "folds": [0],
    }
    plan = plan_of([A, B], switch_epoch=5, **both)
    limits = {
        item.cell.condition.adapter: item.training.start.max_epochs
        for item in by_condition(plan, setting="two-stage")
        if item.training.start is not None
    }
    assert limits == {"none": None, "lora": 5}
    assert len(plan.trainings) == len(plan_of([A, B], **both).trainings) + 2


def test_the_first_of_two_stages_selects_on_the_target_where_that_is_asked_for() -> None:
    plan = plan_of([A, B], settings=["two-stage"], select_on=["source", "target"], seeds=[1], folds=[0])
    for item in by_condition(plan, source="A"):
        first = item.training.start
        assert first is not None
        expected = B if item.cell.condition.select_on == "target" else A
        assert first.validation == (expected.parts[0]["validation"],)
        assert item.parts["source validation"] == len(first.validation[0])
        assert item.training.validation == (B.parts[0]["validation"],)
        assert ("selected on target" in item.cell.condition.label) == (expected is B)


def test_two_stages_as_in_the_study_are_for_adapters_and_change_no_other_address() -> None:
    options = {
        "settings": ["zero-shot", "two-stage"],
        "adapters": ["none", "lora"],
        "seeds": [1],
        "folds": [0],
    }
    careful = plan_of([A, B], **options)
    study = plan_of([A, B], continue_from="last", epoch_budget="shared", **options)
    for before, after in zip(careful.cells, study.cells, strict=True):
        changes = before.cell.condition.setting == "two-stage" and before.cell.condition.adapter == "lora"
        assert (before.address != after.address) == changes, before.cell
    (item,) = by_condition(study, setting="two-stage", adapter="lora", source="A")
    assert (item.training.continue_from, item.training.shares_epochs) == ("last", True)
    assert item.training.start is not None
    assert item.training.start.keeps_last
    assert len([text for text in study.remarks if text.startswith("two-stage: with adapters")]) == 2
    assert not careful.remarks


def test_addresses_of_default_settings_stay_what_they_were() -> None:
    """Results of a study are found by them: a change would train every study anew."""
    plan = plan_of(
        [A, B], settings=["two-stage"], adapters=["none", "lora"], seeds=[1], folds=[0], switch_epoch=5
    )
    assert [item.address for item in plan.cells] == [
        "e816171309a46069", "a38f78215ff56ec4", "2bcc8f2e93cd4be6", "fb9651cefba65d36",
    ]  # fmt: skip


def test_a_source_is_tested_before_and_after_the_second_stage() -> None:
    plan = plan_of([A, B], settings=["monolingual", "two-stage"], seeds=[1, 2], folds=[0, 1])
    assert [item.cell for item in plan.forgetting] == [
        item.cell for item in by_condition(plan, setting="two-stage")
    ]
    for item in plan.forgetting:
        condition, fold = item.cell.condition, item.cell.fold
        source = {"A": A, "B": B}[condition.source]
        assert item.test == source.parts[fold]["test"]
        assert item.after.start == item.before
        assert not set(item.test.keys) & {key for subset in item.after.known for key in subset.keys}
        (own,) = (
            cell for cell in by_condition(plan, setting="monolingual", target=condition.source)
            if (cell.cell.fold, cell.cell.seed) == (fold, item.cell.seed)
        )  # fmt: skip
        assert item.addresses[0] == own.address, "the source's own model is tested once"
    cells = {item.address for item in plan.cells}
    after = {item.addresses[1] for item in plan.forgetting}
    assert not cells & after
    assert plan.tests.keys() == cells | after


def test_few_shot_forgets_what_zero_shot_training_knew() -> None:
    options = {"shots": [0, 1, 2], "seeds": [1, 2], "folds": [0], "adapters": ["none", "lora"], "draws": 2}
    options |= {"adaptation": ["none", "corpus"]}
    plan = plan_of([A, B], settings=["zero-shot", "few-shot"], **options)
    assert {item.cell.condition.setting for item in plan.forgetting} == {"few-shot"}
    assert {item.cell.condition.shots for item in plan.forgetting} == {1, 2}
    assert {item.cell.condition.adaptation for item in plan.forgetting} == {"none"}
    zero = {item.training.address for item in by_condition(plan, setting="zero-shot", adaptation="none")}
    for item in plan.forgetting:
        assert item.before.address in zero
        assert item.before.seed == item.after.seed
        assert item.after.train[:-1] == item.before.train
    # Nothing is trained for it that the study does not train anyway.
    alone = plan_of([A, B], settings=["few-shot"], **{**options, "shots": [1]})
    assert not alone.forgetting
    assert all(item.cell.condition.shots for item in alone.cells)


def test_weights_that_a_second_stage_continues_from_are_those_that_are_tested() -> None:
    options = {"settings": ["monolingual", "two-stage"], "adapters": ["lora"], "seeds": [1], "folds": [0]}
    plan = plan_of([A, B], continue_from="last", **options)
    cells = {item.address for item in plan.cells}
    for item in plan.forgetting:
        assert item.before.keeps_last
        assert item.addresses[0] not in cells, "the best weights of the source are another model"


def test_a_source_must_not_be_tested_on_what_the_second_stage_knows() -> None:
    shared = replace(B.parts[0]["train"], corpus="A")
    leaking = replace(A, parts=({**A.parts[0], "test": shared}, *A.parts[1:]))
    with pytest.raises(FoldError, match=r"test utterances of A are also in training or validation"):
        plan_of([leaking, B], settings=["two-stage"], seeds=[1], folds=[0], test=["B"])
    plan_of([leaking, B], settings=["zero-shot"], seeds=[1], folds=[0], test=["B"])


def test_a_speaker_that_the_source_tests_must_not_be_in_the_second_stage() -> None:
    tested = {item.speaker for item in A.parts[0]["test"].split.utterances}
    items = tuple(replace(item, corpus="A") for item in B.parts[0]["train"].split.utterances)
    items = (replace(items[0], speaker=tested.pop()), *items[1:])
    train = Subset("B", replace(B.parts[0]["train"].split, utterances=items))
    other = replace(B, parts=({**B.parts[0], "train": train}, *B.parts[1:]))
    options = {"settings": ["two-stage"], "seeds": [1], "folds": [0], "test": ["B"]}
    with pytest.raises(SpeakerOverlapError, match=r"of B is tested in A: A a.*allow_speaker_overlap of A"):
        plan_of([A, other], **options)


def test_each_corpus_of_a_union_is_tested() -> None:
    sources = {"sources": ["all-but-target"], "settings": ["two-stage"], "seeds": [1], "folds": [0]}
    plan = plan_of([A, B, cut("C")], test=["C"], **sources)
    assert [(item.cell.condition.source, item.test.corpus) for item in plan.forgetting] == [
        ("A + B", "A"), ("A + B", "B"),
    ]  # fmt: skip
    assert len({address for item in plan.forgetting for address in item.addresses}) == 4


def test_a_draw_trains_with_one_seed_in_turn() -> None:
    plan = plan_of([A, B], settings=["few-shot"], shots=[1], seeds=[7, 8], draws=3, folds=[0])
    runs = [item.cell.run for item in by_condition(plan, source="A", setting="few-shot")]
    assert runs == [(0, 7), (1, 8), (2, 7)]


def test_more_shots_than_there_are_leave_the_condition_out_and_say_so() -> None:
    plan = plan_of([A, B], settings=["few-shot"], shots=[1, 99], seeds=[1])
    assert {item.cell.condition.shots for item in plan.cells} == {1}
    assert [text for text in plan.remarks if "99 shots" in text and "has only 4 training" in text]


def test_adaptation_by_speaker_needs_all_speakers() -> None:
    nameless = cut("C", known=False)
    plan = plan_of([A, nameless], settings=["zero-shot"], adaptation=["none", "speaker"], seeds=[1])
    assert {item.cell.condition.adaptation for item in plan.cells} == {"none"}
    assert sum("not every speaker of C is known" in text for text in plan.remarks) == 2


def test_a_corpus_under_two_names_leaks_where_its_folds_differ() -> None:
    same = [{part: replace(own, corpus="Again") for part, own in parts.items()} for parts in A.parts]
    again = replace(A, name="Again", parts=tuple(same))
    turned = replace(again, parts=tuple(reversed(same)))
    with pytest.raises(FoldError, match=r"test utterances of Again are also in training or validation"):
        plan_of([A, turned], settings=["zero-shot"], seeds=[1])
    plan_of([A, again], settings=["zero-shot"], seeds=[1])  # the same folds: no tested speaker is in training


def test_speakers_of_one_corpus_that_were_heard_under_another_name_are_refused() -> None:
    def with_corpus(name: str, speakers: str) -> object:
        own = cut(name, speakers=speakers)
        parts = []
        for part in own.parts:
            renamed = {}
            for key, subset in part.items():
                items = tuple(replace(item, corpus="Z") for item in subset.split.utterances)
                renamed[key] = replace(subset, split=replace(subset.split, utterances=items))
            parts.append(renamed)
        return replace(own, parts=tuple(parts))

    day, night = with_corpus("Day", "abcd"), with_corpus("Night", "cabd")
    with pytest.raises(SpeakerOverlapError, match=r"1 speaker of Day is tested in Night: Z c"):
        plan_of([day, night], settings=["zero-shot"], seeds=[1])  # type: ignore[list-item]


def test_shared_speakers_of_a_fold_are_reported_with_its_cell() -> None:
    own = cut("A")
    overlapping = {**own.parts[0], "train": own.parts[1]["test"], "test": own.parts[0]["test"]}
    split = replace(
        overlapping["train"].split,
        utterances=tuple(replace(item, speaker="a") for item in overlapping["train"].split.utterances),
    )
    mixed = replace(
        own,
        parts=({**overlapping, "train": replace(overlapping["train"], split=split)},),
        folds=own.folds[:1],
    )
    (item,) = plan_of([mixed], settings=["monolingual"], seeds=[1]).cells
    assert item.shared_speakers == ("A a",)
    assert plan_of([own], settings=["monolingual"], seeds=[1]).cells[0].shared_speakers == ()


def test_copies_of_tested_audio_are_noted() -> None:
    own = cut("A", folds=1)
    train, test = own.parts[0]["train"], own.parts[0]["test"]
    keys = (test.split.audio_keys[0], *train.split.audio_keys[1:])
    parts = {**own.parts[0], "train": replace(train, split=replace(train.split, audio_keys=keys))}
    (item,) = plan_of([replace(own, parts=(parts,))], settings=["monolingual"], seeds=[1]).cells
    assert item.notes == ("A: 1 test utterances contain the same samples as training utterances",)


def test_folds_must_go_together() -> None:
    with pytest.raises(UsageError, match="A has 2 and C has 3"):
        plan_of([A, cut("C", folds=3)], settings=["zero-shot"])
    plan = plan_of([A, cut("C", folds=1)], settings=["zero-shot"], seeds=[1])
    assert {(item.cell.condition.target, item.cell.fold) for item in plan.cells} == {
        ("A", 0),
        ("A", 1),
        ("C", 0),
    }


def test_the_few_are_drawn_once_for_all_encoders_and_adapters(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = Counter[tuple[str, int, int, int]]()

    def counted(subset: Subset, shots: int, draw: int, fold: int) -> Subset | None:
        drawn[subset.corpus, shots, draw, fold] += 1
        return few(subset, shots, draw, fold)

    monkeypatch.setattr(planning, "few", counted)
    plan = plan_of(
        [A, B], settings=["few-shot"], adapters=["none", "lora"], encoders=["e", "f"], shots=[1, 2]
    )
    # encoders, adapters and the baseline of the frozen one, pairs, shots, folds, draws
    assert len(plan.cells) == 2 * 3 * 2 * 2 * 2 * 3
    assert set(drawn.values()) == {1}
    assert len(drawn) == 2 * 2 * 2 * 3
