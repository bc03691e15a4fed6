import csv
import json
import shutil
from dataclasses import replace

import pytest
import torch

from sercl.audio.augment import AugmentConfig
from sercl.corpora.folds import FoldConfig
from sercl.data import datamodules
from sercl.data.config import LoaderConfig
from sercl.data.datamodules import LanguagePair, Manifest
from sercl.data.settings import SETTINGS
from sercl.errors import CorpusError, FoldError, SpeakerOverlapError, UnknownNameError, UsageError
from tests.data.corpora import write_manifest, write_rows


@pytest.fixture
def pair(emodb, manifest):
    def make(setting="zero-shot", select_on="source", **target_options):
        source = datamodules.EmoDB(emodb)
        target = Manifest(manifest, name="Own", language="it", **target_options)
        return LanguagePair(source, target, setting, select_on)

    return make


def corpora(module):
    """Where each part of the present stage comes from."""
    return tuple({item.corpus for item in split.utterances}.pop() for split in module.splits.values())


EXPECTED = {
    "monolingual": {"train": ("EmoDB", "EmoDB", "EmoDB")},
    "zero-shot": {"train": ("EmoDB", "EmoDB", "Own")},
    "transfer": {"train": ("Own", "Own", "Own")},
    "two-stage": {"source": ("EmoDB", "EmoDB", "Own"), "target": ("Own", "Own", "Own")},
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_each_setting_takes_its_parts_from_the_right_corpus(pair, setting):
    module = pair(setting)
    module.setup("fit")
    assert module.stages == tuple(EXPECTED[setting])
    for stage, expected in EXPECTED[setting].items():
        module.set_stage(stage)
        assert corpora(module) == expected
        loaders = (module.train_dataloader(), module.val_dataloader(), module.test_dataloader())
        for loader, split in zip(loaders, module.splits.values(), strict=True):
            ids = sorted(id for batch in loader for id in batch.ids)
            assert ids == sorted(item.id for item in split.utterances)
        assert len(module.train_labels) == 24
    used = {item.corpus for item in module.utterances_in_use}
    assert used == {name for stage in EXPECTED[setting].values() for name in stage}
    assert len(module.folds_in_use) == len(used)


def test_zero_shot_can_select_on_the_target_and_says_so(pair):
    module = pair(select_on="target")
    module.setup("fit")
    assert corpora(module) == ("EmoDB", "Own", "Own")
    assert module.report.select_on == "target"
    assert "selected on target: the validation part of Own" in module.report.notes
    by_source = pair()
    by_source.setup("fit")
    assert "selected on source: the validation part of EmoDB" in by_source.report.notes


def test_the_report_of_two_stages_names_every_part(pair):
    module = pair("two-stage")
    module.setup("fit")
    report = module.report.to_dict()
    assert report["name"] == "EmoDB -> Own"
    assert report["setting"] == "two-stage"
    assert {part: split["corpus"] for part, split in report["splits"].items()} == {
        "source train": "EmoDB",
        "source validation": "EmoDB",
        "target train": "Own",
        "target validation": "Own",
        "source test": "EmoDB",
        "test": "Own",
    }
    assert list(report["splits"])[-1] == "test"
    assert json.loads(json.dumps(report)) == report
    assert module.languages == ("de", "it")


def test_parts_that_a_setting_does_not_use_are_not_read(pair, manifest):
    target = Manifest(manifest)
    target.prepare(())
    for utterance in target.fold.train:
        utterance.path.write_bytes(b"")
    pair().setup("fit")
    with pytest.raises(CorpusError, match="24 empty"):
        pair("transfer").setup("fit")
    shutil.rmtree(manifest.parent)
    pair("monolingual").setup("fit")


def test_the_policy_of_each_corpus_holds_for_its_own_clips(pair, manifest):
    first = pair("transfer")
    first.setup("fit")
    first.splits["test"].utterances[0].path.write_bytes(b"")
    with pytest.raises(CorpusError, match="1 empty"):
        pair("transfer").setup("fit")
    module = pair("transfer", on_error="skip")
    module.setup("fit")
    assert module.report.splits["test"].skipped == {"empty": 1}


def test_augmentation_of_the_target_leaves_the_source_alone(pair):
    augment = AugmentConfig(gain_db=(6.0, 6.0), probability=1.0)
    plain, module = pair("two-stage"), pair("two-stage", augment=augment)
    for each in (plain, module):
        each.setup("fit")
    for stage, equal in (("source", True), ("target", False)):
        for each in (plain, module):
            each.set_stage(stage)
        pairs = zip(plain.train_dataloader(), module.train_dataloader(), strict=True)
        assert all(torch.equal(a.waveforms, b.waveforms) for a, b in pairs) is equal
    assert not module.can_use_features
    assert plain.can_use_features
    assert pair("zero-shot", augment=augment).can_use_features


def test_each_corpus_keeps_its_loader_options(pair):
    module = pair("two-stage", loader=LoaderConfig(batch_size=5))
    module.setup("fit")
    sizes = []
    for stage in module.stages:
        module.set_stage(stage)
        sizes.append(max(len(batch) for batch in module.train_dataloader()))
    assert sizes == [24, 5]


def test_features_serve_both_stages(pair):
    module = pair("two-stage")
    module.setup("fit")
    ids = [id for batch in module.audio_dataloader() for id in batch.ids]
    assert len(ids) == len(set(ids)) == len(module.utterances_in_use)
    module.use_features({id: torch.zeros(2, 3) for id in ids})
    for stage in module.stages:
        module.set_stage(stage)
        assert sum(len(batch) for batch in module.train_dataloader()) == 24


def test_a_second_setup_does_no_work(pair, monkeypatch):
    module = pair()
    module.setup("fit")
    monkeypatch.setattr(module.source, "prepare", lambda parts: pytest.fail("prepared again"))
    module.setup("test")


def test_different_labels_are_refused_with_both_named(emodb, manifest):
    with pytest.raises(UsageError, match=r"source EmoDB are .*'fearful'.*target list are"):
        LanguagePair(datamodules.EmoDB(emodb, labels="6"), Manifest(manifest))
    forth = {"angry": ["angry"], "sad": ["sad"]}
    back = dict(reversed(forth.items()))
    with pytest.raises(UsageError, match="Give both the same"):
        LanguagePair(datamodules.EmoDB(emodb, labels=forth), Manifest(manifest, labels=back))


def test_the_same_clips_on_both_sides_are_refused(emodb):
    source = datamodules.EmoDB(emodb, folds=FoldConfig(index=0))
    target = datamodules.EmoDB(emodb, folds=FoldConfig(index=1))
    with pytest.raises(FoldError, match="clips of the source are also held out in the target"):
        LanguagePair(source, target).setup("fit")


def test_a_pair_of_one_corpus_says_that_it_shows_no_transfer(emodb, pair):
    same = LanguagePair(datamodules.EmoDB(emodb), datamodules.EmoDB(emodb))
    same.setup("fit")
    assert same.report.notes[0].startswith("source and target are one corpus: ")
    other = pair()
    other.setup("fit")
    assert not any("one corpus" in note for note in other.report.notes)


def test_a_copied_corpus_still_shares_its_speakers(tmp_path):
    source = write_manifest(tmp_path / "a", per_emotion=1, prefix="s")
    copy = write_manifest(tmp_path / "b", per_emotion=2, prefix="s")
    text = copy.read_text().replace("path,", "id,path,").splitlines()
    rows = [text[0], *(f"copy{number},{row}" for number, row in enumerate(text[1:]))]
    copy.write_text("\n".join(rows))

    def pair_of(**folds):
        one = Manifest(source, name="same")
        return LanguagePair(one, Manifest(copy, name="same", folds=FoldConfig(index=1, **folds)))

    with pytest.raises(SpeakerOverlapError, match=r"both same, and 1 speaker of the source is tested"):
        pair_of().setup("fit")
    pair_of(allow_speaker_overlap=True).setup("fit")
    LanguagePair(Manifest(source, name="one"), Manifest(copy, name="other")).setup("fit")


def test_copies_of_the_target_in_the_source_are_called_leakage(tmp_path):
    source = write_manifest(tmp_path / "a", prefix="s")
    copy = write_manifest(tmp_path / "b", prefix="t")
    pair = LanguagePair(Manifest(source, name="one"), Manifest(copy, name="other"))
    pair.setup("fit")
    held_out = len(pair.target.splits["test"].labels)
    note = f"leakage: {held_out} recordings held out in the target are also in the source"
    assert note in pair.report.notes
    other = write_manifest(tmp_path / "c", prefix="t", lowest=1600)
    apart = LanguagePair(Manifest(source, name="one"), Manifest(other, name="other"))
    apart.setup("fit")
    assert not any("leakage" in note for note in apart.report.notes)


def test_ids_that_stand_for_two_clips_are_refused(tmp_path):
    source = Manifest(write_manifest(tmp_path / "a"), name="one")
    target = Manifest(write_manifest(tmp_path / "b"), name="other")
    with pytest.raises(FoldError, match=r"\d+ ids denote different clips"):
        LanguagePair(source, target, "two-stage").setup("fit")


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_source_is_tested_by_itself_where_a_second_stage_may_forget_it(pair, setting):
    module = pair(setting)
    module.setup("fit")
    own = module.source_test
    assert (own is not None) == (setting == "two-stage")
    if own is None:
        return
    tested = module.source.fold.test
    assert own.report.name == "EmoDB"
    assert [item.id for item in own.splits["test"].utterances] == [item.id for item in tested]
    assert not {item.id for item in tested} & {item.id for item in module.splits["test"].utterances}
    assert {item.id for item in tested} <= {item.id for item in module.utterances_in_use}
    assert not own.serves_features
    module.use_features({item.id: torch.zeros(2, 3) for item in module.utterances_in_use})
    assert sum(len(batch) for batch in module.source_test.test_dataloader()) == len(tested)


def test_a_trained_model_is_scored_without_the_test_part_of_its_source(pair):
    module = pair("two-stage")
    module.score_only("test")
    module.setup("test")
    assert module.source_test is None
    assert "test" not in module.source.splits


def test_where_everything_is_trained_on_nothing_of_the_source_is_left_to_test(emodb, manifest):
    whole = FoldConfig(scheme="none")
    source, target = datamodules.EmoDB(emodb, folds=whole), Manifest(manifest, folds=whole)
    module = LanguagePair(source, target, "two-stage")
    module.setup("fit")
    assert module.source_test is None
    assert "source test" not in module.report.splits


def divided(root, parts, prefix=""):
    """A manifest of the speakers of each part, in its own split."""
    rows = [
        (path, emotion, speaker, part)
        for part, speakers in parts.items()
        for speaker in speakers
        for path, emotion in clips(root / speaker, f"{prefix}{speaker}")
    ]
    return write_rows(root / "list.csv", rows, ("path", "emotion", "speaker", "split"))


def clips(folder, prefix):
    write_manifest(folder, speakers=1, prefix=prefix)
    with (folder / "list.csv").open() as file:
        return [(f"{folder.name}/{row['path']}", row["emotion"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("part", ["train", "validation"])
def test_a_speaker_that_the_source_tests_must_not_be_in_the_second_stage(tmp_path, part):
    official = FoldConfig(scheme="official")
    first = {"train": ["a"], "validation": ["b"], "test": ["c"]}
    second = {"train": ["d"], "validation": ["e"], "test": ["f"]}
    one = divided(tmp_path / "one", first)
    other = divided(tmp_path / "other", {**second, part: ["c"]}, prefix="o")

    def pair_of(setting="two-stage", **folds):
        source = Manifest(one, name="same", folds=replace(official, **folds))
        return LanguagePair(source, Manifest(other, name="same", folds=official), setting)

    with pytest.raises(SpeakerOverlapError, match=r"1 speaker of the target is tested in the source: c.*"):
        pair_of().setup("fit")
    pair_of(allow_speaker_overlap=True).setup("fit")
    pair_of("zero-shot").setup("fit")


def test_a_recording_that_the_source_tests_must_not_be_in_the_second_stage(tmp_path):
    official = FoldConfig(scheme="official")
    one = divided(tmp_path / "one", {"train": ["a"], "validation": ["b"], "test": ["c"]})
    same = divided(tmp_path / "one", {"train": ["c"], "validation": ["d"], "test": ["e"]})
    same = same.rename(tmp_path / "one" / "other.csv")
    one = divided(tmp_path / "one", {"train": ["a"], "validation": ["b"], "test": ["c"]})
    source, target = Manifest(one, name="x", folds=official), Manifest(same, name="y", folds=official)
    with pytest.raises(FoldError, match="8 clips of the target are also held out in the source"):
        LanguagePair(source, target, "two-stage").setup("fit")


def test_copies_of_what_the_source_tests_are_called_leakage(tmp_path):
    official = FoldConfig(scheme="official")
    source = divided(tmp_path / "a", {"train": ["a"], "validation": ["b"], "test": ["c"]})
    copies = divided(tmp_path / "b", {"train": ["d"], "validation": ["e"], "test": ["f"]}, prefix="o")
    pair = LanguagePair(
        Manifest(source, name="one", folds=official),
        Manifest(copies, name="other", folds=official),
        "two-stage",
    )
    pair.setup("fit")
    leaks = [note for note in pair.report.notes if "leakage" in note]
    assert leaks == [
        "leakage: 16 recordings held out in the target are also in the source",
        "leakage: 8 recordings held out in the source are also in the target",
    ]


def test_settings_must_exist(pair):
    with pytest.raises(UnknownNameError, match="Did you mean 'zero-shot'"):
        pair("zeroshot")
    with pytest.raises(UnknownNameError, match="select_on 'both'"):
        pair(select_on="both")
    with pytest.raises(UsageError, match="does not use the target"):
        pair("monolingual", select_on="target")


def test_the_first_of_two_stages_can_select_on_the_target(pair):
    module = pair("two-stage", "target")
    module.setup("fit")
    assert corpora(module) == ("EmoDB", "Own", "Own")
    module.set_stage("target")
    assert corpora(module) == ("Own", "Own", "Own")
    assert "validation" not in module.source.splits


@pytest.mark.parametrize(("name", "value"), [("continue_from", "last"), ("epoch_budget", "shared")])
def test_options_of_two_stages_are_refused_elsewhere(emodb, manifest, name, value):
    source, target = datamodules.EmoDB(emodb), Manifest(manifest)
    assert LanguagePair(source, target, "two-stage", **{name: value}).continues_from in ("best", "last")
    with pytest.raises(UsageError, match=f"{name} '{value}' is for the setting 'two-stage'"):
        LanguagePair(source, target, "zero-shot", **{name: value})
    with pytest.raises(UnknownNameError, match=f"{name} 'all'"):
        LanguagePair(source, target, "two-stage", **{name: "all"})


def test_the_first_of_two_stages_has_an_epoch_limit(emodb, manifest):
    source, target = datamodules.EmoDB(emodb), Manifest(manifest)
    module = LanguagePair(source, target, "two-stage", switch_epoch=7)
    assert [module.epoch_limit(stage) for stage in module.stages] == [7, None]
    with pytest.raises(UsageError, match="switch_epoch is 0"):
        LanguagePair(source, target, "two-stage", switch_epoch=0)


def test_equal_names_are_distinguished_in_the_report(tmp_path):
    source = Manifest(write_manifest(tmp_path / "a", prefix="a"))
    target = Manifest(write_manifest(tmp_path / "b", prefix="b"))
    module = LanguagePair(source, target)
    module.setup("fit")
    assert list(module.report.problems) == ["list (source)", "list (target)"]


@pytest.mark.shared
def test_real_recordings_of_two_languages(shared):
    source = datamodules.EmoDB(shared / "data" / "emodb")
    module = LanguagePair(source, datamodules.RAVDESS(shared / "data" / "ravdess"))
    module.setup("fit")
    assert module.languages == ("de", "en")
    assert corpora(module) == ("EmoDB", "EmoDB", "RAVDESS")


def test_the_target_is_heard_without_labels_where_that_is_asked_for(pair):
    plain, module = pair(), pair()
    module.use_unlabelled()
    for each in (plain, module):
        each.setup("fit")
    assert plain.unlabelled is None
    assert {item.corpus for item in module.unlabelled.utterances} == {"Own"}
    assert module.unlabelled.utterances == module.target.splits["train"].utterances
    batches = list(module.train_dataloader())
    assert all(set(batch.domains.tolist()) == {0, 1} for batch in batches)
    assert all(batch.domains is None for batch in plain.train_dataloader())
    for each in ("val_dataloader", "test_dataloader", "plain_train_dataloader"):
        one, other = (list(getattr(item, each)()) for item in (plain, module))
        assert [batch.ids for batch in one] == [batch.ids for batch in other]
        assert all(batch.domains is None for batch in other)
    assert module.train_labels == plain.train_labels


def test_a_note_says_that_target_audio_was_used(pair):
    module = pair()
    module.use_unlabelled()
    module.setup("fit")
    note = "target audio without labels was used: 24 utterances of the train part of Own"
    assert note in module.report.notes
    assert module.report.splits.keys() == {"train", "validation", "test"}
    speakers = {f"Own {item.speaker}" for item in module.unlabelled.utterances}
    assert speakers <= set(module.speakers_in("train"))
    assert not speakers & set(module.speakers_in("test"))
    plain = pair()
    plain.setup("fit")
    assert not [note for note in plain.report.notes if "without labels" in note]
    assert not speakers & set(plain.speakers_in("train"))


def test_the_target_can_still_be_asked_for_after_setup(pair):
    module = pair()
    module.setup("fit")
    module.use_unlabelled()
    module.use_unlabelled()
    assert len(module.unlabelled.utterances) == 24
    module.use_unlabelled(False)
    assert all(batch.domains is None for batch in module.train_dataloader())
    module.use_unlabelled()
    assert all(batch.domains is not None for batch in module.train_dataloader())


def test_labels_of_the_target_do_not_matter_where_it_is_heard_without(pair):
    batches = []
    for turn in (False, True):
        module = pair()
        module.use_unlabelled()
        module.setup("fit")
        if turn:
            classes = {"angry": "sad", "happy": "angry", "neutral": "happy", "sad": "neutral"}
            fold = module.target.fold
            train = tuple(replace(item, emotion=classes[item.emotion]) for item in fold.train)
            module.target._fold = replace(fold, train=train)
            assert set(module.unlabelled.labels) == {0, 1, 2, 3}
        batches.append(list(module.train_dataloader()))
    for one, other in zip(*batches, strict=True):
        assert one.ids == other.ids
        assert torch.equal(one.labels, other.labels)
        assert torch.equal(one.waveforms, other.waveforms)


@pytest.mark.parametrize("setting", sorted(SETTINGS.keys() - {"zero-shot"}))
def test_no_other_setting_hears_the_target_without_labels(pair, setting):
    with pytest.raises(UsageError, match=f"'{setting}' has no use"):
        pair(setting).use_unlabelled()


def test_one_corpus_has_no_target_to_hear(emodb):
    with pytest.raises(UsageError, match="EmoDB has none"):
        datamodules.EmoDB(emodb).use_unlabelled()


def test_notes_on_a_part_that_is_not_used_are_left_out(pair):
    zero_shot, transfer = pair(), pair("transfer")
    for module in (zero_shot, transfer):
        module.setup("fit")
    few = "Own: few utterances in "
    assert [note for note in transfer.report.notes if note.startswith(f"{few}validation")]
    assert not [note for note in zero_shot.report.notes if note.startswith(f"{few}validation")]
    assert [note for note in zero_shot.report.notes if note.startswith(f"{few}test")]
