import inspect

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sercl import errors
from sercl.errors import (
    AudioError,
    AudioNotFoundError,
    ManifestError,
    MissingExtraError,
    SerclError,
    UnknownNameError,
    UnknownOptionError,
    UsageError,
    near_names,
)

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)]
KINDS = [kind for kind in CLASSES if not issubclass(kind, Warning)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_is_one_of_sercl_and_one_of_python(kind):
    assert issubclass(kind, SerclError)
    assert kind is SerclError or issubclass(
        kind, ValueError | OSError | ImportError | RuntimeError | ArithmeticError
    )
    assert kind.exit_code == (2 if issubclass(kind, UsageError) else 1)


def test_files_that_are_not_there_are_file_not_found_errors():
    assert issubclass(AudioNotFoundError, FileNotFoundError)
    assert issubclass(errors.CorpusNotFoundError, FileNotFoundError)
    assert issubclass(errors.OutputError, OSError)


def test_an_unknown_name_is_answered_with_near_and_legal_names():
    error = UnknownNameError("adapter", "lorra", ["none", "lora", "gating"], "Join several by '+'.")
    assert str(error) == (
        "unknown adapter 'lorra'. Did you mean 'lora'? Valid: none, lora, gating. Join several by '+'."
    )
    assert "Did you mean" not in str(UnknownNameError("adapter", "xyz", ["none", "lora"]))


def test_an_unknown_option_is_answered_with_near_options_only():
    error = UnknownOptionError("--data.rooot", ["--data.root", "--data.labels", "--out"], "See --help.")
    assert str(error) == "unknown option --data.rooot. Did you mean --data.root? See --help."
    assert UnknownOptionError("--trianer.devices", ["--trainer", "--data"], "").near == ["--trainer"]
    lists = ["--study.encoders+", "--study.encoders"]
    assert UnknownOptionError("--study.encoder", lists, "").near == ["--study.encoders"]


def test_a_manifest_error_begins_with_its_place():
    assert str(ManifestError("a.csv", 7, "no emotion.")) == "a.csv:7: no emotion."
    assert str(ManifestError("a.csv", None, "no row.")) == "a.csv: no row."


def test_an_audio_error_keeps_path_and_reason_apart():
    error = AudioError("a.wav", "cut short", "unreadable")
    assert (str(error), error.reason, error.kind) == ("a.wav: cut short", "cut short", "unreadable")
    assert AudioNotFoundError("a.wav").kind == "missing"


def test_a_missing_extra_says_how_to_install_it():
    assert "pip install 'sercl[hub]'" in str(MissingExtraError("datasets", "hub", "reading"))


def test_near_names_do_not_mind_case_and_punctuation():
    assert near_names("EMO-DB", ["EmoDB", "ESD", "EMOVO"])[0] == "EmoDB"
    assert near_names("zeroshot", ["zero-shot", "transfer"]) == ["zero-shot"]


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=12), st.lists(st.text(min_size=1, max_size=12), unique=True, max_size=6))
def test_near_names_are_some_of_the_valid_ones(name, valid):
    near = near_names(name, valid)
    assert set(near) <= set(valid)
    assert len(near) <= 3


def test_a_message_that_repeats_a_long_value_is_cut():
    long = str(errors.ManifestError("a.csv", 3, f"{'x' * 10**6} is not valid. Fix it."))
    assert long.startswith("a.csv:3: xxx")
    assert long.endswith("is not valid. Fix it.")
    assert len(long) < 5100
    assert str(errors.UsageError("short")) == "short"


def test_causes_end_where_errors_cause_each_other():
    first, second = ValueError("first"), OSError("second")
    first.__cause__, second.__context__ = second, first
    assert list(errors.causes(first)) == [first, second]
    assert list(errors.causes(None)) == []
