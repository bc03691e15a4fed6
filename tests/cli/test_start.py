"""What a command imports before it can answer: modules, not seconds, which depend on the machine."""

import gc
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sercl.audio.preprocess import PreprocessConfig
from sercl.cli.console import loading
from sercl.tasks.classification import EmotionClassifier
from sercl.testing.encoders import tiny_encoder
from tests.tasks.test_checkpoint import save

PROGRAM = """
import sys
from sercl.cli.main import main
code = main(sys.argv[1:])
print(code, *sys.modules, file=sys.stderr)
"""
PAGE_NEEDS_NO = {"yaml", "msgspec", "importlib.metadata", "difflib", "tempfile", "jsonargparse", "torch"}
CHECK_NEEDS_NO = {"numpy", "jsonargparse", "torch", "jinja2", "soundfile"}


def modules_of(*words: str) -> set[str]:
    command = [sys.executable, "-c", PROGRAM, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["fit", "--help"], ["predict", "--help"]])
def test_help_imports_nothing_that_only_commands_need(words: list[str]) -> None:
    assert modules_of(*words) & PAGE_NEEDS_NO == set()


@pytest.mark.parametrize(
    "words",
    [["fit", "--data", "EmoDB", "--data.root", "nowhere"], ["fit", "--model.adaptor", "lora"]],
    ids=["folder", "option"],
)
def test_a_mistake_is_named_before_anything_heavy_is_imported(words: list[str]) -> None:
    assert modules_of(*words) & CHECK_NEEDS_NO == set()


FIT_NEEDS_NO = {"statsmodels", "peft", "sklearn", "torchvision", "tensorboard", "silero_vad", "IPython"}
TABLES = {"pandas", "pyarrow"}  # what trainings write their results with
PREDICT_NEEDS_NO = {
    *FIT_NEEDS_NO,
    *TABLES,
    "jsonargparse",
    "docstring_parser",
    "lightning",
    "torchmetrics",
    "matplotlib",
    "scipy.signal",
    "scipy.stats",
}


@pytest.mark.slow
def test_fit_imports_no_package_that_it_does_not_use(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("file,emotion,speaker\n")
    words = ["fit", "--data", "Manifest", "--data.root", str(tmp_path / "clips.csv"), "--print_config"]
    found = modules_of(*words)
    assert "lightning.pytorch" in found
    assert found & {*FIT_NEEDS_NO, *TABLES, "sercl.cli.diarize.evaluate"} == set()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["load", "diarize", "embed"])
def test_prediction_imports_no_package_of_training_results_or_options(name: str) -> None:
    program = f"import sys, sercl; sercl.{name}; print(*sys.modules)"
    command = [sys.executable, "-c", program]
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout.split()
    assert "transformers" in found
    assert set(found) & PREDICT_NEEDS_NO == set()


@pytest.mark.slow
def test_a_prediction_imports_none_of_them_either(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.sin(np.arange(16_000) / 9), 16_000)
    task = EmotionClassifier(str(tiny_encoder("wav2vec2", tmp_path / "encoder")), layer=1, standardize=False)
    task.use_preprocessing(PreprocessConfig(), "the test")
    save(task, tmp_path / "best.ckpt")
    found = modules_of("predict", str(tmp_path / "best.ckpt"), str(tmp_path / "a.wav"))
    assert "sercl.tasks.predictor" in found
    assert found & (PREDICT_NEEDS_NO - {"jsonargparse", "silero_vad"}) == set()


@pytest.mark.parametrize("collects", [True, False])
def test_garbage_is_collected_again_after_loading(collects: bool) -> None:
    before = gc.isenabled()
    try:
        gc.enable() if collects else gc.disable()
        with loading():
            assert not gc.isenabled()
        assert gc.isenabled() == collects
    finally:
        gc.enable() if before else gc.disable()


@pytest.mark.slow
def test_comparison_of_runs_imports_nothing_that_trains() -> None:
    program = "import sys, sercl.reports.run_comparison, sercl.studies.comparison; print(*sys.modules)"
    command = [sys.executable, "-c", program]
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout.split()
    assert "statsmodels" not in found
    assert set(found) & {"lightning", "torchmetrics", "transformers", "torchaudio"} == set()
