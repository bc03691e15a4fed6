"""Short names for encoders on the Hugging Face hub. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """An encoder known by a short name.

    Attributes:
        hub_id: Its repository on the hub.
        speech: What it was pre-trained on.
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
