"""Diarize emotions in recordings of any length with a trained checkpoint."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sercl.audio.resample import SAMPLE_RATE
from sercl.audio.scan import SILENCE_DBFS
from sercl.audio.sources import AudioInput, as_inputs, as_mono, name_of, reason_of
from sercl.audio.stream import Window, WindowPlan, blocks_of, in_blocks, resampled, windows
from sercl.audio.voice import VoiceDetector
from sercl.batch import AudioBatch
from sercl.diarization.frames import Stitch, runs, stitched
from sercl.diarization.postprocess import PostConfig, to_segments
from sercl.diarization.segments import NEUTRAL, Annotation
from sercl.errors import AudioError, SerclError, UsageError
from sercl.files import at_home
from sercl.memory import by_halves, halves_of
from sercl.models.device import find_device
from sercl.models.encoders import infer_with
from sercl.tasks.checkpoint_paths import checkpoint_of
from sercl.tasks.models import FrameModel
from sercl.tasks.predictor import Failure

Mask = NDArray[np.bool_]
"""`[frames]`, true for non-speech."""


def quiet_frames(waveform: Tensor, frames: int, hop: int) -> Mask:
    """Return the frames whose peak is below the level at which a clip counts as silent.

    Args:
        waveform: `[n]` at 16 kHz.
        frames: Number of frames; frame i covers samples `i * hop` to `(i + 1) * hop`.
        hop: Samples from one frame to the next.
    """
    needed = frames * hop
    padded = torch.nn.functional.pad(waveform, (0, max(0, needed - len(waveform))))[:needed]
    peaks = padded.abs().reshape(frames, hop).amax(dim=1)
    quiet: Mask = (peaks < 10 ** (SILENCE_DBFS / 20)).numpy()
    return quiet


def voiceless_frames(detector: VoiceDetector, waveform: Tensor, frames: int, hop: int) -> Mask:
    """Return the frames whose middle is not in speech; arguments as `quiet_frames`."""
    middles = (np.arange(frames) + 0.5) * hop / SAMPLE_RATE
    voiceless = np.ones(frames, dtype=bool)
    for start, end in detector.speech([waveform])[0]:
        voiceless &= (middles < start) | (middles >= end)
    return voiceless


_SECONDS, _CONTEXT = 30.0, 1.0


@dataclass(frozen=True)
class FrameScores:
    """Class probabilities of a recording, frame by frame.

    Attributes:
        probabilities: `[frames, classes]` float32.
        stride: Seconds from one frame to the next; frame i covers `i * stride` to `(i + 1) * stride`, the
            last one everything to the end.
        duration: Length of the recording in s.
        pauses: `(start, end)` in s of non-speech, if voice activity detection was requested.
    """

    probabilities: NDArray[np.float32]
    stride: float
    duration: float
    pauses: tuple[tuple[float, float], ...] = ()


def diarize(
    checkpoint: str | Path,
    device: str = "auto",
    encoder: str | None = None,
    post: PostConfig | None = None,
    vad: bool = False,
    window: float | None = None,
    context: float = _CONTEXT,
    precision: str = "fp32",
) -> "Diarizer":
    """Load a trained diarizer.

    Args:
        checkpoint: A file that training wrote (`best.ckpt`), or the folder of a run with one.
        device: "auto" (a GPU if available), "cpu", "cuda", "cuda:1", "mps".
        encoder: Folder of the encoder, if it has moved since training; its weights must be the same.
        post: How frame probabilities become segments; None for the checkpoint's own post-processing.
        vad: Whether non-speech (Silero) is neutral and marked. Silence is always neutral.
        window: Length in s of the windows in which long recordings are encoded; None for 30, or less if the
            encoder's limit is lower.
        context: Outer part of a window, in s, on each side, whose frames are not used.
        precision: Of the encoder: fp32, bf16 or fp16. bf16 takes about half of the time on a processor that
            has bfloat16.

    Raises:
        CheckpointError: If the file is not a checkpoint of sercl, or of another task, or the encoder's
            weights have changed.
        EncoderError: If the encoder cannot be loaded.
        UsageError: For an unavailable device or precision, or invalid windows.
    """
    task = FrameModel.restore(checkpoint_of(at_home(checkpoint)), encoder)
    return Diarizer(task, find_device(device), post, vad, window, context, precision)


class Diarizer:
    """A trained diarizer for files and waveforms.

    While it exists, the encoder runs faster on the CPU, from a copy of its weights (`inference`).

    Args:
        task: The model, whose encoder must not be changed any more.
        device: Device on which it runs.
        post: As for `diarize`; so are the others.
        vad: As for `diarize`.
        window: As for `diarize`.
        context: As for `diarize`.
        precision: As for `diarize`.

    Attributes:
        classes: Class names, in class order.
        stride: Seconds from one frame to the next.
        post: How frame probabilities become segments.
    """

    def __init__(
        self,
        task: FrameModel,
        device: torch.device,
        post: PostConfig | None = None,
        vad: bool = False,
        window: float | None = None,
        context: float = _CONTEXT,
        precision: str = "fp32",
    ) -> None:
        self._task, self._device = task.to(device).eval(), device
        infer_with(self, task.encoder, precision)
        self.classes, self.stride = tuple(task.classes), task.stride
        self.post = task.post if post is None else post
        self._plan = _plan(task, window, context)
        self._detector = VoiceDetector() if vad else None
        # One window at a time is fastest on a CPU, since a batch does not fit into its caches.
        self._at_once = 1 if device.type == "cpu" else 8

    def diarize(self, source: AudioInput) -> Annotation:
        """Return the segments of a recording, including neutral ones.

        Args:
            source: A file, or a waveform (`[samples]` or `[channels, samples]`) with its rate in Hz.

        Raises:
            AudioError: If it cannot be read or is too short for one frame.
        """
        scores = self.frames(source)
        segments = to_segments(scores.probabilities, self.classes, self.stride, scores.duration, self.post)
        return Annotation(_name(source), segments, scores.duration, scores.pauses)

    def stream(self, sources: Iterable[AudioInput] | AudioInput) -> Iterator[Annotation | Failure]:
        """Diarize recordings one after the other; an unreadable one yields a `Failure`.

        Args:
            sources: Files, or waveforms with their rate, as for `diarize`; a single one is treated as a list
                of one.
        """
        for number, source in enumerate(as_inputs(sources)):
            name = name_of(source, number)
            try:
                yield self.diarize(source)
            except SerclError as error:
                yield Failure(name, reason_of(error, name))

    def frames(self, source: AudioInput) -> FrameScores:
        """Return the class probabilities of a recording, frame by frame, read window by window.

        Args:
            source: As for `diarize`.

        Raises:
            AudioError: If it cannot be read or is too short for one frame.
        """
        samples = 0

        def counted() -> Iterator[Window]:
            nonlocal samples
            for window in windows(_blocks(source), self._plan):
                samples = window.start + len(window.waveform)
                yield window

        hop = self._plan.hop
        stitch = Stitch(self._plan.step // hop, self._plan.outer // hop)
        parts = list(stitched(self._scored(counted()), stitch))
        if not parts:
            shortest = self._task.encoder.min_samples
            raise AudioError(
                "input" if isinstance(source, tuple) else source,
                f"{1000 * samples / SAMPLE_RATE:g} ms long, too short for one frame, which takes "
                f"{1000 * shortest / SAMPLE_RATE:g} ms",
                "short",
            )
        whole, duration = np.concatenate(parts), samples / SAMPLE_RATE
        pauses = () if self._detector is None else _stretches(whole[:, -1] > 0, self.stride, duration)
        return FrameScores(whole[:, :-1], self.stride, duration, pauses)

    def _scored(self, stream: Iterator[Window]) -> Iterator[tuple[int, bool, NDArray[np.float32]]]:
        shortest = self._task.encoder.min_samples
        usable = (window for window in stream if len(window.waveform) >= shortest)
        while batch := list(islice(usable, self._at_once)):
            for window, frames in zip(batch, by_halves(self._probabilities, batch, halves_of), strict=True):
                yield window.index, window.last, frames

    @torch.inference_mode()
    def _probabilities(self, batch: list[Window]) -> list[NDArray[np.float32]]:
        audio = AudioBatch.from_clips([window.waveform for window in batch])
        probabilities, lengths = self._task(audio.to(self._device))
        rows = probabilities.float().cpu().numpy()
        return [
            self._with_neutral_pauses(row[:count], window)
            for row, count, window in zip(rows, lengths.tolist(), batch, strict=True)
        ]

    def _with_neutral_pauses(self, frames: NDArray[np.float32], window: Window) -> NDArray[np.float32]:
        """Return `[frames, classes + 1]`: probabilities, and non-speech."""
        hop = self._plan.hop
        pauses = quiet_frames(window.waveform, len(frames), hop)
        if self._detector is not None:
            pauses |= voiceless_frames(self._detector, window.waveform, len(frames), hop)
        certain = np.zeros(len(self.classes), dtype=np.float32)
        certain[self.classes.index(NEUTRAL)] = 1.0
        neutral = np.where(pauses[:, None], certain, frames)
        return np.concatenate([neutral, pauses[:, None].astype(np.float32)], axis=1)


def _plan(task: FrameModel, window: float | None, context: float) -> WindowPlan:
    most = task.encoder.max_samples
    longest = None if most is None else most / SAMPLE_RATE
    if window is not None and longest is not None and window > longest:
        raise UsageError(
            f"windows of {window:g} s are longer than the encoder {task.encoder.name!r} takes: at most "
            f"{longest:g} s."
        )
    seconds = window if window is not None else min(_SECONDS, longest or _SECONDS)
    plan = WindowPlan(seconds, context, round(task.hop))
    if plan.outer < plan.hop:
        raise UsageError(
            f"context {context:g} s: at least one frame ({task.stride:g} s), since an encoder may leave the "
            "last frame of a window out."
        )
    return plan


def _stretches(mask: NDArray[np.bool_], stride: float, duration: float) -> tuple[tuple[float, float], ...]:
    """Return start and end in s of every run of true frames; the last frame extends to the end."""
    return tuple(
        (first * stride, duration if last == len(mask) else last * stride)
        for first, last, there in runs(mask.tolist())
        if there
    )


def _blocks(source: AudioInput) -> Iterator[torch.Tensor]:
    if isinstance(source, str | Path):
        return blocks_of(source)
    samples, rate = as_mono(source)
    return resampled(in_blocks(samples), rate)


def _name(source: AudioInput) -> str:
    return Path(source).stem if isinstance(source, str | Path) else "input"
