"""What `sercl diarize evaluate` does with each run: find its data, choose post-processing, let it hear."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sercl.cli.console import progress, stderr
from sercl.cli.diarize.judging import Sources, load_systems
from sercl.cli.diarize.runs import Run
from sercl.diarization.postprocess import PostConfig
from sercl.studies.diarization.judged import Judged, System, found, hear, nothing_found
from sercl.studies.diarization.keeping import keep_tuning
from sercl.studies.diarization.pooling import RunJudged, check_apart, named
from sercl.studies.diarization.recordings import Judging
from sercl.studies.diarization.results import ALL_NEUTRAL, DIARIZER
from sercl.studies.diarization.tuning import Tuning, candidates
from sercl.studies.diarization.tuning import tune as chosen
from sercl.studies.results import describe_model
from sercl.tasks.diarization import EmotionDiarizer

if TYPE_CHECKING:
    from jsonargparse import Namespace


@dataclass(frozen=True)
class Prepared:
    """Data of all runs, found and checked before any of it is heard.

    Attributes:
        each: For each run its data and what is judged.
        remarks: Notes that belong beside every score.
    """

    each: tuple[tuple[Sources, Judging], ...]
    remarks: tuple[str, ...]


def prepare(runs: Sequence[Run], options: "Namespace") -> Prepared:
    """Find the data of every run.

    Raises:
        UsageError: For data that do not fit the model, or test utterances that two runs share.
        SpeakerOverlapError: Where a model knows a speaker of its test.
        CorpusError: For data that cannot be used.
    """
    sources = [Sources(options, run) for run in runs]
    judgings = [own.judged() for own in sources]
    if len(runs) > 1:
        check_apart({run.name: own.tested for run, own in zip(runs, sources, strict=True)})
        judgings = [named(judging, run.name) for run, judging in zip(runs, judgings, strict=True)]
    each = tuple(zip(sources, judgings, strict=True))
    notes = dict.fromkeys(note for own, judging in each for note in own.heard_before(judging))
    return Prepared(each, tuple(notes))


def judge_run(run: Run, data: tuple[Sources, Judging], options: "Namespace") -> RunJudged:
    """Let the systems of a run hear its recordings, and keep the post-processing that is chosen for it."""
    sources, judging = data
    task, systems = load_systems(run, options)
    tuning = tune(task, systems, sources.validation(), options.uncovered) if options.tune else {}
    judged, posts = judge(task, systems, judging, tuning, options.uncovered)
    keep(run, tuning, sources)
    baseline = None if run.baseline is None else str(run.baseline.path)
    model = describe_model(task)
    return RunJudged(run.name, str(run.diarizer.path), baseline, judging, judged, posts, tuning, model)


def tune(
    task: EmotionDiarizer, systems: Mapping[str, System], validation: Judging, uncovered: str
) -> dict[str, Tuning]:
    """Choose the post-processing of every system on validation recordings."""
    with progress("validation clips", len(validation)) as advance:
        heard = hear(validation, systems, advance)
    with progress("post-processing", len(systems) * sum(1 for _ in candidates())) as advance:
        return {name: chosen(heard, name, task.classes, task.post, advance, uncovered) for name in systems}


def judge(
    task: EmotionDiarizer,
    systems: Mapping[str, System],
    judging: Judging,
    tuning: Mapping[str, Tuning],
    uncovered: str,
) -> tuple[dict[str, list[Judged]], dict[str, PostConfig]]:
    """Return what each system finds, and how its frames became segments."""
    posts = {name: tuning[name].post if name in tuning else task.post for name in systems}
    with progress("recordings", len(judging)) as advance:
        heard = hear(judging, systems, advance)
    judged = {name: found(heard, name, task.classes, post, uncovered) for name, post in posts.items()}
    judged[ALL_NEUTRAL] = nothing_found(heard)
    return judged, posts


def keep(run: Run, tuning: Mapping[str, Tuning], sources: Sources) -> None:
    """Write the chosen post-processing of the diarizer into its checkpoint."""
    if DIARIZER in tuning:
        path = run.diarizer.path
        keep_tuning(path, tuning[DIARIZER], sources.run_name)
        stderr.print(f"The post-processing is kept in {path}", soft_wrap=True, markup=False)
