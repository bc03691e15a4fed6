"""Fakes of the corpora whose labels are in the file names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from sercl.errors import UsageError
from sercl.testing.corpora.clips import Clips, FakeSize


@dataclass(frozen=True)
class FakeNames:
    """The true file names of a corpus, written out independently of its reader.

    Attributes:
        path: Format of a path below the corpus folder, from `speaker`, `sex`, `emotion`, `folder` (of the
            emotion), `a` and `b`.
        speakers: Speaker codes.
        emotions: Emotion name -> code in the file name, then the folder's name where it is another.
        items: The pairs `a`, `b` that distinguish utterances of one speaker and emotion.
        rate: Sample rate in Hz.
        sexes: First letter of the speaker code -> name of a folder.
    """

    path: str
    speakers: Sequence[str]
    emotions: Mapping[str, str]
    items: Sequence[tuple[str, str]]
    rate: int = 16_000
    sexes: Mapping[str, str] = field(default_factory=dict)

    def build(self, root: Path, size: FakeSize) -> Path:
        """Write the corpus below `root` and return the corpus folder.

        Raises:
            UsageError: For more utterances per emotion than the corpus can name.
        """
        if size.per_emotion > len(self.items):
            raise UsageError(f"per_emotion: {size.per_emotion}; this fake has names for {len(self.items)}.")
        clips = Clips(size, self.rate)
        items = self.items[: size.per_emotion]
        for speaker, emotion, item in product(size.choose(self.speakers), self.emotions, items):
            clips.write(root / self._path(speaker, emotion, *item), emotion)
        return root

    def _path(self, speaker: str, emotion: str, a: str, b: str) -> str:
        code, _, folder = self.emotions[emotion].partition(" ")
        sex = self.sexes.get(speaker[0], "")
        return self.path.format(speaker=speaker, sex=sex, emotion=code, folder=folder or code, a=a, b=b)
