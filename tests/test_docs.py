"""What the documents say is so: their command lines parse, their links lead somewhere."""

import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir, suppress
from pathlib import Path

import pytest
import yaml

from sercl import __version__
from sercl.cli import completion, corpus, demo, features, pages, predict
from sercl.cli.commands import COMMANDS
from sercl.errors import UsageError
from sercl.reports.cross_eval.summary import STUDY
from sercl.testing.corpora import fake_corpus, fake_dialects
from sercl.testing.encoders import tiny_encoder

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
FOLDERS = ("", "docs", "configs", "checkpoints", "benchmarks")
PAGES = [path for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.md"))]
PARSED = [page for page in PAGES if page.name != "extending.md"]
"""Pages whose command lines need nothing but sercl; tests/test_extending.py runs the others."""

Parse = Callable[[list[str]], object]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def code_lines(page: Path) -> Iterator[str]:
    """Yield the lines of fenced and indented code, those that end in a backslash joined with the next."""
    fenced = False
    for line in page.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield line.strip()


def command_lines(page: Path) -> list[str]:
    """Return the command lines of sercl on a page, without prompt, comment, and what they are piped to."""
    lines = (line.removeprefix("$ ") for line in code_lines(page))
    return [re.split(r" +[|>#] ", line)[0] for line in lines if line.startswith("sercl ")]


def training(name: str) -> Parse:
    """Return what parses the words of `fit`, `test` or `validate`, and builds nothing."""

    def parse(words: list[str]) -> object:
        from sercl.cli.lightning import Cli

        has_data = {"--data", "-c", "--config"} & set(words)
        # Without data, `test` and `validate` take the configuration of the run.
        more = [] if has_data or name == "fit" else ["--data", "EmoDB", "--data.root", "x"]
        sys.argv[1:] = ["--help" if word == "--help-all" else word for word in [*words, *more]]
        return Cli(name, with_training=name == "fit").config

    return parse


def probe(words: list[str]) -> object:
    from sercl.cli.layer_probe import spelled_out
    from sercl.cli.lightning import Cli
    from sercl.studies.layer_probe.folds import LayerProbeOptions

    sys.argv[1:] = spelled_out(words)
    return Cli("layer-probe", options=("probe", LayerProbeOptions)).config


def diarize(words: list[str]) -> object:
    from sercl.cli.diarize import evaluate, fit, outputs, score

    action, *rest = words
    if action == "fit":
        sys.argv[1:] = rest
        return fit.parse().config
    if action == "evaluate":
        return evaluate.parse(rest)
    if action == "score":
        return score.build_parser().parse_args(rest)
    return outputs.build_parser().parse_args(words)


def listen(words: list[str]) -> object:
    from sercl.cli.listen import answers, build, compare, convert, importing, planning, serve

    action, *rest = words
    if action == "build":
        return build.build_parser().parse_args(build.with_corpora(rest))
    parsers = {
        "power": planning.build_power_parser,
        "convert": convert.build_parser,
        "serve": serve.build_parser,
        "answers": answers.build_parser,
        "monitor": planning.build_monitor_parser,
        "backup": answers.build_backup_parser,
        "withdraw": answers.build_withdraw_parser,
        "import": importing.build_parser,
        "compare": compare.build_parser,
    }
    return parsers[action]().parse_args(rest)


def shell(words: list[str]) -> None:
    if words[0] not in completion.SHELLS:
        raise UsageError(f"no shell {words[0]}")


def study(words: list[str]) -> object:
    from sercl.cli import cross_eval_report
    from sercl.cli.cross_eval import StudyCli

    if words[0] == "report":
        return cross_eval_report.build_parser().parse_args(words[1:])
    # The files of the examples are not there; that they are asked for is enough.
    known = ["configs/paper/study.yaml" if re.fullmatch(r"\w+\.yaml", word) else word for word in words]
    return StudyCli(known).config


PARSERS: Mapping[str, Parse] = {
    "cross-eval": study,
    "completion": shell,
    "corpus": lambda words: corpus.build_parser(words[0]).parse_args(words[1:]),
    "demo": lambda words: demo.build_parser().parse_args(words),
    "diarize": diarize,
    "features": lambda words: features.build_parser(words[0]).parse_args(words[1:]),
    "fit": training("fit"),
    "layer-probe": probe,
    "listen": listen,
    "predict": lambda words: predict.build_parser().parse_args(words),
    "test": training("test"),
    "validate": training("validate"),
}


@pytest.fixture(autouse=True)
def words_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parsers read `sys.argv`; it comes back after each test."""
    monkeypatch.setattr(sys, "argv", ["sercl"])


@pytest.mark.parametrize(
    ("page", "line"),
    [(name_of(page), line) for page in PARSED for line in dict.fromkeys(command_lines(page))],
)
def test_every_command_line_is_legal(page: str, line: str) -> None:
    name, *words = shlex.split(line)[1:]
    if name in {"--help", "--version"}:
        return
    assert name in COMMANDS
    assert name in PARSERS, f"say in PARSERS how the words of `sercl {name}` are parsed"
    # A parser that prints a page or a configuration exits; what it refuses it raises.
    with chdir(ROOT), suppress(SystemExit):
        PARSERS[name](words)


@pytest.mark.parametrize(
    "line",
    [
        "fit --data EmoDB --data.rooot x",
        "fit --data EmoDB --data.root x --model.adapters.lora.ranc 4",
        "test --ckpt a.ckpt --data.fold.index 1",
        "cross-eval -c study.yaml --out study --jbos 2",
        "layer-probe --encoder x --data EmoDB --data.root x --probe.target emotion",
        "diarize fit --data EmoDB --data.root x --data.clip.per_epoch 4",
        "diarize a.ckpt a.wav --htm a.html",
        "diarize evaluate a.ckpt --tun",
        "diarize score --referenc a --hypothesis b",
        "predict a.ckpt a.wav --formt csv",
        "corpus list --jsn",
        "features prune --older 30",
        "listen import a.csv --item b.csv",
        "listen compare r.parquet --group native",
        "demo --speaker 4",
        "completion tcsh",
    ],
)
def test_the_check_of_command_lines_would_notice(line: str) -> None:
    name, *words = shlex.split(line)
    with pytest.raises(UsageError):
        PARSERS[name](words)


def studies_in_documents() -> list[tuple[str, str]]:
    """The YAML of a study wherever a page or the help shows one: (where, text)."""
    found = [
        (name_of(page), text)
        for page in PAGES
        for text in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        if re.search(r"^study:.*^  corpora:", text, flags=re.MULTILINE | re.DOTALL)
    ]
    return [
        *found,
        ("sercl cross-eval --help", pages.CROSS_EVAL.file[1] if pages.CROSS_EVAL.file else ""),
    ]


@pytest.mark.parametrize(("where", "text"), studies_in_documents())
def test_every_study_can_be_planned(where: str, text: str, tmp_path: Path) -> None:
    """A study of the documents can be run as it is; corpora and encoder are small ones here."""
    from sercl.cli.main import main

    content = yaml.safe_load(text)
    assert content["study"]["corpora"], where
    for name, own in content["study"]["corpora"].items():
        own["init_args"]["root"] = str(_fake(own["class_path"], tmp_path / name))
    content["study"]["encoders"] = [str(tiny_encoder("whisper", tmp_path / "encoder"))]
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(content))
    assert main(["cross-eval", "-c", str(file), "--out", str(tmp_path / "study"), "--dry-run"]) == 0


def _fake(corpus: str, root: Path) -> Path:
    if corpus == "Manifest":
        return fake_dialects(root)
    return fake_corpus(corpus, root, speakers=10 if corpus == "EmoDB" else 8)


def test_the_readme_and_the_help_show_a_study() -> None:
    assert {"README.md", "docs/cross-eval.md", "sercl cross-eval --help"} <= {
        where for where, _ in studies_in_documents()
    }


def test_command_lines_are_found() -> None:
    lines = command_lines(README)
    assert any("--data.target.root ravdess --model.encoder" in line for line in lines)
    assert {line.split()[1] for line in lines} >= {"corpus", "fit", "predict"}


def test_the_first_screen_of_the_readme_shows_the_two_commands() -> None:
    first_screen = README.read_text(encoding="utf-8").splitlines()[:30]
    assert any(line.startswith("make demo") for line in first_screen)
    assert any(line.startswith("make test") for line in first_screen)


def test_the_readme_cites_the_study_as_reports_do() -> None:
    assert f"```\n{STUDY}\n```" in README.read_text(encoding="utf-8")


def test_the_readme_stays_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 345


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        file, _, anchor = target.partition("#")
        place = (page.parent / file).resolve() if file else page
        if re.match(r"[a-z]+:", target):
            continue
        assert place.exists(), target
        assert not anchor or anchor in anchors(place), target


def anchors(page: Path) -> set[str]:
    """Return the anchors that the headings of a page get when it is shown."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_changelog_knows_this_version() -> None:
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
