"""Help must be instant: the front page may import the standard library and rich, nothing heavy."""

import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

HEAVY = (
    "torch",
    "torchaudio",
    "lightning",
    "transformers",
    "jsonargparse",
    "numpy",
    "scipy",
    "pandas",
    "soundfile",
)
PROBE = """
import sys
from sercl.cli.main import main
code = main({words!r})
print(sorted(set({heavy!r}) & set(sys.modules)), file=sys.stderr)
raise SystemExit(code)
"""


def run(words: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    script = PROBE.format(words=words, heavy=HEAVY)
    return subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["fti"], ["predict", "--help"], ["fit", "--help"]], ids=" ".join
)
def test_nothing_heavy_is_imported(words: list[str]) -> None:
    result = run(words)
    assert result.stderr.splitlines()[-1] == "[]"
    assert result.returncode == (2 if words == ["fti"] else 0)


def test_completion_needs_no_more_than_a_parser() -> None:
    result = run(["completion", "bash"])
    assert result.returncode == 0
    assert result.stderr.splitlines()[-1] in {"[]", "['jsonargparse']"}


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = f"import sys, sercl; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    assert result.stdout == "[]\n"


def test_no_color_is_respected() -> None:
    environment: Mapping[str, str] = {"FORCE_COLOR": "1", "TERM": "xterm-256color"}
    assert "\x1b[" in run(["--help"], **environment).stdout
    assert "\x1b[36m" not in run(["--help"], **environment, NO_COLOR="1").stdout


@pytest.mark.parametrize("words", ["completion bash", "--help", "fit --help"])
def test_a_reader_that_goes_away_is_no_error(words: str) -> None:
    command = f"{sys.executable} -m sercl {words} | head -n 1 >/dev/null; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=True, timeout=300, env=os.environ
    )
    assert result.stderr == ""
    assert result.stdout.strip() in {"0", "141"}
