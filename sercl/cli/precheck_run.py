"""Mistakes about the folder of a run and about its encoder, found before anything heavy is imported."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sercl.cli.siblings import is_later_rank
from sercl.documents import parse_yaml, read_yaml
from sercl.errors import DocumentError, UsageError

RUNS = ("fit", "diarize fit", "layer-probe")
"""Commands that have a folder of their own, and an encoder."""

Values = Mapping[str, tuple[str, str]]
"""Option -> its value, and where it is set."""

_MAY_MOVE = ("root", "encoder", "workers", "gradient_checkpointing")
_CHECKED = ("--seed_everything", "--data", "--model.", "--probe.")


def check_run(
    command: str, values: Values, flags: set[str], presets: Sequence[str], known: Collection[str]
) -> None:
    """Raise for a folder that a run cannot have, options that it was not begun with, or an unknown encoder.

    Args:
        command: Name of the command.
        values: What the command line and its files set.
        flags: Options without a value that are given.
        presets: Short names of encoders.
        known: Options of the command.

    Raises:
        UsageError: As `run_folder.check_claim` and `run_checks.check_resumed`.
        OutputError: Where another run is writing to the folder.
        EncoderError: For an encoder's folder that is not there, or none.
        UnknownNameError: For a name that no encoder has.
    """
    if command == "cross-eval":
        _check_study_folder(values)
    if command in RUNS and not is_later_rank():
        _check_folder(command, values, flags)
    for name in _encoders(command, values, known):
        _check_encoder(name, values if command in RUNS else {}, presets)


def folder_of(command: str, values: Values) -> Path | None:
    """Return the folder of a run, None where it is known only once everything is parsed."""
    from sercl.cli.run_folder import default_folder

    if "--out" in values:
        return Path(values["--out"][0])
    data = _data(values, "--data")
    if data is None or command != "fit":
        return None
    model = {
        "encoder": _get(values, "--model.encoder") or "whisper-base",
        "adapter": _get(values, "--model.adapter") or "none",
    }
    return default_folder(
        {"data": data, "model": model, "seed_everything": _get(values, "--seed_everything") or 42}
    )


def _check_folder(command: str, values: Values, flags: set[str]) -> None:
    from sercl.cli.run_folder import CONFIG, check_choice, check_claim
    from sercl.locks import NAME, check_free

    resume, overwrite = "--resume" in flags, "--overwrite" in flags
    check_choice(resume, overwrite)
    folder = folder_of(command, values)
    if folder is None:
        return
    if (folder / NAME).exists():
        check_free(folder)
    check_claim(folder, resume, overwrite)
    if resume:
        _check_same(folder / CONFIG, values)


def _check_same(path: Path, values: Values) -> None:
    """Raise `UsageError` where an option is plainly another than the run was begun with.

    What is not plain (other spellings, files, defaults) is compared once everything is parsed.
    """
    try:
        stored = dict(flat(read_yaml(path), ""))
    except (OSError, DocumentError):  # said by `run_checks`, with what to do
        return
    for option, (value, _) in values.items():
        may_change = not option.startswith(_CHECKED) or option.rpartition(".")[2] in _MAY_MOVE
        if option in stored and not may_change and _differ(value, stored[option]):
            raise UsageError(
                f"{path.parent}: --resume continues a run as it was begun, but {option} is {value}, was "
                f"{stored[option]}. Leave the options as they were (--config {path}), or start anew with "
                "another --out."
            )


def flat(content: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield option and value of a configuration, without the levels that classes add."""
    if not isinstance(content, Mapping):
        yield prefix, content
        return
    for key, value in content.items():
        if key in ("init_args", "dict_kwargs"):
            yield from flat(value, prefix)
        elif key == "class_path":
            yield prefix, value
        else:
            yield from flat(value, f"{prefix}.{key}" if prefix else f"--{key}")


def _differ(given: str, stored: Any) -> bool:
    """Whether two plain values are surely not the same."""
    try:
        value = parse_yaml(given)
    except DocumentError:
        return False
    plain = (bool, int, float, str, type(None))
    if not isinstance(value, plain) or not isinstance(stored, plain) or "/" in f"{given}{stored}":
        return False
    return _form(value) != _form(stored)


def _form(value: Any) -> object:
    text = str(value).rpartition("sercl.data.datamodules.")[2]
    try:
        return float(text)
    except ValueError:
        return {"true": 1.0, "false": 0.0, "null": "none"}.get(text.lower(), text.lower())


def _check_study_folder(values: Values) -> None:
    from sercl.cli.run_folder import check_holds_study
    from sercl.files import at_home

    out = at_home(values["--out"][0]) if "--out" in values else None
    if out is not None and out.is_dir():
        check_holds_study(out)


def _encoders(command: str, values: Values, known: Collection[str]) -> Iterator[str]:
    if command in RUNS and _get(values, "--model.encoder_config") is None:
        yield from (values[name][0] for name in ("--encoder", "--model.encoder") if name in values)
    for option, (value, _) in values.items() if command == "cross-eval" else ():
        parts = option.split(".")
        if parts[:2] == ["--study", "encoders"] and len(parts) > 2:
            if len(parts) == 3 or (parts[3:] == ["encoder"] and _knows_all_of(parts[2], values, known)):
                yield value
        elif option == "--study.encoders":
            yield from _list(value)


def _knows_all_of(name: str, values: Values, known: Collection[str]) -> bool:
    """Whether an encoder of a study has options of the model alone; the parser names one that is none."""
    prefix = f"--study.encoders.{name}."
    own = [option.removeprefix(prefix) for option in values if option.startswith(prefix)]
    return all(f"--model.{option}" in known for option in own)


def _list(text: str) -> list[str]:
    try:
        value = parse_yaml(text)
    except DocumentError:
        return []
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _check_encoder(name: str, values: Values, presets: Sequence[str]) -> None:
    from sercl.models import encoder_folder as folders

    folder = None if name in presets else folders.folder_named(name, presets)
    if folder is None:
        return
    content = folders.read_json(folder / "config.json")
    folders.check_family(content, folder / "config.json")
    blocks = content.get(folders.depth_key(content["model_type"]))
    layer, last = (_whole(_get(values, f"--model.{name}")) for name in ("layer", "last_block"))
    if not isinstance(blocks, int):
        return
    if last is not None:
        folders.check_block(folder, last, blocks)
    elif layer is not None:
        folders.check_layer(str(folder), layer, blocks)


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 10 else None


def _data(values: Values, prefix: str) -> dict[str, Any] | None:
    """Return what the name of a folder is made of, with the defaults of the options."""
    name = (_get(values, prefix) or "").rpartition(".")[2]
    if name in ("", "Diarization"):
        return None
    arguments: dict[str, Any] = {
        "folds": {
            "scheme": _get(values, f"{prefix}.folds.scheme") or "speaker",
            "index": _get(values, f"{prefix}.folds.index") or 0,
        }
    }
    if name == "LanguagePair":
        sides = [_data(values, f"{prefix}.{side}") for side in ("source", "target")]
        if None in sides:
            return None
        setting = _get(values, f"{prefix}.setting") or "zero-shot"
        arguments = {"source": sides[0], "target": sides[1], "setting": setting}
    return {"class_path": name, "init_args": arguments}


def _get(values: Values, option: str) -> str | None:
    value = values[option][0] if option in values else None
    return None if value in ("None", "null") else value  # as YAML has it in a file, and on the command line
