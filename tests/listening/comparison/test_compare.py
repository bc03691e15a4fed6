"""Listeners with known abilities: what was planted is found, and what was not is not."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.stats import binom

from sercl.errors import UsageError
from sercl.listening.comparison.against import Ceilings, Majorities, against_model, shared_with
from sercl.listening.comparison.answers import Measure, answers_of
from sercl.listening.comparison.claims import claims_of
from sercl.listening.comparison.compare import CompareOptions, Comparison, compare
from sercl.listening.comparison.contrasts import DIALECT, DIALECT_BY_GROUP, GROUPS, NATIVE, contrasts_of
from sercl.listening.comparison.models import Model
from sercl.listening.ratings import RATINGS, VOTES, Table, table_of
from sercl.studies.cross_eval.cells import Condition
from sercl.testing.listeners import Group, fake_items, fake_ratings

QUICK = CompareOptions(groups="native", resamples=200)
CLASSES = ("angry", "happy", "neutral", "sad")


def model(
    items: list[dict], right: float, setting: str = "monolingual", seed: int = 0, **more: object
) -> Model:
    """Return a model that is right on a share of the items, at random."""
    rng = np.random.default_rng(seed)
    truth = np.array([CLASSES.index(item["truth"]) for item in items])
    said = np.where(rng.random(len(items)) < right, truth, (truth + 1) % 4)
    source = "B" if setting == "zero-shot" else "A"
    values = {
        "name": f"w, {setting}",
        "condition": Condition("w", "none", setting, source, "A"),
        "classes": CLASSES,
        "items": {item["item"]: row for row, item in enumerate(items)},
        "truth": truth,
        "predicted": np.eye(4)[said],
        "probabilities": 0.8 * np.eye(4)[said] + 0.05,
    }
    return Model(**{**values, **more})


@cache
def whole() -> tuple[Comparison, list[dict]]:
    items = fake_items(("de", "zh"), 6, {"zh": "tianjin"})
    people = [Group("German", 10, dialect=1.5), Group("Chinese", 10, dialect=0.0)]
    models = [model(items, 0.99), model(items, 0.5, "zero-shot", seed=1)]
    return compare(fake_ratings(items, people), models, QUICK), items


def test_groups_languages_and_dialects_are_scored() -> None:
    found, _ = whole()
    cells = {(row.group, row.language, row.dialect): row for row in found.groups}
    assert set(cells) == {
        (group, *where)
        for group in ("German", "Chinese")
        for where in (("", ""), ("de", ""), ("zh", ""), ("zh", "standard"), ("zh", "tianjin"))
    }
    german = cells["German", "de", ""]
    assert (german.listeners, german.items, german.answers) == (10, 24, 240)
    assert german.uar.low < german.uar.value < german.uar.high
    assert cells["German", "zh", "tianjin"].uar.value < german.uar.value
    matrix = np.array(german.confusion)
    assert german.uar.value == pytest.approx((matrix.diagonal() / matrix.sum(axis=1)).mean())
    assert 0 < german.alpha.value < 1
    assert german.fleiss == pytest.approx(german.alpha.value, abs=0.02)


def test_what_was_planted_is_found() -> None:
    contrasts = {(own.kind, own.name): own for own in whole()[0].contrasts}
    native = next(own for (kind, _), own in contrasts.items() if kind == NATIVE)
    assert native.difference.low > 0
    dialect = contrasts[DIALECT, "German: standard minus tianjin (zh)"]
    assert dialect.difference.value > 0.1
    by_group = next(own for (kind, _), own in contrasts.items() if kind == DIALECT_BY_GROUP)
    assert by_group.name == "tianjin (zh) costs Chinese more than German"
    assert by_group.difference.high < 0, "it costs the Germans more"
    assert any(kind == GROUPS for kind, _ in contrasts)
    assert all(own.p_holm >= own.p for own in contrasts.values())


def test_the_claims_of_the_study() -> None:
    claims = {own.name: own for own in whole()[0].claims}
    assert claims["within"].verdict == "supported"
    assert claims["across"].verdict == "supported"
    assert claims["dialect"].verdict == "supported"
    assert claims["segments"].verdict == "cannot be tested"
    parts = claims["across"].parts
    difference = parts["models, own language"] - parts["models, other language"]
    difference -= parts["people, own language"] - parts["people, other language"]
    assert claims["across"].difference.value == pytest.approx(difference)


def test_claims_say_what_they_need() -> None:
    items = fake_items(("de",), 3)
    table = fake_ratings(items, [Group("German", 4)])
    needs = {own.name: own.needs for own in claims_of(answers_of(table, "native", {}), [], None, 100, 0)}
    assert "monolingual predictions" in needs["within"]
    assert "another language" in needs["across"]
    assert "dialect" in needs["dialect"]
    unknown = answers_of(table, None, {})
    assert "--native" in claims_of(unknown, [], None, 100, 0)[0].needs


def test_a_model_against_listeners() -> None:
    found, items = whole()
    own = next(row for row in found.models if row.group == "German" and row.model == "w, monolingual")
    assert own.items == len(items)
    assert own.difference.value == pytest.approx(own.people.value - own.machine.value)
    assert own.difference.high < 0
    assert not own.equivalence.equivalent
    lower, upper = own.similarity.ceiling
    assert lower.low < lower.value < upper.value < upper.high
    assert own.difficulty_ceiling.low < own.difficulty_ceiling.value < own.difficulty_ceiling.high
    assert own.worth.listeners > 1
    assert own.worth.low <= own.worth.listeners <= own.worth.high
    assert own.soft.cross_entropy.value > own.soft.held_out
    assert own.between is not None


def test_a_copy_of_a_listener_fails_where_people_do() -> None:
    items = fake_items(("de",), 12)
    table = fake_ratings(items, [Group("German", 15)], item_sd=2.5)
    answers = answers_of(table, None, {})
    wrong = 1 - answers.votes()[np.arange(answers.items), answers.item_truth] / 15
    names = {name: index for index, name in enumerate(answers.item[1])}
    hard = np.array([wrong[names[item["item"]]] for item in items])
    alike = model(items, 1.0)
    truth = alike.truth
    probabilities = np.eye(4)[truth] * (1 - hard)[:, None] + np.eye(4)[(truth + 1) % 4] * hard[:, None]
    copy = replace(alike, probabilities=probabilities, predicted=np.eye(4)[probabilities.argmax(axis=1)])
    found = [
        against_model(shared_with(answers, own), "g", 0.05, 200, 0, Majorities(answers, 0), Ceilings(0))
        for own in (copy, model(items, 0.7, seed=3))
    ]
    assert found[0].difficulty.value > 0.9
    assert found[0].consistency.low > 0 > found[1].consistency.low
    assert found[0].consistency.value > found[0].between - 0.1


def test_equal_within_a_margin() -> None:
    items = fake_items(("de",), 40)
    table = fake_ratings(items, [Group("German", 30, ability=3.0)], ability_sd=0.1, item_sd=0.1)
    people = compare(table, [], QUICK).groups[0].uar.value
    found = compare(table, [model(items, people, seed=2)], replace(QUICK, margin=0.15)).models[0]
    assert found.equivalence.equivalent
    assert found.p_holm > 0.05


def test_the_majority_of_independent_listeners() -> None:
    items = fake_items(("de",), 10)
    table = fake_ratings(items, [Group("German", 60, ability=0.0)], ability_sd=0, item_sd=0)
    curve = compare(table, [], QUICK).majorities["German"]
    right = curve[1].value
    assert right == pytest.approx(0.5, abs=0.03)
    at_least = binom.sf(1, 3, right) + 3 * right * (1 - right) ** 2 * (2 / 3) / 3
    assert curve[3].value == pytest.approx(at_least, abs=0.03), "two of three, or a tie of three answers"


def test_the_interval_of_one_listener_is_that_of_their_uar() -> None:
    items = fake_items(("de",), 12)
    found = compare(fake_ratings(items, [Group("German", 25)]), [], QUICK)
    one, uar = found.majorities["German"][1], found.groups[0].uar
    assert one.value == pytest.approx(uar.value)
    # Drawing listeners and items apart counts what varies between answers twice: somewhat wider.
    assert 0.9 < (one.high - one.low) / (uar.high - uar.low) < 1.4


def test_intervals_of_majorities_hold_what_other_listeners_and_items_give() -> None:
    def curve(seed: int, listeners: int, per_emotion: int) -> dict[int, Measure]:
        table = fake_ratings(fake_items(("de",), per_emotion), [Group("German", listeners)], seed=seed)
        return Majorities(answers_of(table, None, {}), 0).curve()

    truth = curve(999, 200, 100)
    studies = [curve(seed, 15, 12) for seed in range(12)]
    for size in (1, 3, 5):
        held = sum(own[size].low <= truth[size].value <= own[size].high for own in studies)
        assert held >= 10, size


def test_votes_give_what_they_can() -> None:
    items = fake_items(("de",), 6)
    rows = [
        {**{key: item[key] for key in ("item", "language", "truth")}, "answer": answer, "votes": votes}
        for item in items
        for answer, votes in (
            (item["truth"], 7),
            ("other", 2),
            ("happy" if item["truth"] != "happy" else "sad", 1),
        )
    ]
    found = compare(table_of(VOTES, rows), [model(items, 0.9)], replace(QUICK, groups=None))
    assert found.groups[0].uar.value == pytest.approx(0.7)
    assert found.groups[0].listeners == 0
    assert found.models[0].between is None
    assert found.models[0].worth.listeners > 1
    assert found.claims == ()
    assert any("single listeners" in note for note in found.notes)
    assert any("other" in note for note in found.notes)
    with pytest.raises(UsageError, match="no single listeners"):
        compare(table_of(VOTES, rows), [], QUICK)


def by_rates() -> Comparison:
    """Return a comparison with rates of recognition, of which no wrong answer is known."""
    items = fake_items(("de",), 6)
    rows = [{**item, "answer": item["truth"], "rate": 0.8, "listeners": 20} for item in items]
    return compare(table_of(VOTES, rows), [model(items, 0.9)], replace(QUICK, groups=None))


def test_rates_give_less() -> None:
    found = by_rates()
    assert found.groups[0].uar.value == pytest.approx(0.8)
    assert found.groups[0].confusion is None
    assert found.groups[0].emotions[0].hu is None
    assert found.models[0].worth is None
    assert found.majorities == {}
    assert any("only recognition rates" in note for note in found.notes)


def test_self_consistency() -> None:
    items = fake_items(("de",), 2)
    rows = fake_ratings(items, [Group("German", 4)]).frame.to_dict("records")
    again = [{**row, "kind": "repeat", "repeat": 1} for row in rows if row["item"].endswith("-0")]
    again[0]["answer"] = "sad" if again[0]["answer"] != "sad" else "angry"
    found = compare(table_of(RATINGS, [*rows, *again]), [], QUICK)
    assert found.consistency["German"].value == pytest.approx(1 - 1 / len(again))


def test_a_contradicting_truth_is_left_out() -> None:
    items = fake_items(("de",), 3)
    other = [{**items[0], "truth": "sad"}, *items[1:]]
    found = compare(fake_ratings(items, [Group("German", 3)]), [model(other, 0.9)], QUICK)
    assert (found.models[0].items, found.models[0].contradicting) == (11, 1)
    assert any("their emotions differ" in note for note in found.notes)


def test_a_model_of_other_items_is_named() -> None:
    table = fake_ratings(fake_items(("de",), 2), [Group("German", 2)])
    other, own = model(fake_items(("zh",), 2), 0.9), model(fake_items(("de",), 2), 0.9)
    with pytest.raises(UsageError, match="none of these models was tested on any of the items"):
        compare(table, [other], QUICK)
    assert "tested on none" in compare(table, [replace(other, name="other"), own], QUICK).notes[0]


def test_simulated_listeners_are_named_as_such() -> None:
    rows = fake_ratings(fake_items(("de",), 2), [Group("German", 3)]).frame.to_dict("records")
    mixed = [{**row, "listener_simulated": "yes" if row["listener"].endswith("-0") else None} for row in rows]
    assert compare(table_of(RATINGS, mixed), [], QUICK).notes[0].startswith("1 of 3 listeners are simulated")
    assert not any("simulated" in note for note in compare(table_of(RATINGS, rows), [], QUICK).notes)


def test_a_model_of_fewer_emotions_than_listeners_heard() -> None:
    items = fake_items(("de",), 6)
    rows = fake_ratings(items, [Group("German", 8)]).frame.to_dict("records")
    more = [{**row, "item": f"calm-{row['item']}", "truth": "calm", "answer": "calm"} for row in rows]
    found = compare(table_of(RATINGS, [*rows, *more]), [model(items, 0.7)], QUICK)
    alone = compare(table_of(RATINGS, rows), [model(items, 0.7)], QUICK).models[0]
    own = found.models[0]
    assert found.groups[0].columns[-1] == "calm"
    assert own.items == len(items)
    assert own.similarity.p == alone.similarity.p, "emotions without items say nothing on errors"
    assert own.difference.value == pytest.approx(alone.difference.value)
    assert list(own.emotions) == list(CLASSES)


def test_intervals_over_speakers() -> None:
    items = [{**item, "speaker": f"s{index % 6}"} for index, item in enumerate(fake_items(("de",), 12))]
    table = fake_ratings(items, [Group("German", 30, ability=1.0)], ability_sd=0.1, item_sd=0.1)
    hard = table.frame["speaker"].isin(["s0", "s1", "s2"])
    frame = table.frame.assign(answer=table.frame["answer"].where(~hard, "sad"))
    found = [
        compare(replace(table, frame=frame), [model(items, 0.9)], replace(QUICK, units=units))
        for units in ("items", "speakers")
    ]
    widths = [own.groups[0].uar.high - own.groups[0].uar.low for own in found]
    assert widths[1] > 1.2 * widths[0], "speakers differ, and there are few of them"
    assert [own.groups[0].uar.items for own in found] == [48, 6]
    assert any("other speakers" in note for note in found[1].notes)
    assert found[0].groups[0].uar.value == found[1].groups[0].uar.value
    assert found[1].models[0].difference.items == 6


def test_too_few_speakers_are_refused() -> None:
    table = fake_ratings(fake_items(("de",), 2), [Group("German", 2)])
    with pytest.raises(UsageError, match=r"--units speakers: the items have 2 known speakers"):
        compare(table, [], replace(QUICK, units="speakers"))


def test_an_unknown_standard_is_refused() -> None:
    own = answers_of(fake_ratings(fake_items(("de",), 2), [Group("German", 2)]), "native", {})
    with pytest.raises(UsageError, match="--standard swiss"):
        contrasts_of(own, "swiss", 100, 0)


def test_options_are_checked() -> None:
    with pytest.raises(UsageError, match="--margin"):
        CompareOptions(margin=5)
    with pytest.raises(UsageError, match="--resamples"):
        CompareOptions(resamples=1)


def rejections(groups: list[Group], kind: str, count: int = 200) -> float:
    """Return how often a contrast is called different from 0."""
    items = fake_items(("de", "zh"), 6, {"zh": "tianjin"})
    found = []
    for seed in range(count):
        own = answers_of(fake_ratings(items, groups, seed), "native", {})
        found += [own.p for own in contrasts_of(own, None, 200, seed) if own.kind == kind]
    return float(np.mean(np.array(found) < 0.05))


@pytest.mark.slow
def test_a_dialect_that_costs_nothing_more_is_rarely_found() -> None:
    # Equal costs on the log-odds scale are equal in points only for equal listeners.
    alike = [Group("German", 10, foreign=0.0, dialect=0.5), Group("Chinese", 10, foreign=0.0, dialect=0.5)]
    assert 0.01 <= rejections(alike, DIALECT_BY_GROUP) <= 0.09
    planted = [Group("German", 10, foreign=0.0, dialect=2.0), Group("Chinese", 10, foreign=0.0, dialect=0.0)]
    assert rejections(planted, DIALECT_BY_GROUP, 20) > 0.9


def table_is_kept(table: Table) -> None:
    before = table.frame.copy()
    compare(table, [], QUICK)
    assert before.equals(table.frame)


def test_the_table_is_not_changed() -> None:
    table_is_kept(fake_ratings(fake_items(("de",), 2), [Group("German", 2)]))
