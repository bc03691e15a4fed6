"""Corpora described by a file-name pattern, a label map and a few facts: data, not code."""

from sercl.corpora.patterned import Pattern
from sercl.corpora.patterns.germanic import GERMANIC
from sercl.corpora.patterns.other import OTHER
from sercl.corpora.patterns.romance import ROMANCE

PATTERNS: tuple[Pattern, ...] = (*GERMANIC, *ROMANCE, *OTHER)
"""All corpora that need no code of their own."""
