from dataclasses import replace
from pathlib import Path

from sercl.reports.cross_eval.tables import (
    comparison_tables,
    few_shot_table,
    forgetting_table,
    latex_report,
    layer_table,
    markdown_report,
    matrix_tables,
    overview_table,
    published_table,
    score_tables,
)
from sercl.reports.cross_eval.wording import GUESS, GUESS_NOTE, p_value, points, points_interval, score_text
from sercl.studies.cross_eval.analysis.analysis import Analysis, analyse
from sercl.studies.cross_eval.cells import Condition
from sercl.testing.studies import CORPORA, ENCODERS, Grid, fake_study, typical_confusion


def test_rows_are_as_wide_as_their_headings(wide: Analysis, bare: Analysis) -> None:
    for analysis in (wide, bare):
        optional = [item for item in (few_shot_table(analysis), published_table(analysis)) if item]
        tables = [overview_table(analysis), *matrix_tables(analysis), *comparison_tables(analysis)]
        for table in [*tables, *score_tables(analysis), *optional]:
            assert table.rows
            assert {len(row) for row in table.rows} == {len(table.columns)}


def test_the_overview_is_the_mean_over_pairs(wide: Analysis) -> None:
    table = overview_table(wide)
    assert {row[0]: row[1] for row in table.rows}["Zero-shot"] == "6 directions"
    rows = {row[0]: row[2:] for row in table.rows}
    assert list(rows)[:3] == ["Monolingual", "Zero-shot", "Zero-shot, coral"]
    own = [
        scores.uar.value
        for condition, scores in wide.scores.items()
        if (condition.encoder, condition.adapter) == ("whisper-base", "none")
        and condition.setting == "zero-shot"
        and condition.adaptation == "none"
    ]
    assert len(own) == 6
    assert rows["Zero-shot"][0] == f"{100 * sum(own) / 6:.1f}"


def test_every_condition_has_its_scores(wide: Analysis) -> None:
    tables = {table.name: table for table in score_tables(wide)}
    assert list(tables) == [
        f"scores-{name}"
        for name in ("monolingual", "zero-shot", "transfer", "two-stage", "few-shot", "target-only")
    ]
    assert sum(len(table.rows) for table in tables.values()) == len(wide.scores)
    condition = Condition("whisper-base", "none", "zero-shot", "ESD", "EmoDB", adaptation="coral")
    row = next(row for row in tables["scores-zero-shot"].rows if row[2] == "ESD → EmoDB, coral")
    assert row[3] == score_text(wide.scores[condition].uar)


def test_what_validation_chose_is_counted_by_hidden_state(wide: Analysis, unfinished: Analysis) -> None:
    table = layer_table(wide)
    assert table is not None
    assert table.columns[:3] == ("Encoder", "Setting", "Corpora")
    assert table.columns[3:] == ("Layer\n4", "Layer\n5", "UAR"), "no column of dashes"
    row = next(row for row in table.rows if row[1:3] == ("Zero-shot", "ESD → EmoDB"))
    assert row[3:5] == ("9", "6")  # folds 0, 2 and 4, then 1 and 3, with three seeds
    assert layer_table(unfinished) is None


def test_few_shot_and_published(wide: Analysis, bare: Analysis) -> None:
    table = few_shot_table(wide)
    assert table is not None
    assert table.columns[3:] == (
        "0 shots", "1 shot", "4 shots", "16 shots", "Monolingual", "80 % of the gap",
    )  # fmt: skip
    alone = [row for row in table.rows if row[1] == "frozen, target-only"]
    assert len(alone) == 2 * 6
    assert all(row[3] == "-" and row[4] != "-" for row in alone)
    assert few_shot_table(bare) is None
    found = published_table(wide)
    assert found is not None
    assert found.rows[0][:4] == ("Monolingual", "wav2vec2-zh (zh)", "ESD", "lora + bottleneck + gating")
    assert found.rows[0][5] == "93.9"
    assert published_table(bare) is None


def test_forgetting_is_a_row_per_condition(wide: Analysis, bare: Analysis) -> None:
    table = forgetting_table(wide)
    assert table is not None
    assert len(table.rows) == len(wide.forgetting) > 24
    own = next(item for item in wide.forgetting if item.condition.setting == "few-shot")
    row = table.rows[wide.forgetting.index(own)]
    assert row[:3] == ("whisper-base, frozen", "Few-shot, 4 shots", "ESD → EmoDB")
    assert row[3] == score_text(own.scores.before["uar"])
    assert row[4] == score_text(own.scores.after["uar"])
    assert row[5:] == (
        points(own.scores.paired.difference.value), points_interval(own.scores.paired.difference),
        p_value(own.scores.paired.test.p if own.scores.paired.test else 1), p_value(own.scores.paired.p_holm),
    )  # fmt: skip
    assert "## Forgetting" in markdown_report(wide)
    assert "\\label{tab:forgetting}" in latex_report(wide)
    assert forgetting_table(bare) is None
    assert "Forgetting" not in markdown_report(bare) + latex_report(bare)


def test_each_corpus_of_a_union_is_named(wide: Analysis) -> None:
    own = wide.forgetting[0]
    union = replace(own, condition=replace(own.condition, source="ESD + RAVDESS"))
    table = forgetting_table(replace(wide, forgetting=(own, union)))
    assert table is not None
    assert table.columns[:5] == ("Encoder", "Setting", "Corpora", "Tested", "Before")
    assert table.texts == 4
    assert table.rows[1][2:4] == (f"ESD + RAVDESS → {own.condition.target}", own.scores.corpus)


def test_a_source_of_which_one_class_is_left_is_marked(tmp_path: Path) -> None:
    grid = Grid(
        {name: CORPORA[name] for name in ("EmoDB", "ESD")}, {"w": ENCODERS["whisper-base"]}, ("none",)
    )

    def forgetful(condition: Condition) -> list[list[float]]:
        return [[0.0, 0.0, 0.0, 1.0]] * 4 if condition.setting == "few-shot" else typical_confusion(condition)

    fake_study(tmp_path, replace(grid, settings=("two-stage",), seeds=(1,)), confusion=forgetful)
    table = forgetting_table(analyse(tmp_path))
    assert table is not None
    assert all(row[4] == f"25.0 (25.0 to 25.0) {GUESS}" and GUESS not in row[3] for row in table.rows)
    assert GUESS_NOTE in table.note


def test_a_condition_that_predicts_one_class_is_marked_everywhere(guessing: Analysis, wide: Analysis) -> None:
    guesses = [own for own in guessing.scores.values() if own.is_guess]
    assert len(guesses) == 2
    tables = [*matrix_tables(guessing), *score_tables(guessing), layer_table(guessing)]
    marked = [table for table in tables if table and GUESS_NOTE in table.note]
    assert {table.name for table in marked} == {"matrix-zero-shot", "scores-zero-shot", "layers"}
    cells = [cell for table in marked for row in table.rows for cell in row if cell.endswith(GUESS)]
    assert cells == 3 * [f"25.0 (25.0 to 25.0) {GUESS}"] + cells[3:]
    assert len(cells) == 3 * len(guesses)
    assert GUESS in overview_table(guessing).note
    assert GUESS in markdown_report(guessing)
    assert "(25.0 to 25.0) $\\dagger$" in latex_report(guessing)
    assert GUESS not in markdown_report(wide)
