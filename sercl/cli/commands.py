"""The commands of sercl: one row each. A row names a module that is imported when it is called."""

from collections.abc import Mapping
from dataclasses import dataclass, field

FILES = ("<files>",)
"""Legal values of an option that takes a file or folder."""


@dataclass(frozen=True)
class Command:
    """One row of the table.

    Attributes:
        target: "module:function"; the function reads `sys.argv` and returns an exit code or None for 0.
        help: One line for the front page.
        group: Heading on the front page.
        words: Legal first words after the command's name, or `FILES`, for completion.
        options: The options people use -> their legal values, `FILES`, or nothing where any text goes.
            Completion offers them; a test compares them with the command's own parser.
    """

    target: str
    help: str
    group: str
    words: tuple[str, ...] = ()
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


START, TRAIN, USE, DATA = "Start", "Train and judge", "Use", "Data"

_LIGHTNING_OPTIONS: dict[str, tuple[str, ...]] = {
    "--config": FILES,
    "--data": (),
    "--data.root": FILES,
    "--help": (),
    "--help-all": (),
    "--model": (),
    "--print_config": (),
    "--seed_everything": (),
    "--trainer.accelerator": ("auto", "cpu", "gpu"),
    "--trainer.devices": (),
    "--trainer.max_epochs": (),
    "--trainer.precision": ("32-true", "16-mixed", "bf16-mixed"),
}

COMMANDS: Mapping[str, Command] = {
    "demo": Command(
        target="sercl.cli.demo:main",
        help="See it work: train and judge on synthetic speech, nothing to download",
        group=START,
        options={"--help": ()},
    ),
    "completion": Command(
        target="sercl.cli.completion:main",
        help="Print the completion script for your shell",
        group=START,
        words=("bash", "zsh", "fish"),
        options={"--help": ()},
    ),
    "fit": Command(
        target="sercl.cli.lightning:fit",
        help="Train a classifier on one corpus, or on a pair of languages",
        group=TRAIN,
        options=_LIGHTNING_OPTIONS,
    ),
    "validate": Command(
        target="sercl.cli.lightning:validate",
        help="Score a checkpoint on the validation part",
        group=TRAIN,
        options=_LIGHTNING_OPTIONS,
    ),
    "test": Command(
        target="sercl.cli.lightning:test",
        help="Score a checkpoint on the test part",
        group=TRAIN,
        options=_LIGHTNING_OPTIONS,
    ),
    "predict": Command(
        target="sercl.cli.predict:main",
        help="Name the emotion of recordings with a checkpoint",
        group=USE,
        words=FILES,
        options={
            "--batch_seconds": (),
            "--device": ("auto", "cpu", "cuda"),
            "--format": ("table", "csv", "json", "jsonl"),
            "--help": (),
            "--out": FILES,
            "--recursive": (),
        },
    ),
    "corpus": Command(
        target="sercl.cli.corpus:main",
        help="List the known corpora, inspect one on disk, write its manifest",
        group=DATA,
        words=("list", "inspect", "manifest"),
        options={"--help": (), "--root": FILES, "--out": FILES},
    ),
}

EXAMPLES = (
    ("Two minutes, nothing to download", "sercl demo"),
    ("Train on a corpus folder", "sercl fit --data EmoDB --data.root data/emodb"),
    ("Ask a trained checkpoint", "sercl predict checkpoints/best.ckpt recordings/"),
)
