from statistics import mean

import pytest

from sercl.reports.cross_eval.overview import overview
from sercl.studies.cross_eval.analysis import Analysis


def test_rows_are_settings_in_order(wide: Analysis) -> None:
    own = overview(wide)
    assert own.columns == tuple(
        (encoder, adapter)
        for encoder in ("whisper-base", "wav2vec2-zh")
        for adapter in ("none", "lora+bottleneck+gating")
    )
    assert [(row.setting, *row.marks, row.count) for row in own.rows] == [
        ("monolingual", 3), ("zero-shot", 6), ("zero-shot", "coral", 6), ("transfer", 6), ("two-stage", 6),
        ("few-shot", "1 shot", 6), ("few-shot", "4 shots", 6), ("few-shot", "16 shots", 6),
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


def test_little_and_nothing(bare: Analysis, unfinished: Analysis) -> None:
    assert [(row.setting, row.count) for row in overview(bare).rows] == [("monolingual", 1)]
    assert overview(unfinished).rows == ()
