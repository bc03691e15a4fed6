"""The help pages of every command: description, most used options, examples."""

from sercl.cli.help import ShortPage

DEMO = ShortPage(
    "demo",
    usage="[COMMAND] [OPTIONS]",
    summary=(
        "Synthesise a small corpus in three languages with espeak-ng, train a classifier on German, "
        "test it on unseen speakers and, zero-shot, on Mandarin and English, predict some files, probe "
        "every layer of the encoder, label emotions over time in a recording, run a cross-lingual study over "
        "all three languages, and compare its models with simulated listeners."
    ),
    arguments=(("COMMAND", "fit, layer-probe, diarize, cross-eval or listen: show this one only"),),
    options=(
        "--out DIR",
        "--speakers N",
        "--sentences N",
    ),
    examples=(("Quick demo", "sercl demo"), ("Only which layer encodes emotion", "sercl demo layer-probe")),
)

COMPLETION = ShortPage(
    "completion",
    usage="SHELL",
    summary="Print a script that completes commands, options, names (corpora, encoders, adapters) and files.",
    arguments=(("SHELL", "bash, zsh or fish"),),
    options=("-h, --help",),
    examples=(
        ("bash", "sercl completion bash > ~/.local/share/bash-completion/completions/sercl"),
        ("zsh, into a folder of $fpath", 'sercl completion zsh > "${fpath[1]}/_sercl"'),
        ("fish", "sercl completion fish > ~/.config/fish/completions/sercl.fish"),
    ),
)

FIT = ShortPage(
    "fit",
    usage="--data CORPUS --data.root DIR [OPTIONS]",
    summary=(
        "Train an emotion classifier on a speech encoder, and evaluate it on the test part. Everything the "
        "run writes goes into one folder: checkpoint, configuration, fold lists, predictions, results."
    ),
    options=(
        "-c, --config FILE",
        "--data NAME",
        "--data.root DIR",
        "--data.folds.scheme NAME",
        "--data.folds.index N",
        "--data.where MAP",
        "--model.encoder NAME",
        "--model.whisper_form F",
        "--model.adapter NAME",
        "--model.layer LAYER",
        "--preprocess.trim NAME",
        "--preprocess.loudness NAME",
        "--trainer.max_epochs N",
        "--trainer.devices N",
        "--seeds LIST",
        "--final",
        "--jobs N",
        "--group_by LIST",
        "--out DIR",
    ),
    examples=(
        (
            "Frozen encoder, layer chosen on validation, speaker-disjoint folds",
            "sercl fit --data EmoDB --data.root emodb",
        ),
        (
            "All folds, scored together, and a model trained on everything",
            "sercl fit --data EmoDB --data.root emodb --data.folds.index all --final",
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
        name,
        usage="--ckpt FILE [--data CORPUS --data.root DIR] [OPTIONS]",
        summary=(
            f"Evaluate a checkpoint on the {part} part. Without --data and --config the data of the run that "
            "wrote the checkpoint are used (its config.yaml)."
        ),
        options=(
            "--ckpt FILE",
            "-c, --config FILE",
            "--data NAME",
            "--data.root DIR",
            (
                "--data.folds.scheme NAME",
                "As for `sercl fit`; --data.folds.index N picks one. With neither, `sercl test` tests on the "
                "whole of a corpus that was not in training",
            ),
            "--encoder NAME",
            "--out DIR",
            "--json",
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
    "layer-probe",
    usage="--encoder NAME --data CORPUS --data.root DIR [OPTIONS]",
    summary=(
        "Find the layer of a frozen encoder from which emotion is recognised best. The encoder runs "
        "once on each utterance; a small probe is trained on every hidden state, in every fold. "
        "The results are a table, a figure, and the option that makes `sercl fit` use "
        "the best layer."
    ),
    options=(
        "--encoder NAME",
        "--model.whisper_form F",
        "-c, --config FILE",
        "--data NAME",
        "--data.root DIR",
        "--probe NAME",
        "--probe.targets LIST",
        "--probe.settings LIST",
        "--probe.c LIST",
        "--group_by LIST",
        "--features.dir DIR",
        "--features.precision P",
        "--no-cache",
        "--out DIR",
        "--json",
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
    "cross-eval",
    usage="-c STUDY.yaml --out DIR [OPTIONS]",
    summary=(
        "Run a whole cross-lingual study from one file: encoders, corpora, settings, adapters, folds, seeds. "
        "Finished cells are kept: the same command continues a stopped study, and after a change runs "
        "only what the change affects. The result is a report with intervals and paired tests."
    ),
    options=(
        "-c, --config FILE",
        "--out DIR",
        "--dry-run",
        "--jobs N",
        "--launcher local|slurm|ray",
        ("--study.KEY VALUE", "Any key of the study, such as --study.folds [0]"),
        ("--model.KEY VALUE", "Options of every model, as for `sercl fit`"),
        ("--trainer.KEY VALUE", "How adapters are trained, as for `sercl fit`"),
        "--group_by LIST",
        "--features.dir DIR",
        "--no-cache",
        "--json",
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
    "cross-eval report",
    usage="DIR [--format NAME ...] [OPTIONS]",
    summary=(
        "Compute the scores, intervals and paired tests of a study from study.json and "
        "predictions.parquet in its folder, and write the report there."
    ),
    arguments=(("DIR", "Folder of the study: the --out of `sercl cross-eval`"),),
    options=(
        "--format NAME ...",
        "--group_by NAME ...",
        "--quiet",
        "-h, --help",
    ),
    examples=(
        ("All formats", "sercl cross-eval report study"),
        ("With scores of genders and dialects", "sercl cross-eval report study --group_by gender dialect"),
        ("Tables and figures for a paper", "sercl cross-eval report study --format tex csv pdf"),
    ),
)

COMPARE = ShortPage(
    "compare",
    usage="RUN_A [RUN_B] [OPTIONS]",
    summary=(
        "Compare two runs: the options that differ, the scores with their intervals, and a paired test "
        "on the utterances that both were tested on. With --group_by, also group by group; or the groups of "
        "one run with each other."
    ),
    arguments=(
        ("RUN_A", "Folder of `sercl fit`, `layer-probe` or `cross-eval`, or of `sercl test` with --out"),
        (
            "RUN_B",
            "Another of the same kind and classes; a positive difference means that it is better",
        ),
    ),
    options=(
        "--group_by NAME ...",
        "--json",
        "-h, --help",
    ),
    examples=(
        ("Does the adapter help?", "sercl compare checkpoints/frozen checkpoints/lora"),
        ("Does a run score women and men alike?", "sercl compare checkpoints/frozen --group_by gender"),
        ("Machine-readable output", "sercl compare checkpoints/frozen checkpoints/lora --json"),
    ),
)

PREDICT = ShortPage(
    "predict",
    usage="[CHECKPOINT] FILE|DIR|PATTERN... [OPTIONS]",
    summary=(
        "Predict the emotion of each recording, with the probability of every class. Unreadable files "
        "are reported and skipped; the exit code is then 1. Each recording is treated as one utterance; "
        "for long ones, `sercl diarize` labels emotions over time."
    ),
    arguments=(
        (
            "CHECKPOINT",
            "A file that `sercl fit` wrote, such as checkpoints/RUN/best.ckpt, or a run of all folds. A "
            "first argument that is neither is audio, and the starter model (German acted speech) is used",
        ),
        ("FILE|DIR|PATTERN", "Audio files, folders of them, or patterns in quotes such as 'talks/**/*.flac'"),
    ),
    options=(
        "--format",
        "--out FILE",
        "--recursive",
        "--device NAME",
        "--devices N",
        "--precision P",
        "--batch_seconds S",
        "--encoder NAME",
        "-h, --help",
    ),
    examples=(
        ("Without training anything", "sercl predict a.wav"),
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
    "diarize",
    usage="CHECKPOINT FILE|DIR|PATTERN... [OPTIONS]  |  fit | evaluate | score",
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
        "--format",
        "--out FILE",
        "--plot FILE",
        "--html FILE",
        "--audio",
        "--smoothing",
        "--median_seconds S",
        "--switch_penalty P",
        "--min_seconds S",
        "--threshold P",
        "--vad",
        "--recursive",
        "--device NAME",
        "--devices N",
        "--precision P",
        "--encoder NAME",
        "-h, --help",
    ),
    examples=(
        ("Show one recording in the terminal", "sercl diarize checkpoints/RUN/best.ckpt talk.wav"),
        ("An HTML page with playback", "sercl diarize checkpoints/RUN/best.ckpt talks/ --html talks.html"),
        ("For Praat", "sercl diarize best.ckpt talks/ --format textgrid --out grids"),
    ),
)

DIARIZE_FIT = ShortPage(
    "diarize fit",
    usage="--data CORPUS --data.root DIR [--data CORPUS2 --data.root DIR2] [OPTIONS]",
    summary=(
        "Train a frame-level classifier on clips in which the emotion changes. Clips are built from the "
        "utterances of corpora, one speaker each; test speakers are not seen in training. The epoch "
        "with the lowest EDER on validation clips is saved."
    ),
    options=(
        "-c, --config FILE",
        "--data NAME",
        "--data.root DIR",
        "--data.clips.patterns MAP",
        "--data.clips.per_epoch N",
        "--model.encoder NAME",
        "--model.whisper_form F",
        "--model.adapter NAME",
        "--model.context NAME",
        "--trainer.max_epochs N",
        "--group_by LIST",
        "--out DIR",
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
    "diarize evaluate",
    usage="CHECKPOINT... [--data CORPUS --data.root DIR] [OPTIONS]",
    summary=(
        "Evaluate a diarizer: EDER with its components and intervals over speakers, compared with an "
        "all-neutral baseline. A corpus with segments (ZED, or a manifest with the column `segments`) "
        "is used whole; for others, clips are built from the test part. Without --data, the test clips "
        "of the checkpoint's own run are used. Several checkpoints (the folds of one setting) are each "
        "evaluated on their own test clips, and results are pooled in one table."
    ),
    arguments=(("CHECKPOINT", "Files that `sercl diarize fit` wrote"),),
    options=(
        "--data NAME",
        "--data.root DIR",
        "-c, --config FILE",
        "--tune",
        "--baseline FILE...",
        "--baseline_window S",
        "--baseline_hop S",
        "--uncovered",
        "--group_by LIST",
        "--device NAME",
        "--encoder NAME",
        "--out DIR",
        "--json",
        "-h, --help",
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
    "diarize score",
    usage="--reference PATH --hypothesis PATH [OPTIONS]",
    summary=(
        "Compare segments of any tool with the reference: EDER with its components. PATH is a file or a "
        "folder of JSON, RTTM, TextGrid, Audacity labels or CSV; recordings are matched by name."
    ),
    options=(
        "--reference FILE",
        "--hypothesis FILE",
        "--durations FILE",
        "--labels NAME",
        "--uncovered",
        "--json",
        "-h, --help",
    ),
    examples=(
        ("Two files", "sercl diarize score --reference truth.rttm --hypothesis found.json"),
        ("Two folders", "sercl diarize score --reference grids --hypothesis labels --json"),
    ),
)

LISTEN = ShortPage(
    "listen",
    usage="power | build | convert | serve | answers | monitor | backup | withdraw | import | compare ...",
    summary=(
        "Listening tests: have people judge what models judge, and compare both. Answers may come from "
        "webMUSHRA, pymushra, jsPsych or any table."
    ),
    arguments=(
        ("power", "How many listeners and items are needed to find a difference"),
        ("build", "Choose balanced stimuli, bring them to one level, write the test"),
        ("convert", "Write a test for webMUSHRA, or as a plain folder for other tools"),
        ("serve", "Offer a test to people in their browsers, and store their answers"),
        ("answers", "Export the answers so far as a table of ratings"),
        ("monitor", "Whether a running test can stop, or needs more listeners or items"),
        ("backup", "Copy the answers, also while the test runs, and verify the copy"),
        ("withdraw", "Remove the data of one person"),
        ("import", "Results of webMUSHRA, pymushra, jsPsych or any table -> a table of ratings or votes"),
        ("compare", "Scores, agreement, confusions; people against models; a report"),
    ),
    options=("-h, --help",),
    examples=(
        (
            "Stimuli that a model has not heard",
            "sercl listen build --data EmoDB --data.root emodb --unseen-by checkpoints/RUN --out german",
        ),
        ("The same test in webMUSHRA", "sercl listen convert german --to webmushra --out webmushra/german"),
        (
            "Read the results of a test",
            "sercl listen import lss.csv --items german/protocol.json --out ratings.parquet",
        ),
        ("Compare with a study", "sercl listen compare ratings.parquet --predictions study --groups native"),
    ),
)

LISTEN_BUILD = ShortPage(
    "listen build",
    usage="--data CORPUS --data.root DIR --out DIR [OPTIONS]",
    summary=(
        "Build a listening test: stimuli balanced over emotion, gender, speaker and sentence in each "
        "language and dialect, with silence trimmed, at one loudness, in files whose names give nothing "
        "away; with practice items, attention checks, repeats, and a protocol that has a hash of "
        "everything. The same seed gives the same files. --data may be repeated."
    ),
    options=(
        "--data NAME",
        "--data.root DIR",
        "--per_emotion N",
        "--unseen_by CKPT...",
        "--task choice|segments",
        "--part NAME",
        "--order NAME",
        "--practice N",
        "--attention N",
        "--repeats N",
        "--block_size N",
        "--min_seconds S",
        "--max_seconds S",
        "--languages LIST",
        "--preprocess.loudness NAME",
        "--seed N",
        "--out DIR",
        "--overwrite",
        "--json",
    ),
    examples=(
        (
            "12 stimuli of each emotion",
            "sercl listen build --data EmoDB --data.root emodb --out german",
        ),
        (
            "Two languages, which a model has not heard",
            "sercl listen build --data EmoDB --data.root emodb --data RAVDESS --data.root ravdess "
            "--unseen-by checkpoints/RUN --out two",
        ),
        (
            "Segments in recordings",
            "sercl listen build --data ZED --data.root ZED --task segments --out zed-test",
        ),
        (
            "Segments in clips that are built, in Latin-square order",
            "sercl listen build --data Diarization --data.corpora+=EmoDB --data.corpora.root emodb "
            "--task segments --order latin-square --out clips",
        ),
    ),
    more="--help-all lists every option.",
)

LISTEN_CONVERT = ShortPage(
    "listen convert",
    usage="TEST --to webmushra|folder --out DIR [OPTIONS]",
    summary=(
        "Write a test that `sercl listen build` has built for webMUSHRA (one configuration per language), or "
        "as a plain folder: a table of stimuli, a table of orders, and timelines of jsPsych."
    ),
    arguments=(("TEST", "Folder of the test"),),
    options=("--to", "--out DIR", "--orders N", "-h, --help"),
    examples=(
        ("webMUSHRA", "sercl listen convert german --to webmushra --out webmushra/german"),
        (
            "Orders and timelines for 48 listeners",
            "sercl listen convert german --to folder --orders 48 --out plain/german",
        ),
    ),
)

LISTEN_SERVE = ShortPage(
    "listen serve",
    usage="TEST [OPTIONS]",
    summary=(
        "Offer a test that `sercl listen build` has built to people in their browsers. Each answer is on "
        "disk before the page goes on; whoever closes the browser goes on later by the same link. Nothing "
        "is loaded from other servers. Several languages, keyboard and screen readers, phones."
    ),
    arguments=(("TEST", "Folder of the test"),),
    options=(
        "--host",
        "--port N",
        "--url URL",
        "--links N",
        "--open_places N",
        "--answers DIR",
        "--questionnaire FILE",
        "--texts DIR",
        "--headphones",
        "--days N",
        "-h, --help",
    ),
    examples=(
        ("20 links, each for one person", "sercl listen serve german --links 20"),
        (
            "Behind a reverse proxy, one link for 100 people",
            "sercl listen serve german --url https://lab.example.org/german --open-places 100",
        ),
    ),
)

LISTEN_ANSWERS = ShortPage(
    "listen answers",
    usage="TEST --out FILE [OPTIONS]",
    summary="Export the answers so far as a table of ratings, at any time, also while the test is served.",
    arguments=(("TEST", "Folder of the test"),),
    options=("--out FILE", "--answers DIR", "-h, --help"),
    examples=(("All answers so far", "sercl listen answers german --out ratings.parquet"),),
)

LISTEN_BACKUP = ShortPage(
    "listen backup",
    usage="TEST --out DIR [OPTIONS]",
    summary="Copy the answers into a new folder, also while the test is served, and verify the copy.",
    arguments=(("TEST", "Folder of the test"),),
    options=("--out DIR", "--answers DIR", "-h, --help"),
    examples=(("A copy", "sercl listen backup german --out backups/monday"),),
)

LISTEN_WITHDRAW = ShortPage(
    "listen withdraw",
    usage="TEST TOKEN [OPTIONS]",
    summary=(
        "Remove everything that is known of one person; what the others answered stays valid. While the test "
        "is served, use the administrator's page."
    ),
    arguments=(("TEST", "Folder of the test"), ("TOKEN", "Of the person's link, or the link")),
    options=("--answers DIR", "-h, --help"),
    examples=(("One person", "sercl listen withdraw german Zk3vXw0b2sJq8rT1uYpA9g"),),
)

LISTEN_POWER = ShortPage(
    "listen power",
    usage="[OPTIONS]",
    summary=(
        "How many listeners and items a listening test needs to find a difference: between groups, a native "
        "advantage, what a dialect costs, listeners against a model, or their equivalence. By simulated "
        "listeners, analysed by the test of `sercl listen compare`."
    ),
    options=(
        "--test NAME",
        "--difference P",
        "--uar P",
        "--margin P",
        "--listeners LIST",
        "--items LIST",
        "--heard N",
        "--units NAME",
        "--speakers N",
        "--pilot FILE",
        "--groups COLUMN",
        "--spread.listener SD",
        "--spread.item SD",
        "--spread.speaker SD",
        "--spread.item_by_judge SD",
        "--spread.listener_by_items SD",
        "--alpha P",
        "--power P",
        "--figure FILE",
        "--simulations N",
        "--seed N",
        "--json",
        "-h, --help",
    ),
    examples=(
        ("Two groups, 10 points apart", "sercl listen power --test groups --difference 0.1"),
        (
            "As much as the listeners of a pilot differ",
            "sercl listen power --test dialect --difference 0.08 --pilot ratings.parquet --groups native",
        ),
        (
            "Are listeners and a model equal within 5 points?",
            "sercl listen power --test equivalence --margin 0.05 --uar 0.9 --items [96,192,384]",
        ),
    ),
)

LISTEN_MONITOR = ShortPage(
    "listen monitor",
    usage="TEST|RATINGS [OPTIONS]",
    summary=(
        "Whether a running listening test can stop, or needs more listeners or items: until intervals are "
        "narrow enough, two groups are known to differ or to be equal, or listeners and models are. The "
        "intervals hold at all times, so that looking after each listener does not cheat."
    ),
    arguments=(("TEST", "Folder of a test that is served, or a table of ratings"),),
    options=(
        "--groups COLUMN",
        "--width P",
        "--between LIST",
        "--predictions DIR...",
        "--margin P",
        "--expected N",
        "--these_items BOOL",
        "--answers DIR",
        "--json",
        "-h, --help",
    ),
    examples=(
        ("Until intervals are 10 points wide", "sercl listen monitor german --groups native --width 0.1"),
        (
            "Until two groups are known to differ, or to be equal within 5 points",
            "sercl listen monitor german --groups native --between [de,zh] --margin 0.05",
        ),
        ("Listeners against a model", "sercl listen monitor ratings.parquet --predictions runs/emodb"),
    ),
)

CORPUS = ShortPage(
    "corpus",
    usage="list | inspect NAME --root DIR | inspect -c FILE | manifest NAME --root DIR --out FILE",
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
        "--root DIR",
        "-c, --config FILE",
        "--options MAP",
        "--columns.emotion COL",
        "--emotions MAP",
        "--where MAP",
        "--figure FILE",
        "--out FILE",
        "--json",
        "--on_error",
        ("-h, --help", "This page; after list, inspect or manifest, its full help"),
    ),
    examples=(
        ("List the corpora that sercl reads by name", "sercl corpus list"),
        ("Tables, and a figure in a folder", "sercl corpus inspect EmoDB --root emodb --out inspection"),
        ("Reader options", "sercl corpus inspect PAVOQUE --root pavoque --options '{outtakes: true}'"),
        ("Several corpora as one", "sercl corpus inspect -c corpora.yaml"),
        ("A table to edit", "sercl corpus manifest EmoDB --root emodb --out emodb.csv"),
    ),
)

FEATURES = ShortPage(
    "features",
    usage="info | prune [OPTIONS]",
    summary=(
        "Hidden states of frozen encoders are computed once and stored on disk. Show what is stored, or "
        "remove some of it; removed states are computed again when needed."
    ),
    arguments=(
        ("info", "Encoders, utterances, size, last use, damaged files"),
        ("prune", "Remove what the options select"),
    ),
    options=(
        "--dir DIR",
        "--verify",
        "--older-than DAYS",
        "--encoder NAME",
        "--damaged",
        "--all",
        "--dry-run",
        "--json",
        "-h, --help",
    ),
    examples=(
        ("Show what is stored", "sercl features info"),
        ("Verify all files", "sercl features info --verify"),
        ("Remove states not used for a month", "sercl features prune --older-than 30 --dry-run"),
    ),
)

LISTEN_IMPORT = ShortPage(
    "listen import",
    usage="FILE... [--items FILE] [--out FILE] [OPTIONS]",
    summary=(
        "Read results of listening tests (webMUSHRA, pymushra, jsPsych, any table) as one table of ratings, "
        "or of votes where single listeners are not known. Rows that cannot be used are listed with their "
        "line; exclusion rules report on every listener."
    ),
    arguments=(("FILE", "lss.csv or lms.csv of webMUSHRA, CSV or JSON of others; several of one kind"),),
    options=(
        "--items FILE",
        "--out FILE",
        "--format NAME",
        "--columns MAP",
        "--answers MAP",
        "--choices LIST",
        "--scales LIST",
        "--raters N",
        "--exclude.failed_checks N",
        "--exclude.min_seconds S",
        "--exclude.fast_share P",
        "--exclude.min_answered P",
        "--exclude.same_in_a_row N",
        "--exclude.min_consistency P",
        "--rules FILE",
        "--on_error",
        "--json",
        "-h, --help",
    ),
    examples=(
        ("webMUSHRA", "sercl listen import results/test/lss.csv --items protocol.json"),
        (
            "A table of your own",
            "sercl listen import answers.csv --columns '{item: file, answer: resp}'",
        ),
        (
            "With rules that exclude listeners",
            "sercl listen import lss.csv --items protocol.json --exclude.failed_checks 1 "
            "--exclude.min_answered 0.9",
        ),
    ),
)

LISTEN_COMPARE = ShortPage(
    "listen compare",
    usage="RATINGS [--predictions DIR...] [--reference FILE...] [--hypothesis FILE...] [OPTIONS]",
    summary=(
        "Score listeners by group, language and dialect, with intervals over listeners and items, and "
        "compare them with models on the same items: differences, equivalence, error consistency, how many "
        "listeners a model is worth, confusions, soft labels, mixed models. Parts that they have marked are "
        "compared with known boundaries, each other, and models (EDER). Each claim of the study is tested."
    ),
    arguments=(("RATINGS", "Table that `sercl listen import` wrote, of ratings or votes"),),
    options=(
        "--predictions DIR...",
        "--reference FILE...",
        "--hypothesis FILE...",
        "--tolerance S",
        "--groups COLUMN",
        "--standard NAME",
        "--units NAME",
        "--margin P",
        "--eder_margin P",
        "--mixed_models BOOL",
        "--resamples N",
        "--seed N",
        "--claims",
        "--out DIR",
        "--json",
        "-h, --help",
    ),
    examples=(
        ("Listeners alone", "sercl listen compare ratings.parquet --groups native"),
        (
            "Against a run and a study, with a report",
            "sercl listen compare ratings.parquet --predictions runs/emodb study --groups native "
            "--out report",
        ),
        (
            "Marked parts, against known boundaries and a model",
            "sercl listen compare ratings.parquet --reference zed-test/protocol.json --hypothesis found.json",
        ),
        ("Only the claims of the study", "sercl listen compare ratings.parquet --predictions study --claims"),
    ),
)
