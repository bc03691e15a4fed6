import pytest
from rich.console import Console

from sercl.cli.help import ShortPage, load_page, render

PAGE = ShortPage(
    usage="sercl probe FILE [OPTIONS]",
    summary="Probe a file.",
    arguments=(("FILE", "What is probed"),),
    options=(("-c, --config FILE", "YAML"), ("--format csv|json", "How it is written")),
    examples=(("A long one", "sercl probe " + " ".join(f"--option{number} value" for number in range(9))),),
    more="--help-all lists every option.",
)


def shown(page: ShortPage, width: int = 100) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(render(page))
    return capture.get()


def test_a_page_shows_all_its_parts() -> None:
    text = shown(PAGE)
    for part in ("sercl probe FILE", "Probe a file.", "What is probed", "--format csv|json", "--help-all"):
        assert part in text


def test_flags_are_the_long_ones() -> None:
    assert PAGE.flags == ("--config", "--format")


def test_a_long_example_can_be_copied_as_one_command() -> None:
    lines = shown(PAGE, width=80).splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("  sercl probe"))
    end = next(number for number in range(start, len(lines)) if not lines[number].endswith("\\"))
    command = " ".join(line.rstrip("\\").strip() for line in lines[start : end + 1])
    assert end > start
    assert command == PAGE.examples[0][1]


def test_only_a_page_is_loaded_as_one() -> None:
    assert load_page("sercl.cli.predict:PAGE").usage.startswith("sercl predict")
    with pytest.raises(TypeError, match="not a ShortPage"):
        load_page("sercl.cli.commands:START")


@pytest.mark.parametrize(
    "line", ["predict", "compare", "corpus", "features", "demo", "diarize", "diarize score"]
)
def test_every_command_knows_help_all(line, capsys):
    assert run_main([*line.split(), "--help-all"]) == 0
    assert "--" in capsys.readouterr().out


def run_main(words):
    from sercl.cli.main import main

    return main(words)
