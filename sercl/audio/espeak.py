"""The speech synthesiser espeak-ng, called through the library in the package `espeakng_loader`.

espeak-ng keeps its state (the voice, and the phase of its pitch flutter) in static variables, so its output
depends on everything it has said before. Every `Synthesizer` therefore loads its own copy of the library: the
same calls give the same samples, and two synthesizers never affect each other.
"""

import ctypes
import shutil
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from sercl.audio.files import Samples
from sercl.errors import MissingExtraError, SerclError, UsageError

BASE_WORDS_PER_MINUTE = 165
"""Speaking rate at tempo 1."""

SEMITONES = 9.0
"""Largest change of the voice's pitch, up or down, in semitones."""

# Constants of espeak-ng/speak_lib.h.
_SYNCHRONOUS, _DO_NOT_EXIT, _UTF8 = 2, 0x8000, 1
_RATE, _PITCH, _RANGE = 1, 3, 4
_FEWEST_WORDS, _MOST_WORDS = 80, 450
# Of the pitch parameter, 0..100 with 50 as the voice's own pitch; measured on all three languages.
_SEMITONES_PER_STEP = 0.186

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class Synthesizer:
    """One voice of espeak-ng. It is not thread-safe: use one per thread.

    Args:
        voice: espeak-ng's name of the language, with "+" and the name of a variant: "de+f1", "cmn+m3".

    Attributes:
        rate: Sampling rate of its output, Hz.

    Raises:
        MissingExtraError: The wheel is not installed.
        UsageError: espeak-ng has no such language.
    """

    def __init__(self, voice: str) -> None:
        self._library, data = _load()
        self._chunks: list[npt.NDArray[np.int16]] = []
        # Kept as an attribute: the library calls it for as long as it speaks.
        self._callback: Callable[..., int] = _Callback(self._collect)
        self.rate = int(self._library.espeak_Initialize(_SYNCHRONOUS, 0, data.encode(), _DO_NOT_EXIT))
        if self.rate < 0:
            raise SerclError(
                f"espeak-ng cannot read its data in {data}; reinstall the package espeakng-loader"
            )
        self._library.espeak_SetSynthCallback(self._callback)
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise UsageError(
                f"espeak-ng has no voice {voice!r}; name a language and a variant, as in 'de+f1'"
            )

    def speak(self, text: str, *, tempo: float = 1.0, semitones: float = 0.0, span: float = 1.0) -> Samples:
        """Synthesise a text.

        Args:
            text: In the voice's language.
            tempo: Speaking rate as a factor of `BASE_WORDS_PER_MINUTE`, 0.5..2.7; clipped to that.
            semitones: Pitch relative to the voice's own, within plus or minus `SEMITONES`; clipped to that.
            span: Pitch range as a factor of the voice's own, 0..2; clipped to that.

        Returns:
            Samples `[n]`, float32 in -1..1, at `rate`.
        """
        self._chunks.clear()
        self._set(_RATE, float(np.clip(tempo * BASE_WORDS_PER_MINUTE, _FEWEST_WORDS, _MOST_WORDS)))
        self._set(_PITCH, 50 + float(np.clip(semitones, -SEMITONES, SEMITONES)) / _SEMITONES_PER_STEP)
        self._set(_RANGE, 50 * float(np.clip(span, 0, 2)))
        encoded = text.encode()
        self._library.espeak_Synth(encoded, len(encoded) + 1, 0, 0, 0, _UTF8, None, None)
        return np.concatenate(self._chunks).astype(np.float32) / np.float32(32768)

    def _set(self, parameter: int, value: float) -> None:
        self._library.espeak_SetParameter(parameter, round(value), 0)

    def _collect(self, samples: Any, count: int, _: object) -> int:
        if samples and count > 0:
            self._chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0


def _load() -> tuple[ctypes.CDLL, str]:
    """Load a fresh copy of the library; return it and the folder of its voices."""
    try:
        import espeakng_loader
    except ImportError as error:
        raise MissingExtraError("espeakng_loader", "demo", "synthetic demo speech") from error
    # A library that is in use can be removed on Linux and macOS, not on Windows.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        library = ctypes.CDLL(shutil.copy(espeakng_loader.get_library_path(), folder))
    library.espeak_Synth.argtypes = [
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_uint,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_uint,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    return library, espeakng_loader.get_data_path()
