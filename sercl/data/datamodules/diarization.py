from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np

from sercl.audio.augment import Augment, AugmentConfig
from sercl.audio.preprocess import PreprocessConfig
from sercl.corpora.base import PARTS, SEEN, how_to_give
from sercl.corpora.folds import Fold
from sercl.data.clips.config import ClipConfig
from sercl.data.clips.dataset import ClipBatchSampler, ClipDataset, ClipSampler, cut_pieces
from sercl.data.clips.plan import NEUTRAL_CLASS, Piece, Planner, class_seconds, load_clips, save_clips
from sercl.data.config import LoaderConfig
from sercl.data.datamodules.base import EmotionDataModule, Loader
from sercl.data.datamodules.corpus import (
    CorpusDataModule,
    all_train_on_everything,
    joint_checked,
    joint_fold_count,
    joint_split,
    set_joint_fold,
)
from sercl.data.datamodules.overlap import check_apart
from sercl.data.report import Checked, DataReport, merged_report
from sercl.data.sampler import LengthBucketBatchSampler
from sercl.data.split import Split, batches, collate_frames
from sercl.errors import UsageError


def clip_notes(
    config: ClipConfig, sources: Mapping[str, ClipSampler], without: Mapping[str, int]
) -> list[str]:
    """Return notes on the clips of each part, and on utterances with too little speech."""
    notes = [_clips_note(part, source) for part, source in sources.items() if source.count]
    if config.random_validation:
        notes.append("validation clips were drawn at random, so their speakers are also in training")
    short = f"less than {config.min_piece:g} s of speech"
    return notes + [
        f"{part}: {count} utterances left out of the clips ({short})"
        for part, count in without.items()
        if count
    ]


def _clips_note(part: str, source: ClipSampler) -> str:
    clips = source.epoch(0)
    patterns = Counter(clip.pattern for clip in clips)
    shown = ", ".join(f"{pattern} {count}" for pattern, count in patterns.most_common())
    speakers = {piece.speaker for clip in clips for piece in clip.pieces}
    per_epoch = "" if source.fixed else " an epoch"
    return (
        f"{part}: {source.count} clips{per_epoch} of {len(speakers)} speakers ({shown}; N neutral, E emotion)"
    )


class Diarization(EmotionDataModule):
    """Clips in which the emotion changes, built from the utterances of any corpora, one speaker each.

    The speakers of training, validation and test are those of each corpus's fold, so they are disjoint.
    Training clips are drawn anew for each epoch, those for validation and test once.

    Args:
        corpora: Corpora of the utterances, with their labels, folds and checks.
        clips: How clips are built.
        loader: Batches and workers of the clips, and the seed of random draws.
        augment: Augmentation of training clips; off by default.

    Raises:
        UsageError: For no corpus, two of the same name, different labels, or labels without neutral.
    """

    task_name = "diarization"

    def __init__(
        self,
        corpora: list[CorpusDataModule],
        clips: ClipConfig = ClipConfig(),
        loader: LoaderConfig = LoaderConfig(),
        augment: AugmentConfig = AugmentConfig(),
    ) -> None:
        super().__init__()
        _check(corpora)
        self.corpora, self.clip_config = list(corpora), clips
        self.preprocess = PreprocessConfig.RAW
        self.loader_config, self.augment_config = loader, augment
        self._pieces: dict[str, tuple[Piece, ...]] = {}
        self._sources: dict[str, ClipSampler] = {}

    @property
    def classes(self) -> list[str]:
        """Class names; their index is the class index."""
        return self.corpora[0].classes

    @property
    def label_map(self) -> dict[str, list[str]]:
        """Class -> emotions that belong to it, in class order."""
        return self.corpora[0].label_map

    @property
    def can_use_features(self) -> bool:
        """Never: every frame has a class, and clips change with the epoch."""
        return False

    def list_corpora(self) -> None:
        """Before `setup`: list all corpora; raises `CorpusError` as `setup`."""
        for corpus in self.corpora:
            corpus.list_corpora()

    def setup(self, stage: str | None = None) -> None:
        """List and check the corpora, detect speech and plan the clips; a second call does nothing.

        Args:
            stage: Lightning's; all parts are always prepared.

        Raises:
            CorpusError: As `CorpusDataModule.setup`.
            FoldError: As `CorpusDataModule.setup`, or if two corpora share an id or a clip.
            ManifestError: For a bad list of clips.
            UsageError: If no clip can be built.
        """
        if self._sources:
            return
        for corpus in self.corpora:
            corpus.on_progress, corpus.memories = self.on_progress, self.memories
            corpus.may_lack_classes = len(self.corpora) > 1
            corpus.use_preprocessing(self.preprocess)  # clips are cut to their speech, and matched, later
            corpus.setup(stage)
        self._check_classes()
        self._build_sources()

    @property
    def allows_speaker_overlap(self) -> bool:
        """Whether speakers of any corpus may be in both training and test."""
        return any(corpus.allows_speaker_overlap for corpus in self.corpora)

    @property
    def trains_on_everything(self) -> bool:
        """Whether everything is for training, and nothing for validation and test."""
        return all_train_on_everything(self.corpora)

    @property
    def fold_count(self) -> int:
        """Number of folds; a corpus with a single one keeps it.

        Raises:
            UsageError: If corpora have different numbers of folds, other than one.
        """
        return joint_fold_count(self.corpora, "folds", "Give all corpora the same number.")

    def set_fold(self, index: int) -> None:
        """Switch every corpus to another fold and plan its clips; speech is detected only once.

        Args:
            index: From 0 to `fold_count - 1`.

        Raises:
            UsageError: If there is no such fold.
            FoldError: As `setup`.
        """
        set_joint_fold(self.corpora, index, self.fold_count)
        self._build_sources()

    @property
    def checked(self) -> Mapping[str, Checked]:
        """All usable utterances of all folds so far, by id."""
        return joint_checked(self.corpora)

    def split_of(self, ids: Sequence[str]) -> Split:
        """Return some checked utterances as a split."""
        return joint_split(self.corpora, ids)

    def source(self, part: str) -> ClipSampler:
        """Return the clips of a part, "train", "validation" or "test"."""
        if part not in self._sources:
            raise UsageError("diarization clips: the data are not loaded yet; call setup() first.")
        return self._sources[part]

    @property
    def train_class_seconds(self) -> dict[str, float]:
        """Class -> seconds of it in the clips of the first epoch, in class order."""
        return class_seconds(self.source("train").epoch(0), self.classes)

    @property
    def splits(self) -> Mapping[str, Split]:
        """The utterances of all corpora that the clips of each part are built from."""
        return MappingProxyType({part: self._split(part) for part in PARTS})

    @property
    def folds_in_use(self) -> Mapping[str, Fold]:
        """The fold of each corpus, by its name."""
        return {corpus.title: corpus.fold for corpus in self.corpora}

    @property
    def report(self) -> DataReport:
        """What the clips are built from, what is left out, and notes for every result."""
        without = {part: sum(not own for own in self._pieces_of(part)) for part in PARTS}
        notes = clip_notes(self.clip_config, self._sources, without)
        return merged_report([corpus.report for corpus in self.corpora], notes)

    def save_folds(self, folder: Path) -> None:
        """Write the exact lists of utterances, and the clips: those of the first epoch for training."""
        super().save_folds(folder)
        for part in PARTS:
            save_clips(self.source(part).epoch(0), folder / "clips" / f"{part}.jsonl")

    def _loader(self, part: str, training: bool = False) -> Loader:
        source, config = self.source(part), self.loader_config
        augment = Augment(self.augment_config) if training and self.augment_config.enabled else None
        dataset = ClipDataset(source, self.classes, augment, config.seed)
        if training:
            slowest = 1 / min(1.0, *(self.augment_config.speed or (1.0,))) if augment else 1.0
            sampler: LengthBucketBatchSampler = ClipBatchSampler(source, config, slowest)
        else:
            bounds = (config.batch_seconds or None, config.batch_size or None)
            sampler = LengthBucketBatchSampler(source.seconds(0), *bounds, shuffle=False, seed=config.seed)
        return batches(dataset, sampler, collate_frames, config.workers)

    def _split(self, part: str) -> Split:
        parts = SEEN if self.clip_config.random_validation and part in SEEN else (part,)
        splits = [corpus.splits[name] for corpus in self.corpora for name in parts]
        return splits[0].joined(splits[1:])

    def _build_sources(self) -> None:
        parts = {corpus.title: corpus.fold.parts for corpus in self.corpora}
        check_apart(parts, self.allows_speaker_overlap)
        for part in PARTS:
            self._cut(part)
        if self.trains_on_everything:
            empty = ClipSampler([], 0, self.clip_config)
            self._sources = {part: self._source(part) if part == "train" else empty for part in PARTS}
        elif self.clip_config.random_validation:
            self._sources = {**self._mixed_sources(), "test": self._source("test")}
        else:
            self._sources = {part: self._source(part) for part in PARTS}

    def _mixed_sources(self) -> dict[str, ClipSampler]:
        """Return clips for training and validation, drawn once at random instead of by speaker."""
        config, seed = self.clip_config, self.loader_config.seed
        pieces = [piece for own in self._pieces_of("train") for piece in own]
        planner = Planner(pieces, config, seed, "clip")
        clips = [planner.plan(index) for index in range(config.per_epoch or planner.round)]
        count = max(1, round(config.random_validation * len(clips)))
        if count >= len(clips):
            raise UsageError(
                f"clips.random_validation: {len(clips)} clips are too few to train and validate on."
            )
        held = set(np.random.default_rng((seed, 0, 0)).permutation(len(clips))[:count].tolist())
        parts = {
            "train": [clip for index, clip in enumerate(clips) if index not in held],
            "validation": [clip for index, clip in enumerate(clips) if index in held],
        }
        return {part: ClipSampler(own, len(own), config) for part, own in parts.items()}

    def _check_classes(self) -> None:
        """Raise if a class is absent from training in all corpora; single corpora may lack it."""
        counts = [corpus.fold.counts["train"] for corpus in self.corpora]
        if absent := [name for name in self.classes if not any(own[name] for own in counts)]:
            names = ", ".join(corpus.title for corpus in self.corpora)
            raise UsageError(
                f"no training utterance of {', '.join(absent)} in {names}. Add a corpus that has them, "
                f"or choose other labels."
            )

    def _cut(self, part: str) -> None:
        split = self._split(part)
        if nameless := [item.id for item in split.utterances if item.speaker is None]:
            raise UsageError(
                f"clips are built speaker by speaker, but {len(nameless)} utterances in {part} have no "
                f"speaker (the first is {nameless[0]!r}). {how_to_give('speaker')}."
            )
        pairs = zip(split.utterances, split.seconds, strict=True)
        new = [(utterance, seconds) for utterance, seconds in pairs if utterance.id not in self._pieces]
        report = None if self.on_progress is None else partial(self.on_progress, f"finding speech: {part}")
        self._pieces |= cut_pieces(new, self.corpora[0].scheme, self.clip_config, report)

    def _pieces_of(self, part: str) -> list[tuple[Piece, ...]]:
        return [self._pieces[utterance.id] for utterance in self._split(part).utterances]

    def _source(self, part: str) -> ClipSampler:
        config = self.clip_config
        stored = None if config.lists is None else Path(config.lists) / f"{part}.jsonl"
        if stored is not None and stored.is_file():
            return ClipSampler(load_clips(stored, self._split(part).utterances, self.classes), 0, config)
        pieces = [piece for own in self._pieces_of(part) for piece in own]
        planner = Planner(pieces, config, self.loader_config.seed, part)
        if part == "train":
            return ClipSampler(planner, config.per_epoch or planner.round, config)
        count = config.held_out or planner.round
        return ClipSampler([planner.plan(index) for index in range(count)], count, config)


def _check(corpora: Sequence[CorpusDataModule]) -> None:
    if not corpora:
        raise UsageError("no corpus to build clips from. Give --data.corpora.")
    first, names = corpora[0], [corpus.title for corpus in corpora]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(
            f"two corpora are called {twice[0]}; give each a unique name, or conditions (where) of its own."
        )
    for other in corpora[1:]:
        # The order of the classes matters, too, which comparing dicts would miss.
        if list(other.label_map.items()) != list(first.label_map.items()):
            raise UsageError(
                f"the labels of {first.title} are {first.label_map}, those of {other.title} are "
                f"{other.label_map}. Give all corpora the same labels."
            )
    if NEUTRAL_CLASS not in first.classes:
        raise UsageError(
            f"diarization needs the class {NEUTRAL_CLASS!r}; the classes are {', '.join(first.classes)}."
        )
