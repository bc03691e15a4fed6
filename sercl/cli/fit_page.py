"""The short help page of `sercl fit`; a test holds every flag on it against the real parser."""

from sercl.cli.help import ShortPage

PAGE = ShortPage(
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
