import os
from pathlib import Path

import pytest

from sercl.cli.run_folder import claim, default_folder
from sercl.errors import OutputError, UsageError


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


def test_a_new_folder_is_made_with_its_parents_and_left_empty(tmp_path):
    folder = claim(tmp_path / "a" / "b", resume=False, overwrite=False)
    assert folder.is_dir()
    assert list(folder.iterdir()) == []


def run(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("x")
    return folder


@pytest.mark.parametrize("name", ["config.yaml", "results.json", "last.ckpt", "notes.txt"])
def test_a_folder_that_holds_something_is_not_taken(tmp_path, name):
    with pytest.raises(UsageError, match=rf"already holds {name}.*--resume.*--overwrite"):
        claim(run(tmp_path / "run", name), resume=False, overwrite=False)
    assert (tmp_path / "run" / name).exists()


def test_a_run_is_replaced_on_request(tmp_path):
    folder = run(tmp_path / "run", "config.yaml", "old.csv")
    claim(folder, resume=False, overwrite=True)
    assert list(folder.iterdir()) == []


def test_a_folder_that_holds_no_run_is_never_emptied(tmp_path):
    folder = run(tmp_path / "thesis", "chapter1.tex")
    claim(folder, resume=False, overwrite=True)
    assert (folder / "chapter1.tex").exists()


def test_a_run_is_continued_on_request_and_only_where_there_is_one(tmp_path):
    folder = run(tmp_path / "run", "config.yaml", "last.ckpt")
    claim(folder, resume=True, overwrite=False)
    assert (folder / "last.ckpt").exists()
    with pytest.raises(UsageError, match=r"holds no run to resume \(no config\.yaml\)"):
        claim(tmp_path / "other", resume=True, overwrite=False)
    with pytest.raises(UsageError, match="exclude each other"):
        claim(folder, resume=True, overwrite=True)


def test_a_place_that_cannot_be_written_is_an_output_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot be written.*--out"):
        claim(tmp_path / "file" / "run", resume=False, overwrite=False)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser writes everywhere")
def test_a_folder_without_permission_is_an_output_error(tmp_path):
    folder = run(tmp_path / "run")
    folder.chmod(0o500)
    with pytest.raises(OutputError, match=r"cannot be written.*--out"):
        claim(folder, resume=False, overwrite=False)


def test_out_that_is_a_file_is_an_output_error(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(OutputError, match=r"run: cannot be written"):
        claim(tmp_path / "run", resume=False, overwrite=False)
