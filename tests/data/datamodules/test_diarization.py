from dataclasses import replace

import pytest
import torch

from sercl.batch import FrameBatch
from sercl.corpora.folds import FoldConfig
from sercl.data import datamodules
from sercl.data.clips.config import ClipConfig
from sercl.data.config import LoaderConfig
from sercl.data.datamodules import Diarization, Manifest, diarization
from sercl.errors import FoldError, ManifestError, UsageError
from tests.data.corpora import EMODB_LETTERS, write_manifest, write_rows

# Tones are no speech, and some of the fakes are shorter than 0.2 s.
WHOLE = ClipConfig(voice="none", min_piece=0.1)


def ready(*corpora, clips=WHOLE, **options):
    module = Diarization(list(corpora), clips=clips, **options)
    module.setup("fit")
    return module


def speakers(module, part):
    return {piece.speaker for clip in module.source(part).epoch(0) for piece in clip.pieces}


def test_parts_are_built_of_disjoint_speakers(emodb):
    module = ready(datamodules.EmoDB(emodb))
    parts = [speakers(module, part) for part in ("train", "validation", "test")]
    assert all(parts)
    assert sum(map(len, parts)) == len(set.union(*parts))


def test_batches_hold_audio_and_labels(emodb):
    module = ready(datamodules.EmoDB(emodb), loader=LoaderConfig(batch_size=4))
    for loader in (module.train_dataloader(), module.val_dataloader(), module.test_dataloader()):
        batch = next(iter(loader))
        assert isinstance(batch, FrameBatch)
        assert 1 <= len(batch) <= 4
        valid = (batch.labels >= 0).sum(dim=1)
        assert valid.tolist() == [-(-n // 64) for n in batch.lengths.tolist()]
        assert set(batch.labels.unique().tolist()) <= {-100, 0, 1, 2, 3}


def test_training_clips_change_with_the_epoch_and_held_out_ones_do_not(emodb):
    module = ready(datamodules.EmoDB(emodb))
    train, held = module.train_dataloader(), module.val_dataloader()

    def seen(loader, epoch):
        loader.batch_sampler.set_epoch(epoch)
        return {id: row for batch in loader for id, row in zip(batch.ids, batch.waveforms, strict=True)}

    assert seen(train, 0).keys() != seen(train, 1).keys()
    first, second = seen(held, 0), seen(held, 1)
    assert all(torch.equal(first[id], second[id]) for id in first)
    again = ready(datamodules.EmoDB(emodb)).train_dataloader()
    one, other = seen(train, 1), seen(again, 1)
    assert one.keys() == other.keys()


def test_several_corpora_are_used_together(emodb, manifest):
    module = ready(datamodules.EmoDB(emodb), Manifest(manifest, name="own", language="fr"))
    assert {corpus for corpus, _ in speakers(module, "train")} == {"EmoDB", "own"}
    assert module.languages == ("de", "fr")
    report = module.report
    assert report.name == "EmoDB + own"
    assert report.splits["train"].utterances == len(module.splits["train"].utterances)
    assert set(report.splits["train"].speakers) == {
        f"{corpus} {speaker}" for corpus, speaker in speakers(module, "train")
    }
    assert list(module.folds_in_use) == ["EmoDB", "own"]
    assert report.to_dict()["classes"] == ["angry", "happy", "neutral", "sad"]


def test_the_report_says_what_the_clips_are_made_of(emodb):
    module = ready(datamodules.EmoDB(emodb), clips=ClipConfig(voice="none", min_piece=0.2))
    notes = module.report.notes
    count = module.source("train").count
    assert any(note.startswith(f"train: {count} clips an epoch of 3 speakers (") for note in notes)
    assert any(note.endswith("; N neutral, E emotion)") for note in notes)
    assert any("left out of the clips (less than 0.2 s of speech)" in note for note in notes)


def test_counts_can_be_chosen(emodb):
    module = ready(
        datamodules.EmoDB(emodb), clips=ClipConfig(voice="none", min_piece=0.1, per_epoch=7, held_out=3)
    )
    assert [module.source(part).count for part in ("train", "validation", "test")] == [7, 3, 3]
    assert sum(len(batch) for batch in module.train_dataloader()) == 7


def test_class_seconds_are_those_of_the_clips(emodb):
    module = ready(datamodules.EmoDB(emodb))
    seconds = module.train_class_seconds
    assert list(seconds) == module.classes
    total = sum(piece.seconds for clip in module.source("train").epoch(0) for piece in clip.pieces)
    assert sum(seconds.values()) == pytest.approx(total)
    assert min(seconds.values()) > 0


def test_saved_clips_can_be_used_again_with_another_seed(emodb, tmp_path):
    module = ready(datamodules.EmoDB(emodb))
    module.save_folds(tmp_path)
    assert (tmp_path / "train.csv").is_file()
    lists = ClipConfig(voice="none", min_piece=0.1, lists=str(tmp_path / "clips"))
    again = ready(datamodules.EmoDB(emodb), clips=lists, loader=LoaderConfig(seed=7))
    for part in ("train", "validation", "test"):
        assert again.source(part).fixed
        assert [clip.pieces for clip in again.source(part).epoch(3)] == [
            clip.pieces for clip in module.source(part).epoch(0)
        ]
    other_fold = datamodules.EmoDB(emodb, folds=FoldConfig(index=2))
    with pytest.raises(ManifestError, match="not in this part"):
        ready(other_fold, clips=lists)


def test_progress_of_the_search_for_speech_is_reported(emodb):
    module = Diarization([datamodules.EmoDB(emodb)])
    reports = []
    module.on_progress = lambda what, done, total: reports.append((what, done, total))
    with pytest.raises(UsageError, match="no clip can be built from 0 pieces"):
        module.setup("fit")
    last = {what: (done, total) for what, done, total in reports if "speech" in what}
    assert list(last) == [f"finding speech: {part}" for part in ("train", "validation", "test")]
    assert all(done == total for done, total in last.values())


def test_folds_change_together_and_speech_is_not_searched_twice(emodb, manifest, monkeypatch):
    module = ready(datamodules.EmoDB(emodb), Manifest(manifest, name="own"))
    assert module.fold_count == 5
    first = speakers(module, "test")
    asked = []
    cut = diarization.cut_pieces
    monkeypatch.setattr(diarization, "cut_pieces", lambda new, *rest: asked.extend(new) or cut(new, *rest))
    module.set_fold(3)
    assert first.isdisjoint(speakers(module, "test"))
    assert {corpus for corpus, _ in speakers(module, "test")} == {"EmoDB", "own"}
    assert asked == []
    with pytest.raises(UsageError, match="valid: 0 to 4"):
        module.set_fold(5)
    uneven = ready(datamodules.EmoDB(emodb), Manifest(manifest, name="own", folds=FoldConfig(count=3)))
    with pytest.raises(UsageError, match="there are EmoDB 5, own 3"):
        uneven.set_fold(1)


def test_one_corpus_whose_speakers_overlap_makes_the_whole_overlap(emodb, manifest):
    loose = Manifest(manifest, folds=FoldConfig(allow_speaker_overlap=True))
    assert Diarization([datamodules.EmoDB(emodb)]).allows_speaker_overlap is False
    assert Diarization([datamodules.EmoDB(emodb), loose]).allows_speaker_overlap is True


def test_utterances_of_all_corpora_are_known_by_id(emodb, manifest):
    module = ready(datamodules.EmoDB(emodb), Manifest(manifest, name="own"))
    ids = [utterance.id for utterance in module.utterances_in_use]
    assert set(ids) == set(module.checked)
    split = module.split_of([ids[0], ids[-1]])
    assert [utterance.corpus for utterance in split.utterances] == ["EmoDB", "own"]
    assert sum(len(batch) for batch in module.audio_dataloader()) == len(ids)


def test_corpora_that_overlap_are_refused(tmp_path):
    table = write_manifest(tmp_path / "own")
    copy = table.with_name("copy.csv")
    copy.write_text(table.read_text())
    with pytest.raises(FoldError, match=r"list and copy overlap: both have the utterance '\w+'"):
        ready(Manifest(table), Manifest(copy))
    lines = table.read_text().splitlines()[1:]
    rows = [(f"c{number}", *line.split(",")) for number, line in enumerate(lines)]
    write_rows(copy, rows, ("id", "path", "emotion", "speaker"))
    ready(Manifest(table), Manifest(copy))
    with pytest.raises(FoldError, match=r"\.wav is for \w+ in list but for \w+ in copy: the two"):
        ready(Manifest(table), Manifest(copy, folds=FoldConfig(index=1)))


def test_wrong_corpora_are_named(tmp_path, emodb):
    manifest = write_manifest(tmp_path / "own")
    with pytest.raises(UsageError, match="no corpus"):
        Diarization([])
    with pytest.raises(UsageError, match="two corpora are called EmoDB"):
        Diarization([datamodules.EmoDB(emodb), datamodules.EmoDB(emodb)])
    with pytest.raises(UsageError, match=r"labels of EmoDB .* those of list"):
        Diarization([datamodules.EmoDB(emodb), Manifest(manifest, labels="6")])
    with pytest.raises(UsageError, match="needs the class 'neutral'; the classes are angry, sad"):
        Diarization([Manifest(manifest, labels={"angry": "angry", "sad": "sad"})])
    with pytest.raises(UsageError, match=r"call setup\(\) first"):
        Diarization([Manifest(manifest)]).train_dataloader()


def test_speakers_must_be_known(tmp_path):
    manifest = write_manifest(tmp_path / "own")
    rows = [line.split(",")[:2] for line in manifest.read_text().splitlines()[1:]]
    split = ["train", "validation", "test", "train", "train"]
    rows = [(*row, split[index // 8]) for index, row in enumerate(rows)]
    table = write_rows(manifest.parent / "nameless.csv", rows, ("path", "emotion", "split"))
    folds = FoldConfig(scheme="official", allow_speaker_overlap=True)
    with pytest.raises(UsageError, match="24 utterances in train have no speaker"):
        ready(Manifest(table, folds=folds))


def test_hidden_states_cannot_stand_in_for_audio(emodb):
    module = Diarization([datamodules.EmoDB(emodb)])
    assert module.can_use_features is False
    with pytest.raises(UsageError, match="cannot be used with pooled"):
        module.use_features({})


@pytest.mark.shared
def test_real_recordings(shared, tmp_path, monkeypatch):
    monkeypatch.setenv("SERCL_ALLOW_FOLDERS", str(shared))
    files = sorted((shared / "data" / "emodb" / "wav").iterdir())
    emotions = {letter: emotion for emotion, letter in EMODB_LETTERS.items()}
    rows = [(path, emotions[path.stem[5]], path.stem[:2]) for path in files[::4]]
    module = ready(Manifest(write_rows(tmp_path / "some.csv", rows)), clips=ClipConfig(held_out=8))
    assert module.source("train").count > 30
    batch = next(iter(module.val_dataloader()))
    assert batch.lengths.max() <= 20 * 16_000
    assert batch.waveforms.isfinite().all()


def test_clips_for_validation_can_be_drawn_by_chance(emodb):
    plain = ready(datamodules.EmoDB(emodb))
    config = replace(WHOLE, random_validation=0.25)
    module = ready(datamodules.EmoDB(emodb), clips=config)
    train, validation = (module.source(part) for part in ("train", "validation"))
    assert train.fixed
    assert validation.count == max(1, round(0.25 * (train.count + validation.count)))
    ids = [clip.id for source in (train, validation) for clip in source.epoch(0)]
    assert len(ids) == len(set(ids))
    assert speakers(module, "validation") <= speakers(module, "train")
    assert speakers(module, "train") == speakers(plain, "train") | speakers(plain, "validation")
    assert not speakers(module, "test") & speakers(module, "train")
    assert set(module.speakers_in("validation")) == set(module.speakers_in("train"))
    assert any(
        "drawn at random, so their speakers are also in training" in note for note in module.report.notes
    )
    again = ready(datamodules.EmoDB(emodb), clips=config)
    assert again.source("validation").epoch(0) == validation.epoch(1)


def test_a_corpus_may_lack_a_class_that_another_has(emodb, tmp_path):
    whole = write_manifest(tmp_path / "own", speakers=5)
    rows = [line.split(",") for line in whole.read_text().splitlines()[1:] if "sad" not in line]
    lacking = write_rows(whole, rows)
    module = ready(datamodules.EmoDB(emodb), Manifest(lacking, name="Own"))
    assert module.splits["train"].labels.count(3) > 0
    with pytest.raises(FoldError, match="no training utterance of sad"):
        ready(Manifest(lacking, name="Own"))


def test_clips_of_everything_are_for_training(emodb):
    module = ready(datamodules.EmoDB(emodb, folds=FoldConfig(scheme="none")))
    assert len(speakers(module, "train")) == 5
    assert list(module.val_dataloader()) == list(module.test_dataloader()) == []
    assert not any("clips" in note and not note.startswith("train") for note in module.report.notes)
