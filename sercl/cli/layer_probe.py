"""`sercl layer-probe`: which layer of a frozen encoder carries emotion."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sercl.cli.console import loading, progress, stdout
from sercl.cli.help import ShortPage, render
from sercl.errors import UsageError
from sercl.json_text import json_text

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


if TYPE_CHECKING:
    from sercl.cli.lightning import Cli
    from sercl.features.stored import StoredFeatures
    from sercl.studies.layer_probe.folds import LayerProbe, LayerProbeOptions
    from sercl.studies.layer_probe.results import ProbeResults
    from sercl.studies.layer_probe.task import ProbeTask

SHORT_FORMS = {"--encoder": "--model.encoder", "--probe": "--probe.preset"}
POOLINGS = ("mean", "mean+std")


def main() -> int:
    """Run `sercl layer-probe` with the words of the process."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        stdout.print(render(PAGE), crop=False)
        return 0
    sys.argv[1:] = spelled_out(sys.argv[1:])
    with loading():
        from sercl.cli.lightning import Cli
        from sercl.studies.layer_probe.folds import LayerProbeOptions

    run(Cli("layer-probe", options=("probe", LayerProbeOptions)))
    return 0


def spelled_out(words: Sequence[str]) -> list[str]:
    """Return the words with short forms of options in their long ones."""
    forms = {**SHORT_FORMS, "--help-all": "--help"}
    return [
        forms.get(name, name) + sign + value for name, sign, value in (word.partition("=") for word in words)
    ]


def run(cli: "Cli") -> "LayerProbe | None":
    """Probe what a parsed command line asks for, and show the results; only the first process does."""
    from sercl.cli.processes import is_first, restartable
    from sercl.cli.run_folder import check_still_there
    from sercl.studies.layer_probe.folds import LayerProbe, describe_folds, save
    from sercl.studies.training.results import environment

    begin = time.perf_counter()
    check(cli)
    with _claimed(cli) as folder:
        with restartable(cli.command):
            tasks, folds, features = prepare(cli, folder)
        if not is_first():
            return None
        results = tuple(train(cli, task, features) for task in tasks)
        probe = LayerProbe(
            name=cli.data.report.name,
            results=results,
            encoder=_describe_encoder(cli),
            data=describe_folds(folds, cli.data),
            environment=environment(cli.config["seed_everything"]),
            seconds=time.perf_counter() - begin,
        )
        check_still_there(folder)
        save(probe, folder)
        show(probe, folder, cli.config["json"])
        return probe


def check(cli: "Cli") -> None:
    """Refuse a model that a probe cannot read, and let it keep every hidden state."""
    model = cli.config["model"]
    if model["adapter"] != "none":
        raise UsageError(
            f"--model.adapter {model['adapter']}: layers are probed in the encoder as it was pre-trained. "
            "Leave it out, or set it to none."
        )
    if model["pooling"] not in POOLINGS:
        raise UsageError(f"--model.pooling {model['pooling']}: probes read {' or '.join(POOLINGS)}.")
    model["layer"] = "auto"  # a YAML of `sercl fit` may name one, which would cut the others off


@contextmanager
def _claimed(cli: "Cli") -> "Iterator[Path]":
    from sercl.cli.processes import is_first
    from sercl.cli.run_checks import check_resumed
    from sercl.cli.run_folder import CONFIG, probe_folder, run_folder

    config = cli.config
    folder = Path(config["out"] or probe_folder(config))
    if not is_first():
        yield folder
        return
    with run_folder(folder, config["resume"], config["overwrite"]):
        if config["resume"]:
            check_resumed(folder / CONFIG, cli.config_text())
        yield folder


def prepare(cli: "Cli", folder: Path) -> "tuple[list[ProbeTask], list[Any], StoredFeatures]":
    """Check the data, cut every fold, keep configuration and lists, and get the hidden states."""
    from sercl.cli.console import stage_progress
    from sercl.cli.fit import set_up
    from sercl.cli.processes import is_first
    from sercl.features.compute import features_of
    from sercl.studies.layer_probe.folds import cut_folds, probe_tasks

    cli.data.use_every_part()
    set_up(cli)
    folds = cut_folds(cli.data)
    tasks = probe_tasks(cli.data, folds, probe_options(cli))
    if is_first():
        _keep(cli, folds, folder)
    with stage_progress() as on_progress:
        features = features_of(
            cli.task.encoder,
            cli.data,
            cli.build_trainer(),
            pooling=cli.config["model"]["pooling"],
            config=cli.features,
            cache=cli.cache,
            on_progress=on_progress,
        )
    return tasks, folds, features


def probe_options(cli: "Cli") -> "LayerProbeOptions":
    """Return the options of the group `--probe`."""
    options: LayerProbeOptions = cli.built["probe"]
    return options


def _keep(cli: "Cli", folds: list[Any], folder: Path) -> None:
    from sercl.corpora.folds import save_fold
    from sercl.reports.data import folds_lines
    from sercl.studies.layer_probe.folds import describe_folds

    cli.save_config(folder / "config.yaml")
    for index, fold in enumerate(folds):
        place = folder / "folds" / f"fold{index}"
        for name, own in fold.items():
            save_fold(own, place if len(fold) == 1 else place / name)
    if not cli.config["json"]:
        encoder = cli.task.encoder
        stdout.print(folds_lines(describe_folds(folds, cli.data)))
        stdout.print(f"Encoder: {encoder.name} ({encoder.family}, {encoder.num_states} hidden states)")


def train(cli: "Cli", task: "ProbeTask", features: "StoredFeatures") -> "ProbeResults":
    """Train the probes of one question, with a progress bar."""
    from sercl.studies.layer_probe.study import epochs_of, probe_study

    options = probe_options(cli)
    config, layers = options.config(), options.layers
    count = len(layers) if layers is not None else len(features.space.states)
    total = epochs_of(task, config, count, options.control, options.weighted)
    with progress(f"probes: {task.target}, {task.setting}", total) as advance:
        return probe_study(
            features.stack(task.ids),
            task,
            config,
            layers=layers,
            control=options.control,
            weighted=options.weighted,
            device=cli.build_trainer().strategy.root_device,
            on_epochs=advance,
        )


def _describe_encoder(cli: "Cli") -> dict[str, Any]:
    encoder = cli.task.encoder
    return {
        "name": encoder.name,
        "family": encoder.family,
        "fingerprint": encoder.fingerprint,
        "blocks": len(encoder.blocks),
        "preprocessing": dict(encoder.preprocessing),
        "pooling": cli.config["model"]["pooling"],
        "precision": cli.features.precision,
    }


def show(probe: "LayerProbe", folder: Path, as_json: bool) -> None:
    """Draw the figure and print the tables, which say how to use the best layer for emotion."""
    from sercl.reports.probing import probe_table
    from sercl.reports.probing_figure import probe_figure
    from sercl.reports.probing_tables import write_layer_tables

    title = f"{probe.name}, {Path(probe.encoder['name']).name}"
    for suffix in ("png", "svg", "pdf"):
        probe_figure(probe.results, folder / f"layers.{suffix}", title)
    write_layer_tables(probe.results, folder, title)
    if as_json:
        print(json_text(probe.to_dict()))
        return
    for result in probe.results:
        stdout.print("", probe_table(result))
    stdout.print(
        f"\nFigure and tables are in {folder}: layers.png, .svg, .pdf, .md, .tex, .csv", soft_wrap=True
    )
