"""French, Italian and Spanish corpora that are only a file-name pattern."""

from sercl.corpora.base import CorpusInfo
from sercl.corpora.patterned import SEXES, Pattern

_SEVEN = ("angry", "disgusted", "fearful", "happy", "neutral", "sad", "surprised")
_FRENCH = {
    "c": "angry",  # colère
    "d": "disgusted",
    "j": "happy",  # joie
    "n": "neutral",
    "p": "fearful",  # peur
    "s": "surprised",
    "t": "sad",  # tristesse
}

CAFE = Pattern(
    info=CorpusInfo(
        name="CaFE",
        title="Canadian French Emotional speech dataset",
        languages=("fr",),
        speakers=12,
        emotions=_SEVEN,
        license="CC BY-NC-SA 4.0",
        access="free download",
        layout="Colère/Fort/01-C-1-1.wav",
        notes=("six sentences only", "names of the folders may be mis-encoded; only file names are read"),
    ),
    regex=r"/(?P<speaker>\d\d)-(?P<emotion>[a-z])-(?P<intensity>\d)-(?P<sentence>\d)\.wav$",
    emotions=_FRENCH,
    genders={f"{actor:02d}": "male" if actor % 2 else "female" for actor in range(1, 13)},
)

OREAU = Pattern(
    info=CorpusInfo(
        name="Oreau",
        title="Oréau French emotional speech",
        languages=("fr",),
        speakers=32,
        emotions=_SEVEN,
        license="see its download page",
        access="free download",
        layout="12a07Ca.wav",
    ),
    regex=r"/(?P<speaker>\d\d)(?P<sentence>[a-z]\d\d)(?P<emotion>[a-z])(?P<version>[a-z])?\.wav$",
    emotions=_FRENCH,
)

EMOVO = Pattern(
    info=CorpusInfo(
        name="EMOVO",
        title="EMOVO, Italian emotional speech",
        languages=("it",),
        speakers=6,
        emotions=_SEVEN,
        license="see its download page",
        access="free download",
        layout="f1/rab-f1-b1.wav",
        notes=("14 sentences, the same for every emotion",),
    ),
    regex=r"/(?P<emotion>[a-z]{3})-(?P<speaker>(?P<gender>[fm])\d)-(?P<sentence>[a-z]+\d*)\.wav$",
    emotions={
        "dis": "disgusted",
        "gio": "happy",
        "neu": "neutral",
        "pau": "fearful",
        "rab": "angry",
        "sor": "surprised",
        "tri": "sad",
    },
    genders=SEXES,
)

MESD = Pattern(
    info=CorpusInfo(
        name="MESD",
        title="Mexican Emotional Speech Database",
        languages=("es",),
        speakers=None,
        emotions=("angry", "disgusted", "fearful", "happy", "neutral", "sad"),
        license="CC BY 4.0",
        access="free download",
        layout="Anger_C_A_abajo.wav",
        notes=(
            "single words",
            "file names give woman, man or child, but no speaker: speaker-disjoint folds are impossible",
        ),
    ),
    regex=r"/(?P<emotion>[a-z]+)_(?P<voice>(?P<gender>[FMC]))_(?P<part>[AB])_(?P<word>[^/]+)\.wav$",
    emotions={
        "anger": "angry",
        "disgust": "disgusted",
        "fear": "fearful",
        "happiness": "happy",
        "neutral": "neutral",
        "sadness": "sad",
    },
    genders=SEXES,
    values={"voice": {"f": "woman", "m": "man", "c": "child"}},
)

ROMANCE = (CAFE, OREAU, EMOVO, MESD)
