"""Corpora of other languages that are only a file-name pattern."""

from sercl.corpora.base import CorpusInfo
from sercl.corpora.patterned import SEXES, Pattern

URDU = Pattern(
    info=CorpusInfo(
        name="URDU",
        title="URDU dataset, from talk shows",
        languages=("ur",),
        speakers=38,
        emotions=("angry", "happy", "neutral", "sad"),
        license="see its download page",
        access="free download",
        layout="Angry/SM1_F1_A01.wav",
        notes=("unscripted",),
    ),
    regex=r"/(?P<speaker>S(?P<gender>[MF])\d+)_F(?P<file>\d+)_(?P<emotion>[a-z])(?P<number>\d+)\.wav$",
    emotions={"a": "angry", "h": "happy", "n": "neutral", "s": "sad"},
    genders=SEXES,
)

SHEMO = Pattern(
    info=CorpusInfo(
        name="ShEMO",
        title="Sharif Emotional Speech Database",
        languages=("fa",),
        speakers=87,
        emotions=("angry", "fearful", "happy", "neutral", "sad", "surprised"),
        license="see its download page",
        access="free download",
        layout="female/F21W08.wav",
        notes=("semi-natural, from radio plays; few fearful utterances",),
    ),
    regex=r"/(?P<speaker>(?P<gender>[FM])\d\d)(?P<emotion>[a-z])(?P<number>\d+)\.wav$",
    emotions={
        "a": "angry",
        "f": "fearful",
        "h": "happy",
        "n": "neutral",
        "s": "sad",
        "w": "surprised",
    },
    genders=SEXES,
)

AESDD = Pattern(
    info=CorpusInfo(
        name="AESDD",
        title="Acted Emotional Speech Dynamic Database",
        languages=("el",),
        speakers=5,
        emotions=("angry", "disgusted", "fearful", "happy", "sad"),
        license="see its download page",
        access="free download",
        layout="anger/a01 (1).wav",
        notes=("no neutral utterances", "s05 (3).wav cannot be decoded in some copies"),
    ),
    regex=r"/(?P<emotion>[a-z])(?P<sentence>\d+) *\((?P<speaker>\d+)\)(?P<version>[a-z])?\.wav$",
    emotions={"a": "angry", "d": "disgusted", "f": "fearful", "h": "happy", "s": "sad"},
)

SUBESCO = Pattern(
    info=CorpusInfo(
        name="SUBESCO",
        title="SUST Bangla Emotional Speech Corpus",
        languages=("bn",),
        speakers=20,
        emotions=("angry", "disgusted", "fearful", "happy", "neutral", "sad", "surprised"),
        license="CC BY 4.0",
        access="free download",
        layout="F_05_MOUNI_S_9_SAD_1.wav",
        notes=("ten sentences; numbers of women and men overlap, so the sex is part of the speaker",),
    ),
    regex=r"/(?P<speaker>(?P<gender>[FM])_\d+)_(?P<name>[a-z]+)_S_(?P<sentence>\d+)"
    r"_(?P<emotion>[a-z]+)_(?P<repetition>\d+)\.wav$",
    emotions={
        "angry": "angry",
        "disgust": "disgusted",
        "fear": "fearful",
        "happy": "happy",
        "neutral": "neutral",
        "sad": "sad",
        "surprise": "surprised",
    },
    genders=SEXES,
)

CASIA = Pattern(
    info=CorpusInfo(
        name="CASIA",
        title="CASIA Chinese emotional corpus",
        languages=("zh",),
        speakers=4,
        emotions=("angry", "fearful", "happy", "neutral", "sad", "surprised"),
        license="signed licence",
        access="on request; a part circulates freely",
        layout="liuchanhg/angry/201.wav",
        notes=("file names repeat across speakers and emotions; ids hold both",),
    ),
    regex=r"/(?P<speaker>[^/]+)/(?P<emotion>[a-z]+)/(?P<sentence>\d+)\.wav$",
    emotions={
        "angry": "angry",
        "fear": "fearful",
        "happy": "happy",
        "neutral": "neutral",
        "sad": "sad",
        "surprise": "surprised",
    },
    id="{speaker}-{emotion}-{sentence}",
)

OTHER = (URDU, SHEMO, AESDD, SUBESCO, CASIA)
