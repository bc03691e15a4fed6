import pytest

from sercl.cli.main import main
from sercl.cli.parser_messages import corrected

CLASSES = ("EmoDB", "Manifest", "RAVDESS")
RIGHT = "{class_path: EmoDB, init_args: {root: x}}"


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ({"EmoDB": {"root": "x"}}, f"{{EmoDB: {RIGHT}}}"),
        ({"emo-db": "x"}, f"{{emo-db: {RIGHT}}}"),
        ({"A": {"class_path": "EmoDB", "root": "x"}}, f"{{A: {RIGHT}}}"),
        ({"A": {"name": "EmoDB", "root": "x"}}, f"{{A: {RIGHT}}}"),
        ({"A": {"EmoDB": {"root": "x"}}}, f"{{A: {RIGHT}}}"),
        ([{"class_path": "EmoDB", "init_args": {"root": "x"}}], f"{{EmoDB: {RIGHT}}}"),
        ([{"EmoDB": {"root": "x"}}], f"{{EmoDB: {RIGHT}}}"),
        (["EmoDB"], "{EmoDB: {class_path: EmoDB, init_args: {root: DIR}}}"),
        ({"EmoDB": None}, "{EmoDB: {class_path: EmoDB, init_args: {root: DIR}}}"),
        ({"mine": {"root": "a.csv"}}, "{mine: {class_path: Manifest, init_args: {root: a.csv}}}"),
        ({"mine": {"root": "a"}}, "{mine: {class_path: CORPUS, init_args: {root: a}}}"),
        ({"A": {"class_path": "EmoDB", "init_args": {"root": "x"}}}, None),
        ({"A": {"class_path": "Emodb", "init_args": {"root": "x"}}}, None),
        ({}, None),
    ],
)
def test_the_corpora_of_a_study(value, form):
    assert corrected(value, "study.corpora", CLASSES) == form


@pytest.mark.parametrize(
    ("key", "value", "form"),
    [
        ("data", {"EmoDB": {"root": "x"}}, RIGHT),
        ("data.source", {"root": "x"}, "{class_path: CORPUS, init_args: {root: x}}"),
        ("data", "EmoDB", None),
        ("data.corpora", {"EmoDB": {"root": "x"}}, f"[{RIGHT}]"),
        ("data.corpora", [{"EmoDB": {"root": "x"}}], f"[{RIGHT}]"),
    ],
)
def test_data_of_other_commands(key, value, form):
    assert corrected(value, key, CLASSES) == form


def test_a_study_says_how_its_corpora_are_written(tmp_path, capsys):
    study = tmp_path / "study.yaml"
    study.write_text("study: {encoders: [whisper-base], corpora: {EmoDB: {root: emodb}}}")
    assert main(["cross-eval", "-c", str(study), "--out", str(tmp_path / "out")]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert "Write: corpora: {EmoDB: {class_path: EmoDB, init_args: {root: emodb}}}" in error
    assert "study.yaml" in error
