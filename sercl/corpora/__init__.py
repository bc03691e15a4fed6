"""What a corpus is made of; `registry` has all of them by name."""

from sercl.corpora.base import Corpus, CorpusInfo, Listing, Problem, Segment, Utterance
from sercl.corpora.labelled import LabelTable
from sercl.corpora.patterned import Pattern, unique_listing

__all__ = [
    "Corpus",
    "CorpusInfo",
    "LabelTable",
    "Listing",
    "Pattern",
    "Problem",
    "Segment",
    "Utterance",
    "unique_listing",
]
