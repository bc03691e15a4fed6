"""`sercl listen build`: choose the stimuli of a listening test, and write it."""

import dataclasses
import sys
from collections.abc import Sequence
from typing import Any

from sercl.audio.preprocess import BS1770, PreprocessConfig
from sercl.cli.console import stage_progress, stdout
from sercl.cli.help import JSON_HELP
from sercl.cli.listen.words import with_corpora
from sercl.cli.parser import SerclParser, help_of, restrict_imports
from sercl.data import datamodules
from sercl.data.datamodules.base import Memories
from sercl.errors import UsageError
from sercl.features.config import default_folder
from sercl.files import at_home
from sercl.json_text import json_text
from sercl.listening.build import BuildOptions, build
from sercl.reports.listening.build import build_report


def main() -> int:
    """Run `sercl listen build` with the arguments of the process."""
    words = sys.argv[1:]
    parser = build_parser()
    options = parser.parse_args(with_corpora(words))
    if options.data is None:
        raise UsageError("--data is missing: the corpus that stimuli are taken from, with --data.root DIR.")
    if options.out is None:
        raise UsageError("--out is missing: the folder of the test.")
    check_effects(words, options)
    built = parser.instantiate_classes(options)
    data: datamodules.EmotionDataModule = built["data"]
    check_clips(words, data)
    folder = at_home(options.out)
    with stage_progress() as on_progress:
        data.on_progress = on_progress
        if not options.no_cache:
            data.memories = Memories.stored_in(default_folder())
        done = build(data, options_of(built), built["preprocess"], folder, options.overwrite)
    if options.json:
        print(json_text({"hash": done.protocol.hash, **done.report}))
    else:
        stdout.print(build_report(done.protocol, done.report, folder))
    return 0


def options_of(parsed: Any) -> BuildOptions:
    """Return the options of the test from a parsed command line."""
    return BuildOptions(**{field.name: parsed[field.name] for field in dataclasses.fields(BuildOptions)})


def check_effects(words: Sequence[str], options: Any) -> None:
    """Raise `UsageError` for folds of which no part is used."""
    given = [word.partition("=")[0].replace("-", "_") for word in words if word.startswith("--data")]
    folds = [word for word in given if ".folds." in word]
    if folds and options.part == BuildOptions.part:
        raise UsageError(
            f"{folds[0].replace('__', '--')}: has no effect on the whole corpus. Give --part test, or leave "
            "it out."
        )


def check_clips(words: Sequence[str], data: datamodules.EmotionDataModule) -> None:
    """Raise `UsageError` for silence that is to be trimmed of clips, which are built of trimmed pieces."""
    if isinstance(data, datamodules.Diarization) and any(
        word.startswith("--preprocess.trim") for word in words
    ):
        raise UsageError(
            "--preprocess.trim: has no effect on clips, whose pieces are trimmed. See --data.clips.voice."
        )


def build_parser() -> SerclParser:
    """Return the parser of the command."""
    restrict_imports()
    datamodules.make_all()
    parser = SerclParser(prog="sercl listen build")
    parser.add_argument("-c", "--config", action="config", help="YAML with any of the options.")
    parser.add_subclass_arguments(
        datamodules.EmotionDataModule,
        "data",
        required=False,
        help="Corpus, Manifest, Corpora, LanguagePair or Diarization.",
    )
    parser.add_class_arguments(BuildOptions, skip={"unseen_by"})
    parser.add_argument("--unseen_by", nargs="+", default=[], help=help_of(BuildOptions)["unseen_by"])
    parser.add_class_arguments(PreprocessConfig, "preprocess")
    parser.set_defaults({"preprocess.loudness": BS1770})
    parser.add_argument("--out", type=str | None, default=None, help="Folder of the test.")
    parser.add_argument("--overwrite", action="store_true", help="Replace the test in --out.")
    parser.add_argument("--no-cache", action="store_true", help="Check all audio again, and cache nothing.")
    parser.add_argument("--json", action="store_true", help=JSON_HELP)
    return parser
