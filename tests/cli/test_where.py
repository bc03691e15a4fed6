"""Utterances selected with `where`, from the commands."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

import sercl
from sercl.cli.main import main
from sercl.studies.cross_eval.study_file import read_study
from sercl.testing.corpora import fake_dialects

RAW = ["--preprocess.trim", "none", "--preprocess.loudness", "none"]
BAVARIAN = "german (dialect bavarian)"


@pytest.fixture(scope="module")
def german(tmp_path_factory):
    """Six speakers of standard German and four of Bavarian."""
    return str(fake_dialects(tmp_path_factory.mktemp("german")))


@pytest.fixture(scope="module")
def words(german, encoder, tmp_path_factory):
    """Arguments of every command here, without the conditions and `--out`."""
    return [
        "--data", "Manifest", "--data.root", german, "--data.folds.count", "3", "--model.encoder", encoder,
        "--model.whisper_form", "short", "--trainer.accelerator", "cpu", *RAW,
        "--features.dir", str(tmp_path_factory.mktemp("store")),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def run(words, tmp_path_factory):
    """A run on standard German."""
    folder = tmp_path_factory.mktemp("where") / "run"
    own = ["--data.where.dialect", "standard", "--model.layer", "1", "--trainer.max_epochs", "1"]
    assert main(["fit", *words, *own, "--out", str(folder)]) == 0
    return folder


def results(folder):
    return json.loads((folder / "results.json").read_text())


def speakers(folder):
    return set(results(folder)["data"]["splits"]["test"]["speakers"])


def test_a_run_keeps_its_conditions(run):
    assert yaml.safe_load((run / "config.yaml").read_text())["data"]["init_args"]["where"] == {
        "dialect": "standard"
    }
    data = results(run)["data"]
    assert data["name"] == "german (dialect standard)"
    assert data["not_selected"] == {"german (dialect standard)": 32}
    assert "48 of 80 utterances selected (dialect standard)" in results(run)["notes"]


def test_a_checkpoint_is_tested_on_what_was_selected_or_on_the_other_dialect(run, tmp_path):
    ckpt = ["test", "--ckpt", str(run / "best.ckpt"), "--trainer.accelerator", "cpu"]
    assert main([*ckpt, "--out", str(tmp_path / "same")]) == 0
    assert speakers(tmp_path / "same") == speakers(run) <= {f"0{number}" for number in range(6)}
    assert main([*ckpt, "--data.where.dialect", "bavarian", "--out", str(tmp_path / "other")]) == 0
    assert results(tmp_path / "other")["data"]["name"] == BAVARIAN
    assert speakers(tmp_path / "other") <= {"06", "07", "08", "09"}


def test_a_run_is_not_resumed_with_other_conditions(run, words, tmp_path, capsys):
    folder = shutil.copytree(run, tmp_path / "run")
    own = ["--model.layer", "1", "--trainer.max_epochs", "1", "--out", str(folder), "--resume"]
    assert main(["fit", *words, "--data.where.dialect", "bavarian", *own]) == 2
    assert "data.where" in capsys.readouterr().err


def test_a_wrong_condition_is_wrong_usage(words, tmp_path, capsys):
    assert main(["fit", *words, "--data.where.dialect", "saxon", "--out", str(tmp_path / "run")]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert "where.dialect: no utterance of german has 'saxon'. Valid: unknown (48), bavarian (32)." in error
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_conditions_in_a_file(words, tmp_path):
    path = tmp_path / "where.yaml"
    path.write_text("data:\n  init_args:\n    where: {dialect: bavarian, room: [studio, office]}\n")
    probe = ["layer-probe", *words, "-c", str(path), "--probe", "mlp", "--probe.max_epochs", "2"]
    assert main([*probe, "--out", str(tmp_path / "probe")]) == 0
    found = results(tmp_path / "probe")
    assert found["name"] == "german (dialect bavarian; room studio or office)"
    (data,) = found["data"].values()
    assert (data["speakers"], data["utterances"]) == (["06", "07", "08", "09"], 32)


@pytest.fixture(scope="module")
def study(german, encoder, tmp_path_factory):
    """Write a study between two selections of the corpus, and return its file."""

    def write(folder, first, second):
        def corpus(where):
            return {
                "class_path": "Manifest",
                "init_args": {"root": german, "where": where, "folds": {"count": 3}},
            }

        path = folder / "study-in.yaml"
        content = {
            "study": {
                "encoders": {"tiny": {"encoder": encoder, "whisper_form": "short"}},
                "corpora": {"first": corpus(first), "second": corpus(second)},
                "train": ["first"],
                "seeds": [1],
            },
            "preprocess": {"trim": "none", "loudness": "none"},
            "probe": {"preset": "mlp", "max_epochs": 2},
            "trainer": {"accelerator": "cpu"},
            "features": {"dir": str(tmp_path_factory.mktemp("store"))},
        }
        path.write_text(yaml.safe_dump(content))
        return str(path)

    return write


def test_the_study_across_dialects_of_the_documentation(german, encoder, tmp_path, capsys):
    text = (Path(__file__).parents[2] / "docs" / "cross-eval.md").read_text(encoding="utf-8")
    content = yaml.safe_load(re.search(r"```yaml\n# dialects.yaml\n(.*?)```", text, re.DOTALL)[1])
    content["study"]["encoders"] = {"whisper-base": encoder}
    for corpus in content["study"]["corpora"].values():
        corpus["init_args"]["root"] = german
    small = {"preprocess": {"trim": "none", "loudness": "none"}, "trainer": {"accelerator": "cpu"}}
    path = tmp_path / "dialects.yaml"
    path.write_text(yaml.safe_dump({**content, **small, "features": {"dir": str(tmp_path / "store")}}))
    run = ["cross-eval", "-c", str(path), "--out", str(tmp_path / "study")]
    assert main([*run, "--group_by", "dialect"]) == 2  # each dialect is a corpus of its own
    said = " ".join(capsys.readouterr().err.split())
    assert "all utterances of each test set are 'bavarian' or 'standard'; there are no two groups" in said
    assert main([*run, "--group_by", "gender", "--json"]) == 2
    assert "--group_by: has no effect with --json" in capsys.readouterr().err
    assert not (tmp_path / "study").exists() or not list((tmp_path / "study").glob("cells/*"))
    assert main([*run, "--group_by", "gender"]) == 0
    assert "Scores by gender" in capsys.readouterr().out
    assert (tmp_path / "study" / "groups.csv").is_file()
    assert "group_by" not in (tmp_path / "study" / "study.yaml").read_text()
    path.write_text(path.read_text() + "group_by: [room]\n")
    assert main(run) == 0  # nothing is trained; the report is of other groups
    assert "Scores by room" in capsys.readouterr().out
    found = sercl.read_results(tmp_path / "study", group_by=["gender"])
    pairs = found.scores.query("setting == 'zero-shot' and score == 'uar'")
    assert set(pairs["source"] + " -> " + pairs["target"]) == {"standard -> bavarian", "bavarian -> standard"}
    tested = found.predictions.query("target == 'bavarian'")
    assert set(tested["dialect"]) == {"bavarian"}
    assert set(found.groups["group"]) == {"female", "male", "female - male"}
    study = read_study(tmp_path / "study")
    assert {name: corpus.where for name, corpus in study.corpora.items()} == {
        "standard": "dialect standard", "bavarian": "dialect bavarian",
    }  # fmt: skip
    assert study.corpora["bavarian"].notes[0] == "32 of 80 utterances selected (dialect bavarian)"
    assert not any(item.shared_speakers for item in study.records)


def test_a_study_whose_selections_share_speakers_is_refused(study, tmp_path, capsys):
    path = study(tmp_path, {"room": "studio"}, {"room": "office", "gender": "female"})
    assert main(["cross-eval", "-c", path, "--out", str(tmp_path / "study")]) == 1
    assert "of first are tested in second" in " ".join(capsys.readouterr().err.split())


def test_a_corpus_is_inspected_and_listed_in_part(german, tmp_path, capsys):
    own = ["Manifest", "--root", german, "--where.dialect", "bavarian", "--where.gender", "f"]
    assert main(["corpus", "inspect", *own, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["utterances"], list(found["speakers"])) == (16, ["06", "08"])
    assert found["notes"][0] == "16 of 80 utterances selected (dialect bavarian; gender f)"
    assert main(["corpus", "manifest", *own, "--out", str(tmp_path / "list.csv")]) == 0
    assert "16 utterances of german, 64 not selected" in " ".join(capsys.readouterr().out.split())
    assert len((tmp_path / "list.csv").read_text().splitlines()) == 17
