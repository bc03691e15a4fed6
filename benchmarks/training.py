"""How long an epoch of adapters takes, beside a plain loop over single clips with transformers and peft.

    OMP_NUM_THREADS=2 python benchmarks/training.py --emodb emodb

`lora+bottleneck+gating` on an encoder of wav2vec2-base's size with random weights, cut after block 4
(0-based), the head on its last hidden state; clips of EMO-DB, or noise without `--emodb`. Both train on the
same clips in the same order, in batches of the same clips, and validate on a quarter as many; the plain loop
runs one clip at a time, adds up the gradients of a batch, and standardises by the same statistics. Their
epochs alternate in one process; the peak of memory is that of a process for each.
"""

import argparse
import csv
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import lightning.pytorch as L
import numpy as np
import peft
import soundfile
import torch
from rich.console import Console
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

from sercl.audio.preprocess import PreprocessConfig
from sercl.corpora.folds import FoldConfig
from sercl.corpora.registry import read_corpus
from sercl.data.datamodules import Manifest
from sercl.data.split import Split
from sercl.reports.style import table
from sercl.studies.training.fit import train
from sercl.studies.training.trainers import TrainerOptions, quieten
from sercl.tasks.classification import EmotionClassifier

CLASSES = ("angry", "happy", "neutral", "sad")
RATE = 16_000
LAST_BLOCK = 4
RANK, ALPHA, DROPOUT, REDUCTION = 8, 16.0, 0.1, 16
ADAPTER = "lora+bottleneck+gating"
LINEARS = ["q_proj", "k_proj", "v_proj", "out_proj", "intermediate_dense", "output_dense"]


class Plain(nn.Module):
    """The study's model in plain torch, transformers and peft; clips one at a time.

    As peft's users do, the front end is left to run with the rest.
    """

    def __init__(self, folder: Path, task: EmotionClassifier) -> None:
        super().__init__()
        model = Wav2Vec2Model.from_pretrained(folder)
        del model.encoder.layers[LAST_BLOCK + 1 :]
        config = peft.LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=DROPOUT, target_modules=LINEARS)
        self.model = peft.get_peft_model(model, config)
        self.extractor = Wav2Vec2FeatureExtractor.from_pretrained(folder)
        blocks, dim = self.model.base_model.model.encoder.layers, model.config.hidden_size
        width = dim // REDUCTION
        self.down = nn.ModuleList(nn.Linear(dim, width) for _ in blocks)
        self.up = nn.ModuleList(nn.Linear(width, dim) for _ in blocks)
        self.gates = nn.ParameterList(torch.zeros(dim) for _ in blocks)
        for block, down, up, gate in zip(blocks, self.down, self.up, self.gates, strict=True):
            nn.init.zeros_(up.weight)
            nn.init.zeros_(up.bias)
            block.feed_forward.register_forward_hook(
                lambda module, args, output, down=down, up=up: output + up(F.relu(down(output)))
            )
            block.register_forward_pre_hook(
                lambda module, args, gate=gate: (args[0] * 2 * gate.sigmoid(), *args[1:])
            )
        self.head = nn.Linear(dim, len(CLASSES))
        self._start_as(task)

    @torch.no_grad()
    def _start_as(self, task: EmotionClassifier) -> None:
        own = {name: p for name, p in self.model.named_parameters() if "lora_" in name}
        theirs = {name: p for name, p in task.encoder.model.named_parameters() if "lora_" in name}
        for name, parameter in theirs.items():
            own[f"base_model.model.{name}"].copy_(parameter)
        for index, (down, up) in enumerate(zip(self.down, self.up, strict=True)):
            bottleneck = task.adapters.bottleneck[str(index)]
            down.load_state_dict(bottleneck.down.state_dict())
            up.load_state_dict(bottleneck.up.state_dict())
        self.head.load_state_dict(task.readout.heads[0][-1].state_dict())

    def forward(self, waveform: np.ndarray) -> Tensor:
        """Return the mean frame `[1, dim]` of a clip `[samples]`."""
        values = self.extractor(waveform, sampling_rate=RATE, return_tensors="pt").input_values
        mean: Tensor = self.model(values).last_hidden_state.mean(dim=1)
        return mean.float()

    def groups(self) -> list[dict[str, object]]:
        head = list(self.head.parameters())
        rest = [p for p in self.parameters() if p.requires_grad and all(p is not own for own in head)]
        return [{"params": head, "lr": 1e-3}, {"params": rest, "lr": 5e-4}]


class PlainLoop:
    """Epochs of `Plain` on the clips of a data module.

    Args:
        model: The model.
        data: The clips, in the order in which sercl trains on them.
        precision: "32-true" or "bf16-mixed".
    """

    def __init__(self, model: Plain, data: Manifest, precision: str) -> None:
        self._model, self._data, self._precision = model, data, precision
        self._optimizer = torch.optim.AdamW(model.groups(), weight_decay=1e-5)
        self._mean, self._std = self._statistics()

    def epoch(self, number: int) -> tuple[float, float]:
        """Train and validate once; return the mean training and validation loss."""
        split = self._data.splits["train"]
        sampler = split.sampler(split.config.batch_seconds, training=True)
        sampler.set_epoch(number)
        self._model.train()
        total = 0.0
        for batch in sampler:
            self._optimizer.zero_grad()
            for _, index in batch:
                loss = self._loss(split, index) / len(batch)
                loss.backward()
                total += float(loss.detach()) * len(batch)
            self._optimizer.step()
        return total / len(split.utterances), self._validate()

    @torch.no_grad()
    def _validate(self) -> float:
        self._model.eval()
        split = self._data.splits["validation"]
        return statistics.fmean(float(self._loss(split, index)) for index in range(len(split.utterances)))

    @torch.no_grad()
    def _statistics(self) -> tuple[Tensor, Tensor]:
        self._model.eval()
        split = self._data.splits["train"]
        vectors = torch.cat([self._vector(split, index) for index in range(len(split.utterances))])
        return vectors.mean(0), vectors.std(0, correction=0)

    def _vector(self, split: Split, index: int) -> Tensor:
        waveform, _ = soundfile.read(split.utterances[index].path, dtype="float32")
        with self._autocast():
            return self._model(waveform)

    def _loss(self, split: Split, index: int) -> Tensor:
        vector = (self._vector(split, index) - self._mean) / self._std
        return F.cross_entropy(self._model.head(vector), torch.tensor([split.labels[index]]))

    def _autocast(self) -> torch.autocast | nullcontext[None]:
        mixed = self._precision == "bf16-mixed"
        return torch.autocast("cpu", torch.bfloat16) if mixed else nullcontext()


@dataclass
class Curves:
    """Seconds and losses of the epochs of one way of training.

    Attributes:
        seconds: Of each epoch.
        before: Seconds before the first: statistics of the standardiser.
        losses: Mean training loss of each epoch.
        validation: Validation loss of each epoch.
    """

    seconds: list[float] = field(default_factory=list)
    before: float = 0.0
    losses: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)


class Alternating(L.Callback):
    """Measure each epoch of a training, and after each do one of the other.

    Args:
        plain: The other; None to measure this one alone.
    """

    def __init__(self, plain: "PlainEpochs | None") -> None:
        self.own, self._plain, self._begin = Curves(), plain, 0.0

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if self._plain is not None:
            self._plain.begin(pl_module)
        self._begin = time.perf_counter()

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.own.before = time.perf_counter() - self._begin
        self._begin = time.perf_counter()

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._begin = time.perf_counter()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.own.seconds.append(time.perf_counter() - self._begin)
        scores = trainer.callback_metrics
        self.own.losses.append(float(scores["train/loss"]))
        self.own.validation.append(float(scores["val/loss"]))
        if self._plain is not None:
            self._plain.epoch(trainer.current_epoch)


class PlainEpochs:
    """The plain training, made from the start of a training of sercl.

    Args:
        folder: The encoder.
        data: The data.
        precision: "32-true" or "bf16-mixed".
    """

    def __init__(self, folder: Path, data: Manifest, precision: str) -> None:
        self.curves = Curves()
        self._folder, self._data, self._precision = folder, data, precision
        self._loop: PlainLoop | None = None

    def begin(self, task: EmotionClassifier) -> None:
        begin = time.perf_counter()
        with torch.random.fork_rng():
            self._loop = PlainLoop(Plain(self._folder, task), self._data, self._precision)
        self.curves.before = time.perf_counter() - begin

    def epoch(self, number: int) -> None:
        begin = time.perf_counter()
        with torch.random.fork_rng(), torch.enable_grad():
            loss, validation = self._loop.epoch(number)
        self.curves.seconds.append(time.perf_counter() - begin)
        self.curves.losses.append(loss)
        self.curves.validation.append(validation)


def main() -> None:
    options = arguments()
    if options.alone:
        with tempfile.TemporaryDirectory() as folder:
            run(options, Path(folder), options.clips[0], options.precisions[0])
        print(own_peak())
        return
    quieten()
    console = Console()
    for precision in options.precisions:
        rows = []
        for clips in options.clips:
            with tempfile.TemporaryDirectory() as folder:
                curves = run(options, Path(folder), clips, precision)
            peaks = (
                {}
                if options.no_memory
                else {way: peak(options, way, clips, precision) for way in ("plain", "sercl")}
            )
            rows.append((clips, *curves, peaks))
        show(console, precision, rows)


def own_peak() -> int:
    """Return the peak of memory of this process in bytes; Linux only.

    `getrusage` would count the process that started this one, too.
    """
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\s*(\d+)", status)[1])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--emodb", type=Path, help="folder of EMO-DB; noise of its lengths without")
    parser.add_argument("--clips", type=int, nargs="+", default=[48, 192], help="training clips")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--precisions", nargs="+", default=["32-true", "bf16-mixed"])
    parser.add_argument("--adapter", default=ADAPTER, help="another adapter, without a plain loop")
    parser.add_argument("--no-memory", action="store_true", help="measure time only")
    parser.add_argument("--alone", choices=("plain", "sercl"), help=argparse.SUPPRESS)
    return parser.parse_args()


def run(options: argparse.Namespace, folder: Path, clips: int, precision: str) -> tuple[Curves, Curves]:
    """Train for some epochs; return those of sercl and of the plain loop."""
    encoder = write_encoder(folder / "encoder")
    data = recordings(folder / "clips", clips, options.emodb)
    data.setup()
    torch.manual_seed(0)
    task = EmotionClassifier(str(encoder), adapter=options.adapter, last_block=LAST_BLOCK, layer_norm=False)
    plain = PlainEpochs(encoder, data, precision)
    if options.alone == "plain":
        plain.begin(task)
        del task
        for number in range(options.epochs):
            plain.epoch(number)
        return Curves(), plain.curves
    is_compared = options.alone is None and options.adapter == ADAPTER
    clock = Alternating(plain if is_compared else None)
    trainer = {"max_epochs": options.epochs, "accelerator": "cpu", "precision": precision, "logger": False}
    settings = TrainerOptions.of({**trainer, "callbacks": [clock]}, {"patience": 1000})
    copies = {}

    def trainer_for(stage: str, own: Path) -> L.Trainer:
        built = settings.build(own)
        copies["clock"] = next(each for each in built.callbacks if isinstance(each, Alternating))
        return built

    train(task, data, trainer_for, folder / "run", resume=False)
    found = copies["clock"]
    return found.own, found._plain.curves if is_compared else Curves()


def write_encoder(folder: Path) -> Path:
    """Write wav2vec2-base with random weights and without its dropouts, SpecAugment and LayerDrop."""
    off = dict.fromkeys(
        ("hidden_dropout", "attention_dropout", "activation_dropout", "feat_proj_dropout", "layerdrop"), 0.0
    )
    torch.manual_seed(0)
    Wav2Vec2Model(Wav2Vec2Config(**off, apply_spec_augment=False)).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    return folder


def recordings(folder: Path, clips: int, emodb: Path | None) -> Manifest:
    """Write the clips as they are, and their folds; a quarter as many are for validation."""
    folder.mkdir()
    parts = {"train": clips, "validation": clips // 4, "test": 4}
    names: list[tuple[str, str]] = []
    for number, (samples, emotion) in enumerate(sounds(sum(parts.values()), emodb)):
        path = folder / f"{number}.wav"
        soundfile.write(path, samples, RATE, subtype="PCM_16")
        names.append((path.name, emotion))
    with (folder / "clips.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "emotion", "speaker"))
        rows.writerows((folder / name, emotion, "one") for name, emotion in names)
    for part, count in parts.items():
        own, names = names[:count], names[count:]
        with (folder / f"{part}.csv").open("w", newline="") as file:
            csv.writer(file).writerows((("file", "answer"), *own))
    folds = FoldConfig(scheme="csv", lists=str(folder), allow_speaker_overlap=True)
    data = Manifest(folder / "clips.csv", folds=folds)
    data.use_preprocessing(PreprocessConfig.RAW)
    return data


def sounds(count: int, emodb: Path | None) -> Iterator[tuple[np.ndarray, str]]:
    """Yield clips `[samples]` and their emotions, equally many of each class in any stretch."""
    generator = np.random.default_rng(0)
    if emodb is None:
        for number in range(count):
            seconds = generator.lognormal(np.log(2.6), 0.35)
            yield generator.uniform(-0.3, 0.3, int(RATE * seconds)), CLASSES[number % len(CLASSES)]
        return
    utterances = sorted(read_corpus("EmoDB", emodb).utterances, key=lambda item: item.id)
    by_class = [[item for item in utterances if item.emotion == name] for name in CLASSES]
    drawn = [generator.permutation(len(own)) for own in by_class]
    for number in range(count):
        own, order = by_class[number % len(CLASSES)], drawn[number % len(CLASSES)]
        item = own[order[number // len(CLASSES) % len(own)]]
        yield soundfile.read(item.path, dtype="float32")[0], item.emotion


def peak(options: argparse.Namespace, way: str, clips: int, precision: str) -> int:
    """Return the bytes at the peak of a process that trains in one way only."""
    words = ["--clips", str(clips), "--precisions", precision, "--epochs", "2", "--adapter", options.adapter]
    words += [] if options.emodb is None else ["--emodb", str(options.emodb)]
    command = [sys.executable, __file__, *words, "--alone", way]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return int(out.splitlines()[-1])


def show(
    console: Console, precision: str, rows: Sequence[tuple[int, Curves, Curves, dict[str, int]]]
) -> None:
    columns = ("Clips", "Way", "Before", "First", "Later", "Ratio", "Peak, GB")
    grid = table(*columns, "Training loss", "Validation loss", numbers=(columns[0], *columns[2:]))
    for clips, own, plain, peaks in rows:
        for way, curves in (("plain", plain), ("sercl", own)):
            if not curves.seconds:
                continue
            ratios = [b / a for a, b in zip(curves.seconds[1:], plain.seconds[1:], strict=False)]
            grid.add_row(
                str(clips), way, f"{curves.before:.1f}", f"{curves.seconds[0]:.1f}",
                f"{statistics.median(curves.seconds[1:]):.1f}",
                f"{statistics.median(ratios):.2f}" if ratios else "",
                f"{peaks[way] / 1e9:.2f}" if way in peaks else "",
                " ".join(f"{loss:.3f}" for loss in curves.losses),
                " ".join(f"{loss:.3f}" for loss in curves.validation),
            )  # fmt: skip
    console.print(f"\nSeconds of an epoch, {precision}")
    console.print(grid)


if __name__ == "__main__":
    main()
