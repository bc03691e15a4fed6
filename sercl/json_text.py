"""How results are written as JSON, in files and for `--json`."""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DECIMALS = 6
SMALL, DIGITS = 1e-3, 4
# What `json` leaves as it is although a terminal may obey it: C1 controls, and marks that reverse characters.
_CONTROL = re.compile(r"[\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def json_text(content: Any, indent: int | None = None) -> str:
    """Return plain data as JSON; see `plain`.

    Args:
        content: Mappings, lists, tuples, strings, numbers, paths and None.
        indent: Spaces per level; None for one line.
    """
    text = json.dumps(plain(content), indent=indent, ensure_ascii=False, allow_nan=False)
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def plain(content: Any) -> Any:
    """Return plain data as it is written in JSON.

    Numbers have at most 6 decimals (below 0.001, 4 significant digits), NaN and infinite numbers become None,
    tuples become lists, and paths become strings.
    """
    if isinstance(content, Mapping):
        return {str(key): plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [plain(value) for value in content]
    if isinstance(content, Path):
        return str(content)
    return _rounded(content) if isinstance(content, float) else content


def _rounded(value: float) -> float | None:
    if not math.isfinite(value):
        return None
    return round(value, DECIMALS) if abs(value) >= SMALL else float(f"{value:.{DIGITS}g}")
