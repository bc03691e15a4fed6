from dataclasses import replace
from statistics import mean

import pytest

from sercl.reports.cross_eval.summary import overview
from sercl.studies.cross_eval.analysis.analysis import Analysis


def test_rows_are_settings_in_order(wide: Analysis) -> None:
    own = overview(wide)
    assert own.columns == tuple(
        (encoder, adapter)
        for encoder in ("whisper-base", "wav2vec2-zh")
        for adapter in ("none", "lora+bottleneck+gating")
    )
    assert [(row.setting, *row.tags, row.count) for row in own.rows] == [
        ("monolingual", 3), ("zero-shot", 6), ("zero-shot", "coral", 6), ("transfer", 6), ("two-stage", 6),
        ("few-shot", "1 shot", 6), ("few-shot", "4 shots", 6), ("few-shot", "16 shots", 6),
        ("target-only", "1 shot", 6), ("target-only", "4 shots", 6), ("target-only", "16 shots", 6),
    ]  # fmt: skip


def test_means_are_over_pairs(wide: Analysis) -> None:
    row = overview(wide).rows[0]
    own = [
        scores.uar.value
        for condition, scores in wide.scores.items()
        if condition.setting == "monolingual"
        and (condition.encoder, condition.adapter) == ("wav2vec2-zh", "none")
    ]
    assert row.means["wav2vec2-zh", "none"] == pytest.approx(mean(own))


def test_what_a_mean_is_over_is_said(wide: Analysis) -> None:
    kinds = {(row.setting, *row.tags): row.kind for row in overview(wide).rows}
    assert (kinds["monolingual",], kinds["zero-shot",]) == ("3 corpora", "6 directions")
    lacking = {
        condition: own
        for condition, own in wide.scores.items()
        if not (condition.adapter == "none" and condition.setting == "transfer" and condition.source == "ESD")
    }
    rows = {(row.setting, *row.tags): row for row in overview(replace(wide, scores=lacking)).rows}
    assert rows["transfer",].lacks(("whisper-base", "none")) == "4 of 6"
    assert rows["transfer",].lacks(("whisper-base", "lora+bottleneck+gating")) == ""
    assert rows["two-stage",].lacks(("whisper-base", "none")) == ""


def test_little_and_nothing(bare: Analysis, unfinished: Analysis) -> None:
    assert [(row.setting, row.count) for row in overview(bare).rows] == [("monolingual", 1)]
    assert overview(unfinished).rows == ()
