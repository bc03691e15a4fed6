"""A fake ESD in both layouts, with the encodings and malformed transcript lines of the real one."""

from pathlib import Path

from sercl.errors import UnknownNameError
from sercl.testing.corpora.clips import Clips, FakeSize

SPEAKERS = ("0001", "0002", "0011", "0012", *(f"{number:04d}" for number in (*range(3, 11), *range(13, 21))))
LAYOUTS = ("flat", "split")

_FOLDERS = {"neutral": "Neutral", "angry": "Angry", "happy": "Happy", "sad": "Sad", "surprised": "Surprise"}
_CHINESE = {"neutral": "中立", "angry": "生气", "happy": "快乐", "sad": "伤心", "surprised": "惊喜"}
_TEXTS = {"zh": "打远一看，它们的确很是美丽。", "en": "The nine the café’s eggs, I keep."}
_ENCODINGS = {
    "zh": ("utf-16", "gb18030", "utf-8", "utf-8-sig"),
    "en": ("utf-8", "cp1252", "utf-16", "cp1252"),
}


def fake_esd(root: Path, size: FakeSize, layout: str = "flat") -> Path:
    """Write an ESD; its utterances are spread over the three parts of the official split.

    Args:
        root: Where to write; the corpus folder is the one below it that is returned.
        size: How large. Whole numbers of speakers count from 0001, so that 10 gives the Mandarin half.
        layout: "flat", or "split" for folders train, evaluation and test below each emotion.

    Raises:
        UnknownNameError: For another layout.
        UsageError: For speakers that ESD does not have.
    """
    if layout not in LAYOUTS:
        raise UnknownNameError("layout of ESD", layout, LAYOUTS)
    valid = SPEAKERS if size.speakers is None else sorted(SPEAKERS)
    folder = root / "Emotional Speech Dataset (ESD)"
    clips = Clips(size, 16_000)
    for speaker in size.choose(valid):
        _write_speaker(folder / speaker, clips, layout)
    (folder / "ReadMe.txt").write_text("Emotional Speech Dataset\n", encoding="utf-8")
    return folder


def _write_speaker(folder: Path, clips: Clips, layout: str) -> None:
    lines = []
    language = "zh" if int(folder.name) <= 10 else "en"
    for block, (emotion, name) in enumerate(_FOLDERS.items()):
        for sentence in sorted(_sentences(clips.size.per_emotion)):
            stem = f"{folder.name}_{block * 350 + sentence + 1:06d}"
            part = _part(sentence) if layout == "split" else ""
            clips.write(folder / name / part / f"{stem}.wav", emotion)
            word = _CHINESE[emotion] if language == "zh" else name
            # Some lines of the real transcripts have spaces in place of their tabs.
            lines.append((" " if sentence % 7 == 3 else "\t").join((stem, _TEXTS[language], word)))
    encoding = _ENCODINGS[language][int(folder.name) % 4]
    (folder / f"{folder.name}.txt").write_bytes("\n\n".join(lines).encode(encoding))
    (folder / f"._{folder.name}.txt").write_bytes(b"\x00\x05\x16\x07")


def _sentences(count: int) -> list[int]:
    parts = range(50, 70), range(20), range(20, 40)
    spread = [sentence for triple in zip(*parts, strict=True) for sentence in triple]
    return [*spread, *range(40, 50), *range(70, 350)][:count]


def _part(sentence: int) -> str:
    if sentence < 20:
        return "evaluation"
    return "test" if sentence < 50 else "train"
