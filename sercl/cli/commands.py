"""The commands of sercl, one row each. A row names the module to import when the command is called."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sercl.cli import pages
from sercl.cli.help import ShortPage

START, TRAIN, USE, DATA = "Start", "Train and evaluate", "Use", "Data"


@dataclass(frozen=True)
class Command:
    """One row of the table.

    Attributes:
        target: "module:function"; the function reads `sys.argv` and returns an exit code or None for 0.
        page: Its help page.
        help: One line for the front page; "" for an action of another command, which is not listed there.
        group: Heading on the front page.
        words: Valid first words after the command's name, for completion.
        files: Whether files are valid there.
        needs_words: Whether it shows its help page if called without arguments.
        is_heavy: Whether its module imports torch, so that arguments are checked first.
        all_options: Whether `--help-all` shows more options than the page.
    """

    target: str
    page: ShortPage
    help: str = ""
    group: str = ""
    words: tuple[str, ...] = ()
    files: bool = False
    needs_words: bool = False
    is_heavy: bool = False
    all_options: bool = False


def _trains(target: str, page: ShortPage, help: str = "", **more: Any) -> Command:
    return Command(target, page, help, TRAIN if help else "", is_heavy=True, all_options=True, **more)


COMMANDS: Mapping[str, Command] = {
    "demo": Command(
        target="sercl.cli.demo:main",
        page=pages.DEMO,
        help="A quick demo: train and evaluate on synthetic speech, nothing to download",
        group=START,
        words=("fit", "layer-probe", "diarize", "cross-eval"),
    ),
    "completion": Command(
        target="sercl.cli.completion:main",
        page=pages.COMPLETION,
        help="Print the completion script for your shell",
        group=START,
        words=("bash", "zsh", "fish"),
    ),
    "fit": _trains(
        "sercl.cli.folds:main", pages.FIT, "Train a classifier on one corpus, or on a pair of languages"
    ),
    "validate": _trains(
        "sercl.cli.test:validate", pages.VALIDATE, "Evaluate a checkpoint on the validation part"
    ),
    "test": _trains("sercl.cli.test:test", pages.TEST, "Evaluate a checkpoint on the test part"),
    "layer-probe": _trains(
        "sercl.cli.layer_probe:main",
        pages.LAYER_PROBE,
        "Find the layer of a frozen encoder that encodes emotion best",
    ),
    "cross-eval": _trains(
        "sercl.cli.cross_eval:main",
        pages.CROSS_EVAL,
        "Run a whole cross-lingual study from one file, with a report",
        words=("report",),
    ),
    "cross-eval report": Command(
        target="sercl.cli.cross_eval_report:main", page=pages.CROSS_EVAL_REPORT, files=True
    ),
    "compare": Command(
        target="sercl.cli.compare:main",
        page=pages.COMPARE,
        help="Compare the settings of two runs and test whether their scores differ",
        group=TRAIN,
        files=True,
    ),
    "listen": Command(
        target="sercl.cli.listen.actions:main",
        page=pages.LISTEN,
        help="Listening tests: build and run them, compare listeners with models",
        group=TRAIN,
        words=(
            "power",
            "build",
            "convert",
            "serve",
            "answers",
            "monitor",
            "backup",
            "withdraw",
            "import",
            "compare",
        ),
        files=True,
        needs_words=True,
    ),
    "listen power": Command(
        target="sercl.cli.listen.planning:power", page=pages.LISTEN_POWER, needs_words=False
    ),
    "listen build": Command(
        target="sercl.cli.listen.build:main", page=pages.LISTEN_BUILD, is_heavy=True, all_options=True
    ),
    "listen convert": Command(
        target="sercl.cli.listen.convert:main", page=pages.LISTEN_CONVERT, files=True, needs_words=True
    ),
    "listen serve": Command(
        target="sercl.cli.listen.serve:main", page=pages.LISTEN_SERVE, files=True, needs_words=True
    ),
    "listen answers": Command(
        target="sercl.cli.listen.answers:main", page=pages.LISTEN_ANSWERS, files=True, needs_words=True
    ),
    "listen monitor": Command(
        target="sercl.cli.listen.planning:monitor", page=pages.LISTEN_MONITOR, files=True, needs_words=True
    ),
    "listen backup": Command(
        target="sercl.cli.listen.answers:backup", page=pages.LISTEN_BACKUP, files=True, needs_words=True
    ),
    "listen withdraw": Command(
        target="sercl.cli.listen.answers:withdraw", page=pages.LISTEN_WITHDRAW, files=True, needs_words=True
    ),
    "listen import": Command(
        target="sercl.cli.listen.importing:main", page=pages.LISTEN_IMPORT, files=True, needs_words=True
    ),
    "listen compare": Command(
        target="sercl.cli.listen.compare:main", page=pages.LISTEN_COMPARE, files=True, needs_words=True
    ),
    "predict": Command(
        target="sercl.cli.predict:main",
        page=pages.PREDICT,
        help="Predict the emotion of recordings with a checkpoint",
        group=USE,
        files=True,
    ),
    "diarize": Command(
        target="sercl.cli.diarize.outputs:main",
        page=pages.DIARIZE,
        help="Label emotions over time in recordings; train and evaluate diarizers",
        group=USE,
        words=("fit", "evaluate", "score"),
        files=True,
        needs_words=True,
    ),
    "diarize fit": _trains("sercl.cli.diarize.folds:main", pages.DIARIZE_FIT),
    "diarize evaluate": Command(
        target="sercl.cli.diarize.evaluate:main", page=pages.DIARIZE_EVALUATE, files=True, is_heavy=True
    ),
    "diarize score": Command(target="sercl.cli.diarize.score:main", page=pages.DIARIZE_SCORE, files=True),
    "corpus": Command(
        target="sercl.cli.corpus:main",
        page=pages.CORPUS,
        help="List the known corpora, inspect one on disk, write its manifest",
        group=DATA,
        words=("list", "inspect", "manifest"),
        needs_words=True,
        all_options=True,
    ),
    "features": Command(
        target="sercl.cli.features:main",
        page=pages.FEATURES,
        help="Show or remove the stored hidden states of frozen encoders",
        group=DATA,
        words=("info", "prune"),
        needs_words=True,
    ),
}

FRONT: Mapping[str, Command] = {name: command for name, command in COMMANDS.items() if command.help}
"""Commands on the front page; the others are their actions."""

EXAMPLES = (
    ("Two minutes, nothing to download", "sercl demo"),
    ("Train on a corpus folder", "sercl fit --data EmoDB --data.root emodb"),
    ("Use a trained checkpoint", "sercl predict checkpoints/RUN/best.ckpt recordings/"),
)
