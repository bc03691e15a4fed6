"""Kill trainings at any moment, resume them to their end, and compare the weights with those of a whole run.

    python benchmarks/kill_resume.py FOLDER --tries 40
    python benchmarks/kill_resume.py FOLDER --tries 40 --mount 64m   # a small disk of its own; takes root

Every try is `sercl fit` on a fake corpus with a random tiny encoder, killed with SIGKILL once or more, then
resumed until it ends. It is killed at a random time, while writing a checkpoint, or between two
steps of replacing a file. One process imports everything and forks the trainings, which saves
their imports.
"""

import argparse
import contextlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch

from sercl import files
from sercl.cli import lightning  # noqa: F401 - what a training imports, before it is forked
from sercl.cli.main import main as sercl
from sercl.tasks import diarization  # noqa: F401
from sercl.testing.corpora import fake_corpus
from sercl.testing.encoders import tiny_encoder

MODELS = {
    "wav2vec2-lora": ("wav2vec2", ["--model.adapter", "lora", "--model.regularization.preset", "checkpoint"]),
    "whisper-frozen": ("whisper", ["--model.whisper_form", "short", "--model.layer", "1"]),
}
"""Name -> family of the encoder, and options of the model."""

COMMON = [
    "--data.loader.batch_size", "16", "--model.dropout", "0.2", "--trainer.max_epochs", "4",
    "--trainer.accelerator", "cpu", "--trainer.logger", "false", "--early_stopping.patience", "2",
]  # fmt: skip
MOST_STARTS = 30
Killer = Callable[[random.Random, float], Callable[[], float | None]]


def main(words: Sequence[str] | None = None) -> int:
    """Run the tries of every model, and return 0 if all ended with the weights of a run without kills."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tries", type=int, default=40, help="for each model")
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mount", metavar="SIZE", help="mount a tmpfs of this size at the folder")
    options = parser.parse_args(words)
    with mounted(options.folder, options.mount), tempfile.TemporaryDirectory() as inputs:
        corpus = fake_corpus("EmoDB", Path(inputs, "emodb"), speakers=6, per_emotion=2)
        lines = [
            kill_loop(name, corpus, Path(inputs), options.folder, options.tries, random.Random(options.seed))
            for name in options.models
        ]
    print(*lines, sep="\n")
    return 0 if all(f"{options.tries} of {options.tries}" in line for line in lines) else 1


def kill_loop(name: str, corpus: Path, inputs: Path, folder: Path, tries: int, draw: random.Random) -> str:
    """Return a line that says how many tries of a model ended as they should."""
    family, options = MODELS[name]
    encoder = tiny_encoder(family, inputs / name)
    common = ["fit", "--data", "EmoDB", "--data.root", str(corpus), "--model.encoder", str(encoder)]
    words = [*common, *options, *COMMON, "--features.dir", str(inputs / "features")]
    whole, log = folder / f"{name}-whole", inputs / "log.txt"
    forked([*words, "--out", str(whole)], log)  # once before timing, to fill the caches
    shutil.rmtree(whole)
    begin = time.perf_counter()
    if code := forked([*words, "--out", str(whole)], log):
        raise SystemExit(f"{name}: the whole run failed with {code}:\n{log.read_text()}")
    seconds = time.perf_counter() - begin
    good, kills = 0, Counter[str]()
    for number in range(tries):
        out = folder / f"{name}-{number}"
        said = one_try([*words, "--out", str(out)], out, log, seconds, draw, kills) or differs(whole, out)
        good += said is None
        print(f"{name}, try {number + 1}: {said or 'the same'}", flush=True)
        shutil.rmtree(out, ignore_errors=True)
    shutil.rmtree(whole)
    told = ", ".join(f"{count} {what}" for what, count in sorted(kills.items()))
    return f"{name}: {good} of {tries} resumed to the same weights; kills: {told}"


def one_try(
    words: list[str], out: Path, log: Path, seconds: float, draw: random.Random, kills: "Counter[str]"
) -> str | None:
    """Train with kills in between; return what went wrong, if anything did."""
    left = draw.randint(1, 3)
    for _ in range(MOST_STARTS):
        resumed = ["--resume"] if (out / "config.yaml").is_file() else []
        kind = draw.choice(["at a random time", "in a write", "between two steps"]) if left else ""
        after = draw.uniform(0.1, seconds) if kind == "at a random time" else None
        count = draw.randint(1, 6)
        code = forked([*words, *resumed], log, after, kind, count)
        if code == -signal.SIGKILL:
            left -= 1
            kills[kind] += 1
        elif code:
            return f"exit code {code}: {log.read_text()[-600:]}"
        elif kind and left:
            left = 0  # it ended before it could be killed; run it once more, which must change nothing
        else:
            return None
    return f"not done after {MOST_STARTS} starts"


def forked(words: list[str], log: Path, after: float | None = None, kind: str = "", count: int = 0) -> int:
    """Run the command line in a forked process, and return its exit code, negative for a signal.

    Args:
        words: The command line.
        log: Gets its output.
        after: Seconds after which it is killed.
        kind: Where it kills itself.
        count: At which occurrence of that, from 1.
    """
    child = os.fork()
    if child == 0:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdout, sys.stderr = (
            io.TextIOWrapper(os.fdopen(fd, "wb", 0), write_through=True) for fd in (1, 2)
        )
        if kind in TRAPS:
            TRAPS[kind](count)
        os._exit(sercl(words))
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die_in_a_write(count: int) -> None:
    """Make the process die when half of its `count`-th checkpoint is written."""
    save, left = torch.save, iter(range(count - 1, -1, -1))

    def dying(content: object, file: object, *args: object, **options: object) -> None:
        if next(left, 1) == 0:
            whole = io.BytesIO()
            save(content, whole)
            with contextlib.nullcontext(file) if hasattr(file, "write") else open(file, "wb") as half:  # type: ignore[call-overload]  # noqa: PTH123
                half.write(whole.getvalue()[: whole.tell() // 2])
                half.flush()
                os.kill(os.getpid(), signal.SIGKILL)
        save(content, file, *args, **options)  # type: ignore[arg-type]

    torch.save = dying  # type: ignore[assignment]


def die_between_two_steps(count: int) -> None:
    """Make the process die before its `count`-th sync to disk: before or after a file is replaced."""
    to_disk, left = files.to_disk, iter(range(4 * count - 1, -1, -1))

    def dying(path: Path) -> None:
        if next(left, 1) == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        to_disk(path)

    files.to_disk = dying


TRAPS = {"in a write": die_in_a_write, "between two steps": die_between_two_steps}


def differs(whole: Path, other: Path) -> str | None:
    """Return how a run's end differs from that of the run without kills."""
    for name in ("best.ckpt", "last.ckpt"):
        one, two = (torch.load(folder / name, weights_only=True)["state_dict"] for folder in (whole, other))
        wrong = [key for key in one if key not in two or not torch.equal(one[key], two[key])]
        if wrong or one.keys() != two.keys():
            return f"{name} differs in {len(wrong)} of {len(one)} weights"
    if (whole / "predictions.csv").read_bytes() != (other / "predictions.csv").read_bytes():
        return "predictions.csv differs"
    stages = [json.loads((folder / "results.json").read_text())["stages"] for folder in (whole, other)]
    told = [[(stage["epoch"], stage["epochs"], stage["score"]) for stage in each] for each in stages]
    if told[0] != told[1]:
        return f"epochs or scores differ: {told}"
    left = sorted(path.name for path in other.rglob(".*") if path.name != ".lock")
    return f"left behind: {', '.join(left)}" if left else None


@contextlib.contextmanager
def mounted(folder: Path, size: str | None) -> Iterator[None]:
    """Mount a tmpfs at the folder while the block runs, if a size is given."""
    folder.mkdir(parents=True, exist_ok=True)
    if size is None:
        yield
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


if __name__ == "__main__":
    sys.exit(main())
