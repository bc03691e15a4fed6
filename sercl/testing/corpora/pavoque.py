"""A fake PAVOQUE: one FLAC file and one cutting list per style, or cut wavs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from sercl.errors import UnknownNameError
from sercl.testing.corpora.clips import Clips, FakeSize, tone

LAYOUTS = ("flac", "cut")
RATE = 44_100

_SERIES = {
    "angry": (("spike", 151), ("m", 400), ("poker_a", 9999)),
    "happy": (("poppy", 159), ("m", 400), ("poker_h", 9999)),
    "sad": (("obadiah", 124), ("m", 400), ("poker_d", 9999)),
    "poker": (("poker_p", 9999), ("m", 400)),
    "neutral": (("prudence", 112), ("a", 9999)),
}
"""Style -> its series and the number of their last cut: its own, the long one, one for whatever is left."""

_OUTTAKES = 2


def fake_pavoque(root: Path, size: FakeSize, layout: str = "flac") -> Path:
    """Write a PAVOQUE: angry, happy, sad and poker share the prompts `m`, neutral has its own.

    Args:
        root: The corpus folder.
        size: How large; the corpus has one speaker, and each style `per_emotion` utterances. With 600
            it has all cuts that the fold scheme `paper` draws from, and others.
        layout: "flac" with cutting lists and outtakes, or "cut" for one wav per utterance and no lists.

    Raises:
        UnknownNameError: For another layout.
        UsageError: For more than one speaker.
    """
    if layout not in LAYOUTS:
        raise UnknownNameError("layout of PAVOQUE", layout, LAYOUTS)
    size.choose(("pavoque",))
    root.mkdir(parents=True, exist_ok=True)
    clips = Clips(size, RATE)
    for style in _SERIES:
        prompts = _prompts(style, size.per_emotion)
        if layout == "flac":
            _write_style(root, style, prompts, size.seconds)
        else:
            for prompt in prompts:
                clips.write(root / f"{prompt}-{style}.wav", style)
    if layout == "flac":
        _write_style(root, "outtakes", [_prompts("angry", 1)[0]] * _OUTTAKES, size.seconds)
    return root


def _prompts(style: str, count: int) -> list[str]:
    (_, own), (_, shared) = _SERIES[style][:2]
    first = min((count + 1) // 2, own)
    second = min(count - first, shared)
    sizes = (first, second, count - first - second)
    return [
        f"{series}{number:04d}"
        for (series, _), size in zip(_SERIES[style], sizes, strict=False)
        for number in range(1, size + 1)
    ]


def _write_style(root: Path, style: str, prompts: Sequence[str], seconds: float) -> None:
    emotion = "unknown" if style == "outtakes" else style
    pieces = [tone(emotion, seconds, RATE, seed=number) for number in range(len(prompts))]
    soundfile.write(root / f"pavoque-{style}.flac", np.concatenate(pieces), RATE)
    entries = [_entry(prompt, style, number * seconds, seconds) for number, prompt in enumerate(prompts)]
    (root / f"pavoque-{style}.yaml").write_text("".join(entries), encoding="utf-8")


def _entry(prompt: str, style: str, start: float, seconds: float) -> str:
    head = (
        f"- prompt: {prompt}\n  text: Haben wir uns schon einmal gesehen, {prompt}?\n  style: {style}\n"
        f"  start: {start:.4f}\n  end: {start + seconds:.4f}\n"
    )
    if style == "outtakes":
        return head
    return head + (
        f"  segments:\n  - {{lab: H#, end: {seconds * 0.2:.6f}}}\n"
        f"  - {{lab: '?', end: {seconds * 0.9:.6f}}}\n  - {{lab: _, end: {seconds:.6f}}}\n"
    )
