"""Mistakes are found before anything heavy is imported, with the message that the parser has for them."""

import json
import os
import re
import shlex
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import yaml

from sercl.cli import option_table
from sercl.cli.option_table import canonical, check_repeats
from sercl.cli.precheck import checked, folder_of
from sercl.errors import CorpusNotFoundError, SerclError, UsageError
from tests.test_startup import run as run_apart

MISTAKES = {
    "fit --data EmoDB --data.rooot x": "unknown option --data.rooot. Did you mean --data.root? `sercl fit",
    "fit --data EmoDB --modle.encoder x": "unknown option --modle.encoder. Did you mean --model.encoder",
    "fit --data Emmo": "unknown --data class 'Emmo'. Did you mean",
    "fit --data EmoDB --data.root /no/where": "/no/where: no such file or folder. Check --data.root.",
    "fit --data Manifest --data.root /no/where.csv": "/no/where.csv: no such file or folder.",
    "fit -c /no/where.yaml": "--config: no such file: /no/where.yaml. Check the path.",
    "fit --data EmoDB --data RAVDESS": "--data is given twice, with 'EmoDB' and 'RAVDESS'. Give it once.",
    "fit --data EmoDB --data.root . --data.root=..": "--data.root is given twice, with '.' and '..'.",
    "fit --data EmoDB --data.folds.index 1 --data.init_args.folds.index 2": "--data.folds.index is given twi",
    "fit --data EmoDB --data.folds.count 4 --data.root .": None,
    "fit --data LanguagePair --data.source EmoDB --data.source.root /no": "/no: no such file or folder",
    "fit --data EmoDB --data.root . --trainer.callbacks+=Timer --trainer.callbacks.interval step": None,
    "fit --data EmoDB --data.root . --seed-everything 3 --data.on-error skip": None,
    "test --ckpt /no/where.ckpt": "/no/where.ckpt: does not exist. Give a checkpoint",
    "test --ckpt a.ckpt --data EmoDB --data.fold.index 1": "unknown option --data.fold.index",
    "layer-probe --encoder x --data EmoDB --probe.target emotion": "Did you mean --probe.targets",
    "cross-eval --jbos 2": "unknown option --jbos. Did you mean --jobs",
    "diarize fit --data EmoDB --data.root /no --data RAVDESS --data.root /no2": "EmoDB: /no: no such",
    "diarize fit --data EmoDB --data.clip.per_epoch 4": "unknown option",
    "diarize evaluate a.ckpt --tun": "unknown option --tun. Did you mean --tune",
    "diarize a.ckpt a.wav --html a.html": None,
    "fit --help": None,
    "fit --data EmoDB --data.setting zero-shot": "It belongs to LanguagePair",
    "fit --data EmoDB --data RAVDESS --out x": "--data LanguagePair --data.source A --data.target B",
    "fit --data.rooot x --data EmoDB": "unknown option --data.rooot. Did you mean --data.root?",
    "fit --data EmoDB --data.root . --out . --resume --overwrite": "--resume and --overwrite cannot be",
    "fit --data EmoDB --data.root . --model.encoder whisper-bse": "unknown encoder 'whisper-bse'. Did",
    "fit --data EmoDB --data.root . --model.encoder ./no": "encoder folder './no' does not exist",
    "fit --data EmoDB --data.root . --model.encoder someone/model": None,
    "layer-probe --data EmoDB --data.root . --encoder /no": "encoder folder '/no' does not exist",
    "diarize fit --data EmoDB --data.root . --model.encoder no": "unknown encoder 'no'",
    "cross-eval --study.encoders whisper-base,nope --out x": "unknown encoder 'nope'",
    "layer-probe --encoder whisper-base --data EmoDB --data.root . --probe mlp --probe.seeds 0,1": None,
    "fit --data EmoDB --model.encoder whisper-base": "--data.root is missing: EmoDB is read from a folder",
    "fit --data EmoDB --data.root . --trainer.logger WandbLogger": "(valid: CSVLogger, TensorBoardLogger)",
    "fit --data EmoDB --data.root . --trainer.logger CSVLogger": None,
    "fit --data EmoDB --data.root . --data.gender F": "`sercl fit --data.help EmoDB` shows the op",
    "test --data EmoDB --data.root . --model.adapter lora": "unknown option --model.adapter",
}


@pytest.mark.parametrize(("line", "message"), MISTAKES.items())
def test_mistakes_are_found_from_the_table(line: str, message: str | None) -> None:
    command, *words = shlex.split(line)
    if command == "diarize":
        command, *words = f"{command} {words[0]}", *words[1:]
    if message is None:
        checked(command, words)
        return
    with pytest.raises(SerclError) as caught:
        checked(command, words)
    assert message in str(caught.value)


def test_nothing_heavy_is_imported_for_it() -> None:
    result = run_apart(["fit", "--data", "EmoDB", "--data.rooot", "x"])
    assert result.returncode == 2
    assert "torch" not in result.stderr.splitlines()[-1]
    assert "unknown option --data.rooot" in result.stderr


def test_a_bad_manifest_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("path;text\na.wav;x\n")
    with pytest.raises(SerclError, match=r"m\.csv"):
        checked("fit", ["--data", "Manifest", "--data.root", str(tmp_path / "m.csv")])


def test_roots_of_files_are_looked_for(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        yaml.safe_dump({"data": {"class_path": "EmoDB", "init_args": {"root": "/no"}}})
    )
    with pytest.raises(SerclError, match=r"/no: no such file or folder. Check --data.root \(in .*a.yaml\)"):
        checked("fit", ["-c", str(tmp_path / "a.yaml")])
    checked("fit", ["-c", str(tmp_path / "a.yaml"), "--data.root", str(tmp_path)])


def test_the_table_has_the_options_of_the_parsers(monkeypatch: pytest.MonkeyPatch) -> None:
    from sercl.cli import options_file

    monkeypatch.setattr(sys, "argv", ["sercl"])
    assert options_file.build() == option_table.read(), "run: python -m sercl.cli.options_file"


KINDS = {
    "--dry-run": "flag",
    "--older_than": "value",
    "--x": "list",
    "--config": "files",
    "--k.m_n": "value",
}


def test_dashes_and_underscores_are_the_same_in_names_of_options() -> None:
    words = ["--dry_run", "--older-than=a_b", "-c", "f-g", "--k.m-n", "1", "--x+=a-b", "--", "--d_r"]
    spelt = [
        "--dry-run",
        "--older_than=a_b",
        "--config",
        "f-g",
        "--k.m_n",
        "1",
        "--x+=a-b",
        "--",
        "--d_r",
    ]
    assert canonical(words, KINDS) == spelt


@pytest.mark.parametrize(
    ("line", "is_legal"),
    [
        ("--older_than 1 --older_than 1", True),
        ("--older_than 1 --older_than=2", False),
        ("--x+=1 --x+=2 --x.of 1 --x.of 2", True),
        ("--x 1 --x 2", False),
        ("--config a --config b --dry-run --dry-run", True),
        ("--older_than 1 -- --older_than 2", True),
    ],
)
def test_single_options_may_not_differ(line: str, is_legal: bool) -> None:
    if is_legal:
        check_repeats(line.split(), KINDS)
    else:
        with pytest.raises(UsageError, match="is given twice, with '1' and '2'"):
            check_repeats(line.split(), KINDS)


@pytest.mark.parametrize(
    "line",
    [
        "predict a.ckpt a.wav --format csv --format json",
        "compare a b --out x --out y",
        "corpus inspect EmoDB --root a --root b",
        "features prune --older-than 1 --older_than 2",
        "diarize a.ckpt a.wav --html x --html y",
        "diarize score --reference a --hypothesis b --reference c",
        "diarize evaluate a.ckpt --out x --out y",
        "fit --data EmoDB --data.root . --out x --out y",
        "cross-eval --out x --out y",
    ],
)
def test_every_command_refuses_two_values_of_one_option(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from sercl.cli.main import main

    assert main(line.split()) == 2
    assert "is given twice, with" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["predict", "absent.ckpt", "a.wav"], 1, "absent.ckpt: does not exist"),
        (["diarize", "absent.ckpt", "a.wav"], 1, "absent.ckpt: does not exist"),
        (["diarize", "evaluate", "absent.ckpt"], 1, "absent.ckpt: does not exist"),
        (["compare", "absent", "absent"], 2, "absent: no such folder"),
        (["cross-eval", "--out", "x"], 2, "no study: give its file"),
        (
            [
                "diarize",
                "fit",
                "--data",
                "ZED",
                "--data.root",
                "absent",
                "--data",
                "EmoDB",
                "--data.root",
                ".",
            ],
            1,
            "ZED: absent: no such file or folder",
        ),
    ],
)
def test_what_is_missing_is_said_before_torch_is_imported(
    words: list[str], code: int, message: str, tmp_path: Path
) -> None:
    (tmp_path / "a.wav").touch()
    program = f"import sys\nfrom sercl.cli.main import main\nprint(main({words}), 'torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.stdout.split() == [str(code), "False"]
    assert message in done.stderr


def folder_with(place: Path, **files: object) -> Path:
    place.mkdir(parents=True)
    for name, content in files.items():
        (place / name.replace("_", ".")).write_text(json.dumps(content))
    return place


@pytest.mark.parametrize("command", ["fit", "layer-probe", "diarize fit"])
def test_a_folder_that_a_run_cannot_have_is_refused_at_once(
    command: str, tmp_path: Path, emodb: str, ravdess: str
) -> None:
    data = {"class_path": "sercl.data.datamodules.EmoDB", "init_args": {"root": "/r", "folds": {"index": 1}}}
    config = {"seed_everything": 42, "data": data, "model": {"adapter": "lora", "layer": 3, "dropout": 0.1}}
    run = folder_with(tmp_path / "run", config_yaml=config, last_ckpt="")
    words = ["--data", "EmoDB", "--data.root", emodb, "--out", str(run)]
    with pytest.raises(
        UsageError, match=r"already holds config\.yaml, last\.ckpt\. Continue it with --resume"
    ):
        checked(command, words)
    checked(command, [*words, "--overwrite"])
    empty = folder_with(tmp_path / "empty")
    checked(command, [*words[:-1], str(empty)])
    with pytest.raises(UsageError, match="holds no run to resume"):
        checked(command, [*words[:-1], str(empty), "--resume"])
    if command == "diarize fit":
        return
    checked(
        command, [*words, "--resume", "--model.layer", "3", "--model.dropout", "1e-1", "--data.folds.index=1"]
    )
    checked(command, [*words, "--resume", "--seed-everything", "42", "--model.adapter", "lora"])
    for option, value in (
        ("--model.adapter", "none"),
        ("--data.folds.index", "0"),
        ("--model.dropout", "0.2"),
    ):
        with pytest.raises(UsageError, match=f"options, but {option} is {value}, was"):
            checked(command, [*words, "--resume", option, value])
    with pytest.raises(UsageError, match=r"but --data is RAVDESS, was EmoDB\."):
        checked(command, ["--data", "RAVDESS", *words[2:], "--resume"])
    with pytest.raises(
        CorpusNotFoundError, match=f"EmoDB: {re.escape(ravdess)}: "
    ):  # the next error otherwise
        checked(command, [*words[:3], ravdess, *words[4:]])


def test_the_folder_of_a_run_without_out_is_the_one_that_it_would_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sercl.cli.lightning import Cli
    from sercl.cli.option_table import given
    from sercl.cli.run_folder import default_folder

    pair = "--data LanguagePair --data.source EmoDB --data.source.root . --data.target RAVDESS"
    for line in (
        "--data EmoDB --data.root . --data.folds.scheme loso --data.folds.index 2",
        "--data Manifest --data.root m.csv --model.encoder a/b --model.adapter lora --seed_everything 3",
        f"{pair} --data.target.root . --data.setting transfer --data.target.folds.index 1",
    ):
        monkeypatch.setattr(sys, "argv", ["sercl fit", *line.split()])
        values = {word.option: (str(word.value), "") for word in given(line.split(), {})}
        assert folder_of("fit", values) == default_folder(Cli("fit").config)


def test_a_folder_of_something_else_is_no_study(tmp_path: Path) -> None:
    place = folder_with(tmp_path / "run", results_json={})
    words = ["--study.encoders", "whisper-base", "--out", str(place)]
    with pytest.raises(UsageError, match=r"holds results.json, but no study \(study.yaml\)"):
        checked("cross-eval", words)
    (place / "study.yaml").touch()
    checked("cross-eval", words)


def test_other_processes_of_a_run_find_its_folder_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = folder_with(tmp_path / "run", config_yaml={})
    for name in ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"):
        with monkeypatch.context() as later:
            later.setenv(name, "1")
            checked("fit", ["--data", "EmoDB", "--data.root", ".", "--out", str(run)])


@pytest.mark.parametrize(
    ("config", "options", "message"),
    [
        (None, [], "no config.json"),
        ([1], [], "holds a JSON list"),
        ({"model_type": "bert"}, [], "model_type 'bert' is not an encoder"),
        ({"model_type": "whisper", "encoder_layers": 4}, ["--model.layer", "9"], "no layer 9 in the encoder"),
        (
            {"model_type": "wavlm", "num_hidden_layers": 4},
            ["--model.last_block", "4"],
            "no block 4 in the enc",
        ),
        ({"model_type": "wavlm", "num_hidden_layers": 4}, ["--model.layer", "4"], None),
        ({"model_type": "whisper", "encoder_layers": 4}, ["--model.layer", "weighted"], None),
    ],
)
def test_the_folder_of_an_encoder_is_looked_into(
    config: object, options: list[str], message: str | None, tmp_path: Path
) -> None:
    place = folder_with(tmp_path / "encoder", **({} if config is None else {"config_json": config}))
    words = ["--data", "EmoDB", "--data.root", ".", "--model.encoder", str(place), *options]
    with pytest.raises(SerclError, match=message) if message else nullcontext():
        checked("fit", words)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--k.a 1 --x 2 --k C --y 3", "--x 2 --k C --k.a 1 --y 3"),
        ("--k.s.a 1 --k.s S --k C", "--k C --k.s S --k.s.a 1"),
        ("--k A --k.a 1 --k B --k.a 2", "--k A --k.a 1 --k B --k.a 2"),
        ("--k.a 1 --k+=A --k.a 2", "--k.a 1 --k+=A --k.a 2"),
        ("--t 0,1 --l=a,b --v 0,1 --n a,b --data.x 5,20 --data.root a,b -- --k.a --k C",
         "--t [0,1] --l=[a,b] --v 0,1 --n a,b --data.x [5,20] --data.root a,b -- --k.a --k C"),
    ],
)  # fmt: skip
def test_the_order_of_options_and_the_form_of_lists_do_not_matter(line: str, expected: str) -> None:
    kinds = {"--t": "tuple", "--l": "list", "--l+": "list", "--v": "value", "--n": "list", "--k": "class"}
    assert canonical(line.split(), kinds) == expected.split()


def test_fit_does_not_offer_data_of_diarizers() -> None:
    with pytest.raises(UsageError) as caught:
        checked("fit", ["--data", "Emo-X"])
    assert "EmoDB" in str(caught.value)
    assert "Diarization" not in str(caught.value)
