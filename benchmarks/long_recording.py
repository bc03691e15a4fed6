"""Memory and time of `sercl diarize` on long recordings, and the fraction of time that the encoder takes.

    python benchmarks/long_recording.py --encoder whisper-base [--minutes 2 120] [--form short] [--vad]
    python benchmarks/long_recording.py --encoder tiny --minutes 600 --curve

Each recording is noise, written once and diarized in a process of its own. Memory is constant if the
peaks of a short and a long one are about equal; the ratio is the total time over that of the encoder alone.
With `--curve`, the memory after each tenth of a recording; `tiny` is a small random encoder, enough for that.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
from rich.console import Console

from sercl.reports.style import table
from sercl.testing.encoders import tiny_encoder

RATE = 16_000
COLUMNS = {
    "seconds": "All, s",
    "encoder": "Encoder, s",
    "ratio": "Ratio",
    "speed": "Times real time",
    "segments": "Segments",
    "before": "Memory before, MB",
    "peak": "Peak memory, MB",
}


def main() -> None:
    options = build_parser().parse_args()
    if options.file is not None:
        print(json.dumps(measure(options)))
        return
    console = Console(width=120)
    grid = table("Minutes", *COLUMNS.values(), numbers=("Minutes", *COLUMNS.values()))
    for minutes in options.minutes:
        found = in_a_process(options, minutes)
        grid.add_row(f"{minutes:g}", *(f"{found[name]:.4g}" for name in COLUMNS))
        if options.curve:
            tenths = ", ".join(f"{megabytes:,.0f}" for megabytes in found["curve"])
            console.print(f"{minutes:g} minutes, MB after each tenth: {tenths}", highlight=False)
    console.print(f"{options.encoder}, {options.form}, {options.device}, vad {options.vad}")
    console.print(grid)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoder", required=True, help="short name, hub id or folder, or tiny")
    parser.add_argument("--minutes", type=float, nargs="+", default=[2, 120])
    parser.add_argument("--form", default="padded", help="of Whisper: padded or short")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--vad", action="store_true")
    parser.add_argument("--curve", action="store_true", help="show the memory after each tenth")
    parser.add_argument("--file", type=Path, default=None, help="measure here, and print JSON")
    return parser


def in_a_process(options: argparse.Namespace, minutes: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.wav"
        write_noise(path, minutes)
        encoder = options.encoder
        if encoder == "tiny":
            encoder = str(tiny_encoder("wav2vec2", Path(folder) / "encoder"))
        words = ["--encoder", encoder, "--form", options.form, "--device", options.device]
        words += ["--file", str(path), *(["--vad"] if options.vad else [])]
        command = [sys.executable, __file__, *words]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def write_noise(path: Path, minutes: float) -> None:
    numbers = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", RATE, 1) as file:
        for _ in range(round(minutes * 6)):
            file.write(0.05 * numbers.standard_normal(10 * RATE, dtype=np.float32))


def measure(options: argparse.Namespace) -> dict[str, float]:
    from sercl.tasks.diarization import EmotionDiarizer
    from sercl.tasks.diarizer import Diarizer
    from sercl.tasks.predictor import find_device

    # A head without training costs as much as a trained one.
    task = EmotionDiarizer(options.encoder, whisper_form=options.form, standardize=False)
    diarizer = Diarizer(task, find_device(options.device), vad=options.vad)
    spent: list[float] = []
    memory: list[float] = []
    task.encoder.forward = timed(task.encoder.forward, spent, memory)
    before, begin = megabytes("VmRSS"), time.perf_counter()
    found = diarizer.diarize(options.file)
    seconds = time.perf_counter() - begin
    return {
        "seconds": seconds,
        "encoder": sum(spent),
        "ratio": seconds / sum(spent),
        "speed": found.duration / seconds,
        "segments": len(found.segments),
        "before": before,
        "peak": megabytes("VmHWM"),
        "curve": [memory[len(memory) * tenth // 10 - 1] for tenth in range(1, 11)],
    }


def timed(call, spent: list[float], memory: list[float]):
    import torch

    def wait() -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    def timed_call(*given, **named):
        wait()
        begin = time.perf_counter()
        result = call(*given, **named)
        wait()
        spent.append(time.perf_counter() - begin)
        memory.append(megabytes("VmRSS"))
        return result

    return timed_call


def megabytes(what: str) -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(what))
    return int(line.split()[1]) / 1e3


if __name__ == "__main__":
    main()
