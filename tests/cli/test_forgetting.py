"""What the second stage of `sercl fit` forgets of the source."""

import json

import pandas as pd
import pytest

import sercl
from sercl.cli.main import main
from sercl.json_text import json_text
from sercl.metrics.functional.classification import AVERAGES
from sercl.studies.results.forgetting import Forgetting, SourceTest
from sercl.studies.results.predictions import read_csv
from sercl.testing.corpora import fake_corpus

FILES = ("predictions-source-before.csv", "predictions-source-after.csv")


def words(encoder, source, target, out, *more):
    return [
        "fit", "--data", "LanguagePair", "--data.setting", "two-stage", "--data.switch_epoch", "2",
        *source, *target, "--model.encoder", encoder, "--model.whisper_form", "short",
        "--trainer.max_epochs", "2", "--trainer.accelerator", "cpu", "--out", str(out), *more,
    ]  # fmt: skip


def of(role, name, root):
    return ["--data." + role, name, f"--data.{role}.root", root]


@pytest.fixture(scope="module")
def run(encoder, emodb, ravdess, tmp_path_factory):
    """A finished run with a frozen encoder."""
    out = tmp_path_factory.mktemp("forgetting") / "run"
    assert main(words(encoder, of("source", "EmoDB", emodb), of("target", "RAVDESS", ravdess), out)) == 0
    return out


def utterances_in(path):
    return set(pd.read_csv(path)["utterance"])


def listed(path):
    return {name.removesuffix(".wav") for name in pd.read_csv(path)["file"]}


def by_hand(out, corpus="EmoDB"):
    return Forgetting.of(SourceTest(corpus, *(read_csv(out / name) for name in FILES)))


def content(out):
    return json.loads((out / "results.json").read_text())


def test_the_source_is_tested_before_and_after_the_second_stage(run):
    own = content(run)["forgetting"]
    assert own == json.loads(json_text(by_hand(run).to_dict()))
    assert own["corpus"] == "EmoDB"
    assert set(own["before"]) == {
        *AVERAGES,
        *(f"recall/{name}" for name in ("angry", "happy", "neutral", "sad")),
    }
    difference = own["after"]["uar"]["value"] - own["before"]["uar"]["value"]
    assert own["paired"]["difference"]["value"] == pytest.approx(difference, abs=1e-6)
    assert own["paired"]["p_holm"] == own["paired"]["test"]["p"]
    for name in FILES:
        assert utterances_in(run / name) == listed(run / "folds" / "source" / "test.csv")
    assert utterances_in(run / "predictions.csv") == listed(run / "folds" / "target" / "test.csv")
    assert content(run)["data"]["splits"]["source test"]["corpus"] == "EmoDB"


def test_before_and_after_are_the_checkpoints_of_the_stages(run, emodb, tmp_path):
    for stage, name in (("source", FILES[0]), ("target", FILES[1])):
        out, checkpoint = tmp_path / stage, str(run / stage / "best.ckpt")
        # The corpus by itself, with the same folds.
        config = tmp_path / "emodb.yaml"
        config.write_text(f"data: {{class_path: EmoDB, init_args: {{root: {emodb}}}}}")
        assert main(["test", "-c", str(config), "--ckpt", checkpoint, "--out", str(out)]) == 0
        there = read_csv(out / "predictions.csv").to_frame()
        pd.testing.assert_frame_equal(there, read_csv(run / name).to_frame(), rtol=0, atol=2e-6)
    assert (run / FILES[0]).read_bytes() != (run / FILES[1]).read_bytes()


def test_loggers_get_the_scores_under_names_of_their_own(run):
    frames = [pd.read_csv(path) for path in run.glob("logs/csv/*/metrics.csv")]
    logged = pd.concat(frames).filter(regex="uar").max()
    own = content(run)
    assert logged["source_before/uar"] == pytest.approx(own["forgetting"]["before"]["uar"]["value"], abs=1e-6)
    assert logged["source_after/uar"] == pytest.approx(own["forgetting"]["after"]["uar"]["value"], abs=1e-6)
    assert logged["test/uar"] == pytest.approx(own["scores"]["uar"]["value"], abs=1e-6)


def test_data_frames_have_it_apart_from_the_scores_of_the_target(run):
    found, own = sercl.read_results(run), content(run)["forgetting"]
    frame = found.forgetting.set_index("score")
    for name in ("uar", "wa", "recall/sad"):
        for when in ("before", "after"):
            for end, key in (("", "value"), ("_low", "low"), ("_high", "high")):
                value = own[when][name][key]
                assert frame.loc[name, f"{when}{end}"] == pytest.approx(value, abs=1e-6, nan_ok=True)
    assert frame.loc["uar", "p"] == pytest.approx(own["paired"]["test"]["p"], abs=1e-6)
    assert set(frame["tested"]) == {"EmoDB"}
    assert set(found.predictions["utterance"]) == utterances_in(run / "predictions.csv")


def test_a_run_without_a_second_stage_has_none(fit_words, tmp_path):
    assert main([*fit_words, "--model.layer", "1", "--out", str(tmp_path / "run")]) == 0
    assert "forgetting" not in content(tmp_path / "run")
    assert not list((tmp_path / "run").glob("predictions-*"))
    assert sercl.read_results(tmp_path / "run").forgetting.empty


def test_it_is_shown_and_measured_again_on_resume(encoder, emodb, ravdess, tmp_path, capsys):
    """With an adapter, from the last weights: the second stage continued from these."""
    more = ["--model.adapter", "gating", "--data.continue_from", "last"]
    more += ["--checkpoint.monitor", "epoch", "--checkpoint.mode", "min"]  # the first epoch is the best
    line = words(
        encoder, of("source", "EmoDB", emodb), of("target", "RAVDESS", ravdess), tmp_path / "run", *more
    )
    assert main(line) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Forgetting: EmoDB, test part, before and after the second stage" in shown
    assert "After - Before: UAR" in shown
    kept = {name: (tmp_path / "run" / name).read_bytes() for name in FILES}
    before = content(tmp_path / "run")["forgetting"]
    for name in (*FILES, "results.json", "predictions.csv"):
        (tmp_path / "run" / name).unlink()
    assert main([*line, "--resume"]) == 0
    assert {name: (tmp_path / "run" / name).read_bytes() for name in FILES} == kept
    assert content(tmp_path / "run")["forgetting"] == before
    frame = read_csv(tmp_path / "run" / FILES[0]).to_frame()
    model = sercl.load(tmp_path / "run" / "source" / "last.ckpt", device="cpu")
    clips = [f"{emodb}/wav/{name}.wav" for name in frame["utterance"]]
    for found, (_, row) in zip(model.predict(clips), frame.iterrows(), strict=True):
        assert found.probabilities["sad"] == pytest.approx(row["p_sad"], abs=1e-5)


def test_all_folds_are_pooled(encoder, emodb, ravdess, tmp_path):
    folds = [
        f"--data.{role}.folds.{name}" for role in ("source", "target") for name in ("index=all", "count=2")
    ]
    source, target = of("source", "EmoDB", emodb), of("target", "RAVDESS", ravdess)
    assert main(words(encoder, source, target, tmp_path / "run", *folds)) == 0
    run = tmp_path / "run"
    for name in FILES:
        whole = pd.read_csv(run / name)
        parts = [pd.read_csv(run / f"fold-{fold}" / name).assign(fold=fold) for fold in (0, 1)]
        assert set(whole["fold"]) == {0, 1}
        assert set(zip(whole["fold"], whole["utterance"], strict=True)) == {
            (row.fold, row.utterance) for part in parts for row in part.itertuples()
        }
    own = content(run)["forgetting"]
    assert own == json.loads(json_text(by_hand(run).to_dict()))
    assert own["paired"]["utterances"] == len(pd.read_csv(run / FILES[0]))
    assert len(sercl.read_results(run).forgetting) == len(own["before"])


def test_a_joined_source_is_tested_as_a_whole(encoder, emodb, ravdess, tmp_path):
    other = str(fake_corpus("EMOVO", tmp_path / "emovo", speakers=6))
    roots = {"EmoDB": emodb, "EMOVO": other}
    joined = [{"class_path": name, "init_args": {"root": root}} for name, root in roots.items()]
    source = {"class_path": "Corpora", "init_args": {"corpora": joined}}
    line = words(
        encoder, ["--data.source", json.dumps(source)], of("target", "RAVDESS", ravdess), tmp_path / "run"
    )
    assert main(line) == 0
    assert content(tmp_path / "run")["forgetting"]["corpus"] == "EmoDB + EMOVO"
    speakers = set(pd.read_csv(tmp_path / "run" / FILES[0])["speaker"])
    assert {name.split()[0] for name in speakers} == set(roots)
