"""Hidden states of an encoder as arrays, for analysis in Python; nothing is stored."""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from operator import index
from typing import overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sercl.audio.preprocess import PreprocessConfig, voice_detector
from sercl.audio.sources import (
    WINDOW,
    AudioInput,
    DecodedInput,
    as_inputs,
    batches,
    name_of,
    prepared_inputs,
    reason_of,
    waveform_of,
)
from sercl.batch import AudioBatch
from sercl.corpora.base import Utterance
from sercl.errors import AudioError, ClipLengthError, FeatureError, SerclError, UsageError
from sercl.features.rows import default_batch_seconds, rows_of
from sercl.features.wanted import check_states, frozen_pooling
from sercl.models.device import find_device, give_memory_back
from sercl.models.encoders import Encoder, block_count, inference, load_encoder
from sercl.models.pooling import Pooling

Array = NDArray[np.float32]
Done = Callable[[int, int], None]
"""Called with the number of files done, and their total."""


@overload
def embed(
    files: Iterable[AudioInput | Utterance] | AudioInput | Utterance,
    encoder: str | Encoder,
    layers: int | Sequence[int] | None = None,
    pooling: str = "mean",
    *,
    device: str = "auto",
    precision: str = "fp32",
    revision: str | None = None,
    whisper_form: str | None = None,
    last_block: int | None = None,
    batch_seconds: float | None = None,
    preprocess: PreprocessConfig = PreprocessConfig.RAW,
    on_progress: Done | None = None,
) -> Array: ...


@overload
def embed(
    files: Iterable[AudioInput | Utterance] | AudioInput | Utterance,
    encoder: str | Encoder,
    layers: int | Sequence[int] | None = None,
    *,
    pooling: None,
    device: str = "auto",
    precision: str = "fp32",
    revision: str | None = None,
    whisper_form: str | None = None,
    last_block: int | None = None,
    batch_seconds: float | None = None,
    preprocess: PreprocessConfig = PreprocessConfig.RAW,
    on_progress: Done | None = None,
) -> list[Array]: ...


def embed(
    files: Iterable[AudioInput | Utterance] | AudioInput | Utterance,
    encoder: str | Encoder,
    layers: int | Sequence[int] | None = None,
    pooling: str | None = "mean",
    *,
    device: str = "auto",
    precision: str = "fp32",
    revision: str | None = None,
    whisper_form: str | None = None,
    last_block: int | None = None,
    batch_seconds: float | None = None,
    preprocess: PreprocessConfig = PreprocessConfig.RAW,
    on_progress: Done | None = None,
) -> Array | list[Array]:
    """Compute hidden states of a speech encoder: a row per file, in order, independent of its batch.

    The encoder runs without gradients, in evaluation mode, as in all commands. Audio is decoded and encoded a
    few files at a time, so that memory grows with the result alone.

    Args:
        files: Files; waveforms (`[samples]` or `[channels, samples]`, numpy or torch) with their rate in Hz;
            or utterances of a listing, of which the stretch from `start` to `end` is read. A single one is
            treated as a list of one.
        encoder: A preset (whisper-base, wavlm-large, ...), a hub id or a folder; or one that is loaded
            (`load_encoder`, or the `encoder` of a trained task, with its adapters), which is moved to
            `device`.
        layers: Hidden states, from 0 (input of block 1) to the number of blocks: one, or several in the order
            wanted; None for all. Blocks above the highest are not loaded.
        pooling: Over time: mean, or mean+std (twice as wide); None for every frame.
        device: "auto" (a GPU if available), "cpu", "cuda", "cuda:1", "mps".
        precision: fp32, bf16 or fp16, of the forward pass.
        revision: Branch, tag or commit of the encoder on the hub.
        whisper_form: Of a Whisper encoder: padded (to 30 s, as it was trained; the default) or short (cut to
            the clip, about 9 times faster, with other hidden states).
        last_block: Cut the encoder after this block (0-based); its output is then the last hidden state, and
            passes the final norm where the encoder has one. None keeps all.
        batch_seconds: Upper bound of a batch in s of padded audio; None chooses by device.
        preprocess: What is done to the audio before the encoder; for that of a trained task,
            `task.preprocess`.
        on_progress: Called with the number of files done, and their total.

    Returns:
        float32 `[files, layers, dim]`; without pooling a list with `[layers, frames, dim]` for each file.

    Raises:
        AudioError: For the first file that cannot be used, with its name.
        FeatureError: For a file with NaN or infinite hidden states.
        EncoderError: If the encoder cannot be loaded.
        UsageError: For a layer, pooling, precision or device that does not exist, or options of loading with
            an encoder that is loaded.
    """
    sources: list[AudioInput | Utterance] = list(as_inputs(files))
    chosen_device = find_device(device)
    chosen = _states_in(layers)
    if isinstance(encoder, Encoder):
        _check_loaded(revision, whisper_form, last_block)
        model = encoder
    else:
        model = _load(encoder, chosen, revision, whisper_form, last_block)
    states = tuple(range(model.num_states) if chosen is None else chosen)
    check_states(states, model.num_states)
    pool = None if pooling is None else frozen_pooling(pooling, model.hidden_size)
    rows: list[Array] = []
    detector = voice_detector()
    with inference(model.to(chosen_device).eval(), precision), torch.no_grad():
        seconds = batch_seconds or default_batch_seconds(chosen_device)
        numbered = enumerate(sources)
        while window := list(islice(numbered, WINDOW)):
            read = [_read(number, source) for number, source in window]
            clips = prepared_inputs(read, preprocess, detector)
            rows += _embedded(clips, model, states, pool, seconds)
            give_memory_back()
            if on_progress is not None:
                on_progress(len(rows), len(sources))
    if pool is None:
        return rows
    return np.stack(rows) if rows else np.zeros((0, len(states), pool.out_dim), np.float32)


def _states_in(layers: int | Sequence[int] | None) -> tuple[int, ...] | None:
    if layers is None:
        return None
    try:
        return tuple(map(index, [layers] if isinstance(layers, int | np.integer) else layers))
    except TypeError as error:
        raise UsageError(
            f"embed: layers {layers!r}: valid: a hidden state, several ([3, 6]), or None for all; hidden "
            "states are whole numbers from 0 (input of block 1) to the number of blocks."
        ) from error


def _check_loaded(revision: str | None, whisper_form: str | None, last_block: int | None) -> None:
    given = {"revision": revision, "whisper_form": whisper_form, "last_block": last_block}
    if wrong := [name for name, value in given.items() if value is not None]:
        raise UsageError(
            f"embed: {' and '.join(wrong)} would have no effect on an encoder that is loaded. Give it to "
            "load_encoder, or give embed the encoder's name."
        )


def _load(
    name: str,
    layers: Sequence[int] | None,
    revision: str | None,
    whisper_form: str | None,
    last_block: int | None,
) -> Encoder:
    form = whisper_form or "padded"
    if layers and last_block is None:
        blocks = block_count(name, revision)
        check_states(layers, blocks + 1)
        if 0 < (top := max(layers)) < blocks:
            # No norm follows a hidden state between blocks.
            return load_encoder(
                name, revision=revision, last_block=top - 1, whisper_form=form, final_norm=False
            )
    return load_encoder(name, revision=revision, last_block=last_block, whisper_form=form)


def _embedded(
    clips: Sequence[DecodedInput],
    encoder: Encoder,
    states: Sequence[int],
    pooling: Pooling | None,
    seconds: float,
) -> list[Array]:
    """Return the hidden states of a few clips, in order."""
    found: dict[int, Array] = {}
    for batch in batches(clips, seconds):
        for clip, row in zip(batch, _encoded(batch, encoder, states, pooling), strict=True):
            if not bool(row.isfinite().all()):
                raise FeatureError(
                    f"{clip.name}: has NaN or infinite hidden states. Try precision fp32, and check the file."
                )
            found[clip.number] = row.numpy()
    return [found[clip.number] for clip in clips]


def _read(number: int, source: AudioInput | Utterance) -> DecodedInput:
    stretch = (source.start, source.end) if isinstance(source, Utterance) else (None, None)
    file: AudioInput = source.path if isinstance(source, Utterance) else source
    name = name_of(file, number)
    try:
        return DecodedInput(number, name, waveform_of(file, *stretch))
    except SerclError as error:
        kind = error.kind if isinstance(error, AudioError) else "silent"
        raise AudioError(name, reason_of(error, name), kind) from error


def _encoded(
    clips: Sequence[DecodedInput], encoder: Encoder, states: Sequence[int], pooling: Pooling | None
) -> list[Tensor]:
    batch = AudioBatch.from_clips([clip.waveform for clip in clips], speech=[clip.speech for clip in clips])
    try:
        output = encoder.encode_batch(batch.to(next(encoder.parameters()).device))
    except ClipLengthError as error:
        clip = clips[error.row]
        kind = "short" if len(clip.waveform) < encoder.min_samples else "long"
        raise AudioError(clip.name, error.reason, kind) from error
    return rows_of(output, states, pooling)
