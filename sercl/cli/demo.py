"""`sercl demo`: everything from speech to predictions on synthetic speech, with nothing to download."""

import json
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from sercl.cli.console import progress, stdout
from sercl.errors import CheckpointError, SerclError, UsageError
from sercl.reports.style import table
from sercl.tasks.starter import find_starter

if TYPE_CHECKING:
    from sercl.cli.parser import SerclParser


WHAT_IT_IS = (
    "Everything here is SYNTHETIC: a speech synthesiser reads everyday sentences, an emotion is "
    "simulated by changing its tempo, pitch, range, loudness and tilt, and the encoder has random "
    "weights. The demo shows that the "
    "pipeline works and learns. Its scores say nothing about real speech."
)
WHO_LISTENS = (
    "25 SIMULATED listeners answer this test: random numbers, right more often in a language of their own. "
    "Nobody has heard anything, and what follows says nothing about people, who would answer it in their "
    "browsers with `sercl listen serve`."
)
SOURCE, TARGETS = "de", ("zh", "en")
TALK = ("neutral", "angry", "neutral", "sad")
NAMES = {"de": "German", "zh": "Mandarin", "en": "English"}
STUDY = "demo-study"
"""Folder and file of the study: removed at each call, so the name must not be one a user might choose."""


LISTENING, RATINGS, REPORT = "demo-listening", "demo-ratings", "demo-listeners"
"""Folder of the listening test, tables of its answers, and the report; replaced at each call, too."""


STEPS = ("fit", "layer-probe", "diarize", "cross-eval", "listen")
"""Commands that the demo shows, in this order; each can be shown alone."""


def main() -> int:
    """Run `sercl demo` with the arguments of the process."""
    options = build_parser().parse_args()
    steps = (options.step,) if options.step else STEPS
    run(Path(options.out), options.speakers, options.sentences, steps)
    return 0


def build_parser() -> "SerclParser":
    """Return the parser of the command."""
    from sercl.cli.parser import SerclParser

    parser = SerclParser(prog="sercl demo")
    parser.add_argument("step", nargs="?", choices=STEPS, help="Show this command only.")
    parser.add_argument(
        "--out", default="demo-run", help="Folder for corpus, encoder and run; replaced at each call."
    )
    parser.add_argument("--speakers", type=int, default=8, help="Speakers per language, 4 to 12.")
    parser.add_argument(
        "--sentences", type=int, default=6, help="Sentences per speaker and emotion, 1 to 10."
    )
    return parser


def run(out: Path, speakers: int = 8, sentences: int = 6, steps: Sequence[str] = STEPS) -> None:
    """Make corpus and encoder, and show some commands on them.

    Args:
        out: Folder of everything.
        speakers: Per language.
        sentences: Per speaker and emotion.
        steps: Names from `STEPS`.
    """
    begin = time.perf_counter()
    check_own(out)
    stdout.print(Text(WHAT_IT_IS, style="yellow"))
    corpus, encoder = make_inputs(out, speakers, sentences)
    if "fit" in steps:
        show_fit(corpus, encoder, out)
    if "layer-probe" in steps:
        call(probe_words(corpus / f"{SOURCE}.csv", encoder, out))
    if "diarize" in steps:
        show_diarize(corpus, encoder, out)
    if "cross-eval" in steps:
        call(study_words(corpus, encoder, out))
    if "listen" in steps:
        show_listen(corpus, encoder, out, has_study="cross-eval" in steps)
    if tuple(steps) == STEPS:
        show_starter(corpus)
    show(out, steps, time.perf_counter() - begin)


def show_fit(corpus: Path, encoder: Path, out: Path) -> None:
    """Train on one language, test on the others, and predict some files."""
    call(fit_words(corpus / f"{SOURCE}.csv", encoder, out / "run"))
    checkpoint = str(out / "run" / "best.ckpt")
    for language in TARGETS:
        words = ["test", "--ckpt", checkpoint, "--data", "Manifest"]
        call([*words, "--data.root", str(corpus / f"{language}.csv"), "--out", str(out / f"test-{language}")])
    call(["predict", checkpoint, *some_files(out / "run", corpus)])


def show_starter(corpus: Path) -> None:
    """Predict a clip with the model that comes with sercl, where it is installed."""
    clip = next((corpus / SOURCE).rglob("*angry*.wav"))
    stdout.print("\nThe starter model, trained on real recordings, on a clip of the synthesiser:")
    try:
        find_starter()
    except CheckpointError as error:
        stdout.print(str(error), soft_wrap=True, markup=False)
    else:
        call(["predict", str(clip)])


def show_diarize(corpus: Path, encoder: Path, out: Path) -> None:
    """Train a diarizer, and label a recording of several emotions."""
    call(diarize_words(corpus / f"{SOURCE}.csv", encoder, out / "diarizer"))
    talk, truth = record_talk(out, corpus)
    call(["diarize", str(out / "diarizer" / "best.ckpt"), str(talk), "--html", str(out / "talk.html")])
    stdout.print(f"What is in {talk}: {truth}", soft_wrap=True)


def show_listen(corpus: Path, encoder: Path, out: Path, has_study: bool) -> None:
    """Build a listening test, simulate listeners who answer it, and compare them with the study's models."""
    from sercl.listening.serving.serve import answers_folder
    from sercl.listening.simulated import Audience, take_part

    if not has_study:
        stdout.print("\nFirst, the study whose models listeners are compared with:")
        call(study_words(corpus, encoder, out))
    test = out / LISTENING
    call(build_words(corpus, test))
    stdout.print(Text(f"\n{WHO_LISTENS}", style="yellow"))
    careless = Audience("de", 1, is_careless=True)
    take_part(test, answers_folder(test, None), (Audience("de", 12), Audience("zh", 12), careless))
    for words in read_back_words(test, out):
        call(words)


def check_own(out: Path) -> None:
    """Raise `UsageError` for a folder with other content than an earlier demo's, which would be replaced."""
    others = {path.name for path in out.iterdir()} - {"corpus"} if out.is_dir() else ()
    if others and not (out / "corpus" / f"{SOURCE}.csv").is_file():
        raise UsageError(
            f"{out}: holds {min(others)}, and is not the folder of an earlier demo, which is replaced. "
            "Choose another --out."
        )


def make_inputs(out: Path, speakers: int, sentences: int) -> tuple[Path, Path]:
    """Synthesise the corpus and write the random encoder; return their folders."""
    from sercl.audio.prosody import EMOTION_PROSODY
    from sercl.audio.synthesis import VOICES, build_demo_corpus
    from sercl.models.encoders.random import write_random_encoder

    total = len(VOICES) * speakers * sentences * len(EMOTION_PROSODY)
    with progress("synthesising the corpus", total) as advance:
        corpus = build_demo_corpus(
            out / "corpus", speakers=speakers, sentences=sentences, on_progress=advance
        )
    stdout.print(f"\n{total} clips in {corpus}: {', '.join(NAMES[name] for name in VOICES)}")
    return corpus, write_random_encoder(out / "encoder")


def shared_words(manifest: Path, encoder: Path, store: Path) -> list[str]:
    """Return the options that training and probing share; folds are speaker-disjoint."""
    return [
        *("--data", "Manifest", "--data.root", str(manifest), "--data.folds.count", "4"),
        *("--model.encoder", str(encoder), "--model.whisper_form", "short", "--model.pooling", "mean+std"),
        *("--features.dir", str(store), "--trainer.accelerator", "cpu", "--overwrite"),
    ]


def fit_words(manifest: Path, encoder: Path, out: Path) -> list[str]:
    """Return the command line that trains on one language."""
    shared = shared_words(manifest, encoder, out.parent / "features")
    return ["fit", *shared, "--model.optimizer.head_lr", "5e-3", "--out", str(out)]


def probe_words(manifest: Path, encoder: Path, out: Path) -> list[str]:
    """Return the command line that probes every layer, with the hidden states cached by training."""
    return [
        "layer-probe",
        *shared_words(manifest, encoder, out / "features"),
        *("--probe.targets", "emotion,speaker", "--out", str(out / "layers")),
    ]


def diarize_words(manifest: Path, encoder: Path, out: Path) -> list[str]:
    """Return the command line that trains a diarizer on the same folds."""
    return [
        *("diarize", "fit", "--data", "Manifest", "--data.root", str(manifest), "--data.folds.count", "4"),
        *("--model.encoder", str(encoder), "--model.whisper_form", "short", "--model.context", "gru"),
        *("--model.class_weights", "balanced", "--model.optimizer.head_lr", "3e-3"),
        *("--data.loader.batch_size", "8", "--data.clips.max_seconds", "9", "--trainer.max_epochs", "16"),
        *("--trainer.accelerator", "cpu", "--overwrite", "--out", str(out)),
    ]


def study_words(corpus: Path, encoder: Path, out: Path) -> list[str]:
    """Write the file of a study of all three languages; return the command line that runs it."""
    import yaml

    from sercl.files import write_text

    model = {"encoder": str(encoder), "whisper_form": "short", "pooling": "mean+std"}
    study = {
        "encoders": {"random": model},
        "corpora": {
            name: {
                "class_path": "Manifest",
                "init_args": {"root": str(corpus / f"{language}.csv"), "folds": {"count": 4}},
            }
            for language, name in NAMES.items()
        },
        "settings": ["monolingual", "zero-shot"],
        "adaptation": ["none", "speaker"],
    }
    text = yaml.safe_dump({"study": study}, sort_keys=False)
    file, folder = out / f"{STUDY}.yaml", out / STUDY
    write_text(file, "# Cross-lingual transfer: frozen encoder, zero-shot.\n" + text)
    empty_own(folder, "study.yaml")
    store = ("--features.dir", str(out / "features"))
    return ["cross-eval", "-c", str(file), "--out", str(folder), *store]


def build_words(corpus: Path, test: Path) -> list[str]:
    """Empty the folder of the test, and return the command line that builds it: German and Mandarin."""
    empty_own(test, "protocol.json")
    both = (
        word
        for name in ("de", "zh")
        for word in ("--data", "Manifest", "--data.root", str(corpus / f"{name}.csv"))
    )
    return ["listen", "build", *both, "--per-emotion", "6", "--no-cache", "--out", str(test)]


def read_back_words(test: Path, out: Path) -> list[list[str]]:
    """Return the command lines from the answers to the report."""
    raw, kept = str(out / f"{RATINGS}-all.parquet"), str(out / f"{RATINGS}.parquet")
    report = ["--groups", "native", "--claims", "--out", str(out / REPORT)]
    return [
        ["listen", "answers", str(test), "--out", raw],
        ["listen", "import", raw, "--exclude.failed_checks", "1", "--out", kept],
        ["listen", "compare", kept, "--predictions", str(out / STUDY), *report],
    ]


def empty_own(folder: Path, sign: str) -> None:
    """Make a folder, and empty it if it has the file that one of an earlier demo has."""
    from sercl.cli.run_folder import make_folder

    make_folder(folder, fresh=(folder / sign).is_file())


def call(words: list[str]) -> None:
    """Show a command line and run it as a user would."""
    from sercl.cli.main import dispatch

    stdout.print(Text(f"\n$ {shlex.join(['sercl', *words])}", style="bold cyan"), soft_wrap=True)
    if code := dispatch(words):
        raise SerclError(f"`sercl {words[0]}` ended with exit code {code}.")


def read_uar(folder: Path) -> float:
    """Return the UAR of a results file."""
    return float(json.loads((folder / "results.json").read_text(encoding="utf-8"))["scores"]["uar"]["value"])


def some_files(folder: Path, corpus: Path) -> list[str]:
    """Return one test clip of a run for each speaker and emotion."""
    import csv

    with (folder / "folds" / "test.csv").open(newline="", encoding="utf-8") as file:
        chosen = {(row["file"].rsplit("-", 2)[0], row["answer"]): row["file"] for row in csv.DictReader(file)}
    return [str(next(corpus.rglob(name))) for _, name in sorted(chosen.items())]


def record_talk(out: Path, corpus: Path) -> tuple[Path, str]:
    """Concatenate clips of a test speaker to a recording of several emotions; return it and its segments."""
    import soundfile

    from sercl.audio.loudness import join, matched
    from sercl.audio.resample import SAMPLE_RATE, load

    files = {
        path.stem.rpartition("-")[2]: Path(path) for path in map(Path, some_files(out / "diarizer", corpus))
    }
    pieces = matched([load(files[emotion]) for emotion in TALK])
    waveform, joints = join(pieces, SAMPLE_RATE // 50)
    path = out / "talk.wav"
    soundfile.write(path, waveform.clamp(-1, 1).numpy(), SAMPLE_RATE)
    starts = [0, *joints]
    return path, ", ".join(
        f"{name} from {at / SAMPLE_RATE:.1f} s" for name, at in zip(TALK, starts, strict=True)
    )


PICTURES = {
    "fit": ("run/confusion.png", "run/results.json"),
    "layer-probe": ("layers/layers.png", "layers/results.json"),
    "diarize": ("talk.html", "diarizer/results.json"),
    "cross-eval": (f"{STUDY}/report.html", f"{STUDY}/study.json"),
    "listen": (f"{REPORT}/report.html", f"{REPORT}/comparison.json"),
}
"""Step -> its picture or page, and its numbers."""


def show(out: Path, steps: Sequence[str], seconds: float) -> None:
    """Print the scores of training, and which files to look at."""
    if "fit" in steps:
        stdout.print(Text(""), scores(out))
    stdout.print(Text(WHAT_IT_IS, style="yellow"))
    pictures, numbers = ([f"{out}/{PICTURES[step][place]}" for step in steps] for place in (0, 1))
    stdout.print(f"\nPictures: {', '.join(pictures)}. Numbers: {', '.join(numbers)}", soft_wrap=True)
    command = steps[0] if len(steps) == 1 else "fit"
    stdout.print(f"Done in {seconds:.0f} s. Next: sercl {command} --help")


def scores(out: Path) -> Table:
    """Return the table of UARs by test language."""
    grid = table("Trained on", "Tested on", "UAR %", title="In short (chance is 25 %)", numbers=("UAR %",))
    for language in (SOURCE, *TARGETS):
        how = "speakers not seen in training" if language == SOURCE else "zero-shot"
        uar = read_uar(out / "run" if language == SOURCE else out / f"test-{language}")
        grid.add_row(NAMES[SOURCE], f"{NAMES[language]}, {how}", f"{100 * uar:.1f}")
    return grid
