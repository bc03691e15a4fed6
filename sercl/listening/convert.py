"""Write a built test in the forms that other tools run."""

import shutil
from pathlib import Path

from sercl.errors import OutputError, UnknownNameError, UsageError
from sercl.files import atomic_path, write_text
from sercl.listening import plain, webmushra
from sercl.listening.instructions import of_test
from sercl.listening.protocol import CHOICE, Protocol, verify

WEBMUSHRA, FOLDER = FORMS = ("webmushra", "folder")
ORDERS = 24
"""Orders of the form `folder` by default."""

_MOST = 10_000


def convert(test: Path, form: str, out: Path, orders: int | None = None) -> list[str]:
    """Write a test in another form, with its audio.

    Args:
        test: The test folder, which is verified first.
        form: "webmushra" or "folder".
        out: Where to write it, a folder that does not exist or is empty.
        orders: Number of listeners whose order is written, in files of their own; None for 24, or for none of
            webMUSHRA's, which then shuffles the items of each block by itself.

    Returns:
        What to do with it, a sentence each.

    Raises:
        OutputError: If the folder has content or cannot be written.
        ResultsError: If the test is incomplete or was changed.
        UnknownNameError: For another form.
        UsageError: For a test that the tool cannot run.
    """
    if form not in FORMS:
        raise UnknownNameError("form (--to)", form, FORMS)
    if orders is not None and not 0 <= orders <= _MOST:
        raise UsageError(f"--orders {orders}: valid: 0 to {_MOST}.")
    protocol = verify(test)
    if form == WEBMUSHRA:
        webmushra.check(protocol, orders or 0)
    _check_empty(out)
    for item in protocol.items:
        with atomic_path(out / item.file) as temporary:
            shutil.copyfile(test / item.file, temporary)
    advice = _FORMS[form](protocol, test, out, orders)
    return [
        *advice,
        f"Keep {test / 'protocol.json'} to yourself: `sercl listen import` needs it for the answers.",
    ]


def _check_empty(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out}: exists and is not an empty folder. Give another --out.")


def _to_webmushra(protocol: Protocol, test: Path, out: Path, orders: int | None) -> list[str]:
    place = f"configs/{out.resolve().name}"
    _check_place(place)
    names = []
    for code, texts in of_test(protocol, test).items():
        for name, listener in _configs(code, next(iter(protocol.languages)), orders or 0):
            names.append(name)
            write_text(out / name, webmushra.config(protocol, texts, code, place, listener))
    return [
        f"Copy {out} into the folder configs of webMUSHRA, and open "
        f"http://HOST/webMUSHRA/?config={out.resolve().name}/{names[0]}"
    ]


def _configs(code: str, first: str, orders: int) -> list[tuple[str, int | None]]:
    """Return name and listener of each configuration in a language."""
    if not orders:
        return [("config.yaml" if code == first else f"config-{code}.yaml", None)]
    return [(f"config-{code}-{_number(listener, orders)}.yaml", listener) for listener in range(orders)]


def _number(listener: int, orders: int) -> str:
    return f"{listener + 1:0{len(str(orders))}d}"


def _check_place(place: str) -> None:
    if webmushra.UNSAFE.search(place):
        raise UsageError(
            f"--out: webMUSHRA needs a folder whose name has letters, digits, - and _ only, not {place!r}."
        )


def _to_folder(protocol: Protocol, test: Path, out: Path, orders: int | None) -> list[str]:
    count = ORDERS if orders is None else orders
    marks = any(item.task != CHOICE for item in protocol.items)
    write_text(out / "orders.csv", plain.orders_table(protocol, count))
    for code, texts in of_test(protocol, test).items():
        write_text(out / f"stimuli-{code}.csv", plain.stimuli_table(protocol, texts))
        for listener in range(0 if marks else count):
            path = out / "jspsych" / code / f"{_number(listener, count)}.json"
            write_text(path, plain.timeline(protocol, texts, listener))
    if marks:
        return ["No timelines of jsPsych are written: it has no page on which segments can be marked."]
    return [f"Timelines of jsPsych, one for each of {count} listeners and language, are in {out / 'jspsych'}"]


_FORMS = {WEBMUSHRA: _to_webmushra, FOLDER: _to_folder}
