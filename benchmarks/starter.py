"""Builds the starter model, checkpoints/starter.ckpt, and scores it: `make starter`.

    python benchmarks/starter.py --emodb emodb --encoder whisper-base-encoder

The first blocks of whisper-base, rounded to half precision, and a balanced logistic regression on the mean of
their last hidden state, trained on all of EMO-DB with the default preprocessing. Its scores within EMO-DB are
those of regressions that are trained without the speaker who is tested.
"""

import argparse
import hashlib
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from sklearn.linear_model import LogisticRegression

from sercl.audio.preprocess import PreprocessConfig
from sercl.audio.scan import AudioSpan, scan
from sercl.corpora.base import Utterance
from sercl.corpora.registry import read_corpus
from sercl.data.split import likeness
from sercl.features.embedding import embed
from sercl.studies.results.predictions import Predictions
from sercl.studies.results.scores import evaluate
from sercl.tasks.classification import EmotionClassifier
from sercl.tasks.recordings import LIKE, fingerprints

NAME = "whisper-base"
CLASSES = ("angry", "happy", "neutral", "sad")
LAYER = 3
C = 0.01
PREPROCESS = PreprocessConfig()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--emodb", type=Path, required=True, help="folder of EMO-DB")
    parser.add_argument("--encoder", type=Path, required=True, help="folder of whisper-base with safetensors")
    parser.add_argument("--out", type=Path, default=Path("checkpoints/starter.ckpt"))
    options = parser.parse_args()
    for folder, variable in ((options.emodb, "EMODB"), (options.encoder, "WHISPER_BASE")):
        if not folder.is_dir():
            print(f"no folder {folder}: call make starter {variable}=FOLDER", file=sys.stderr)
            return 2
    build(options.emodb, options.encoder, options.out)
    return 0


def build(emodb: Path, encoder: Path, out: Path) -> None:
    clips = [clip for clip in read_corpus("EmoDB", emodb).utterances if clip.emotion in CLASSES]
    with tempfile.TemporaryDirectory() as folder:
        task = new_task(rounded(encoder, Path(folder)))
    features = embed(clips, task.encoder, LAYER, preprocess=PREPROCESS)[:, 0].astype(np.float64)
    labels = np.array([CLASSES.index(clip.emotion) for clip in clips])
    show_scores(clips, features, labels)
    take(task, clips, features, labels)
    torch.save(content(task), out)
    print(f"{out}: {out.stat().st_size} bytes, sha256 {hashlib.sha256(out.read_bytes()).hexdigest()}")


def rounded(encoder: Path, folder: Path) -> Path:
    """Copy an encoder with weights in half precision; its fingerprint is then that of these weights."""
    for path in encoder.glob("*.json"):
        shutil.copyfile(path, folder / path.name)
    weights = load_file(encoder / "model.safetensors")
    save_file({name: value.half() for name, value in weights.items()}, folder / "model.safetensors")
    return folder


def new_task(encoder: Path) -> EmotionClassifier:
    task = EmotionClassifier(
        str(encoder),
        layer=LAYER,
        whisper_form="short",
        save_full=True,
        labels={name: [name] for name in CLASSES},
    )
    task.encoder.name = task.encoder.location = NAME
    return task


def take(
    task: EmotionClassifier, clips: Sequence[Utterance], features: np.ndarray, labels: np.ndarray
) -> None:
    """Give a task its head and standardiser, and what it was trained on."""
    model = regression(features, labels)[2]
    standardizer = task.readout.standardizer
    standardizer.update(torch.from_numpy(features)[:, None])
    standardizer.finish()
    linear = task.readout.heads[0][-1]
    linear.weight.data = torch.from_numpy(model.coef_).float()
    linear.bias.data = torch.from_numpy(model.intercept_).float()
    task.use_preprocessing(PREPROCESS, "the starter model")
    task.seen_speakers["train"] = sorted({f"EmoDB {clip.speaker}" for clip in clips})
    task.corpora = ["EmoDB"]
    report = scan([AudioSpan(clip.path, clip.start, clip.end) for clip in clips])
    likenesses = map(likeness, clips, report.seconds)
    task.recordings |= {"train": fingerprints(report.digests), LIKE: fingerprints(likenesses)}
    task.eval()


def regression(features: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, LogisticRegression]:
    mean, std = features.mean(axis=0), features.std(axis=0)
    model = LogisticRegression(C=C, class_weight="balanced", max_iter=5000, tol=1e-6)
    return mean, std, model.fit((features - mean) / std, labels)


def content(task: EmotionClassifier) -> dict[str, object]:
    """Return the checkpoint: the frozen encoder in half precision, everything else as it is."""
    state = {
        name: value.half() if name.startswith("encoder.") and value.is_floating_point() else value
        for name, value in task.state_dict().items()
    }
    checkpoint: dict[str, object] = {"state_dict": {k: v.clone() for k, v in state.items()}}
    task.on_save_checkpoint(checkpoint)
    return checkpoint


def show_scores(clips: Sequence[Utterance], features: np.ndarray, labels: np.ndarray) -> None:
    """Print the scores of every clip by a regression without its speaker."""
    speakers = np.array([clip.speaker for clip in clips])
    probabilities = np.zeros((len(clips), len(CLASSES)))
    for speaker in np.unique(speakers):
        test = speakers == speaker
        mean, std, model = regression(features[~test], labels[~test])
        probabilities[test] = model.predict_proba((features[test] - mean) / std)
    ids = [clip.id for clip in clips]
    scores = evaluate(Predictions.of_one_run(CLASSES, ids, list(speakers), labels.tolist(), probabilities))
    print("within EMO-DB, one speaker left out at a time")
    print(scores.to_frame().to_string())
    for row in scores.per_class:
        print(row)


if __name__ == "__main__":
    sys.exit(main())
