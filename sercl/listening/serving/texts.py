"""What the pages say besides the instructions of the test: one file per language. No torch."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from sercl.documents import parse_yaml, read_text
from sercl.errors import DocumentError, ResultsError, UsageError
from sercl.studies.results.records import as_record

PACKAGED = Path(__file__).with_name("texts")


def load(languages: Iterable[str], own: Path | None = None) -> dict[str, Mapping[str, str]]:
    """Return language code -> name -> text.

    Args:
        languages: Codes of the languages.
        own: Folder with further files CODE.yaml, which come before sercl's.

    Raises:
        UsageError: For a language without a file.
        ResultsError: For a file that is not valid, or lacks a text or a word in braces.
    """
    return {code: _read(_file(code, own)) for code in languages}


def _file(code: str, own: Path | None) -> Path:
    for folder in (own, PACKAGED):
        if folder is not None and (folder / f"{code}.yaml").is_file():
            return folder / f"{code}.yaml"
    raise UsageError(
        f"--texts: the pages have no texts in {code!r}, in which the test is. Copy {PACKAGED / 'en.yaml'} as "
        f"{code}.yaml into a folder, translate it, and give the folder."
    )


def _read(path: Path) -> Mapping[str, str]:
    advice = f"Compare it with {PACKAGED / 'en.yaml'}."
    try:
        found = as_record(parse_yaml(read_text(path)), dict[str, str], path, advice)
    except (OSError, DocumentError) as error:
        raise ResultsError(path, f"cannot be read ({error}). {advice}") from error
    if path.parent == PACKAGED:
        return found
    for name, text in _read(PACKAGED / "en.yaml").items():
        if name not in found:
            raise ResultsError(path, f"lacks {name!r}. {advice}")
        if absent := _words(text) - _words(found[name]):
            raise ResultsError(path, f"{name}: lacks {sorted(absent)[0]}, which is replaced. {advice}")
    return found


def _words(text: str) -> set[str]:
    return {f"{{{part.partition('}')[0]}}}" for part in text.split("{")[1:]}
