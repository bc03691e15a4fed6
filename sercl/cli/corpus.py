"""`sercl corpus list | inspect | manifest`."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sercl.cli.console import progress, stderr, stdout
from sercl.cli.parser import SerclParser
from sercl.corpora.manifest import ManifestColumns
from sercl.corpora.where import Where, selection_of
from sercl.counting import count
from sercl.errors import CorpusError, UnknownNameError, UsageError
from sercl.json_text import json_text

if TYPE_CHECKING:
    from sercl.corpora.base import Listing, Problem

MANIFEST = "Manifest"
SHOWN = 5
"""Problems listed in an error message."""

_NAME_HELP = "Corpus name, as in `sercl corpus list`; or Manifest, with --root FILE."
_CONFIG_HELP = "The data of a YAML of `sercl fit`, such as Corpora, in place of NAME and its options."
_JSON_HELP = "Print JSON instead of tables."

Option = str | bool | int | float | None


def main() -> int:
    """Run the action named by the first word of `sys.argv` after the program's name."""
    words = sys.argv[1:]
    if words[0] not in _ACTIONS:
        raise UnknownNameError("corpus action", words[0], _ACTIONS, "`sercl corpus --help` says more.")
    parser = build_parser(words[0])
    _ACTIONS[words[0]](**parser.instantiate(parser.parse_args(words[1:])).as_dict())
    return 0


def list_corpora(json: bool = False) -> None:
    """List the corpora that sercl reads by name."""
    from dataclasses import asdict

    from sercl.corpora.registry import CORPORA
    from sercl.reports.corpus import corpora_table

    packages = {name: str(CORPORA.plugin(name) or "") for name in CORPORA}
    if json:
        print(
            _dumps([{**asdict(CORPORA[name].info), "package": packages[name] or None} for name in packages])
        )
        return
    stdout.print(corpora_table([CORPORA[name].info for name in packages], packages))
    stdout.print(
        f"Any other corpus: {MANIFEST}, a CSV, TSV, JSONL or Parquet file with `path` and `emotion`."
    )


def inspect_corpus(
    name: str | None = None,
    root: Path | None = None,
    options: dict[str, Option] | None = None,
    columns: ManifestColumns = ManifestColumns(),
    emotions: dict[str, str] | None = None,
    where: Where | None = None,
    figure: Path | None = None,
    out: Path | None = None,
    config: Path | None = None,
    json: bool = False,
) -> None:
    """Inspect a corpus: counts, durations, bad and duplicate files, confounds, and coverage by label schemes.

    Args:
        name: Corpus name, or Manifest.
        root: Folder of the corpus; for Manifest, the file.
        options: Options of the corpus's reader, such as `{outtakes: true}` for PAVOQUE.
        columns: Of a manifest: names of its columns, if they differ from the standard names.
        emotions: Of a manifest: label -> emotion name or `drop`, for labels that sercl does not know.
        where: Use only utterances such as `{dialect: bavarian}`. A column and its value, a list of values,
            null for unknown, or `"!x"` for all but x.
        figure: File for a figure (.png, .pdf, .svg).
        out: Folder for `inspection.png` and `inspection.json`.
        config: The data of a YAML of `sercl fit`, such as Corpora, in place of `name` and its options.
        json: Print JSON instead of tables.

    Raises:
        UnknownNameError: For an unknown corpus, reader option or picture format.
        UsageError: For neither a corpus nor a configuration, or both; or data that are not of corpora.
        CorpusError: If the corpus cannot be read.
        OutputError: If a file cannot be written.
    """
    from sercl.audio.scan_cache import OptionalScanCache
    from sercl.cli.run_folder import make_folder
    from sercl.corpora.registry import CORPORA
    from sercl.features.config import default_folder
    from sercl.files import write_text
    from sercl.reports.corpus import inspection_figure, inspection_report
    from sercl.reports.rendering import check_picture
    from sercl.studies.corpus_inspection import inspect

    pictures = [path for path in (figure, out and out / "inspection.png") if path is not None]
    for path in pictures:
        check_picture(path)  # checked before the corpus is decoded, which may take minutes
        make_folder(path.parent)
    title, listing = _named_or_configured(name, root, options, columns, emotions, where, config)
    maps_labels = str(name).lower() == MANIFEST.lower()
    if not listing.utterances:
        raise CorpusError(_nothing(title, listing.problems, maps_labels))
    with progress(f"Decoding {title}", len(listing.utterances)) as advance:
        memory = OptionalScanCache(default_folder())
        inspection = inspect(listing, title, on_progress=advance, memory=memory)
    if json:
        print(_dumps(inspection.to_dict()))
    else:
        known = CORPORA[title].info.notes if title in CORPORA else ()
        stdout.print(inspection_report(inspection, known, maps_labels))
    if out is not None:
        write_text(out / "inspection.json", _dumps(inspection.to_dict()) + "\n")
    for path in pictures:
        inspection_figure(inspection, path)
        stderr.print(f"Picture: {path}", soft_wrap=True)


def write_corpus_manifest(
    name: str,
    root: Path,
    out: Path,
    options: dict[str, Option] | None = None,
    columns: ManifestColumns = ManifestColumns(),
    emotions: dict[str, str] | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    where: Where | None = None,
) -> None:
    """Write the utterances of a corpus as a manifest, to edit or to read with other tools.

    Args:
        name: Corpus name, or Manifest.
        root: Folder of the corpus; for Manifest, the file.
        out: File to write, of the format of its suffix: .csv, .tsv, .jsonl or .parquet.
        options: Options of the corpus's reader, such as `{outtakes: true}` for PAVOQUE.
        columns: Of a manifest: names of its columns, if they differ from the standard names.
        emotions: Of a manifest: label -> emotion name or `drop`, for labels that sercl does not know.
        on_error: What to do about missing files and bad labels: `raise`, or `skip` and count them.
        where: Use only utterances such as `{dialect: bavarian}`. A column and its value, a list of values,
            null for unknown, or `"!x"` for all but x.

    Raises:
        CorpusError: If there are problems and `on_error` is "raise".
    """
    from sercl.corpora.manifest import write_manifest

    if out.is_file() and out.stat().st_size:
        # Manifests are written to be edited: even an earlier one may hold work that is nowhere else.
        raise UsageError(f"--out {out}: exists and would be lost. Give another name, or remove it.")
    title, listing = read_listing(name, root, options or {}, columns, emotions, where)
    costly = [problem for problem in listing.problems if problem.costs_an_utterance]
    if costly and on_error == "raise":
        all_bad = not listing.utterances
        raise CorpusError(_problem_message(title, costly, name.lower() == MANIFEST.lower(), all_bad))
    write_manifest(listing.utterances, out)
    skipped = f", {count(len(costly), 'problem')} skipped" if costly else ""
    dropped = f", {sum(listing.dropped.values())} dropped on request" if listing.dropped else ""
    dropped += f", {listing.not_selected} not selected" if listing.not_selected else ""
    written = count(len(listing.utterances), "utterance")
    stdout.print(f"{out}: {written} of {title}{skipped}{dropped}", soft_wrap=True)
    for note in (*listing.notes, *([listing.unlisted.note] if listing.unlisted else [])):
        stderr.print(f"Note: {note}", soft_wrap=True)


def _named_or_configured(
    name: str | None,
    root: Path | None,
    options: dict[str, Option] | None,
    columns: ManifestColumns,
    emotions: dict[str, str] | None,
    where: Where | None,
    config: Path | None,
) -> "tuple[str, Listing]":
    if config is not None:
        if any((name, root, options, columns.named, emotions, where)):
            raise UsageError("-c: the configuration names the data. Leave NAME and its options out.")
        return configured_listing(config)
    if name is None or root is None:
        missing = "a corpus" if name is None else f"the root of {name}"
        given = "NAME" if name is None else name
        raise UsageError(f"{missing} is missing: give {given} --root DIR, or -c FILE, a YAML of `sercl fit`.")
    return read_listing(name, root, options or {}, columns, emotions, where)


def configured_listing(path: Path) -> "tuple[str, Listing]":
    """Return the name to show and the listing of the data in a YAML of `sercl fit`.

    Raises:
        UsageError: For a YAML without data, or data that are not of corpora.
        CorpusError: If a corpus cannot be read.
    """
    from sercl.cli.parser import restrict_imports
    from sercl.data import datamodules
    from sercl.data.datamodules.corpus import CorpusDataModule
    from sercl.documents import read_yaml

    content = read_yaml(path)
    if "data" not in content:
        raise UsageError(f"{path}: has no `data`. Give a YAML of `sercl fit`, or NAME --root DIR.")
    restrict_imports()
    datamodules.make_all()
    parser = SerclParser(prog="sercl corpus inspect")
    parser.add_argument("--config", action="config")
    parser.add_subclass_arguments(datamodules.EmotionDataModule, "data")
    parser.left_out = frozenset(content.keys() - {"data"})
    data = parser.instantiate_classes(parser.parse_args(["--config", str(path)]))["data"]
    if not isinstance(data, CorpusDataModule):
        raise UsageError(
            f"{path}: its data are {type(data).__name__}; one corpus or Corpora can be inspected. Inspect "
            "the corpora one by one."
        )
    return data.title, data.read_selected()


def read_listing(
    name: str,
    root: Path,
    options: Mapping[str, Option],
    columns: ManifestColumns = ManifestColumns(),
    emotions: Mapping[str, str] | None = None,
    where: Where | None = None,
) -> "tuple[str, Listing]":
    """Return the name to show and the listing of a corpus or manifest, of the utterances that are selected.

    Raises:
        UnknownNameError: For a corpus that is not registered, or an option that its reader does not have.
        UsageError: For columns or emotions of a corpus that is not a manifest, or conditions that it cannot
            meet.
        CorpusError: If the corpus cannot be read.
    """
    title, listing = _whole_listing(name, root, options, columns, emotions)
    if where:
        listing = selection_of(listing.utterances, where, title).narrow(listing, title)
    return title, listing


def _whole_listing(
    name: str,
    root: Path,
    options: Mapping[str, Option],
    columns: ManifestColumns,
    emotions: Mapping[str, str] | None,
) -> "tuple[str, Listing]":
    from sercl.corpora.manifest import read_manifest
    from sercl.corpora.registry import get_corpus, read_corpus

    if name.lower() != MANIFEST.lower():
        if emotions or columns.named:
            raise UsageError(
                f"columns and emotions are options of {MANIFEST}, not of {name}. Leave them out."
            )
        return get_corpus(name).info.name, read_corpus(name, root, **options)
    valid = ("corpus", "language")
    for option in options:
        if option not in valid:
            raise UnknownNameError(f"option of {MANIFEST}", option, valid)
    texts = {option: str(value) for option, value in options.items()}
    listing = read_manifest(
        root,
        corpus=texts.get("corpus"),
        language=texts.get("language", "und"),
        columns=columns,
        emotions=emotions,
    )
    return texts.get("corpus", root.stem), listing


_ACTIONS: Mapping[str, Callable[..., None]] = {
    "list": list_corpora,
    "inspect": inspect_corpus,
    "manifest": write_corpus_manifest,
}


def build_parser(name: str) -> SerclParser:
    """Return the parser of "list", "inspect" or "manifest"."""
    function = _ACTIONS[name]
    summary = str(function.__doc__).partition("\n")[0]
    parser = SerclParser(prog=f"sercl corpus {name}", description=summary)
    if name != "list":
        optional: dict[str, Any] = {"nargs": "?", "default": None} if name == "inspect" else {}
        parser.add_argument("name", help=_NAME_HELP, **optional)
    parser.add_function_arguments(function, as_group=False, skip={"name", "json", "config"})
    if name == "inspect":
        parser.add_argument("-c", "--config", type=Path | None, default=None, help=_CONFIG_HELP)
    if name != "manifest":
        # A switch: as a parameter of the function it would need `--json true`.
        parser.add_argument("--json", action="store_true", help=_JSON_HELP)
    return parser


def _problem_message(title: str, problems: "Sequence[Problem]", is_manifest: bool, all_bad: bool) -> str:
    from sercl.corpora.base import label_hint, problem_lines

    lines = [f"{title}: {count(len(problems), 'problem')}"]
    lines += [f"  {line}" for line in problem_lines(problems, SHOWN)]
    if not all_bad:
        lines.append("Restore these files or labels, or skip them (they are counted) with --on_error skip.")
    if is_manifest and (hint := label_hint(problems)):
        lines.append(f"{hint}.")
    return "\n".join(lines)


def _nothing(title: str, problems: "Sequence[Problem]", is_manifest: bool) -> str:
    """Return the message on a corpus without a single utterance."""
    if problems:
        return f"no utterance can be used. {_problem_message(title, problems, is_manifest, all_bad=True)}"
    return f"{title}: no utterances found. Check the root folder and the options of the reader."


def _dumps(data: object) -> str:
    return json_text(data, indent=2)
