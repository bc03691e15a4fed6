"""Seconds per 1,000 clips of `sercl predict`, `transformers.pipeline` and a plain loop, on the same encoder.

    python benchmarks/predict.py [--encoder whisper-base --form short] [--adapter lora] [--layer 6]

The head is random, and costs as much as a trained one. All three read every file with soundfile. sercl also
looks for speech, trims and levels, unless `--raw`. The pipeline and the loop run the whole encoder, one clip
at a time (`--batch` for more in the pipeline); the loop is that of most papers: feature extractor, model,
mean, head.

Cold: whole processes. Warm: rounds in one process, the ways one after the other in each; the first round
does not count. Other programs disturb all alike, so compare ratios. In each round the fastest matrix product
of this machine is timed, too, torch's and oneDNN's in fp32 and bf16: the share is that of its rate that the
products of the encoder reach, of clips as they are (in wav2vec 2.0, with the whole encoder). `--bf16` and
`--processes N` add sercl with that precision, or with N processes (`sercl predict --devices N`).
"""

import argparse
import atexit
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile

if TYPE_CHECKING:
    from torch import nn

    from sercl.tasks.classification import EmotionClassifier

RATE = 16_000
CLASSES = ("angry", "happy", "neutral", "sad")
SERCL, PIPELINE, LOOP = WAYS = ("sercl", "pipeline", "loop")
BF16, SHARED = "sercl, bf16", "sercl, processes"
LINEAR = ("q_proj", "k_proj", "v_proj", "out_proj", "intermediate_dense", "output_dense", "fc1", "fc2")

Way = Callable[[Sequence[Path]], int]
"""Predicts files one after the other, and returns how many."""


def main() -> None:
    options = build_parser().parse_args()
    if options.one:  # a process of its own, for "cold"
        way, folder, *names = options.one
        print(build(way, Path(folder), options)(list(map(Path, names))))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, options)
        clips = sorted(options.clips.rglob("*.wav"))[: options.files] if options.clips else []
        clips = clips or list(write_clips(folder, options.files, *options.seconds))
        once = cold(folder, clips, options)
        report(options, clips, once, *warm(folder, clips, options), operations_of(folder, clips, options))


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoder", help="name or folder; random weights of wav2vec2-base's size without it")
    parser.add_argument("--form", default="padded", help="of Whisper: padded or short")
    parser.add_argument("--layer", default="last", help="hidden state that sercl uses, or last")
    parser.add_argument("--adapter", choices=("none", "lora"), default="none")
    parser.add_argument("--raw", action="store_true", help="no preprocessing of clips")
    parser.add_argument("--clips", type=Path, help="folder of wav files; noise without it")
    parser.add_argument("--files", type=int, default=64)
    parser.add_argument("--seconds", type=float, nargs=2, default=[1, 4], help="shortest and longest clip")
    parser.add_argument("--batch", type=int, default=1, help="clips in a batch of the pipeline")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bf16", action="store_true", help="also sercl with --precision bf16")
    parser.add_argument("--processes", type=int, default=0, help="also sercl with so many processes")
    parser.add_argument("--cold-files", type=int, default=16)
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    return parser


def prepare(folder: Path, options: argparse.Namespace) -> None:
    """Write the encoder, a checkpoint of sercl and a classifier of transformers with the same weights."""
    import torch
    from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

    from sercl.models.encoders import load_encoder

    encoder = options.encoder or random_encoder(folder / "encoder")
    torch.manual_seed(0)
    task = write_checkpoint(encoder, folder / "model.ckpt", options)
    base = load_encoder(encoder, whisper_form=options.form).model  # whole, without adapters
    config = type(base.config)(**{**base.config.to_dict(), "num_labels": len(CLASSES)})
    model = AutoModelForAudioClassification.from_config(config)
    inner = model.encoder if hasattr(model, "encoder") else getattr(model, model.base_model_prefix)
    inner.load_state_dict(base.state_dict())
    model.save_pretrained(folder / "classifier")
    source = Path(encoder) if Path(encoder).is_dir() else Path(task.encoder.location)
    AutoFeatureExtractor.from_pretrained(source).save_pretrained(folder / "classifier")


def random_encoder(folder: Path) -> str:
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    Wav2Vec2Model(Wav2Vec2Config()).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    return str(folder)


def write_checkpoint(encoder: str, path: Path, options: argparse.Namespace) -> "EmotionClassifier":
    import lightning.pytorch as L

    from sercl.audio.preprocess import PreprocessConfig
    from sercl.tasks.classification import EmotionClassifier

    layer = int(options.layer) if options.layer.isdecimal() else options.layer
    task = EmotionClassifier(
        encoder, options.adapter, layer=layer, whisper_form=options.form, standardize=False
    )
    task.use_preprocessing(PreprocessConfig.RAW if options.raw else PreprocessConfig(), "the benchmark")
    trainer = L.Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    trainer.strategy.connect(task)
    trainer.save_checkpoint(path)
    return task


def write_clips(folder: Path, count: int, shortest: float, longest: float) -> Iterator[Path]:
    numbers = np.random.default_rng(0)
    for index, seconds in enumerate(numbers.uniform(shortest, longest, count)):
        samples = 0.05 * numbers.standard_normal(round(seconds * RATE), dtype=np.float32)
        soundfile.write(folder / f"{index:04}.wav", samples, RATE)
        yield folder / f"{index:04}.wav"


def build(way: str, folder: Path, options: argparse.Namespace) -> Way:
    """Return a way to predict files, ready to be called."""
    if way in (SERCL, BF16):
        import sercl

        precision = "bf16" if way == BF16 else "fp32"
        predictor = sercl.load(folder / "model.ckpt", device="cpu", precision=precision)
        return lambda paths: len(predictor.predict(paths))
    if way == SHARED:
        from sercl.studies.sharing import SharedPredictor

        shared = SharedPredictor(folder / "model.ckpt", "cpu", None, "fp32", options.processes)
        atexit.register(shared.__exit__)
        return lambda paths: len(list(shared.stream(paths)))
    return pipeline_of(folder, options) if way == PIPELINE else loop_of(folder, options)


def pipeline_of(folder: Path, options: argparse.Namespace) -> Way:
    from transformers import AutoFeatureExtractor, pipeline

    model, extractor = (
        classifier(folder, options),
        AutoFeatureExtractor.from_pretrained(folder / "classifier"),
    )
    classify = pipeline("audio-classification", model=model, feature_extractor=extractor, device="cpu")

    def run(paths: Sequence[Path]) -> int:
        inputs = ({"raw": read(path), "sampling_rate": RATE} for path in paths)
        return sum(1 for _ in classify(inputs, batch_size=options.batch))

    return run


def loop_of(folder: Path, options: argparse.Namespace) -> Way:
    import torch
    from transformers import AutoFeatureExtractor

    model, extractor = (
        classifier(folder, options),
        AutoFeatureExtractor.from_pretrained(folder / "classifier"),
    )

    @torch.no_grad()
    def run(paths: Sequence[Path]) -> int:
        rows = []
        for path in paths:
            inputs = extractor(read(path), sampling_rate=RATE, return_tensors="pt")
            rows.append(model(**inputs).logits.softmax(dim=-1)[0].tolist())
        return len(rows)

    return run


def classifier(folder: Path, options: argparse.Namespace) -> "nn.Module":
    from transformers import AutoModelForAudioClassification

    model = AutoModelForAudioClassification.from_pretrained(folder / "classifier")
    if options.adapter == "lora":
        import peft

        names = [name for name in LINEAR if any(each.endswith(name) for each, _ in model.named_modules())]
        model = peft.get_peft_model(model, peft.LoraConfig(r=8, target_modules=names))
    return model.eval()


def read(path: Path) -> np.ndarray:
    samples, rate = soundfile.read(path, dtype="float32")
    if rate != RATE:
        raise SystemExit(f"{path}: {rate} Hz; the pipeline and the loop need {RATE} Hz.")
    return samples if samples.ndim == 1 else samples.mean(axis=1)


def alone(options: argparse.Namespace) -> list[str]:
    """Return the ways that take one process."""
    return [*WAYS, *([BF16] if options.bf16 else [])]


def cold(folder: Path, clips: Sequence[Path], options: argparse.Namespace) -> dict[str, float]:
    """Return the median seconds of whole processes with the first clips, taken in turn."""
    words = [*sys.argv[1:], "--one"]
    taken: dict[str, list[float]] = {way: [] for way in alone(options)}
    for _ in range(options.rounds):
        for way, found in taken.items():
            command = [
                sys.executable,
                __file__,
                *words,
                way,
                str(folder),
                *map(str, clips[: options.cold_files]),
            ]
            begin = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            found.append(time.perf_counter() - begin)
    return {way: statistics.median(found) for way, found in taken.items()}


def warm(
    folder: Path, clips: Sequence[Path], options: argparse.Namespace
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the median seconds of a round over all clips, and the rate of matrix products by precision."""
    names = [*alone(options), *([SHARED] if options.processes else [])]
    ways = {way: build(way, folder, options) for way in names}
    products = {precision: build_products(precision) for precision in ("fp32", "bf16")}
    taken: dict[str, list[float]] = {way: [] for way in ways}
    rates: dict[str, list[float]] = {precision: [] for precision in products}
    for _ in range(options.rounds + 1):
        for name, way in ways.items():
            begin = time.perf_counter()
            way(clips)
            taken[name].append(time.perf_counter() - begin)
        for precision, both in products.items():
            rates[precision].append(max(product() for product in both))
    seconds = {way: statistics.median(found[1:]) for way, found in taken.items()}
    return seconds, {precision: statistics.median(found) for precision, found in rates.items()}


def build_products(precision: str) -> list[Callable[[], float]]:
    """Return functions that multiply matrices with torch and with oneDNN, and return operations per second.

    The matrices are as in a block of the encoder: 1024 frames, 768 channels to 3072.
    """
    import torch

    from sercl.models.encoders import PRECISIONS
    from sercl.models.encoders.fast.packed import PackedLinear, supported

    dtype = PRECISIONS[precision]
    rows, weight = torch.randn(1024, 768).to(dtype), torch.randn(3072, 768).to(dtype)
    ways = [lambda: torch.nn.functional.linear(rows, weight)]
    if supported(dtype):
        packed = PackedLinear(weight, None, dtype)
        ways.append(lambda: packed(rows))

    @torch.inference_mode()
    def rate(product: Callable[[], object]) -> float:
        product()
        begin = time.perf_counter()
        for _ in range(_PRODUCTS):
            product()
        return _PRODUCTS * 2 * rows.numel() * len(weight) / (time.perf_counter() - begin)

    return [partial(rate, way) for way in ways]


_PRODUCTS = 50


def operations_of(folder: Path, clips: Sequence[Path], options: argparse.Namespace) -> int | None:
    """Return the operations of the whole encoder for the clips as they are; None if they are not counted."""
    from speed.operations import clip_operations
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder / "classifier")
    if not hasattr(config, "conv_dim") or options.layer != "last":
        return None
    return sum(clip_operations(config, len(read(path))) for path in clips)


def report(
    options: argparse.Namespace,
    clips: Sequence[Path],
    cold: dict[str, float],
    warm: dict[str, float],
    rates: dict[str, float],
    operations: int | None,
) -> None:
    from rich.console import Console

    from sercl.reports.style import table

    audio = sum(soundfile.info(path).duration for path in clips)
    headings = ("Cold, s", "per 1,000", "factor", "Warm, s", "per 1,000 ", "factor ", "Share %")
    ratios = ("Cold / sercl", "Warm / sercl")
    grid = table("", *headings, *ratios, numbers=(*headings, *ratios))
    for way, seconds in warm.items():
        peak = rates["bf16" if way == BF16 else "fp32"]
        first = clips[: options.cold_files]
        grid.add_row(
            way,
            *(per_clip(cold[way], first) if way in cold else ("", "", "")),
            *per_clip(seconds, clips),
            "" if operations is None else f"{100 * operations / seconds / peak:.0f}",
            f"{cold[way] / cold[SERCL]:.2f}" if way in cold else "",
            f"{seconds / warm[SERCL]:.2f}",
        )
    shown = {name: value for name, value in vars(options).items() if name != "one"}
    console = Console(width=130)
    console.print(f"{len(clips)} clips, {audio:.0f} s; {json.dumps(shown, default=str)}")
    products = ", ".join(f"{rate / 1e9:.0f} GFLOP/s in {precision}" for precision, rate in rates.items())
    console.print(f"The fastest matrix products: {products}.")
    console.print(grid)


def per_clip(seconds: float, clips: Sequence[Path]) -> tuple[str, str, str]:
    """Return the seconds, those per 1,000 clips, and the real-time factor: seconds per second of audio."""
    audio = sum(soundfile.info(path).duration for path in clips)
    return f"{seconds:.2f}", f"{1000 * seconds / len(clips):.0f}", f"{seconds / audio:.3f}"


if __name__ == "__main__":
    main()
