"""What installed packages add, on the command line, before anything heavy is imported."""

import gc
import json
import os
import subprocess
import sys

import pytest

from sercl import plugins
from sercl.cli.completion import script
from sercl.cli.main import main
from sercl.cli.precheck import checked
from sercl.corpora.registry import CORPORA
from sercl.data import datamodules
from sercl.errors import PluginError, SerclWarning, UnknownNameError, UnknownOptionError, UsageError
from tests.packages import find_packages, install

TEXT = '''
from pathlib import Path
from sercl.corpora.base import Corpus, CorpusInfo, Listing, Utterance

INFO = CorpusInfo("LabDE", "Speech of the lab", ("de",), 2, ("angry", "sad"), "own", "ask", "angry_1.wav")

def read(root: Path, most: int = 9) -> Listing:
    """List it.

    Args:
        root: Its folder.
        most: Number of utterances.
    """
    files = sorted(root.glob("*.wav"))[:most]
    emotions = [file.stem.split("_")[0] for file in files]
    items = [Utterance(file.stem, file, emotion, "LabDE", "de") for file, emotion in zip(files, emotions)]
    return Listing(tuple(items))
'''
POINTS = {
    plugins.CORPORA: {"LabDE": "lab_corpora", "Broken": "lab_corpora:no"},
    plugins.ADAPTERS: {"prefix": "lab_absent:PREFIX"},
    plugins.SCORES: {"kappa": "lab_absent:KAPPA"},
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = install(tmp_path / "site", "mylab", POINTS, {"lab_corpora.py": TEXT})
    find_packages(monkeypatch, folder)
    monkeypatch.setattr(CORPORA, "_loaded", {})
    monkeypatch.setattr(CORPORA, "_warned", set())
    yield folder
    sys.modules.pop("lab_corpora", None)
    datamodules._made.cache_clear()
    gc.collect()  # parsers of later tests find every class that is still alive


def test_the_list_names_the_package(package, capsys):
    with pytest.warns(SerclWarning, match="corpus 'Broken' .* of the package mylab"):
        assert main(["corpus", "list"]) == 0
    assert "(mylab 1.0)" in capsys.readouterr().out
    assert main(["corpus", "list", "--json"]) == 0
    packages = {row["name"]: row["package"] for row in json.loads(capsys.readouterr().out)}
    assert packages["LabDE"] == "mylab 1.0"
    assert packages["EmoDB"] is None


def test_its_corpus_has_a_manifest(package, tmp_path, capsys):
    for name in ("angry_1", "sad_1", "sad_2"):
        (tmp_path / f"{name}.wav").touch()
    words = ["corpus", "manifest", "lab-de", "--root", str(tmp_path), "--out", str(tmp_path / "lab.csv")]
    assert main([*words, "--options", "{most: 2}"]) == 0
    assert "2 utterances of LabDE" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("root", ["site", "absent"])
def test_its_options_are_checked_before_the_imports(package, root):
    words = ["--data", "LabDE", "--data.root", str(package.parent / root)]
    if root == "absent":
        with pytest.raises(FileNotFoundError, match=r"LabDE: .*absent: no such file or folder"):
            checked("fit", words)
        return
    checked(
        "fit",
        [*words, "--data.most", "2", "--model.adapter", "prefix", "--model.adapters.prefix.length", "1"],
    )
    with pytest.raises(UnknownOptionError, match=r"--data.mots. Did you mean --data.most"):
        checked("fit", [*words, "--data.mots", "2"])
    with pytest.raises(UnknownOptionError, match=r"--data.most"):
        checked("fit", ["--data", "EmoDB", "--data.most", "2"])
    with pytest.raises(UnknownNameError, match=r"'LabED'. Did you mean 'LabDE'"):
        checked("fit", ["--data", "LabED"])


def test_its_name_is_known_in_any_case(package):
    checked("fit", ["--data", "lab-de", "--data.root", str(package), "--data.most", "2"])
    target = ["--data.target", "labde", "--data.target.most", "2"]
    checked("fit", ["--data", "LanguagePair", "--data.source", "EmoDB", *target])
    checked("diarize fit", ["--data", "labde", "--data.root", str(package), "--data.most", "2"])


def test_options_of_a_corpus_in_a_file_and_in_a_pair(package, tmp_path):
    config = tmp_path / "data.yaml"
    config.write_text(f"data: {{class_path: LabDE, init_args: {{root: {tmp_path}}}}}\n")
    checked("fit", ["-c", str(config), "--data.most", "2"])
    pair = ["--data", "LanguagePair", "--data.source", "EmoDB", "--data.target", "LabDE"]
    checked("fit", [*pair, "--data.target.most", "2"])
    with pytest.raises(UnknownOptionError, match=r"--data.target.mots"):
        checked("fit", [*pair, "--data.target.mots", "2"])


def test_a_broken_corpus_is_an_error_when_it_is_named(package, capsys):
    with pytest.raises(PluginError, match="'Broken'"):
        checked("fit", ["--data", "Broken"])
    checked("fit", ["--data", "EmoDB", "--data.root", "."])
    assert main(["fit", "--data", "Broken"]) == 1
    assert "mylab 1.0 cannot be used: AttributeError" in " ".join(capsys.readouterr().err.split())


def test_options_of_a_class_of_ones_own_are_left_to_the_parser(tmp_path):
    checked("fit", ["--data", "mylab.Data", "--data.folder", "x", "--data.most", "2"])
    config = tmp_path / "data.yaml"
    config.write_text("data: {class_path: mylab.Data, init_args: {folder: x}}\n")
    checked("fit", ["-c", str(config), "--data.most", "2"])
    checked("fit", ["--data", "LanguagePair", "--data.source", "mylab.Data", "--data.source.most", "2"])
    with pytest.raises(UnknownOptionError):
        checked("fit", ["--data", "LanguagePair", "--data.source", "mylab.Data", "--data.target.most", "2"])


def test_the_parser_makes_its_data_module(package, tmp_path, monkeypatch):
    from sercl.cli.lightning import Cli

    def parsed(*words):
        monkeypatch.setattr(sys, "argv", ["sercl test", *words])
        with pytest.warns(SerclWarning):
            return Cli("test", with_training=False).data

    alone = parsed("--data", "LabDE", "--data.root", str(tmp_path), "--data.most", "2", "--data.labels", "6")
    assert (type(alone).__module__, alone._options) == ("sercl.data.datamodules", {"most": 2})
    assert len(alone.classes) == 6
    monkeypatch.setattr(CORPORA, "_warned", set())
    target = ["--data.target", "LabDE", "--data.target.root", str(tmp_path), "--data.target.most", "3"]
    pair = parsed("--data", "LanguagePair", "--data.source", "EmoDB", "--data.source.root", "x", *target)
    assert pair.target._options == {"most": 3}
    monkeypatch.setattr(CORPORA, "_warned", set())
    with pytest.raises(UsageError, match=r"--data.most: 'many' is not valid. Valid: a whole number"):
        parsed("--data", "LabDE", "--data.root", str(tmp_path), "--data.most", "many")


def test_completion_knows_its_names(package):
    assert "LabDE" in script("bash")
    assert "prefix" in script("bash")


@pytest.mark.parametrize("words", [["--help"], ["corpus", "list"], ["completion", "bash"], ["fit", "--help"]])
def test_help_lists_and_completion_import_no_torch(package, words):
    code = f"import sys; from sercl.cli.main import main; main({words}); print('torch' in sys.modules)"
    path = os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "False"
    assert ("warning: corpus 'Broken'" in done.stderr) == (words == ["corpus", "list"])
