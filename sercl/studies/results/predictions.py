"""Predictions: the one schema of all files, from which scores and tests are computed.

On disk, a row per utterance with the columns `utterance`, `speaker` (empty where unknown), `truth` and
`predicted` (class names), and `p_<class>` for each class in class order. `predictions.csv` of a run has these
columns, and so has the file of each cell of a study; that of the study has the fields of the cell before
them. Predictions of several folds or seeds in one run have `seed` and `fold` before them. Runs and studies
have what is known of the utterances after them, by which scores can be grouped: `gender`, `language`,
`dialect`, `session` and `corpus`, and `x_<name>` for other columns of a corpus.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sercl.corpora.base import Utterance
from sercl.errors import UnknownNameError, UsageError
from sercl.files import csv_cell, from_csv_cell, open_text
from sercl.metrics.functional.clusters import can_cluster, numbered

if TYPE_CHECKING:  # imported where tables are: trainings need them at the end only
    import pandas as pd
    import pyarrow as pa

PREDICTIONS = "predictions.csv"
"""The predictions of a run, in its folder."""

AGAIN = "Run `sercl test --ckpt CHECKPOINT --out {folder}` to write it again."
"""Advice for a broken file of a run's results."""

COLUMNS = ("utterance", "speaker", "truth", "predicted")
_TABLE = (
    "It must have a row per utterance and the columns utterance, speaker, truth, predicted and p_CLASS for "
    "each class, as results.predictions of sercl.read_results. Where only classes are known, take "
    "Predictions.from_labels."
)
PROBABILITY = "p_"
"""Prefix of the probability columns."""

KNOWN = ("gender", "language", "dialect", "session", "corpus")
"""Columns of what may be known of any utterance; `speaker` is among the others."""

OTHER = "x_"
"""Prefix of the columns of what else a corpus says of its utterances."""

MOST_VALUES = 20
"""Other columns of a corpus with more values than this (texts, file names) are not kept."""

Run = tuple[int, int]
"""A repeat on the same utterances: (draw of the training data, seed)."""

_OF_ROWS = ("run", "fold", "utterance", "speaker", "truth", "predicted", "probabilities")


@dataclass(frozen=True)
class Predictions:
    """Predictions of one system, an entry per tested utterance and run.

    Attributes:
        classes: Class names in class order.
        runs: Repeats on the same utterances, sorted.
        run: `[n]` index into `runs`.
        fold: `[n]` index of the fold.
        utterance: `[n]` utterance ids.
        speaker: `[n]` speaker names, None where unknown.
        truth: `[n]` class indices.
        predicted: `[n]` class indices.
        probabilities: `[n, classes]`; NaN where only classes are known.
        known: Column -> `[n]` what is known of the utterances, None where unknown.
    """

    classes: tuple[str, ...]
    runs: tuple[Run, ...]
    run: NDArray[np.int64]
    fold: NDArray[np.int64]
    utterance: NDArray[np.object_]
    speaker: NDArray[np.object_]
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    known: Mapping[str, NDArray[np.object_]] = field(default_factory=dict)

    @classmethod
    def of_one_run(
        cls,
        classes: Sequence[str],
        utterances: Sequence[str],
        speakers: Sequence[str | None],
        truth: Sequence[int],
        probabilities: ArrayLike,
        known: Mapping[str, Sequence[str | None]] = MappingProxyType({}),
    ) -> Self:
        """Return the predictions of one run on one fold: the most probable class of each utterance.

        Args:
            classes: Class names in class order.
            utterances: `n` utterance ids.
            speakers: `n` speaker names, None where unknown.
            truth: `n` class indices.
            probabilities: `[n, classes]`.
            known: Column -> `n` values, None where unknown, as of `known_of`.

        Raises:
            UsageError: For no utterance, or inputs of different lengths.
        """
        values = np.asarray(probabilities)
        _check_lengths(utterances=utterances, speakers=speakers, truth=truth, probabilities=values, **known)
        count = len(utterances)
        return cls(
            classes=tuple(classes),
            runs=((0, 0),),
            run=np.zeros(count, dtype=np.int64),
            fold=np.zeros(count, dtype=np.int64),
            utterance=np.array(utterances, dtype=object),
            speaker=np.array(speakers, dtype=object),
            truth=np.asarray(truth, dtype=np.int64),
            predicted=values.argmax(axis=1).astype(np.int64),
            probabilities=values,
            known={name: np.array(own, dtype=object) for name, own in known.items()},
        )

    @classmethod
    def from_labels(
        cls,
        truth: Sequence[str] | NDArray[Any],
        predicted: Sequence[str] | NDArray[Any],
        speakers: Sequence[str | None] | NDArray[Any] | None = None,
        utterances: Sequence[str] | NDArray[Any] | None = None,
        classes: Sequence[str] | None = None,
    ) -> Self:
        """Return the predictions of any classifier, of which only the classes are known.

        Args:
            truth: `n` class names.
            predicted: `n` class names.
            speakers: `n` speaker names, None where unknown; None if all are.
            utterances: `n` utterance ids, by which two systems are compared; None for their positions.
            classes: Class names in class order; None for those that occur, sorted.

        Returns:
            One run on one fold; its probabilities are NaN.

        Raises:
            UsageError: For no utterance, inputs of different lengths, or a class that is not in `classes`.
        """
        _check_lengths(truth=truth, predicted=predicted, speakers=speakers, utterances=utterances)
        own = tuple(sorted({*truth, *predicted}) if classes is None else classes)
        if wrong := sorted({*truth, *predicted} - {*own}):
            raise UnknownNameError("class", wrong[0], own)
        count = len(truth)
        found = cls.of_one_run(
            own,
            [str(index) for index in range(count)] if utterances is None else list(utterances),
            [None] * count if speakers is None else list(speakers),
            [own.index(name) for name in truth],
            np.full((len(predicted), len(own)), np.nan),
        )
        return replace(found, predicted=np.array([own.index(name) for name in predicted], dtype=np.int64))

    @classmethod
    def from_frame(cls, frame: "pd.DataFrame") -> Self:
        """Return the predictions of one system in a table with the columns described in the module.

        Args:
            frame: The table. With the columns `seed` and `draw`, rows that differ in them are repeats; with
                the column `fold`, each row is of that fold. Other columns are ignored.

        Raises:
            UsageError: For a table with other columns, other classes or no row, or with an utterance twice in
                a fold of a repeat; the message says which.
        """
        try:
            return cls._read(frame)
        except (AttributeError, TypeError, ValueError) as error:
            raise UsageError(f"predictions: not a table of predictions: {error}. {_TABLE}") from error

    @classmethod
    def of_systems(
        cls, frame: "pd.DataFrame", fields: Sequence[str]
    ) -> Iterator[tuple[tuple[Any, ...], Self]]:
        """Yield the predictions of each system in a table, after the values of the fields that identify it.

        Args:
            frame: The table, as of `from_frame`.
            fields: Columns in which systems differ.

        Raises:
            UsageError: As `from_frame`.
        """
        if frame.empty:
            return
        groups = frame.groupby(list(fields), observed=True, dropna=False, sort=False)
        system = np.asarray(groups.ngroup(), dtype=np.int64)
        try:
            whole = cls._read(frame, system)
        except (AttributeError, TypeError, ValueError) as error:
            raise UsageError(f"predictions: not a table of predictions: {error}. {_TABLE}") from error
        _, sizes = np.unique(system, return_counts=True)
        for rows in np.split(np.argsort(system, kind="stable"), np.cumsum(sizes)[:-1]):
            own = whole.at(rows)
            used = np.unique(own.run)
            runs = tuple(whole.runs[index] for index in used)
            key = tuple(frame[name].iloc[rows[0]] for name in fields)
            yield key, replace(own, runs=runs, run=np.searchsorted(used, own.run))

    @classmethod
    def _read(cls, frame: "pd.DataFrame", system: NDArray[np.int64] | None = None) -> Self:
        """Raise `ValueError` for what is wrong, without the name of the table."""
        classes = classes_of(frame)
        at = _places(frame, system)
        runs = list(zip(at["draw"].tolist(), at["seed"].tolist(), strict=True))
        # A missing cell is read as NaN, or as an empty text where another row has text.
        probabilities = frame[probability_columns(classes)].replace("", np.nan).to_numpy(np.float64)
        if not len(frame) or not np.isfinite(probabilities).all():
            raise ValueError("has a row without probabilities" if len(frame) else "holds no prediction")
        every = sorted(set(runs))
        run_index = {run: index for index, run in enumerate(every)}
        return cls(
            classes=classes,
            runs=tuple(every),
            run=np.array([run_index[run] for run in runs], dtype=np.int64),
            fold=at["fold"].to_numpy(np.int64),
            utterance=_texts(frame["utterance"]),
            speaker=_texts(frame["speaker"]),
            truth=_indices(frame, "truth", classes),
            predicted=_indices(frame, "predicted", classes),
            probabilities=probabilities,
            known={name: _texts(frame[name]) for name in known_columns(frame.columns)},
        )

    @property
    def by_speaker(self) -> bool:
        """Whether speakers, and not utterances, are the units of intervals and tests."""
        return can_cluster(self.speaker.tolist())

    @property
    def units(self) -> NDArray[np.object_]:
        """`[n]` the speaker, or the utterance where speakers are unknown or too few."""
        return self.speaker if self.by_speaker else self.utterance

    @property
    def unit_name(self) -> str:
        """What a unit is: "speakers" or "utterances"."""
        return "speakers" if self.by_speaker else "utterances"

    def confusions(self) -> NDArray[np.int64]:
        """Return a confusion matrix per unit and run, `[units, runs, classes, classes]`, rows the truth.

        An utterance that several folds test counts once for each.
        """
        unit, names = numbered(self.units)
        counts = np.zeros((len(names), len(self.runs), len(self.classes), len(self.classes)), dtype=np.int64)
        np.add.at(counts, (unit, self.run, self.truth, self.predicted), 1)
        return counts

    def complete(self) -> Self:
        """Leave out repeats that lack utterances of others, so that all averages cover the same utterances.

        If no repeat has them all, all are kept.
        """
        if len(self.runs) == 1:
            return self
        tests = numbered(self.utterance)[0] * (self.fold.max() + 1) + self.fold
        sizes = [len(np.unique(tests[self.run == index])) for index in range(len(self.runs))]
        full = np.flatnonzero(np.array(sizes) == len(np.unique(tests)))
        if len(full) in (0, len(self.runs)):
            return self
        own = self.at(np.isin(self.run, full))
        return replace(
            own, runs=tuple(self.runs[index] for index in full), run=np.searchsorted(full, own.run)
        )

    def at(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Self:
        """Return some of the rows, given as a mask `[n]` or by their positions."""
        own = {name: getattr(self, name)[rows] for name in _OF_ROWS}
        return replace(self, **own, known={name: values[rows] for name, values in self.known.items()})

    def table(self) -> "pa.Table":
        """Return the rows with the columns described in the module, except what is known of the utterances.

        Probabilities are in single precision.
        """
        import pyarrow as pa

        names = pa.array(self.classes, pa.string())
        columns = [
            pa.array(self.utterance, pa.string()).dictionary_encode(),
            pa.array(self.speaker, pa.string()).dictionary_encode(),
            pa.DictionaryArray.from_arrays(self.truth.astype(np.int32), names),
            pa.DictionaryArray.from_arrays(self.predicted.astype(np.int32), names),
            *(pa.array(column, pa.float32()) for column in self.probabilities.T),
        ]
        return pa.Table.from_arrays(columns, schema=schema(self.classes))

    def to_frame(self) -> "pd.DataFrame":
        """Return the rows with the columns described in the module."""
        import pandas as pd

        names = np.asarray(self.classes, dtype=object)
        rows = [self.utterance, self.speaker, names[self.truth], names[self.predicted], *self.probabilities.T]
        columns = (*COLUMNS, *probability_columns(self.classes))
        return pd.DataFrame({**self._repeats(), **dict(zip(columns, rows, strict=True)), **self.known})

    def _repeats(self) -> dict[str, NDArray[np.int64]]:
        """Return the columns `seed` and `fold` of several folds or repeats, else nothing."""
        if len(self.runs) == 1 and len(np.unique(self.fold)) == 1:
            return {}
        seeds = np.array([seed for _, seed in self.runs], dtype=np.int64)
        return {"seed": seeds[self.run], "fold": self.fold}

    def write_csv(self, path: Path) -> None:
        """Write the rows as CSV, probabilities with six decimals; the file is written atomically."""
        write_frame(self.to_frame(), path)


def _check_lengths(**columns: Sized | None) -> None:
    sizes = {name: len(column) for name, column in columns.items() if column is not None}
    if not all(sizes.values()):
        raise UsageError("predictions: there is no utterance; at least one is needed.")
    if len(set(sizes.values())) > 1:
        found = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise UsageError(f"predictions: different lengths ({found}); one of each is needed per utterance.")


def known_of(utterances: Sequence[Utterance]) -> dict[str, list[str | None]]:
    """Return what is known of utterances: column -> value of each.

    Columns without a value are left out, and so are those other than `KNOWN` that have one value only, or
    more than `MOST_VALUES`.
    """
    others = sorted({f"{OTHER}{name}" for item in utterances for name in item.extra})
    found = {name: known_values(utterances, name) for name in (*KNOWN, *others)}
    different = {name: len(set(own) - {None}) for name, own in found.items()}
    return {
        name: own
        for name, own in found.items()
        if (different[name] if name in KNOWN else 1 < different[name] <= MOST_VALUES)
    }


def known_values(utterances: Iterable[Utterance], column: str) -> list[str | None]:
    """Return what a column of `known_of` says of each utterance."""
    return [item.value(column.removeprefix(OTHER)) for item in utterances]


def known_columns(columns: Iterable[object]) -> list[str]:
    """Return which columns of a table say what is known of the utterances."""
    return [name for name in map(str, columns) if name in KNOWN or name.startswith(OTHER)]


def _texts(column: "pd.Series") -> NDArray[np.object_]:
    """Return a column as texts, None where it is empty."""
    if column.dtype == "category":  # of Parquet: each text is one object
        words = np.array([*column.cat.categories.to_numpy(object), None], dtype=object)
        return np.asarray(words[column.cat.codes.to_numpy()])  # an empty cell has the code -1
    texts = column.astype(object)
    return np.asarray(texts.where(texts.notna(), None).to_numpy())


def sharing_texts(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Return a table whose texts, where they are coded, are objects that all parts of it share."""
    coded = {str(name): own.cat for name, own in frame.items() if own.dtype == "category"}
    objects: dict[str, Any] = {name: own.categories.astype(object) for name, own in coded.items()}
    return frame.assign(**{name: own.rename_categories(objects[name]) for name, own in coded.items()})


def _places(frame: "pd.DataFrame", system: NDArray[np.int64] | None = None) -> "pd.DataFrame":
    """Return draw, seed and fold of each row, 0 where the column is absent or empty.

    Raises:
        ValueError: If an utterance is twice there, for one system where there are several.
    """
    numbers = {
        name: frame[name].fillna(0).to_numpy(np.int64) if name in frame.columns else 0
        for name in ("draw", "seed", "fold")
    }
    run_index = frame[[]].assign(**numbers)
    words = frame["utterance"]
    texts = words.cat.codes if words.dtype == "category" else words
    each = run_index.assign(utterance=texts.to_numpy(), system=0 if system is None else system)
    twice = each.duplicated().to_numpy()
    if twice.any():
        name = frame["utterance"].iloc[int(twice.argmax())]
        raise ValueError(f"has utterance {name!r} twice; select the predictions of one system")
    return run_index


def schema(classes: Sequence[str], known: Sequence[str] = ()) -> "pa.Schema":
    """Return the columns of a table of predictions and their types; `known` as of `known_columns`."""
    import pyarrow as pa

    text = pa.dictionary(pa.int32(), pa.string())
    texts = [pa.field(name, text, nullable=name == "speaker") for name in COLUMNS]
    probabilities = [pa.field(name, pa.float32(), nullable=False) for name in probability_columns(classes)]
    return pa.schema([*texts, *probabilities, *(pa.field(name, text) for name in known)])


def as_repeats(systems: Sequence[Predictions]) -> Predictions:
    """Return several systems, tested on the same utterances, as repeats of one: its scores are their means.

    Args:
        systems: At least one, all with the same classes.
    """
    counts = [len(own.runs) for own in systems]
    first = np.cumsum([0, *counts[:-1]])
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(own, name) for own in systems]) for name in _OF_ROWS
    }
    columns["run"] = np.concatenate([own.run + start for own, start in zip(systems, first, strict=True)])
    runs = tuple((number, index) for number, size in enumerate(counts) for index in range(size))
    return replace(systems[0], runs=runs, **columns)


def read_csv(path: Path) -> Predictions:
    """Read what `write_csv` wrote.

    Raises:
        OSError: If there is no such file.
        ValueError: If it is not CSV, or holds no predictions; the message says which.
    """
    return Predictions._read(read_frame(path))


def write_frame(frame: "pd.DataFrame", path: Path) -> None:
    """Write rows of predictions as CSV, numbers with six decimals; the file is written atomically."""
    with open_text(path) as file:
        file.write(frame_to_csv(frame, "%.6f"))


def frame_to_csv(frame: "pd.DataFrame", float_format: str | None = None) -> str:
    """Return a data frame as CSV, text in it by `csv_cell`."""
    texts = frame.select_dtypes(exclude=["number", "bool"]).columns
    safe = frame.assign(**{name: frame[name].map(csv_cell, na_action="ignore") for name in texts})
    return str(safe.to_csv(index=False, float_format=float_format))


def read_frame(path: Path, texts: Sequence[str] = ()) -> "pd.DataFrame":
    """Read what `write_frame` wrote; errors as of `read_csv`.

    Args:
        path: The file.
        texts: Columns of text besides those described in the module.
    """
    import pandas as pd

    columns = pd.read_csv(path, nrows=0).columns
    known = known_columns(columns)
    probabilities = [name for name in columns if str(name).startswith(PROBABILITY)]
    empty = {name: [""] for name in ("speaker", *known, *probabilities)}
    kinds = dict.fromkeys((*COLUMNS, *known, *texts), str)
    frame = pd.read_csv(path, dtype=kinds, keep_default_na=False, na_values=empty)
    quoted = [name for name in kinds if name in frame and frame[name].str.startswith("'", na=False).any()]
    return frame.assign(**{name: frame[name].map(from_csv_cell, na_action="ignore") for name in quoted})


def predicts_one_class(truth: Sequence[object], predicted: Sequence[object]) -> bool:
    """Return whether utterances of several classes are all predicted as one class.

    Args:
        truth: `[n]` classes, as names or indices.
        predicted: `[n]` classes, as names or indices.
    """
    return len(set(truth)) > 1 and len(set(predicted)) == 1


def probability_columns(classes: Sequence[str]) -> list[str]:
    """Return the names of the probability columns."""
    return [f"{PROBABILITY}{name}" for name in classes]


def classes_of(frame: "pd.DataFrame") -> tuple[str, ...]:
    """Return the classes of a table, from the names of its probability columns.

    Raises:
        ValueError: If a column is missing.
    """
    absent = [name for name in COLUMNS if name not in frame.columns]
    classes = [
        str(name).removeprefix(PROBABILITY) for name in frame.columns if str(name).startswith(PROBABILITY)
    ]
    if absent or not classes:
        raise ValueError(f"lacks the columns {', '.join(absent or [f'{PROBABILITY}CLASS'])}")
    return tuple(classes)


def _indices(frame: "pd.DataFrame", column: str, classes: Sequence[str]) -> NDArray[np.int64]:
    place = {name: index for index, name in enumerate(classes)}
    own = frame[column]
    if own.dtype == "category":
        of_words = np.array([*(place.get(name, -1) for name in own.cat.categories), -1], dtype=np.int64)
        codes = of_words[own.cat.codes.to_numpy()]
    else:
        codes = np.array([place.get(name, -1) for name in own], dtype=np.int64)
    if (codes < 0).any():
        foreign = own.iloc[int(np.flatnonzero(codes < 0)[0])]
        raise ValueError(f"has {column} {foreign!r}; classes are {', '.join(classes)}")
    return codes
