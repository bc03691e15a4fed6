"""`csv`: lists of `file,answer`, one file per part; read here, and saved with each run.

Source of the format: the fold lists of arXiv 2409.16920 (`0003_001041.wav,Happy`).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sercl.corpora.base import PARTS, SEEN, Utterance
from sercl.corpora.cells import clean, key_of, text_of
from sercl.corpora.emotion_names import to_emotion
from sercl.corpora.folds.config import FoldConfig
from sercl.corpora.folds.fold import Draft, Fold
from sercl.corpora.labels import LabelScheme
from sercl.corpora.tables import read_table
from sercl.errors import FoldError, ManifestError, UnknownNameError
from sercl.files import CsvWriter, at_home, open_text

COLUMNS = ("file", "answer")
STUDY_FOLDERS = {"train": "train", "validation": "eval", "test": "test"}


@dataclass(frozen=True)
class ListedUtterance:
    """One line of a list.

    Attributes:
        line: 1-based line in the file.
        file: Name of the audio file, as written.
        answer: Name of the class or emotion, as written.
    """

    line: int
    file: str
    answer: str


def csv_folds(utterances: Sequence[Utterance], labels: LabelScheme, config: FoldConfig) -> list[Draft]:
    """Read the folds listed in the folder `config.lists`.

    Raises:
        FoldError: If the folder has neither of the two layouts.
        ManifestError: For a bad row, a file without utterance, or an answer that contradicts the corpus.
    """
    index = UtteranceIndex(utterances)
    return [
        Draft(
            train=_resolve(files["train"], index, labels),
            validation=_resolve(files["validation"], index, labels),
            test=_resolve(files["test"], index, labels),
        )
        for files in list_files(at_home(str(config.lists)))
    ]


def with_test_list(draft: Draft, path: Path, utterances: Sequence[Utterance], labels: LabelScheme) -> Draft:
    """Return a fold whose test part is a list; its utterances are removed from training and validation.

    Args:
        draft: The fold as its scheme cut it.
        path: The list.
        utterances: The corpus.
        labels: The label scheme.

    Raises:
        FoldError: If the file does not exist.
        ManifestError: As `csv_folds`.
    """
    if not path.is_file():
        raise FoldError(f"{path}: no such list of --data.folds.test_list; its columns are file,answer.")
    tested = _resolve(path, UtteranceIndex(utterances), labels)
    ids = {utterance.id for utterance in tested}
    parts = {name: [item for item in getattr(draft, name) if item.id not in ids] for name in SEEN}
    out = {name: len(getattr(draft, name)) - len(kept) for name, kept in parts.items()}
    remark = (
        f"tested on the {len(tested)} utterances of {path.name} instead of the scheme's test part; "
        f"{out['train']} of them were taken out of training, {out['validation']} out of validation"
    )
    return Draft(parts["train"], parts["validation"], tested, (*draft.remarks, remark))


def list_files(folder: Path) -> list[dict[str, Path]]:
    """Return, for each fold of a folder, part -> list file.

    Raises:
        FoldError: If the folder holds neither `train.csv`, `validation.csv`, `test.csv`, nor
            `{train,eval,test}/metadata_fold<k>.csv` for every k from 0.
    """
    flat = {part: folder / f"{part}.csv" for part in PARTS}
    count = len(list((folder / "train").glob("metadata_fold*.csv")))
    nested = [
        {part: folder / STUDY_FOLDERS[part] / f"metadata_fold{k}.csv" for part in PARTS} for k in range(count)
    ]
    folds = nested or [flat]
    for path in (path for files in folds for path in files.values()):
        if not path.is_file():
            raise FoldError(
                f"{path}: no such fold list. The folder of --data.folds.lists holds train.csv, "
                "validation.csv and test.csv, or train/, eval/ and test/ with metadata_fold0.csv and so on."
            )
    return folds


def save_fold(fold: Fold, folder: Path) -> list[Path]:
    """Write the exact lists of a fold, to be read back with the scheme `csv`.

    Args:
        fold: The fold.
        folder: Created if missing; gets `train.csv`, `validation.csv` and `test.csv`.

    Returns:
        The three files.

    Raises:
        OutputError: If the folder cannot be written.
    """
    paths = {part: folder / f"{part}.csv" for part in PARTS}
    for part, path in paths.items():
        rows = ((list_name(utterance), _answer(utterance, fold.labels)) for utterance in fold.parts[part])
        with open_text(path) as file:
            writer = CsvWriter(file)
            writer.writerow(COLUMNS)
            writer.writerows(rows)
    return list(paths.values())


def _answer(utterance: Utterance, labels: LabelScheme) -> str:
    return next(name for name in labels.classes if utterance.emotion in labels.members[name])


def list_name(utterance: Utterance) -> str:
    """Return the name of an utterance in a list: its id with the suffix of its file."""
    return utterance.id + (utterance.path.suffix or ".wav")


class UtteranceIndex:
    """Finds an utterance by its name in a list: id, file name or stem, with or without folders.

    Args:
        utterances: The utterances to search. Utterances that share a file are found only by their ids.
    """

    def __init__(self, utterances: Sequence[Utterance]) -> None:
        self._ids = {clean(utterance.id): utterance for utterance in utterances}
        names = Counter(key for utterance in utterances for key in _path_keys(utterance))
        self._paths = {
            key: utterance for utterance in utterances for key in _path_keys(utterance) if names[key] == 1
        }

    def find(self, name: str) -> Utterance | None:
        """Return the utterance of that name, or None."""
        name = clean(name)
        base = name.replace("\\", "/").rpartition("/")[2]
        # An id may itself contain a dot or a slash: the longest match is tried first.
        ids = (_without_suffix(name), name, _without_suffix(base), base)
        found = (self._ids.get(key) for key in ids)
        paths = (self._paths.get(key) for key in (base, _without_suffix(base)))
        return next((utterance for utterance in (*found, *paths) if utterance is not None), None)


def _path_keys(utterance: Utterance) -> set[str]:
    return {clean(utterance.path.name), clean(utterance.path.stem)}


def _without_suffix(name: str) -> str:
    stem, dot, _ = name.rpartition(".")
    return stem if dot else name


def _resolve(path: Path, index: UtteranceIndex, labels: LabelScheme) -> list[Utterance]:
    """Return the utterances of one list, in its order."""
    found: dict[str, Utterance] = {}
    missing: list[ListedUtterance] = []
    total = 0
    for row in read_rows(path):
        total += 1
        utterance = index.find(row.file)
        if utterance is None:
            missing.append(row)
            continue
        _check_answer(path, row, utterance, labels)
        if utterance.id in found:
            raise ManifestError(path, row.line, f"{row.file!r} is listed twice; remove one line.")
        found[utterance.id] = utterance
    if missing:
        raise ManifestError(path, missing[0].line, _missing(missing, total))
    return list(found.values())


def _missing(missing: Sequence[ListedUtterance], total: int) -> str:
    return (
        f"{missing[0].file!r} matches no utterance of the corpus by id, file name or stem; "
        f"{len(missing)} of {total} files of this list are missing. Is the corpus folder complete, and the "
        "right one? Conditions of `where` must not leave out what a list names."
    )


def read_rows(path: Path) -> Iterator[ListedUtterance]:
    """Yield the rows of a `file,answer` list in any dialect; other columns are ignored.

    Raises:
        ManifestError: For a file that cannot be read, lacks a column, or has an empty field.
    """
    table = read_table(path, COLUMNS)
    columns = {key_of(name): name for name in table.columns}
    lacking = [name for name in COLUMNS if name not in columns]
    if lacking:
        raise ManifestError(
            path, 1, f"no column {' and '.join(lacking)}; the first line must be `{','.join(COLUMNS)}`."
        )
    for row in table.rows:
        file, answer = (clean(text_of(row.cells.get(columns[name], ""))) for name in COLUMNS)
        if not file or not answer:
            raise ManifestError(path, row.line, "empty file or answer; expected `0001_000351.wav,Angry`.")
        yield ListedUtterance(row.line, file, answer)


def _class_index(answer: str, labels: LabelScheme) -> int | None:
    """Return the class of an answer: a class name, or a word for an emotion; None if it is neither."""
    classes = [key_of(name) for name in labels.classes]
    if key_of(answer) in classes:
        return classes.index(key_of(answer))
    try:
        return labels.index(to_emotion(answer))
    except UnknownNameError:
        return None


def _check_answer(path: Path, row: ListedUtterance, utterance: Utterance, labels: LabelScheme) -> None:
    answer = _class_index(row.answer, labels)
    if answer is None:
        raise ManifestError(
            path,
            row.line,
            f"answer {row.answer!r} is not one of the classes {', '.join(labels.classes)}. Choose the "
            f"labels of "
            "this list with --data.labels, or remove the row.",
        )
    if answer != labels.index(utterance.emotion):
        raise ManifestError(
            path,
            row.line,
            f"{row.file!r} is {row.answer!r} in this list but {utterance.emotion!r} in the corpus. "
            "Correct the list.",
        )
