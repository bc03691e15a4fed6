"""A torchaudio that does not fit torch ends in one message, whoever would import it first."""

import os
import subprocess
import sys

from sercl.testing.encoders import tiny_encoder

BROKEN = "Could not load this library: libtorchaudio.so: undefined symbol: _ZN3c105ErrorE"
OTHER_CUDA = "Detected that PyTorch and TorchAudio were compiled with different CUDA versions."


def run(words, error, folder):
    """Run Python with a torchaudio that raises an error when it is imported."""
    (folder / "torchaudio").mkdir()
    (folder / "torchaudio" / "__init__.py").write_text(f"raise {error!r}\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, check=False, timeout=300, env=environment
    )


def test_a_command_names_the_versions_the_pairs_and_what_to_install(tmp_path):
    encoder = tiny_encoder("whisper", tmp_path / "encoder")
    words = ["--data", "EmoDB", "--data.root", str(tmp_path), "--model.encoder", str(encoder)]
    done = run(["-m", "sercl", "layer-probe", *words], OSError(BROKEN), tmp_path)
    said = " ".join(done.stderr.split())
    assert done.returncode == 1
    assert "Traceback" not in said
    assert BROKEN in said
    assert "Installed: torch 2." in said
    assert "torchaudio 2.11.1 with torch 2.13 to 2.15" in said
    assert "pip install torch==2.11.0 torchaudio==2.11.0" in said


def test_an_import_raises_the_same(tmp_path):
    done = run(["-c", "import sercl.audio.augment"], RuntimeError(OTHER_CUDA), tmp_path)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("sercl.errors.PackagesError: torchaudio cannot be loaded: RuntimeError: Detected")
