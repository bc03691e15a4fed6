"""Errors a user can cause. Each names the invalid value, the valid values, and the next step.

The command line prints such an error as one message: exit code 2 for `UsageError`, 1 for the others.
"""

import sys
import unicodedata
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path


class SerclError(Exception):
    """Base of every error that a user can cause; its text is the whole message."""

    exit_code = 1

    def __str__(self) -> str:
        """Return the message; one that repeats a very long value of a file is cut in its middle."""
        text = super().__str__()
        if len(text) <= _LONGEST_MESSAGE:
            return text
        return f"{text[: _LONGEST_MESSAGE - _END]} [...] {text[-_END:]}"


_LONGEST_MESSAGE, _END = 5000, 1000
"""Characters of a message, and of its end, which says what to do."""


class SerclWarning(UserWarning):
    """Something was corrected that would have changed a result; the command line prints only its text."""


class UsageError(SerclError, ValueError):
    """An invalid option, name or combination; nothing has been done yet."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A name that is not in a closed list, reported with similar ones.

    Args:
        kind: What the name denotes, in the singular ("corpus", "adapter").
        name: What the user gave.
        valid: All valid names.
        hint: Next step, a sentence.
    """

    def __init__(self, kind: str, name: object, valid: Iterable[object], hint: str = "") -> None:
        self.kind, self.name, self.valid = kind, name, [str(item) for item in valid]
        near = near_names(str(name), self.valid)
        guess = f" Did you mean {' or '.join(repr(item) for item in near)}?" if near else ""
        tail = f" {hint}" if hint else ""
        shown = repr(name) if len(repr(name)) <= 200 else f"{repr(name)[:200]}..."
        super().__init__(f"unknown {kind} {shown}.{guess} Valid: {', '.join(self.valid)}.{tail}")


class UnknownOptionError(UsageError):
    """An option that a command does not have, reported with similar ones.

    Args:
        option: What the user gave, such as "--data.rooot".
        valid: All options of the command; similar ones are named, without the "+" that adds to a list.
        hint: Next step, a sentence.
    """

    def __init__(self, option: str, valid: Iterable[str], hint: str) -> None:
        names = list(dict.fromkeys(name.removesuffix("+") for name in valid))
        self.option = option
        self.near = near_names(option, names, cutoff=0.75) or near_names(option.split(".")[0], names)
        guess = f" Did you mean {' or '.join(self.near)}?" if self.near else ""
        super().__init__(f"unknown option {option}.{guess} {hint}")


class ImportNotAllowedError(UsageError):
    """A class of a package that the user has not allowed.

    Args:
        where: The option or file that names it.
        path: Its import path.
    """

    def __init__(self, where: str, path: str) -> None:
        self.where, self.path = where, path
        package, program = path.split(".")[0], Path(sys.argv[0]).name
        absent = find_spec(package) is None  # of a top-level package this imports nothing
        how = f"SERCL_ALLOW_IMPORTS={package} {program} ..."
        if program.split(" ")[0] != "sercl":  # a program of the user's
            how = f'sercl.imports.allow("{package}"), or the variable SERCL_ALLOW_IMPORTS={package}'
        super().__init__(
            f"{where}: {path!r} is not imported, since that runs the code of {package!r}"
            f"{', which is not installed here' if absent else ''}. If you trust it"
            f"{', install it, and then' if absent else ''}: {how}"
        )


class DocumentError(SerclError, ValueError):
    """YAML or JSON that is not valid, or more than plain data within limits.

    The caller names the file: `reason` continues a sentence that starts with its path.

    Args:
        reason: What is wrong.
        line: 1-based line, None if unknown.
    """

    def __init__(self, reason: str, line: int | None = None) -> None:
        self.reason, self.line = reason, line
        super().__init__(f"line {line}: {reason}" if line is not None else reason)


class CorpusError(SerclError, ValueError):
    """A corpus folder or label file that does not match its format."""


class CorpusNotFoundError(CorpusError, FileNotFoundError):
    """The root folder, or the characteristic files of the corpus, are missing."""


class LineError(SerclError, ValueError):
    """A file with a bad line.

    Args:
        path: The file.
        line: 1-based line (or row) number, or None for the file as a whole.
        message: What is wrong, what is valid, what to do.
    """

    def __init__(self, path: Path | str, line: int | None, message: str) -> None:
        self.path, self.line, self.message = Path(path), line, message
        where = f"{path}:{line}" if line is not None else str(path)
        super().__init__(f"{where}: {message}")


class ManifestError(LineError, CorpusError):
    """A manifest, label list or fold list with a bad row."""


class RatingsError(LineError):
    """Answers of listeners that cannot be read or used."""


class FoldError(SerclError, ValueError):
    """Folds that cannot be made from these utterances (too few speakers, an absent class, ...)."""


class FoldCountError(UsageError, FoldError):
    """More folds than there are speakers: a number out of its range, as is the index of a fold."""


class SpeakerOverlapError(FoldError):
    """Speakers are in both training and test, and that was not explicitly allowed."""


class SegmentError(SerclError, ValueError):
    """Invalid segments: reversed, negative, overlapping, beyond the audio, or of an unknown emotion.

    Args:
        message: What is wrong, what is valid, what to do; without the position.
        index: Index of the segment in the given list, None for the list as a whole.
        path: The segment file, None for segments in memory.
        line: 1-based line in the file, None if it has no lines or the line is unknown.
    """

    def __init__(
        self,
        message: str,
        index: int | None = None,
        path: Path | str | None = None,
        line: int | None = None,
    ) -> None:
        self.message, self.index, self.line = message, index, line
        self.path = None if path is None else Path(path)
        where = "" if path is None else f"{path}: " if line is None else f"{path}:{line}: "
        super().__init__(f"{where}{message}")


class AudioError(SerclError, ValueError):
    """A file that cannot be decoded, or whose samples are unusable.

    Args:
        path: The file.
        reason: What is wrong, what to do; without the path.
        kind: "missing", "unreadable", "empty", "short", "long", "silent", "nan" or "changed".
    """

    def __init__(self, path: Path | str, reason: str, kind: str = "unreadable") -> None:
        self.path, self.reason, self.kind = Path(path), reason, kind
        super().__init__(f"{path}: {reason}")


class AudioNotFoundError(AudioError, FileNotFoundError):
    """An audio file that is listed but not on disk."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(path, "no such audio file; check its path", "missing")


class EncoderError(SerclError, ValueError):
    """An encoder that cannot be loaded or does not fit the request."""


class AdapterError(SerclError, ValueError):
    """A folder of adapter weights that is missing, damaged, or of another method or encoder."""


class NoBlockError(UsageError):
    """A transformer block that an encoder does not have.

    Args:
        encoder: Its folder.
        block: The block, counted from 0.
        blocks: Number of its blocks.
    """

    def __init__(self, encoder: str, block: int, blocks: int) -> None:
        super().__init__(
            f"no block {block} in the encoder {encoder}: it has {blocks}. Valid last blocks: 0 to "
            f"{blocks - 1}, or none to keep all."
        )


class ClipLengthError(EncoderError):
    """A clip that is too short or too long for an encoder.

    Args:
        row: Its index in the batch.
        reason: What is wrong, what to do.
        id: Its utterance; None if only the batch is known.
    """

    def __init__(self, row: int, reason: str, id: str | None = None) -> None:
        self.row, self.reason = row, reason
        super().__init__(reason if id is None else f"utterance {id!r}: {reason}")


class FeatureError(SerclError, ValueError):
    """Hidden states that cannot be computed, or a store of them that cannot be used."""


class DamagedStoreError(FeatureError):
    """A damaged file of a feature store.

    Args:
        path: The file.
        reason: What is wrong with it.
    """

    def __init__(self, path: Path | str, reason: str) -> None:
        self.path, self.reason = Path(path), reason
        super().__init__(
            f"{path}: damaged ({reason}). The rest of the feature store is intact. Remove what is damaged, "
            f"to be computed again: sercl features prune --damaged --dir {self.path.parent.parent}"
        )


class CheckpointError(SerclError, ValueError):
    """A checkpoint of another version, task or encoder, or a file that is not a checkpoint."""


class DamagedCheckpointError(CheckpointError):
    """A damaged checkpoint file, or a file that is not a checkpoint."""


class ResultsError(SerclError, ValueError):
    """A results file that is missing, broken, of another version, or contradicts another one.

    Args:
        path: The file or folder.
        message: What is wrong, and what to do.
    """

    def __init__(self, path: Path | str, message: str) -> None:
        self.path = Path(path)
        super().__init__(f"{path}: {message}")


class OutputError(SerclError, OSError):
    """An output path that cannot be written or already exists."""


class DivergedError(SerclError, ArithmeticError):
    """A training whose loss has become infinite or NaN."""


class ProcessFailedError(SerclError, RuntimeError):
    """Another process of the same run has failed, and with it the run.

    Args:
        message: Which process, how it failed, what to do.
        exit_code: Its exit code.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        self.exit_code = exit_code
        super().__init__(message)


class PluginError(SerclError, ImportError):
    """An entry point of an installed package that cannot be used.

    Args:
        kind: What it adds, in the singular: "corpus".
        point: Its name, and where it is.
        package: The package that has it, with its version.
        reason: What is wrong.
        advice: What to do about it, a sentence; None for that on a broken package.
    """

    def __init__(self, kind: str, point: str, package: str, reason: str, advice: str | None = None) -> None:
        self.package, self.reason = package, reason
        repair = f"Upgrade or fix the package, or remove it: pip uninstall {package.partition(' ')[0]}"
        super().__init__(
            f"{kind} {point} of the package {package} cannot be used: {reason.rstrip('.')}. "
            f"{advice or repair}"
        )


class MissingExtraError(SerclError, ImportError):
    """An optional dependency that this job needs is not installed.

    Args:
        package: The import name.
        extra: The extra of sercl that installs it.
        job: What needs it.
    """

    def __init__(self, package: str, extra: str, job: str) -> None:
        super().__init__(
            f"{job} needs the package {package!r}. Install it with: pip install 'sercl[{extra}]'"
        )


class PackagesError(SerclError, ImportError):
    """Installed packages that do not fit together."""


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, its cause, and so on, each once: errors that are raised again may cause each other."""
    seen = set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def same_name(name: str, valid: Iterable[str]) -> str | None:
    """Return the valid name for a name: itself, or the only one that differs in case and punctuation only.

    Args:
        name: What the user gave; accents are ignored, too.
        valid: All valid names.
    """
    names = list(valid)
    same = [name] if name in names else [item for item in names if plain_name(item) == plain_name(name)]
    return same[0] if len(same) == 1 else None


def near_names(name: str, valid: Iterable[str], count: int = 3, cutoff: float = 0.6) -> list[str]:
    """Return up to `count` valid names similar to `name`, nearest first.

    Args:
        name: What the user gave; case and punctuation do not matter.
        valid: All valid names.
        count: Maximum number of names.
        cutoff: Minimum similarity, 0 to 1 (as of `difflib.get_close_matches`).
    """
    import difflib  # only here: it takes as long as the rest of this module

    by_key = {plain_name(item): item for item in valid}
    keys = difflib.get_close_matches(plain_name(name), by_key, n=count, cutoff=cutoff)
    return [by_key[key] for key in keys]


def plain_name(name: str) -> str:
    """Return a name without case, punctuation and accents: "emo-db" and "EmoDB" have the same."""
    return "".join(char for char in unicodedata.normalize("NFKD", name).lower() if char.isalnum())
