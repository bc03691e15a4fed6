from sercl.data.datamodules.pair import report_pair
from sercl.data.report import DataReport, SplitReport
from sercl.data.settings import plans_for


def report(name, count):
    splits = {
        part: SplitReport(name, ("de",), {"sad": count + place}, {}, 1.0, {})
        for place, part in enumerate(("train", "validation", "test"))
    }
    return DataReport(name, ("sad",), splits, {name: {"bored": count}}, {name: ()}, (f"note of {name}",))


REPORTS = {"source": report("A", 10), "target": report("B", 20)}


def merged(setting, select_on="source", reports=REPORTS):
    return report_pair(setting, plans_for(setting, select_on), reports)


def test_each_part_comes_from_the_corpus_that_the_setting_says():
    found = merged("zero-shot")
    assert (found.name, found.setting, found.select_on) == ("A -> B", "zero-shot", "source")
    assert {part: split.utterances for part, split in found.splits.items()} == {
        "train": 10,
        "validation": 11,
        "test": 22,
    }
    assert found.dropped == {"A": {"bored": 10}, "B": {"bored": 20}}


def test_notes_name_their_corpus_and_begin_with_the_selection():
    assert merged("zero-shot", "target").notes == (
        "selected on target: the validation part of B",
        "A: note of A",
        "B: note of B",
    )


def test_of_two_stages_each_says_what_it_was_selected_on():
    assert merged("two-stage").notes[:3] == (
        "selected on target: the validation part of B",
        "the first stage was selected on source: the validation part of A",
        "the second stage continued from the best weights of the first; each stage has its own budget of "
        "epochs",
    )
    found = merged("two-stage", "target")
    assert found.notes[1] == "the first stage was also selected on target: the validation part of B"
    assert found.splits["source validation"].corpus == "B"


def test_two_stages_have_parts_of_their_own_and_test_the_source_too():
    found = merged("two-stage")
    assert list(found.splits) == [
        "source train", "source validation", "target train", "target validation", "source test", "test",
    ]  # fmt: skip
    assert [split.corpus for split in found.splits.values()] == ["A", "A", "B", "B", "A", "B"]
    assert found.select_on == "target"  # the last stage selects the model that is tested


def test_two_corpora_of_one_name_are_distinguished():
    twins = {"source": report("A", 1), "target": report("A", 2)}
    found = merged("zero-shot", reports=twins)
    assert found.name == "A (source) -> A (target)"
    assert found.dropped == {"A (source)": {"bored": 1}, "A (target)": {"bored": 2}}


def test_a_setting_of_one_corpus_names_that_alone():
    found = merged("transfer", "target", {"target": REPORTS["target"]})
    assert (found.name, found.splits["train"].corpus) == ("B", "B")
