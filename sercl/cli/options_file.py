"""Write `options.json` from the current parsers: `python -m sercl.cli.options_file`."""

import inspect
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sercl.cli.cross_eval import build_parser as study
from sercl.cli.diarize.evaluate import build_parser as evaluate
from sercl.cli.lightning import Cli
from sercl.cli.option_table import PATH, kinds_of
from sercl.cli.parser_messages import parameters
from sercl.data import datamodules
from sercl.data.datamodules.base import EmotionDataModule
from sercl.files import write_text
from sercl.models.adapters.registry import ALONE, METHODS
from sercl.models.encoders.source import PRESETS
from sercl.studies.layer_probe.folds import LayerProbeOptions
from sercl.tasks.diarization import EmotionDiarizer

_DATA = ("--data", "EmoDB", "--data.root", ".")


def build() -> dict[str, dict[str, Any]]:
    """Return the table of the current parsers."""
    commands = {name: dict(sorted(kinds_of(make()).items())) for name, make in parsers().items()}
    names = {"adapters": [*ALONE, *METHODS], "encoders": list(PRESETS)}
    return {"commands": commands, "data": dict(sorted(_data_options())), "names": names}


def parsers() -> Mapping[str, Callable[[], Any]]:
    """Return name -> parser of the commands whose parsers are slow to build."""
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
    sys.argv = ["sercl", *_DATA]  # Lightning's parser parses on construction
    try:
        return make().parser
    finally:
        sys.argv = before


def _data_options() -> Iterator[tuple[str, list[str]]]:

    for name, kind in vars(datamodules).items():
        if inspect.isclass(kind) and issubclass(kind, EmotionDataModule) and not inspect.isabstract(kind):
            yield name, sorted(parameters(kind))


if __name__ == "__main__":
    write_text(PATH, json.dumps(build(), indent=1) + "\n")
