from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sercl.corpora.base import Utterance
from sercl.errors import UnknownNameError, UsageError
from sercl.studies.results.groups import (
    Grouping,
    check_groups,
    grouping_columns,
    groups_of,
    score_groups,
    split_by,
)
from sercl.studies.results.predictions import Predictions
from sercl.studies.results.scores import evaluate
from tests.studies.samples import predictions


def made(
    groups: Sequence[tuple[str | None, int, float]], column: str = "dialect", per_class: int = 6, **other
):
    """Predictions of groups: value, number of speakers, and how many of their utterances are right."""
    rng = np.random.default_rng(0)
    speakers, values, truth = [], [], []
    rates: list[float] = []
    for number, (value, people, rate) in enumerate(groups):
        for person in range(people):
            own = list(range(4)) * per_class
            truth += own
            speakers += [f"s{number}-{person}"] * len(own)
            values += [value] * len(own)
            rates += [rate] * len(own)
    said = [own if rng.random() < rate else (own + 1) % 4 for own, rate in zip(truth, rates, strict=True)]
    found = predictions(truth, said, speakers=other.get("speakers", speakers))
    return replace(found, known={column: np.array(values, dtype=object)})


def test_each_group_is_scored_as_if_it_were_alone():
    own = made([("bavarian", 6, 0.8), (None, 9, 0.6)])
    found = score_groups(own, "dialect")
    assert [group.value for group in found.groups] == ["standard", "bavarian"]
    for group in found.groups:
        alone = split_by(own, "dialect")[group.value]
        assert {name: group.scores[name] for name in evaluate(alone).averages} == dict(
            evaluate(alone).averages
        )
        assert (group.utterances, group.speakers) == (len(alone.truth), len(set(alone.speaker)))
        recalls = [group.scores[f"recall/{name}"] for name in own.classes]
        expected = [row.recall for row in evaluate(alone).per_class]
        assert [score.value for score in recalls] == pytest.approx(expected)
        assert all(score.low < score.value < score.high and score.unit == "speakers" for score in recalls)
        assert not group.remarks


def test_the_difference_of_two_groups_has_an_interval_and_a_p_value():
    found = score_groups(made([("a", 8, 0.9), ("b", 6, 0.4)], "gender"), "gender")
    (own,) = found.differences
    uars = {group.value: group.scores["uar"].value for group in found.groups}
    assert (own.first, own.second, own.shared) == ("a", "b", 0)
    assert own.difference.value == pytest.approx(uars["a"] - uars["b"])
    assert own.difference.low > 0
    assert own.p == own.p_holm < 0.001
    assert (own.difference.unit, own.difference.count) == ("speakers", 14)


def test_few_groups_are_compared_pair_by_pair_many_with_the_largest():
    sizes = (9, 8, 7, 6, 5)
    groups = [(str(index), size, 0.7) for index, size in enumerate(sizes)]
    few = score_groups(made(groups[:3], "session"), "session").differences
    assert [(own.first, own.second) for own in few] == [("0", "1"), ("0", "2"), ("1", "2")]
    many = score_groups(made(groups, "session"), "session").differences
    assert [(own.first, own.second) for own in many] == [("0", str(index)) for index in range(1, 5)]
    assert all(own.p_holm >= own.p for own in many)
    assert max(own.p_holm for own in many) > max(own.p for own in many) or max(own.p for own in many) == 1


def test_utterances_of_which_nothing_is_known_are_shown_last_and_not_compared():
    found = score_groups(made([(None, 9, 0.7), ("a", 6, 0.7), ("b", 5, 0.7)], "gender"), "gender")
    assert [group.value for group in found.groups] == ["a", "b", "unknown"]
    assert [(own.first, own.second) for own in found.differences] == [("a", "b")]


def test_a_dialect_called_standard_is_not_an_unknown_one():
    found = score_groups(made([(None, 5, 0.7), ("standard", 6, 0.7), ("b", 5, 0.7)]), "dialect")
    assert [group.value for group in found.groups] == ["standard", "b", "unknown"]


def test_small_groups_are_marked_and_not_tested():
    found = score_groups(made([("a", 6, 0.7), ("b", 2, 0.7)], per_class=3), "dialect")
    large, small = found.groups
    assert large.remarks == (
        "few utterances, fewer than 20 of a class: angry 18, happy 18, neutral 18, sad 18",
    )
    assert small.remarks[0] == (
        "2 speakers, fewer than 5: intervals resample utterances, and are too narrow for new speakers"
    )
    (own,) = found.differences
    assert own.reason == "b has 2 speakers, fewer than 5"
    assert np.isnan([own.p, own.p_holm, own.difference.low]).all()
    assert own.difference.value == large.scores["uar"].value - small.scores["uar"].value


def test_groups_with_other_classes_are_marked_and_not_tested():
    own = made([("a", 6, 0.7), ("b", 6, 0.7)])
    found = score_groups(own.at((own.known["dialect"] == "a") | (own.truth != 3)), "dialect")
    assert found.groups[1].remarks == ("no utterance of sad: UAR is the mean over the other classes",)
    assert found.differences[0].reason == "only one of them has sad"


def test_groups_without_variance_are_not_tested():
    found = score_groups(made([("a", 6, 0.7), ("b", 6, 1.0)]), "dialect")
    assert found.differences[0].reason == "in one of them all speakers score the same"


def test_without_speakers_utterances_are_the_units():
    own = made([("a", 6, 0.9), ("b", 6, 0.5)])
    found = score_groups(replace(own, speaker=np.full(len(own.speaker), None, dtype=object)), "dialect")
    assert found.groups[0].remarks[0].startswith("speakers are unknown: intervals resample utterances")
    assert (found.differences[0].difference.unit, found.differences[0].difference.count) == (
        "utterances",
        288,
    )


def test_values_within_speakers_are_paired():
    own = made([("x", 8, 0.7)], "session", per_class=8)
    rooms = np.array([f"room {index // 4 % 2}" for index in range(len(own.truth))], dtype=object)
    found = score_groups(replace(own, known={"x_room": rooms}), "room")
    assert (found.differences[0].shared, found.differences[0].difference.count) == (8, 8)


def test_repeats_are_averaged():
    once = made([("a", 6, 0.7), ("b", 6, 0.7)])
    twice = predictions(once.truth.tolist(), *[once.predicted.tolist()] * 2, speakers=once.speaker.tolist())
    twice = replace(twice, known={"dialect": np.tile(once.known["dialect"], 2)})
    assert score_groups(twice, "dialect") == score_groups(once, "dialect")


def test_columns_that_do_not_exist_or_have_one_value():
    own = made([("a", 6, 0.7), ("b", 6, 0.7)], "x_room")
    assert grouping_columns(own) == ["room"]
    with pytest.raises(UnknownNameError, match=r"unknown column of group_by 'rom'\. Did you mean 'room'\?"):
        score_groups(own, "rom")
    with pytest.raises(UnknownNameError, match="earlier version"):
        score_groups(predictions([0, 1], [0, 1]), "room")
    with pytest.raises(UsageError, match="group_by gender: all utterances are 'a'"):
        score_groups(made([("a", 6, 0.7)], "gender"), "gender")


def test_of_several_systems_those_with_one_group_are_left_out():
    two, one = made([("a", 6, 0.7), ("b", 6, 0.7)], "gender"), made([("a", 6, 0.7)], "gender")
    found = groups_of({"two": two, "one": one, "none": predictions([0], [0])}, ["gender"])
    assert list(found) == ["two"]
    with pytest.raises(UsageError, match="all utterances are 'a'"):
        groups_of({"one": one}, ["gender"])
    with pytest.raises(UnknownNameError, match="dialect"):
        groups_of({"two": two}, ["gender", "dialect"])


def test_what_will_be_tested_is_checked_before_training():
    def item(name, **fields):
        return Utterance(name, Path(f"/{name}.wav"), "sad", "Toy", **fields)

    both = [item("a", gender="female", language="de"), item("b", language="de")]
    check_groups([both], ["gender"])
    with pytest.raises(UsageError, match="group_by language: all utterances are 'de'"):
        check_groups([both], ["language"])
    with pytest.raises(UnknownNameError, match="'dialect'"):
        check_groups([both], ["dialect"])


def test_as_table_and_as_plain_data():
    found = score_groups(made([("a", 6, 0.9), ("b", 2, 0.7)]), "dialect")
    frame = found.to_frame()
    assert frame["group"].unique().tolist() == ["a", "b", "a - b"]
    assert (
        frame.query("group == 'a' and score == 'uar'")["value"].item() == found.groups[0].scores["uar"].value
    )
    assert found.to_dict()["differences"][0]["p"] is None
    assert isinstance(found, Grouping)


def test_a_table_without_these_columns_is_read(tmp_path):
    own = made([("a", 6, 0.7), ("b", 6, 0.7)], "x_room")
    frame = own.to_frame()
    assert list(frame.columns)[-1] == "x_room"
    again = Predictions.from_frame(frame)
    assert score_groups(again, "room") == score_groups(own, "room")
    assert not Predictions.from_frame(frame.drop(columns="x_room")).known
