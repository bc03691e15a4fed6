"""What options the commands have, in a file: a misspelt one is found before anything heavy is imported.

`options.json` is written by `python -m sercl.cli.option_table`; a test compares it with the parsers.
"""

import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sercl.cli.option_words import CLASS, FILES, FLAG, LIST, TUPLE, VALUE
from sercl.documents import read_json
from sercl.files import write_text

PATH = Path(__file__).with_name("options.json")
_DATA = ("--data", "EmoDB", "--data.root", ".")


def read() -> dict[str, dict[str, Any]]:
    """Return the table: "commands" (name -> option -> kind), "data" (corpus -> its options) and "names"."""
    table: dict[str, dict[str, Any]] = read_json(PATH)
    return table


def kinds_of(parser: Any) -> dict[str, str]:
    """Return the long options of a parser with their kinds."""
    return {
        name: _kind(action) for name, action in parser._option_string_actions.items() if name.startswith("--")
    }


def build() -> dict[str, dict[str, Any]]:
    """Return the table of the parsers as they are."""
    from sercl.models.adapters.registry import ALONE, METHODS
    from sercl.models.encoders.source import PRESETS

    commands = {name: dict(sorted(kinds_of(make()).items())) for name, make in parsers().items()}
    names = {"adapters": [*ALONE, *METHODS], "encoders": list(PRESETS)}
    return {"commands": commands, "data": dict(sorted(_data_options())), "names": names}


def parsers() -> Mapping[str, Callable[[], Any]]:
    """Return name -> parser of the commands whose parsers are slow to build."""
    from sercl.cli.cross_eval_parser import build_parser as study
    from sercl.cli.diarize.evaluate import build_parser as evaluate
    from sercl.cli.lightning import Cli
    from sercl.studies.layer_probe.folds import LayerProbeOptions
    from sercl.tasks.diarization import EmotionDiarizer

    return {
        "fit": lambda: _parser(lambda: Cli("fit")),
        "validate": lambda: _parser(lambda: Cli("validate", with_training=False)),
        "test": lambda: _parser(lambda: Cli("test", with_training=False)),
        "layer-probe": lambda: _parser(lambda: Cli("layer-probe", options=("probe", LayerProbeOptions))),
        "cross-eval": study,
        "diarize fit": lambda: _parser(
            lambda: Cli("diarize fit", model_class=EmotionDiarizer, monitor="val/eder")
        ),
        "diarize evaluate": evaluate,
    }


def _parser(make: Callable[[], Any]) -> Any:
    before = sys.argv
    sys.argv = ["sercl", *_DATA]  # Lightning's parser parses as it is made
    try:
        return make().parser
    finally:
        sys.argv = before


def _kind(action: Any) -> str:
    name, hint = type(action).__name__, str(getattr(action, "_typehint", None))
    if "ConfigFile" in name:
        return FILES
    if action.nargs == 0:
        return FLAG
    if action.nargs in ("+", "*") or re.search(r"(list|iterable|sequence)\[", hint.lower()):
        return LIST
    if re.search(r"tuple\[", hint.lower()):
        return TUPLE
    has_options = any(word in hint for word in ("sercl.", "lightning.", "dict"))
    return CLASS if has_options and "Literal" not in hint else VALUE


def _data_options() -> Iterator[tuple[str, list[str]]]:
    from sercl.cli.option_names import _parameters
    from sercl.data import datamodules
    from sercl.data.datamodules.base import EmotionDataModule

    for name, kind in vars(datamodules).items():
        if inspect.isclass(kind) and issubclass(kind, EmotionDataModule) and not inspect.isabstract(kind):
            yield name, sorted(_parameters(kind))


if __name__ == "__main__":
    write_text(PATH, json.dumps(build(), indent=1) + "\n")
