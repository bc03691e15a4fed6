import json

import numpy as np
import pytest
import soundfile
import torch

from sercl.audio.augment import AugmentConfig
from sercl.corpora.folds import FoldConfig
from sercl.corpora.labels import label_scheme
from sercl.corpora.registry import read_corpus
from sercl.data import datamodules
from sercl.data.config import LoaderConfig
from sercl.data.datamodules import RAVDESS, Manifest
from sercl.errors import CorpusError, CorpusNotFoundError, FoldError, UnknownNameError, UsageError
from sercl.reports.data import left_out
from tests.data.corpora import EMOTIONS, tone, write_emodb, write_manifest, write_rows


def emodb_module(root, **options):
    return datamodules.EmoDB(root, **options)


def ready(module):
    module.setup("fit")
    return module


def files_of(module, part):
    return [utterance.path for utterance in module.splits[part].utterances]


# A damage, and the kind of problem that it is.
DAMAGES = {
    "unreadable": lambda path: path.write_bytes(b"RIFF not audio at all"),
    "empty": lambda path: path.write_bytes(b""),
    "silent": lambda path: soundfile.write(path, np.zeros(8000), 16_000),
    "short": lambda path: soundfile.write(path, tone(0.01), 16_000),
    "long": lambda path: soundfile.write(path, tone(31.0), 16_000),
    "nan": lambda path: soundfile.write(path, np.full(8000, np.nan), 16_000, subtype="FLOAT"),
}


def test_a_folder_becomes_checked_batches(emodb):
    module = ready(emodb_module(emodb))
    parts = {part: split.utterances for part, split in module.splits.items()}
    assert list(parts) == ["train", "validation", "test"]
    speakers = [{item.speaker for item in utterances} for utterances in parts.values()]
    assert sum(map(len, speakers)) == len(set.union(*speakers)) == 5
    batches = list(module.train_dataloader())
    assert sorted(id for batch in batches for id in batch.ids) == sorted(item.id for item in parts["train"])
    by_id = {item.id: item for item in parts["train"]}
    for batch in batches:
        for row, id in enumerate(batch.ids):
            assert EMOTIONS[batch.labels[row]] == by_id[id].emotion
            samples, _ = soundfile.read(by_id[id].path, dtype="float32")
            assert torch.equal(batch.waveforms[row, : batch.lengths[row]], torch.from_numpy(samples))
    assert module.languages == ("de",)


def test_a_second_setup_does_no_work(emodb, monkeypatch):
    module = ready(emodb_module(emodb))
    fold = module.fold
    monkeypatch.setattr(module, "read", lambda: pytest.fail("read again"))
    module.setup("test")
    assert module.fold is fold


def test_classes_are_known_before_setup(tmp_path):
    module = emodb_module(tmp_path, labels={"high": ["angry", "happy"], "low": ["sad"]})
    assert module.classes == ["high", "low"]
    with pytest.raises(UsageError, match=r"call setup\(\) first"):
        module.train_dataloader()


@pytest.mark.parametrize("labels", ["6", 6])
def test_label_schemes_by_size(tmp_path, labels):
    assert emodb_module(tmp_path, labels=labels).classes == list(label_scheme("6").classes)


def test_dropped_emotions_and_counts_are_reported(tmp_path):
    root = write_emodb(tmp_path, emotions=("angry", "bored", "sad"), texts=1)
    report = ready(emodb_module(root, labels={"angry": "angry", "sad": "sad"})).report
    assert report.dropped == {"EmoDB": {"bored": 5}}
    train = report.splits["train"]
    assert train.classes == {"angry": 3, "sad": 3}
    assert sum(train.speakers.values()) == train.utterances == 6
    assert 6 * 0.15 <= train.seconds <= 6 * 0.45
    assert json.loads(json.dumps(report.to_dict()))["splits"]["test"]["corpus"] == "EmoDB"


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_clip_stops_the_run_by_name(emodb, kind):
    victim = sorted((emodb / "wav").iterdir())[0]
    DAMAGES[kind](victim)
    with pytest.raises(CorpusError, match=rf"EmoDB: 1 problem \(1 {kind}\)") as caught:
        ready(emodb_module(emodb))
    assert str(victim) in str(caught.value)
    assert "--data.on_error skip" in str(caught.value)


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_test_clip_is_skipped_and_counted(emodb, kind):
    victim = files_of(ready(emodb_module(emodb)), "test")[0]
    DAMAGES[kind](victim)
    module = ready(emodb_module(emodb, on_error="skip"))
    assert victim not in files_of(module, "test")
    assert victim not in [item.path for item in module.fold.test]
    assert module.report.splits["test"].skipped == {kind: 1}
    assert f"test: 1 of 8 utterances left out (1 {kind})" in module.report.notes
    assert [problem.kind for problem in module.report.problems["EmoDB"]] == [kind]


def test_many_problems_are_counted_and_the_first_five_shown(emodb):
    for path in sorted((emodb / "wav").iterdir())[:7]:
        DAMAGES["silent"](path)
    with pytest.raises(CorpusError, match=r"7 problems \(7 silent\)") as caught:
        ready(emodb_module(emodb))
    assert str(caught.value).count("\n  /") == 5
    assert "and 2 more" in str(caught.value)


def test_long_clips_are_allowed_by_name(emodb):
    DAMAGES["long"](sorted((emodb / "wav").iterdir())[0])
    ready(emodb_module(emodb, loader=LoaderConfig(max_seconds=0)))


def test_a_listed_file_that_is_missing_is_counted(tmp_path):
    table = write_manifest(tmp_path)
    min(tmp_path.glob("0_angry_*.wav")).unlink()
    with pytest.raises(CorpusError, match="1 missing"):
        ready(Manifest(table))
    report = ready(Manifest(table, on_error="skip")).report
    assert report.to_dict()["problems"]["list"]["kinds"] == {"missing": 1}
    assert "1 files or labels of list cannot be used (1 missing)" in report.notes


def test_another_format_of_a_clip_stops_nothing_and_is_counted(emodb):
    first = min((emodb / "wav").iterdir())
    first.with_suffix(".mp3").write_bytes(b"x")
    report = ready(emodb_module(emodb)).report
    assert [problem.kind for problem in report.problems["EmoDB"]] == ["copy"]
    assert "Skipped, no data lost: 1 copy (EmoDB)" in left_out(report)
    assert not [note for note in report.notes if "cannot be used" in note]


def test_audio_of_another_name_stops_the_run(emodb):
    (emodb / "wav" / "holiday.flac").write_bytes(b"x")
    with pytest.raises(CorpusError, match=r"holiday\.flac: not a file name of EmoDB"):
        ready(emodb_module(emodb))


def test_the_wrong_root_is_named(tmp_path):
    with pytest.raises(CorpusNotFoundError, match="nowhere"):
        ready(emodb_module(tmp_path / "nowhere"))
    with pytest.raises(CorpusNotFoundError, match=str(tmp_path)):
        ready(emodb_module(tmp_path))


def test_half_a_corpus_without_a_class_is_refused(tmp_path):
    root = write_emodb(tmp_path, emotions=("angry", "sad"))
    with pytest.raises(FoldError, match="no training utterance of happy, neutral"):
        ready(emodb_module(root))


def test_an_unknown_label_is_named_with_its_line(tmp_path):
    table = write_manifest(tmp_path)
    soundfile.write(tmp_path / "x.wav", tone(), 16_000)
    with table.open("a") as file:
        file.write("x.wav,angrry,s\n")
    with pytest.raises(CorpusError, match=r"list\.csv:42: unknown emotion 'angrry'.*angry"):
        ready(Manifest(table))


def test_one_speaker_is_refused_with_the_way_out(tmp_path):
    with pytest.raises(FoldError, match="speaker"):
        ready(emodb_module(write_emodb(tmp_path, speakers=("03",))))


def test_a_class_that_is_lost_to_skipping_is_an_error(emodb):
    module = ready(emodb_module(emodb))
    for path in files_of(module, "train"):
        if path.stem[5] == "T":
            DAMAGES["silent"](path)
    with pytest.raises(FoldError, match="no training utterance of sad"):
        ready(emodb_module(emodb, on_error="skip"))


def test_copies_of_training_clips_in_the_test_part_are_noted(emodb):
    module = ready(emodb_module(emodb))
    victim = files_of(module, "test")[0]
    victim.write_bytes(files_of(module, "train")[0].read_bytes())
    notes = ready(emodb_module(emodb)).report.notes
    assert "1 test utterances contain the same samples as training utterances" in notes


def test_policy_must_exist(tmp_path):
    with pytest.raises(UnknownNameError, match="on_error 'ignore'"):
        emodb_module(tmp_path, on_error="ignore")


def orders(module, epochs=3):
    loader = module.train_dataloader()
    seen = []
    for epoch in range(epochs):
        loader.batch_sampler.set_epoch(epoch)
        seen.append([(batch.ids, batch.waveforms) for batch in loader])
    return seen


def test_epochs_after_a_restart_are_those_of_an_uninterrupted_run(emodb):
    options = {
        "loader": LoaderConfig(batch_size=4),
        "augment": AugmentConfig(noise_snr_db=(5.0, 20.0), speed=(0.9, 1.1), probability=1.0),
    }
    whole = orders(ready(emodb_module(emodb, **options)))
    resumed = ready(emodb_module(emodb, **options)).train_dataloader()
    resumed.batch_sampler.set_epoch(2)
    torch.manual_seed(99)
    for (ids, waveforms), batch in zip(whole[2], resumed, strict=True):
        assert ids == batch.ids
        assert torch.equal(waveforms, batch.waveforms)
    assert [ids for ids, _ in whole[1]] != [ids for ids, _ in whole[2]]


def test_workers_change_nothing(emodb):
    augment = AugmentConfig(noise_snr_db=(5.0, 20.0), probability=1.0)
    alone = orders(ready(emodb_module(emodb, augment=augment)), 2)
    helped = orders(ready(emodb_module(emodb, augment=augment, loader=LoaderConfig(workers=2))), 2)
    for first, second in zip(alone, helped, strict=True):
        for (ids, waveforms), (other_ids, others) in zip(first, second, strict=True):
            assert ids == other_ids
            assert torch.equal(waveforms, others)


def test_reading_batches_leaves_the_global_generator_alone(emodb):
    module = ready(emodb_module(emodb, augment=AugmentConfig(noise_snr_db=(5.0, 20.0))))
    torch.manual_seed(0)
    state = torch.get_rng_state()
    list(module.train_dataloader())
    assert torch.equal(torch.get_rng_state(), state)


def test_only_training_clips_are_augmented(emodb):
    plain, changed = ready(emodb_module(emodb)), ready(emodb_module(emodb, augment=gain()))
    for name, equal in (("val_dataloader", True), ("test_dataloader", True), ("train_dataloader", False)):
        pairs = zip(getattr(plain, name)(), getattr(changed, name)(), strict=True)
        assert all(torch.equal(a.waveforms, b.waveforms) for a, b in pairs) is equal
    assert all(batch.waveforms.abs().max() <= 0.31 for batch in changed.audio_dataloader())


def gain():
    return AugmentConfig(gain_db=(6.0, 6.0), probability=1.0)


def test_slowed_clips_stay_within_the_bound(tmp_path):
    options = {"augment": AugmentConfig(speed=(0.5, 0.5), probability=1.0)}
    loader = LoaderConfig(batch_size=0, batch_seconds=2.0)
    module = ready(Manifest(write_manifest(tmp_path, per_emotion=4), loader=loader, **options))
    assert {batch.waveforms.shape[1] for batch in module.train_dataloader()} == {6400}
    assert max(batch.waveforms.numel() for batch in module.train_dataloader()) <= 32_000


def test_features_take_the_place_of_audio(emodb):
    module = ready(emodb_module(emodb, loader=LoaderConfig(batch_size=7, batch_seconds=0.5)))
    features = {
        id: waveform.mean().expand(2, 3)
        for batch in module.audio_dataloader()
        for id, waveform in zip(batch.ids, batch.waveforms, strict=True)
    }
    audio_ids = sorted(id for batch in module.test_dataloader() for id in batch.ids)
    module.use_features(features)
    batches = list(module.train_dataloader())
    assert sorted(len(batch) for batch in batches) == [3, 7, 7, 7]
    assert all(torch.equal(b.features, torch.stack([features[id] for id in b.ids])) for b in batches)
    assert sorted(id for batch in module.test_dataloader() for id in batch.ids) == audio_ids
    module.use_features(None)
    assert hasattr(next(iter(module.train_dataloader())), "waveforms")


def test_features_and_augmentation_exclude_each_other(emodb):
    module = ready(emodb_module(emodb, augment=gain()))
    with pytest.raises(UsageError, match="augmentation"):
        module.use_features({})


def test_audio_dataloader_begins_with_the_longest_and_keeps_labels(emodb):
    module = ready(emodb_module(emodb, loader=LoaderConfig(batch_size=3)))
    batches = list(module.audio_dataloader())
    lengths = [batch.lengths.max().item() for batch in batches]
    assert lengths == sorted(lengths, reverse=True)
    emotions = {item.id: item.emotion for item in module.utterances_in_use}
    assert len(emotions) == sum(map(len, batches)) == 40
    assert all(
        EMOTIONS[label] == emotions[id] for b in batches for id, label in zip(b.ids, b.labels, strict=True)
    )


def test_progress_counts_every_clip_once(emodb):
    module = emodb_module(emodb)
    seen = []
    module.on_progress = lambda what, done, total: seen.append((what, done, total))
    module.setup("fit")
    last = {what: (done, total) for what, done, total in seen}
    assert all(done == total for done, total in last.values())
    for job in ("checking", "finding speech"):
        totals = [total for what, (_, total) in last.items() if job in what]
        assert len(totals) == 3
        assert sum(totals) == 40


def test_train_labels_and_stages(emodb):
    module = ready(emodb_module(emodb))
    assert sorted(module.train_labels) == [0] * 6 + [1] * 6 + [2] * 6 + [3] * 6
    assert module.stages == ("train",)
    module.set_stage("train")
    with pytest.raises(UsageError, match="no training stage 'target'; valid: train"):
        module.set_stage("target")


def test_a_manifest_brings_name_and_language(tmp_path):
    table = write_manifest(tmp_path)
    module = ready(Manifest(table, name="tjd", language="zh"))
    assert module.languages == ("zh",)
    assert module.report.name == "tjd"
    assert list(module.folds_in_use) == ["tjd"]


def test_stretches_of_one_file_are_clips_of_their_own(tmp_path):
    rows, samples = [], []
    for speaker in range(5):
        for emotion in EMOTIONS:
            start = len(rows) * 0.25
            rows.append((f"{speaker}{emotion}", "all.flac", emotion, speaker, start, start + 0.25))
            samples.append(tone(0.25, hz=100 + 20 * len(rows)))
    soundfile.write(tmp_path / "all.flac", np.concatenate(samples), 16_000)
    columns = ("id", "path", "emotion", "speaker", "start", "end")
    module = ready(Manifest(write_rows(tmp_path / "own.csv", rows, columns)))
    assert {batch.waveforms.shape[1] for batch in module.train_dataloader()} == {4000}
    assert set(module.splits["train"].seconds) == {0.25}


def test_ravdess_refuses_a_channel_that_does_not_exist(tmp_path):
    with pytest.raises(UnknownNameError, match=r"channel 'sing'.*speech, song, all"):
        RAVDESS(tmp_path, channel="sing")


@pytest.mark.shared
def test_real_recordings(shared):
    module = ready(emodb_module(shared / "data" / "emodb", folds=FoldConfig(index=2)))
    counts = {part: split.utterances for part, split in module.report.splits.items()}
    assert sum(counts.values()) == 339
    assert module.report.notes == ()
    assert len(next(iter(module.train_dataloader()))) > 1
    ravdess = ready(RAVDESS(shared / "data" / "ravdess"))
    assert sum(split.utterances for split in ravdess.report.splits.values()) == 96
    batch = next(iter(ravdess.test_dataloader()))
    assert 16_000 < batch.lengths.max() < 6 * 16_000


class Own(datamodules.CorpusDataModule):
    def read(self):
        return read_corpus("EmoDB", self.root)


def test_an_own_module_is_named_after_its_class(emodb):
    module = ready(Own(emodb))
    assert module.report.name == "Own"
    assert list(module.folds_in_use) == ["Own"]
