from collections import Counter
from dataclasses import replace
from io import StringIO

import pytest
import torch
from rich.console import Console

from sercl.corpora.folds import FoldConfig
from sercl.data import datamodules
from sercl.data.clips.config import ClipConfig
from sercl.data.config import LoaderConfig
from sercl.data.datamodules import Corpora, Diarization, LanguagePair, Manifest
from sercl.errors import FoldError, UnknownNameError, UsageError
from sercl.reports.data import data_table
from tests.data.corpora import EMOTIONS, write_emodb, write_manifest, write_rows


@pytest.fixture
def joined(emodb, manifest):
    def make(**options):
        own = Manifest(manifest, name="Own", language="it")
        return Corpora([datamodules.EmoDB(emodb), own], **options)

    return make


def test_parts_are_those_of_all_corpora(joined):
    module = joined()
    module.setup("fit")
    alone = [corpus.splits for corpus in module.corpora]
    for part, split in module.splits.items():
        expected = [item.id for splits in alone for item in splits[part].utterances]
        assert [item.id for item in split.utterances] == expected
    assert module.languages == ("de", "it")
    loaded = [id for batch in module.train_dataloader() for id in batch.ids]
    assert sorted(loaded) == sorted(item.id for item in module.splits["train"].utterances)
    assert module.corpus == "EmoDB + Own"


def test_folds_are_joined_by_index(joined):
    module = joined()
    module.setup("fit")
    tested = set()
    for index in range(module.fold_count):
        module.set_fold(index)
        assert [corpus.fold.index for corpus in module.corpora] == [index] * 2
        tested |= {item.id for item in module.splits["test"].utterances}
    assert len(tested) == 80
    with pytest.raises(UsageError, match="there is no fold 5"):
        module.set_fold(5)


def test_speakers_of_one_name_are_kept_apart(tmp_path):
    roots = [write_emodb(tmp_path / "emodb"), write_manifest(tmp_path / "own", prefix="")]
    module = Corpora([datamodules.EmoDB(roots[0]), Manifest(roots[1], name="Own")])
    module.setup("fit")
    names = {item.speaker for split in module.splits.values() for item in split.utterances}
    assert {"EmoDB 03", "Own 3"} <= names
    assert len(names) == 10
    assert module.speakers_in("train") == sorted({i.speaker for i in module.splits["train"].utterances})


@pytest.mark.parametrize(
    ("weights", "key"),
    [
        ("by-corpus", lambda item: item.corpus),
        ("by-language", lambda item: item.language),
        ("by-speaker", lambda item: item.person),
    ],
)
def test_balanced_weights_repeat_smaller_groups(tmp_path, weights, key):
    few = Manifest(write_manifest(tmp_path / "few", per_emotion=2, prefix="few"), name="Few", language="it")
    many = Manifest(
        write_manifest(tmp_path / "many", per_emotion=5, prefix="many", lowest=900.0),
        name="Many",
        language="fr",
    )
    module = Corpora([few, many], weights=weights)
    module.setup("fit")
    assert (few.languages, module.languages) == (("it",), ("fr", "it"))
    train = module.splits["train"]
    counts = Counter(map(key, train.utterances))
    assert len(set(counts.values())) == 1
    times = Counter(item.id for item in train.utterances)
    assert {times[item.id] for item in many.splits["train"].utterances} == {1}
    assert {times[item.id] for item in few.splits["train"].utterances} == {2, 3}
    assert module.train_labels == list(train.labels)
    again = Corpora([few, many], weights=weights).splits["train"]
    assert again.utterances == train.utterances
    other = Corpora([few, many], weights=weights, loader=LoaderConfig(seed=1))
    assert other.splits["train"].utterances != train.utterances
    held_out = module.splits["test"].utterances
    assert len(held_out) == len({item.id for item in held_out})
    assert any(f"weights {weights}" in note for note in module.report.notes)
    (fold,) = module.training_folds.values()
    assert Counter(item.id for item in fold.train) == times
    assert len(module.fold.train) == len(times)
    loaded = [id for batch in module.train_dataloader() for id in batch.ids]
    assert Counter(loaded) == times


def test_orders_depend_on_the_epoch_only(joined):
    def order(epoch):
        module = joined(weights="by-corpus")
        module.setup("fit")
        loader = module.train_dataloader()
        loader.batch_sampler.set_epoch(epoch)
        return [id for batch in loader for id in batch.ids]

    assert order(1) == order(1) != order(2)


def test_unknown_speakers_cannot_be_balanced(tmp_path, emodb, manifest):
    files = [row.split(",")[:2] for row in manifest.read_text().splitlines()[1:]]
    parts = ("train",) * 24 + ("validation",) * 8 + ("test",) * 8
    rows = [(*row, part) for row, part in zip(files, parts, strict=True)]
    nameless = write_rows(manifest.with_name("nameless.csv"), rows, ("path", "emotion", "split"))
    own = Manifest(nameless, name="Own", folds=FoldConfig(scheme="official", allow_speaker_overlap=True))
    module = Corpora([datamodules.EmoDB(emodb), own], weights="by-speaker")
    module.setup("fit")
    with pytest.raises(UsageError, match="weights by-speaker: the speaker of"):
        _ = module.splits


def test_a_corpus_may_lack_a_class_but_not_all_of_them(tmp_path, emodb):
    without = write_emodb(tmp_path / "other", speakers=("12", "13", "14", "15", "16"), emotions=EMOTIONS[:3])
    one, other = datamodules.EmoDB(emodb), Manifest(_table(without), name="Other")
    module = Corpora([one, other])
    module.setup("fit")
    assert "only EmoDB has sad" in module.report.notes
    assert module.report.corpora["Other"] == {"angry": 10, "happy": 10, "neutral": 10, "sad": 0}
    console = Console(width=200, record=True, file=StringIO())
    console.print(data_table(module.report))
    assert "Utterances of each corpus" in console.export_text()
    assert module.report.to_dict()["corpora"]["EmoDB"]["sad"] == 10
    with pytest.raises(FoldError, match="no training utterance of sad in any of"):
        Corpora([Manifest(_table(without), name="Other")]).setup("fit")


def _table(root):
    letters = {"W": "angry", "F": "happy", "N": "neutral", "T": "sad"}
    files = sorted((root / "wav").iterdir())
    rows = [(f"wav/{path.name}", letters[path.stem[5]], path.stem[:2]) for path in files]
    return write_rows(root / "list.csv", rows)


def test_ids_must_be_unique(tmp_path):
    one = Manifest(write_manifest(tmp_path / "a"), name="A")
    two = Manifest(write_manifest(tmp_path / "b"), name="B")
    with pytest.raises(FoldError, match=r"different clips in A and B. Ids .* `sercl corpus manifest NAME"):
        Corpora([one, two]).setup("fit")


def test_one_corpus_twice_is_an_overlap(emodb):
    module = Corpora({"one": datamodules.EmoDB(emodb), "two": datamodules.EmoDB(emodb)})
    with pytest.raises(FoldError, match="one and two overlap: both have the utterance"):
        module.setup("fit")


def test_names_of_a_map_keep_corpora_of_one_name_apart(tmp_path):
    roots = [
        write_manifest(tmp_path / name, prefix=name, lowest=lowest)
        for name, lowest in (("a", 300.0), ("b", 900.0))
    ]
    assert roots[0].name == roots[1].name
    with pytest.raises(UsageError, match="in a map instead of a list"):
        Corpora([Manifest(root) for root in roots])
    first, second = Manifest(roots[0]), Manifest(roots[1], name="Own")
    module = Corpora({"First": first, "Second": second})
    module.setup("fit")
    assert set(module.report.corpora) == {"First", "Second"}
    assert module.corpus == "First + Second"
    train = module.splits["train"]
    assert set(train.corpora) == {"First", "Second"}
    speakers = zip(train.corpora, train.utterances, strict=True)
    assert {(corpus, item.speaker.split()[0]) for corpus, item in speakers} == {
        ("First", "First"),
        ("Second", "Own"),  # a name that the manifest has of its own belongs to its speakers
    }


def test_batches_name_the_corpus_of_each_utterance(joined):
    module = joined(weights="by-corpus")
    module.setup("fit")
    owners = {id: own.corpus for own in module.corpora for id in own.checked}
    for batch in (next(iter(module.train_dataloader())), next(iter(module.test_dataloader()))):
        assert batch.corpora == tuple(owners[id] for id in batch.ids)
    ids = [id for batch in module.reference_dataloader() for id in batch.ids]
    assert sorted(ids) == sorted({item.id for item in module.splits["train"].utterances})
    module.use_features({id: torch.zeros(2, 4) for id in module.checked})
    assert next(iter(module.train_dataloader())).corpora is not None


def test_copies_across_corpora_are_noted(tmp_path, emodb):
    one = Manifest(write_manifest(tmp_path / "a", prefix="a"), name="A")
    two = Manifest(write_manifest(tmp_path / "b", prefix="b"), name="B")
    module = Corpora([one, two])
    module.setup("fit")
    assert any(note.startswith("40 recordings in more than one") for note in module.report.notes)


def test_shared_options_are_given_once(emodb, manifest):
    with pytest.raises(UsageError, match="labels of EmoDB: corpora that are used as one share their labels"):
        Corpora([datamodules.EmoDB(emodb, labels="7"), Manifest(manifest)])
    with pytest.raises(UsageError, match="loader of EmoDB"):
        Corpora([datamodules.EmoDB(emodb, loader=LoaderConfig(batch_size=2)), Manifest(manifest)])
    with pytest.raises(UsageError, match="two corpora are called EmoDB"):
        Corpora([datamodules.EmoDB(emodb)] * 2)
    with pytest.raises(UsageError, match="no corpus"):
        Corpora([])
    with pytest.raises(UnknownNameError, match="by-corpus"):
        Corpora([datamodules.EmoDB(emodb)], weights="equal")
    assert Corpora([datamodules.EmoDB(emodb)], labels="6").corpora[0].classes[-1] == "disgusted"


def test_numbers_of_folds_must_agree(emodb, manifest):
    module = Corpora([datamodules.EmoDB(emodb), Manifest(manifest, folds=FoldConfig(scheme="loso"))])
    module.corpora[0].fold_config = replace(module.corpora[0].fold_config, count=3)
    module.setup("fit")
    with pytest.raises(UsageError, match="paired by index"):
        _ = module.fold_count


@pytest.mark.parametrize("setting", ["zero-shot", "two-stage"])
def test_several_corpora_can_be_the_source_of_a_pair(joined, tmp_path, setting):
    third = Manifest(write_manifest(tmp_path / "c", prefix="c", lowest=2000.0), name="Third", language="fr")
    pair = LanguagePair(joined(weights="by-corpus"), third, setting)
    pair.setup("fit")
    assert {item.corpus for item in pair.splits["train"].utterances} == {"EmoDB", "Own"}
    assert {item.corpus for item in pair.splits["test"].utterances} == {"Third"}
    assert pair.report.name == "EmoDB + Own -> Third"
    assert set(pair.report.corpora) == {"EmoDB", "Own"}
    assert set(pair.training_folds) == {"source", "target"}
    ids = [item.id for item in pair.utterances_in_use]
    pair.use_features({id: torch.zeros(2, 4) for id in ids})
    assert next(iter(pair.train_dataloader())).features.shape[1:] == (2, 4)


def test_diarization_takes_them_as_one_corpus(joined):
    module = Diarization([joined()], ClipConfig(voice="none", min_piece=0.1))
    module.setup("fit")
    ids = {item.id for item in module.corpora[0].splits["train"].utterances}
    pieces = [piece for clip in module.source("train").epoch(0) for piece in clip.pieces]
    assert {piece.speaker[0] for piece in pieces} == {"EmoDB", "Own"}
    assert {item.id for item in module.splits["train"].utterances} == ids


def test_only_one_part_is_prepared_for_scoring(joined):
    module = joined()
    module.score_only("whole")
    module.setup("test")
    assert set(module.splits) == {"test"}
    assert len(module.splits["test"].utterances) == 80
    assert module.is_known_to(["Own"])
    assert not module.is_known_to(["RAVDESS"])


def test_all_corpora_or_none_train_on_everything(emodb, manifest):
    whole = FoldConfig(scheme="none")

    def both(first, second):
        return [datamodules.EmoDB(emodb, folds=first), Manifest(manifest, folds=second, language="it")]

    for kind in (Corpora, Diarization):
        assert kind(both(whole, whole)).trains_on_everything
        with pytest.raises(UsageError, match="only EmoDB has it"):
            assert kind(both(whole, FoldConfig())).trains_on_everything
    pair = LanguagePair(*both(whole, whole))
    pair.setup("fit")
    assert pair.trains_on_everything
    assert len(pair.splits["train"].utterances) == len(pair.source.fold.train) == 40
    assert list(pair.val_dataloader()) == list(pair.test_dataloader()) == []
    assert not any("selected on" in note for note in pair.report.notes)
    with pytest.raises(UsageError, match="leaves nothing to test on"):
        pair.set_fold(0)
