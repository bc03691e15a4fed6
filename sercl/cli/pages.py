"""The help pages of every command: what it is, the options that people use, examples."""

from sercl.cli.help import ShortPage

DEMO = ShortPage(
    usage="sercl demo [OPTIONS]",
    summary=(
        "Speak a small corpus in three languages with espeak-ng, train a classifier on German, test it on "
        "speakers not seen in training and, zero-shot, on Mandarin and English, predict some files, probe "
        "every layer of the encoder, find where in a recording the emotion is, and cross all three languages."
    ),
    options=(
        ("--out DIR", "Folder for corpus, encoder and run (demo-run); replaced at each call"),
        ("--speakers N", "Speakers per language, 4 to 12 (8)"),
        ("--sentences N", "Sentences per speaker and emotion, 1 to 10 (6)"),
    ),
    examples=(("See it work", "sercl demo"),),
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
        ("-c, --config FILE", "YAML with any of the options; several compose, later ones win"),
        ("--data NAME", "Corpus (`sercl corpus list`), Manifest, HuggingFace, or LanguagePair"),
        ("--data.root DIR", "Where the corpus lies"),
        (
            "--data.folds.scheme NAME",
            "speaker (default), loso, official, paper or csv; --data.folds.index N picks one",
        ),
        ("--model.encoder NAME", "Preset (whisper-base, wavlm-large, ...), hub id, or folder"),
        ("--model.whisper_form F", "padded (30 s, default) or short: much faster on clips of a few seconds"),
        ("--model.adapter NAME", "none (frozen, default), full, or lora, bottleneck, gating joined by +"),
        ("--model.layer LAYER", "Hidden state 0..N, last, weighted, or auto: validation chooses"),
        ("--trainer.max_epochs N", "Most epochs (100); early stopping usually ends sooner"),
        ("--trainer.devices N", "GPUs; also --trainer.strategy ddp, --trainer.precision bf16-mixed"),
        ("--out DIR", "The run's folder; --resume continues it, --overwrite replaces it"),
    ),
    examples=(
        (
            "Frozen encoder, layer chosen on validation, speaker-disjoint",
            "sercl fit --data EmoDB --data.root emodb",
        ),
        (
            "Adapters on the first eight blocks",
            "sercl fit --data ESD --data.root ESD --model.adapter lora+bottleneck+gating "
            "--model.last_block 7",
        ),
        (
            "A dataset of the Hugging Face hub, with its column of speakers",
            "sercl fit --data HuggingFace --data.root ORGANISATION/DATASET --data.columns.speaker speaker_id",
        ),
        (
            "German to English without a single English label",
            "sercl fit --data LanguagePair --data.setting zero-shot --data.source EmoDB "
            "--data.source.root emodb --data.target RAVDESS --data.target.root ravdess",
        ),
    ),
    more=(
        "--help-all lists every option; --data.help NAME those of one corpus; --print_config the whole YAML."
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
            ("--ckpt FILE", "Checkpoint that `sercl fit` wrote; it brings the model"),
            ("-c, --config FILE", "YAML with data and trainer options, such as a run's config.yaml"),
            ("--data NAME", "Corpus (`sercl corpus list`), Manifest, HuggingFace, or LanguagePair"),
            ("--data.root DIR", "Where the corpus lies"),
            (
                "--data.folds.scheme NAME",
                "speaker, loso, official, paper or csv; --data.folds.index N picks one. With neither, `sercl "
                "test` scores the whole of a corpus that was not in training",
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
        "Find the layer of a frozen encoder from which emotion is recognised best. It runs on each utterance "
        "once; a small probe is trained on every hidden state, in every fold, with several seeds. It writes "
        "a table, a figure, and the line that makes `sercl fit` use the best layer."
    ),
    options=(
        (
            "--encoder NAME",
            "Preset (whisper-base, wavlm-large, ...), hub id, or folder; also --model.encoder",
        ),
        ("--model.whisper_form F", "padded (30 s, default) or short: much faster on clips of a few seconds"),
        ("-c, --config FILE", "YAML with any of the options; that of `sercl fit` will do"),
        ("--data NAME", "Corpus (`sercl corpus list`), Manifest, HuggingFace, or LanguagePair"),
        ("--data.root DIR", "Where the corpus lies"),
        ("--probe NAME", "mlp (default), linear, or paper: the recipe of arXiv 2409.16920"),
        ("--probe.targets LIST", "emotion (default), language, speaker, gender or any column, joined by ,"),
        ("--probe.settings LIST", "For a pair: monolingual, zero-shot, transfer, joined by ,"),
        ("--probe.seeds LIST", "One probe per seed, such as 0,1,2"),
        ("--features.dir DIR", "Where hidden states are kept; --no-cache keeps none"),
        ("--features.precision P", "fp32 (default), bf16 or fp16, of the encoder's forward pass"),
        ("--out DIR", "Folder of the results; --resume continues it, --overwrite replaces it"),
        ("--json", "Print the results as JSON"),
    ),
    examples=(
        ("Where emotion is", "sercl layer-probe --encoder whisper-base --data EmoDB --data.root emodb"),
        (
            "Where emotion is, and where the voice",
            "sercl layer-probe --encoder wavlm-base-plus --data EmoDB --data.root emodb "
            "--probe.targets emotion,speaker,gender",
        ),
        (
            "Across languages: does the same layer carry over?",
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
        "What is finished stays: the same command continues a study that was stopped, "
        "and after a change runs only what it touches. It ends in a report with intervals and paired tests."
    ),
    options=(
        ("-c, --config FILE", "The study; configs/paper/study.yaml is one to start from"),
        ("--out DIR", "Folder of the study: results, report, and what makes it continue"),
        ("--dry-run", "Show the cells, what of them is there, and how long the rest will take; run nothing"),
        ("--jobs N", "Trainings side by side, each with its share of cores and GPUs (1)"),
        ("--launcher local|slurm|ray", "Where trainings run (local)"),
        ("--study.KEY VALUE", "Any key of the study, such as --study.folds [0]"),
        ("--model.KEY VALUE", "What holds for every model, as for `sercl fit`"),
        ("--trainer.KEY VALUE", "How adapters are trained, as for `sercl fit`"),
        ("--features.dir DIR", "Where hidden states of frozen encoders are kept; --no-cache keeps none"),
        ("--json", "Print the study as JSON"),
    ),
    examples=(
        ("What would run?", "sercl cross-eval -c study.yaml --out study --dry-run"),
        ("Run it, or continue it", "sercl cross-eval -c study.yaml --out study --jobs 2"),
        ("Write the report again", "sercl cross-eval report study"),
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
        "Work out the scores, intervals and paired tests of a study from study.json and predictions.parquet "
        "in its folder, and write the report there."
    ),
    arguments=(("DIR", "Folder of the study: the --out of `sercl cross-eval`"),),
    options=(
        (
            "--format NAME ...",
            "html, md, tex, csv; svg and pdf are figures; several, with spaces between (all)",
        ),
        ("--quiet", "Write the files, print only their names"),
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
        "Put two runs side by side: the options that differ, the scores with their intervals, and a paired "
        "test on the utterances that both tested."
    ),
    arguments=(
        ("RUN_A", "Folder of `sercl fit`, of `sercl test` with --out, or of `sercl cross-eval`"),
        ("RUN_B", "Another one of the same kind and classes; a positive difference is in its favour"),
    ),
    options=(("--json", "Print JSON instead of tables"), ("-h, --help", "This page")),
    examples=(
        ("Does the adapter help?", "sercl compare checkpoints/frozen checkpoints/lora"),
        ("For another program", "sercl compare checkpoints/frozen checkpoints/lora --json"),
    ),
)

PREDICT = ShortPage(
    usage="sercl predict CHECKPOINT FILE|DIR|PATTERN... [OPTIONS]",
    summary=(
        "Predict the emotion of each recording, with the probability of every class. A file that cannot "
        "be read "
        "is reported and left out; the exit code is then 1. A recording is taken as one utterance; for long "
        "ones, `sercl diarize` labels emotions over time."
    ),
    arguments=(
        ("CHECKPOINT", "A file that `sercl fit` wrote, such as checkpoints/RUN/best.ckpt"),
        ("FILE|DIR|PATTERN", "Audio files, folders of them, or patterns in quotes such as 'talks/**/*.flac'"),
    ),
    options=(
        ("--format table|csv|json|jsonl", "What is written (table)"),
        ("--out FILE", "Write to a file, whole or not at all, instead of standard output"),
        ("--recursive", "Take the folders below a folder, too"),
        ("--device NAME", "auto (a GPU where there is one), cpu, cuda, cuda:1, mps"),
        ("--batch_seconds S", "Most audio at once, in s; less needs less memory (60)"),
        ("--encoder NAME", "Folder of the encoder, if it has moved since training"),
        ("-h, --help", "This page"),
    ),
    examples=(
        ("A few files", "sercl predict checkpoints/RUN/best.ckpt a.wav b.mp3"),
        (
            "A folder, for a spreadsheet",
            "sercl predict checkpoints/RUN/best.ckpt talks/ --format csv --out talks.csv",
        ),
        ("Every emotion into another program", "sercl predict best.ckpt talks/ --format jsonl | jq .emotion"),
    ),
)

DIARIZE = ShortPage(
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
        ("--encoder NAME", "Folder of the encoder, if it has moved since training"),
        ("-h, --help", "This page"),
    ),
    examples=(
        ("Look at one recording", "sercl diarize checkpoints/RUN/best.ckpt talk.wav"),
        ("A page to listen to", "sercl diarize checkpoints/RUN/best.ckpt talks/ --html talks.html"),
        ("For Praat", "sercl diarize best.ckpt talks/ --format textgrid --out grids"),
    ),
)

DIARIZE_FIT = ShortPage(
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

DIARIZE_EVALUATE = ShortPage(
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
        ("--encoder NAME", "Folder of the encoder, if it has moved since training"),
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

DIARIZE_SCORE = ShortPage(
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

CORPUS = ShortPage(
    usage="sercl corpus list | inspect NAME --root DIR | manifest NAME --root DIR --out FILE",
    summary="List the known corpora, inspect one on disk, write its manifest.",
    arguments=(
        ("list", "The corpora that sercl reads by name"),
        ("inspect", "Counts, durations, bad and duplicate files, confounds, what each label scheme keeps"),
        ("manifest", "A table of the utterances, to edit or to bring back as the corpus Manifest"),
    ),
    options=(
        ("--root DIR", "Folder of the corpus; for Manifest, the file"),
        ("--options MAP", "Options of its reader, such as '{outtakes: true}' for PAVOQUE"),
        ("--columns.emotion COL", "Manifest: the emotion's column; .path, .speaker and so on alike"),
        ("--emotions MAP", "Manifest: what its labels mean, such as '{unklar: drop, Ärger: angry}'"),
        ("--figure FILE", "inspect: a picture (.png, .pdf, .svg)"),
        ("--out FILE", "inspect: folder for picture and JSON; manifest: .csv, .tsv, .jsonl or .parquet"),
        ("--json", "list, inspect: JSON instead of tables"),
        ("--on_error raise|skip", "manifest: what to do about missing files and bad labels"),
        ("-h, --help", "This page; after list, inspect or manifest, all about that one"),
    ),
    examples=(
        ("What sercl reads by name", "sercl corpus list"),
        ("Tables, and a picture in a folder", "sercl corpus inspect EmoDB --root emodb --out inspection"),
        ("Reader options", "sercl corpus inspect PAVOQUE --root pavoque --options '{outtakes: true}'"),
        ("A table to edit", "sercl corpus manifest EmoDB --root emodb --out emodb.csv"),
    ),
)

FEATURES = ShortPage(
    usage="sercl features info | prune [OPTIONS]",
    summary=(
        "Hidden states of frozen encoders are computed once and kept on disk. Show what is kept, or remove "
        "some of it; what is removed is computed again when it is needed."
    ),
    arguments=(
        ("info", "Encoders, utterances, size, last use, damaged files"),
        ("prune", "Remove what the options name"),
    ),
    options=(
        ("--dir DIR", "The store (--features.dir of other commands); by default in the user's cache"),
        ("--verify", "info: read everything and compare it with its checksums"),
        ("--older-than DAYS", "prune: what has not been used for so long"),
        ("--encoder NAME", "prune: what is of this encoder; with --older-than, what is both"),
        ("--damaged", "prune: damaged files, and leftovers of processes that were killed"),
        ("--all", "prune: everything"),
        ("--dry-run", "prune: only say what would be removed"),
        ("--json", "JSON instead of tables"),
        ("-h, --help", "This page"),
    ),
    examples=(
        ("What is there", "sercl features info"),
        ("Is all of it as it was written?", "sercl features info --verify"),
        ("What a month has not needed", "sercl features prune --older-than 30 --dry-run"),
    ),
)
