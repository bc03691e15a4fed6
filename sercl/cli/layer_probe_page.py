"""The short help page of `sercl layer-probe`; a test holds every flag on it against the real parser."""

from sercl.cli.help import ShortPage

PAGE = ShortPage(
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
