"""Random changes to training waveforms: speed, noise, time masks and gain."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import torch
from torch import Generator, Tensor

from sercl.audio.resample import SAMPLE_RATE
from sercl.errors import UnknownNameError, UsageError
from sercl.torch_pair import torchaudio

NoiseColor = Literal["white", "pink"]

# Speed is changed by resampling, and the resampler's kernel grows with the size of the reduced fraction.
_SPEED_STEPS = 100


@dataclass(frozen=True)
class AugmentConfig:
    """Augmentation of training waveforms; off by default.

    Ranges are two numbers, low and high; a value is drawn uniformly between them for every clip and epoch.

    Args:
        speed: Range of speed factors within 0.5..2; 1.1 makes speech 10 % faster and raises its pitch as
            much.
        noise_snr_db: Range of signal-to-noise ratios in dB, over the whole clip, at which noise is added.
        noise_color: "white" (flat spectrum) or "pink" (power falling with 1 / frequency).
        time_mask: Largest fraction of a clip that is set to zero, 0..0.9; 0 masks nothing.
        time_mask_count: Number of masked spans; each at most `time_mask / time_mask_count` of the clip.
        gain_db: Range of gains in dB. Samples may leave -1..1, and are not clipped.
        probability: Probability of each change to a clip, independently of the others, 0..1.
    """

    speed: tuple[float, float] | None = None
    noise_snr_db: tuple[float, float] | None = None
    noise_color: NoiseColor = "white"
    time_mask: float = 0.0
    time_mask_count: int = 1
    gain_db: tuple[float, float] | None = None
    probability: float = 0.5

    def __post_init__(self) -> None:
        _check_range("speed", self.speed, 0.5, 2.0)
        _check_range("noise_snr_db", self.noise_snr_db, -20.0, 100.0)
        _check_range("gain_db", self.gain_db, -60.0, 60.0)
        _check_between("time_mask", self.time_mask, 0.0, 0.9)
        _check_between("probability", self.probability, 0.0, 1.0)
        if self.time_mask_count < 1:
            raise UsageError(f"time_mask_count must be 1 or more, not {self.time_mask_count}")
        if self.noise_color not in get_args(NoiseColor):
            raise UnknownNameError("noise color", self.noise_color, get_args(NoiseColor))

    @property
    def enabled(self) -> bool:
        """Whether any augmentation is on."""
        ranges = (self.speed, self.noise_snr_db, self.gain_db)
        return self.probability > 0 and (any(ranges) or self.time_mask > 0)


class Augment:
    """Applies the changes of a config in the order speed, noise, time masks, gain.

    Args:
        config: Which changes.
    """

    def __init__(self, config: AugmentConfig) -> None:
        self.config = config
        self._changes = _changes(config)

    def __call__(self, waveform: Tensor, generator: Generator) -> Tensor:
        """Change a clip; the result depends only on the clip and the generator's state.

        Args:
            waveform: `[n]`, float32, at `SAMPLE_RATE`; not modified.
            generator: A CPU generator, which is advanced.

        Returns:
            `[n]`, or `[ceil(n / factor)]` if the speed is changed.
        """
        for change in self._changes:
            if _uniform(0.0, 1.0, generator) < self.config.probability:
                waveform = change(waveform, generator)
        return waveform


def change_speed(waveform: Tensor, generator: Generator, low: float, high: float) -> Tensor:
    """Resample `[n]` by a factor between `low` and `high`, rounded to a hundredth: tempo and pitch change."""
    steps = round(_uniform(low, high, generator) * _SPEED_STEPS)
    return (
        waveform if steps == _SPEED_STEPS else torchaudio.functional.resample(waveform, steps, _SPEED_STEPS)
    )


def add_noise(waveform: Tensor, generator: Generator, low: float, high: float, color: NoiseColor) -> Tensor:
    """Add noise to `[n]` at a signal-to-noise ratio between `low` and `high` dB."""
    noise = torch.randn(len(waveform), generator=generator)
    ratio = torch.tensor(_uniform(low, high, generator))
    noisy: Tensor = torchaudio.functional.add_noise(
        waveform, _pink(noise) if color == "pink" else noise, ratio
    )
    return noisy


def mask_time(waveform: Tensor, generator: Generator, share: float, count: int) -> Tensor:
    """Set `count` spans of `[n]` to zero, each at most `share / count` of the clip long; they may overlap."""
    masked = waveform.clone()
    for _ in range(count):
        length = int(_uniform(0.0, share / count, generator) * len(waveform))
        start = int(_uniform(0.0, 1.0, generator) * (len(waveform) - length))
        masked[start : start + length] = 0
    return masked


def change_gain(waveform: Tensor, generator: Generator, low: float, high: float) -> Tensor:
    """Amplify `[n]` by a gain between `low` and `high` dB."""
    return waveform * 10 ** (_uniform(low, high, generator) / 20)


def _changes(config: AugmentConfig) -> list[Callable[[Tensor, Generator], Tensor]]:
    changes: list[Callable[[Tensor, Generator], Tensor]] = []
    if config.speed is not None:
        changes.append(partial(change_speed, low=config.speed[0], high=config.speed[1]))
    if config.noise_snr_db is not None:
        low, high = config.noise_snr_db
        changes.append(partial(add_noise, low=low, high=high, color=config.noise_color))
    if config.time_mask > 0:
        changes.append(partial(mask_time, share=config.time_mask, count=config.time_mask_count))
    if config.gain_db is not None:
        changes.append(partial(change_gain, low=config.gain_db[0], high=config.gain_db[1]))
    return changes


def _pink(white: Tensor) -> Tensor:
    """Filter white noise `[n]` so that its power falls with 1 / frequency, from 20 Hz on."""
    spectrum = torch.fft.rfft(white)
    hertz = torch.fft.rfftfreq(len(white), 1 / SAMPLE_RATE)
    pink: Tensor = torch.fft.irfft(spectrum / hertz.clamp(min=20.0).sqrt(), n=len(white))
    return pink


def _uniform(low: float, high: float, generator: Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))


def _check_range(name: str, value: tuple[float, float] | None, low: float, high: float) -> None:
    if value is not None and not (len(value) == 2 and low <= value[0] <= value[1] <= high):
        message = f"{name} must be two numbers, low and high, within {low:g}..{high:g}, not {value!r}"
        raise UsageError(message)


def _check_between(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UsageError(f"{name} must be within {low:g}..{high:g}, not {value!r}")
