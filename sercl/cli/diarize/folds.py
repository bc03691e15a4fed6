"""`sercl diarize fit`: one run, or all folds and several seeds, evaluated together."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sercl.cli import folds
from sercl.cli.console import from_here, stdout
from sercl.cli.diarize import evaluate, fit
from sercl.cli.lightning import Cli
from sercl.studies.diarization.results import read
from sercl.studies.training.folds import FoldRun
from sercl.studies.training.stages import StageResult


def main() -> int:
    """Run `sercl diarize fit` with the arguments of the process; 1 if a fold failed."""
    cli = fit.parse()
    if not folds.is_several(cli):
        fit.run(cli)
        return 0
    return folds.run(cli, _DIARIZE_FIT)


def _check(cli: Cli) -> None:
    fit.check_data(cli)
    fit.check(cli)


def _finish(cli: Cli, folder: Path, runs: Sequence[FoldRun], seconds: float) -> None:
    """Evaluate the diarizers of all folds together, as `sercl diarize evaluate` does."""
    checkpoints = [str(folder / run.folder / "best.ckpt") for run in runs]
    words = [*checkpoints, "--out", str(folder), *(["--json"] if cli.config["json"] else [])]
    words += ["--group_by", *cli.group_by] if cli.group_by else []
    evaluate.run(evaluate.parse(words))
    if not cli.config["json"]:
        named = " ".join(shlex.quote(str(from_here(Path(path)))) for path in checkpoints)
        stdout.print("Choose post-processing on the validation clips of each fold:", soft_wrap=True)
        stdout.print(f"  sercl diarize evaluate {named} --tune", soft_wrap=True)


def _stages(folder: Path) -> Sequence[StageResult]:
    return read(folder).stages


def _scores(folder: Path) -> dict[str, Any]:
    whole = read(folder).systems[0].scores
    content = whole.to_dict()
    return {name: content[name] for name in whole.named}


_DIARIZE_FIT = folds.Command(_check, fit.main, _finish, _stages, _scores)
