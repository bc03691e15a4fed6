"""Train all probes of a study: how they are stacked, on which device and with how many threads."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor, nn

from sercl.memory import by_halves, halves_of
from sercl.models.heads import build_head
from sercl.models.stacked import StackedProbe
from sercl.studies.heads.config import ProbeConfig
from sercl.studies.heads.jobs import WEIGHTED, Job, cohorts_for, most_probes
from sercl.studies.heads.logistic import ROUGH_TOLERANCE, fit_path, train_logistic, validations
from sercl.studies.heads.parts import Parts, Person, Rows, View, held_out_groups
from sercl.studies.heads.training import (
    Keep,
    OnEpochs,
    Outcome,
    Record,
    Stack,
    Tally,
    outcomes_of,
    train_stack,
)
from sercl.threads import one_thread

Piece = TypeVar("Piece")
Result = TypeVar("Result")
Report = Callable[[int], None]


class _HaltedError(Exception):
    """Another work item has failed, or the user has interrupted: this one need not be finished."""


def side_by_side(
    work: Callable[[Piece, Report], Result], pieces: Sequence[Piece], workers: int, report: Report
) -> list[Result]:
    """Process items in parallel.

    Args:
        work: Called with an item, and with a function that it must call regularly in place of `report`,
            which raises if the work was cancelled.
        pieces: The items.
        workers: Number of threads; with 1, the calling thread does all the work, with all of torch's threads.
        report: Never called by two threads at once.

    Returns:
        One result per piece, in their order.
    """
    if workers == 1 or len(pieces) == 1:
        return [work(piece, report) for piece in pieces]
    halt, lock = threading.Event(), threading.Lock()

    def watched(amount: int) -> None:
        if halt.is_set():
            raise _HaltedError
        with lock:
            report(amount)

    with one_thread(), ThreadPoolExecutor(workers) as executor:
        futures = [executor.submit(work, piece, watched) for piece in pieces]
        try:
            for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                future.result()
        except BaseException:
            halt.set()
            executor.shutdown(wait=False, cancel_futures=True)
            raise
    return [future.result() for future in futures]


Heads = Mapping[Job, nn.Sequential]
"""The initial head of each probe."""

OnStack = Callable[[Sequence[Outcome], float], None]
"""Called with the outcomes of a finished stack, and its share of the wall-clock time in s."""


@dataclass(frozen=True)
class ProbeData:
    """Training data of probes.

    Attributes:
        features: `[utterances, states, dim]`; may be mapped from a file.
        labels: `[utterances]` int64 class indices; ignored for rows in no fold.
        classes: Number of classes.
        folds: The folds.
        views: Views of the features for some folds; in other folds, features are standardised by the
            training part if the configuration says so.
        people: Corpus and speaker of every utterance; empty if no training speakers may be held out.
    """

    features: Tensor
    labels: Tensor
    classes: int
    folds: Sequence[Parts]
    views: Mapping[int, View] = field(default_factory=dict)
    people: Sequence[Person] = ()

    def view(self, fold: int, config: ProbeConfig) -> View:
        """Return the view of the features in a fold."""
        reference = self.folds[fold].train if config.standardize else ()
        return self.views.get(fold) or View(reference, layer_norm=config.layer_norm)

    def held_out(self, fold: int, config: ProbeConfig) -> list[tuple[int, ...]]:
        """Return the groups of training rows of a fold that are held out in turn, see `held_out_groups`."""
        if not (config.inner_folds and self.people):
            return []
        train, validation, _ = (rows for _, rows in self.folds[fold].items())
        return held_out_groups(train, validation, self.people, self.labels.tolist(), config.inner_folds)

    def without(self, groups: Mapping[int, tuple[int, ...]], config: ProbeConfig) -> "ProbeData":
        """Return the same with folds that train without a group of rows and validate on it.

        Utterances that are held out do not take part in the standardisation either.

        Args:
            groups: Fold -> the rows to hold out; other folds stay.
            config: How features are viewed.
        """
        folds, views = list(self.folds), dict(self.views)
        for fold, held in groups.items():
            view, out = self.view(fold, config), set(held)
            views[fold] = replace(view, reference=_except(view.reference, out))
            folds[fold] = Parts(_except(self.folds[fold].train, out), held, ())
        return replace(self, folds=folds, views=views)


def _except(rows: Sequence[int], out: set[int]) -> tuple[int, ...]:
    return tuple(row for row in rows if row not in out)


def train_probes(
    data: ProbeData,
    jobs: Sequence[Job],
    config: ProbeConfig,
    device: torch.device,
    on_epochs: OnEpochs = lambda _: None,
    start: Heads | None = None,
    keep: Keep = Keep(),
    on_stack: OnStack = lambda outcomes, seconds: None,
) -> list[Outcome]:
    """Train probes, many at a time, and predict each fold's test part.

    A stack that does not fit into memory is trained in halves, down to single probes; a warning says so.

    Args:
        data: Features, labels and folds, already checked.
        jobs: The probes to train.
        config: Head, optimiser and schedule.
        device: Device. On a CPU, stacks are trained in parallel, one thread each.
        on_epochs: Called from the training threads.
        start: Heads to continue from; the others start from the head of their seed.
        keep: What to keep besides predictions.
        on_stack: Called from the training threads, one call at a time, as each stack finishes.

    Returns:
        One outcome per job, in their order.
    """
    workers = torch.get_num_threads() if device.type == "cpu" else 1
    heads = {**initial_heads(data, jobs, config), **(start or {})}
    groups = {fold: data.held_out(fold, config) for fold in sorted({job.fold for job in jobs})}
    cohorts = _cohorts(data, jobs, config, heads, device, workers)
    at_once, lock = min(workers, len(cohorts)), threading.Lock()

    def train_together(cohort: Sequence[Job], report: OnEpochs) -> list[Outcome]:
        begin = time.perf_counter()
        held_out = _hold_out(data, groups, cohort, config, heads, device, report)
        stack = build_stack(data, cohort, config, heads, device)
        found = outcomes_of(stack, _train(stack, config, held_out, report), keep)
        with lock:
            on_stack(found, (time.perf_counter() - begin) / at_once)
        return found

    def train(cohort: list[Job], report: OnEpochs) -> list[Outcome]:
        attempt = partial(_counted_if_done, train_together, report=report)
        return by_halves(attempt, cohort, halves_of, what="a stack of {} heads")

    outcomes = side_by_side(train, cohorts, workers, on_epochs)
    by_job = {outcome.job: outcome for group in outcomes for outcome in group}
    return [by_job[job] for job in jobs]


def _counted_if_done(work: Callable[[Piece, Report], Result], piece: Piece, report: Report) -> Result:
    """Process an item; if this fails, take back what it has reported."""
    done = 0

    def counted(amount: int) -> None:
        nonlocal done
        report(amount)
        done += amount

    try:
        return work(piece, counted)
    except Exception:
        report(-done)
        raise


def training_device(device: torch.device | str) -> torch.device:
    """Return where probes are trained: Apple's GPUs lack the double precision of losses and statistics."""
    wanted = torch.device(device)
    return torch.device("cpu") if wanted.type == "mps" else wanted


def initial_head(config: ProbeConfig, dim: int, classes: int, seed: int) -> nn.Sequential:
    """Return the initial head of a seed's probes, for any fold and layer; all zeros if they are convex."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = build_head(config.head, dim, classes)
    if config.is_convex:
        for parameter in head.parameters():
            nn.init.zeros_(parameter)
    return head


def initial_heads(data: ProbeData, jobs: Iterable[Job], config: ProbeConfig) -> dict[Job, nn.Sequential]:
    """Return the head of each probe's seed; not thread-safe, since the generator is shared."""
    dim, listed = data.features.shape[2], list(jobs)
    heads = {
        seed: initial_head(config, dim, data.classes, seed) for seed in sorted({job.seed for job in listed})
    }
    return {job: heads[job.seed] for job in listed}


def build_stack(
    data: ProbeData,
    jobs: Sequence[Job],
    config: ProbeConfig,
    heads: Heads,
    device: torch.device,
) -> Stack:
    """Stack probes, each with its initial head, and copy their features."""
    states = data.features.shape[1]
    mix = states if jobs[0].layer == WEIGHTED else None
    views = {fold: data.view(fold, config) for fold in {job.fold for job in jobs}}
    keys = [(None if mix else job.layer, views[job.fold]) for job in jobs]
    blocks = list(dict.fromkeys(keys))
    return Stack(
        jobs=jobs,
        probe=StackedProbe([heads[job] for job in jobs], mix).to(device),
        rows=Rows.of(data.features, data.labels, blocks, device),
        blocks=torch.tensor([blocks.index(key) for key in keys], device=device),
        folds=data.folds,
    )


def _cohorts(
    data: ProbeData,
    jobs: Sequence[Job],
    config: ProbeConfig,
    heads: Heads,
    device: torch.device,
    workers: int,
) -> list[list[Job]]:
    single = [job for job in jobs if job.layer != WEIGHTED]
    mixed = [job for job in jobs if job.layer == WEIGHTED]
    cohorts = []
    for group in (single, mixed):
        if group:
            most = _most(data, group[0], heads[group[0]], device, copies=3 if config.is_convex else 1)
            cohorts += cohorts_for(group, data.folds, config, most, workers)
    return cohorts


def _most(data: ProbeData, job: Job, head: nn.Sequential, device: torch.device, copies: int) -> int:
    """Return the maximum number of probes in a stack; a copy in double precision counts as two."""
    rows, states, dim = data.features.shape
    weights = sum(parameter.numel() for parameter in head.parameters())
    block = rows * dim * (states if job.layer == WEIGHTED else 1)
    return most_probes(4 * block * copies, 4 * weights, device)


def _train(stack: Stack, config: ProbeConfig, held_out: Tally | None, on_epochs: OnEpochs) -> Record:
    if config.is_convex:
        return train_logistic(stack, config, on_epochs, held_out)
    return train_stack(stack, config, on_epochs)


def _hold_out(
    data: ProbeData,
    groups: Mapping[int, Sequence[tuple[int, ...]]],
    cohort: Sequence[Job],
    config: ProbeConfig,
    heads: Heads,
    device: torch.device,
    on_epochs: OnEpochs,
) -> Tally | None:
    """Fit the regressions of a stack once without each group of their training rows.

    Returns:
        What they did with each C on the rows that were held out from them, `[cs, models]`; None for probes
        that are trained in epochs.
    """
    if not config.is_convex:
        return None
    shape = len(config.c), len(cohort)
    losses = torch.zeros(shape, dtype=torch.float64, device=device)
    confusion = torch.zeros(*shape, data.classes, data.classes, dtype=torch.int64, device=device)
    for number in range(config.inner_folds):
        models = [model for model, job in enumerate(cohort) if number < len(groups[job.fold])]
        on_epochs((len(cohort) - len(models)) * len(config.c))
        if models:
            jobs = [cohort[model] for model in models]
            inner = data.without({job.fold: groups[job.fold][number] for job in jobs}, config)
            fits = fit_path(
                build_stack(inner, jobs, config, heads, device), config, on_epochs, ROUGH_TOLERANCE
            )
            found = validations(fits)
            losses[:, models] += found.losses
            confusion[:, models] += found.confusion
    return Tally(losses, confusion)
