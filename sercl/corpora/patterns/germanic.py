"""German and English corpora that are only a file-name pattern."""

from sercl.corpora.base import CorpusInfo
from sercl.corpora.patterned import Pattern

EMODB = Pattern(
    info=CorpusInfo(
        name="EmoDB",
        title="Berlin Database of Emotional Speech (EMO-DB)",
        languages=("de",),
        speakers=10,
        emotions=("angry", "bored", "disgusted", "fearful", "happy", "neutral", "sad"),
        license="CC0 or CC BY 4.0 in its re-releases",
        access="free download",
        layout="wav/03a01Fa.wav",
        notes=("ten sentences, each spoken in every emotion",),
    ),
    regex=r"/(?P<speaker>\d{2})(?P<sentence>[ab]\d{2})(?P<emotion>[a-z])(?P<version>[a-z])\.wav$",
    emotions={
        "w": "angry",
        "l": "bored",
        "e": "disgusted",
        "a": "fearful",
        "f": "happy",
        "t": "sad",
        "n": "neutral",
    },
    genders={
        **dict.fromkeys(("03", "10", "11", "12", "15"), "male"),
        **dict.fromkeys(("08", "09", "13", "14", "16"), "female"),
    },
    texts={
        "a01": "Der Lappen liegt auf dem Eisschrank.",
        "a02": "Das will sie am Mittwoch abgeben.",
        "a04": "Heute abend könnte ich es ihm sagen.",
        "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
        "a07": "In sieben Stunden wird es soweit sein.",
        "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
        "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
        "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
        "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
        "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
    },
)
