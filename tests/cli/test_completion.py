import shutil
import subprocess
from pathlib import Path

import pytest

from sercl.cli import option_table
from sercl.cli.commands import COMMANDS, FRONT
from sercl.cli.completion import SHELLS, script
from sercl.cli.main import main

ASK = """
source {script}
COMP_WORDS=({words})
COMP_CWORD={last}
COMP_LINE="${{COMP_WORDS[*]}}"
_shtab_sercl
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def bash_script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "sercl.bash"
    path.write_text(script("bash"), encoding="utf-8")
    return path


def complete(path: Path, *words: str, folder: Path | None = None) -> set[str]:
    """Return what bash offers for the last of the words after "sercl"."""
    quoted = " ".join(f"'{word}'" for word in ("sercl", *words))
    ask = ASK.format(script=path, words=quoted, last=len(words))
    answer = subprocess.run(
        ["bash", "-c", ask], capture_output=True, text=True, check=True, timeout=99, cwd=folder or path.parent
    )
    return set(answer.stdout.split())


def test_bash_offers_every_command(bash_script: Path) -> None:
    assert set(FRONT) <= complete(bash_script, "")
    assert complete(bash_script, "pre") == {"predict"}


@pytest.mark.parametrize("name", list(FRONT))
def test_bash_offers_the_options_of_the_short_page(name: str, bash_script: Path) -> None:
    assert set(COMMANDS[name].page.flags) <= complete(bash_script, name, "--")


def test_bash_offers_words_values_and_files(bash_script: Path, tmp_path: Path) -> None:
    (tmp_path / "talk.wav").touch()
    assert set(COMMANDS["corpus"].words) <= complete(bash_script, "corpus", "")
    assert complete(bash_script, "predict", "--format", "js") == {"json", "jsonl"}
    assert "talk.wav" in complete(bash_script, "predict", "best.ckpt", "ta", folder=tmp_path)
    assert "talk.wav" in complete(bash_script, "predict", "--out", "ta", folder=tmp_path)


def test_bash_offers_names_of_corpora_encoders_and_adapters(bash_script: Path) -> None:
    assert complete(bash_script, "fit", "--data", "Em") == {"EmoDB", "EmoVDB", "Emozionalmente"}
    assert "EmoDB" in complete(bash_script, "corpus", "inspect", "Emo")
    assert "wavlm-large" in complete(bash_script, "fit", "--model.encoder", "wavlm")
    assert {"lora", "full"} <= complete(bash_script, "fit", "--model.adapter", "")


@pytest.mark.parametrize("name", ["fit", "test", "layer-probe", "cross-eval", "diarize"])
def test_bash_offers_every_option(name: str, bash_script: Path) -> None:
    table = option_table.read()["commands"]
    options = {
        option
        for command in table
        if command.split()[0] == name
        for option in table[command]
        if option[-1] != "+"
    }
    assert options <= complete(bash_script, name, "--")


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_has_a_script_that_it_can_read(shell: str, tmp_path: Path) -> None:
    text = script(shell)
    assert all(name in text for name in FRONT)
    path = tmp_path / f"sercl.{shell}"
    path.write_text(text, encoding="utf-8")
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed: its script is not run")
    subprocess.run([shell, "-n", str(path)], check=True, timeout=300)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [(["tcsch"], 2, "unknown shell 'tcsch'"), ([], 2, "bash, zsh, fish"), (["bash", "zsh"], 2, "one shell")],
)
def test_wrong_shell(words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", *words]) == code
    assert message in capsys.readouterr().err


def test_the_command_prints_the_script(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    assert capsys.readouterr().out == script("bash") + "\n"
    assert main(["completion", "--help"]) == 0
    assert "bash, zsh or fish" in capsys.readouterr().out
