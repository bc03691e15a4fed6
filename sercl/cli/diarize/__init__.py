"""`sercl diarize`: where in a recording the emotion is; also `fit`, `evaluate` and `score`."""

import importlib
import sys
from collections.abc import Mapping

from sercl.cli.console import stdout
from sercl.cli.help import ShortPage, render

PAGE = ShortPage(
    usage="sercl diarize CHECKPOINT FILE|DIR|PATTERN... [OPTIONS]  |  fit | evaluate | score",
    summary=(
        "Label emotions over time in recordings. `sercl diarize fit` trains the checkpoint, `sercl "
        "diarize evaluate` scores it, `sercl diarize score` compares segment files of any tool; each has a "
        "--help. A file that cannot be read is reported and left out; the exit code is then 1."
    ),
    arguments=(
        ("CHECKPOINT", "A file that `sercl diarize fit` wrote, such as checkpoints/RUN/best.ckpt"),
        ("FILE|DIR|PATTERN", "Audio of any length: files, folders, or patterns in quotes"),
    ),
    options=(
        ("--format table|json|rttm|textgrid|audacity|csv", "What is written (table, with a timeline)"),
        ("--out FILE", "Where it is written; a folder for textgrid and audacity with several recordings"),
        ("--plot FILE", "A picture of the timelines (.png, .pdf, .svg)"),
        ("--html FILE", "A page with waveform, segments and playback"),
        ("--audio embed|link", "Whether the page holds the audio or refers to it; by size unless given"),
        ("--smoothing none|median|viterbi", "Of the frames; this and the next four: the checkpoint's own"),
        ("--median_seconds S", "Length of the median filter, in s"),
        ("--switch_penalty P", "What a change of emotion costs Viterbi, in natural log units"),
        ("--min_seconds S", "Shorter segments go to a neighbour, in s"),
        ("--threshold P", "Events of lower mean probability become neutral, 0 to 1"),
        ("--vad", "Mark where nobody speaks; emotion is never found there"),
        ("--recursive", "Take the folders below a folder, too"),
        ("--device NAME", "auto (a GPU where there is one), cpu, cuda, cuda:1, mps"),
        ("--encoder NAME", "Where the encoder is now, if it has moved since training"),
        ("-h, --help", "This page"),
    ),
    examples=(
        ("Look at one recording", "sercl diarize checkpoints/RUN/best.ckpt talk.wav"),
        ("A page to listen to", "sercl diarize checkpoints/RUN/best.ckpt talks/ --html talks.html"),
        ("For Praat", "sercl diarize best.ckpt talks/ --format textgrid --out grids"),
    ),
)

FIT_PAGE = ShortPage(
    usage="sercl diarize fit --data CORPUS --data.root DIR [--data CORPUS2 --data.root DIR2] [OPTIONS]",
    summary=(
        "Train a classifier of every frame on clips in which the emotion changes. They are built from the "
        "utterances of corpora, speaker by speaker; the test clips are of speakers not seen in training. "
        "The epoch with the lowest EDER on validation clips is kept."
    ),
    options=(
        ("-c, --config FILE", "YAML with any of the options; several compose, later ones win"),
        ("--data NAME", "Corpus or Manifest that clips are built from; several add up"),
        ("--data.root DIR", "Where it lies; this and --data.folds... are of the --data before them"),
        ("--data.clips.patterns MAP", "Pattern -> share, such as '{NE: 0.5, ENE: 0.5}'"),
        ("--data.clips.per_epoch N", "Clips in an epoch (as many as there are pieces of an emotion)"),
        ("--model.encoder NAME", "Preset (whisper-base, wavlm-large, ...), hub id, or folder"),
        ("--model.whisper_form F", "padded (30 s, default) or short: much faster on clips of a few seconds"),
        ("--model.adapter NAME", "none (frozen, default), full, or lora, bottleneck, gating joined by +"),
        ("--model.context NAME", "Layer that looks around a frame: none, conv or gru"),
        ("--trainer.max_epochs N", "Most epochs (100); early stopping usually ends sooner"),
        ("--out DIR", "The run's folder; --resume continues it, --overwrite replaces it"),
    ),
    examples=(
        ("One corpus", "sercl diarize fit --data EmoDB --data.root emodb"),
        (
            "Two corpora, an encoder that is trained, too",
            "sercl diarize fit --data EmoDB --data.root emodb --data RAVDESS --data.root ravdess "
            "--model.encoder wavlm-large --model.adapter full",
        ),
    ),
    more="--help-all lists every option; --print_config the whole YAML.",
)

EVALUATE_PAGE = ShortPage(
    usage="sercl diarize evaluate CHECKPOINT... [--data CORPUS --data.root DIR] [OPTIONS]",
    summary=(
        "Score a diarizer: EDER with its parts and intervals over speakers, beside a system that finds "
        "nothing. A corpus with segments (ZED, or a manifest with the column `segments`) is taken whole; of "
        "another, clips of its test part are built. Without --data, those of the run that wrote the "
        "checkpoint. Several checkpoints (the folds of one setting) are each evaluated on their own test "
        "clips, and all their recordings together give one table."
    ),
    arguments=(("CHECKPOINT", "Files that `sercl diarize fit` wrote"),),
    options=(
        ("--data NAME", "Corpus or Manifest"),
        ("--data.root DIR", "Where it lies"),
        ("-c, --config FILE", "YAML with data, such as a run's config.yaml"),
        ("--tune", "First choose the post-processing on the run's validation clips; the checkpoint keeps it"),
        (
            "--baseline FILE...",
            "Checkpoint of `sercl fit`, slid over the recordings; one, or one per CHECKPOINT",
        ),
        ("--baseline_window S", "Length of its windows, in s (2)"),
        ("--baseline_hop S", "Seconds from one of its windows to the next (0.5)"),
        (
            "--uncovered neutral|error",
            "A tail that no frame covers goes to the last frame (neutral), or is an error as in SpeechBrain",
        ),
        ("--device NAME", "auto (a GPU where there is one), cpu, cuda, cuda:1, mps"),
        ("--encoder NAME", "Where the encoder is now, if it has moved since training"),
        ("--out DIR", "Folder for results.json and the segments of every system"),
        ("--json", "Print the results as JSON"),
        ("-h, --help", "This page"),
    ),
    examples=(
        ("The run's own test clips", "sercl diarize evaluate checkpoints/RUN/best.ckpt"),
        ("ZED", "sercl diarize evaluate checkpoints/RUN/best.ckpt --data ZED --data.root ZED"),
        (
            "Tuned on validation, beside a classifier",
            "sercl diarize evaluate checkpoints/RUN/best.ckpt --tune --baseline checkpoints/OTHER/best.ckpt",
        ),
        (
            "All folds of one setting",
            "sercl diarize evaluate runs/fold*/best.ckpt --tune --baseline classifier/fold*/best.ckpt",
        ),
    ),
)

SCORE_PAGE = ShortPage(
    usage="sercl diarize score --reference PLACE --hypothesis PLACE [OPTIONS]",
    summary=(
        "Compare segments of any tool with the truth: EDER with its parts. PLACE is a file or a folder of "
        "JSON, RTTM, TextGrid, Audacity labels or CSV; recordings are matched by name."
    ),
    options=(
        ("--reference FILE", "True segments; what they leave open is neutral"),
        ("--hypothesis FILE", "Segments to evaluate"),
        ("--durations FILE", "CSV `id,seconds`; else those in the files, or the end of the last segment"),
        ("--labels NAME", "Classes: 4, 6, 7 or a YAML file (every emotion that comes up)"),
        (
            "--uncovered neutral|error",
            "What time without a hypothesis segment counts as (neutral); error as in SpeechBrain",
        ),
        ("--json", "Print the results as JSON"),
        ("-h, --help", "This page"),
    ),
    examples=(
        ("Two files", "sercl diarize score --reference truth.rttm --hypothesis found.json"),
        ("Two folders", "sercl diarize score --reference grids --hypothesis labels --json"),
    ),
)


ACTIONS: Mapping[str, ShortPage] = {"fit": FIT_PAGE, "evaluate": EVALUATE_PAGE, "score": SCORE_PAGE}
"""First word -> its page; any other first word is a checkpoint."""


def main() -> int:
    """Run what the first word of the process asks for; without such a word, find emotions in files."""
    words = sys.argv[1:]
    action = words[0] if words and words[0] in ACTIONS else None
    pages = {"-h", "--help"} if action == "fit" else {"-h", "--help", "--help-all"}
    if pages & set(words) or not words:
        stdout.print(render(ACTIONS[action] if action else PAGE), crop=False)
        return 0
    if action is None:
        return int(_module("files").main())
    sys.argv = [f"{sys.argv[0]} {action}", *words[1:]]
    return int(_module(action).main())


def _module(name: str):  # type: ignore[no-untyped-def]
    return importlib.import_module(f"sercl.cli.diarize.{name}")
