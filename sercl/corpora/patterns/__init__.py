"""The corpora that are only a file-name pattern, a label map and a few facts: data, not code."""

from sercl.corpora.patterned import Pattern
from sercl.corpora.patterns.germanic import EMODB

PATTERNS: tuple[Pattern, ...] = (EMODB,)
"""Every corpus that needs no code of its own."""
