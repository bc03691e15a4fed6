"""Audio as callers in Python give it: a file, or samples with their rate; and clips batched by length."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from torch import Tensor

from sercl.audio.files import Samples, read
from sercl.audio.preprocess import PreprocessConfig, find_speech, prepared, speech_after
from sercl.audio.resample import SAMPLE_RATE, to_rate
from sercl.audio.scan import SILENCE_DBFS
from sercl.audio.voice import Speech, VoiceDetector
from sercl.batch import by_length
from sercl.counting import count
from sercl.errors import SerclError, UsageError

AudioInput: TypeAlias = str | Path | tuple[np.ndarray | Tensor, int]
"""A file, or a waveform (`[samples]`, or `[channels, samples]`) with its rate in Hz."""

MOST_CHANNELS = 64
"""Maximum number of channels of a waveform: more are samples, in an array `[samples, channels]`."""

WINDOW = 64
"""Number of inputs that are decoded together and sorted by length, which bounds memory on long streams."""


class DecodedInput(NamedTuple):
    """A decoded input.

    Attributes:
        number: Its position in the call.
        name: Its name in messages.
        waveform: `[samples]` float32 at 16 kHz.
        speech: Stretches of speech, if only their frames are used.
    """

    number: int
    name: str
    waveform: Tensor
    speech: tuple[Speech, ...] | None = None


def prepared_inputs(
    clips: Sequence[DecodedInput], config: PreprocessConfig, detector: VoiceDetector
) -> list[DecodedInput]:
    """Return clips as the encoder gets them.

    Args:
        clips: Clips as decoded.
        config: What is done to them.
        detector: From `voice_detector`.
    """
    found = find_speech([clip.waveform for clip in clips], config, detector)
    return [
        clip._replace(
            waveform=prepared(clip.waveform, speech, config),
            speech=speech_after(len(clip.waveform), speech, config),
        )
        for clip, speech in zip(clips, found, strict=True)
    ]


def name_of(source: AudioInput, number: int) -> str:
    """Return what messages call an input: the file as given, or "input N" for a waveform (0-based)."""
    return str(source) if isinstance(source, str | Path) else f"input {number}"


def waveform_of(source: AudioInput, start: float | None = None, end: float | None = None) -> Tensor:
    """Return an input, or a stretch of a file, as a waveform `[samples]`, float32, mono, at 16 kHz.

    Args:
        source: A file, or samples with their rate.
        start: Seconds into the file where the stretch begins, None for its start; not for samples.
        end: Seconds into the file where it ends, None for its end; not for samples.

    Raises:
        AudioError: The file or its samples are unusable.
        UsageError: For silence, or samples that are not a waveform.
    """
    samples, rate = read(Path(source), start, end) if isinstance(source, str | Path) else as_mono(source)
    peak = float(np.abs(samples).max(initial=0.0))
    if peak < 10 ** (SILENCE_DBFS / 20):
        raise UsageError(f"silent (its peak is under {SILENCE_DBFS:g} dBFS): there is no speech in it.")
    return to_rate(samples, rate)


def as_mono(waveform: tuple[np.ndarray | Tensor, int]) -> tuple[Samples, int]:
    """Return samples in memory (`[n]`, or `[channels, n]`) as mono `[n]` float32, with their rate in Hz.

    Raises:
        UsageError: For anything but a pair of samples and rate, another shape or type, no samples, or one
            that is NaN or infinite.
    """
    if not (isinstance(waveform, tuple) and len(waveform) == 2 and _is_rate(waveform[1])):
        raise UsageError(
            "is neither a file nor a waveform with its rate. Give a path, or (samples, rate) with the rate "
            "in Hz, a whole number above 0."
        )
    array = _array(waveform[0])
    _check_order(array)
    mono = array.mean(axis=0) if array.ndim == 2 else array
    if mono.ndim != 1 or mono.size == 0:
        raise UsageError(
            f"a waveform must be [samples] or [channels, samples], but has the shape {list(array.shape)}."
        )
    if not np.isfinite(mono).all():
        raise UsageError("a waveform must not have samples that are NaN or infinite.")
    return mono, int(waveform[1])


def _is_rate(value: object) -> bool:
    return isinstance(value, int | np.integer) and bool(value > 0)


def _array(samples: object) -> Samples:
    held = samples.detach().cpu().float().numpy() if isinstance(samples, Tensor) else samples
    try:
        array = np.asarray(held)
        scaled = array.astype(np.float32)
    except (TypeError, ValueError) as error:
        raise UsageError(f"a waveform must be an array of numbers, but is {samples!r:.80}.") from error
    if array.dtype.kind in "iu":
        raise UsageError(
            f"a waveform must be of floats from -1 to 1, but is of {array.dtype}. Divide it by its largest "
            "possible value (int16: samples / 32768)."
        )
    return scaled


def _check_order(array: Samples) -> None:
    if array.ndim == 2 and array.shape[0] > min(array.shape[1], MOST_CHANNELS):
        raise UsageError(
            f"a waveform must be [channels, samples], but would have {array.shape[0]} channels of "
            f"{count(array.shape[1], 'sample')}. Transpose it (samples.T): soundfile.read returns [samples, "
            "channels]."
        )


def as_inputs(inputs: Any) -> Iterable[Any]:
    """Return inputs as an iterable: a single one (a path, or `(samples, rate)`) as a list of one."""
    is_pair = isinstance(inputs, tuple) and len(inputs) == 2
    is_waveform = is_pair and any(isinstance(part, int | float | np.number) for part in inputs)
    if (
        is_waveform
        or isinstance(inputs, str | Path | np.ndarray | Tensor)
        or not isinstance(inputs, Iterable)
    ):
        return [inputs]
    return inputs


def reason_of(error: SerclError, name: str) -> str:
    """Return an error's text without the leading name of the input."""
    return str(error).removeprefix(f"{name}: ")


def batches(clips: Sequence[DecodedInput], seconds: float) -> Iterator[list[DecodedInput]]:
    """Yield clips, shortest first, in batches of at most `seconds` s of padded audio (or a single clip)."""
    for batch in by_length([len(clip.waveform) for clip in clips], seconds * SAMPLE_RATE):
        yield [clips[index] for index in batch]
