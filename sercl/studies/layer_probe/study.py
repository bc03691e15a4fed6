"""The layer probe study: which hidden state predicts a property of the voice best, with intervals."""

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from sercl.studies.heads.config import ProbeConfig
from sercl.studies.heads.jobs import WEIGHTED, jobs_for
from sercl.studies.heads.outcomes import Outcome
from sercl.studies.heads.parts import check_parts
from sercl.studies.heads.rows import check_finite, check_layers, check_shape
from sercl.studies.heads.running import ProbeData, placed, train_probes
from sercl.studies.heads.training import OnEpochs
from sercl.studies.layer_probe.summary import ProbeResults, Trained, summarise
from sercl.studies.layer_probe.task import ProbeTask

CONTROL_SEED = 0
"""Seed of the shuffled labels: a separate task, the same for every seed of the probes."""


def probe_study(
    features: Tensor,
    task: ProbeTask,
    config: ProbeConfig = ProbeConfig(),
    *,
    layers: Sequence[int] | None = None,
    control: bool = True,
    weighted: bool = True,
    device: torch.device | str = "cpu",
    on_epochs: OnEpochs = lambda _: None,
) -> ProbeResults:
    """Probe hidden states.

    Args:
        features: `[utterances, states, dim]` pooled hidden states in the order of `task.ids`; may be mapped
            from a file.
        task: The target and the folds.
        config: Head, optimiser and schedule.
        layers: Hidden states to probe, None for all.
        control: Whether to train the probes on shuffled labels, too.
        weighted: Whether to probe a learned weighted sum of all hidden states, too.
        device: Device on which the probes are trained; the CPU replaces "mps".
        on_epochs: Called with the number of further epochs (of `epochs_of`) done, from the training threads,
            one call at a time.

    Raises:
        UsageError: For features of another shape, or a layer that they do not have.
        FeatureError: For NaN or infinite features.
        FoldError: For invalid folds.
    """
    begin = time.perf_counter()
    numbers = _checked_layers(features, task, layers, weighted)
    check_parts(task.folds, task.labels, task.classes)
    place = placed(device)
    wanted = [*numbers, *([WEIGHTED] if weighted else [])]
    real = _train(features, task, wanted, config, place, on_epochs)
    shuffled = task.shuffled(CONTROL_SEED)
    controls = _train(features, shuffled, numbers, config, place, on_epochs) if control else {}
    return summarise(task, real, shuffled, controls, config, time.perf_counter() - begin)


def epochs_of(
    task: ProbeTask, config: ProbeConfig, layers: int, control: bool = True, weighted: bool = True
) -> int:
    """Return the maximum number of epochs over all probes, for a progress bar."""
    probes = len(task.folds) * len(config.seeds) * (layers * (1 + control) + weighted)
    return probes * config.max_epochs


def _checked_layers(
    features: Tensor, task: ProbeTask, layers: Sequence[int] | None, weighted: bool
) -> list[int]:
    check_shape(features, task.ids)
    every = range(features.shape[1])
    wanted = sorted(every if layers is None else layers)
    check_layers(wanted, len(every))
    check_finite(features, task.ids, every if weighted else wanted)
    return wanted


def _train(
    features: Tensor,
    task: ProbeTask,
    layers: Sequence[int],
    config: ProbeConfig,
    device: torch.device,
    on_epochs: OnEpochs,
) -> Trained:
    data = ProbeData(features, torch.tensor(task.labels), len(task.classes), task.folds)
    jobs = jobs_for(len(task.folds), layers, config.seeds)
    by_layer: dict[int, dict[tuple[int, int], Outcome]] = {layer: {} for layer in layers}
    for outcome in train_probes(data, jobs, config, device, on_epochs):
        by_layer[outcome.job.layer][outcome.job.fold, outcome.job.seed] = outcome
    return by_layer
