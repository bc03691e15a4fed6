"""Small commands whose faults are tested: every one that writes results."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import yaml

from sercl.testing.corpora import fake_corpus
from sercl.testing.encoders import tiny_encoder
from tests.faults.rounds import Command, forked

_CPU = ("--trainer.accelerator", "cpu")


NAMES = ("fit, frozen", "fit, adapted", "layer-probe", "cross-eval", "diarize fit", "predict", "diarize")


def commands(inputs: Path, names: Sequence[str] = NAMES) -> dict[str, Command]:
    """Return name -> command, after making what they read in a new folder."""
    inputs.mkdir(parents=True)
    corpus = str(fake_corpus("EmoDB", inputs / "emodb", speakers=6, per_emotion=1))
    whisper, wav2vec2 = (str(tiny_encoder(kind, inputs / kind)) for kind in ("whisper", "wav2vec2"))
    data = ("--data", "EmoDB", "--data.root", corpus)
    short = ("--model.whisper_form", "short")
    fit = ("fit", *data, *_CPU, "--trainer.max_epochs", "2", "--data.loader.batch_size", "12", "--out", "out")
    store = ("--features.dir", "store")
    diarizing = (
        "diarize", "fit", *data, *_CPU, "--data.clips.voice", "none", "--data.clips.min_piece", "0.05",
        "--data.clips.per_epoch", "6", "--data.clips.held_out", "3",
        "--model.encoder", whisper, *short, "--trainer.max_epochs", "2", "--out", "out",
    )  # fmt: skip
    study = inputs / "study.yaml"
    study.write_text(yaml.safe_dump(_study(corpus, whisper)))
    found = {
        "fit, frozen": Command(
            (*fit, "--model.encoder", whisper, *short, "--model.layer", "1", *store), resumes=True
        ),
        "fit, adapted": Command(
            (*fit, "--model.encoder", wav2vec2, "--model.adapter", "lora+gating", "--model.dropout", "0.2",
             "--model.head_first", "true", *store), resumes=True,
        ),
        "layer-probe": Command(
            ("layer-probe", *data, *_CPU, "--encoder", whisper, *short, *store, "--probe", "mlp",
             "--probe.seeds", "[0]", "--probe.max_epochs", "2", "--out", "out"), resumes=True,
        ),
        "cross-eval": Command(("cross-eval", "-c", str(study), "--out", "out")),
        "diarize fit": Command(diarizing, resumes=True),
    }  # fmt: skip
    for name in set(_USING) & set(names):
        found[name] = _using(inputs, name, found[_USING[name].trained_by])
    return {name: found[name] for name in names}


class _Use(NamedTuple):
    """What uses a model, and which command trains it; MODEL and AUDIO stand for its files."""

    trained_by: str
    words: str


_USING = {
    "predict": _Use("fit, adapted", "predict MODEL AUDIO --format csv --out out/predictions.csv"),
    "diarize": _Use(
        "diarize fit",
        "diarize MODEL AUDIO --format textgrid --out out/segments --html out/page.html --plot out/figure.svg",
    ),
}


def _using(inputs: Path, name: str, training: Command) -> Command:
    """Return a command that uses a model, after training it."""
    audio, folder = inputs / f"audio for {name}", inputs / f"model for {name}"
    audio.mkdir()
    rng = np.random.default_rng(0)
    for number in range(4):
        soundfile.write(audio / f"{number}.wav", 0.1 * rng.standard_normal(16_000), 16_000)
    ended = forked(training.words, folder)
    assert ended.code == 0, ended.said
    files = {"MODEL": str(folder / "out" / "best.ckpt"), "AUDIO": str(audio)}
    return Command(tuple(files.get(word, word) for word in _USING[name].words.split()))


def _study(corpus: str, encoder: str) -> dict[str, object]:
    return {
        "study": {
            "encoders": {"tiny": {"encoder": encoder, "whisper_form": "short"}},
            "corpora": {"EmoDB": {"class_path": "EmoDB", "init_args": {"root": corpus}}},
            "settings": ["monolingual"], "adapters": ["none", "lora"], "seeds": [1], "folds": [0, 1],
        },
        "probe": {"preset": "mlp", "max_epochs": 2},
        "trainer": {"max_epochs": 2, "accelerator": "cpu"},
        "features": {"dir": "store"},
    }  # fmt: skip
