"""What crosses from one corpus to another: preprocessing, heads and features, chosen on the source alone.

    python benchmarks/crossing.py --encoder whisper-base --emodb emodb --ravdess ravdess --out runs/crossing

A frozen Whisper in its short form; one hidden state, mean over time; a logistic regression (C 0.01, balanced)
on standardised features, unless a row says otherwise. Five draws: trained on 65 % of the source's speakers,
validated on the others, tested on the whole other corpus; blind, unless a row says "target audio". Columns:

* UAR in % of the target, its deviation over draws, and the difference to the first row, with an interval of
  95 % from a bootstrap over the target's speakers, draws averaged;
* what may choose, of the source alone: UAR on the validation speakers; on their clips after another
  recording (silence around them, a room with noise, a telephone; before preprocessing); and on one gender
  after training on the other.

Writes `crossing.md` and `crossing.json` to `--out`, where the hidden states are kept for the next run.
"""

import argparse
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, firwin2, sosfilt
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from sercl import embed, read_corpus
from sercl.audio.preprocess import PreprocessConfig, find_speech, prepared, voice_detector
from sercl.audio.resample import SAMPLE_RATE, load
from sercl.corpora.base import Utterance
from sercl.models.encoders import Encoder, load_encoder
from sercl.torch_pair import torchaudio

Array = NDArray[Any]
SHARED = Path(__file__).resolve().parents[2] / "shared"
CLASSES = ("angry", "happy", "neutral", "sad")
CORPORA = ("EmoDB", "RAVDESS")
PAIRS = (("EmoDB", "RAVDESS"), ("RAVDESS", "EmoDB"))
DRAWS, TRAINED = 5, 0.65
C = 0.01
FRAME = 0.02  # s between Whisper's hidden states

RMS = {"loudness": "rms"}
INPUTS = {
    "as recorded": PreprocessConfig.RAW,
    "rms": PreprocessConfig(trim="none", **RMS),
    "voice 0.1 s": PreprocessConfig(trim="voice", margin=0.1, loudness="none"),
    "energy 0.1 s, rms": PreprocessConfig(trim="energy", margin=0.1, **RMS),
    "voice 0.1 s, bs1770": PreprocessConfig(trim="voice", margin=0.1, loudness="bs1770"),
    "voice 0.05 s, rms": PreprocessConfig(trim="voice", margin=0.05, **RMS),
    "voice 0.1 s, rms": PreprocessConfig(trim="voice", margin=0.1, **RMS),
    "voice 0.2 s, rms": PreprocessConfig(trim="voice", margin=0.2, **RMS),
}
RAW, CHOSEN = "as recorded", "voice 0.1 s, rms"
PERTURBED = (RAW, "energy 0.1 s, rms", CHOSEN)
"""Inputs whose validation is repeated on perturbed clips."""

Change = Callable[[Array, np.random.Generator], Array]


def silence(clip: Array, draw: np.random.Generator) -> Array:
    """Put 0.2 to 1.2 s of faint noise on both sides."""
    before, after = (draw.uniform(0.2, 1.2, 2) * SAMPLE_RATE).astype(int)
    padded = np.pad(clip, (before, after))
    return padded + draw.standard_normal(len(padded)) * 3e-4 * draw.uniform()


def reverb(clip: Array, draw: np.random.Generator) -> Array:
    """Convolve with decaying noise, 0.2 to 0.7 s to -60 dB."""
    seconds = draw.uniform(0.2, 0.7)
    n = int(seconds * SAMPLE_RATE)
    response = draw.standard_normal(n) * 10 ** (-3 * np.arange(n) / n)
    response[: int(0.002 * SAMPLE_RATE)] = 0
    response *= draw.uniform(0.2, 0.6) / np.sqrt(np.square(response).sum())
    response[0] = 1
    return np.asarray(fftconvolve(clip, response)[: len(clip)])


def equalise(clip: Array, draw: np.random.Generator) -> Array:
    """Amplify or attenuate octaves by up to 9 dB."""
    hertz = [0, 100, 250, 500, 1000, 2000, 4000, 8000]
    taps = firwin2(513, hertz, 10 ** (draw.uniform(-9, 9, len(hertz)) / 20), fs=SAMPLE_RATE)
    return np.asarray(fftconvolve(clip, taps, "same"))


def noise(clip: Array, draw: np.random.Generator) -> Array:
    """Add pink noise, 15 to 30 dB below the clip."""
    spectrum = np.fft.rfft(draw.standard_normal(len(clip)))
    pink = np.fft.irfft(spectrum / np.sqrt(np.fft.rfftfreq(len(clip), 1 / SAMPLE_RATE).clip(20)), len(clip))
    ratio = np.sqrt(np.square(clip).mean() / np.square(pink).mean())
    return np.asarray(clip + pink * ratio * 10 ** (-draw.uniform(15, 30) / 20))


def band(clip: Array, low: float, high: float) -> Array:
    """Keep a band in Hz."""
    return np.asarray(sosfilt(butter(4, [low, high], "bandpass", fs=SAMPLE_RATE, output="sos"), clip))


def telephone(clip: Array, draw: np.random.Generator) -> Array:
    """Keep 300 to 3400 Hz, in 8 bits by mu-law."""
    clip = band(clip, 300, 3400)
    peak = np.abs(clip).max() + 1e-9
    codes = np.sign(clip) * np.log1p(255 * np.abs(clip) / peak) / math.log(256)
    codes = np.round((codes + 1) * 127.5) / 127.5 - 1
    return np.asarray(np.sign(codes) * (256 ** np.abs(codes) - 1) / 255 * peak)


def speed(clip: Array, draw: np.random.Generator) -> Array:
    """Play 10 % slower to 10 % faster."""
    rate = round(draw.uniform(0.9, 1.1) * 50)
    return np.asarray(torchaudio.functional.resample(torch.from_numpy(clip).float(), rate, 50))


def room(clip: Array, draw: np.random.Generator) -> Array:
    """Equalise, reverberate and add noise."""
    return noise(reverb(equalise(clip, draw), draw), draw)


def mixture(clip: Array, draw: np.random.Generator) -> Array:
    """Each with probability 0.5: equalise, reverberate, noise, speed, band limit."""

    def narrow(clip: Array, draw: np.random.Generator) -> Array:
        return band(clip, draw.uniform(60, 300), draw.uniform(3000, 7500))

    for change in (equalise, reverb, noise, speed, narrow):
        if draw.uniform() < 0.5:
            clip = change(clip, draw)
    return clip


OTHER_RECORDINGS: Mapping[str, Change] = {"silence": silence, "room": room, "telephone": telephone}
AUGMENTATIONS: Mapping[str, Change] = {"mixture 1": mixture, "mixture 2": mixture}


@dataclass(frozen=True)
class Clips:
    """The clips of both corpora, one after the other."""

    corpora: Array
    utterances: Sequence[Utterance]

    @classmethod
    def read(cls, roots: Sequence[Path]) -> "Clips":
        found = [
            (name, utterance)
            for name, root in zip(CORPORA, roots, strict=True)
            for utterance in read_corpus(name, root).utterances
            if utterance.emotion in CLASSES
        ]
        return cls(np.array([name for name, _ in found]), [utterance for _, utterance in found])

    @cached_property
    def labels(self) -> Array:
        return np.array([CLASSES.index(str(utterance.emotion)) for utterance in self.utterances])

    @cached_property
    def speakers(self) -> Array:
        pairs = zip(self.corpora, self.utterances, strict=True)
        return np.array([f"{corpus} {utterance.speaker}" for corpus, utterance in pairs])

    @cached_property
    def genders(self) -> Array:
        return np.array([str(utterance.gender) for utterance in self.utterances])

    @cached_property
    def audio(self) -> list[Array]:
        return [load(one.path, one.start, one.end).numpy() for one in self.utterances]

    def changed(self, name: str) -> list[Array]:
        """The audio after a change, whose random numbers depend on its name and the clip alone."""
        if not name:
            return self.audio
        change = (OTHER_RECORDINGS | AUGMENTATIONS)[name]
        seed = sum(name.encode())
        return [change(clip, np.random.default_rng([seed, i])) for i, clip in enumerate(self.audio)]


@dataclass(frozen=True)
class States:
    """Hidden states of all clips, `[clips, states, dim]`: mean, mean over speech, deviation over time."""

    mean: Array
    speech: Array
    deviation: Array


class Encoded:
    """Hidden states of clips, by input and change; computed once, and kept in a folder."""

    def __init__(self, clips: Clips, encoder: str, folder: Path) -> None:
        self.clips, self._encoder, self._folder = clips, encoder, folder
        folder.mkdir(parents=True, exist_ok=True)

    @cached_property
    def _model(self) -> Encoder:
        return load_encoder(self._encoder, whisper_form="short")

    def states(self, name: str, change: str = "") -> States:
        path = self._folder / f"{name} {change}.npz".replace(" ", "_").replace(",", "")
        if not path.is_file():
            np.savez(path, **vars(self._computed(INPUTS[name], change)))
            print(f"encoded: {name} {change}", flush=True)
        with np.load(path) as stored:
            return States(**stored)

    def _computed(self, config: PreprocessConfig, change: str) -> States:
        detector = voice_detector()
        audio = [torch.from_numpy(np.asarray(clip, np.float32)) for clip in self.clips.changed(change)]
        found = find_speech(audio, config, detector)
        audio = [prepared(clip, speech, config) for clip, speech in zip(audio, found, strict=True)]
        # After a change, only the mean over all frames is compared.
        spoken = [()] * len(audio) if change else find_speech(audio, INPUTS[CHOSEN], detector)
        rows = []
        for start in range(0, len(audio), 48):
            batch = [(clip.numpy(), SAMPLE_RATE) for clip in audio[start : start + 48]]
            frames = embed(batch, self._model, pooling=None)
            rows += [pooled(one, spoken[start + i]) for i, one in enumerate(frames)]
        return States(*(np.stack(part) for part in zip(*rows, strict=True)))


def pooled(frames: Array, speech: Sequence[Any]) -> tuple[Array, Array, Array]:
    """Pool `[states, frames, dim]`."""
    spoken = np.zeros(frames.shape[1], bool)
    for stretch in speech:
        spoken[int(stretch.start / FRAME) : math.ceil(stretch.end / FRAME)] = True
    mean = frames.mean(axis=1)
    return mean, frames[:, spoken].mean(axis=1) if spoken.any() else mean, frames.std(axis=1)


# Features: `prepare(train)` -> vectors of all rows; only rows of `train` may be used to fit anything.
Prepare = Callable[[Array], Array]


def layer_norm(vectors: Array) -> Array:
    """Normalise each vector to zero mean and unit variance."""
    return np.asarray((vectors - vectors.mean(-1, keepdims=True)) / (vectors.std(-1, keepdims=True) + 1e-6))


def standardised(vectors: Array, rows: Array) -> Array:
    """Standardise by the statistics of some rows."""
    return np.asarray((vectors - vectors[rows].mean(0)) / (vectors[rows].std(0) + 1e-6))


def erased(vectors: Array, rows: Array, concept: Array) -> Array:
    """LEACE (Belrose et al. 2023): remove what a linear classifier of a concept can use, fitted on rows."""
    own, mean = vectors[rows], vectors[rows].mean(0)
    covariance = np.cov(own.T)
    size = len(covariance)
    covariance = 0.9 * covariance + 0.1 * np.trace(covariance) / size * np.eye(size)
    values, basis = np.linalg.eigh(covariance)
    whiten, colour = (basis * values**-0.5) @ basis.T, (basis * values**0.5) @ basis.T
    means = np.stack([own[concept[rows] == one].mean(0) - mean for one in np.unique(concept[rows])])
    directions, sizes, _ = np.linalg.svd((means @ whiten).T, full_matrices=False)
    kept = directions[:, sizes > 1e-6 * sizes[0]]
    return np.asarray(vectors - (vectors - mean) @ (colour @ kept @ kept.T @ whiten).T)


def centred_speakers(vectors: Array, rows: Array, speakers: Array) -> Array:
    """Move each training speaker to the mean of all; other speakers stay."""
    moved = vectors.copy()
    for speaker in np.unique(speakers[rows]):
        own = rows[speakers[rows] == speaker]
        moved[own] += vectors[rows].mean(0) - vectors[own].mean(0)
    return moved


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Args:
        name: What it is.
        vectors: `[clips * (1 + changes), dim]`: as recorded, then after each change, if there are any.
        prepare: Training rows -> vectors of all rows; None leaves them, standardised on the training rows.
        head: From scikit-learn; None for the logistic regression.
        copies: Changes whose clips are added to the training part.
        target: How target audio (never its labels) is used: "" for not at all; "corpus" or "speaker", each is
            standardised; "uniform" or "EM", priors are adjusted; "direction", `prepare` uses it.
    """

    name: str
    vectors: Array
    prepare: Prepare | None = None
    head: Callable[[], Any] | None = None
    copies: tuple[int, ...] = ()
    target: str = ""


def logistic(c: float = C) -> Any:
    return LogisticRegression(C=c, class_weight="balanced", max_iter=300, tol=1e-3)


class Bench:
    """Evaluates rows on both directions.

    Args:
        clips: The clips.
        changes: Names of changes after which validation is repeated; copies of all rows in this order.
    """

    def __init__(self, clips: Clips, changes: Sequence[str]) -> None:
        self.clips, self.count, self.changes = clips, len(clips.labels), len(changes)

    def _of(self, corpus: str) -> Array:
        return np.flatnonzero(self.clips.corpora == corpus)

    def draws(self, corpus: str) -> Iterator[tuple[Array, Array]]:
        """Yield training and validation rows."""
        rows = self._of(corpus)
        speakers = np.unique(self.clips.speakers[rows])
        for draw in range(DRAWS):
            mixed = np.random.default_rng(draw).permutation(speakers)
            trained = np.isin(self.clips.speakers[rows], mixed[: round(TRAINED * len(speakers))])
            yield rows[trained], rows[~trained]

    def uar(self, rows: Array, predicted: Array) -> float:
        return 100 * float(np.mean(self.recalls(rows, predicted)))

    def recalls(self, rows: Array, predicted: Array) -> list[float]:
        labels = self.clips.labels[rows]
        return [float(np.mean(predicted[labels == one] == one)) for one in range(len(CLASSES))]

    def predict(self, row: Row, train: Array, test: Array) -> Array:
        """Train on rows, and predict others."""
        fitted = np.concatenate([train, *(train + self.count * copy for copy in row.copies)])
        given = row.vectors if row.prepare is None else row.prepare(fitted)
        inputs = standardised(given, fitted)
        if row.target in ("corpus", "speaker"):
            groups = self.clips.corpora if row.target == "corpus" else self.clips.speakers
            inputs = np.zeros_like(given)
            for group in np.unique(groups[np.concatenate([train, test % self.count])]):
                own = np.concatenate([train, test])
                own = own[groups[own % self.count] == group]
                inputs[own] = standardised(given, own)[own]
        head = (row.head or logistic)()
        head.fit(inputs[fitted], self.clips.labels[fitted % self.count])
        if row.target in ("uniform", "EM"):
            return adjusted(head.predict_proba(inputs[test]), row.target)
        return np.asarray(head.predict(inputs[test]))

    def evaluate(self, row: Row, first: dict[str, list[Array]]) -> dict[str, Any]:
        """Return the figures of a row; `first` are the predictions of the first one."""
        directions = {}
        for source, target in PAIRS:
            directions[f"{source} to {target}"] = self._direction(row, source, target, first)
        within = {corpus: self._within(row, corpus) for corpus in CORPORA} if not row.target else {}
        return {"row": row.name, "directions": directions, "within": within}

    def _direction(self, row: Row, source: str, target: str, first: dict[str, list[Array]]) -> dict[str, Any]:
        test = self._of(target)
        predictions, validations, others = [], [], []
        for train, held in self.draws(source):
            parts = [test, *self._validation(row, held)]
            predicted = self.predict(row, train, np.concatenate(parts))
            answers = np.split(predicted, np.cumsum([len(part) for part in parts])[:-1])
            predictions.append(answers[0])
            validations += [self.uar(held, one) for one in answers[1:2]]
            others += [self.uar(held, one) for one in answers[2:]]
        scores = [self.uar(test, one) for one in predictions]
        reference = first.setdefault(target, predictions)
        return {
            "uar": float(np.mean(scores)),
            "deviation": float(np.std(scores)),
            "recalls": np.mean([self.recalls(test, one) for one in predictions], axis=0).tolist(),
            "difference": self.difference(test, predictions, reference),
            "validation": float(np.mean(validations)) if validations else None,
            "other recordings": float(np.mean(others)) if others else None,
            "other gender": None if row.target else self._across_genders(row, source),
        }

    def _validation(self, row: Row, held: Array) -> list[Array]:
        """Validation rows, as recorded and after each change; none if target audio is used."""
        if row.target:
            return []
        copies = min(self.changes, len(row.vectors) // self.count - 1)
        return [held + self.count * copy for copy in range(1 + copies)]

    def _across_genders(self, row: Row, source: str) -> float:
        rows = self._of(source)
        genders = self.clips.genders[rows]
        scores = []
        for gender in np.unique(genders):
            train, held = rows[genders != gender], rows[genders == gender]
            scores.append(self.uar(held, self.predict(row, train, held)))
        return float(np.mean(scores))

    def _within(self, row: Row, corpus: str) -> float:
        """Five folds of speakers, pooled."""
        rows = self._of(corpus)
        speakers = self.clips.speakers[rows]
        mixed = np.random.default_rng(0).permutation(np.unique(speakers))
        predicted = np.zeros(len(rows), int)
        for fold in range(5):
            tested = np.isin(speakers, mixed[fold::5])
            predicted[tested] = self.predict(row, rows[~tested], rows[tested])
        return self.uar(rows, predicted)

    def difference(self, rows: Array, ours: list[Array], theirs: list[Array]) -> tuple[float, float, float]:
        """Return the difference in UAR and its interval, from a bootstrap over speakers."""
        labels, speakers = self.clips.labels[rows], self.clips.speakers[rows]
        names = np.unique(speakers)
        masks = np.array([[(speakers == s) & (labels == c) for c in range(len(CLASSES))] for s in names])
        gained = np.mean([o == labels for o in ours], axis=0) - np.mean([t == labels for t in theirs], axis=0)
        sums, totals = (masks * gained).sum(-1), masks.sum(-1)
        draw = np.random.default_rng(0)
        picks = draw.integers(0, len(names), (2000, len(names)))
        with np.errstate(invalid="ignore"):
            samples = 100 * (sums[picks].sum(1) / totals[picks].sum(1)).mean(-1)
        low, high = np.nanquantile(samples, [0.025, 0.975])
        return 100 * float((sums.sum(0) / totals.sum(0)).mean()), float(low), float(high)


def adjusted(probabilities: Array, how: str) -> Array:
    """Predict after the priors of the target were estimated by EM (Saerens 2002), or made uniform."""
    weights = np.ones(probabilities.shape[1])
    for _ in range(300):
        posterior = probabilities * weights
        posterior /= posterior.sum(1, keepdims=True)
        mean = posterior.mean(0) * len(weights)
        weights = mean if how == "EM" else weights / np.sqrt(mean)
    return np.asarray(posterior.argmax(1))


def input_rows(encoded: Encoded, state: int) -> list[Row]:
    """Rows that differ in preprocessing."""
    rows = []
    for name in INPUTS:
        changes = ("", *OTHER_RECORDINGS) if name in PERTURBED else ("",)
        rows.append(Row(name, np.concatenate([encoded.states(name, one).mean[:, state] for one in changes])))
    for name in (RAW, CHOSEN):
        states = encoded.states(name)
        rows.append(Row(f"{name}, mean over speech", states.speech[:, state]))
        both = np.concatenate([states.mean[:, state], states.deviation[:, state]], axis=1)
        rows.append(Row(f"{name}, mean and deviation", both))
    return rows


def other_rows(encoded: Encoded, state: int) -> list[Row]:
    """Rows that differ in features, heads and training, all on the chosen input."""
    names = ("", *OTHER_RECORDINGS, *AUGMENTATIONS)
    states = np.concatenate([encoded.states(CHOSEN, one).mean for one in names])
    plain, normed = states[:, state], layer_norm(states)
    speakers, genders = (np.tile(v, len(names)) for v in (encoded.clips.speakers, encoded.clips.genders))
    corpora = np.tile(encoded.clips.corpora, len(names))
    near = [s for s in (state - 1, state, state + 1) if 0 <= s < states.shape[1]]
    mixtures = tuple(names.index(name) for name in AUGMENTATIONS)

    def joined(part: Array) -> Array:
        return part.reshape(len(part), -1)

    rows = [Row("logistic regression, C 0.01", plain)]
    rows += [Row(f"C {c:g}", plain, head=lambda c=c: logistic(c)) for c in (0.001, 0.1, 1)]
    rows += [
        Row("MLP 128-16", plain, head=lambda: MLPClassifier((128, 16), max_iter=100, random_state=0)),
        Row(
            "LDA, shrinkage by Ledoit and Wolf",
            plain,
            head=lambda: LinearDiscriminantAnalysis("lsqr", shrinkage="auto", priors=[0.25] * 4),
        ),
        Row("vector layer-normalised", normed[:, state]),
        Row("speaker directions removed (LEACE)", plain, lambda rows: erased(plain, rows, speakers)),
        Row("gender directions removed (LEACE)", plain, lambda rows: erased(plain, rows, genders)),
        Row("training speakers centred", plain, lambda rows: centred_speakers(plain, rows, speakers)),
        Row("three neighbouring states joined", joined(states[:, near])),
        Row("the same, layer-normalised", joined(normed[:, near])),
        Row("all states joined", joined(states)),
    ]
    rows += [
        Row("+ two mixtures of changes", plain, copies=mixtures),
        Row("+ two mixtures, layer-normalised", normed[:, state], copies=mixtures),
        Row("target audio: each corpus standardised", plain, target="corpus"),
        Row("target audio: each speaker standardised", plain, target="speaker"),
        Row("target audio: priors by EM", plain, target="EM"),
        Row("target audio: uniform priors", plain, target="uniform"),
        Row(
            "target audio: corpus direction removed (LEACE)",
            plain,
            _without_corpus(plain, corpora),
            target="direction",
        ),
    ]
    return rows


def _without_corpus(vectors: Array, corpora: Array) -> Prepare:
    own = len(corpora)
    count = own // (1 + len(OTHER_RECORDINGS) + len(AUGMENTATIONS))
    return lambda rows: erased(vectors, np.union1d(rows, _others(corpora[:count], rows)), corpora)


def _others(corpora: Array, rows: Array) -> Array:
    return np.flatnonzero(corpora != corpora[rows[0] % len(corpora)])


def table(bench: Bench, title: str, rows: Sequence[Row]) -> tuple[str, list[dict[str, Any]]]:
    """Evaluate rows; return a table in Markdown, and the figures."""
    heads = [f"{a} to {b} | difference | validation | other recordings | other gender" for a, b in PAIRS]
    lines = [f"| {title} | {' | '.join(heads)} | within EmoDB | within RAVDESS |", "|---" * 13 + "|"]
    first: dict[str, list[Array]] = {}
    results = []
    for row in rows:
        results.append(bench.evaluate(row, first))
        lines.append(line(results[-1]))
        print(lines[-1], flush=True)
    return "\n".join(lines), results


def line(result: Mapping[str, Any]) -> str:
    cells = []
    for one in result["directions"].values():
        low, high = one["difference"][1:]
        cells.append(f"{one['uar']:.1f} ({one['deviation']:.1f})")
        cells.append(f"{one['difference'][0]:+.1f} ({low:+.1f} to {high:+.1f})")
        kept = (one[name] for name in ("validation", "other recordings", "other gender"))
        cells += ["" if value is None else f"{value:.1f}" for value in kept]
    cells += [f"{result['within'][name]:.1f}" if result["within"] else "" for name in CORPORA]
    return f"| {result['row']} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data, models = SHARED / "data", SHARED / "models"
    parser.add_argument("--emodb", type=Path, default=data / "emodb", help="folder of EMO-DB")
    parser.add_argument("--ravdess", type=Path, default=data / "ravdess", help="folder of RAVDESS")
    parser.add_argument("--encoder", default=str(models / "whisper-base-encoder"), help="a Whisper encoder")
    parser.add_argument("--state", type=int, default=3, help="hidden state")
    parser.add_argument("--out", type=Path, required=True, help="folder for results and hidden states")
    given = parser.parse_args()
    clips = Clips.read((given.emodb, given.ravdess))
    encoded = Encoded(clips, given.encoder, given.out / "states")
    bench = Bench(clips, tuple(OTHER_RECORDINGS))
    inputs, figures = table(bench, "input", input_rows(encoded, given.state))
    others, more = table(bench, f"on {CHOSEN}", other_rows(encoded, given.state))
    (given.out / "crossing.md").write_text(f"{inputs}\n\n{others}\n")
    content = {"encoder": given.encoder, "state": given.state, "inputs": figures, "others": more}
    (given.out / "crossing.json").write_text(json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
