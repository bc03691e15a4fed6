from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Self

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from sercl.audio.preprocess import PreprocessConfig
from sercl.audio.scan import Memory as ScanMemory
from sercl.audio.scan_cache import ScanCache
from sercl.audio.speech_cache import SpeechCache
from sercl.corpora.base import Utterance
from sercl.corpora.folds import Fold, save_fold
from sercl.data.clips.dataset import FrameItem
from sercl.data.dataset import FeatureItem, Item
from sercl.data.report import Checked, DataReport, Progress
from sercl.data.speech import SpeechMemory
from sercl.data.split import Split, domain_loader, likeness
from sercl.errors import UsageError

Loader = DataLoader[Item] | DataLoader[FeatureItem] | DataLoader[FrameItem]


class Memories(NamedTuple):
    """Caches of work on audio that has not changed.

    Attributes:
        scans: Of audio checks; None to decode everything.
        speech: Of where the speech of clips is; None to search it again.
    """

    scans: ScanMemory | None = None
    speech: SpeechMemory | None = None

    @classmethod
    def stored_in(cls, folder: Path) -> Self:
        """Return those on disk; the folder is created when something is stored."""
        return cls(ScanCache(folder), SpeechCache(folder))


def speakers_of(utterances: Iterable[Utterance]) -> list[str]:
    """Return the known speakers as "corpus speaker", sorted: two corpora may both have a speaker "01"."""
    return sorted({item.person for item in utterances if item.person is not None})


class EmotionDataModule(LightningDataModule, ABC):
    """Interface of the data of training and testing: one corpus, or a pair of them.

    `classes` and `stages` are available at once, everything else after `setup`.

    Attributes:
        on_progress: Called with the progress of the audio check; None for no report.
        memories: Caches of earlier audio checks and searches for speech.
        preprocess: What is done to every clip before the encoder; see `use_preprocessing`.
        task_name: What the batches are for: "classification" or "diarization".
    """

    task_name = "classification"

    def __init__(self) -> None:
        super().__init__()
        self.on_progress: Progress | None = None
        self.memories = Memories()
        self.preprocess = PreprocessConfig()
        self._features: Mapping[str, Tensor] | None = None
        self._hears_target = False

    def list_corpora(self) -> None:
        """Before `setup`: list the corpora in use, if they are not yet; no audio is opened.

        Raises:
            CorpusError: If a folder is not the corpus, or has problems that are not skipped.
        """

    @abstractmethod
    def setup(self, stage: str | None = None) -> None:
        """Prepare all parts; a second call does nothing."""

    @property
    @abstractmethod
    def classes(self) -> list[str]:
        """Class names; their index is the class index."""

    @property
    @abstractmethod
    def label_map(self) -> dict[str, list[str]]:
        """Class -> emotions that belong to it, in class order."""

    @property
    @abstractmethod
    def can_use_features(self) -> bool:
        """Whether every clip is the same in every epoch, so that its hidden states can be stored."""

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the training stages, in order: one, except for two-stage training."""
        return ("train",)

    def set_stage(self, stage: str) -> None:
        """Set the training stage whose data are used; raises `UsageError` for one not in `stages`."""
        if stage not in self.stages:
            raise UsageError(f"there is no training stage {stage!r}; valid: {', '.join(self.stages)}.")

    def use_preprocessing(self, config: PreprocessConfig) -> None:
        """Before `setup`: prepare every clip of all corpora in this way."""
        self.preprocess = config

    def use_every_part(self) -> None:
        """Prepare all parts of all corpora in `setup`, including those that the setting does not use."""

    def score_only(self, part: str) -> None:
        """Before `setup`: prepare only the part that a trained model is scored on.

        Args:
            part: "validation", "test", or "whole": all of a corpus that the model was not trained on.
        """

    def is_known_to(self, corpora: Iterable[str]) -> bool:
        """Return whether any of the data are from one of some corpora; True by default."""
        return True

    def epoch_limit(self, stage: str) -> int | None:
        """Maximum number of epochs of a stage, besides the trainer's limit; None for no other limit."""
        return None

    @property
    def shares_epochs(self) -> bool:
        """Whether all stages share the trainer's epochs, rather than each having them."""
        return False

    @property
    def trains_on_everything(self) -> bool:
        """Whether everything is for training, and nothing for validation and test."""
        return False

    @property
    def continues_from(self) -> str:
        """The weights of a stage that the next one continues from: "best" or "last"."""
        return "best"

    @property
    @abstractmethod
    def fold_count(self) -> int:
        """Number of folds of the scheme."""

    @abstractmethod
    def set_fold(self, index: int) -> None:
        """Switch to another fold without listing or checking utterances again.

        Args:
            index: From 0 to `fold_count - 1`.

        Raises:
            UsageError: If there is no such fold.
            FoldError: As `setup`.
        """

    @property
    @abstractmethod
    def checked(self) -> Mapping[str, Checked]:
        """All usable utterances of all folds so far, by id."""

    @property
    @abstractmethod
    def splits(self) -> Mapping[str, Split]:
        """The parts "train", "validation" and "test" of the current stage."""

    @property
    @abstractmethod
    def folds_in_use(self) -> Mapping[str, Fold]:
        """The checked folds of the data, by corpus name; by "source" and "target" for a pair."""

    @property
    def training_folds(self) -> Mapping[str, Fold]:
        """`folds_in_use`, with training utterances repeated as often as they occur in an epoch."""
        return self.folds_in_use

    @property
    @abstractmethod
    def report(self) -> DataReport:
        """What is used, what is left out, and notes for every result."""

    @property
    def unlabelled(self) -> Split | None:
        """Utterances of the target for training without labels; None if there are none."""
        return None

    @property
    def source_test(self) -> "EmotionDataModule | None":
        """The test part of the first of two stages' corpus, by itself; None where there is only one stage.

        It shows how much of the source the second stage forgets.
        """
        return None

    def use_unlabelled(self, wanted: bool = True) -> None:
        """Include utterances of the target without labels in training batches, or stop doing so.

        Raises:
            UsageError: If there is no target.
        """
        if wanted and self.unlabelled is None:
            raise UsageError(
                f"adversarial training uses a second corpus without labels; {type(self).__name__} has none. "
                "Use --data LanguagePair --data.setting zero-shot, or --model.adversarial.weight 0."
            )
        self._hears_target = wanted

    @property
    def all_splits(self) -> tuple[Split, ...]:
        """The parts of all stages, in the order of their use."""
        return tuple(self.splits.values())

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO 639-1 codes of the utterances in use, sorted."""
        return tuple(sorted({utterance.language for utterance in self.utterances_in_use}))

    @property
    def train_labels(self) -> list[int]:
        """Class index of every training utterance of the current stage."""
        return list(self.splits["train"].labels)

    def speakers_in(self, part: str) -> list[str]:
        """Return the known speakers of a part of the current stage, as "corpus speaker", sorted.

        Speakers of unlabelled training utterances are included.
        """
        return speakers_of(item for split in self._splits_in(part) for item in split.utterances)

    def audio_keys_in(self, part: str) -> set[str]:
        """Return the hashes of the samples of a part of the current stage, as in `audio_keys`.

        Unlabelled training recordings are included.
        """
        return {key for split in self._splits_in(part) for key in split.audio_keys}

    def likenesses_in(self, part: str) -> set[str]:
        """Return the `likeness` of a part's recordings in the current stage, also of slightly longer copies.

        Recordings whose file name is not unique are left out, since it does not identify them.
        """
        splits = self._splits_in(part)
        files = {item.id: item.path for split in splits for item in split.utterances}  # some are repeated
        names = Counter(path.stem.lower() for path in files.values())
        rows = (row for split in splits for row in zip(split.utterances, split.seconds, strict=True))
        own = [(item, seconds) for item, seconds in rows if names[item.path.stem.lower()] == 1]
        return {likeness(item, seconds + more) for item, seconds in own for more in (-0.01, 0.0, 0.01)}

    def _splits_in(self, part: str) -> list[Split]:
        others = self.unlabelled if self._hears_target and part == "train" else None
        return [self.splits[part], *([others] if others else [])]

    def corpora_in(self, parts: Iterable[str]) -> set[str]:
        """Return the names of the corpora of some parts of the current stage, including unlabelled ones."""
        splits = [self.splits[part] for part in parts]
        if self._hears_target and (unlabelled := self.unlabelled) is not None:
            splits.append(unlabelled)
        return {item.corpus for split in splits for item in split.utterances}

    @property
    @abstractmethod
    def allows_speaker_overlap(self) -> bool:
        """Whether speakers may be in both training and test."""

    @property
    def audio_keys(self) -> dict[str, str]:
        """Utterance id -> hash of its samples and their rate, for all `checked` utterances."""
        return {id: item.audio_key for id, item in self.checked.items()}

    @property
    def utterances_in_use(self) -> list[Utterance]:
        """All utterances of all parts and stages, each once."""
        used = {id: split.utterances[index] for id, (split, index) in self._locations().items()}
        return list(used.values())

    def save_folds(self, folder: Path) -> None:
        """Write the exact lists: `folder/train.csv` and so on, below `source` and `target` for a pair."""
        for name, fold in self.folds_in_use.items():
            save_fold(fold, folder if len(self.folds_in_use) == 1 else folder / name.replace("/", "_"))

    def use_features(self, features: Mapping[str, Tensor] | None) -> None:
        """From now on load pooled hidden states instead of audio; None switches back to audio.

        Args:
            features: Utterance id -> `[states, dim]` float32, for all of `utterances_in_use`.

        Raises:
            UsageError: If training clips are augmented, which features computed once would ignore.
        """
        if features is not None and not self.can_use_features:
            raise UsageError("augmentation changes audio, so it cannot be used with pooled hidden states.")
        self._features = features

    @property
    def serves_features(self) -> bool:
        """Whether batches hold pooled hidden states, so that no encoder runs."""
        return self._features is not None

    def stacked_features(self, ids: Sequence[str]) -> Tensor:
        """Return pooled hidden states of some `utterances_in_use`, `[len(ids), states, dim]` float32.

        Raises:
            UsageError: If audio is served.
        """
        if self._features is None:
            raise UsageError("there are no hidden states: audio is used. Call use_features first.")
        return torch.stack([self._features[id] for id in ids])

    @abstractmethod
    def split_of(self, ids: Sequence[str]) -> Split:
        """Return some `checked` utterances as a split."""

    def audio_dataloader(
        self, ids: Sequence[str] | None = None, *, batch_seconds: float = 60.0, workers: int = 0
    ) -> Loader:
        """Return `AudioBatch`es without augmentation, the longest first; processes may get unequal numbers.

        Args:
            ids: Ids of `checked` utterances; by default all of `utterances_in_use`.
            batch_seconds: Upper bound of a batch in s of padded audio.
            workers: Processes that decode ahead.
        """
        split = self.split_of(list(self._locations()) if ids is None else ids)
        config = replace(split.config, batch_size=0, batch_seconds=batch_seconds, workers=workers)
        return replace(split, config=config).audio_loader(training=False, even=False)

    def plain_train_dataloader(self) -> Loader:
        """Return the training part once, in a fixed order and without augmentation, to fit a standardiser."""
        return self._loader("train")

    def use_target_statistics(self) -> None:
        """Before `setup`: have a target standardised by its training part, without labels; else nothing."""

    @property
    def reference_splits(self) -> tuple[Split, ...]:
        """The parts by which each corpus is standardised: those that are trained on."""
        return (self.splits["train"],)

    def reference_dataloader(self) -> Loader:
        """Return each utterance of `reference_splits` once, without augmentation, in any of the processes."""
        ids = dict.fromkeys(item.id for split in self.reference_splits for item in split.utterances)
        split = self.split_of(list(ids))
        if self._features is None:
            return split.audio_loader(training=False, even=False)
        return split.feature_loader(self._features, training=False, even=False)

    def train_dataloader(self) -> Loader:
        """Return shuffled and, if set, augmented batches of the training part."""
        if self._hears_target and (unlabelled := self.unlabelled) is not None:
            return domain_loader(self.splits["train"], unlabelled)
        return self._loader("train", training=True)

    def val_dataloader(self) -> Loader:
        """Return the validation batches."""
        return self._loader("validation")

    def test_dataloader(self) -> Loader:
        """Return the test batches."""
        return self._loader("test")

    def predict_dataloader(self) -> Loader:
        """Return the test batches, for `trainer.predict`."""
        return self._loader("test")

    def _loader(self, part: str, training: bool = False) -> Loader:
        split = self.splits[part]
        if self._features is None:
            return split.audio_loader(training)
        return split.feature_loader(self._features, training)

    def _locations(self) -> dict[str, tuple[Split, int]]:
        return {u.id: (split, index) for split in self.all_splits for index, u in enumerate(split.utterances)}
