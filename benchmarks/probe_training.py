"""Train the probes of a study stacked, and one after the other: seconds of both, and their ratio.

Head and schedule are those of arXiv 2409.16920, on random features, without early stopping. One after the
other is measured on a sample of the probes and epochs, before and after the stacked run, and extrapolated.

    python benchmarks/probe_training.py --layers 13 --folds 5 --rows 1600 --dim 768
"""

import argparse
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from sercl.studies.heads.config import PRESETS, ProbeConfig
from sercl.studies.heads.jobs import epoch_order, jobs_for
from sercl.studies.heads.parts import Parts
from sercl.studies.heads.running import ProbeData, initial_head, train_probes

CLASSES = 4
GOAL_SECONDS, GOAL_RATIO = 120, 3


def main() -> None:
    options = parse()
    config = replace(PRESETS["paper"], max_epochs=options.epochs, patience=options.epochs + 1)
    data = random_data(options)
    probes = options.layers * options.folds
    share = options.sample * options.sample_epochs / (probes * options.epochs)
    print(f"{processor()}, torch {torch.__version__}, {torch.get_num_threads()} threads, {options.device}")
    print(f"{probes} probes, {options.rows} training rows of {options.dim}, {options.epochs} epochs")
    for turn in range(options.repeats):
        before = alone(data, config, options)
        stacked, busy = timed(partial(train, data, config, options))
        after = alone(data, config, options)
        print(
            f"run {turn + 1}: stacked {stacked:.1f} s (goal {GOAL_SECONDS} s), {busy:.1f} s of processor time"
        )
        for name in before:
            seconds = (before[name] + after[name]) / 2 / share
            print(f"  one after the other, {name}: {seconds:.1f} s, {seconds / stacked:.1f} times as long")
    sample = f"{options.sample} probes and {options.sample_epochs} epochs"
    print(f"One after the other is extrapolated from {sample}; the goal is {GOAL_RATIO} times.")


def train(data: ProbeData, config: ProbeConfig, options: argparse.Namespace) -> None:
    jobs = jobs_for(options.folds, range(options.layers), config.seeds)
    train_probes(data, jobs, config, torch.device(options.device))
    synchronize(options.device)


def alone(data: ProbeData, config: ProbeConfig, options: argparse.Namespace) -> dict[str, float]:
    """Return seconds of the sample by optimiser, each with the number of threads that suits it better."""
    short = replace(config, max_epochs=options.sample_epochs)
    return {
        name: min(sample_seconds(data, short, options, fused, threads) for threads in thread_counts())
        for name, fused in (("AdamW", None), ("fused AdamW", True))
    }


def sample_seconds(
    data: ProbeData, config: ProbeConfig, options: argparse.Namespace, fused: bool | None, threads: int
) -> float:
    train_one(data, replace(config, max_epochs=1), 0, options.device, fused)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    begin = time.perf_counter()
    for layer in range(options.sample):
        train_one(data, config, layer % options.layers, options.device, fused)
    torch.set_num_threads(before)
    return time.perf_counter() - begin


def train_one(data: ProbeData, config: ProbeConfig, layer: int, device: str, fused: bool | None) -> None:
    """Train a probe the plain way, with torch's modules and optimiser."""
    fold, seed = data.folds[0], config.seeds[0]
    features, labels = data.features[:, layer].contiguous().to(device), data.labels.to(device)
    train, validation = (torch.tensor(rows, device=device) for rows in (fold.train, fold.validation))
    head = initial_head(config, features.shape[1], CLASSES, seed).to(device)
    optimizer = torch.optim.AdamW(
        head.parameters(), config.lr, eps=config.eps, weight_decay=config.weight_decay, fused=fused
    )
    best = float("-inf")
    for epoch in range(config.max_epochs):
        order = epoch_order(len(train), seed, epoch).to(device)
        for batch in train[order].split(config.batch_size):
            optimizer.zero_grad()
            F.cross_entropy(head(features[batch]), labels[batch]).backward()
            optimizer.step()
        best = max(best, accuracy(head, features[validation], labels[validation]))
    synchronize(device)


@torch.inference_mode()
def accuracy(head: torch.nn.Module, features: Tensor, labels: Tensor) -> float:
    logits = head(features)
    F.cross_entropy(logits, labels).item()
    return (logits.argmax(dim=-1) == labels).float().mean().item()


def random_data(options: argparse.Namespace) -> ProbeData:
    generator = torch.Generator().manual_seed(0)
    held = options.rows // 8
    count = options.rows + 2 * held
    features = torch.randn(count, options.layers, options.dim, generator=generator)
    labels = torch.randint(0, CLASSES, (count,), generator=generator)
    folds = []
    for fold in range(options.folds):
        rows = torch.randperm(count, generator=torch.Generator().manual_seed(fold)).tolist()
        folds.append(Parts(tuple(rows[2 * held :]), tuple(rows[:held]), tuple(rows[held : 2 * held])))
    return ProbeData(features, labels, CLASSES, folds)


def thread_counts() -> set[int]:
    return {1, torch.get_num_threads()}


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Return seconds by the clock, and of processor time."""
    begin, busy = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - begin, time.process_time() - busy


def synchronize(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if "model name" in line] if info.exists() else []
    return names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--layers", type=int, default=13)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1600, help="training utterances of a fold")
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--sample", type=int, default=2, help="probes trained one after the other")
    parser.add_argument("--sample-epochs", type=int, default=10)
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


if __name__ == "__main__":
    main()
