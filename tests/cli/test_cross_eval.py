import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

import sercl
from sercl.cli.main import main
from sercl.reports.cross_eval.formats import FORMATS
from sercl.studies.cross_eval.study_file import read_study
from tests.processes import alone, killed_when


@pytest.fixture(scope="module")
def content(crossed, tmp_path_factory):
    """A small study of a frozen encoder; its store is shared by the tests of this file."""
    return {
        "study": {
            **crossed,
            "seeds": [1, 2],
            "folds": [0, 1],
        },
        "probe": {"preset": "mlp", "max_epochs": 4},
        "trainer": {"max_epochs": 2, "accelerator": "cpu"},
        "features": {"dir": str(tmp_path_factory.mktemp("store"))},
    }


@pytest.fixture
def study_file(content, tmp_path):
    """Write the study with some of its keys changed, and return the file."""

    def write(probe=None, corpora=None, **changes):
        changed = {**content, "study": {**content["study"], **changes}, "probe": probe or content["probe"]}
        if corpora is not None:
            changed["study"]["corpora"] = corpora
        path = tmp_path / "study-in.yaml"
        path.write_text(yaml.safe_dump(changed))
        return str(path)

    return write


def run(path, out, *more):
    return main(["cross-eval", "-c", path, "--out", str(out), *more])


def times(out):
    return {path.parent.name: path.stat().st_mtime_ns for path in out.glob("cells/*/cell.json")}


def predictions(out):
    return pq.read_table(out / "predictions.parquet").to_pandas()


@pytest.fixture(scope="module")
def done(content, tmp_path_factory):
    """A finished study; not to be changed."""
    folder = tmp_path_factory.mktemp("study")
    path = folder / "in.yaml"
    path.write_text(yaml.safe_dump(content))
    assert run(str(path), folder / "out") == 0
    return path, folder / "out"


def test_data_frames_hold_the_scores_of_the_report(done):
    _, out = done
    results, report = sercl.read_results(out), pd.read_csv(out / "scores.csv")
    for name in ("uar", "wa", "macro_f1"):
        own = results.scores.query(f"score == '{name}'")
        for column, end in (("value", ""), ("low", "_low"), ("high", "_high")):
            assert [f"{value:.6g}" for value in own[column]] == [f"{v:.6g}" for v in report[f"{name}{end}"]]
    assert len(results.predictions) == len(pd.read_parquet(out / "predictions.parquet"))
    assert results.settings.loc[0, "probe.max_epochs"] == 4


def test_every_cell_has_its_predictions_and_a_report(done):
    _, out = done
    study = read_study(out)
    assert {record.status for record in study.records} == {"done"}
    assert len(study.records) == 4 * 2 * 2  # conditions, folds, seeds
    for name in ("report.html", "report.md", "report.tex", "scores.csv", "study.yaml"):
        assert (out / name).stat().st_size > 0, name
    frame = predictions(out)
    for record in study.records:
        rows = frame[frame.cell == record.address]
        assert record.parts["test"] == (rows.setting == record.cell.condition.setting).sum()
        assert record.shared_speakers == ()
        assert (out / "cells" / record.address).is_dir()
    assert frame.speaker.notna().all()


def test_test_utterances_are_those_of_the_folds_written_beside_them(done):
    _, out = done
    frame, study = predictions(out), read_study(out)
    record = next(item for item in study.records if item.cell.condition.setting == "zero-shot")
    listed = (out / "cells" / record.address / "folds" / "test.csv").read_text().splitlines()[1:]
    tested = frame[(frame.cell == record.address) & (frame.setting == "zero-shot")].utterance
    assert {line.split(",")[0].removesuffix(".wav") for line in listed} == set(tested)


def test_the_page_links_every_list_of_a_fold(done):
    _, out = done
    links = re.findall(r'href="(cells/[^"]+)">([^<]+)</a>', (out / "report.html").read_text())
    assert {name for _, name in links} == {"train", "validation", "test"}
    assert len(links) == 4 * 2 * 3  # conditions, folds, lists
    assert all((out / file).read_text().startswith("file,answer,corpus") for file, _ in links)


def test_the_terminal_shows_the_matrix(done, capsys):
    _, out = done
    assert main(["cross-eval", "report", str(out)]) == 0
    said = capsys.readouterr().out
    assert "Trained on" in said
    assert "Report:" in said


def test_an_unchanged_study_is_not_run_again(done, capsys):
    path, out = done
    before, report = times(out), (out / "report.html").stat().st_mtime_ns
    assert run(str(path), out) == 0
    assert "Nothing to do" in capsys.readouterr().out
    assert times(out) == before
    assert (out / "report.html").stat().st_mtime_ns == report


def test_a_report_that_was_not_written_to_its_end_is_written_again(study_file, tmp_path, capsys, monkeypatch):
    out, path = tmp_path / "out", study_file(seeds=[1], folds=[0])
    assert run(path, out) == 0
    more = study_file(seeds=[1, 2], folds=[0])

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:  # between collecting and reporting
        patched.setattr("sercl.cli.cross_eval.report", killed)
        assert run(more, out) == 130
    assert f"the same command continues the study in {out}." in capsys.readouterr().err
    with monkeypatch.context() as patched:  # while the files are written
        patched.setitem(FORMATS, "html", {"report.html": killed})
        assert run(more, out) != 0
    assert "Seeds: 1, 2" in (out / "report.md").read_text()
    assert "<dt>Seeds</dt><dd>1, 2</dd>" not in (out / "report.html").read_text()
    capsys.readouterr()
    assert run(more, out) == 0
    assert "Nothing to do" not in capsys.readouterr().out
    assert "<dt>Seeds</dt><dd>1, 2</dd>" in (out / "report.html").read_text()
    assert run(more, out) == 0
    assert "Nothing to do" in capsys.readouterr().out
    assert run(study_file(seeds=[2], folds=[0]), out, "--json") == 0
    assert json.loads(capsys.readouterr().out)["cells"]
    assert "<dt>Seeds</dt><dd>2</dd>" in (out / "report.html").read_text(), "no old report beside a new study"


def test_a_report_mends_itself(done, capsys, tmp_path):
    path, source = done
    out = tmp_path / "out"
    shutil.copytree(source, out)
    page = out / "report.html"
    page.write_text(page.read_text().replace('name="sercl-study" content="', 'name="sercl-study" content="0'))
    assert main(["cross-eval", "report", str(out), "--quiet"]) == 0
    capsys.readouterr()
    assert run(str(path), out) == 0
    assert "Nothing to do" in capsys.readouterr().out


def test_an_encoder_in_a_folder_is_called_by_its_last_component(study_file, encoder, tmp_path, capsys):
    out = tmp_path / "out"
    exclude = [{"when": {"encoder": encoder, "source": "RAVDESS"}}]
    more = {"seeds": [1], "folds": [0], "settings": ["monolingual"], "exclude": exclude}
    path = study_file(encoders=[encoder], **more)
    assert run(path, out, "--model.whisper_form", "short") == 0
    said = capsys.readouterr().out
    name = Path(encoder).name
    assert f"{name}, frozen: within a corpus the UAR is" in " ".join(said.split())
    assert list(read_study(out).encoders) == [name]
    pages = {suffix: (out / f"report.{suffix}").read_text() for suffix in ("html", "md", "tex")}
    assert {suffix: text.count(encoder) for suffix, text in pages.items()} == {"html": 1, "md": 1, "tex": 0}
    assert encoder not in said


def test_a_dry_run_shows_the_cells_and_writes_nothing(done, capsys, tmp_path):
    path, out = done
    assert run(str(path), out, "--dry-run") == 0
    assert "No training remains" in capsys.readouterr().out
    assert run(str(path), tmp_path / "new", "--dry-run") == 0
    said = capsys.readouterr().out
    assert "16 cells (4 conditions)" in said
    assert "No time estimate" in said
    assert not (tmp_path / "new").exists()


def test_a_dry_run_estimates_by_what_is_done(done, study_file, capsys):
    _, out = done
    assert run(study_file(seeds=[1, 2, 3]), out, "--dry-run") == 0
    said = capsys.readouterr().out
    assert "About" in said
    assert "for 4 trainings" in said


def test_more_seeds_run_only_what_is_new(study_file, tmp_path):
    out = tmp_path / "out"
    assert run(study_file(seeds=[1]), out) == 0
    before = times(out)
    assert run(study_file(seeds=[1, 2]), out) == 0
    after = times(out)
    assert len(after) == 2 * len(before)
    assert {name: after[name] for name in before} == before


def test_a_changed_probe_runs_anew_and_the_old_one_comes_back_at_once(study_file, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(study_file(seeds=[1]), out) == 0
    first, before = predictions(out), times(out)
    assert run(study_file(seeds=[1], probe={"max_epochs": 3}), out) == 0
    assert not predictions(out).equals(first)
    assert len(times(out)) == 2 * len(before)
    assert run(study_file(seeds=[1]), out) == 0
    assert predictions(out).equals(first)
    assert len(times(out)) == 2 * len(before)


def test_the_json_is_the_study(study_file, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(study_file(seeds=[1], folds=[0]), out, "--json") == 0
    assert json.loads(capsys.readouterr().out) == json.loads((out / "study.json").read_text())


def test_adapters_run_in_every_setting_and_share_their_trainings(study_file, tmp_path):
    out = tmp_path / "out"
    path = study_file(
        adapters=["none", "lora"],
        settings=["monolingual", "zero-shot", "transfer", "two-stage", "few-shot"],
        shots=[0, 1, 99],
        draws={"none": 1, "*": 2},
        seeds=[5],
        folds=[0],
    )
    assert run(path, out) == 0
    study = read_study(out)
    assert {record.status for record in study.records} == {"done"}
    frozen = [record.cell for record in study.records if record.cell.condition.adapter == "none"]
    assert {cell.draw for cell in frozen} == {0}
    by_setting = {}
    for record in study.records:
        if record.cell.condition.adapter == "lora":
            by_setting.setdefault(record.cell.condition.setting, []).append(record)
    assert {item.address for item in by_setting["monolingual"]} == {
        item.address for item in by_setting["transfer"]
    }
    # Two on one corpus, two continued on the other, and two draws of one shot in both directions.
    assert len(list((out / "trainings").iterdir())) == 2 + 2 + 4
    assert by_setting["two-stage"][0].epochs == 4
    assert by_setting["two-stage"][0].parts.keys() >= {"source train", "train", "test"}
    assert any("99 shots" in warning for warning in study.warnings)
    few = [item for item in by_setting["few-shot"] if item.cell.condition.shots == 1]
    assert {item.parts["target train"] for item in few} == {4}
    assert len({item.address for item in few}) == 4


def test_adaptations_go_where_they_apply_and_are_marked(study_file, tmp_path, capsys):
    path = study_file(
        adapters=["none", "lora"],
        settings=["zero-shot"],
        adaptation=["none", "corpus", "speaker", "coral", "adversarial"],
        seeds=[5],
        folds=[0],
        test=["RAVDESS"],
    )
    assert run(path, tmp_path / "out") == 0
    study = read_study(tmp_path / "out")
    assert {record.status for record in study.records} == {"done"}
    assert [(item.cell.condition.adapter, item.cell.condition.adaptation) for item in study.records] == [
        ("none", "none"), ("none", "corpus"), ("none", "speaker"), ("none", "coral"),
        ("lora", "none"), ("lora", "adversarial"),
    ]  # fmt: skip
    assert len({record.address for record in study.records}) == 6
    assert sum("left out of the grid" in warning for warning in study.warnings) == 4
    notes = {item.cell.condition.adaptation: item.notes for item in study.records if item.notes}
    assert notes.keys() >= {"corpus", "speaker", "coral"}
    assert "RAVDESS RAVDESS" not in " ".join(notes["speaker"])


def test_a_weight_of_adversarial_training_leaves_the_other_conditions_alone(study_file, tmp_path, capsys):
    adaptation, weight = ["none", "adversarial"], ("--model.adversarial.weight", "0.5")
    options = {"adapters": ["lora"], "seeds": [5], "folds": [0], "train": ["EmoDB"], "test": ["RAVDESS"]}
    path, out = study_file(settings=["zero-shot"], adaptation=adaptation, **options), tmp_path / "out"
    assert run(path, out) == 0
    before = times(out)
    assert run(path, out, *weight) == 0
    assert {record.status for record in read_study(out).records} == {"done"}
    assert len(times(out)) == len(before) + 1
    path = study_file(settings=["zero-shot"], **options)
    assert run(path, tmp_path / "without", *weight) == 2
    assert "study.adaptation does not have 'adversarial'" in capsys.readouterr().err


def test_a_head_is_trained_first_where_asked(content, study_file, tmp_path):
    path = study_file(adapters=["lora"], settings=["monolingual"], seeds=[5], folds=[0], test=["EmoDB"])
    assert run(path, tmp_path / "out", "--model.head_first", "true") == 0
    (record,) = read_study(tmp_path / "out").records
    assert (record.status, record.epochs) == ("done", 4)


def test_methods_of_peft_are_adapters_of_a_study(study_file, tmp_path):
    options = {"settings": ["monolingual"], "seeds": [5], "folds": [0], "test": ["EmoDB"]}
    path, out = study_file(adapters=["peft:dora", "lora"], **options), tmp_path / "out"
    assert run(path, out) == 0
    records = read_study(out).records
    assert [record.cell.condition.adapter for record in records] == ["peft:dora", "lora"]
    assert {record.status for record in records} == {"done"}
    assert all(re.fullmatch(r"[\w.-]+", path.name) for path in out.rglob("*"))
    assert main(["cross-eval", "report", str(out)]) == 0
    assert "peft:dora" in (out / "report.md").read_text()
    before = {record.address for record in records}
    assert run(path, out, "--model.adapters.peft.r", "2") == 0
    assert len({record.address for record in read_study(out).records} & before) == 1
    assert run(path, tmp_path / "from", "--model.adapters.peft.folder", str(tmp_path)) == 2


def test_epochs_of_two_stages_hold_those_of_a_head_that_came_first(study_file, tmp_path):
    options = {"adapters": ["lora"], "seeds": [5], "folds": [0], "train": ["EmoDB"], "test": ["RAVDESS"]}
    path, out = study_file(settings=["two-stage"], **options), tmp_path / "out"
    assert run(path, out, "--model.head_first", "true") == 0
    (record,) = read_study(out).records
    assert (record.status, record.epochs) == ("done", 6)
    assert not list(out.rglob("last.ckpt"))


def test_two_stages_as_in_the_study(study_file, content, tmp_path):
    options = {"adapters": ["lora"], "seeds": [5], "folds": [0], "train": ["EmoDB"], "test": ["RAVDESS"]}
    options |= {"settings": ["two-stage"], "select_on": ["target"], "switch_epoch": 1}
    path, out = study_file(**options, continue_from="last", epoch_budget="shared"), tmp_path / "out"
    assert run(path, out, "--trainer.max_epochs", "3") == 0
    study = read_study(out)
    (record,) = study.records
    assert record.cell.condition.select_on == "target"
    assert record.epochs == 3  # one, and what it left of three
    assert record.parts["source validation"] == record.parts["validation"]
    assert len([text for text in study.warnings if text.startswith("two-stage: with adapters")]) == 2
    assert "selected on target" in (out / "report.md").read_text()
    # Of the first stage the last weights are kept, of the second the best alone.
    assert len(list(out.glob("trainings/*/last.ckpt"))) == 1
    careful = study_file(**options)
    assert run(careful, out, "--trainer.max_epochs", "3", "--study.switch_epoch", "3") == 0
    (record,) = read_study(out).records
    assert 3 < record.epochs <= 6


def test_an_encoder_that_everything_is_excluded_of_is_left_out(study_file, content, tmp_path):
    (source,) = content["study"]["encoders"].values()
    path = study_file(
        encoders={"one": source, "two": source}, exclude=[{"when": {"encoder": "two"}}], seeds=[1], folds=[0]
    )
    assert run(path, tmp_path / "out") == 0
    assert set(read_study(tmp_path / "out").encoders) == {"one"}


def test_last_weights_must_be_kept(study_file, tmp_path, capsys):
    options = {"adapters": ["lora"], "settings": ["two-stage"], "continue_from": "last"}
    words = ["--checkpoint.save_last", "false"]
    assert run(study_file(**options), tmp_path / "out", *words) == 2
    assert "Give checkpoint.save_last true" in " ".join(capsys.readouterr().err.split())
    options |= {"adapters": ["none"]}
    assert run(study_file(**options), tmp_path / "out") == 2
    assert "setting two-stage with an adapter" in " ".join(capsys.readouterr().err.split())


def test_a_failed_training_takes_no_other_down(study_file, tmp_path, monkeypatch, capsys):
    from sercl.studies.cross_eval.run import pieces

    train = pieces.train

    def failing(task, data, *others, **more):
        if any(item.corpus == "RAVDESS" for item in data.splits["train"].utterances):
            raise RuntimeError("no more memory")
        return train(task, data, *others, **more)

    monkeypatch.setattr(pieces, "train", failing)
    out, path = (
        tmp_path / "out",
        study_file(
            adapters=["lora"], seeds=[5], folds=[0], settings=["monolingual", "zero-shot", "two-stage"]
        ),
    )
    assert run(path, out) == 1
    study = read_study(out)
    states = {
        (record.cell.condition.setting, record.cell.condition.source): record.status
        for record in study.records
    }
    assert states == {
        ("monolingual", "EmoDB"): "done",
        ("monolingual", "RAVDESS"): "failed",
        ("zero-shot", "EmoDB"): "done",
        ("zero-shot", "RAVDESS"): "failed",
        ("two-stage", "EmoDB"): "failed",
        ("two-stage", "RAVDESS"): "failed",
    }
    failed = next(record for record in study.records if record.status == "failed")
    assert "no more memory" in failed.error
    assert "Traceback" in (out / "cells" / failed.address / "log.txt").read_text()
    assert "Failed:" in capsys.readouterr().out
    monkeypatch.undo()
    assert run(path, out) == 0
    assert {record.status for record in read_study(out).records} == {"done"}


@pytest.mark.slow
def test_a_killed_study_goes_on_to_the_same_predictions(study_file, tmp_path):
    path = study_file(adapters=["lora"], seeds=[5, 6], folds=[0, 1])
    words = ["cross-eval", "-c", path, "--out", str(tmp_path / "killed")]
    after_three = killed_when(lambda task, batch: len(times(tmp_path / "killed")) >= 3)
    ended = alone(words, tmp_path / "said", after_three)
    assert ended.code == -9, ended.err
    before = times(tmp_path / "killed")
    assert 3 <= len(before) < 16
    assert not (tmp_path / "killed" / "study.json").exists()
    assert run(path, tmp_path / "killed") == 0
    assert run(path, tmp_path / "whole") == 0
    assert predictions(tmp_path / "killed").equals(predictions(tmp_path / "whole"))
    after = times(tmp_path / "killed")
    assert {name: after[name] for name in before} == before


def test_two_runs_into_one_folder_are_refused(done, tmp_path, capsys):
    from filelock import FileLock

    path, out = done
    with FileLock(out / ".lock"):
        assert run(str(path), out) == 1
    assert "another run is writing to this folder" in capsys.readouterr().err
    assert run(str(path), out) == 0


def test_a_folder_that_holds_something_else_is_left_alone(study_file, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("precious")
    assert run(study_file(), tmp_path / "out") == 2
    assert "thesis.tex" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"settings": ["zeroshot"]}, "Did you mean 'zero-shot'"),
        ({"adapters": ["lorra"]}, "Did you mean 'lora'"),
        (
            {"overrides": [{"when": {}, "model": {"adapters": {"gating": {"init": "paper"}}}}]},
            "gating.init paper: has no effect with adapter none",
        ),
        ({"adaptation": ["corall"]}, "Did you mean 'coral'"),
        ({"encoders": ["whisper-bse"]}, "Did you mean 'whisper-base'"),
        ({"train": ["EmoDb"]}, "Did you mean 'EmoDB'"),
        ({"exclude": [{"when": {"target": "RAVDES"}}]}, "Did you mean 'RAVDESS'"),
        ({"exclude": [{"when": {"tarket": "RAVDESS"}}]}, "Did you mean 'target'"),
        ({"seeds": {"lora": [1]}}, "lora"),
        ({"seeds": [1, 1]}, "twice"),
        ({"folds": [7]}, "7"),
        ({"folds": "some"}, "all"),
        ({"draws": 0}, "study.draws of 'none' is 0"),
        ({"draws": {"lora": 1}}, "adapter in study.draws"),
        (
            {"draws": {"lora": 1}, "adapters": ["none", "lora"]},
            "study.draws has nothing for the adapter 'none'",
        ),
        ({"shots": [-1]}, "shots"),
        ({"encoders": {"tiny": {"encoder": "x", "hed": "paper"}}}, "hed"),
        ({"overrides": [{"when": {"setting": "zero-shot"}, "probe": {"lrr": 1}}]}, "probe.lr"),
        ({"exclude": [{"when": {"setting": ["monolingual", "zero-shot"]}}]}, "no condition"),
    ],
)
def test_what_is_wrong_is_named_before_anything_runs(study_file, tmp_path, capsys, changes, said):
    assert run(study_file(**changes), tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert not list((tmp_path / "out").glob("cells"))


def corpora(content, **changes):
    own = content["study"]["corpora"]
    return {
        name: {**item, "init_args": {**item["init_args"], **changes.get(name, {})}}
        for name, item in own.items()
    }


def test_an_unknown_corpus_is_named(content, study_file, tmp_path, capsys):
    wrong = {"EMO": {"class_path": "EmoDBB", "init_args": {"root": "x"}}}
    assert run(study_file(corpora=wrong), tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert "EmoDBB" in error
    assert "'EmoDB'" in error


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"up": ["angry", "happy"], "down": ["sad"]}, "they share no class"),
        ({"angry": ["angry"], "sad": ["sad"]}, "they share angry, sad"),
    ],
)
def test_labels_that_differ_are_named(content, study_file, tmp_path, capsys, labels, said):
    path = study_file(corpora=corpora(content, RAVDESS={"labels": labels}))
    assert run(path, tmp_path / "out") == 2
    assert said in capsys.readouterr().err


def test_folds_that_do_not_go_together_are_named(content, study_file, tmp_path, capsys):
    path = study_file(corpora=corpora(content, RAVDESS={"folds": {"count": 4}}))
    assert run(path, tmp_path / "out") == 2
    assert "EmoDB has 5 and RAVDESS has 4" in capsys.readouterr().err.replace("\n", " ")


def fold_lists(done, folder, change=lambda part, rows: rows):
    """Write the lists of a monolingual cell, with some of their rows changed."""
    study = read_study(done[1])
    record = next(item for item in study.records if item.cell.condition.pair == "RAVDESS")
    for part in ("train", "validation", "test"):
        rows = (done[1] / "cells" / record.address / "folds" / f"{part}.csv").read_text().splitlines()
        folder.mkdir(exist_ok=True)
        (folder / f"{part}.csv").write_text("\n".join(change(part, rows)) + "\n")
    return folder


def test_a_target_without_validation_data_is_named(done, content, study_file, tmp_path, capsys):
    lists = fold_lists(
        done, tmp_path / "lists", lambda part, rows: rows[:1] if part == "validation" else rows
    )
    folds = {"scheme": "csv", "lists": str(lists)}
    assert run(study_file(corpora=corpora(content, RAVDESS={"folds": folds})), tmp_path / "out") == 1
    error = capsys.readouterr().err
    assert "corpus 'RAVDESS'" in error
    assert "no utterance in validation" in error


def test_a_test_utterance_in_training_is_refused(done, content, study_file, tmp_path, capsys):
    tested = []

    def plant(part, rows):
        if part == "test":
            tested.append(rows[1])
        return rows

    lists = fold_lists(done, tmp_path / "lists", plant)
    train = lists / "train.csv"
    train.write_text(train.read_text() + tested[0] + "\n")
    folds = {"scheme": "csv", "lists": str(lists), "allow_speaker_overlap": True}
    assert run(study_file(corpora=corpora(content, RAVDESS={"folds": folds})), tmp_path / "out") == 1
    assert "in both train and test" in capsys.readouterr().err


def test_every_flag_of_the_short_page_exists():
    from sercl.cli.cross_eval import StudyCli
    from sercl.cli.help import unknown_flags
    from sercl.cli.pages import CROSS_EVAL as PAGE

    flags = [flag for flag in PAGE.flags if ".KEY" not in flag]
    needed = ["--study.encoders", "[x]", "--study.corpora", "{}"]
    assert not unknown_flags(flags, lambda more: StudyCli([*needed, *more]))
    assert {"--study.KEY", "--model.KEY", "--trainer.KEY"} == set(PAGE.flags) - set(flags)
