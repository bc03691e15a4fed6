"""The short help page of `sercl cross-eval`; a test holds every flag on it against the real parser."""

from sercl.cli.help import ShortPage

PAGE = ShortPage(
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
