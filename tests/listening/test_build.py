import io
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from rich.console import Console

from sercl.audio.loudness import gated_loudness, true_peak
from sercl.audio.preprocess import PreprocessConfig
from sercl.audio.resample import load
from sercl.audio.voice import Speech
from sercl.corpora.base import Segment
from sercl.corpora.folds import FoldConfig
from sercl.data.clips.config import ClipConfig
from sercl.data.config import LoaderConfig
from sercl.data.datamodules import ZED, Corpora, Diarization, EmoDB, Manifest
from sercl.errors import CorpusError, OutputError, UnknownNameError, UsageError
from sercl.listening.balance import Candidate
from sercl.listening.build import BuildOptions, build, dealt
from sercl.listening.pool import Heard
from sercl.listening.protocol import ATTENTION, ITEM, PRACTICE, REPEAT, REPORT, read, verify
from sercl.reports.listening.build import build_report
from sercl.tasks.recordings import fingerprint
from sercl.testing.corpora import fake_corpus, fake_dialects
from tests.listening.conftest import PLAIN

OPTIONS = BuildOptions(per_emotion=4, min_seconds=0.1)


def built(data, folder, options=OPTIONS, preprocess=PLAIN):
    return build(data, options, preprocess, folder)


def content(folder: Path) -> dict[str, bytes]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_stimuli_are_balanced_and_every_kind_is_there(test_folder):
    made = verify(test_folder)
    items = made.of(ITEM)
    assert Counter(item.truth for item in items) == dict.fromkeys(made.answers, 4)
    genders = Counter((item.truth, item.gender) for item in items)
    assert set(genders.values()) == {2}
    assert {len(made.of(kind)) for kind in (PRACTICE, REPEAT)} == {4}
    assert len(made.of(ATTENTION)) == 2
    assert made.of(ITEM, "block-1") == items
    assert all(item.speaker.startswith("EmoDB ") for item in items)


def test_sentences_are_even_and_reported_where_they_are_known(test_folder, tmp_path):
    (group,) = json.loads((test_folder / REPORT).read_text())["groups"]
    assert set(group["sentences"]) == {"angry", "happy", "neutral", "sad"}
    for found in group["sentences"].values():
        assert sum(found.values()) == 4
        assert all(name.startswith("EmoDB ") for name in found)
    shown = drawn(test_folder, json.loads((test_folder / REPORT).read_text()))
    assert "Of a sentence" in shown
    unknown = {**group, "sentences": {name: {"unknown": 4} for name in group["sentences"]}}
    report = {**json.loads((test_folder / REPORT).read_text()), "groups": [unknown]}
    assert "sentence" not in drawn(test_folder, report).lower()


def drawn(folder, report):
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(build_report(read(folder), report, folder))
    return console.export_text()


def test_no_recording_is_used_twice_except_by_repeats(test_folder):
    made = read(test_folder)
    used = [item.utterance for item in made.items if item.kind != REPEAT]
    assert len(set(used)) == len(used)
    for item in made.of(REPEAT):
        original = made.by_key[item.repeats]
        assert original.kind == ITEM
        assert (item.utterance, item.digest, item.block) == (
            original.utterance,
            original.digest,
            original.block,
        )
        assert item.key != original.key


def test_an_attention_check_asks_for_another_emotion_than_that_of_the_clip(emodb, tmp_path):
    known = {item.id: item.emotion for item in EmoDB(emodb).read().utterances}
    made = built(EmoDB(emodb), tmp_path / "test", replace(OPTIONS, per_emotion=1, attention=24)).protocol
    checks = made.of(ATTENTION)
    assert len(checks) == 24
    for item in checks:
        assert item.truth in made.answers
        assert item.truth != known[item.utterance]
    assert {item.truth for item in checks} == set(made.answers)


def test_names_and_files_give_nothing_away(test_folder):
    made = read(test_folder)
    for item in made.items:
        assert item.file == f"audio/{item.key}.wav"
        assert len(item.key) == 12
        assert item.key[0] == "s"
        assert not {item.utterance, item.truth} & {item.key}
    by_key = [item.truth for item in made.items]
    assert by_key != sorted(by_key)
    files = (test_folder / "audio").iterdir()
    times = sorted((path.stat().st_mtime_ns, path.name) for path in files)  # equal within a step of the clock
    names = [name for _, name in times]
    assert names == sorted(names)


def test_files_are_mono_of_16_bit_without_metadata(test_folder):
    for item in read(test_folder).items:
        path = test_folder / item.file
        found = soundfile.info(path)
        assert (found.format, found.subtype, found.samplerate, found.channels) == ("WAV", "PCM_16", 16_000, 1)
        assert found.frames == round(item.seconds * 16_000)
        assert path.stat().st_size == 44 + 2 * found.frames  # a header, and samples


def test_all_have_one_loudness_and_soft_ends(test_folder):
    made = read(test_folder)
    for item in made.items:
        clip = load(test_folder / item.file)
        assert gated_loudness(clip - clip.mean()) == pytest.approx(made.preprocess["level"], abs=0.02)
        assert abs(clip[0]) < 0.01
        assert abs(clip[-1]) < 0.01


def test_the_level_of_all_is_lowered_to_the_true_peak(emodb, tmp_path):
    found = built(EmoDB(emodb), tmp_path / "test", replace(OPTIONS, true_peak=-20.0)).protocol
    clips = [load(tmp_path / "test" / item.file) for item in found.items]
    assert max(map(true_peak, clips)) == pytest.approx(-20.0, abs=0.02)
    assert max(map(true_peak, clips)) <= -20.0
    assert found.preprocess["level"] < -23
    levels = [gated_loudness(clip - clip.mean()) for clip in clips]
    assert np.ptp(levels) < 0.05
    assert levels[0] == pytest.approx(found.preprocess["level"], abs=0.05)


def test_without_matching_levels_stay_as_different_as_they_are(emodb, tmp_path):
    raw = PreprocessConfig.RAW
    found = built(EmoDB(emodb), tmp_path / "test", preprocess=raw).protocol
    assert found.preprocess["level"] is None
    assert np.ptp([gated_loudness(load(tmp_path / "test" / item.file)) for item in found.items]) > 3


@pytest.mark.parametrize("audio", ["wav", "flac"])
def test_the_same_seed_gives_the_same_bytes_and_another_one_others(emodb, tmp_path, audio):
    options = replace(OPTIONS, audio=audio)
    for name, own in (("a", options), ("b", options), ("c", replace(options, seed=7))):
        built(EmoDB(emodb), tmp_path / name, own)
    assert content(tmp_path / "a") == content(tmp_path / "b")
    one, other = read(tmp_path / "a"), read(tmp_path / "c")
    assert one.hash != other.hash
    assert not {item.key for item in one.items} & {item.key for item in other.items}
    assert {item.utterance for item in one.of(ITEM)} != {item.utterance for item in other.of(ITEM)}


def test_where_the_corpus_is_does_not_matter(emodb, tmp_path, test_folder):
    (tmp_path / "elsewhere").symlink_to(emodb)
    assert built(EmoDB(tmp_path / "elsewhere"), tmp_path / "test").protocol == read(test_folder)


def test_what_checkpoints_have_heard_is_left_out(emodb, tmp_path, monkeypatch):
    data = EmoDB(emodb)
    data.setup()
    first = next(item.utterance for item in data.checked.values() if item.utterance.speaker == "03")
    key = fingerprint(data.checked[first.id].audio_key)
    heard = Heard("run/best.ckpt", frozenset(["EmoDB 08"]), frozenset([key]), frozenset(), frozenset(), True)
    monkeypatch.setattr("sercl.listening.build.heard_by", lambda paths: [heard])
    found = built(EmoDB(emodb), tmp_path / "test", replace(OPTIONS, per_emotion=99))
    assert first.id not in {item.utterance for item in found.protocol.items}
    assert "EmoDB 08" not in {item.speaker for item in found.protocol.items}
    (group,) = found.report["groups"]
    reasons = Counter()
    for own in group["classes"].values():
        reasons.update(own["left_out"])
    assert reasons == {"speaker heard by run/best.ckpt": 8, "recording heard by run/best.ckpt": 1}
    assert (
        "de: 10 of 99 stimuli of angry: there are no more; left out: 2 speaker heard by run/best.ckpt"
        in (found.report["notes"])
    )


def test_altered_copies_are_left_out_as_sercl_test_finds_them(emodb, tmp_path, monkeypatch):
    data = EmoDB(emodb)
    data.setup()
    alike = frozenset(fingerprint(like) for like in data.likenesses_in("train"))
    for corpora, count in (
        (frozenset(["Other"]), len(data.splits["train"].utterances)),
        (frozenset(["EmoDB"]), 0),
    ):
        heard = Heard("run/best.ckpt", frozenset(), frozenset(), alike, corpora, True)
        monkeypatch.setattr("sercl.listening.build.heard_by", lambda paths, heard=heard: [heard])
        found = built(EmoDB(emodb), tmp_path / f"test{count}").report
        (group,) = found["groups"]
        assert sum(sum(own["left_out"].values()) for own in group["classes"].values()) == count


def test_a_checkpoint_without_recordings_is_noted(emodb, tmp_path, monkeypatch):
    heard = Heard("old/best.ckpt", frozenset(), frozenset(), frozenset(), frozenset(), False)
    monkeypatch.setattr("sercl.listening.build.heard_by", lambda paths: [heard])
    assert any(
        "old/best.ckpt has no record" in note for note in built(EmoDB(emodb), tmp_path / "t").report["notes"]
    )


def test_durations_are_within_the_bounds_and_what_is_not_is_counted(tmp_path):
    root = fake_corpus("EmoDB", tmp_path / "emodb", speakers=2, per_emotion=3, seconds=0.5)
    long = sorted(root.rglob("*W*.wav"))[:3]  # angry
    for path in long:
        soundfile.write(path, np.tile(soundfile.read(path)[0], 4), 16_000)
    found = built(EmoDB(root), tmp_path / "test", replace(OPTIONS, max_seconds=1.0))
    assert max(item.seconds for item in found.protocol.items) <= 1.0
    angry = found.report["groups"][0]["classes"]["angry"]
    assert (angry["chosen"], angry["left_out"]) == (3, {"longer than 1 s": 3})
    assert (
        "de: 3 of 4 stimuli of angry: there are no more; left out: 3 longer than 1 s" in found.report["notes"]
    )


def test_lacking_practice_and_checks_are_reported(emodb, tmp_path):
    notes = built(EmoDB(emodb), tmp_path / "test", replace(OPTIONS, per_emotion=12)).report["notes"]
    assert "only 0 of 4 practice items: no more recordings are left" in notes
    assert "only 0 of 2 attention checks: no more recordings are left" in notes


def test_a_copy_of_a_recording_is_not_heard_twice(tmp_path):
    root = fake_corpus("EmoDB", tmp_path / "emodb", speakers=2, per_emotion=3, same_audio=True)
    found = built(EmoDB(root), tmp_path / "test")
    assert len(found.protocol.of(ITEM)) == 4
    assert found.report["groups"][0]["classes"]["sad"]["left_out"] == {"copy of another recording": 5}


def test_clips_without_speech_are_left_out_and_others_trimmed(emodb, tmp_path, monkeypatch):
    def found_speech(checked, config, memory=None, on_progress=None):
        keys = sorted(item.audio_key for item in checked)
        return {key: (Speech(0.2, 0.3),) for key in keys[1:]} | {keys[0]: ()}

    monkeypatch.setattr("sercl.data.datamodules.corpus.speech_of", found_speech)
    config = PreprocessConfig(loudness="bs1770", margin=0.05)
    found = built(EmoDB(emodb), tmp_path / "test", preprocess=config)
    assert {item.seconds for item in found.protocol.items} == {0.2}
    lost = Counter()
    for own in found.report["groups"][0]["classes"].values():
        lost.update(own["left_out"])
    assert lost == {"no speech found": 1}


def test_dialects_have_blocks_of_their_own(tmp_path):
    manifest = fake_dialects(tmp_path, speakers=10, takes=3)
    found = built(Manifest(manifest), tmp_path / "test", replace(OPTIONS, per_emotion=3)).protocol
    assert [(block.language, block.dialect) for block in found.blocks] == [("de", None), ("de", "bavarian")]
    for block in found.blocks:
        items = found.of(ITEM, block.name)
        assert Counter(item.truth for item in items) == dict.fromkeys(found.answers, 3)
        assert {item.dialect for item in items} == {block.dialect}
        assert len(found.of(ATTENTION, block.name)) == 2


def test_a_long_block_is_divided_evenly(emodb, tmp_path):
    found = built(EmoDB(emodb), tmp_path / "test", replace(OPTIONS, per_emotion=6, block_size=10)).protocol
    assert len(found.blocks) == 3
    for block in found.blocks:
        items = found.of(ITEM, block.name)
        assert len(items) == 8
        assert set(Counter(item.truth for item in items).values()) == {2}
        assert {found.by_key[item.repeats].block for item in found.of(REPEAT, block.name)} == {block.name}


def test_items_are_dealt():
    items = [Candidate(str(number), "sad", None, None, "de", None) for number in range(7)]
    assert [len(part) for part in dealt(items, 3)] == [3, 2, 2]
    assert dealt(items, 0) == dealt(items, 7) == [items]
    assert dealt([], 3) == [[]]


def test_several_corpora_of_a_language_are_one_block(emodb, tmp_path):
    other = fake_corpus("RAVDESS", tmp_path / "ravdess", speakers=4, seconds=0.5)
    both = Corpora([EmoDB(emodb), datamodule("RAVDESS", other)])
    found = built(both, tmp_path / "test").protocol
    assert {(block.language, len(found.of(ITEM, block.name))) for block in found.blocks} == {
        ("de", 16),
        ("en", 16),
    }
    assert {item.corpus for item in found.items} == {"EmoDB", "RAVDESS"}


def datamodule(name, root):
    from sercl.data import datamodules

    return getattr(datamodules, name)(root)


def test_only_a_part_of_the_folds(emodb, tmp_path):
    data = EmoDB(emodb, folds=FoldConfig(count=3))
    data.setup()
    speakers = set(data.speakers_in("test"))
    found = built(EmoDB(emodb, folds=FoldConfig(count=3)), tmp_path / "test", replace(OPTIONS, part="test"))
    assert {item.speaker for item in found.protocol.items} <= speakers


def test_recordings_with_known_boundaries(tmp_path):
    root = fake_corpus("ZED", tmp_path / "zed", speakers=4)
    options = replace(OPTIONS, per_emotion=2, task="segments", practice=1, attention=1, repeats=1)
    found = built(ZED(root, loader=LoaderConfig(min_seconds=0.05)), tmp_path / "test", options).protocol
    assert found.answers == ("angry", "happy", "sad")
    assert found.tasks == {"segments"}
    for item in found.items:
        if item.kind == ATTENTION:
            assert (item.task, item.segments) == ("choice", None)
            continue
        assert [segment.emotion for segment in item.segments] == ["neutral", item.truth, "neutral"]
        assert item.segments[-1].end == pytest.approx(item.seconds, abs=1e-3)


def test_boundaries_move_with_what_is_trimmed_which_is_no_part_of_an_event(tmp_path, monkeypatch):
    root = fake_corpus("ZED", tmp_path / "zed", speakers=3)
    whole = {item.id: item.segments[0] for item in ZED(root).read().utterances}
    assert {(event.start, event.end) for event in whole.values()} == {(0.09, 0.21)}  # of 0.3 s
    monkeypatch.setattr(
        "sercl.data.datamodules.corpus.speech_of",
        lambda checked, *rest: {item.audio_key: (Speech(0.1, 0.15),) for item in checked},
    )
    config = PreprocessConfig(loudness="bs1770", margin=0.02)
    options = replace(OPTIONS, per_emotion=1, task="segments", attention=0, repeats=0, practice=0)
    for item in built(ZED(root), tmp_path / "test", options, config).protocol.items:
        assert item.seconds == pytest.approx(0.16)  # from 0.07 to 0.23
        (event,) = [segment for segment in item.segments if segment.emotion != "neutral"]
        assert (event.start, event.end) == pytest.approx((0.02, 0.14))


def test_unknown_boundaries_are_null(emodb, tmp_path):
    found = built(EmoDB(emodb), tmp_path / "test", replace(OPTIONS, task="segments")).protocol
    assert {item.segments for item in found.items} == {None}
    assert "neutral" not in {item.truth for item in found.items}


def clips_of(root):
    return Diarization([EmoDB(root)], clips=ClipConfig(voice="none", min_piece=0.05))


def test_clips_are_built_with_their_boundaries(emodb, tmp_path):
    options = replace(OPTIONS, per_emotion=3, task="segments")
    found = built(clips_of(emodb), tmp_path / "test", options).protocol
    assert Counter(item.truth for item in found.of(ITEM)) == dict.fromkeys(found.answers, 3)
    for item in found.of(ITEM):
        assert item.truth in {segment.emotion for segment in item.segments}
        assert item.segments[0].start == 0
        assert item.segments[-1].end == pytest.approx(item.seconds, abs=1e-3)
        assert all(isinstance(segment, Segment) for segment in item.segments)
        assert len(item.pieces) >= len(item.segments)
    assert content(tmp_path / "test") == content_again(emodb, tmp_path, options)


def content_again(root, tmp_path, options):
    built(clips_of(root), tmp_path / "again", options)
    return content(tmp_path / "again")


def test_clips_are_for_segments_only(emodb, tmp_path):
    with pytest.raises(UsageError, match="give --task segments"):
        built(clips_of(emodb), tmp_path / "test")


def test_pieces_of_clips_come_from_unheard_speakers(emodb, tmp_path, monkeypatch):
    speaker = "EmoDB 03"
    heard = Heard("run/best.ckpt", frozenset([speaker]), frozenset(), frozenset(), frozenset(), True)
    monkeypatch.setattr("sercl.listening.build.heard_by", lambda paths: [heard])
    found = built(clips_of(emodb), tmp_path / "t", replace(OPTIONS, task="segments", per_emotion=99)).protocol
    assert speaker not in {item.speaker for item in found.items}
    assert not [piece for item in found.items for piece in item.pieces if piece.startswith("EmoDB 03")]


def test_a_folder_with_a_test_is_not_overwritten_unasked(emodb, tmp_path, test_folder):
    folder = tmp_path / "test"
    built(EmoDB(emodb), folder, replace(OPTIONS, seed=1))
    with pytest.raises(OutputError, match="has a listening test"):
        built(EmoDB(emodb), folder)
    build(EmoDB(emodb), OPTIONS, PLAIN, folder, overwrite=True)
    assert content(folder) == content(test_folder)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").touch()
    with pytest.raises(OutputError, match="content that is not a listening test"):
        build(EmoDB(emodb), OPTIONS, PLAIN, tmp_path / "other", overwrite=True)
    with pytest.raises(OutputError, match="is a file"):
        built(EmoDB(emodb), tmp_path / "other" / "thesis.txt")


@pytest.mark.parametrize("is_beside_a_test", [False, True])
def test_recordings_in_a_folder_called_audio_are_not_removed(emodb, tmp_path, is_beside_a_test):
    folder = tmp_path / "corpus"
    if is_beside_a_test:
        built(EmoDB(emodb), folder)
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    (folder / "audio" / "sadness.wav").touch()
    with pytest.raises(OutputError, match=r"not a listening test \(sadness\.wav\)"):
        build(EmoDB(emodb), OPTIONS, PLAIN, folder, overwrite=True)
    assert (folder / "audio" / "sadness.wav").exists()


def test_nothing_left_is_an_error_that_says_why(emodb, tmp_path):
    with pytest.raises(CorpusError, match=r"no stimulus can be used. Left out: 48 shorter than 3 s"):
        built(EmoDB(emodb), tmp_path / "test", replace(OPTIONS, min_seconds=3.0))
    assert not (tmp_path / "test").exists()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"task": "rate"}, UnknownNameError, "Valid: choice, segments"),
        ({"part": "train"}, UnknownNameError, "Valid: whole, test, validation"),
        ({"audio": "mp3"}, UnknownNameError, "Valid: wav, flac"),
        ({"order": "fixed"}, UnknownNameError, "Valid: random, latin-square"),
        ({"extra_answers": ["none"]}, UnknownNameError, "Valid: other, unsure"),
        ({"extra_answers": ["other", "other"]}, UsageError, "once"),
        ({"languages": ["en", "en"]}, UsageError, "once"),
        ({"per_emotion": 0}, UsageError, "1 or more"),
        ({"practice": -1}, UsageError, "0 or more"),
        ({"min_seconds": 30.0}, UsageError, "more than --min_seconds 30"),
        ({"true_peak": 1.0}, UsageError, "-20 to 0 dBTP"),
    ],
)
def test_invalid_options_are_refused(change, error, message):
    with pytest.raises(error, match=message):
        replace(OPTIONS, **change)


def test_frames_have_no_effect_and_are_refused(emodb, tmp_path):
    with pytest.raises(UsageError, match="no effect on what listeners hear"):
        built(EmoDB(emodb), tmp_path / "test", preprocess=PreprocessConfig(frames="speech"))


def test_extra_answers_and_the_title_are_in_the_protocol(emodb, tmp_path):
    options = replace(OPTIONS, extra_answers=["unsure"], title="Mine", languages=["de"], confidence=False)
    found = built(EmoDB(emodb), tmp_path / "test", options).protocol
    assert found.answers == ("angry", "happy", "neutral", "sad", "unsure")
    assert (found.title, list(found.languages), found.confidence) == ("Mine", ["de"], False)
    assert not {item.truth for item in found.items} & {"unsure"}
