import os
import re
import shutil
from pathlib import Path

import pytest

from sercl.cli.run_folder import (
    check_claim,
    check_holds_study,
    check_still_there,
    default_folder,
    forget_results,
    make_folder,
    run_folder,
)
from sercl.errors import OutputError, UsageError
from sercl.locks import locked


def config(**data):
    model = {"encoder": "openai/whisper-base", "adapter": "none"}
    return {"data": data, "model": model, "seed_everything": 42}


def corpus(name, **folds):
    arguments = {"folds": {"scheme": "speaker", "index": 0, **folds}}
    return {"class_path": f"sercl.data.datamodules.{name}", "init_args": arguments}


def test_a_folder_is_named_after_what_was_run():
    assert default_folder(config(**corpus("EmoDB"))) == Path(
        "checkpoints/EmoDB-speaker0-whisper-base-frozen-seed42"
    )
    other = config(**corpus("ESD", scheme="paper", index=3))
    other["model"] = {"encoder": "/models/my encoder", "adapter": "lora+gating"}
    assert default_folder(other).name == "ESD-paper3-my_encoder-lora+gating-seed42"


def test_a_pair_is_named_after_both_corpora_and_its_setting():
    arguments = {"source": corpus("EmoDB"), "target": corpus("RAVDESS", index=2), "setting": "zero-shot"}
    pair = config(class_path="sercl.data.datamodules.LanguagePair", init_args=arguments)
    assert default_folder(pair).name == "EmoDB-RAVDESS-speaker2-zero-shot-whisper-base-frozen-seed42"


def claim(folder, resume=False, overwrite=False):
    """Begin a run that writes one file."""
    with run_folder(folder, resume, overwrite):
        if overwrite:
            make_folder(folder, fresh=True)
        (folder / "written").touch()
    return folder


def held(folder):
    return sorted(path.name for path in folder.iterdir())


def run(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("x")
    return folder


def test_a_new_folder_is_made_with_its_parents_and_left_empty(tmp_path):
    with run_folder(tmp_path / "a" / "b", resume=False, overwrite=False) as folder:
        assert held(folder) == [".lock"]


@pytest.mark.parametrize("error", [UsageError, KeyboardInterrupt])
def test_a_run_that_puts_nothing_into_its_folder_leaves_none(tmp_path, error):
    (tmp_path / "mine").mkdir()
    for folder in (tmp_path / "a" / "b", tmp_path / "mine"):
        with pytest.raises(error), run_folder(folder, resume=False, overwrite=False):
            raise error
    assert held(tmp_path) == ["mine"]
    assert held(tmp_path / "mine") == []


def test_a_folder_is_held_by_one_run_at_a_time(tmp_path):
    folder = run(tmp_path / "run", "config.yaml")
    for resume, overwrite in ((False, False), (True, False), (False, True)):
        with (
            pytest.raises(OutputError, match="another run is writing to this folder"),
            locked(folder),
            run_folder(folder, resume, overwrite),
        ):
            pass
    assert (folder / "config.yaml").exists()
    with run_folder(folder, resume=False, overwrite=True), pytest.raises(OutputError, match="another run"):
        claim(folder)


def test_what_a_killed_run_left_half_written_is_removed(tmp_path):
    folder = run(tmp_path / "run", "config.yaml", ".config-0123456789abcdef.yaml", ".mine")
    run(folder / "source", ".best-0123456789abcdef.ckpt")
    claim(folder, resume=True)
    assert held(folder) == [".lock", ".mine", "config.yaml", "source", "written"]
    assert held(folder / "source") == []


def test_a_start_that_was_killed_at_once_is_no_run(tmp_path):
    folder = run(tmp_path / "run", ".lock", ".writable", ".config-0123456789abcdef.yaml")
    check_claim(folder, resume=False, overwrite=False)  # as before the imports
    assert held(claim(folder)) == [".lock", "written"]


def test_a_study_that_was_killed_at_once_can_be_started_again(tmp_path):
    folder = run(tmp_path / "study", ".lock", ".writable", ".study-0123456789abcdef.yaml")
    check_holds_study(folder)
    (folder / "mine").touch()
    with pytest.raises(UsageError, match="study: holds mine, but no study"):
        check_holds_study(folder)


def test_a_folder_that_has_gone_is_not_made_again_for_the_results(tmp_path):
    folder = run(tmp_path / "run", "config.yaml")
    check_still_there(folder)
    shutil.rmtree(folder)
    with pytest.raises(OutputError, match=r"run: was removed or moved while the run was writing to it"):
        check_still_there(folder)


def test_results_go_where_a_run_goes_on_with_other_options(tmp_path):
    folder = run(tmp_path / "run", "config.yaml", "results.json", "predictions.csv")
    forget_results(folder, "x")
    assert (folder / "results.json").exists()
    forget_results(folder, "y")
    assert held(folder) == ["config.yaml"]


@pytest.mark.parametrize(
    ("name", "onward"),
    [
        ("config.yaml", "Continue it with --resume, replace"),
        ("results.json", "Replace"),
        ("last.ckpt", "Replace"),
    ],
)
def test_a_folder_that_holds_something_is_not_taken(tmp_path, name, onward):
    with pytest.raises(UsageError, match=rf"already holds {name}\. {onward} it with --overwrite"):
        claim(run(tmp_path / "run", name))
    assert (tmp_path / "run" / name).exists()


def test_a_folder_with_other_files_is_no_run_to_go_on_with(tmp_path):
    with pytest.raises(UsageError, match=r"holds notes\.txt, which are not a run") as caught:
        claim(run(tmp_path / "run", "notes.txt"))
    assert "--resume" not in str(caught.value)


def test_a_run_is_replaced_on_request(tmp_path):
    folder = run(tmp_path / "run", "config.yaml", "predictions.csv", "best-epoch=3.ckpt", ".DS_Store")
    run(folder / "logs", "metrics.csv")
    (folder / "folds").symlink_to(run(tmp_path / "data", "a.wav"))
    claim(folder, overwrite=True)
    assert held(folder) == [".lock", "written"]
    assert held(tmp_path / "data") == ["a.wav"]


@pytest.mark.parametrize("error", [UsageError("betas"), OSError("betas"), KeyboardInterrupt()])
def test_a_run_stays_whole_where_the_call_that_was_to_replace_it_never_began(tmp_path, capsys, error):
    folder = run(tmp_path / "run", "config.yaml", "last.ckpt")
    (folder / "ended.json").write_text('{"ended_by": "Ctrl-C"}')
    fails(folder, error=error, overwrite=True)
    assert held(folder) == [".lock", "config.yaml", "ended.json", "last.ckpt"]
    assert (folder / "ended.json").read_text() == '{"ended_by": "Ctrl-C"}'
    assert "Continuing" not in capsys.readouterr().err


def test_a_run_that_replaced_another_and_was_stopped_can_be_continued(tmp_path):
    folder = run(tmp_path / "run", "config.yaml", "last.ckpt")
    fails(folder, "config.yaml", error=KeyboardInterrupt(), overwrite=True)
    assert held(folder) == [".lock", "config.yaml", "ended.json"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_that_holds_no_run_is_not_taken_either(tmp_path, overwrite):
    folder = run(tmp_path / "thesis", "chapter1.tex", "logs")
    with pytest.raises(UsageError, match=r"holds chapter1\.tex, which are not a run"):
        claim(folder, overwrite=overwrite)
    assert {"chapter1.tex", "logs"} <= set(held(folder))


@pytest.mark.parametrize("name", ["a.wav", ".git", "study.yaml", "test-en"])
def test_overwrite_removes_nothing_that_no_run_writes(tmp_path, name):
    folder = run(tmp_path / "project", "config.yaml", "last.ckpt", name)
    with pytest.raises(UsageError, match=rf"holds {re.escape(name)}, which no run writes.*would remove"):
        claim(folder, overwrite=True)
    assert {"config.yaml", "last.ckpt", name} <= set(held(folder))
    claim(folder, resume=True)


def test_lists_that_a_killed_run_left_are_replaced_on_request(tmp_path):
    folder = run(tmp_path / "run", "folds")
    with pytest.raises(UsageError, match=r"already holds folds\. Replace it with --overwrite"):
        claim(folder)
    claim(folder, overwrite=True)
    assert held(folder) == [".lock", "written"]


def test_a_run_is_continued_on_request_and_only_where_there_is_one(tmp_path):
    folder = run(tmp_path / "run", "config.yaml", "last.ckpt")
    claim(folder, resume=True)
    assert (folder / "last.ckpt").exists()
    with pytest.raises(UsageError, match=r"holds no run to resume \(no config\.yaml\)"):
        claim(tmp_path / "other", resume=True)
    assert not (tmp_path / "other").exists()
    with pytest.raises(UsageError, match="holds a study, which the same `sercl cross-eval` continues"):
        claim(run(tmp_path / "study", "study.yaml", "cells"), resume=True)
    with pytest.raises(UsageError, match="cannot be combined"):
        claim(folder, resume=True, overwrite=True)


def test_a_place_that_cannot_be_written_is_an_output_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot be written.*--out"):
        claim(tmp_path / "file" / "run")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser writes everywhere")
def test_a_folder_without_permission_is_an_output_error(tmp_path):
    folder = run(tmp_path / "run")
    folder.chmod(0o500)
    with pytest.raises(OutputError, match=r"cannot be (written|locked).*--out"):
        claim(folder)


def test_out_that_is_a_file_is_an_output_error(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(OutputError, match=r"run: cannot be written"):
        claim(tmp_path / "run")


def write_and_fail(folder, names, error, overwrite=False):
    """Begin a run that writes some files and then fails."""
    with run_folder(folder, resume=False, overwrite=overwrite):
        if overwrite and names:
            make_folder(folder, fresh=True)
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
        raise error


def fails(folder, *names, error=ValueError("betas"), overwrite=False):
    with pytest.raises(type(error)):
        write_and_fail(folder, names, error, overwrite)


@pytest.mark.parametrize("error", [UsageError("betas"), ValueError("betas")])
def test_a_run_that_failed_before_its_training_does_not_block_the_corrected_call(tmp_path, error):
    fails(tmp_path / "run", "config.yaml", "folds/train.csv", error=error)
    assert held(tmp_path) == []
    assert held(claim(tmp_path / "run")) == [".lock", "written"]


def test_what_a_training_has_written_outlives_its_failure(tmp_path):
    fails(tmp_path / "run", "config.yaml", "folds/train.csv", "last.ckpt")
    assert held(tmp_path / "run") == [".lock", "config.yaml", "ended.json", "folds", "last.ckpt"]


def test_a_run_whose_output_nobody_reads_did_not_fail(tmp_path):
    fails(tmp_path / "run", "config.yaml", "last.ckpt", "results.json", error=BrokenPipeError())
    assert held(tmp_path / "run") == [".lock", "config.yaml", "last.ckpt", "results.json"]


def test_a_run_that_was_stopped_before_its_training_can_be_continued(tmp_path):
    fails(tmp_path / "run", "config.yaml", error=KeyboardInterrupt())
    assert held(tmp_path / "run") == [".lock", "config.yaml", "ended.json"]


def test_a_failure_leaves_files_alone_that_were_there_before(tmp_path):
    run(tmp_path / "run", "notes.txt")
    fails(tmp_path / "run", "config.yaml", overwrite=True)
    assert "notes.txt" in held(tmp_path / "run")
