import json
from collections import Counter

import pytest

from sercl.audio.loudness import gated_loudness, true_peak
from sercl.audio.resample import load
from sercl.cli.help import unknown_flags
from sercl.cli.listen.build import build_parser
from sercl.cli.listen.convert import build_parser as convert_parser
from sercl.cli.main import main
from sercl.cli.pages import LISTEN_BUILD, LISTEN_CONVERT
from sercl.listening.protocol import ITEM, read, verify
from sercl.tasks import checkpoint as checkpoints
from sercl.testing.corpora import fake_corpus, fake_dialects

TONES = ["--preprocess.trim", "none", "--min-seconds", "0.1"]
"""Tones are no speech to a detector, and those of fake corpora are short."""


def build(*words):
    assert main(["listen", "build", *map(str, words), *TONES]) == 0


def said(capsys, code, *words):
    assert main(["listen", *map(str, words)]) == code
    return " ".join(capsys.readouterr().err.split())


@pytest.fixture(scope="session")
def built(emodb, tmp_path_factory):
    """A test of four stimuli of each emotion."""
    folder = tmp_path_factory.mktemp("listen") / "german"
    build("--data", "EmoDB", "--data.root", emodb, "--per-emotion", 4, "--out", folder)
    return folder


def test_a_test_is_built_and_described(emodb, tmp_path, capsys):
    build("--data", "EmoDB", "--data.root", emodb, "--per-emotion", 4, "--out", tmp_path / "german")
    text = " ".join(capsys.readouterr().out.split())
    assert "Stimuli: de (block-1)" in text
    assert "16 items, 4 practice items, 2 attention checks, 4 repeats" in text
    assert "all at -23 LUFS" in text
    made = verify(tmp_path / "german")
    assert made.hash[:12] in text
    assert Counter(item.truth for item in made.of(ITEM)) == dict.fromkeys(made.answers, 4)


def test_the_report_as_json(emodb, tmp_path, capsys):
    build("--data", "EmoDB", "--data.root", emodb, "--per-emotion", 99, "--json", "--out", tmp_path / "all")
    found = json.loads(capsys.readouterr().out)
    stored = json.loads((tmp_path / "all" / "report.json").read_text())
    assert found == {"hash": read(tmp_path / "all").hash, **stored}
    assert found["notes"][0] == "de: 20 of 99 stimuli of angry: there are no more"


def test_several_corpora_have_a_block_for_each_language(emodb, ravdess, tmp_path):
    corpora = ["--data", "EmoDB", "--data.root", emodb, "--data", "RAVDESS", "--data.root", ravdess]
    build(*corpora, "--per-emotion", 3, "--out", tmp_path / "two")
    made = read(tmp_path / "two")
    assert [block.language for block in made.blocks] == ["de", "en"]
    assert {item.corpus for item in made.of(ITEM)} == {"EmoDB", "RAVDESS"}


def test_a_language_pair_has_both_corpora(emodb, ravdess, tmp_path):
    pair = ["--data", "LanguagePair", "--data.source", "EmoDB", "--data.source.root", emodb]
    pair += ["--data.target", "RAVDESS", "--data.target.root", ravdess]
    build(*pair, "--per-emotion", 2, "--out", tmp_path / "pair")
    assert [block.language for block in read(tmp_path / "pair").blocks] == ["de", "en"]


def test_dialects_of_a_manifest(tmp_path):
    manifest = fake_dialects(tmp_path / "dialects")
    build("--data", "Manifest", "--data.root", manifest, "--per-emotion", 2, "--out", tmp_path / "test")
    assert [block.dialect for block in read(tmp_path / "test").blocks] == [None, "bavarian"]


def test_what_a_checkpoint_has_heard_is_left_out(emodb, fit_words, tmp_path, capsys):
    run = tmp_path / "run"
    assert main([*fit_words, "--trainer.max_epochs", "1", "--out", str(run)]) == 0
    data = ["--data", "EmoDB", "--data.root", emodb]
    build(*data, "--unseen-by", run / "best.ckpt", run, "--per-emotion", 2, "--out", tmp_path / "test")
    made = read(tmp_path / "test")
    seen = checkpoints.read(run / "best.ckpt")["sercl"]["seen_speakers"]
    heard = {*seen["train"], *seen["validation"]}
    assert heard
    assert not heard & {item.speaker for item in made.items}
    assert made.source["unseen_by"][0] == {"checkpoint": "run/best.ckpt", "speakers": len(heard)}
    capsys.readouterr()
    assert main(["test", "--ckpt", str(run / "best.ckpt"), "--json"]) == 0
    tested = set(json.loads(capsys.readouterr().out)["data"]["splits"]["test"]["speakers"])
    assert {item.speaker.removeprefix("EmoDB ") for item in made.items} <= tested


def test_segments_of_recordings_and_of_clips(emodb, tmp_path):
    zed = fake_corpus("ZED", tmp_path / "zed", speakers=6)
    segments = ["--task", "segments", "--per-emotion", 2]
    build("--data", "ZED", "--data.root", zed, *segments, "--out", tmp_path / "known")
    assert all(item.segments for item in read(tmp_path / "known").of(ITEM))
    clips = ["--data", "Diarization", "--data.corpora+=EmoDB", "--data.corpora.root", emodb]
    clips += ["--data.clips.voice", "none", "--data.clips.min_piece", "0.05"]
    words = [*clips, *segments, "--out", tmp_path / "clips", "--min-seconds", "0.1"]
    assert main(["listen", "build", *map(str, words)]) == 0
    assert all(item.pieces for item in read(tmp_path / "clips").of(ITEM))


def test_a_file_with_the_options(emodb, tmp_path):
    config = tmp_path / "test.yaml"
    config.write_text(
        f"data: {{class_path: EmoDB, init_args: {{root: {emodb}}}}}\nper_emotion: 2\nlanguages: [de]\n"
        "preprocess: {trim: none}\nmin_seconds: 0.1\n"
    )
    assert main(["listen", "build", "-c", str(config), "--out", str(tmp_path / "test")]) == 0
    made = read(tmp_path / "test")
    assert (len(made.of(ITEM)), list(made.languages)) == (8, ["de"])


def test_wrong_use_is_refused_before_any_work(emodb, tmp_path, capsys):
    data, out = ["--data", "EmoDB", "--data.root", emodb], ["--out", tmp_path / "out"]
    for words, message in (
        (out, "--data is missing"),
        (["--data", "EmoDB", *out], "--data.root is missing"),
        (data, "--out is missing"),
        ([*data, *out, "--tasks", "choice"], "unknown option --tasks. Did you mean --task"),
        ([*data, *out, "--task", "rate"], "Valid: choice, segments"),
        ([*data, *out, "--order", "fixed"], "Valid: random, latin-square"),
        ([*data, *out, "--languages", "[fr]"], "unknown language of the instructions 'fr'"),
        ([*data, *out, "--data.folds.count", "3"], "--data.folds.count: has no effect on the whole corpus"),
        ([*data, *out, "--preprocess.frames", "speech"], "--preprocess.frames: has no effect"),
        ([*data, *out, "--seed", "1", "--seed", "2"], "given twice"),
    ):
        assert message in said(capsys, 2, "build", *words)
    assert "does not exist" in said(capsys, 1, "build", *data, *out, "--unseen-by", "none.ckpt")
    assert "no such file or folder" in said(
        capsys, 1, "build", "--data", "EmoDB", "--data.root", "none", *out
    )
    clips = ["--data", "Diarization", "--data.corpora+=EmoDB", "--data.corpora.root", emodb]
    words = [*clips, "--task", "segments", "--preprocess.trim", "none", *out]
    assert "has no effect on clips" in said(capsys, 2, "build", *words)
    assert not (tmp_path / "out").exists()


def test_a_test_is_replaced_only_if_asked(built, emodb, tmp_path, capsys):
    data = ["--data", "EmoDB", "--data.root", emodb, *TONES]
    assert "give another --out, or --overwrite" in said(capsys, 1, "build", *data, "--out", built)


def test_a_test_is_converted(built, tmp_path, capsys):
    assert (
        main(["listen", "convert", str(built), "--to", "webmushra", "--out", str(tmp_path / "german")]) == 0
    )
    shown = capsys.readouterr()
    assert shown.out.strip() == str(tmp_path / "german")
    assert "?config=german/config.yaml" in shown.err
    folder = tmp_path / "plain"
    assert (
        main(["listen", "convert", str(built), "--to", "folder", "--orders", "2", "--out", str(folder)]) == 0
    )
    assert {path.name for path in (folder / "jspsych" / "en").iterdir()} == {"1.json", "2.json"}


def test_convert_says_what_is_missing(built, tmp_path, capsys):
    assert "missing: --to." in said(capsys, 2, "convert", built, "--out", tmp_path)
    assert "missing: --out." in said(capsys, 2, "convert", built, "--to", "folder")
    words = [tmp_path / "none", "--to", "folder", "--out", tmp_path / "out"]
    assert "protocol.json: no such file" in said(capsys, 1, "convert", *words)


def test_another_action_is_refused_with_near_ones(capsys):
    assert "unknown listen action 'biuld'. Did you mean 'build'?" in said(capsys, 2, "biuld")


def test_the_pages_name_options_that_exist():
    data = ["--data", "EmoDB"]
    assert unknown_flags(LISTEN_BUILD.flags, lambda words: build_parser().parse_args([*data, *words])) == []
    assert unknown_flags(LISTEN_CONVERT.flags, lambda words: convert_parser().parse_args(["x", *words])) == []


@pytest.mark.shared
@pytest.mark.slow
def test_real_speech_of_two_languages_is_trimmed_and_at_one_loudness(shared, tmp_path):
    corpora = ["--data", "EmoDB", "--data.root", shared / "data" / "emodb"]
    corpora += ["--data", "RAVDESS", "--data.root", shared / "data" / "ravdess"]
    words = [*corpora, "--per-emotion", 4, "--out", tmp_path / "test"]
    assert main(["listen", "build", *map(str, words)]) == 0
    made = verify(tmp_path / "test")
    for block in made.blocks:
        found = made.of(ITEM, block.name)
        assert Counter(item.truth for item in found) == dict.fromkeys(made.answers, 4)
        assert set(Counter((item.truth, item.gender) for item in found).values()) == {2}
        assert max(Counter(item.speaker for item in found).values()) <= 2
    clips = [load(tmp_path / "test" / item.file) for item in made.items]
    levels = [gated_loudness(clip - clip.mean()) for clip in clips]
    assert max(levels) - min(levels) < 0.05
    assert max(map(true_peak, clips)) <= -1
    # RAVDESS has a second of silence at each end of its clips of four seconds.
    english = [item.seconds for item in made.items if item.language == "en"]
    assert sum(english) / len(english) < 2.5
