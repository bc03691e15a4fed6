"""Several runs judged as one: their recordings together, each with what the systems of its own run found."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from sercl.diarization.postprocess import PostConfig
from sercl.errors import UsageError
from sercl.studies.diarization.judged import Judged, Recording
from sercl.studies.diarization.recordings import Judging
from sercl.studies.diarization.results import RunScores, score_systems
from sercl.studies.diarization.tuning import Tuning


@dataclass(frozen=True)
class RunJudged:
    """What one run gave.

    Attributes:
        name: Unique among the runs.
        checkpoint: The diarizer's.
        baseline: The classifier's, None for none.
        judging: What was judged.
        judged: System -> what it found, in the order of the recordings.
        posts: System -> how its frames became segments, where it has frames.
        tuning: System -> how that was chosen; empty where it was not.
        model: What the diarizer is, as plain data.
    """

    name: str
    checkpoint: str
    baseline: str | None
    judging: Judging
    judged: Mapping[str, Sequence[Judged]]
    posts: Mapping[str, PostConfig]
    tuning: Mapping[str, Tuning]
    model: Mapping[str, Any]

    def scores(self, classes: Sequence[str]) -> RunScores:
        """Return the scores of this run alone."""
        systems = score_systems(self.judged, self.posts, classes)
        data = self.judging.to_dict()
        return RunScores(self.name, self.checkpoint, self.baseline, systems, data, self.tuning, self.model)


def named(judging: Judging, run: str) -> Judging:
    """Return the same recordings with the name of their run in front of their ids."""

    def make() -> Iterator[Recording]:
        for recording in judging:
            yield replace(recording, id=f"{run}-{recording.id}")

    return replace(judging, make=make)


def check_apart(tested: Mapping[str, Sequence[str]]) -> None:
    """Refuse runs that share a test utterance: what it is built into would count twice.

    Args:
        tested: Run -> ids of the utterances that its test clips are built of.

    Raises:
        UsageError: With both runs.
    """
    owner: dict[str, str] = {}
    for run, ids in tested.items():
        if twice := [id for id in ids if id in owner]:
            raise UsageError(
                f"{len(twice)} test utterances of {run} are those of {owner[twice[0]]}, too (the first is "
                f"{twice[0]!r}), and would count twice. Give one checkpoint for each fold."
            )
        owner |= dict.fromkeys(ids, run)


def together(runs: Sequence[RunJudged]) -> Judging:
    """Return the recordings of several runs as one list, in order."""
    judgings = [run.judging for run in runs]
    names = dict.fromkeys(judging.name for judging in judgings)
    return Judging(
        name=f"{' and '.join(names)}, of {len(judgings)} runs",
        speakers=tuple(sorted({name for judging in judgings for name in judging.speakers})),
        seconds=sum(judging.seconds for judging in judgings),
        make=lambda: chain.from_iterable(judgings),
        count=sum(map(len, judgings)),
        dropped=_added(judging.dropped for judging in judgings),
        problems=_added(judging.problems for judging in judgings),
        notes=tuple(_notes(runs)),
    )


def _notes(runs: Sequence[RunJudged]) -> Iterator[str]:
    """Yield the notes of all runs, then those of single ones with their name."""
    common = [note for note in runs[0].judging.notes if all(note in run.judging.notes for run in runs)]
    yield from common
    for run in runs:
        yield from (f"{run.name}: {note}" for note in run.judging.notes if note not in common)


def judged_together(runs: Sequence[RunJudged]) -> dict[str, list[Judged]]:
    """Return what the systems of all runs found, system by system."""
    return {name: [item for run in runs for item in run.judged[name]] for name in runs[0].judged}


def common_posts(runs: Sequence[RunJudged]) -> dict[str, PostConfig]:
    """Return the post-processing of each system that has the same in every run."""
    first = runs[0].posts
    return {name: post for name, post in first.items() if all(run.posts[name] == post for run in runs)}


def differences(runs: Sequence[RunJudged]) -> list[str]:
    """Return a note where the diarizers are not of one setting, or nothing; post-processing may differ."""
    settings = [_setting(run.model) for run in runs]
    names = sorted({name for own in settings for name in own if own[name] != settings[0].get(name)})
    return [f"the runs are not of one setting: they differ in {', '.join(names)}"] if names else []


def _setting(model: Mapping[str, Any]) -> dict[str, Any]:
    options = {name: value for name, value in model["hyper_parameters"].items() if name != "post"}
    return {**options, "encoder": model["fingerprint"]}


def _added(counts: Iterator[Mapping[str, int]]) -> dict[str, int]:
    return dict(sum(map(Counter, counts), Counter[str]()))
