# ruff: noqa: UP007, UP045 - unions of typing are what is tested
import subprocess
import sys
from typing import Optional, Union, get_args

import lightning.pytorch as L
import pytest

from sercl.cli.parser import SerclParser, int_first

COUNTS = [
    "limit_train_batches", "limit_val_batches", "limit_test_batches", "limit_predict_batches",
    "overfit_batches", "val_check_interval",
]  # fmt: skip

# What comes first decides what `Optional[Union[int, float]]` is from then on, in the whole process.
READ = """
import sys, typing
import rich.console
import lightning.pytorch as L
from sercl.cli.parser import SerclParser
parser = SerclParser()
parser.add_class_arguments(L.Trainer, "trainer")
names = sys.argv[1].split(",")
for text in ("1", "1.0"):
    read = parser.parse_args([f"--trainer.{name}={text}" for name in names]).trainer
    print(*(type(getattr(read, name)).__name__ for name in names))
"""


def test_a_whole_number_is_an_int_though_rich_is_imported_first():
    done = subprocess.run(
        [sys.executable, "-c", READ, ",".join(COUNTS)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    whole, fraction = done.stdout.splitlines()[-2:]
    assert whole.split() == ["int"] * len(COUNTS)
    assert fraction.split() == ["float"] * len(COUNTS)


@pytest.mark.parametrize("text", ["2", "1", "0"])
def test_it_holds_for_every_option_of_the_trainer_that_takes_both(text, tmp_path):
    parser = SerclParser()
    parser.add_class_arguments(L.Trainer, "trainer")
    path = tmp_path / "trainer.yaml"
    path.write_text("".join(f"trainer.{name}: {text}\n" for name in COUNTS))
    parser.add_argument("--config", action="config")
    for words in ([f"--trainer.{name}={text}" for name in COUNTS], ["--config", str(path)]):
        read = parser.parse_args(words).trainer
        assert [type(read[name]) for name in COUNTS] == [int] * len(COUNTS)


@pytest.mark.parametrize(
    ("hint", "order"),
    [
        (Union[float, int], (int, float)),
        (Optional[float | str | int], (int, str, float, type(None))),
        (float | None | int, (int, type(None), float)),
        (Union[int, float], (int, float)),
    ],
)
def test_int_and_float_change_places_and_nothing_else_does(hint, order):
    assert get_args(int_first(hint)) == order


def test_unions_within_containers_count_too():
    (inner,) = get_args(int_first(list[float | int]))
    assert get_args(inner) == (int, float)
    assert int_first(dict[str, int]) == dict[str, int]


@pytest.mark.parametrize("hint", [int, float, str, Optional[float], None])
def test_other_types_stay_as_they_are(hint):
    assert int_first(hint) is hint
