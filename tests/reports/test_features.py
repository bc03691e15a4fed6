from pathlib import Path

from rich.console import Console

from sercl.features.space import FeatureSpace
from sercl.features.upkeep import Removal, SpaceInfo
from sercl.reports.features import removal_report, store_report

SPACE = FeatureSpace(("a", "b", "c"), {}, "mean", "fp32", 4, "whisper-base")
INFO = SpaceInfo(Path("/store/0123456789abcdef"), SPACE, 12, 1234, 5_600_000, 0.0, ())


def shown(renderable: object) -> str:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(renderable, soft_wrap=True)
    return capture.get()


def test_a_row_per_space_and_the_whole() -> None:
    text = shown(store_report(Path("/store"), [INFO, INFO]))
    row = next(line for line in text.splitlines() if "whisper-base" in line)
    assert row.split()[:7] == ["whisper-base", "mean", "fp32", "3", "1,234", "12", "5.6"]
    assert row.split()[-1] == "01234567"
    assert "/store: 11.2 MB" in text


def test_damage_and_emptiness_are_said() -> None:
    bad = SpaceInfo(INFO.folder, None, 0, 0, 0, 0.0, ("space.json: damaged",))
    assert "unreadable" in shown(store_report(Path("/store"), [bad]))
    assert "space.json: damaged" in shown(store_report(Path("/store"), [bad]))
    assert shown(store_report(Path("/store"), [])) == "/store: no hidden states are stored here.\n"


def test_removals_say_what_why_and_how_much() -> None:
    removals = [Removal(Path("/store/a"), "unused for 40 days", 2_000_000)]
    assert shown(removal_report(removals, done=True)).splitlines() == [
        "Removed /store/a (unused for 40 days): 2.0 MB",
        "2.0 MB in all",
    ]
    assert shown(removal_report(removals, done=False)).startswith("Would remove /store/a")
    assert shown(removal_report([], done=True)) == "Nothing to remove.\n"
