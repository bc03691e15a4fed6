"""The corpora that are only a file-name pattern, a label map and a few facts: data, not code."""

from sercl.corpora.patterned import Pattern
from sercl.corpora.patterns.germanic import GERMANIC
from sercl.corpora.patterns.other import OTHER
from sercl.corpora.patterns.romance import ROMANCE

PATTERNS: tuple[Pattern, ...] = (*GERMANIC, *ROMANCE, *OTHER)
"""Every corpus that needs no code of its own."""
