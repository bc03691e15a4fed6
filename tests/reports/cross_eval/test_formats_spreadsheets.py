import csv
import io

import pytest

from sercl.metrics.functional.classification import AVERAGES
from sercl.reports.cross_eval.formats import comparisons_csv, forgetting_csv, scores_csv
from sercl.studies.cross_eval.analysis.analysis import Analysis


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_scores_are_numbers_with_their_condition(wide: Analysis) -> None:
    found = rows(scores_csv(wide))
    assert len(found) == len(wide.scores)
    for row, (condition, own) in zip(found, wide.scores.items(), strict=True):
        assert (row["encoder"], row["setting"], row["target"]) == (
            condition.encoder,
            condition.setting,
            condition.target,
        )
        assert row["shots"] == ("" if condition.shots is None else str(condition.shots))
        assert float(row["uar"]) == pytest.approx(own.uar.value, abs=1e-5)
        assert float(row["recall_happy_low"]) == pytest.approx(own.recalls[1].low, abs=1e-5)
        assert row["interval_over"] == "speakers"
        assert int(row["repeats"]) == len(own.runs)


def test_tests_say_what_they_compare(wide: Analysis) -> None:
    found = rows(comparisons_csv(wide))
    assert len(found) == sum(len(family.overall) + len(family.comparisons) for family in wide.families)
    overall = [row for row in found if row["scope"] == "all" and row["family"] == "adapters"]
    family = next(item for item in wide.families if item.name == "adapters")
    assert [float(row["p_holm"]) for row in overall] == pytest.approx(
        [item.paired.p_holm for item in family.overall], abs=1e-5
    )
    assert {row["first"] for row in overall} == {"lora + bottleneck + gating"}
    pair = next(row for row in found if row["scope"] == "pair" and row["family"] == "zero-shot")
    assert " -> " in pair["corpora"]
    assert (pair["first"], pair["second"], pair["exact"]) == ("Zero-shot", "Monolingual", "True")


def test_no_scores_are_a_heading(unfinished: Analysis) -> None:
    assert rows(scores_csv(unfinished)) == rows(comparisons_csv(unfinished)) == []
    assert forgetting_csv(unfinished) == ""


def test_forgetting_has_a_row_per_score(wide: Analysis) -> None:
    found = rows(forgetting_csv(wide))
    each = len(AVERAGES) + len(wide.study.classes)
    assert len(found) == each * len(wide.forgetting)
    for own, row in zip(wide.forgetting, found[::each], strict=True):
        difference = own.scores.paired.difference
        assert (row["tested"], row["score"]) == (own.scores.corpus, "uar")
        assert float(row["before_low"]) == pytest.approx(own.scores.before["uar"].low, abs=1e-5)
        assert float(row["difference_high"]) == pytest.approx(difference.high, abs=1e-5)
        assert float(row["p_holm"]) == pytest.approx(own.scores.paired.p_holm, abs=1e-5)
    assert found[each - 1]["score"] == "recall/sad"
    assert found[each - 1]["p"] == ""


def test_what_is_significant_has_an_interval_without_zero(wide: Analysis) -> None:
    found = [row for row in rows(comparisons_csv(wide)) if row["p"]]
    apart = [float(row["low"]) > 0 or float(row["high"]) < 0 for row in found]
    assert apart == [float(row["p"]) < 0.05 for row in found]
    significant = [item.paired.is_significant for family in wide.families for item in family.overall]
    significant += [item.paired.is_significant for family in wide.families for item in family.comparisons]
    assert any(significant)
    corrected = [float(row["p_holm"]) < 0.05 for row in found]
    assert sum(corrected) == sum(significant)
    assert all(has_interval for has_interval, is_clear in zip(apart, corrected, strict=True) if is_clear)
