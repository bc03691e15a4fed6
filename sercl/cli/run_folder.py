"""The folder of a run: named after the run, and never one that already contains another run."""

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from sercl.cli.failure import describe, stopped_by
from sercl.documents import read_json
from sercl.errors import DocumentError, OutputError, UsageError
from sercl.files import gone, is_dir, is_temporary, remove_leftovers, write_text
from sercl.locks import NAME as LOCK
from sercl.locks import locked
from sercl.stopping import raising_stops
from sercl.studies.results.records import CONFIG, SOURCE_PREDICTIONS

HOME = Path("checkpoints")
"""Runs without `--out` go into this folder of the working directory."""

STUDY = "study.yaml"
RESULTS = ("results.json", "predictions.csv", *SOURCE_PREDICTIONS)
END = "ended.json"
"""What ended a run before its results: `ended_by` ("Ctrl-C", a signal or "error"), `message`, `at`."""

FOLDS = "folds"
"""Folder of the exact lists of a run."""

_MARKS = (CONFIG, "results.json", "last.ckpt")
_WRITTEN = (
    *(CONFIG, FOLDS, END, *RESULTS),
    *("*.ckpt", "stage.json", "logs", "log.txt", "adapter", "confusion.png"),
    *("source", "target", "head", "fold-*", "seed-*", "final"),
    *("layers.*", "probes.csv", "groups.csv", "segments", "timelines.png"),
    *(".DS_Store", "Thumbs.db"),
)
"""Names of all that runs, layer probes and evaluations write into their folders, and file managers add.
`--overwrite` is also given by mistake: it must remove nothing else."""
_BEFORE_TRAINING = (CONFIG, FOLDS, END)
_PROBE = ".writable"
_OURS = (LOCK, _PROBE)


def default_folder(config: Any, model_class: str | None = None) -> Path:
    """Return the folder of a run that was given no `--out`: data, encoder, adapter, fold and seed.

    Args:
        config: Its configuration.
        model_class: Import path of its model's class, if that is the user's own.
    """
    model = config["model"]
    own = [model_class.rpartition(".")[2]] if model_class else []
    parts = [
        *_data_parts(config["data"]),
        Path(model["encoder"]).name,
        *own,
        "frozen" if model["adapter"] == "none" else model["adapter"],
        f"seed{config['seed_everything']}",
    ]
    return _below_home(parts)


def probe_folder(config: Any) -> Path:
    """Return the folder of a layer probe that was given no `--out`: data and encoder."""
    # A probe runs over all folds, so a fold number is meaningless.
    data = [re.sub(r"(?<=[a-z])\d+$", "", part) for part in _data_parts(config["data"])]
    return _below_home(["probe", *data, Path(config["model"]["encoder"]).name])


@contextmanager
def run_folder(folder: Path, resume: bool, overwrite: bool) -> Iterator[Path]:
    """Prepare and lock the folder of a run while the block runs; an empty one is removed afterwards.

    A run that is to be replaced stays until the block removes it (`make_folder`), once its own call is known
    to be right. A new run that fails before its training writes anything leaves the folder as it was, or
    empty, so that the corrected call can use it. One that was stopped (Ctrl-C, SIGTERM, SIGUSR1) keeps its
    configuration, to continue.

    Raises:
        UsageError: If it contains a run and neither `resume` nor `overwrite` is set, both are, there is
            nothing to resume, or anything that no run writes would be mixed with one, or removed.
        OutputError: If it cannot be written, or another run is writing to it.
    """
    check_choice(resume, overwrite)
    with locked(folder):
        remove_leftovers(folder)
        check_claim(folder, resume, overwrite)
        make_folder(folder)
        earlier = None if resume else _version(folder / CONFIG)
        forgetting = nullcontext() if resume else _forgetting_false_start(folder, earlier)
        with forgetting, _noting_end(folder, resume, earlier), raising_stops():
            yield folder


def end_of(folder: Path) -> str | None:
    """Return what ended a folder's run before its results; None if nothing did or it is not recorded."""
    try:
        content = read_json(folder / END)
    except (OSError, DocumentError):  # for information only: a run continues without it
        return None
    return str(content["ended_by"]) if isinstance(content, dict) and "ended_by" in content else None


def _version(path: Path) -> tuple[int, int] | None:
    """Return what distinguishes a file from a later one of its name; None if there is no file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


@contextmanager
def _forgetting_false_start(folder: Path, earlier: object) -> Iterator[None]:
    """Remove the configuration and lists that the block has written if it fails before its training writes.

    Args:
        folder: The folder.
        earlier: Version of the configuration of a run that the block may replace.
    """
    try:
        yield
    except Exception as error:
        written = _content(folder)
        started = any(name not in _BEFORE_TRAINING for name in written)
        if not started and _version(folder / CONFIG) != earlier and stopped_by(error) is None:
            for name in written:
                _remove(folder / name)
        raise


@contextmanager
def _noting_end(folder: Path, resume: bool, earlier: object) -> Iterator[None]:
    """Record what interrupts the block; what interrupted the session before is printed and cleared.

    Args:
        folder: The folder.
        resume: Whether the block continues a run.
        earlier: Version of the configuration of a run that the block may replace.
    """
    from sercl.cli.console import stderr

    if resume:
        if end := end_of(folder):
            stderr.print(f"Continuing a run that was ended by {end}.", soft_wrap=True)
        (folder / END).unlink(missing_ok=True)
    try:
        yield
    except BaseException as error:
        is_of_run = not isinstance(error, UsageError | BrokenPipeError)
        if _version(folder / CONFIG) not in (None, earlier) and is_of_run:
            _note_end(folder, error)
        raise


def _note_end(folder: Path, error: BaseException) -> None:
    stop = stopped_by(error)
    content = {
        "ended_by": stop or "error",
        "message": describe(error)[0],
        "at": datetime.now(UTC).astimezone().isoformat(timespec="seconds"),
    }
    with suppress(OutputError):  # as on a full disk, which is then reported
        write_text(folder / END, json.dumps(content, indent=2) + "\n")
    if stop:
        error.add_note(f"The run in {folder} continues with --resume.")


def check_choice(resume: bool, overwrite: bool) -> None:
    """Raise `UsageError` if a run would be both continued and replaced."""
    if resume and overwrite:
        raise UsageError("--resume and --overwrite cannot be combined: continue the run, or replace it.")


def check_claim(folder: Path, resume: bool, overwrite: bool) -> None:
    """Raise `UsageError` if a folder contains what must not be changed, or no run to continue."""
    held = _content(folder)
    if resume and CONFIG not in held:
        raise UsageError(f"{folder}: {_what_instead(held)}")
    if resume:
        return
    marks = [name for name in _MARKS if name in held]
    if (others := [name for name in held if not _is_written(name)]) and (overwrite or not marks):
        kept = "which no run writes: --overwrite would remove them too" if marks else "which are not a run"
        raise UsageError(
            f"{folder}: holds {_first(others)}, {kept}. Choose another --out, or move them elsewhere."
        )
    if held and not overwrite:
        ended = f", of a run that was ended by {end}" if (end := end_of(folder)) else ""
        onward = "Continue it with --resume, replace" if CONFIG in held else "Replace"
        raise UsageError(
            f"{folder}: already holds {_first(marks or held)}{ended}. {onward} it with --overwrite, or "
            "choose another --out."
        )


def _what_instead(held: Sequence[str]) -> str:
    if STUDY in held:
        return "holds a study, which the same `sercl cross-eval` continues, no run to resume."
    return f"holds no run to resume (no {CONFIG}). Leave --resume out."


def _is_written(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in _WRITTEN)


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def check_holds_study(folder: Path) -> None:
    """Raise `UsageError` for a folder that contains something other than a study."""
    held = _content(folder)
    if held and STUDY not in held:
        raise UsageError(
            f"{folder}: holds {', '.join(held[:3])}, but no study ({STUDY}). Choose another --out."
        )


def make_folder(folder: Path, fresh: bool = False) -> None:
    """Create a folder and check that it is writable: hours of work should not be lost to one that is not.

    Args:
        folder: The folder.
        fresh: Whether its contents are removed first, except for our own lock.

    Raises:
        OutputError: If it cannot be created or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir() if fresh else ():
            _remove(path)
        probe = folder / _PROBE
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}). Choose another --out.") from error


def check_still_there(folder: Path) -> None:
    """Raise `OutputError` if a run's folder, or its configuration, was removed while it was running."""
    if not (folder / CONFIG).is_file():
        raise gone(folder)


def forget_results(folder: Path, text: str) -> None:
    """Remove a run's results if it is resumed with options other than those that produced them.

    Args:
        folder: The run's folder.
        text: The configuration to resume with, as YAML.
    """
    if (folder / CONFIG).read_text(encoding="utf-8") != text:
        for name in RESULTS:
            (folder / name).unlink(missing_ok=True)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.name != LOCK:
        path.unlink()


def _content(folder: Path) -> list[str]:
    """Return the names in a folder, without those that a killed process of sercl's may have left."""
    there = folder.iterdir() if is_dir(folder) else ()
    return sorted(path.name for path in there if path.name not in _OURS and not is_temporary(path))


def _below_home(parts: list[str]) -> Path:
    return HOME / "-".join(re.sub(r"[^\w.+-]", "_", part) for part in parts)


def _data_parts(data: Any) -> list[str]:
    name = data["class_path"].rpartition(".")[2]
    arguments = data["init_args"]
    if "corpora" in arguments:
        first = [] if name == "Corpora" else ["diarize"]
        corpora = arguments["corpora"]
        own = corpora.values() if isinstance(corpora, Mapping) else corpora
        return [*first, *(part for corpus in own for part in _data_parts(corpus))]
    if "source" in arguments:
        inner = [_data_parts(arguments[side]) for side in ("source", "target")]
        return [inner[0][0], *inner[1], str(arguments["setting"])]
    folds = arguments["folds"]
    return [name, f"{folds['scheme']}{folds['index']}"]
