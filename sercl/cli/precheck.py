"""Mistakes on a command line that are found before anything heavy is imported.

LightningCLI needs torch to parse: seconds until a misspelt option is refused. What is found here, with the
table of options, gets the same message at once; everything else the parser finds, as before.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from sercl.cli import option_table
from sercl.cli.diarize.words import evaluated_data, with_clips
from sercl.cli.option_words import CLASS, FILES, FLAG, LIST, Kinds, canonical, check_repeats, given
from sercl.cli.precheck_run import check_run, flat
from sercl.documents import read_yaml
from sercl.errors import (
    CheckpointError,
    CorpusNotFoundError,
    DocumentError,
    UnknownNameError,
    UnknownOptionError,
    UsageError,
)
from sercl.files import at_home

_PAGES = {"-h", "--help", "--help-all", "--print_config", "--print_shtab"}
_SHORT_FORMS = {
    "cross-eval": ("--jobs", "--launcher"),
    "layer-probe": ("--encoder", "--probe"),
}
_SIDES = ("source", "target")
_INNER = (*_SIDES, "corpora")
"""Parameters of data modules that take data modules themselves."""
_ELSEWHERE = {"HuggingFace"}
"""Data whose root may be an id on the hub."""


def checked(command: str, words: Sequence[str]) -> list[str]:
    """Return the words of a command with options spelt as its parser has them.

    Args:
        command: Name of the command, with its action: "fit", "diarize fit".
        words: The words after it.

    Raises:
        UsageError: For an unknown option or corpus, or one that is given twice; for a configuration file that
            is not there, or no YAML.
        CorpusNotFoundError: Where a root is not there.
        CheckpointError: Where a checkpoint is not there.
    """
    name, rest = command, list(words)
    table = option_table.read()
    if name not in table["commands"] or _PAGES & {word.partition("=")[0] for word in rest}:
        return list(words)
    kinds = {**table["commands"][name], **dict.fromkeys(_SHORT_FORMS.get(name, ()), "value")}
    rest = canonical(rest, kinds)
    spelt = _with_clips(name, rest)
    _check_options(name, spelt, kinds, table["data"])
    check_repeats(spelt, kinds)
    for part in _by_corpus(name, rest) or [_with_own_config(name, spelt)]:
        _check_places(_Options(part, kinds), set(table["data"]))
    flags = {word.option for word in given(spelt, kinds) if kinds.get(word.option) == FLAG}
    check_run(name, _Options(spelt, kinds).values, flags, table["names"]["encoders"], kinds)
    _check_study(name, rest)
    return rest


def check_config_file(path: Path) -> Any:
    """Return the content of a configuration file.

    Raises:
        UsageError: Where it is missing, or not a map in valid YAML within the limits.
    """
    try:
        content = read_yaml(path)
    except FileNotFoundError:
        raise UsageError(f"--config: no such file: {path}. Check the path.") from None
    except OSError as error:
        raise UsageError(f"--config: {path} cannot be read ({error.strerror}).") from None
    except DocumentError as error:
        place = path if error.line is None else f"{path}:{error.line}"
        raise UsageError(f"{place}: {error.reason}.") from None
    if not isinstance(content, dict):
        found = "nothing" if content is None else f"{str(content)[:40]!r} first"
        raise UsageError(f"{path}: expected a map of options (`data: ...`), found {found}.")
    return content


class _Options:
    """What a command line and its files set of the data, and the checkpoint."""

    def __init__(self, words: Sequence[str], kinds: Kinds) -> None:
        self.values: dict[str, tuple[str, str]] = {}  # option -> value, and where it is set
        for word in given(words, kinds):
            if kinds.get(word.option) == FILES and word.value is not None:
                self._add_file(word.value)
            elif word.value is not None and not word.adds:
                self.values[word.option] = (word.value, word.option)

    def _add_file(self, name: str) -> None:
        if name.lstrip().startswith("{"):
            return  # YAML on the command line itself
        content = flat(check_config_file(Path(name)), "")
        self.values |= {option: (str(value), f"{option} (in {name})") for option, value in content}


def _with_clips(name: str, words: list[str]) -> list[str]:
    spell = {"diarize fit": with_clips, "diarize evaluate": evaluated_data}.get(name, list)
    return spell(words)


def _by_corpus(name: str, words: list[str]) -> list[list[str]]:
    """Return the words from each `--data` to the next, where several corpora may be named one by one."""
    if name != "diarize fit":
        return []
    starts = [place for place, word in enumerate(words) if word.partition("=")[0] == "--data"]
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
    """Add the configuration that lies beside the checkpoint, unless the words say what the data are."""
    starts = [word.partition("=")[0] for word in words]
    if {"-c", "--config", "--data", "--help"} & set(starts) or "--ckpt" not in starts:
        return words
    place = starts.index("--ckpt")
    joined = words[place].partition("=")[2]
    path = Path(joined or (words[place + 1] if place + 1 < len(words) else ""))
    for folder in (path.parent, path.parent.parent):  # a stage of two-stage training lies one level deeper
        if (folder / "config.yaml").is_file():
            return ["--config", str(folder / "config.yaml"), *words]
    raise UsageError(
        f"{path}: no config.yaml beside it, so say what to evaluate it on: --data NAME --data.root DIR."
    )


def _with_own_config(name: str, words: list[str]) -> list[str]:
    if name not in ("test", "validate"):
        return words
    for word in given(words, {}):
        if word.option == "--ckpt" and word.value and not Path(word.value).exists():
            raise CheckpointError(
                f"{word.value}: does not exist. Give a checkpoint file, such as RUN/best.ckpt."
            )
    return with_own_config(words)


def _check_options(name: str, words: Sequence[str], kinds: Kinds, data: Mapping[str, Sequence[str]]) -> None:
    hint = f"`sercl {name} --help` shows the options."
    chosen = [word.value for word in given(words, kinds) if word.option == "--data" and word.value]
    corpus = chosen[-1].rpartition(".")[2] if chosen else ""
    if chosen and "." not in chosen[-1] and corpus not in data and not Path(chosen[-1]).exists():
        raise UnknownNameError("--data class", corpus, data, hint)
    legal = _data_options(corpus, data)
    for word in given(words, kinds):
        if not _is_known(word.option, kinds, legal):
            raise UnknownOptionError(word.option, [*kinds, *legal], hint)


def _data_options(corpus: str, data: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the options of the data that are chosen, or of any, where that is not known."""
    any_of = sorted({name for each in data.values() for name in each})
    inner = [f"--data.{part}.{name}" for part in _INNER for name in any_of]
    return [f"--data.{name}" for name in data.get(corpus, any_of)] + inner


def _is_known(option: str, kinds: Kinds, data: Sequence[str]) -> bool:
    if option in kinds or option in data:
        return True
    above = option.split(".")
    parents = [".".join(above[:count]) for count in range(1, len(above))]
    if option.startswith("--data."):
        # What takes a class of its own (source, corpora, columns) is left to the parser.
        return above[-1] in ("class_path", "help") or any(
            parent in data and not any(other.startswith(f"{parent}.") for other in data)
            for parent in parents[1:]
        )
    return any(kinds.get(parent) in (CLASS, LIST) for parent in parents)


def _check_places(options: _Options, corpora: set[str]) -> None:
    for prefix in ("--data", *(f"--data.{side}" for side in _SIDES)):
        name, _ = options.values.get(prefix, ("", ""))
        root, where = options.values.get(f"{prefix}.root", ("", ""))
        corpus = name.rpartition(".")[2]
        if not root or corpus not in corpora - _ELSEWHERE:
            continue
        if not at_home(root).exists():
            raise CorpusNotFoundError(f"{corpus}: {root}: no such file or folder. Check {where}.")
        if corpus == "Manifest":
            _check_manifest(at_home(root), options.values, prefix)


def _check_manifest(path: Path, values: Mapping[str, tuple[str, str]], prefix: str) -> None:
    """Read a manifest as `corpus inspect` does, unless options of the corpus say how cells are meant."""
    from sercl.corpora.manifest import read_manifest

    own = {name for name in values if name.startswith(f"{prefix}.")}
    if own <= {f"{prefix}.root", *(name for name in own if name.split(".")[-2] in ("folds", "loader"))}:
        read_manifest(path)
