"""The help pages of every command: description, most used options, examples."""

from sercl.cli.help import ShortPage

DEMO = ShortPage(
    usage="sercl demo [OPTIONS]",
    summary=(
        "Synthesise a small corpus in three languages with espeak-ng, train a classifier on German, "
        "test it on unseen speakers and, zero-shot, on Mandarin and English, predict some files, probe "
        "every layer of the encoder, label emotions over time in a recording, and run a cross-lingual "
        "study over all three languages."
    ),
    options=(
        ("--out DIR", "Folder for corpus, encoder and run (demo-run); replaced at each call"),
        ("--speakers N", "Speakers per language, 4 to 12 (8)"),
        ("--sentences N", "Sentences per speaker and emotion, 1 to 10 (6)"),
    ),
    examples=(("Quick demo", "sercl demo"),),
)

COMPLETION = ShortPage(
    usage="sercl completion SHELL",
    summary="Print a script that completes commands, options, names (corpora, encoders, adapters) and files.",
    arguments=(("SHELL", "bash, zsh or fish"),),
    options=(("-h, --help", "This page"),),
    examples=(
        ("bash", "sercl completion bash > ~/.local/share/bash-completion/completions/sercl"),
        ("zsh, into a folder of $fpath", 'sercl completion zsh > "${fpath[1]}/_sercl"'),
        ("fish", "sercl completion fish > ~/.config/fish/completions/sercl.fish"),
    ),
)

FIT = ShortPage(
    usage="sercl fit --data CORPUS --data.root DIR [OPTIONS]",
    summary=(
        "Train an emotion classifier on a speech encoder, and evaluate it on the test part. Everything the "
        "run writes goes into one folder: checkpoint, configuration, fold lists, predictions, results."
    ),
    options=(
        (
            "-c, --config FILE",
            "YAML with any of the options; may be repeated, later files override earlier ones",
        ),
        ("--data NAME", "Corpus (`sercl corpus list`), Manifest, HuggingFace, or LanguagePair"),
        ("--data.root DIR", "Folder of the corpus"),
        (
            "--data.folds.scheme NAME",
            "speaker (default), loso, official, paper or csv; --data.folds.index N picks one",
        ),
        ("--model.encoder NAME", "Preset (whisper-base, wavlm-large, ...), hub id, or folder"),
        ("--model.whisper_form F", "padded (30 s, default) or short: much faster on clips of a few seconds"),
        ("--model.adapter NAME", "none (frozen, default), full, or lora, bottleneck, gating joined by +"),
        ("--model.layer LAYER", "Hidden state 0..N, last, weighted, or auto (chosen on validation)"),
        ("--trainer.max_epochs N", "Maximum number of epochs (100); early stopping usually ends sooner"),
        ("--trainer.devices N", "GPUs; also --trainer.strategy ddp, --trainer.precision bf16-mixed"),
        ("--out DIR", "Folder of the run; --resume continues it, --overwrite replaces it"),
    ),
    examples=(
        (
            "Frozen encoder, layer chosen on validation, speaker-disjoint folds",
            "sercl fit --data EmoDB --data.root emodb",
        ),
        (
            "Adapters on the first eight blocks",
            "sercl fit --data ESD --data.root ESD --model.adapter lora+bottleneck+gating "
            "--model.last_block 7",
        ),
        (
            "A dataset from the Hugging Face hub, with its speaker column",
            "sercl fit --data HuggingFace --data.root ORGANISATION/DATASET --data.columns.speaker speaker_id",
        ),
        (
            "Zero-shot from German to English",
            "sercl fit --data LanguagePair --data.setting zero-shot --data.source EmoDB "
            "--data.source.root emodb --data.target RAVDESS --data.target.root ravdess",
        ),
    ),
    more=(
        "--help-all lists every option; --data.help NAME those of one corpus; --print_config prints the "
        "whole YAML."
    ),
)


def _evaluation(name: str, part: str) -> ShortPage:
    """Return the page of "test" or "validate"."""
    return ShortPage(
        usage=f"sercl {name} --ckpt FILE [--data CORPUS --data.root DIR] [OPTIONS]",
        summary=(
            f"Evaluate a checkpoint on the {part} part. Without --data and --config the data of the run that "
            "wrote the checkpoint are used (its config.yaml)."
        ),
        options=(
            ("--ckpt FILE", "Checkpoint that `sercl fit` wrote; it contains the model"),
            ("-c, --config FILE", "YAML with data and trainer options, such as a run's config.yaml"),
            ("--data NAME", "Corpus (`sercl corpus list`), Manifest, HuggingFace, or LanguagePair"),
            ("--data.root DIR", "Folder of the corpus"),
            (
                "--data.folds.scheme NAME",
                "speaker, loso, official, paper or csv; --data.folds.index N picks one. With neither, "
                "`sercl test` tests on the whole of a corpus that was not in training",
            ),
            ("--encoder NAME", "Folder of the encoder, if it has moved since training"),
            ("--out DIR", "Folder for results.json, predictions.csv and confusion.png"),
            ("--json", "Print the results as JSON"),
        ),
        examples=(
            (f"The run's own {part} part", f"sercl {name} --ckpt checkpoints/RUN/best.ckpt"),
            (
                "Another corpus",
                f"sercl {name} --ckpt checkpoints/RUN/best.ckpt --data RAVDESS --data.root ravdess",
            ),
        ),
        more="--help-all lists every option.",
    )


TEST, VALIDATE = _evaluation("test", "test"), _evaluation("validate", "validation")

LAYER_PROBE = ShortPage(
    usage="sercl layer-probe --encoder NAME --data CORPUS --data.root DIR [OPTIONS]",
    summary=(
        "Find the layer of a frozen encoder from which emotion is recognised best. The encoder runs "
        "once on each utterance; a small probe is trained on every hidden state, in every fold, with "
        "several seeds. The results are a table, a figure, and the option that makes `sercl fit` use "
        "the best layer."
    ),
    options=(
        (
            "--encoder NAME",
            "Preset (whisper-base, wavlm-large, ...), hub id, or folder; also --model.encoder",
        ),
        ("--model.whisper_form F", "padded (30 s, default) or short: much faster on clips of a few seconds"),
        ("-c, --config FILE", "YAML with any of the options; a file for `sercl fit` works, too"),
        ("--data NAME", "Corpus (`sercl corpus list`), Manifest, HuggingFace, or LanguagePair"),
        ("--data.root DIR", "Folder of the corpus"),
        ("--probe NAME", "mlp (default), linear, or paper: the recipe of arXiv 2409.16920"),
        ("--probe.targets LIST", "emotion (default), language, speaker, gender or any column, joined by ,"),
        ("--probe.settings LIST", "For a LanguagePair: monolingual, zero-shot, transfer, joined by ,"),
        ("--probe.seeds LIST", "Seeds, one probe each, such as 0,1,2"),
        ("--features.dir DIR", "Where hidden states are cached; --no-cache disables it"),
        ("--features.precision P", "Precision of the encoder: fp32 (default), bf16 or fp16"),
        ("--out DIR", "Folder of the results; --resume continues it, --overwrite replaces it"),
        ("--json", "Print the results as JSON"),
    ),
    examples=(
        (
            "Which layer encodes emotion?",
            "sercl layer-probe --encoder whisper-base --data EmoDB --data.root emodb",
        ),
        (
            "Which layers encode emotion, speaker and gender?",
            "sercl layer-probe --encoder wavlm-base-plus --data EmoDB --data.root emodb "
            "--probe.targets emotion,speaker,gender",
        ),
        (
            "Across languages: is the same layer best?",
            "sercl layer-probe --encoder whisper-base --data LanguagePair "
            "--data.source EmoDB --data.source.root emodb --data.target RAVDESS "
            "--data.target.root ravdess --probe.settings monolingual,zero-shot,transfer",
        ),
    ),
    more="--help-all lists every option.",
)

CROSS_EVAL = ShortPage(
    usage="sercl cross-eval -c STUDY.yaml --out DIR [OPTIONS]",
    summary=(
        "Run a whole cross-lingual study from one file: encoders, corpora, settings, adapters, folds, seeds. "
        "Finished cells are kept: the same command continues a stopped study, and after a change runs "
        "only what the change affects. The result is a report with intervals and paired tests."
    ),
    options=(
        ("-c, --config FILE", "The study; configs/paper/study.yaml is one to start from"),
        ("--out DIR", "Folder of the study: results, report, and the state to continue from"),
        (
            "--dry-run",
            "Show the cells, which of them are done, and an estimate of the remaining time; run nothing",
        ),
        ("--jobs N", "Number of parallel trainings, which divide cores and GPUs among them (1)"),
        ("--launcher local|slurm|ray", "Where trainings run (local)"),
        ("--study.KEY VALUE", "Any key of the study, such as --study.folds [0]"),
        ("--model.KEY VALUE", "Options of every model, as for `sercl fit`"),
        ("--trainer.KEY VALUE", "How adapters are trained, as for `sercl fit`"),
        ("--features.dir DIR", "Where hidden states of frozen encoders are cached; --no-cache disables it"),
        ("--json", "Print the study as JSON"),
    ),
    examples=(
        ("Show what would run", "sercl cross-eval -c study.yaml --out study --dry-run"),
        ("Run it, or continue it", "sercl cross-eval -c study.yaml --out study --jobs 2"),
        ("Rewrite the report", "sercl cross-eval report study"),
    ),
    file=(
        "study.yaml",
        """study:
  encoders: [whisper-base]
  corpora:
    EmoDB: {class_path: EmoDB, init_args: {root: emodb}}
    RAVDESS: {class_path: RAVDESS, init_args: {root: ravdess}}
  settings: [monolingual, zero-shot]
  adapters: [none]
model:
  whisper_form: short""",
    ),
    more="--help-all lists every option; docs/cross-eval.md explains the keys.",
)

CROSS_EVAL_REPORT = ShortPage(
    usage="sercl cross-eval report DIR [--format NAME ...] [OPTIONS]",
    summary=(
        "Compute the scores, intervals and paired tests of a study from study.json and "
        "predictions.parquet in its folder, and write the report there."
    ),
    arguments=(("DIR", "Folder of the study: the --out of `sercl cross-eval`"),),
    options=(
        (
            "--format NAME ...",
            "html, md, tex, csv; svg and pdf are figures; several are separated by spaces (all)",
        ),
        ("--quiet", "Print only the names of the files written"),
        ("-h, --help", "This page"),
    ),
    examples=(
        ("All formats", "sercl cross-eval report study"),
        ("Tables and figures for a paper", "sercl cross-eval report study --format tex csv pdf"),
    ),
)

COMPARE = ShortPage(
    usage="sercl compare RUN_A RUN_B [--json]",
    summary=(
        "Compare two runs: the options that differ, the scores with their intervals, and a paired test "
        "on the utterances that both were tested on."
    ),
    arguments=(
        ("RUN_A", "Folder of `sercl fit`, of `sercl test` with --out, or of `sercl cross-eval`"),
        (
            "RUN_B",
            "Another of the same kind and classes; a positive difference means that it is better",
        ),
    ),
    options=(("--json", "Print JSON instead of tables"), ("-h, --help", "This page")),
    examples=(
        ("Does the adapter help?", "sercl compare checkpoints/frozen checkpoints/lora"),
        ("Machine-readable output", "sercl compare checkpoints/frozen checkpoints/lora --json"),
    ),
)

PREDICT = ShortPage(
    usage="sercl predict CHECKPOINT FILE|DIR|PATTERN... [OPTIONS]",
    summary=(
        "Predict the emotion of each recording, with the probability of every class. Unreadable files "
        "are reported and skipped; the exit code is then 1. Each recording is treated as one utterance; "
        "for long ones, `sercl diarize` labels emotions over time."
    ),
    arguments=(
        ("CHECKPOINT", "A file that `sercl fit` wrote, such as checkpoints/RUN/best.ckpt"),
        ("FILE|DIR|PATTERN", "Audio files, folders of them, or patterns in quotes such as 'talks/**/*.flac'"),
    ),
    options=(
        ("--format table|csv|json|jsonl", "Output format (table)"),
        ("--out FILE", "Output file (standard output)"),
        ("--recursive", "Include subfolders"),
        ("--device NAME", "auto (a GPU if available), cpu, cuda, cuda:1, mps"),
        ("--batch_seconds S", "Maximum audio per batch, in s; lower values need less memory (60)"),
        ("--encoder NAME", "Folder of the encoder, if it has moved since training"),
        ("-h, --help", "This page"),
    ),
    examples=(
        ("A few files", "sercl predict checkpoints/RUN/best.ckpt a.wav b.mp3"),
        (
            "A folder, as a spreadsheet",
            "sercl predict checkpoints/RUN/best.ckpt talks/ --format csv --out talks.csv",
        ),
        (
            "Pipe predictions into another program",
            "sercl predict best.ckpt talks/ --format jsonl | jq .emotion",
        ),
    ),
)

DIARIZE = ShortPage(
    usage="sercl diarize CHECKPOINT FILE|DIR|PATTERN... [OPTIONS]  |  fit | evaluate | score",
    summary=(
        "Label emotions over time in recordings. `sercl diarize fit` trains the checkpoint, `sercl "
        "diarize evaluate` scores it, `sercl diarize score` compares segment files of any tool; each "
        "has its own --help. Unreadable files are reported and skipped; the exit code is then 1."
    ),
    arguments=(
        ("CHECKPOINT", "A file that `sercl diarize fit` wrote, such as checkpoints/RUN/best.ckpt"),
        ("FILE|DIR|PATTERN", "Audio of any length: files, folders, or patterns in quotes"),
    ),
    options=(
        ("--format table|json|rttm|textgrid|audacity|csv", "Output format (table, with a timeline)"),
        ("--out FILE", "Output file; for textgrid and audacity with several recordings, a folder"),
        ("--plot FILE", "Figure of the timelines (.png, .pdf, .svg)"),
        ("--html FILE", "HTML page with waveform, segments and playback"),
        ("--audio embed|link", "Whether the page embeds the audio or links to it (depends on its size)"),
        (
            "--smoothing none|median|viterbi",
            "Smoothing of frames; this and the next four default to the checkpoint's values",
        ),
        ("--median_seconds S", "Length of the median filter, in s"),
        ("--switch_penalty P", "Viterbi cost of a change of emotion, in natural log units"),
        ("--min_seconds S", "Minimum segment length, in s; shorter ones are merged into a neighbour"),
        ("--threshold P", "Events with a lower mean probability become neutral, 0 to 1"),
        ("--vad", "Mark non-speech; no emotion is assigned there"),
        ("--recursive", "Include subfolders"),
        ("--device NAME", "auto (a GPU if available), cpu, cuda, cuda:1, mps"),
        ("--encoder NAME", "Folder of the encoder, if it has moved since training"),
        ("-h, --help", "This page"),
    ),
    examples=(
        ("Show one recording in the terminal", "sercl diarize checkpoints/RUN/best.ckpt talk.wav"),
        ("An HTML page with playback", "sercl diarize checkpoints/RUN/best.ckpt talks/ --html talks.html"),
        ("For Praat", "sercl diarize best.ckpt talks/ --format textgrid --out grids"),
    ),
)

DIARIZE_FIT = ShortPage(
    usage="sercl diarize fit --data CORPUS --data.root DIR [--data CORPUS2 --data.root DIR2] [OPTIONS]",
    summary=(
        "Train a frame-level classifier on clips in which the emotion changes. Clips are built from the "
        "utterances of corpora, one speaker each; test speakers are not seen in training. The epoch "
        "with the lowest EDER on validation clips is saved."
    ),
    options=(
        (
            "-c, --config FILE",
            "YAML with any of the options; may be repeated, later files override earlier ones",
        ),
        ("--data NAME", "Corpus or Manifest to build clips from; repeat for several"),
        ("--data.root DIR", "Its folder; this and --data.folds... apply to the preceding --data"),
        ("--data.clips.patterns MAP", "Pattern -> probability, such as '{NE: 0.5, ENE: 0.5}'"),
        ("--data.clips.per_epoch N", "Clips per epoch (the number of emotional pieces)"),
        ("--model.encoder NAME", "Preset (whisper-base, wavlm-large, ...), hub id, or folder"),
        ("--model.whisper_form F", "padded (30 s, default) or short: much faster on clips of a few seconds"),
        ("--model.adapter NAME", "none (frozen, default), full, or lora, bottleneck, gating joined by +"),
        ("--model.context NAME", "Layer that uses the context of a frame: none, conv or gru"),
        ("--trainer.max_epochs N", "Maximum number of epochs (100); early stopping usually ends sooner"),
        ("--out DIR", "Folder of the run; --resume continues it, --overwrite replaces it"),
    ),
    examples=(
        ("One corpus", "sercl diarize fit --data EmoDB --data.root emodb"),
        (
            "Two corpora, with a fine-tuned encoder",
            "sercl diarize fit --data EmoDB --data.root emodb --data RAVDESS --data.root ravdess "
            "--model.encoder wavlm-large --model.adapter full",
        ),
    ),
    more="--help-all lists every option; --print_config prints the whole YAML.",
)

DIARIZE_EVALUATE = ShortPage(
    usage="sercl diarize evaluate CHECKPOINT... [--data CORPUS --data.root DIR] [OPTIONS]",
    summary=(
        "Evaluate a diarizer: EDER with its components and intervals over speakers, compared with an "
        "all-neutral baseline. A corpus with segments (ZED, or a manifest with the column `segments`) "
        "is used whole; for others, clips are built from the test part. Without --data, the test clips "
        "of the checkpoint's own run are used. Several checkpoints (the folds of one setting) are each "
        "evaluated on their own test clips, and results are pooled in one table."
    ),
    arguments=(("CHECKPOINT", "Files that `sercl diarize fit` wrote"),),
    options=(
        ("--data NAME", "Corpus or Manifest"),
        ("--data.root DIR", "Its folder"),
        ("-c, --config FILE", "YAML with data, such as a run's config.yaml"),
        (
            "--tune",
            "First choose the post-processing on the run's validation clips, and save it in the checkpoint",
        ),
        (
            "--baseline FILE...",
            "Checkpoint of `sercl fit`, applied in a sliding window; one, or one per CHECKPOINT",
        ),
        ("--baseline_window S", "Length of its windows, in s (2)"),
        ("--baseline_hop S", "Hop between its windows, in s (0.5)"),
        (
            "--uncovered neutral|error",
            "Time after the last frame counts as that frame (neutral), or as an error as in SpeechBrain",
        ),
        ("--device NAME", "auto (a GPU if available), cpu, cuda, cuda:1, mps"),
        ("--encoder NAME", "Folder of the encoder, if it has moved since training"),
        ("--out DIR", "Folder for results.json and the segments of every system"),
        ("--json", "Print the results as JSON"),
        ("-h, --help", "This page"),
    ),
    examples=(
        ("The run's own test clips", "sercl diarize evaluate checkpoints/RUN/best.ckpt"),
        ("ZED", "sercl diarize evaluate checkpoints/RUN/best.ckpt --data ZED --data.root ZED"),
        (
            "Tuned on validation, compared with a classifier",
            "sercl diarize evaluate checkpoints/RUN/best.ckpt --tune --baseline checkpoints/OTHER/best.ckpt",
        ),
        (
            "All folds of one setting",
            "sercl diarize evaluate runs/fold*/best.ckpt --tune --baseline classifier/fold*/best.ckpt",
        ),
    ),
)

DIARIZE_SCORE = ShortPage(
    usage="sercl diarize score --reference PATH --hypothesis PATH [OPTIONS]",
    summary=(
        "Compare segments of any tool with the reference: EDER with its components. PATH is a file or a "
        "folder of JSON, RTTM, TextGrid, Audacity labels or CSV; recordings are matched by name."
    ),
    options=(
        ("--reference FILE", "Reference segments; time without a segment is neutral"),
        ("--hypothesis FILE", "Segments to evaluate"),
        (
            "--durations FILE",
            "CSV `id,seconds` (default: durations in the files, or the end of the last segment)",
        ),
        ("--labels NAME", "Classes: 4, 6, 7 or a YAML file (default: every emotion in the files)"),
        (
            "--uncovered neutral|error",
            "How to count time without a hypothesis segment: neutral (default), or error as in SpeechBrain",
        ),
        ("--json", "Print the results as JSON"),
        ("-h, --help", "This page"),
    ),
    examples=(
        ("Two files", "sercl diarize score --reference truth.rttm --hypothesis found.json"),
        ("Two folders", "sercl diarize score --reference grids --hypothesis labels --json"),
    ),
)

CORPUS = ShortPage(
    usage="sercl corpus list | inspect NAME --root DIR | manifest NAME --root DIR --out FILE",
    summary="List the known corpora, inspect one on disk, write its manifest.",
    arguments=(
        ("list", "The corpora that sercl reads by name"),
        (
            "inspect",
            "Counts, durations, bad and duplicate files, confounds, and utterances kept per label scheme",
        ),
        ("manifest", "A table of the utterances, to edit or to use as the corpus Manifest"),
    ),
    options=(
        ("--root DIR", "Folder of the corpus; for Manifest, the file"),
        ("--options MAP", "Options of its reader, such as '{outtakes: true}' for PAVOQUE"),
        ("--columns.emotion COL", "Manifest: name of the emotion column; likewise .path, .speaker and so on"),
        ("--emotions MAP", "Manifest: map its labels, such as '{unklar: drop, Ärger: angry}'"),
        ("--figure FILE", "inspect: file for a figure (.png, .pdf, .svg)"),
        ("--out FILE", "inspect: folder for figure and JSON; manifest: .csv, .tsv, .jsonl or .parquet"),
        ("--json", "list, inspect: JSON instead of tables"),
        ("--on_error raise|skip", "manifest: what to do about missing files and bad labels"),
        ("-h, --help", "This page; after list, inspect or manifest, its full help"),
    ),
    examples=(
        ("List the corpora that sercl reads by name", "sercl corpus list"),
        ("Tables, and a figure in a folder", "sercl corpus inspect EmoDB --root emodb --out inspection"),
        ("Reader options", "sercl corpus inspect PAVOQUE --root pavoque --options '{outtakes: true}'"),
        ("A table to edit", "sercl corpus manifest EmoDB --root emodb --out emodb.csv"),
    ),
)

FEATURES = ShortPage(
    usage="sercl features info | prune [OPTIONS]",
    summary=(
        "Hidden states of frozen encoders are computed once and stored on disk. Show what is stored, or "
        "remove some of it; removed states are computed again when needed."
    ),
    arguments=(
        ("info", "Encoders, utterances, size, last use, damaged files"),
        ("prune", "Remove what the options select"),
    ),
    options=(
        (
            "--dir DIR",
            "Folder of the store (--features.dir of other commands); by default in the user's cache",
        ),
        ("--verify", "info: verify the checksums of all files"),
        ("--older-than DAYS", "prune: states not used for this many days"),
        ("--encoder NAME", "prune: states of this encoder; combined with --older-than, both must hold"),
        ("--damaged", "prune: damaged files, and leftovers of killed processes"),
        ("--all", "prune: everything"),
        ("--dry-run", "prune: only show what would be removed"),
        ("--json", "JSON instead of tables"),
        ("-h, --help", "This page"),
    ),
    examples=(
        ("Show what is stored", "sercl features info"),
        ("Verify all files", "sercl features info --verify"),
        ("Remove states not used for a month", "sercl features prune --older-than 30 --dry-run"),
    ),
)
