"""A fake IEMOCAP with its evaluation sub-folders, transcripts and stray `._` files."""

from pathlib import Path

from sercl.testing.corpora.clips import Clips, FakeSize

SPEAKERS = tuple(f"Ses0{session}{letter}" for session in range(1, 6) for letter in "FM")

_NAMES = {
    "neu": "neutral",
    "ang": "angry",
    "sad": "sad",
    "hap": "happy",
    "exc": "excited",
    "fru": "frustrated",
    "sur": "surprised",
    "fea": "fearful",
    "dis": "disgusted",
    "oth": "other",
    "xxx": "unknown",
}
_RARE = ("fru", "sur", "fea", "dis", "oth", "xxx")


def fake_iemocap(root: Path, size: FakeSize) -> Path:
    """Write an IEMOCAP below `root` and return the corpus folder.

    Each speaker has `per_emotion` utterances labelled neutral, angry and sad, as many that are happy or
    excited in turn, and one of each other label; half of them improvised in a dialog that is named after
    the woman, half scripted in one named after the man.
    """
    folder = root / "IEMOCAP_full_release"
    clips = Clips(size, 16_000)
    speakers = size.choose(SPEAKERS)
    for session in sorted({speaker[:5] for speaker in speakers}):
        letters = [speaker[5] for speaker in speakers if speaker[:5] == session]
        for number, dialog in enumerate((f"{session}F_impro01", f"{session}M_script01_1")):
            labels = _labels(size.per_emotion)[number::2]
            _write_dialog(folder / f"Session{session[-1]}", dialog, letters, labels, clips)
    return folder


def _labels(per_emotion: int) -> list[str]:
    happy = [("hap", "exc")[number % 2] for number in range(per_emotion)]
    return [*("neu", "ang", "sad") * per_emotion, *happy, *_RARE]


def _write_dialog(session: Path, dialog: str, letters: list[str], labels: list[str], clips: Clips) -> None:
    lines, texts, start = [], [], 6.0
    for number, label in enumerate(labels):
        for letter in letters:
            # The real corpus marks utterances of unclear origin like this.
            name = f"{dialog}_{letter}XX0" if label == "xxx" else f"{dialog}_{letter}{number:03d}"
            end = start + clips.size.seconds
            clips.write(session / "sentences" / "wav" / dialog / f"{name}.wav", _NAMES[label])
            lines.append(_label_block(name, label, start, end))
            texts.append(f"{name} [{start:08.4f}-{end:08.4f}]: Excuse me.\n")
            start = end
    labelled = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n" + "".join(lines)
    _write(session / "dialog" / "EmoEvaluation" / f"{dialog}.txt", labelled)
    _write(session / "dialog" / "transcriptions" / f"{dialog}.txt", "".join(texts) + "M: [LAUGHTER]\n")
    _write_strays(session / "dialog" / "EmoEvaluation", dialog)


def _label_block(name: str, label: str, start: float, end: float) -> str:
    return (
        f"[{start:.4f} - {end:.4f}]\t{name}\t{label}\t[2.5000, 3.0000, 2.5000]\n"
        "C-E2:\tNeutral;\t()\nC-F1:\tNeutral;\t(curious)\nA-E3:\tval 3; act 2; dom  2;\t()\n\n"
    )


def _write_strays(folder: Path, dialog: str) -> None:
    _write(folder / f"._{dialog}.txt", "\0\5\26\7[6.0 - 7.0]\tSes01F_impro01_F000\tang\t[2, 2, 2]\n")
    line = f"[6.2901 - 8.2357]\t{dialog}_F000\tang\t[2.5000, 2.5000, 2.5000]\n"
    for evaluation in ("Attribute", "Categorical", "Self-evaluation"):
        _write(folder / evaluation / f"{dialog}_e2_cat.txt", line)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
