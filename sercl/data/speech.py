"""Where the speech of a corpus is, found once for all its clips."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Protocol

from sercl.ahead import ahead, usable_cores
from sercl.audio.preprocess import PreprocessConfig, find_speech, voice_detector
from sercl.audio.resample import load
from sercl.audio.voice import Speech, VoiceDetector
from sercl.batch import by_length
from sercl.data.report import Checked
from sercl.threads import one_thread

_BATCH_SECONDS = 30.0
"""Maximum audio that each core decodes and searches together, in s; more takes memory, but no less time."""


class SpeechMemory(Protocol):
    """Stores where the speech of clips is; see `sercl.audio.speech_cache`."""

    def recall(self, audio_keys: Sequence[str], detector: str) -> Mapping[str, tuple[Speech, ...]]:
        """Return audio key -> stretches of speech, of the clips that are known."""

    def remember(self, found: Mapping[str, Sequence[Speech]], detector: str) -> None:
        """Store the stretches of speech of clips."""


def speech_of(
    clips: Sequence[Checked],
    config: PreprocessConfig,
    memory: SpeechMemory | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, tuple[Speech, ...]]:
    """Return the stretches of speech of clips by audio key, as their preprocessing needs them.

    Args:
        clips: The clips.
        config: Names the method; {} is returned if it needs no speech.
        memory: Cache of earlier searches; clips found now are added.
        on_progress: Called with the number of clips done, and their total.

    Raises:
        AudioError: If a file has become unreadable since it was checked.
        OutputError: If the cache cannot be used.
    """
    if not config.needs_speech:
        return {}
    wanted = {clip.audio_key: clip for clip in clips}
    known = dict(memory.recall(list(wanted), config.detector)) if memory is not None else {}
    missing = [clip for key, clip in wanted.items() if key not in known]
    for found in _searched(missing, config):
        known |= found
        if memory is not None:
            memory.remember(found, config.detector)
        if on_progress is not None:
            on_progress(len(known), len(wanted))
    return known


def _searched(clips: Sequence[Checked], config: PreprocessConfig) -> Iterator[dict[str, tuple[Speech, ...]]]:
    """Search clips of similar duration together, which saves padding; each core searches clips of its own."""
    batches = by_length([clip.seconds for clip in clips], _BATCH_SECONDS)
    search = partial(_found, config=config, detector=voice_detector())
    with one_thread():
        yield from ahead(search, ([clips[index] for index in batch] for batch in batches), usable_cores())


def _found(
    clips: Sequence[Checked], config: PreprocessConfig, detector: VoiceDetector
) -> dict[str, tuple[Speech, ...]]:
    own = (item.utterance for item in clips)
    found = find_speech((load(item.path, item.start, item.end) for item in own), config, detector)
    return {item.audio_key: stretches for item, stretches in zip(clips, found, strict=True)}
