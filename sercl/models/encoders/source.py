"""From a name (short name, hub id or path) to a folder with a checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError is that of its HTTP client
    GatedRepoError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from sercl.errors import EncoderError
from sercl.files import is_dir
from sercl.models.encoder_folder import expanded, folder_named, not_here, read_json


@dataclass(frozen=True)
class Preset:
    """An encoder with a short name.

    Attributes:
        hub_id: Its repository on the hub.
        speech: Its pre-training data.
        blocks: Number of transformer blocks.
        hidden_size: Width of the hidden states.
    """

    hub_id: str
    speech: str
    blocks: int
    hidden_size: int


PRESETS: Mapping[str, Preset] = {
    # The three encoders of the source study, arXiv 2409.16920.
    "wav2vec2-zh": Preset("TencentGameMate/chinese-wav2vec2-base", "Mandarin", 12, 768),
    "wav2vec2-de": Preset("facebook/wav2vec2-base-de-voxpopuli-v2", "German", 12, 768),
    "wav2vec2-en": Preset("facebook/wav2vec2-base-960h", "English, fine-tuned for recognition", 12, 768),
    "wav2vec2-base": Preset("facebook/wav2vec2-base", "English", 12, 768),
    "xls-r-300m": Preset("facebook/wav2vec2-xls-r-300m", "128 languages", 24, 1024),
    "mms-300m": Preset("facebook/mms-300m", "about 1400 languages", 24, 1024),
    "hubert-base": Preset("facebook/hubert-base-ls960", "English", 12, 768),
    "hubert-large": Preset("facebook/hubert-large-ll60k", "English", 24, 1024),
    "wavlm-base-plus": Preset("microsoft/wavlm-base-plus", "English", 12, 768),
    "wavlm-large": Preset("microsoft/wavlm-large", "English", 24, 1024),
    "data2vec-audio-base": Preset("facebook/data2vec-audio-base", "English", 12, 768),
    "w2v-bert-2.0": Preset("facebook/w2v-bert-2.0", "143 languages", 24, 1024),
    "whisper-tiny": Preset("openai/whisper-tiny", "99 languages, recognition", 4, 384),
    "whisper-base": Preset("openai/whisper-base", "99 languages, recognition", 6, 512),
    "whisper-small": Preset("openai/whisper-small", "99 languages, recognition", 12, 768),
    "whisper-large-v3": Preset("openai/whisper-large-v3", "99 languages, recognition", 32, 1280),
}

DEFAULT = "whisper-base"
"""Preset of every model whose encoder is not named."""

_CONFIG_FILES = ["config.json", "preprocessor_config.json", "processor_config.json"]
_SAFE_WEIGHTS = ["model.safetensors", "model.safetensors.index.json", "model-*-of-*.safetensors"]
_PICKLED_WEIGHTS = ["pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model-*-of-*.bin"]


def checkpoint_folder(name: str, revision: str | None) -> Path:
    """Return the folder of the checkpoint `name`, downloading it from the hub if necessary.

    Args:
        name: A short name of `PRESETS`, a folder, or a hub id ("organisation/model").
        revision: Branch, tag or commit on the hub; None for the newest. Ignored for a folder.

    Raises:
        UnknownNameError: A word that is neither a short name nor a folder.
        EncoderError: A path without a folder, or a hub id that cannot be fetched.
    """
    if name in PRESETS:
        return _from_hub(PRESETS[name].hub_id, revision)
    path = folder_named(name, PRESETS)
    return _from_hub(name, revision) if path is None else path


def location_of(name: str) -> str:
    """Return how to find an encoder from any working folder: its folder's absolute path, or its name."""
    path = expanded(name)
    return str(path.absolute()) if name not in PRESETS and is_dir(path) else name


def check_index(path: Path) -> None:
    """Raise `EncoderError` unless a list of shards names files of its own folder."""
    shards = read_json(path).get("weight_map")
    if (
        not isinstance(shards, dict)
        or not shards
        or not all(isinstance(name, str) for name in shards.values())
    ):
        raise EncoderError(f"{path}: has no weight_map from weights to files. Fetch the checkpoint again.")
    for name in sorted(set(shards.values())):
        if Path(name).name != name or not (path.parent / name).is_file():
            raise EncoderError(
                f"{path}: {name[:80]!r} is not a file of this folder. Fetch the checkpoint again."
            )


def read_preprocessor(folder: Path) -> dict[str, Any] | None:
    """Read the feature extractor's settings; None if the checkpoint has none.

    Raises:
        EncoderError: The file does not contain a JSON object.
    """
    path = folder / "preprocessor_config.json"
    if path.is_file():
        return read_json(path)
    # Processors of transformers 5 (feature extractor and tokenizer) write one file for both.
    path = folder / "processor_config.json"
    found = read_json(path).get("feature_extractor") if path.is_file() else None
    if found is not None and not isinstance(found, dict):
        raise EncoderError(f"{path}: its feature_extractor is a JSON {type(found).__name__}, not an object.")
    return found


def has_weights(folder: Path) -> bool:
    """Return whether a checkpoint folder contains weights in a layout of the hub."""
    return _holds(folder, _SAFE_WEIGHTS) or _holds(folder, _PICKLED_WEIGHTS)


def weight_files(folder: Path) -> list[Path]:
    """Return the files of a checkpoint folder with weights or their index."""
    return [path for pattern in _SAFE_WEIGHTS + _PICKLED_WEIGHTS for path in sorted(folder.glob(pattern))]


def _holds(folder: Path, patterns: list[str]) -> bool:
    return any(next(folder.glob(pattern), None) is not None for pattern in patterns)


def _from_hub(hub_id: str, revision: str | None) -> Path:
    folder = _fetch(hub_id, revision, _CONFIG_FILES + _SAFE_WEIGHTS)
    if _holds(folder, _SAFE_WEIGHTS):
        return folder
    # Many older checkpoints exist only as a pickle, which transformers reads with weights_only=True.
    return _fetch(hub_id, revision, _CONFIG_FILES + _PICKLED_WEIGHTS)


def _fetch(hub_id: str, revision: str | None, patterns: list[str]) -> Path:
    try:
        return Path(snapshot_download(hub_id, revision=revision, allow_patterns=patterns))
    except LocalEntryNotFoundError as error:
        raise EncoderError(
            f"encoder {hub_id!r}: {not_here(hub_id)}there is no network (or HF_HUB_OFFLINE is set) and the "
            f"model is not in the local cache. On a machine with network run: hf download {hub_id} "
            "--local-dir FOLDER; copy FOLDER here and give it as the encoder: --model.encoder FOLDER, or "
            "with a checkpoint --encoder FOLDER."
        ) from error
    except RevisionNotFoundError as error:
        raise EncoderError(f"encoder {hub_id!r} has no revision {revision!r} on the hub.") from error
    except GatedRepoError as error:
        raise EncoderError(
            f"encoder {hub_id!r} is gated: accept its terms on https://huggingface.co/{hub_id}, then run: "
            "hf auth login"
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise EncoderError(
            f"encoder {hub_id!r}: {not_here(hub_id)}it is neither a folder here nor a model on the hub. "
            f"Short names: {', '.join(PRESETS)}."
        ) from error
    except HTTPError as error:
        raise EncoderError(f"encoder {hub_id!r} cannot be fetched from the hub: {error}") from error
