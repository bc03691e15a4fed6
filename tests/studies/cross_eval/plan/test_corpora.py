from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from sercl.corpora.folds import FoldConfig
from sercl.corpora.manifest import write_manifest
from sercl.corpora.registry import read_corpus
from sercl.data.balance import WEIGHTS
from sercl.data.datamodules import RAVDESS, Corpora, Manifest
from sercl.errors import CorpusNotFoundError, FoldError, UsageError
from sercl.studies.cross_eval.plan.corpora import check_labels, cut_corpora, fold_indices, study_root
from sercl.studies.cross_eval.plan.trainings import joined, weighted
from sercl.testing.corpora import fake_corpus
from tests.data import corpora as tones
from tests.studies.cross_eval.samples import EmoDB, cut


@pytest.fixture(scope="module")
def ravdess(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_corpus("RAVDESS", tmp_path_factory.mktemp("ravdess"), speakers=8)


def test_every_fold_is_cut_and_described(ravdess: Path) -> None:
    corpus = cut_corpora({"Mine": RAVDESS(ravdess, folds=FoldConfig(count=4))})["Mine"]
    assert (len(corpus.folds), len(corpus.parts)) == (4, 4)
    tested = [key for parts in corpus.parts for key in parts["test"].keys]
    assert len(tested) == len(set(tested))
    assert {name for name, _ in tested} == {"Mine"}
    facts = corpus.facts
    assert (facts.corpus, facts.languages, facts.folds, facts.fold_count) == (
        "RAVDESS",
        ("en",),
        "speaker",
        4,
    )
    assert facts.notes == ()
    assert corpus.all_known_by_speaker


def manifest_of(ravdess: Path, path: Path, change: Callable[[Any], Any]) -> Path:
    write_manifest([change(item) for item in read_corpus("RAVDESS", ravdess).utterances], path)
    return path


def test_what_must_be_known_of_a_corpus_is_noted(ravdess: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silent.wav", np.zeros(8000), 16_000)
    first = read_corpus("RAVDESS", ravdess).utterances[0].id

    def spoken(item: Any) -> Any:
        path = tmp_path / "silent.wav" if item.id == first else item.path
        return replace(item, path=path, extra={"synthetic": "a machine"})

    table = manifest_of(ravdess, tmp_path / "table.csv", spoken)
    data = Manifest(table, on_error="skip", folds=FoldConfig(count=2))
    notes = cut_corpora({"M": data})["M"].facts.notes
    assert notes[0].startswith("all utterances are synthetic speech (a machine)")
    assert notes[1] == "1 utterance left out (1 silent)"
    assert notes[2].endswith(" beside it in no row of table.csv")


def test_unknown_speakers_are_reported() -> None:
    assert cut("A").all_known_by_speaker
    assert not cut("A", known=False).all_known_by_speaker


def test_errors_name_the_corpus_of_the_study(ravdess: Path, tmp_path: Path) -> None:
    with pytest.raises(FoldError, match="corpus 'Mine' of the study: "):
        cut_corpora({"Mine": RAVDESS(ravdess, labels={"surprised": ["surprised"], "bored": ["bored"]})})
    with pytest.raises(CorpusNotFoundError, match="nowhere"):
        cut_corpora({"Mine": EmoDB(tmp_path / "nowhere")})


def test_labels_must_be_the_same() -> None:
    check_labels({"A": EmoDB("a"), "B": RAVDESS("b")})
    check_labels({"A": EmoDB("a")})
    with pytest.raises(UsageError, match=r"of A are angry, happy \(.*\), neutral, sad, those of B are up \("):
        check_labels({"A": EmoDB("a"), "B": RAVDESS("b", labels={"up": ["happy", "angry"], "down": ["sad"]})})
    with pytest.raises(UsageError, match="they share angry, sad"):
        check_labels({"A": EmoDB("a"), "B": RAVDESS("b", labels={"angry": ["angry"], "sad": ["sad"]})})


def test_folds_of_a_pair() -> None:
    one, two, three = cut("one", 1), cut("two", 2), cut("three", 3)
    assert fold_indices([three], three) == (0, 1, 2)
    assert fold_indices([one], two) == (0, 1)
    assert fold_indices([two], one) == (0,)
    assert fold_indices([two], two, [1]) == (1,)
    assert fold_indices([two], one, [0, 1]) == (0,)
    with pytest.raises(UsageError, match="two has 2 and three has 3"):
        fold_indices([two], three)
    with pytest.raises(UsageError, match=r"study\.folds has 5, but two has folds 0 to 1"):
        fold_indices([one], two, [0, 5])
    assert one.fold(1) == one.parts[0]
    assert two.fold(1) == two.parts[1]


def test_the_folder_of_a_study_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert study_root(Path("out")) == study_root(Path("~/out")) == tmp_path / "out"


@pytest.mark.parametrize("weights", WEIGHTS)
def test_a_union_is_trained_on_what_the_corpora_as_one_are(weights: str, tmp_path: Path) -> None:
    few = tones.write_manifest(tmp_path / "few", per_emotion=2, prefix="few")
    many = tones.write_manifest(tmp_path / "many", per_emotion=3, prefix="many", lowest=900.0)

    def modules() -> list[Manifest]:
        return [Manifest(few, name="Few", language="it"), Manifest(many, name="Many", language="fr")]

    as_one = Corpora(modules(), weights=weights)
    as_one.setup("fit")
    cut = cut_corpora(dict(zip(("Few", "Many"), modules(), strict=True)))
    parts = {part: [corpus.fold(0)[part] for corpus in cut.values()] for part in ("train", "validation")}
    for part, subsets in {**parts, "train": weighted(parts["train"], weights)}.items():
        ours = Counter(item.id for item in joined(subsets).utterances)
        assert ours == Counter(item.id for item in as_one.splits[part].utterances), part
