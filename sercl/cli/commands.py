"""The commands of sercl: one row each. A row names a module that is imported when it is called."""

from collections.abc import Mapping
from dataclasses import dataclass

START, TRAIN, USE, DATA = "Start", "Train and evaluate", "Use", "Data"


@dataclass(frozen=True)
class Command:
    """One row of the table.

    Attributes:
        target: "module:function"; the function reads `sys.argv` and returns an exit code or None for 0.
        help: One line for the front page.
        group: Heading on the front page.
        page: "module:NAME" of its `ShortPage`, whose options completion offers; imports nothing heavy.
        words: Legal first words after the command's name, for completion.
        files: Whether files are legal there.
        is_heavy: Whether its parser imports torch, so that mistakes are looked for before.
    """

    target: str
    help: str
    group: str
    page: str = ""
    words: tuple[str, ...] = ()
    files: bool = False
    is_heavy: bool = False


COMMANDS: Mapping[str, Command] = {
    "demo": Command(
        target="sercl.cli.demo:main",
        help="See it work: train and evaluate on synthetic speech, nothing to download",
        group=START,
    ),
    "completion": Command(
        target="sercl.cli.completion:main",
        help="Print the completion script for your shell",
        group=START,
        page="sercl.cli.completion:PAGE",
        words=("bash", "zsh", "fish"),
    ),
    "fit": Command(
        target="sercl.cli.fit:main",
        is_heavy=True,
        help="Train a classifier on one corpus, or on a pair of languages",
        group=TRAIN,
        page="sercl.cli.fit:PAGE",
    ),
    "validate": Command(
        target="sercl.cli.test:validate",
        is_heavy=True,
        help="Score a checkpoint on the validation part",
        group=TRAIN,
        page="sercl.cli.test:PAGE",
    ),
    "test": Command(
        target="sercl.cli.test:test",
        is_heavy=True,
        help="Score a checkpoint on the test part",
        group=TRAIN,
        page="sercl.cli.test:PAGE",
    ),
    "layer-probe": Command(
        target="sercl.cli.layer_probe:main",
        is_heavy=True,
        help="Find the layer of a frozen encoder that carries emotion",
        group=TRAIN,
        page="sercl.cli.layer_probe:PAGE",
    ),
    "cross-eval": Command(
        target="sercl.cli.cross_eval:main",
        is_heavy=True,
        help="Run a whole cross-lingual study from one file, with a report",
        group=TRAIN,
        page="sercl.cli.cross_eval:PAGE",
        words=("report",),
    ),
    "compare": Command(
        target="sercl.cli.compare:main",
        help="Compare the settings of two runs and test whether their scores differ",
        group=TRAIN,
        page="sercl.cli.compare:PAGE",
        files=True,
    ),
    "predict": Command(
        target="sercl.cli.predict:main",
        help="Name the emotion of recordings with a checkpoint",
        group=USE,
        page="sercl.cli.predict:PAGE",
        files=True,
    ),
    "diarize": Command(
        target="sercl.cli.diarize:main",
        is_heavy=True,
        help="Label emotions over time in recordings; train and evaluate diarizers",
        group=USE,
        page="sercl.cli.diarize:PAGE",
        words=("fit", "evaluate", "score"),
        files=True,
    ),
    "corpus": Command(
        target="sercl.cli.corpus:main",
        help="List the known corpora, inspect one on disk, write its manifest",
        group=DATA,
        page="sercl.cli.corpus:PAGE",
        words=("list", "inspect", "manifest"),
    ),
    "features": Command(
        target="sercl.cli.features:main",
        help="Show or clear up the stored hidden states of frozen encoders",
        group=DATA,
        page="sercl.cli.features:PAGE",
        words=("info", "prune"),
    ),
}

EXAMPLES = (
    ("Two minutes, nothing to download", "sercl demo"),
    ("Train on a corpus folder", "sercl fit --data EmoDB --data.root emodb"),
    ("Ask a trained checkpoint", "sercl predict checkpoints/RUN/best.ckpt recordings/"),
)
