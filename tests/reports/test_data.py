from pathlib import Path

from rich.console import Console, RenderableType

from sercl.corpora.base import Problem
from sercl.data.report import DataReport, SplitReport
from sercl.reports.data import data_table, left_out

CLASSES = ("angry", "sad")


def split(angry: int, sad: int, speakers: int = 2, skipped: dict[str, int] | None = None) -> SplitReport:
    names = {f"s{number:02}": 1 for number in range(speakers)}
    return SplitReport("Toy", ("de", "en"), {"angry": angry, "sad": sad}, names, 90.0, skipped or {})


def report(**changes: object) -> DataReport:
    fields = {
        "name": "Toy",
        "classes": CLASSES,
        "splits": {"train": split(12, 8), "test": split(3, 0, speakers=13)},
        "dropped": {"Toy": {}},
        "problems": {"Toy": ()},
        "notes": (),
    }
    return DataReport(**{**fields, **changes})


def shown(content: RenderableType) -> str:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(content)
    return capture.get()


def row(text: str, first: str) -> list[str]:
    return next(line for line in text.splitlines() if line.split()[:1] == [first]).split()


def test_every_part_is_counted_by_class() -> None:
    text = shown(data_table(report()))
    assert text.startswith("Data: Toy")
    assert row(text, "train") == ["train", "Toy", "(de,", "en)", "12", "8", "20", "1.5", "2:", "s00,", "s01"]
    # Many speakers are counted, not named.
    assert row(text, "test") == ["test", "Toy", "(de,", "en)", "3", "0", "3", "1.5", "13"]


def test_the_fold_stands_with_the_data() -> None:
    text = shown(data_table(report(folds={"Toy": "speaker fold 0 of 5, balanced for these classes"})))
    assert "Fold: speaker fold 0 of 5, balanced for these classes (Toy)" in text


def test_everything_that_is_on_disk_but_not_in_use_is_said() -> None:
    found = report(
        splits={"train": split(12, 8, skipped={"silent": 2, "nan": 1}), "test": split(3, 1)},
        dropped={"Toy": {"bored": 20, "calm": 1}},
        problems={"Toy": (Problem(Path("a.wav"), "why", kind="silent"),)},
        notes=("one speaker",),
        unlisted={"Toy": "3 audio files beside it in no row of toy.csv"},
    )
    expected = [
        "Dropped (no class in the label scheme): 20 bored, 1 calm (Toy)",
        "train: left out 2 silent, 1 nan",
        "Not listed: 3 audio files beside it in no row of toy.csv (Toy)",
    ]
    assert left_out(found) == expected
    assert "one speaker" not in shown(data_table(found)), "notes are printed once, with the results"
    assert all(line in shown(data_table(found)) for line in expected)


def test_where_nothing_is_left_out_nothing_is_said() -> None:
    assert left_out(report()) == []
