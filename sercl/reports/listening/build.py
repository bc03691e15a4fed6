"""What a listening test that was built consists of, as tables for the terminal."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from sercl.counting import count
from sercl.listening.balance import UNKNOWN
from sercl.listening.protocol import ATTENTION, ITEM, PRACTICE, REPEAT, Protocol
from sercl.reports.style import table

_KINDS = {ITEM: "item", PRACTICE: "practice item", ATTENTION: "attention check", REPEAT: "repeat"}


def build_report(protocol: Protocol, report: Mapping[str, Any], folder: Path) -> RenderableType:
    """Return tables of classes by gender and by speakers, and notes on what is lacking.

    Args:
        protocol: The test.
        report: The content of its `report.json`.
        folder: Where it is.
    """
    minutes = sum(item.seconds for item in protocol.items) / 60
    kinds = ", ".join(count(number, _KINDS[kind]) for kind, number in report["kinds"].items() if number)
    level = protocol.preprocess.get("level")
    loudness = "levels as recorded" if level is None else f"all at {level:g} {_unit(protocol)}"
    return Group(
        *(_group(group) for group in report["groups"]),
        Text(f"Stimuli: {kinds}; {minutes:.1f} min of audio; {loudness}, peaks to {_peak(protocol)} dBTP"),
        *(Text(f"Note: {note}", style="yellow") for note in report["notes"]),
        Text(f"Test: {folder} (hash {protocol.hash[:12]})"),
    )


def _unit(protocol: Protocol) -> str:
    return "LUFS" if protocol.preprocess.get("loudness") == "bs1770" else "dBFS"


def _peak(protocol: Protocol) -> str:
    return f"{protocol.preprocess['true_peak']:.1f}"


def _group(group: Mapping[str, Any]) -> RenderableType:
    genders = sorted({name for own in group["genders"].values() for name in own})
    sentences = ("Sentences", "Of a sentence") if _knows_sentences(group) else ()
    numbers = ("Stimuli", *genders, "Speakers", "Of a speaker", *sentences, "Candidates")
    name = " ".join(part for part in (group["language"], group["dialect"]) if part)
    grid = table("Class", *numbers, title=f"Stimuli: {name} ({', '.join(group['blocks'])})", numbers=numbers)
    for row in _rows(group, genders):
        grid.add_row(*row)
    return grid


def _rows(group: Mapping[str, Any], genders: list[str]) -> Iterator[list[str]]:
    for label, own in group["classes"].items():
        speakers = list(group["speakers"].get(label, {}).values())
        sentences = list(group["sentences"].get(label, {}).values())
        yield [
            label,
            str(own["chosen"]),
            *(str(group["genders"].get(label, {}).get(name, 0)) for name in genders),
            str(len(speakers)),
            _range(speakers),
            *((str(len(sentences)), _range(sentences)) if _knows_sentences(group) else ()),
            str(own["candidates"]),
        ]


def _knows_sentences(group: Mapping[str, Any]) -> bool:
    return any(name != UNKNOWN for found in group["sentences"].values() for name in found)


def _range(counts: list[int]) -> str:
    if not counts:
        return "-"
    return str(min(counts)) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
