from dataclasses import replace
from pathlib import Path

from rich.console import Console

from sercl.reports.probing import layer_table, probe_table, write_layer_tables
from sercl.studies.layer_probe.summary import ProbeResults
from tests.studies.heads.samples import results, score


def shown(found: ProbeResults, width: int = 100, title: str | None = None) -> str:
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(probe_table(found, title))
    return console.export_text()


def test_a_row_with_a_bar_per_layer() -> None:
    text = shown(results())
    rows = {line.split()[0]: line for line in text.splitlines() if "█" in line}
    assert set(rows) == {"0", "1", "*", "3"}
    assert "* 2   90.0   85.0 to 95.0" in rows["*"]
    lengths = [rows[name].count("█") for name in ("0", "3", "1", "*")]
    assert lengths == sorted(lengths)
    # From chance, not from zero: 50 % is a third of the way from 25 to 100 %.
    assert abs(rows["0"].count("█") - lengths[-1] * (25 / 65)) <= 1


def test_what_is_chosen_and_what_must_be_said() -> None:
    text = shown(results(), title="EMO-DB")
    assert text.startswith("EMO-DB (all in %, chance 25.0)")
    assert "Best on validation (lowest loss): hidden state 2. For sercl fit: model: {layer: 2}" in text
    assert "in each fold without its test part (2): test UAR 90.0 % (85.0 to 95.0)" in text
    assert "Recalls at this layer: angry 91.0, happy 92.0, neutral -, sad 93.0" in text
    assert "Weighted sum of all hidden states, learned with the probe: test UAR 88.0 %" in text
    assert "Note: 2 of 9 probes ended at the epoch limit" in text
    assert "Note: 1 fold, 3 seeds; intervals resample the 10 speakers." in text


def test_the_best_layer_is_set_beside_the_second_best() -> None:
    text = shown(results(), 200)
    assert (
        "Second on validation: hidden state 1; the best layer's test UAR minus the second's is "
        "+15.0 points (+10.0 to +20.0; "
        "paired over 10 speakers, p 0.014)." in text
    )
    assert "Not significantly different from the best in test (p >= 0.05 after Holm's correction): 3." in text
    clear = replace(results(), differences=results().differences[::2])
    assert "Every other layer differs from the best" in shown(clear, 200)
    assert "Second on validation" not in shown(replace(results(), differences=()), 200)


def test_columns_of_what_was_not_asked_for_are_left_out() -> None:
    text = shown(results(control=False, weighted=False))
    assert "Selectivity" not in text
    assert "Weight" not in text
    assert "Selectivity   Weight" in shown(results())


def test_other_targets_have_no_line_for_fit() -> None:
    assert "sercl fit" not in shown(results(target="speaker"))


def test_it_fits_eighty_columns() -> None:
    text = shown(results(), 80)
    assert "…" not in text
    assert "* 2   90.0   85.0 to 95.0" in text
    assert "█" in text


def test_below_chance_there_is_no_bar() -> None:
    text = shown(results(uars=(0.2, 0.9)))
    assert [line.count("█") for line in text.splitlines() if "to 25.0" in line] == [0]


def test_of_many_classes_the_worst_are_named() -> None:
    many = tuple(f"s{i:02}" for i in range(20))
    found = results(target="speaker")
    recalls = tuple(0.5 + 0.02 * i for i in range(20))
    found = replace(
        found, classes=many, chosen=replace(found.chosen, recalls=recalls, uar=score(0.7, unit="utterances"))
    )
    text = shown(found)
    assert "s00 50.0, s01 52.0, s02 54.0, s03 56.0, s04 58.0 (the lowest of 20)" in text
    assert "intervals resample utterances, not speakers" in text


def test_a_layer_that_predicts_one_class_is_named() -> None:
    found = results()
    first = replace(found.layers[0], uar=score(0.25, wide=0), recalls=(0.0, 0.0, 1.0, 0.0))
    mixed = replace(found.layers[1], uar=score(0.25, wide=0), recalls=(0.5, 0.0, 0.5, 0.0))
    text = shown(replace(found, layers=(first, mixed, *found.layers[2:])), 200)
    assert "Note: hidden state 0, 1: every test utterance was predicted to be of one class" in text
    assert "predicted to be of one class" not in shown(found, 200)


def test_one_layer_is_no_choice() -> None:
    found = results()
    text = shown(replace(found, layers=found.layers[2:3], differences=()))
    assert "Probed: hidden state 2 alone, so no layer was chosen." in text


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


def test_what_chose_the_layer_is_said_and_shown() -> None:
    found = results()
    layers = (replace(found.layers[0], validation_uar=0.99, validation_loss=1.234), *found.layers[1:])
    text = shown(replace(found, layers=layers), 200)
    assert "1.234" in text
    assert "Best on validation (lowest loss): hidden state 2." in text
    assert "Note: the layer is chosen by validation loss" in text
    assert "validation UAR is highest at hidden state 0." in text
    assert layer_table(found).columns[2:4] == ("Val. UAR", "Val. loss")
    by_uar = replace(found, probe={**found.probe, "select": "uar"})
    assert "Val. loss" not in shown(by_uar, 200)
    assert "Best on validation (highest UAR)" in shown(by_uar, 200)
