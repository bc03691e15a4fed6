"""Write `options.json` from the current parsers: `python -m sercl.cli.options_file`."""

import inspect
import json
import re
import sys
from argparse import SUPPRESS, Action
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from typing import Any, get_args

import jsonargparse

from sercl.cli import (
    compare,
    corpus,
    cross_eval,
    cross_eval_report,
    demo,
    features,
    layer_probe,
    predict,
)
from sercl.cli.commands import COMMANDS
from sercl.cli.diarize import evaluate, outputs, score
from sercl.cli.help import long_flag
from sercl.cli.lightning import Cli
from sercl.cli.option_table import PATH, VALUE, kinds_of
from sercl.cli.parser_messages import parameters
from sercl.data import datamodules
from sercl.data.datamodules.base import EmotionDataModule
from sercl.files import write_text
from sercl.models.adapters.peft.config import VARIANTS
from sercl.models.adapters.registry import METHODS, adapter_names
from sercl.models.encoders.source import PRESETS
from sercl.studies.layer_probe.folds import LayerProbeOptions
from sercl.tasks.diarization import EmotionDiarizer

_DATA = ("--data", "EmoDB", "--data.root", ".")
_SHORT_FORMS = {"layer-probe": layer_probe.SHORT_FORMS, "cross-eval": cross_eval.SHORT_FORMS}

Parsers = Mapping[str, Callable[[], Any]]
Actions = Mapping[str, Action]
"""Option -> what its parser knows of it."""


def build() -> dict[str, dict[str, Any]]:
    """Return the table of the current parsers."""
    made = {name: make() for name, make in parsers().items()}
    commands = {name: dict(sorted(_kinds(name, parser).items())) for name, parser in made.items()}
    names = {"adapters": _adapters(), "encoders": list(PRESETS)}
    data = data_actions()
    helped = {**made, **{name: make() for name, make in _light_parsers().items()}}
    return {
        "commands": commands,
        "data": dict(sorted(_data_options())),
        "names": names,
        "defaults": _defaults({**data, **made["fit"]._option_string_actions}),
        "help": _help(helped, data),
    }


def _adapters() -> list[str]:
    """Return the names of sercl's own adapters; completion adds those of installed packages."""
    own = [name for name in adapter_names() if METHODS.plugin(name) is None and name != "peft"]
    return [*own, *(f"peft:{name}" for name in VARIANTS)]


def parsers() -> Parsers:
    """Return name -> parser of the commands whose parsers are slow to build."""
    return {
        "fit": lambda: _parser(lambda: Cli("fit")),
        "validate": lambda: _parser(lambda: Cli("validate", with_training=False)),
        "test": lambda: _parser(lambda: Cli("test", with_training=False)),
        "layer-probe": lambda: _parser(lambda: Cli("layer-probe", options=("probe", LayerProbeOptions))),
        "cross-eval": cross_eval.build_parser,
        "diarize fit": lambda: _parser(
            lambda: Cli("diarize fit", model_class=EmotionDiarizer, monitor="val/eder")
        ),
        "diarize evaluate": evaluate.build_parser,
        "listen build": partial(_listen_parser, "build"),
    }


def _light_parsers() -> Parsers:
    return {
        "demo": demo.build_parser,
        "cross-eval report": cross_eval_report.build_parser,
        "compare": compare.build_parser,
        "predict": predict.build_parser,
        "diarize": outputs.build_parser,
        "diarize score": score.build_parser,
        "listen power": partial(_listen_parser, "planning", "build_power_parser"),
        "listen convert": partial(_listen_parser, "convert"),
        "listen serve": partial(_listen_parser, "serve"),
        "listen answers": partial(_listen_parser, "answers"),
        "listen monitor": partial(_listen_parser, "planning", "build_monitor_parser"),
        "listen backup": partial(_listen_parser, "answers", "build_backup_parser"),
        "listen withdraw": partial(_listen_parser, "answers", "build_withdraw_parser"),
        "listen import": partial(_listen_parser, "importing"),
        "listen compare": partial(_listen_parser, "compare"),
        **{f"corpus {word}": partial(corpus.build_parser, word) for word in COMMANDS["corpus"].words},
        **{f"features {word}": partial(features.build_parser, word) for word in COMMANDS["features"].words},
    }


def _listen_parser(module: str, name: str = "build_parser") -> Any:
    return getattr(import_module(f"sercl.cli.listen.{module}"), name)()


def _parser(make: Callable[[], Any]) -> Any:
    before = sys.argv
    sys.argv = ["sercl", *_DATA]  # Lightning's parser parses on construction
    try:
        return make().parser
    finally:
        sys.argv = before


def _kinds(name: str, parser: Any) -> dict[str, str]:
    return {**kinds_of(parser), **dict.fromkeys(_short_forms(name), VALUE)}


def _short_forms(name: str) -> Mapping[str, str]:
    """Return short form -> option of a command."""
    return {short: option for short, option in _SHORT_FORMS.get(name, {}).items() if option != "--help"}


def _data_options() -> Iterator[tuple[str, list[str]]]:
    for name, kind in _data_modules().items():
        yield name, sorted(parameters(kind))


def _data_modules() -> dict[str, type[EmotionDataModule]]:
    return {
        name: kind
        for name, kind in vars(datamodules).items()
        if inspect.isclass(kind) and issubclass(kind, EmotionDataModule) and not inspect.isabstract(kind)
    }


def _defaults(actions: Actions) -> dict[str, Any]:
    """Return option -> default of what names the folder of a run, as far as it is plain."""
    return {
        name: action.default
        for name, action in sorted(actions.items())
        if name.startswith(("--data.", "--model.", "--seed")) and _is_shown(action.default)
    }


def _help(made: Mapping[str, Any], data: Actions) -> dict[str, dict[str, list[str]]]:
    """Return command -> option on its page -> [valid values, text]."""
    found: dict[str, dict[str, list[str]]] = {}
    for command in COMMANDS.values():
        name, rows = command.page.command, command.page.options
        known = _actions(name, made, data)
        flags = [long_flag(row) for row in rows if isinstance(row, str)]
        with_choices = {row for row in rows if isinstance(row, str) and " " not in row}
        found[name] = {
            flag: [_choices(flag, known) if flag in with_choices else "", _text(name, flag, known)]
            for flag in flags
            if flag != "--help"
        }
    return found


def data_actions() -> Actions:
    """Return the options of every data module; where several have one, as a plain corpus has it."""
    found: dict[str, Action] = {}
    modules = _data_modules()
    for kind in (modules["EmoDB"], *modules.values()):
        parser = jsonargparse.ArgumentParser(exit_on_error=False)
        parser.add_class_arguments(kind, "data")
        found = {**parser._option_string_actions, **found}
    return found


def _actions(name: str, made: Mapping[str, Any], data: Actions) -> dict[str, Actions]:
    """Return the options of a command, or of each of its actions, by the action's name."""
    if name in made:
        own = made[name]._option_string_actions
        short = {flag: own[option] for flag, option in _short_forms(name).items()}
        return {"": {**data, **own, **short}}
    return {
        word: made[f"{name} {word}"]._option_string_actions
        for word in COMMANDS[name].words
        if f"{name} {word}" in made
    }


def _choices(flag: str, known: Mapping[str, Actions]) -> str:
    """Return the valid values of an option that has some, such as "csv|json"."""
    action = next(actions[flag] for actions in known.values() if flag in actions)
    choices = action.choices or _literals(getattr(action, "_typehint", None))
    return "|".join(map(str, choices)) if action.nargs != 0 else ""


def _literals(hint: Any) -> tuple[Any, ...]:
    return tuple(word for word in get_args(hint) if isinstance(word, str))


def _text(name: str, flag: str, known: Mapping[str, Actions]) -> str:
    """Return the text of an option, by action if actions differ: "inspect: File of a figure"."""
    texts: dict[str, list[str]] = {}
    for word, actions in known.items():
        if flag in actions:
            texts.setdefault(sentence(f"{name} {word}".strip(), actions[flag]), []).append(word)
    if not texts:
        raise LookupError(f"sercl/cli/pages.py: {name} has no option {flag}.")
    if len(texts) == 1 and len(*texts.values()) == len(known):
        return next(iter(texts))
    return "; ".join(f"{', '.join(words)}: {_within(text)}" for text, words in texts.items())


def _within(text: str) -> str:
    """Return a sentence as it is written after a colon."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def sentence(command: str, action: Action) -> str:
    """Return the first sentence of an option's help, without its period, and its default.

    Raises:
        LookupError: For an option without help.
    """
    if not action.help or action.help == SUPPRESS:
        raise LookupError(f"{command}: {action.option_strings[-1]} has no help text.")
    text = re.split(r"\.(?=\s|$)", " ".join(action.help.split()), maxsplit=1)[0]
    if action.nargs == 0 or not _is_shown(action.default):
        return text
    return f"{text} (default: {_plain(action.default)})"


def _is_shown(default: Any) -> bool:
    return isinstance(default, bool | int | float | str) and default not in ("", SUPPRESS)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    write_text(PATH, json.dumps(build(), indent=1, ensure_ascii=False) + "\n")
