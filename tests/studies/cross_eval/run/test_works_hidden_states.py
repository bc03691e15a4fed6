from pathlib import Path

import lightning.pytorch as L
import pytest

from sercl.audio.augment import AugmentConfig
from sercl.audio.preprocess import PreprocessConfig
from sercl.corpora.folds import FoldConfig
from sercl.data.datamodules import Manifest
from sercl.errors import UsageError
from sercl.features.config import FeatureConfig
from sercl.features.store import FeatureStore
from sercl.models.encoders import Encoder
from sercl.studies.cross_eval.plan.corpora import CutCorpus, cut_corpora
from sercl.studies.cross_eval.plan.recipes import Encoders, EncoderSpec
from sercl.studies.cross_eval.plan.trainings import Training
from sercl.studies.cross_eval.run.works import HiddenStates, Pending
from sercl.testing.encoders import tiny_encoder
from tests.data.corpora import write_manifest
from tests.studies.cross_eval.samples import FROZEN


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> EncoderSpec:
    folder = tiny_encoder("whisper", tmp_path_factory.mktemp("encoder"))
    return EncoderSpec(str(folder), None, "short", None)


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CutCorpus]:
    root = tmp_path_factory.mktemp("corpora")
    pitches = {"A": 150.0, "B": 155.0, "C": 160.0}  # equal audio would be one row in the store
    tables = {
        name: write_manifest(root / name, per_emotion=1, prefix=name, lowest=hz)
        for name, hz in pitches.items()
    }
    return cut_corpora({name: Manifest(table, folds=FoldConfig(count=4)) for name, table in tables.items()})


class CountedEncoders(Encoders):
    """Counts how often an encoder is asked for."""

    loads = 0

    def load(self, spec: EncoderSpec) -> Encoder:
        self.loads += 1
        return super().load(spec)


def quiet() -> L.Trainer:
    silent = {"logger": False, "enable_progress_bar": False, "enable_checkpointing": False}
    return L.Trainer(accelerator="cpu", devices=1, enable_model_summary=False, **silent)


def trained_on(corpus: CutCorpus) -> Training:
    parts = corpus.fold(0)
    return Training("an encoder", "none", FROZEN, (parts["train"],), (parts["validation"],), 1, None)


def stored(config: FeatureConfig, spec: EncoderSpec, corpus: CutCorpus) -> int:
    """Return how many utterances of a corpus the store knows."""
    space = FeatureStore(config.folder).open(Encoders(preprocess=PreprocessConfig()).space(spec, "mean"))
    keys = {item.audio_key for item in corpus.data.checked.values()}
    return len(keys - set(space.missing(keys)))


def test_the_store_gets_what_is_trained_and_tested_on_and_nothing_else(
    spec: EncoderSpec, corpora: dict[str, CutCorpus], tmp_path: Path
) -> None:
    config, encoders = FeatureConfig(str(tmp_path / "store")), CountedEncoders()
    states = HiddenStates(corpora, encoders, quiet(), config)
    training, test = trained_on(corpora["A"]), corpora["B"].fold(0)["test"]
    missing = Pending({training.address: {training.test_address(test): test}}, {training.address: training})
    assert states(spec, "mean", [training], missing) == config.folder
    counts = {name: stored(config, spec, corpus) for name, corpus in corpora.items()}
    assert counts == {"A": len(corpora["A"].data.checked), "B": len(corpora["B"].data.checked), "C": 0}
    assert encoders.loads == 2, "once for each corpus"
    states(spec, "mean", [training], missing)
    assert encoders.loads == 2, "a corpus that is there is not looked at again"


def test_augmented_clips_are_refused_by_the_name_of_their_corpus(spec: EncoderSpec, tmp_path: Path) -> None:
    table = write_manifest(tmp_path / "a", per_emotion=1)
    augmented = Manifest(table, folds=FoldConfig(count=4), augment=AugmentConfig(gain_db=(-6.0, 6.0)))
    corpora = cut_corpora({"Mine": augmented})
    config = FeatureConfig(str(tmp_path / "store"))
    with pytest.raises(UsageError, match=r"study\.corpora\.Mine: augmentation changes audio"):
        HiddenStates(corpora, Encoders(), quiet(), config)(
            spec, "mean", [trained_on(corpora["Mine"])], Pending()
        )
    assert not (tmp_path / "store").exists()
