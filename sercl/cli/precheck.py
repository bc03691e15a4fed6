"""Checks of a command line before anything heavy is imported.

LightningCLI needs torch to parse: seconds until a misspelt option is refused. Errors found here, with the
table of options, get the same message at once; the parser finds all others.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any

from sercl import plugins
from sercl.cli import option_table
from sercl.cli.diarize.words import evaluated_data, with_clips
from sercl.cli.inert import ALLOWED, check_class
from sercl.cli.inputs import check_checkpoint
from sercl.cli.lightning_options import instead_of, unknown_option, without_nulls
from sercl.cli.listen.words import with_corpora
from sercl.cli.model_class import model_named
from sercl.cli.option_table import CLASS, FILES, FLAG, LIST, PART, Kinds, canonical, check_repeats, given
from sercl.cli.siblings import is_later_rank
from sercl.documents import parse_yaml, read_yaml
from sercl.errors import (
    CorpusNotFoundError,
    DocumentError,
    UnknownNameError,
    UnknownOptionError,
    UsageError,
    same_name,
)
from sercl.files import at_home, exists, is_dir
from sercl.imports import allowed_packages
from sercl.tasks.checkpoint_paths import checkpoints_of

RUNS = ("fit", "diarize fit", "layer-probe")
"""Commands that have their own folder, and an encoder."""

EVALUATIONS = ("test", "validate")
"""Commands that evaluate a checkpoint of `fit`."""

Values = Mapping[str, tuple[str, str]]
"""Option -> its value, and where it is set."""

_MAY_MOVE = ("root", "encoder", "workers", "gradient_checkpointing")
_CHECKED = ("--seed_everything", "--data", "--model.", "--probe.")


def check_run(
    command: str, values: Values, flags: set[str], presets: Sequence[str], known: Collection[str]
) -> None:
    """Raise for an unusable run folder, options that differ from the original ones, or an unknown encoder.

    Args:
        command: Name of the command.
        values: Values set by the command line and its files.
        flags: Options without a value that are given.
        presets: Short names of encoders.
        known: Options of the command.

    Raises:
        UsageError: As `run_folder.check_claim` and `run_checks.check_resumed`.
        CorpusError: For a folder that is not the corpus, where that of the run is refused.
        OutputError: If another run is writing to the folder.
        EncoderError: For an encoder's folder that is missing or invalid.
        UnknownNameError: For an unknown encoder name.
    """
    if command == "cross-eval":
        _check_study_folder(values)
    if command in RUNS and not is_later_rank():
        _check_folder(command, values, flags)
    for name in _encoders(command, values, known):
        _check_encoder(name, values if command in RUNS else {}, presets)


def folder_of(command: str, values: Values) -> Path | None:
    """Return the folder of a run, None if it is known only once everything is parsed."""
    from sercl.cli.run_folder import default_folder

    if "--out" in values:
        return Path(values["--out"][0])
    data = _data(values, "--data")
    if data is None or command != "fit":
        return None
    model = {name: _value(values, f"--model.{name}") for name in ("encoder", "adapter")}
    named, seed = _get(values, "--model"), _value(values, "--seed_everything")
    own = named if "." in (named or "") else None
    return default_folder({"data": data, "model": model, "seed_everything": seed}, own)


def _check_folder(command: str, values: Values, flags: set[str]) -> None:
    from sercl.cli.run_folder import check_choice, check_claim
    from sercl.locks import NAME, check_free
    from sercl.studies.results.records import CONFIG

    resume, overwrite = "--resume" in flags, "--overwrite" in flags
    check_choice(resume, overwrite)
    folder = folder_of(command, values)
    if folder is None:
        return
    if exists(folder / NAME):
        check_free(folder)
    try:
        check_claim(folder, resume, overwrite)
    except UsageError:
        _check_corpora(values)  # else it would be the next error, once the folder is decided on
        raise
    if resume:
        _check_same(folder / CONFIG, values)


def _check_corpora(values: Values) -> None:
    """Raise `CorpusError` for a folder that is not its corpus, unless options of its reader are given."""
    from sercl.corpora.registry import CORPORA, read_corpus, reader_options

    for prefix in _WHOLE_OR_SIDES:
        name = (_get(values, prefix) or "").rpartition(".")[2]
        root = _get(values, f"{prefix}.root")
        if not root or name not in CORPORA:
            continue
        if values.keys().isdisjoint(f"{prefix}.{option}" for option in reader_options(name)):
            read_corpus(name, at_home(root))


def _check_same(path: Path, values: Values) -> None:
    """Raise `UsageError` if an option clearly differs from that of the original run.

    Unclear cases (other spellings, files, defaults) are compared once everything is parsed.
    """
    try:
        stored = dict(flat(read_yaml(path), ""))
    except (OSError, DocumentError):  # reported by `run_checks`, with advice
        return
    for option, (value, _) in values.items():
        may_change = not option.startswith(_CHECKED) or option.rpartition(".")[2] in _MAY_MOVE
        if option in stored and not may_change and _differ(value, stored[option]):
            name = str(stored[option]).removeprefix("sercl.data.datamodules.")
            raise UsageError(
                f"{path.parent}: --resume continues a run with its original options, but {option} is "
                f"{value}, was {name}. Keep the original options (--config {path}), or start a new run with "
                f"another --out."
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
    """Whether two plain values certainly differ."""
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

    out = at_home(values["--out"][0]) if "--out" in values else None
    if out is not None and is_dir(out):
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
    """Whether an encoder of a study has only valid model options; the parser names an invalid one."""
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
    """Return the parts of a folder's name, with the defaults of the options."""
    name = (_get(values, prefix) or "").rpartition(".")[2]
    if name in ("", "Diarization"):
        return None
    arguments: dict[str, Any] = {
        "folds": {
            name: _value(values, f"{prefix}.folds.{name}", f"--data.folds.{name}")
            for name in ("scheme", "index")
        }
    }
    if name == "LanguagePair":
        sides = [_data(values, f"{prefix}.{side}") for side in ("source", "target")]
        if None in sides:
            return None
        setting = _value(values, f"{prefix}.setting", "--data.setting")
        arguments = {"source": sides[0], "target": sides[1], "setting": setting}
    return {"class_path": name, "init_args": arguments}


def _value(values: Values, option: str, same_as: str = "") -> Any:
    """Return the value of an option, as text, or its default, or that of another option."""
    given = _get(values, option)
    return option_table.read()["defaults"].get(same_as or option) if given is None else given


def _get(values: Values, option: str) -> str | None:
    value = values[option][0] if option in values else None
    return None if value in ("None", "null") else value  # as in YAML, in a file and on the command line


_PAGES = {"-h", "--help", "--help-all", "--print_config", "--print_shtab"}
_ON_LINE = {"help", "help-all", "print_config", "print_shtab", "version"}
_NOTES = re.compile(r"\b(__\w+__)\b")  # of jsonargparse's own
_SIDES = ("source", "target")
_WHOLE_OR_SIDES = ("--data", *(f"--data.{side}" for side in _SIDES))
_INNER = (*_SIDES, "corpora")
"""Parameters of data modules that take data modules themselves."""
_ELSEWHERE = {"HuggingFace"}
"""Data modules whose root may be an id on the hub."""


def checked(command: str, words: Sequence[str]) -> list[str]:
    """Return the arguments of a command with options spelt as in its parser.

    Args:
        command: Name of the command, with its action: "fit", "diarize fit".
        words: The arguments after it.

    Raises:
        UsageError: For an unknown option or corpus, or one that is given twice; for a configuration file
            that is missing or not valid YAML.
        CorpusNotFoundError: If a root is missing.
        CheckpointError: If a checkpoint is missing.
    """
    name, rest = command, list(words)
    table = option_table.read()
    if name not in table["commands"] or _PAGES & {word.partition("=")[0] for word in rest}:
        return list(words)
    kinds = {
        **table["commands"][name],
        **{f"--model.adapters.{adapter}": CLASS for adapter in plugins.names(plugins.ADAPTERS)},
    }
    classes = [*table["data"], *plugins.names(plugins.CORPORA)]
    rest = _with_class_names(_with_ckpt(name, canonical(rest, kinds)), kinds, classes)
    spelt = _with_clips(name, rest)
    options = _Options(spelt, kinds, classes)
    chosen = _chosen_data(spelt, options)
    data = option_table.with_packages(table["data"], chosen.values())
    _check_options(name, spelt, kinds, data, [option for option, kind in chosen.items() if _is_foreign(kind)])
    check_repeats(spelt, kinds)
    _check_seeds(spelt, kinds, options)
    parts = _by_corpus(name, rest) or [_with_own_config(name, spelt)]
    _check_keys(name, options, kinds)
    for part in parts:
        _check_paths(options if part == spelt else _Options(part, kinds, classes), set(data))
    _check_ckpt(name, options)
    _check_root(name, options, data)
    _check_logger(options)
    flags = {word.option for word in given(spelt, kinds) if kinds.get(word.option) == FLAG}
    check_run(name, options.values, flags, table["names"]["encoders"], kinds)
    _check_study(name, rest)
    if name == "diarize evaluate":
        for word in takewhile(lambda word: not word.startswith("-"), rest):
            check_checkpoint(word)
    if name == "listen build":
        for path in _values_of("--unseen_by", rest):
            check_checkpoint(path)
    return rest


def _values_of(option: str, words: Sequence[str]) -> Iterator[str]:
    """Yield the values of an option that takes several words."""
    for position, word in enumerate(words):
        name, sign, value = word.partition("=")
        if name == option:
            yield from (
                [value] if sign else takewhile(lambda word: not word.startswith("-"), words[position + 1 :])
            )


def check_config_file(path: Path) -> Any:
    """Return the content of a configuration file.

    Raises:
        UsageError: If it is missing, or not a map in valid YAML within the limits.
    """
    try:
        content = read_yaml(path)
    except FileNotFoundError:
        raise UsageError(f"--config: no such file: {path}. Check the path.") from None
    except OSError as error:
        raise UsageError(f"--config: {path} cannot be read ({error.strerror}).") from None
    except DocumentError as error:
        where = path if error.line is None else f"{path}:{error.line}"
        raise UsageError(f"{where}: {error.reason}.") from None
    if not isinstance(content, dict):
        found = "nothing" if content is None else f"{str(content)[:40]!r} first"
        raise UsageError(f"{path}: expected a map of options (`data: ...`), found {found}.")
    for name in sorted(_ON_LINE & set(content)):
        raise UsageError(f"{path}: sets {name!r}, which is accepted on the command line only: --{name}.")
    for option, _ in flat(content, ""):
        if note := _NOTES.search(option):
            raise UsageError(f"{path}: the key {note[1]!r} is not an option.")
    return content


class _Options:
    """Data options and checkpoint of a command line and its files."""

    def __init__(self, words: Sequence[str], kinds: Kinds, classes: Collection[str]) -> None:
        self.values: dict[str, tuple[str, str]] = {}  # option -> value, and where it is set
        self.files: list[str] = []
        self._classes = classes
        for word in given(words, kinds):
            if kinds.get(word.option) == FILES and word.value is not None:
                self._add_file(word.value)
            elif word.value is not None and not word.adds:
                self.values[word.option] = (word.value, word.option)

    def _add_file(self, name: str) -> None:
        if name.lstrip().startswith("{"):
            return  # YAML on the command line itself
        self.files.append(name)
        content = flat(without_nulls(check_config_file(Path(name))), "")
        named = ((option, _class_name(option, str(value), self._classes)) for option, value in content)
        self.values |= {option: (value, f"{option} (in {name})") for option, value in named}


_OF_CLASS = re.compile(r"--data(\.source|\.target)?(\.corpora)?(\.help)?|--study\.corpora\.[^.]+")
"""Options whose value is the name of a data module."""


def _class_name(option: str, value: str, classes: Collection[str]) -> str:
    """Return an option's value, with the name of a data module as sercl writes it: `emo-db` is EmoDB."""
    return (same_name(value, classes) or value) if _OF_CLASS.fullmatch(option) else value


def _with_class_names(words: Sequence[str], kinds: Kinds, classes: Collection[str]) -> list[str]:
    found = list(words)
    for word in given(words, {**kinds, "--data": "value"}):
        if word.value is None:
            continue
        name, sign, _ = words[word.position].partition("=")
        value = _class_name(word.option.removesuffix(".class_path"), word.value, classes)
        if sign:
            found[word.position] = f"{name}={value}"
        else:
            found[word.position + 1] = value
    return found


def _with_ckpt(name: str, words: Sequence[str]) -> list[str]:
    """Return the arguments with LightningCLI's name of the checkpoint to evaluate in sercl's spelling."""
    if name not in EVALUATIONS:
        return list(words)
    return [re.sub(r"^--ckpt[-_]path(?==|$)", "--ckpt", word) for word in words]


def _check_ckpt(name: str, options: _Options) -> None:
    """Raise `UsageError` if `test` or `validate` is called without a checkpoint."""
    if name not in EVALUATIONS or _get(options.values, "--ckpt") is not None:
        return
    words = [f"-c {file}" for file in options.files] or ["--data CORPUS --data.root DIR"]
    has_model = any(option.startswith("--model") for option in options.values)
    because = f"; the model in {' and '.join(options.files)} is not used" if has_model else ""
    raise UsageError(
        f"--ckpt is missing: `sercl {name}` evaluates a checkpoint of `sercl fit`, which contains the model"
        f"{because}. Call: sercl {name} --ckpt checkpoints/RUN/best.ckpt {' '.join(words)}"
    )


def _check_root(name: str, options: _Options, data: Mapping[str, Sequence[str]]) -> None:
    """Raise `UsageError` for a corpus without its folder."""
    corpus = (_get(options.values, "--data") or "").rpartition(".")[2]
    is_given = {"--data.root", "--data.init_args", "--data.init_args.root", "--data.help"} & set(
        options.values
    )
    if name in ("fit", "layer-probe", "listen build") and "root" in data.get(corpus, ()) and not is_given:
        raise UsageError(f"--data.root is missing: {corpus} is read from a folder or file. Give --data.root.")


def _check_logger(options: _Options) -> None:
    """Raise `UsageError` for the name of a logger of Lightning that sercl does not take by name."""
    value, _ = options.values.get("--trainer.logger", ("", ""))
    if value.endswith("Logger") and value.isidentifier():
        check_class("trainer.logger", f"{ALLOWED['trainer.logger'][0]}.{value}", allowed_packages())


def _check_seeds(words: Sequence[str], kinds: Kinds, options: _Options) -> None:
    """Raise `UsageError` for one seed beside several, which would not be used."""
    one = [word for word in given(words, kinds) if word.option == "--seed_everything"]
    if one and (several := _get(options.values, "--seeds")) is not None:
        raise UsageError(
            f"--seed_everything {one[-1].value}: has no effect beside --seeds {several}, the seeds of "
            "all trainings. Leave one of them out."
        )


def _check_keys(name: str, options: _Options, kinds: Kinds) -> None:
    """Raise `UsageError` for what configuration files of other programs contain and sercl lacks."""
    has_own_model = "." in (_get(options.values, "--model") or "")  # whose options are not known yet
    for option, (value, where) in options.values.items():
        is_of_checkpoint = name in EVALUATIONS and option.startswith("--model.")
        is_of_own = has_own_model and option.startswith("--model.")
        is_read = is_of_checkpoint or is_of_own or _is_known(option, kinds, ())
        if not is_read and (advice := instead_of(option, name, value)):
            raise UsageError(f"{where}: `sercl {name}` has no such option. {advice}")


def _with_clips(name: str, words: list[str]) -> list[str]:
    spell = {
        "diarize fit": with_clips,
        "diarize evaluate": evaluated_data,
        "listen build": with_corpora,
    }.get(name, list)
    return spell(words)


def _by_corpus(name: str, words: list[str]) -> list[list[str]]:
    """Return the arguments from each `--data` to the next, if several corpora may be named one by one."""
    if name not in ("diarize fit", "listen build"):
        return []
    starts = [position for position, word in enumerate(words) if word.partition("=")[0] == "--data"]
    borders = [0, *starts, len(words)]
    return [words[start:end] for start, end in pairwise(borders)]


def _check_study(name: str, words: Sequence[str]) -> None:
    options = [word.option for word in given(words, {})]
    is_file = any(word.startswith("-c") for word in words) or "--config" in options
    if name == "cross-eval" and not is_file and not any(option.startswith("--study") for option in options):
        raise UsageError(
            "no study: give its file (-c study.yaml), or --study.encoders and --study.corpora. "
            "`sercl cross-eval --help` shows the options."
        )


def with_own_config(words: list[str]) -> list[str]:
    """Add the configuration beside the checkpoint, unless the arguments give the data."""
    from sercl.studies.results.records import CONFIG

    starts = [word.partition("=")[0] for word in words]
    if {"-c", "--config", "--data", "--help"} & set(starts) or "--ckpt" not in starts:
        return words
    position = starts.index("--ckpt")
    joined = words[position].partition("=")[2]
    path = Path(joined or (words[position + 1] if position + 1 < len(words) else ""))
    if path.is_dir() and len(checkpoints_of(path)) > 1:
        raise UsageError(
            f"{path}: its models together were trained on every speaker of their corpus. The scores of each "
            f"on speakers that it has not seen are in {path}/results.json. Give another corpus: --data NAME "
            "--data.root DIR."
        )
    above = [path] if path.is_dir() else []
    for folder in (*above, path.parent, path.parent.parent):  # a stage is one level deeper than its run
        if (folder / CONFIG).is_file():
            return ["--config", str(folder / CONFIG), *words]
    raise UsageError(
        f"{path}: no config.yaml beside it, so give the data to evaluate it on: --data NAME --data.root DIR."
    )


def _with_own_config(name: str, words: list[str]) -> list[str]:
    if name not in EVALUATIONS:
        return words
    for word in given(words, {}):
        if word.option == "--ckpt" and word.value:
            check_checkpoint(word.value)
    return with_own_config(words)


def _chosen_data(words: Sequence[str], options: "_Options") -> dict[str, str]:
    """Return option -> data module that the command line or a file names for it, "data.source" included."""
    named = {word.option: word.value for word in given(words, {}) if word.value is not None}
    values = {option: value for option, (value, _) in options.values.items()} | named
    taking = ("--data", *(f"--data.{part}" for part in _INNER))
    return {option: values[option] for option in taking if option in values}


def _is_foreign(kind: str) -> bool:
    """Whether a data module is a class of the user's own, whose options only the parser can know."""
    return "." in kind and not kind.startswith("sercl.") and not exists(Path(kind))


_OF_PAIRS = ("setting", "select_on", "source", "target")
_PAIR = (
    "It belongs to LanguagePair, which trains on one corpus and tests on another: --data LanguagePair "
    "--data.setting zero-shot --data.source NAME --data.source.root DIR --data.target NAME "
    "--data.target.root DIR."
)


def _check_options(
    name: str,
    words: Sequence[str],
    kinds: Kinds,
    data: Mapping[str, Sequence[str]],
    foreign: Sequence[str],
) -> None:
    hint = f"`sercl {name} --help` shows the options."
    chosen = [word.value for word in given(words, kinds) if word.option == "--data" and word.value]
    corpus = chosen[-1].rpartition(".")[2] if chosen else ""
    for option, value in _class_options(words, kinds):
        if not re.search(r"[.{\[]", value) and value not in data and not exists(Path(value)):
            valid = [each for each in data if each != "Diarization" or name.startswith(("diarize", "listen"))]
            raise UnknownNameError(f"{option} class", value, valid, hint)
    valid = _data_options(corpus, data)
    for word in given(words, kinds):
        is_foreign = word.option.startswith(tuple(f"{option}." for option in foreign))
        is_foreign = is_foreign or _is_of_own_model(word.option, words, kinds)
        if not is_foreign and not _is_known(word.option, kinds, valid):
            is_advised = bool(instead_of(word.option, name, word.value))
            if word.option.startswith("--data.") and corpus in data and not is_advised:
                if word.option.partition(".")[2] in _OF_PAIRS:
                    raise UsageError(f"{word.option}: {corpus} has no such option. {_PAIR}")
                more = f"`sercl {name} --data.help {corpus}` shows the options of {corpus}."
                raise UnknownOptionError(word.option, valid, more)
            raise unknown_option(word.option, [*kinds, *valid], name, word.value)


def _class_options(words: Sequence[str], kinds: Kinds) -> Iterator[tuple[str, str]]:
    """Yield the options whose value is the name of a data module."""
    for word in given(words, kinds):
        if _OF_CLASS.fullmatch(word.option) and word.value and not word.option.endswith(".help"):
            yield word.option, word.value


def _is_of_own_model(option: str, words: Sequence[str], kinds: Kinds) -> bool:
    """Whether an option may be one of the user's own class of model, whose options only the parser knows."""
    if "--model" not in kinds or not option.startswith("--model."):
        return False
    return option == "--model.class_path" or "." in (model_named(words) or "")


def _data_options(corpus: str, data: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the options of the chosen data module, or of any if unknown."""
    any_of = sorted({name for each in data.values() for name in each})
    inner = [f"--data.{part}.{name}" for part in _INNER for name in any_of]
    return [f"--data.{name}" for name in data.get(corpus, any_of)] + inner


def _is_known(option: str, kinds: Kinds, data: Sequence[str]) -> bool:
    if option in kinds or option in data:
        return True
    above = option.split(".")
    parents = [".".join(above[:count]) for count in range(1, len(above))]
    if option.startswith("--data."):
        # Options that take a class (source, corpora, columns) are left to the parser.
        return above[-1] in ("class_path", "help") or any(
            parent in data and not any(other.startswith(f"{parent}.") for other in data)
            for parent in parents[1:]
        )
    return any(kinds.get(parent) in (CLASS, LIST, PART) for parent in parents)


def _check_paths(options: _Options, corpora: set[str]) -> None:
    for prefix in _WHOLE_OR_SIDES:
        name, _ = options.values.get(prefix, ("", ""))
        root, where = options.values.get(f"{prefix}.root", ("", ""))
        corpus = name.rpartition(".")[2]
        if not root or corpus not in corpora - _ELSEWHERE:
            continue
        if not exists(at_home(root)):
            raise CorpusNotFoundError(f"{corpus}: {root}: no such file or folder. Check {where}.")
        if corpus == "Manifest":
            _check_manifest(at_home(root), options.values, prefix)


def _check_manifest(path: Path, values: Mapping[str, tuple[str, str]], prefix: str) -> None:
    """Read a manifest as `corpus inspect` does, unless options of the corpus change its interpretation."""
    from sercl.corpora.manifest import read_manifest

    own = {name for name in values if name.startswith(f"{prefix}.")}
    if own <= {
        f"{prefix}.root",
        *(name for name in own if name.split(".")[-2] in ("folds", "loader", "where")),
    }:
        read_manifest(path)
