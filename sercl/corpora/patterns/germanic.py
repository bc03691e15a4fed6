"""German and English corpora that are only a file-name pattern."""

from sercl.corpora.base import CorpusInfo
from sercl.corpora.patterned import SEXES, Pattern

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

TESS = Pattern(
    info=CorpusInfo(
        name="TESS",
        title="Toronto Emotional Speech Set",
        languages=("en",),
        speakers=2,
        emotions=("angry", "disgusted", "fearful", "happy", "neutral", "sad", "surprised"),
        license="CC BY-NC-ND 4.0",
        access="free download",
        layout="OAF_angry/OAF_back_angry.wav",
        notes=(
            "two women who differ in age: speaker-independent figures rest on one training speaker",
            "some copies hold every file twice, in a folder of the same name",
        ),
    ),
    regex=r"/(?P<speaker>OAF?|YAF)_(?P<word>[^/]+)_(?P<emotion>[a-z]+)\.wav$",
    emotions={
        "angry": "angry",
        "disgust": "disgusted",
        "fear": "fearful",
        "happy": "happy",
        "neutral": "neutral",
        "ps": "surprised",
        "sad": "sad",
    },
    # One file of the release is called OA_bite_neutral.wav.
    speakers={"oa": "OAF", "oaf": "OAF", "yaf": "YAF"},
    genders={"oaf": "female", "yaf": "female"},
)

SAVEE = Pattern(
    info=CorpusInfo(
        name="SAVEE",
        title="Surrey Audio-Visual Expressed Emotion",
        languages=("en",),
        speakers=4,
        emotions=("angry", "disgusted", "fearful", "happy", "neutral", "sad", "surprised"),
        license="research only",
        access="registration",
        layout="DC/a01.wav or DC_a01.wav",
        notes=("twice as many neutral utterances as of any other emotion",),
    ),
    regex=r"/(?P<speaker>DC|JE|JK|KL)[/_](?P<emotion>[a-z]{1,2})(?P<sentence>\d\d)\.wav$",
    emotions={
        "a": "angry",
        "d": "disgusted",
        "f": "fearful",
        "h": "happy",
        "n": "neutral",
        "sa": "sad",
        "su": "surprised",
    },
    id="{speaker}_{emotion}{sentence}",
    genders=dict.fromkeys(("dc", "je", "jk", "kl"), "male"),
)

JLCORPUS = Pattern(
    info=CorpusInfo(
        name="JLCorpus",
        title="JL-Corpus, New Zealand English",
        languages=("en",),
        speakers=4,
        emotions=(
            *("angry", "excited", "happy", "neutral", "sad"),
            *("anxious", "apologetic", "assertive", "concerned", "encouraging"),
        ),
        license="CC0",
        access="free download",
        layout="female1_angry_12a_2.wav",
        notes=("excited counts as happy in the standard label schemes",),
    ),
    regex=r"/(?P<speaker>(?P<gender>(?:fe)?male)\d)_(?P<emotion>[a-z]+)"
    r"_(?P<sentence>\d+[a-z])_(?P<repetition>\d)\.wav$",
    emotions={
        name: name
        for name in (
            *("angry", "excited", "happy", "neutral", "sad"),
            *("anxious", "apologetic", "assertive", "concerned", "encouraging"),
        )
    },
    genders=SEXES,
)

EMOVDB = Pattern(
    info=CorpusInfo(
        name="EmoVDB",
        title="Emotional Voices Database (EmoV-DB), its English speakers",
        languages=("en",),
        speakers=4,
        emotions=("amused", "angry", "disgusted", "neutral", "sleepy"),
        license="non-commercial",
        access="free download",
        layout="bea_Angry/anger_1-28_0011.wav or bea/Angry/anger_1-28_0011.wav",
        notes=("not every speaker recorded every emotion", "neither happy nor sad"),
    ),
    regex=r"/(?P<speaker>bea|jenie|josh|sam)[_/](?P<emotion>[a-z]+)"
    r"/[a-z]+_(?P<part>\d+-\d+)_(?P<sentence>\d+)\.wav$",
    emotions={
        "amused": "amused",
        "anger": "angry",
        "angry": "angry",
        "disgust": "disgusted",
        "disgusted": "disgusted",
        "neutral": "neutral",
        "sleepiness": "sleepy",
        "sleepy": "sleepy",
    },
    id="{speaker}-{stem}",
    genders={"bea": "female", "jenie": "female", "josh": "male", "sam": "male"},
)

GERMANIC = (EMODB, TESS, SAVEE, JLCORPUS, EMOVDB)
