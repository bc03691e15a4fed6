"""The package that docs/extending.md builds, from the page itself: installed outside the tree, and used."""

import csv
import importlib
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import soundfile
from transformers import Wav2Vec2ConformerConfig

from sercl.testing.corpora import tone
from sercl.testing.encoders import random_encoder
from tests.packages import install
from tests.test_docs import command_lines

PAGE = Path(__file__).resolve().parents[1] / "docs" / "extending.md"
_FILE = re.compile(r"^`([\w/.]+)`\n\n```(?:python|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = dict(_FILE.findall(PAGE.read_text(encoding="utf-8")))
TAKES = [(speaker, take) for speaker in ("anna", "ben", "carla", "dora", "emil", "fritz") for take in (1, 2)]
CODES = {"wut": "angry", "freude": "happy", "neutral": "neutral", "trauer": "sad"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A folder with a corpus, an encoder and the installed package, in which commands run."""
    folder = tmp_path_factory.mktemp("lab")
    content = tomllib.loads(FILES["pyproject.toml"])["project"]
    modules = {name: text for name, text in FILES.items() if name.startswith("mylab/")}
    install(folder / "site", content["name"], content["entry-points"], {"mylab/__init__.py": "", **modules})
    (folder / "labde" / "office").mkdir(parents=True)
    for speaker, take in TAKES:
        for code, emotion in CODES.items():
            path = folder / "labde" / "office" / f"{speaker}_{code}_{take:02d}.wav"
            soundfile.write(path, tone(emotion, 0.3, 16_000, take), 16_000)
    random_encoder(
        Wav2Vec2ConformerConfig(
            hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
            conv_dim=[16] * 7, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2,
        ),
        folder / "conformer",
    )  # fmt: skip
    return folder


def run(lab, words):
    """Run a program in a process of its own that has the package installed."""
    path = os.pathsep.join([str(lab / "site"), str(PAGE.parents[1])])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=lab, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


def commands(name):
    return [shlex.split(line) for line in command_lines(PAGE) if line.startswith(f"sercl {name}")]


def test_the_list_and_the_inspection_of_the_page(lab):
    for words in commands("corpus"):
        done = run(lab, words)
        assert "warning" not in done.stderr
        assert ("(mylab 1.0)" in done.stdout) == (words[2] == "list")


@pytest.mark.slow
def test_corpus_encoder_adapter_and_score_in_one_run(lab):
    (words,) = commands("fit")
    run(lab, [*words, "--trainer.max_epochs", "1", "--trainer.accelerator", "cpu"])
    results = json.loads((lab / "run" / "results.json").read_text())
    assert {"uar", "wa", "macro_f1", "mcc"} <= {*str(results).replace("'", " ").split()}
    config = (lab / "run" / "config.yaml").read_text()
    assert "class_path: sercl.data.datamodules.LabDE" in config
    assert "room: office" in config
    assert "class_path: mylab.models.DeepHead" in config
    (words,) = commands("predict")
    table = list(csv.DictReader(run(lab, [*words, "--format", "csv"]).stdout.splitlines()))
    assert len(table) == len(TAKES) * len(CODES)


@pytest.mark.slow
def test_the_tests_of_the_page_pass(lab):
    (lab / "test_mylab.py").write_text(FILES["test_mylab.py"])
    run(lab, ["pytest", "-q", "-p", "no:cacheprovider", "test_mylab.py"])


def test_what_is_public_is_there():
    public = PAGE.read_text(encoding="utf-8").partition("## Public")[2]
    rows = [re.findall(r"`([^`]+)`", line) for line in public.splitlines() if line.startswith("| `")]
    assert len(rows) == 11
    for module, *names in rows:
        missing = [name for name in names if not hasattr(importlib.import_module(module), name)]
        assert missing == [], module
