from pathlib import Path

from sercl.reports.probing import layer_table, write_layer_tables
from tests.studies.heads.samples import results


def test_each_layer_has_its_scores_and_its_distance_from_the_best() -> None:
    table = layer_table(results())
    assert [row[0] for row in table.rows] == ["0", "1", "2 (best)", "3"]
    assert table.rows[1][1:3] == ("75.0 (70.0 to 80.0)", "75.0")
    assert table.rows[1][-3:] == ("+15.0 (+10.0 to +20.0)", "0.014", "0.042")
    assert table.rows[2][-3:] == ("-", "-", "-")
    assert {len(row) for row in table.rows} == {len(table.columns)}


def test_the_files_hold_every_study(tmp_path: Path) -> None:
    write_layer_tables([results(), results(target="speaker")], tmp_path, "EmoDB, whisper-base")
    text = (tmp_path / "layers.md").read_text()
    assert text.startswith("# EmoDB, whisper-base")
    assert text.count("| 2 (best) |") == 2
    assert "* Second on validation: hidden state 1" in text
    assert (tmp_path / "layers.tex").read_text().count("tabular") == 4
