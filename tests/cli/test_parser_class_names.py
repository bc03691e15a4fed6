"""Names of classes are accepted in any case and punctuation, and are one name everywhere afterwards."""

import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sercl.cli import fit
from sercl.cli.main import main
from sercl.cli.option_table import read
from sercl.cli.precheck import checked
from sercl.errors import same_name

CORPORA = read()["data"]


@pytest.fixture
def parsed(monkeypatch):
    """Folders and configurations of runs that were parsed; nothing is trained."""
    found = []
    monkeypatch.setattr(fit, "run", lambda cli: found.append((fit.default_folder(cli.config), cli.config)))
    return found


@given(st.sampled_from(sorted(CORPORA)), st.randoms())
def test_every_corpus_goes_by_its_name_in_any_case(name, random):
    spelt = "".join(random.choice((str.lower, str.upper))(letter) for letter in name)
    assert same_name(random.choice("-_ ").join((spelt[:2], spelt[2:])), CORPORA) == name


def test_an_ambiguous_name_is_no_name():
    assert same_name("abc", ["aBc", "a-bc"]) is None
    assert same_name("aBc", ["aBc", "a-bc"]) == "aBc"


@pytest.mark.parametrize("name", ["emodb", "emo-db", "EMO_DB", "EmoDB"])
@pytest.mark.parametrize(
    "form", ["--data NAME", "--data=NAME", "--data.class_path NAME", "file", "inline", "data file"]
)
def test_a_corpus_is_one_corpus_however_it_is_written(name, form, parsed, fit_words, emodb, tmp_path):
    content = {"class_path": name, "init_args": {"root": emodb}}
    path = tmp_path / "data.yaml"
    path.write_text(yaml.safe_dump({"data": content} if form == "file" else content))
    data = {
        "file": ["-c", str(path)],
        "data file": ["--data", str(path)],
        "inline": ["--data", yaml.safe_dump(content, default_flow_style=True, width=1000).strip()],
    }.get(form) or [*form.replace("NAME", name).split(), "--data.root", emodb]
    place = fit_words.index("--data")
    assert main(["fit", *data, *fit_words[place + 4 :]]) == 0
    folder, config = parsed[0]
    assert config["data"]["class_path"] == "sercl.data.datamodules.EmoDB"
    assert folder.name.startswith("EmoDB-speaker0-")


def test_both_corpora_of_a_pair_are_named_so(parsed, fit_words, emodb, ravdess):
    words = [
        *("--data", "language-pair", "--data.source", "emo-db", "--data.source.root", emodb),
        *("--data.target=Ravdess", "--data.target.root", ravdess),
    ]
    place = fit_words.index("--data")
    assert main(["fit", *words, *fit_words[place + 4 :]]) == 0
    config = parsed[0][1]["data"]["init_args"]
    assert (
        config["source"]["class_path"].rpartition(".")[2],
        config["target"]["class_path"].rpartition(".")[2],
    ) == (
        "EmoDB",
        "RAVDESS",
    )


def test_the_folder_is_known_before_the_imports(fit_words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = Path("checkpoints/EmoDB-speaker0-whisper-base-frozen-seed42")
    folder.mkdir(parents=True)
    (folder / "something").touch()
    place = fit_words.index("--data")
    words = ["--data", "emo-db", *fit_words[place + 2 :]]
    words[words.index("--model.encoder") + 1] = "whisper-base"
    assert main(["fit", *words]) != 0
    assert str(folder) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["fit", "--data", "emmodb"], "--data"),
        (["fit", "--data", "LanguagePair", "--data.source", "emmodb"], "--data.source"),
        (["diarize", "fit", "--data", "emmodb"], "--data"),
        (["layer-probe", "--data", "emmodb"], "--data"),
    ],
)
def test_a_misspelt_corpus_names_near_ones(words, option, capsys):
    assert main(words) == 2
    error = capsys.readouterr().err
    assert f"unknown {option}" in error
    assert "Did you mean 'EmoDB'" in error


def test_a_misspelt_option_of_the_corpus_is_found(capsys):
    assert main(["fit", "--data", "emodb", "--data.rooot", "x"]) == 2
    assert "Did you mean --data.root?" in capsys.readouterr().err


def test_help_on_a_corpus_takes_its_name_so(capsys):
    assert main(["fit", "--data.help", "emo-db"]) == 0
    assert "Berlin" in capsys.readouterr().out


def test_a_study_names_its_corpora_so(crossed, tmp_path, capsys):
    study = {**crossed, "corpora": {"E": {**crossed["corpora"]["EmoDB"], "class_path": "emo-db"}}}
    study["settings"] = ["monolingual"]
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump({"study": study}, sort_keys=False))
    assert main(["cross-eval", "-c", str(file), "--out", str(tmp_path / "out"), "--dry_run"]) == 0


def test_other_classes_go_by_their_name_so_too(parsed, fit_words):
    words = ["--trainer.callbacks+=learningratemonitor", "--trainer.callbacks.logging_interval", "epoch"]
    assert main([*fit_words, *words]) == 0
    (callback,) = parsed[0][1]["trainer"]["callbacks"]
    assert callback["class_path"] == "lightning.pytorch.callbacks.LearningRateMonitor"


def test_words_reach_the_parser_in_the_canonical_form():
    words = ["--data", "emo-db", "--data.root", str(Path(sys.prefix))]
    assert checked("layer-probe", words)[1] == "EmoDB"
