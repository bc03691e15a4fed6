from dataclasses import replace
from statistics import mean

from sercl.reports.cross_eval.summary import mean_uar, plain, summary
from sercl.studies.cross_eval.analysis import Analysis


def test_the_summary_says_what_the_numbers_say(wide: Analysis) -> None:
    text = " ".join(summary(wide))
    own, crossed = mean_uar(plain(wide, "monolingual")), mean_uar(plain(wide, "zero-shot"))
    assert f"Within a corpus the mean UAR is {100 * own:.1f} %" in text
    assert f"it is {100 * crossed:.1f} %, {100 * (own - crossed):.1f} points lower (chance: 25.0 %)" in text
    best = max(plain(wide, "zero-shot"), key=lambda item: item.uar.value)
    assert f"The best zero-shot result is {100 * best.uar.value:.1f} % ({best.condition.encoder}" in text
    adapters = next(family for family in wide.families if family.name == "adapters").overall
    gain = mean(item.paired.difference.value for item in adapters)
    clear = sum(item.paired.p_holm < 0.05 for item in adapters)
    assert f"Adapter lora + bottleneck + gating gains {100 * gain:.1f} points over frozen" in text
    assert f"in {clear} of {len(adapters)} comparisons" in text
    assert "changes UAR: coral by +" in text
    assert "labelled utterances per emotion" in text
    assert "Zero-shot, happy is found least" in text


def test_conditions_that_peeked_do_not_count(wide: Analysis) -> None:
    names = {condition.adaptation for condition in (own.condition for own in plain(wide, "zero-shot"))}
    assert names == {"none"}


def test_a_study_that_only_peeked_says_so(wide: Analysis) -> None:
    scores = {}
    for condition, own in wide.scores.items():
        if condition.setting == "zero-shot":
            condition = replace(condition, select_on="target")
        scores[condition] = replace(own, condition=condition)
    text = " ".join(summary(replace(wide, scores=scores)))
    assert "zero-shot, selected on labelled target data, it is" in text
    assert "without target labels" not in text


def test_a_loss_is_called_a_loss(wide: Analysis) -> None:
    turned = [
        replace(
            family,
            overall=tuple(
                replace(
                    item, paired=replace(item.paired, difference=replace(item.paired.difference, value=-0.1))
                )
                for item in family.overall
            ),
        )
        for family in wide.families
    ]
    text = " ".join(summary(replace(wide, families=tuple(turned))))
    assert "loses 10.0 points over frozen" in text
    assert "coral by −10.0 points" in text


def test_little_and_nothing(bare: Analysis, unfinished: Analysis) -> None:
    (only,) = summary(bare)
    assert only.startswith("The mean UAR is ")
    assert summary(unfinished) == []
