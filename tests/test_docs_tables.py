"""The tables of the documents agree with the code: options and defaults, corpora, columns, encoders."""

import importlib
import inspect
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from sercl.cli import options_file
from sercl.corpora.base import CorpusInfo
from sercl.corpora.labels import EMOTIONS
from sercl.corpora.manifest import COLUMNS
from sercl.corpora.registry import CORPORA
from sercl.data import datamodules
from sercl.models.encoders.source import PRESETS

DOCS = Path(__file__).resolve().parents[1] / "docs"
README = DOCS.parent / "README.md"
OWN = ("ESD", "PAVOQUE", "RAVDESS", "Manifest", "HuggingFace", "Corpora", "LanguagePair")
PAIR = shlex.split("--data.source EmoDB --data.source.root x --data.target ESD --data.target.root x")
SEVERAL = ["--data.corpora+=EmoDB", "--data.corpora.root", "x"]
GROUPS = {
    "Listening tests: building": ("", "sercl.listening.build:BuildOptions"),
    "Listening tests: monitoring": ("", "sercl.listening.monitoring:MonitorOptions"),
    "Listening tests: power": ("", "sercl.listening.power:PowerOptions"),
    "Layer probe": ("probe", "sercl.studies.layer_probe.folds:LayerProbeOptions"),
    "Cross-evaluation: the study": ("study", "sercl.studies.cross_eval.plan.options:StudyOptions"),
    "Cross-evaluation: where trainings run": ("launch", "sercl.launchers:LaunchConfig"),
}
"""Heading -> name and class of the options that a command has beside those of `sercl fit`."""

LIGHTNING = ("trainer.", "early_stopping.", "checkpoint.")
REQUIRED = {"data.root", "data.corpora", "data.source", "data.target"}


def rows(text: str) -> list[list[str]]:
    """Return the cells of every table row."""
    lines = (line for line in text.splitlines() if line.startswith("|"))
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]


def documented() -> dict[str, dict[str, str]]:
    """Return heading -> option -> default, as docs/settings.md has them."""
    sections = re.split(r"^#+ ", (DOCS / "settings.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {
        section.splitlines()[0].strip("`"): {
            row[0].strip("`-").replace("-", "_"): row[1].strip("`'")
            for row in rows(section)
            if row[0].startswith("`--")
        }
        for section in sections[1:]
    }


def parsed(monkeypatch: pytest.MonkeyPatch, name: str, words: list[str]) -> dict[str, Any]:
    """Return option -> default of `sercl fit` with one data module."""
    from sercl.cli.lightning import Cli

    monkeypatch.setattr(sys, "argv", ["sercl fit", "--data", name, *words])
    flat = vars(Cli("fit").config.as_flat())
    return {key.replace(".init_args.", "."): value for key, value in flat.items()}


def same(text: str, value: Any) -> bool:
    """Whether a documented default is the value."""
    if isinstance(value, float):
        return float(text) == value
    if value is None or isinstance(value, bool):
        return text == {None: "null", True: "true", False: "false"}[value]
    return text == str(value)


SETTINGS = documented()
COMMON = {
    option: value
    for heading, table in SETTINGS.items()
    if heading not in (*OWN, *GROUPS)
    for option, value in table.items()
}
for _option in ("ckpt", "encoder", "preprocess"):  # of `sercl test`
    COMMON.pop(_option)


def test_every_option_of_every_run_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    real = parsed(monkeypatch, "EmoDB", ["--data.root", "x"])
    ours = {name for name in real if not name.startswith(LIGHTNING)} - {"config", "data.class_path"}
    assert ours - COMMON.keys() == set()
    assert COMMON.keys() - real.keys() == set()


def test_defaults_are_as_described(monkeypatch: pytest.MonkeyPatch) -> None:
    real = parsed(monkeypatch, "EmoDB", ["--data.root", "x"])
    wrong = {
        name: real[name]
        for name, text in COMMON.items()
        if name not in REQUIRED and not same(text, real[name])
    }
    assert wrong == {}


@pytest.mark.parametrize("name", OWN)
def test_options_of_one_data_module(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = {"LanguagePair": PAIR, "Corpora": SEVERAL}
    real = parsed(monkeypatch, name, inner.get(name, ["--data.root", "x"]))
    parameters = set(inspect.signature(getattr(datamodules, name)).parameters)
    of_all = {option.split(".")[1] for option in COMMON if option.startswith("data.")}
    table = SETTINGS[name]
    assert {option.split(".")[1] for option in table} == parameters - of_all
    if name != "LanguagePair":  # the options of its two corpora are described once
        known = {*COMMON, *table, "data.class_path"}
        assert {option for option in real if option.startswith("data.")} - known == set()
    wrong = {
        option: real[option] for option in table.keys() - REQUIRED if not same(table[option], real[option])
    }
    assert wrong == {}


def defaults(options: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield option and default of a dataclass and of those in it."""
    for field in fields(options):
        factory, option = field.default_factory, f"{name}.{field.name}".removeprefix(".")
        default = field.default if factory is MISSING else factory()
        if is_dataclass(default) and not isinstance(default, type):
            yield from defaults(default, option)
        else:
            yield option, "required" if default is MISSING else default


@pytest.mark.parametrize("heading", GROUPS)
def test_options_of_other_commands(heading: str) -> None:
    name, target = GROUPS[heading]
    module, _, options_name = target.partition(":")
    options = getattr(importlib.import_module(module), options_name)
    real = dict(defaults(options, name))
    table = SETTINGS[heading]
    assert table.keys() == real.keys()
    assert {option: real[option] for option in real if not same(table[option], real[option])} == {}


def test_options_of_diarizers(monkeypatch: pytest.MonkeyPatch) -> None:
    from sercl.cli.diarize.fit import parse

    monkeypatch.setattr(sys, "argv", ["sercl diarize fit", "--data", "EmoDB", "--data.root", "x"])
    flat = vars(parse().config.as_flat())
    real = {key.replace(".init_args.", "."): value for key, value in flat.items()}
    text = (DOCS / "diarize.md").read_text(encoding="utf-8")
    table = {row[0].strip("`-"): row[1].strip("`") for row in rows(text) if row[0].startswith("`--")}
    table.pop("data.clips.patterns")  # a map: its default is said in words
    own = {name for name in real if name.startswith(("data.clips.", "model."))} - COMMON.keys()
    assert {name for name in own if not name.startswith("data.clips.patterns")} - table.keys() == set()
    assert {name: real[name] for name in table if not same(table[name], real[name])} == {}


UNIT = re.compile(r"\bin (s|dB|Hz|GB)\b")


@pytest.mark.parametrize("name", ["settings.md", "diarize.md"])
def test_units_are_those_of_the_help(name: str) -> None:
    actions = dict(options_file.data_actions())
    for command in ("test", "cross-eval", "diarize fit", "layer-probe"):
        actions |= options_file.parsers()[command]()._option_string_actions
    table = {row[0].strip("`"): row[2] for row in rows((DOCS / name).read_text(encoding="utf-8")) if row[2:]}
    texts = {option: str(actions[option].help) for option in table if option in actions}
    wrong = {
        option: text
        for option, text in texts.items()
        if set(UNIT.findall(text)) != {*UNIT.findall(table[option])}
    }
    assert wrong == {}
    assert len(texts) > 10


def test_every_corpus_is_described_as_it_is_registered() -> None:
    table = {row[0]: row[1:] for row in rows((DOCS / "corpora.md").read_text(encoding="utf-8"))}
    assert {name: table.get(name) for name in CORPORA} == {
        name: facts(corpus.info) for name, corpus in CORPORA.items()
    }
    assert f"the {len(CORPORA)} corpora" in " ".join(README.read_text(encoding="utf-8").split())


def facts(info: CorpusInfo) -> list[str]:
    return [
        ", ".join(info.languages),
        str(info.speakers or "any"),
        f"{info.license}; {info.access}",
        f"`{info.layout}`",
    ]


def test_every_manifest_column_and_emotion_is_described() -> None:
    text = (DOCS / "corpora.md").read_text(encoding="utf-8")
    assert [column for column in COLUMNS if f"`{column}`" not in text] == []
    assert ", ".join(EMOTIONS) in " ".join(text.split())


def test_every_short_name_of_an_encoder_is_listed() -> None:
    text = (DOCS / "settings.md").read_text(encoding="utf-8")
    assert [name for name in PRESETS if f"`{name}`" not in text] == []
