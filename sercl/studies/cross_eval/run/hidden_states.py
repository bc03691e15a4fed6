"""The hidden states of a study, computed and stored before anything is trained on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import lightning.pytorch as L

from sercl.errors import UsageError
from sercl.features.compute import features_of
from sercl.features.config import FeatureConfig
from sercl.features.extraction import Progress
from sercl.studies.cross_eval.plan.corpora import CutCorpus
from sercl.studies.cross_eval.plan.encoders import Encoders, EncoderSpec
from sercl.studies.cross_eval.plan.trainings import Training
from sercl.studies.cross_eval.run.works import Pending


@dataclass(frozen=True)
class HiddenStates:
    """Fills the feature store.

    Attributes:
        corpora: The corpora of the study.
        encoders: Its encoders.
        trainer: Determines the devices on which encoders run.
        config: How hidden states are computed, and where they are stored.
        on_progress: Called with the progress of the computation.
    """

    corpora: Mapping[str, CutCorpus]
    encoders: Encoders
    trainer: L.Trainer
    config: FeatureConfig
    on_progress: Progress | None = None
    _filled: set[tuple[EncoderSpec, str, str]] = field(default_factory=set, repr=False)

    def __call__(
        self, spec: EncoderSpec, pooling: str, trainings: Sequence[Training], missing: Pending
    ) -> Path:
        """Compute the missing hidden states of some trainings and their tests, and return the store's folder.

        Raises:
            FeatureError: For hidden states that are not finite, or a store that is damaged.
            UsageError: For a corpus whose training clips are augmented.
        """
        shares = [share for training in trainings for share in training.known]
        shares += [
            test for training in trainings for test in missing.tests.get(training.address, {}).values()
        ]
        for name in sorted({share.corpus for share in shares}):
            self._fill(spec, pooling, self.corpora[name])
        return self.config.folder

    def _fill(self, spec: EncoderSpec, pooling: str, corpus: CutCorpus) -> None:
        if not corpus.data.can_use_features:
            raise UsageError(
                f"study.corpora.{corpus.name}: augmentation changes audio, so it cannot be combined with "
                f"adapter 'none', which uses hidden states computed once."
            )
        if (spec, pooling, corpus.name) not in self._filled:
            features_of(
                self.encoders.load(spec),
                corpus.data,
                self.trainer,
                pooling=pooling,
                config=self.config,
                on_progress=self.on_progress,
            )
            self._filled.add((spec, pooling, corpus.name))
