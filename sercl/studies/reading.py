"""Results folders of every kind as data frames: `read_results`."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor

from sercl.corpora.folds import ALL
from sercl.counting import count
from sercl.diarization.formats import read_segments
from sercl.documents import read_json
from sercl.errors import DocumentError, ResultsError, UsageError
from sercl.files import at_home
from sercl.metrics.functional.bootstrap import Statistic, summed
from sercl.metrics.functional.classification import f1, precision
from sercl.studies.comparison import compare_groups
from sercl.studies.cross_eval.analysis.forgetting import find_forgetting
from sercl.studies.cross_eval.analysis.scores import ConditionScores, score_conditions
from sercl.studies.cross_eval.cells import CONDITION_FIELDS, Condition, Study
from sercl.studies.cross_eval.study_file import STUDY as STUDY_FILE
from sercl.studies.cross_eval.study_file import by_condition, read_forgetting, read_frame, read_study
from sercl.studies.diarization import results as diarizers
from sercl.studies.diarization.results import REFERENCE, SystemScores, segments_file
from sercl.studies.layer_probe import folds as probes
from sercl.studies.results.groups import groups_of
from sercl.studies.results.predictions import PREDICTIONS, Predictions
from sercl.studies.results.records import CONFIG, DIARIZATION, PROBE, RESULTS, RUN, STUDY, kind_of
from sercl.studies.results.scores import Score, frame_of, in_front, score_row
from sercl.studies.run_files import SETTINGS, read_predictions
from sercl.studies.training import results as runs

_UNFINISHED = (CONFIG, "last.ckpt", "best.ckpt", "stage.json")
"""Files of a folder without results yet."""


@dataclass(frozen=True, repr=False)
class Results:
    """The results in one folder, or in several of one kind, as data frames.

    The first column of every frame is `folder`, as it was given, so that frames can be merged on it.

    Attributes:
        kind: "run" (of `sercl fit`, `test` or `validate`), "layer probe", "study" (of `sercl cross-eval`) or
            "diarization" (of `sercl diarize fit` or `evaluate`).
        scores: A row per score of what was tested: a run; a condition of a study (all its folds summed,
            repeats averaged); a target, setting and layer of a probe; a system of a diarization. The columns
            before `score` say which.
        classes: A row per class of the same: recall, precision, F1 and support, as far as they are stored;
            EDER and recall for diarization.
        predictions: A row per test utterance: what was tested, as in `scores` (for studies with fold, seed
            and draw), then `utterance`, `speaker`, `truth`, `predicted`, `p_<class>`. The rows of one system
            make `Predictions.from_frame`. For diarization a row per segment: `system` ("reference" for the
            truth), `recording`, `start` and `end` in s, `emotion`, `confidence`. Those of layer probes are at
            the `layer` chosen in each fold.
        trainings: A row per training: a stage of a run, a probe, a cell of a study (including failed ones).
        settings: A row per folder, a column per option, with dotted names such as `model.adapter`.
        notes: A row per note on the results: read them before the scores.
        forgetting: A row per score of a source's test part before and after the second of two stages (of
            studies also: before and after few-shot training), see `sercl.studies.results.forgetting`; empty
            where nothing was trained so.
        groups: A row per group of utterances and score, for the columns of `group_by`, then a row per
            difference between two groups (`group` "A - B") with `p` and `p_holm`.
    """

    kind: str
    scores: pd.DataFrame
    classes: pd.DataFrame
    predictions: pd.DataFrame
    trainings: pd.DataFrame
    settings: pd.DataFrame
    notes: pd.DataFrame
    forgetting: pd.DataFrame = field(default_factory=pd.DataFrame)
    groups: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def folders(self) -> list[str]:
        """The folders, in order."""
        return list(self.settings["folder"])

    def __repr__(self) -> str:
        sizes = [f"{name} {len(own):,}" for name in _FRAMES if len(own := getattr(self, name))]
        return f"Results ({self.kind}, {count(len(self.folders), 'folder')}), rows: {', '.join(sizes)}"


_FRAMES = tuple(each.name for each in fields(Results) if each.name != "kind")


def read_results(
    folders: str | Path | Iterable[str | Path], *, incomplete: bool = False, group_by: Sequence[str] = ()
) -> Results:
    """Read the results of finished runs, layer probes, studies or diarizers.

    Values are those of the folder's `results.json`, or those of a study's report, which are computed from its
    predictions.

    Args:
        folders: A folder, a pattern ("checkpoints/EmoDB-*"), or several of these, all of one kind.
        incomplete: Whether to read a study with cells that failed or are missing; conditions without a
            finished cell are then absent, and only repeats that cover all folds are averaged.
        group_by: Columns of what is known of the utterances (gender, language, dialect, session, corpus or
            another column of a manifest), by which runs, layer probes and studies are scored in groups.

    Raises:
        UsageError: For a folder without results, folders of several kinds, or none; for a column that they do
            not have.
        ResultsError: For a missing or damaged file, or an unfinished study.
    """
    given = [folders] if isinstance(folders, str | Path) else list(folders)
    matching = [folder for each in given for folder in _matching(each)]
    if not matching:
        raise UsageError("read_results: no folder was given.")
    read = [
        replace(
            _READERS[kind := _kind_of(folder)](folder, incomplete), groups=_groups(folder, kind, group_by)
        )
        for folder in matching
    ]
    kinds = {own.kind: folder for own, folder in zip(read, matching, strict=True)}
    if len(kinds) > 1:
        found = ", ".join(f"{folder} is a {kind}" for kind, folder in kinds.items())
        raise UsageError(f"read_results: folders of several kinds ({found}). Read each kind by itself.")
    frames = {
        name: [
            in_front({"folder": str(folder)}, getattr(own, name))
            for own, folder in zip(read, matching, strict=True)
        ]
        for name in _FRAMES
    }
    return Results(read[0].kind, **{name: _joined(own) for name, own in frames.items()})


def _groups(folder: Path, kind: str, group_by: Sequence[str]) -> pd.DataFrame:
    """Return the scores of groups in a run, layer probe or study, and their differences."""
    if not group_by:
        return pd.DataFrame()
    if kind == PROBE:
        tasks = groups_of(probes.read_predictions(folder), group_by)
        found = [({"target": target, "setting": name}, own) for (target, name), own in tasks.items()]
    else:
        conditions = compare_groups(folder, group_by)
        found = [({} if key is None else _fields(key), own) for key, own in conditions.items()]
    return _joined([in_front(unit, each.to_frame()) for unit, own in found for each in own])


def _matching(given: str | Path) -> list[Path]:
    """Return the folder itself, or those that a pattern matches."""
    folder = at_home(given)
    if folder.exists() or not set("*?[") & set(str(folder)):
        return [folder]
    pattern = str(folder.relative_to(folder.anchor))
    found = sorted(path for path in Path(folder.anchor).glob(pattern) if path.is_dir())
    if not found:
        raise UsageError(f"{given}: no folder matches this pattern.")
    return found


def _joined(frames: list[pd.DataFrame]) -> pd.DataFrame:
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled, ignore_index=True) if filled else frames[0]


def _kind_of(folder: Path) -> str:
    """Return the kind of results in a folder.

    Raises:
        UsageError: If there are none; the message says what was found instead.
        ResultsError: For a damaged `results.json`.
    """
    if (folder / STUDY_FILE).is_file():
        return STUDY
    if not (folder / RESULTS).is_file():
        raise UsageError(f"{folder}: {_instead(folder)}")
    try:
        content = read_json(folder / RESULTS)
    except DocumentError as error:
        raise ResultsError(folder / RESULTS, f"{error}. Run the command that wrote it again.") from error
    if (kind := kind_of(content)) is not None:
        return kind
    raise ResultsError(folder / RESULTS, "is not a results file of a run, a layer probe or a diarizer.")


def _instead(folder: Path) -> str:
    if folder.is_file():
        return f"is a file. Give the folder of the results: {folder.parent}."
    if not folder.is_dir():
        return "no such folder."
    cells = len(list(folder.glob("cells/*/cell.json")))
    if cells or (folder / "study.yaml").is_file():
        return (
            f"a study without {STUDY_FILE}: it was stopped in its first session, after "
            f"{count(cells, 'test')}. `sercl cross-eval -c STUDY.yaml --out {folder}` continues it."
        )
    if any((folder / name).is_file() for name in _UNFINISHED):
        return (
            f"a run without results: it has no {RESULTS} yet. Wait until it has ended; an interrupted one "
            "continues with the same command and --resume."
        )
    below = [path.parent for name in (RESULTS, STUDY_FILE) for path in sorted(folder.glob(f"*/{name}"))]
    found = f" Below it, these do: {', '.join(map(str, below[:5]))}." if below else ""
    return (
        f"holds no results ({RESULTS} or {STUDY_FILE}).{found} Give the folder of a finished `sercl fit`, "
        "`test --out`, `layer-probe`, `cross-eval`, `diarize fit` or `diarize evaluate --out`."
    )


def _run(folder: Path, _: bool) -> Results:
    found, settings = runs.read(folder), _settings(folder)
    model = found.model
    unit = {
        "data": found.data.get("name"),
        "setting": found.data.get("setting"),
        "part": found.part,
        "encoder": model.get("encoder"),
        "adapter": model.get("adapter"),
        "layer": model.get("chosen_state"),
        "seed": found.environment.get("seed"),
        "fold": _fold(settings),
    }
    classes = [{"class": row.pop("name")} | row for row in map(asdict, found.scores.per_class)]
    predictions = read_predictions(folder / PREDICTIONS).to_frame()
    trained = [
        {"seed": own.seed, "fold": own.fold} | stage.to_dict() for own in found.folds for stage in own.stages
    ]
    return Results(
        kind=RUN,
        scores=in_front(unit, found.scores.to_frame()),
        classes=in_front(unit, frame_of(classes)),
        predictions=in_front(
            {name: value for name, value in unit.items() if name not in predictions.columns}, predictions
        ),
        trainings=frame_of(trained or [stage.to_dict() for stage in found.stages]),
        settings=settings,
        notes=pd.DataFrame({"note": list(found.notes)}),
        forgetting=in_front(unit, found.forgetting.to_frame()) if found.forgetting else pd.DataFrame(),
    )


def _fold(settings: pd.DataFrame) -> int | None:
    """Return the index of the fold, if the settings have it and it is the same for all corpora."""
    indices = {settings[name].iloc[0] for name in settings if str(name).endswith("folds.index")}
    index = next(iter(indices)) if len(indices) == 1 else ALL
    return None if index == ALL else index


def _settings(folder: Path) -> pd.DataFrame:
    readers = ((folder / name, read) for name, read in SETTINGS.items())
    options = next((read(path) for path, read in readers if path.is_file()), {})
    return pd.DataFrame([options], index=[0]).astype(object)


def _probe(folder: Path, _: bool) -> Results:
    found = probes.read(folder)
    unit = {"data": found.name, "encoder": found.encoder.get("name")}
    trained = [
        {
            "target": own.target,
            "setting": own.setting,
            "readout": "weighted" if run.layer is None else "layer",
        }
        | asdict(run)
        for own in found.results
        for run in own.runs
    ]
    notes = [f"{own.target}, {own.setting}: {note}" for own in found.results for note in own.notes]
    return Results(
        kind=PROBE,
        scores=in_front(unit, _joined([own.to_frame() for own in found.results])),
        classes=in_front(unit, frame_of(row for own in found.results for row in own.class_rows())),
        predictions=in_front(unit, probes.read_predictions_frame(folder))
        if (folder / PREDICTIONS).is_file()
        else pd.DataFrame(),  # earlier versions stored none
        trainings=frame_of(trained),
        settings=_settings(folder),
        notes=pd.DataFrame({"note": notes}),
    )


def _study(folder: Path, incomplete: bool) -> Results:
    study = read_study(folder)
    _check_done(study, folder, incomplete)
    frame = read_frame(folder, study)
    predictions = {name: own.complete() for name, own in by_condition(frame, study).items()}
    scores = score_conditions(predictions)
    texts = {name: str for name in frame.columns[frame.dtypes == "category"] if name != "speaker"}
    return Results(
        kind=STUDY,
        scores=frame_of(row for own in scores.values() for row in _condition_rows(own)),
        classes=frame_of(row for name, own in scores.items() for row in _class_rows(own, predictions[name])),
        predictions=frame.astype({**texts, "speaker": object, "shots": "Int64"}),
        trainings=frame_of(_flat(record.to_dict()) for record in study.records),
        settings=_settings(folder),
        notes=pd.DataFrame({"note": list(_study_notes(study))}),
        forgetting=frame_of(
            row for own in find_forgetting(read_forgetting(folder, study)) for row in own.rows()
        ),
    )


def _check_done(study: Study, folder: Path, incomplete: bool) -> None:
    if not incomplete:
        _check_forgetting_done(study, folder)
    every = len(study.records)
    states = {name: [own for own in study.records if own.status == name] for name in ("done", "failed")}
    done, failed = len(states["done"]), len(states["failed"])
    if done == every or (incomplete and done):
        return
    reason = (
        f" The first failure: {(states['failed'][0].error or 'no message').splitlines()[0]}" if failed else ""
    )
    partly = ", or pass incomplete=True to read the finished part" if done else ""
    raise ResultsError(
        folder / STUDY_FILE,
        f"the study is unfinished: {done} of {every} cells are done, {failed} failed, "
        f"{every - done - failed} are missing.{reason} Continue it with `sercl cross-eval -c "
        f"{folder}/study.yaml --out {folder}`{partly}.",
    )


def _check_forgetting_done(study: Study, folder: Path) -> None:
    """Raise `ResultsError` if a test of a source lacks although every cell is done."""
    lacking = [own for own in study.forgetting if own.status != "done"]
    if lacking and all(own.status == "done" for own in study.records):
        raise ResultsError(
            folder / STUDY_FILE,
            f"the study is unfinished: {count(len(lacking), 'test')} of sources failed or missing. Continue "
            f"it with `sercl cross-eval -c {folder}/study.yaml --out {folder}`, or pass incomplete=True to "
            "read the finished part.",
        )


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a cell's record, with a column for the size of each part."""
    parts = record.pop("parts")
    return record | {f"parts.{name}": size for name, size in parts.items()}


def _fields(condition: Condition) -> dict[str, Any]:
    return {name: getattr(condition, name) for name in CONDITION_FIELDS}


def _condition_rows(own: ConditionScores) -> list[dict[str, Any]]:
    named: dict[str, Score | float] = {**own.averages, "ece": own.ece}
    sizes = {
        "n": own.utterances, "speakers": own.speakers, "folds": len(own.folds), "repeats": len(own.runs),
    }  # fmt: skip
    return [_fields(own.condition) | score_row(name, score) | sizes for name, score in named.items()]


def _class_rows(own: ConditionScores, predictions: Predictions) -> list[dict[str, Any]]:
    whole = summed(predictions.confusions())
    precisions, scores = (_by_class(whole, statistic) for statistic in (precision, f1))
    rows = zip(predictions.classes, own.recalls, precisions, scores, own.support, strict=True)
    return [
        _fields(own.condition)
        | {"class": name, "recall": recall.value, "recall_low": recall.low, "recall_high": recall.high}
        | {"precision": right, "f1": both, "support": support}
        for name, recall, right, both, support in rows
    ]


def _by_class(confusions: Tensor, statistic: Statistic) -> list[float]:
    """Return a score of each class, the mean over repeats."""
    values: list[float] = statistic(confusions).nanmean(dim=0).tolist()
    return values


def _study_notes(study: Study) -> list[str]:
    of_corpora = [f"{name}: {note}" for name, corpus in study.corpora.items() for note in corpus.notes]
    return list(dict.fromkeys([*study.warnings, *of_corpora, *study.cell_notes]))


def _diarization(folder: Path, _: bool) -> Results:
    found = diarizers.read(folder)
    systems = [("all", own) for own in found.systems]
    systems += [(run.name, own) for run in found.runs for own in run.systems]
    unit = {"data": found.data.get("name"), "encoder": found.model.get("encoder")}
    return Results(
        kind=DIARIZATION,
        scores=in_front(unit, _joined([in_front({"run": run}, own.to_frame()) for run, own in systems])),
        classes=in_front(unit, frame_of(row for run, own in systems for row in _emotion_rows(run, own))),
        predictions=_joined(
            [_segments(folder, name) for name in (REFERENCE, *(own.name for own in found.systems))]
        ),
        trainings=frame_of(stage.to_dict() for stage in found.stages),
        settings=_settings(folder),
        notes=pd.DataFrame({"note": list(found.notes)}),
    )


def _emotion_rows(run: str, own: SystemScores) -> list[dict[str, Any]]:
    return [
        {"run": run, "system": own.name, "class": row.name}
        | {"eder": row.eder.value, "eder_low": row.eder.low, "eder_high": row.eder.high}
        | {"recall": row.recall, "recordings": row.recordings, "seconds": row.seconds}
        for row in own.scores.by_emotion
    ]


def _segments(folder: Path, system: str) -> pd.DataFrame:
    path = folder / segments_file(system)
    if not path.is_file():
        raise ResultsError(
            path, "no such file: it has the segments of this system. Evaluate the diarizer again."
        )
    rows = [
        {"system": system, "recording": item.id}
        | {"start": own.start, "end": own.end, "emotion": own.emotion}
        | {"confidence": getattr(own, "confidence", None)}
        for item in read_segments(path)
        for own in item.segments
    ]
    return frame_of(rows)


_READERS = {RUN: _run, PROBE: _probe, STUDY: _study, DIARIZATION: _diarization}
