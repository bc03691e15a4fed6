from dataclasses import replace

from sercl.reports.cross_eval.summary import mean_uar, plain, spread, summary
from sercl.reports.cross_eval.wording import condition_name, enough_text, points
from sercl.studies.cross_eval.analysis.analysis import Analysis
from sercl.studies.cross_eval.analysis.scores import ConditionScores


def own_scores(analysis: Analysis, setting: str) -> list[ConditionScores]:
    return [
        item
        for item in plain(analysis, setting)
        if (item.condition.encoder, item.condition.adapter) == ("whisper-base", "none")
    ]


def test_the_summary_says_what_the_numbers_say(wide: Analysis) -> None:
    text = " ".join(summary(wide))
    own, crossed = own_scores(wide, "monolingual"), own_scores(wide, "zero-shot")
    assert f"whisper-base, frozen: within a corpus the UAR is {spread(own)}; zero-shot" in text
    assert f"without target labels, it is {spread(crossed)}, " in text
    assert "points lower than monolingual on the same targets" in text
    assert "Chance is 25.0 %." in text
    best = max(plain(wide, "zero-shot"), key=lambda item: item.uar.value)
    assert f"The highest zero-shot UAR of 24 conditions is {100 * best.uar.value:.1f} % (" in text
    assert f"{condition_name(best.condition)}): chosen by test score, so it is optimistic." in text
    assert "Adapter lora + bottleneck + gating changes UAR against frozen by +" in text
    adapters = next(family for family in wide.families if family.name == "adapters").overall
    clear = sum(item.paired.p_holm < 0.05 for item in adapters)
    assert f"significant after Holm's correction: {clear} of {len(adapters)} differences" in text
    assert "audio by coral, without labels, changes UAR by +" in text
    assert (
        "Compared with training on the same few utterances alone, adding the source changes UAR by +" in text
    )
    assert "Zero-shot, happy has the lowest recall in " in text
    two_stage = [own.scores.paired for own in wide.forgetting if own.condition.setting == "two-stage"]
    values = [own.difference.value for own in two_stage]
    assert (
        "Training on the target changes UAR on the source's own test part by "
        f"{points(min(values))} to {points(max(values))} points in two-stage (significant after Holm's "
        f"correction: {sum(own.is_significant for own in two_stage)} of {len(two_stage)}) and "
    ) in text


def test_means_say_what_they_are_over_and_how_far_it_is_apart(wide: Analysis) -> None:
    crossed = own_scores(wide, "zero-shot")
    values = sorted(100 * item.uar.value for item in crossed)
    ends = f"(mean of 6 directions, {values[0]:.1f} to {values[-1]:.1f})"
    assert spread(crossed) == f"{100 * mean_uar(crossed):.1f} % {ends}"
    assert spread(crossed[:1]) == f"{100 * crossed[0].uar.value:.1f} % (ESD → EmoDB)"


def test_shots_and_settings_are_never_averaged(wide: Analysis) -> None:
    (sentence,) = [text for text in summary(wide) if text.startswith("Adapter ")]
    few = [
        item.paired.difference.value
        for family in wide.families
        if family.name == "adapters"
        for item in family.overall
        if item.first.setting == "few-shot"
    ]
    assert f"{points(min(few))} to {points(max(few))} points in few-shot" in sentence


def test_enough_is_said_for_each_direction(wide: Analysis) -> None:
    curves = wide.curves[:2]
    text = " ".join(summary(replace(wide, curves=curves)))
    for curve in curves:
        assert f"{curve.condition.pair.replace('->', '→')}: {enough_text(curve)}" in text
    assert "curves reach this with the numbers tried" in " ".join(summary(wide))


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
    assert "changes UAR against frozen by −10.0 points in monolingual" in text
    assert "by coral, without labels, changes UAR by −10.0 points in zero-shot" in text


def test_little_and_nothing(bare: Analysis, unfinished: Analysis) -> None:
    only, chance = summary(bare)
    assert only.startswith("w, frozen: within a corpus the UAR is ")
    assert only.endswith(" % (EmoDB).")
    assert chance == "Chance is 25.0 %."
    assert summary(unfinished) == []


def test_conditions_that_predict_one_class_are_named_and_left_out(guessing: Analysis) -> None:
    text = " ".join(summary(guessing))
    crossed = own_scores(guessing, "zero-shot")
    assert sum(own.is_guess for own in crossed) == 2
    assert spread(crossed) in text
    assert spread(crossed).endswith("; 2 of them predicting one class only)")
    assert "The highest zero-shot UAR of 4 conditions is" in text
    assert text.count("2 more predict one class only and are excluded") == 2
    assert "sad the highest" not in text
    assert "happy has the lowest recall in 4 of 4 conditions" in text
    (alone,) = [own for own in crossed if own.condition.pair == "EmoDB -> RAVDESS"]
    assert spread([alone]) == "25.0 % (EmoDB → RAVDESS, predicting one class only)"


def test_where_all_guess_no_emotion_is_found(guessing: Analysis) -> None:
    scores = {name: own for name, own in guessing.scores.items() if own.is_guess}
    text = " ".join(summary(replace(guessing, scores=scores)))
    assert "recall" not in text
    assert "highest" not in text
