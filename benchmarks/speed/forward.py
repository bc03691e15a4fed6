"""The forward pass alone, on batches of clips of similar length."""

import copy
import statistics
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from sercl.models.encoders import PRECISIONS, Encoder, inference
from sercl.models.pooling import MeanPooling
from speed.operations import clip_operations
from speed.rates import MatrixRate

RATE = 16_000
SHORTEST, LONGEST = 1.0, 8.0  # s; much of acted emotional speech lies in between


LAP = 1.0  # s of work, at least, between two matrix products

Batch = tuple[Tensor, Tensor]
"""Waveforms and their lengths."""


@dataclass(frozen=True)
class Forward:
    """The result of a forward pass.

    Attributes:
        way: "plain" or "inference".
        batch_seconds: Upper bound of a batch in padded s.
        clips: Mean number of clips in a batch.
        share: Operations per second over the peak.
        rate: Operations per second.
        peak: That of the matrix product, or the value given.
        speed: Seconds of audio per second.
        clips_per_second: Utterances per second.
        padding: Share of the padded samples that are padding.
        pooling: Time of pooling over that of the forward pass.
    """

    way: str
    batch_seconds: float
    clips: float
    share: float
    rate: float
    peak: float
    speed: float
    clips_per_second: float
    padding: float
    pooling: float


def clip_lengths(count: int) -> list[int]:
    """Return the samples of `count` clips, the longest first; the logarithm of their length is uniform."""
    steps = (torch.arange(count) + 0.5) / count
    return sorted((RATE * SHORTEST * (LONGEST / SHORTEST) ** steps).long().tolist(), reverse=True)


def batches_of(lengths: Sequence[int], batch_seconds: float) -> list[list[int]]:
    """Cut sorted clips into batches of at most so many padded seconds, at least one clip each."""
    batches: list[list[int]] = []
    for length in lengths:
        if not batches or (len(batches[-1]) + 1) * batches[-1][0] > batch_seconds * RATE:
            batches.append([])
        batches[-1].append(length)
    return batches


def measure_forward(
    encoder: Encoder,
    precision: str,
    batch_seconds: float,
    *,
    clips: int,
    repeats: int,
    plain: bool,
    peak: float | None,
) -> Forward:
    """Measure the forward pass on clips of 1 to 8 s.

    Args:
        encoder: On its device.
        precision: A name in `PRECISIONS`.
        batch_seconds: Upper bound of a batch in padded s.
        clips: Clips in one pass.
        repeats: Passes.
        plain: Whether the encoder runs as in transformers, with weights of the precision.
        peak: Operations per second to compare with, in place of the matrix product's.
    """
    device, dtype = next(encoder.parameters()).device.type, PRECISIONS[precision]
    lengths = batches_of(clip_lengths(clips), batch_seconds)
    batches = [noise(batch, device) for batch in lengths]
    samples = sum(map(sum, lengths))
    operations = sum(clip_operations(encoder.model.config, n) for batch in lengths for n in batch)
    if plain:
        encoder = copy.deepcopy(encoder).to(dtype)
    with nullcontext() if plain else inference(encoder, precision), torch.inference_mode():
        run(encoder, batches)
        meters = [timed(encoder, batches, MatrixRate(device, dtype, peak)) for _ in range(repeats)]
        pooling = pooling_seconds(encoder, batches[len(batches) // 2])
    seconds = statistics.median(meter.seconds for meter in meters)
    pooled = pooling * samples / sum(lengths[len(batches) // 2])
    return Forward(
        way="plain" if plain else "inference",
        batch_seconds=batch_seconds,
        clips=clips / len(batches),
        share=statistics.median(operations / meter.possible for meter in meters),
        rate=operations / seconds,
        peak=statistics.median(meter.peak for meter in meters),
        speed=samples / RATE / seconds,
        clips_per_second=clips / seconds,
        padding=1 - samples / sum(len(batch) * batch[0] for batch in lengths),
        pooling=pooled / seconds,
    )


def noise(lengths: Sequence[int], device: str) -> Batch:
    """Return a batch of noise on a device."""
    return torch.randn(len(lengths), max(lengths), device=device) / 10, torch.tensor(lengths)


def timed(encoder: Encoder, batches: Sequence[Batch], meter: MatrixRate) -> MatrixRate:
    """Run all batches once, with matrix products in between, and return the meter."""
    meter.start()
    for batch in batches:
        encoder(*batch)
        meter.lap(LAP)
    meter.lap()
    return meter


def run(encoder: Encoder, batches: Sequence[Batch]) -> None:
    """Run all batches once, so that one-time work is not measured later."""
    for batch in batches:
        encoder(*batch)


def pooling_seconds(encoder: Encoder, batch: Batch) -> float:
    """Return the seconds it takes to average the hidden states of a batch over time, median of a few."""
    output, pooling = encoder(*batch), MeanPooling(encoder.hidden_size)
    states, seconds = range(encoder.num_states), []
    for _ in range(5):
        begin = time.perf_counter()
        if batch[0].is_cuda:
            torch.stack([pooling(output.hidden_states[state], output.lengths) for state in states]).cpu()
        else:
            for state in states:
                torch.stack([pooling.clip(clip) for clip in output.clips(state)])
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)
