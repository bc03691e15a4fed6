import csv
import random

import pytest

from sercl.cli import cross_eval, demo
from sercl.cli.listen import build
from sercl.cli.listen.words import with_corpora
from sercl.cli.main import main
from sercl.errors import UsageError


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """The demo's corpus and encoder, at the demo's own size."""
    pytest.importorskip("espeakng_loader", reason="the extra `demo` is not installed")
    return demo.make_inputs(tmp_path_factory.mktemp("demo"), speakers=8, sentences=6)


def uar_of(manifest, encoder, out):
    assert main(demo.fit_words(manifest, encoder, out)) == 0
    return demo.read_uar(out)


def shuffled(manifest, seed):
    """The same clips with the emotions of each speaker shuffled."""
    with manifest.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for speaker in {row["speaker"] for row in rows}:
        own = [row for row in rows if row["speaker"] == speaker]
        emotions = [row["emotion"] for row in own]
        random.Random(f"{seed}{speaker}").shuffle(emotions)
        for row, emotion in zip(own, emotions, strict=True):
            row["emotion"] = emotion
    path = manifest.with_name(f"shuffled{seed}.csv")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.mark.slow
def test_unseen_speakers_are_recognised_far_above_chance_and_shuffled_labels_are_not(inputs, tmp_path):
    corpus, encoder = inputs
    assert uar_of(corpus / "de.csv", encoder, tmp_path / "true") > 0.55
    # 48 test clips: chance is 0.25 with a standard error of 0.06, so the mean of three stays below 0.37.
    by_chance = [
        uar_of(shuffled(corpus / "de.csv", seed), encoder, tmp_path / f"shuffled{seed}") for seed in range(3)
    ]
    assert sum(by_chance) / 3 < 0.4


def test_a_folder_that_is_not_a_demos_is_not_replaced(tmp_path):
    (tmp_path / "encoder").mkdir()
    (tmp_path / "encoder" / "model.safetensors").write_text("mine")
    with pytest.raises(UsageError, match="holds encoder, and is not the folder of an earlier demo"):
        demo.run(tmp_path, speakers=4, sentences=1, steps=("fit",))
    assert (tmp_path / "encoder" / "model.safetensors").read_text() == "mine"
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "de.csv").touch()
    demo.check_own(tmp_path)
    demo.check_own(tmp_path / "new")


@pytest.mark.slow
def test_the_demo_says_what_is_synthetic_and_shows_every_step(tmp_path, capsys):
    pytest.importorskip("espeakng_loader", reason="the extra `demo` is not installed")
    assert main(["demo", "--out", str(tmp_path / "demo"), "--speakers", "5", "--sentences", "2"]) == 0
    said = capsys.readouterr().out
    assert said.count("SYNTHETIC") == 2
    for command in (
        "$ sercl fit",
        "$ sercl test",
        "$ sercl predict",
        "$ sercl layer-probe",
        "$ sercl diarize",
        "$ sercl cross-eval",
        "$ sercl listen build",
        "$ sercl listen answers",
        "$ sercl listen import",
        "$ sercl listen compare",
    ):
        assert command in said
    assert "neutral from 0.0 s, angry from" in said
    assert (tmp_path / "demo" / "talk.html").stat().st_size > 50_000
    for language in ("German", "Mandarin, zero-shot", "English, zero-shot"):
        assert language in said
    assert "UAR (%) by training and test corpus" in said
    assert "25 SIMULATED listeners" in said
    assert "Kept 24 of 25 listeners" in said
    assert "The claims of the study" in said
    report = (tmp_path / "demo" / demo.REPORT / "report.html").read_text(encoding="utf-8")
    assert "24 of 24 listeners are simulated" in report
    assert f"{demo.REPORT}/report.html" in said
    page = (tmp_path / "demo" / demo.STUDY / "report.html").read_text(encoding="utf-8")
    assert "German, Mandarin, English: all utterances are synthetic speech (espeak-ng)" in page
    for picture in ("run/confusion.png", "layers/layers.png"):
        assert (tmp_path / "demo" / picture).stat().st_size > 0


@pytest.mark.parametrize(("flag", "value", "said"), [("--speakers", "40", "12"), ("--sentences", "0", "10")])
def test_wrong_sizes_are_refused(tmp_path, capsys, flag, value, said):
    assert main(["demo", "--out", str(tmp_path / "demo"), flag, value]) == 2
    assert said in capsys.readouterr().err


def test_an_unwritable_place_is_one_message(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["demo", "--out", str(tmp_path / "file" / "demo")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_a_new_call_replaces_the_study_of_the_demo_and_leaves_one_of_your_own(tmp_path):
    old = tmp_path / demo.STUDY / "study.yaml"
    own = (tmp_path / "study" / "study.yaml", tmp_path / "study.yaml")
    for path in (old, *own):
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    words = demo.study_words(tmp_path / "corpus", tmp_path / "encoder", tmp_path)
    assert not old.exists()
    assert [path.read_text() for path in own] == ["mine", "mine"]
    assert cross_eval.build_parser().parse_args(words[1:])


def test_a_new_call_replaces_the_listening_test_with_its_answers(tmp_path):
    test = tmp_path / demo.LISTENING
    for name in ("protocol.json", "answers/log.jsonl"):
        (test / name).parent.mkdir(parents=True, exist_ok=True)
        (test / name).write_text("old")
    words = demo.build_words(tmp_path / "corpus", test)
    assert not any(test.iterdir())
    assert build.build_parser().parse_args(with_corpora(words[2:]))
