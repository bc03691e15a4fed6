"""The true file names of the corpora whose labels are in them: data for `patterned`."""

from collections.abc import Mapping

from sercl.testing.corpora.patterned import FakeNames


def _numbers(last: int, width: int = 1) -> list[str]:
    return [f"{number:0{width}d}" for number in range(1, last + 1)]


_FRENCH = {
    "angry": "C Colère",
    "disgusted": "D Dégoût",
    "happy": "J Joie",
    "neutral": "N Neutre",
    "fearful": "P Peur",
    "surprised": "S Surprise",
    "sad": "T Tristesse",
}

FAKE_NAMES: Mapping[str, FakeNames] = {
    "EmoDB": FakeNames(
        "wav/{speaker}{a}{emotion}{b}.wav",
        ("03", "08", "09", "10", "11", "12", "13", "14", "15", "16"),
        {
            "angry": "W",
            "bored": "L",
            "disgusted": "E",
            "fearful": "A",
            "happy": "F",
            "neutral": "N",
            "sad": "T",
        },
        [
            (text, version)
            for version in "abcdef"
            for text in ("a01", "a02", "a04", "a05", "a07", "b01", "b02", "b03", "b09", "b10")
        ],
    ),
    "RAVDESS": FakeNames(
        "Actor_{speaker}/03-01-{emotion}-{a}-{b}-{speaker}.wav",
        _numbers(24, 2),
        {
            "neutral": "01",
            "calm": "02",
            "happy": "03",
            "sad": "04",
            "angry": "05",
            "fearful": "06",
            "disgusted": "07",
            "surprised": "08",
        },
        [("01", f"{statement}-{take}") for take in ("01", "02") for statement in ("01", "02")],
        48_000,
    ),
    "CREMAD": FakeNames(
        "AudioWAV/{speaker}_{a}_{emotion}_{b}.wav",
        [str(number) for number in range(1001, 1092)],
        {
            "angry": "ANG",
            "disgusted": "DIS",
            "fearful": "FEA",
            "happy": "HAP",
            "neutral": "NEU",
            "sad": "SAD",
        },
        [
            ("IEO", "MD"),
            ("DFA", "XX"),
            ("TIE", "XX"),
            ("IOM", "XX"),
            ("IWW", "XX"),
            ("ITH", "X"),
            ("ITS", "XX"),
        ],
    ),
    "TESS": FakeNames(
        "{speaker}_{folder}/{speaker}_{a}_{emotion}.wav",
        ("OAF", "YAF"),
        {
            "angry": "angry",
            "disgusted": "disgust",
            "fearful": "fear Fear",
            "happy": "happy",
            "neutral": "neutral",
            "sad": "sad",
            "surprised": "ps Pleasant_surprise",
        },
        [
            (word, "")
            for word in ("back", "bar", "base", "bath", "bean", "beg", "bite", "boat", "bone", "book")
        ],
        24_414,
    ),
    "SAVEE": FakeNames(
        "{speaker}/{emotion}{a}.wav",
        ("DC", "JE", "JK", "KL"),
        {
            "angry": "a",
            "disgusted": "d",
            "fearful": "f",
            "happy": "h",
            "neutral": "n",
            "sad": "sa",
            "surprised": "su",
        },
        [(number, "") for number in _numbers(15, 2)],
        44_100,
    ),
    "CaFE": FakeNames(
        "{folder}/Fort/{speaker}-{emotion}-2-{a}.wav",
        _numbers(12, 2),
        _FRENCH,
        [(number, "") for number in _numbers(6)],
        48_000,
    ),
    "Oreau": FakeNames(
        "{speaker}a{a}{emotion}{b}.wav",
        _numbers(32, 2),
        _FRENCH,
        [(number, version) for version in "ab" for number in _numbers(10, 2)],
        44_100,
    ),
    "EMOVO": FakeNames(
        "{speaker}/{emotion}-{speaker}-{a}.wav",
        ("f1", "f2", "f3", "m1", "m2", "m3"),
        {
            "angry": "rab",
            "disgusted": "dis",
            "fearful": "pau",
            "happy": "gio",
            "neutral": "neu",
            "sad": "tri",
            "surprised": "sor",
        },
        [(f"{kind}{number}", "") for kind in "bln" for number in _numbers(4)],
        48_000,
    ),
    "URDU": FakeNames(
        "{folder}/{speaker}_F{a}_{emotion}0{a}.wav",
        [*(f"SM{number}" for number in range(1, 28)), *(f"SF{number}" for number in range(1, 12))],
        {"angry": "A Angry", "happy": "H Happy", "neutral": "N Neutral", "sad": "S Sad"},
        [(number, "") for number in _numbers(30)],
        44_100,
    ),
    "ShEMO": FakeNames(
        "{sex}/{speaker}{emotion}{a}.wav",
        ("F21", "M12", *(f"F{number:02d}" for number in range(1, 21))),
        {"angry": "A", "fearful": "F", "happy": "H", "neutral": "N", "sad": "S", "surprised": "W"},
        [(number, "") for number in _numbers(20, 2)],
        44_100,
        {"F": "female", "M": "male"},
    ),
    "AESDD": FakeNames(
        "{folder}/{emotion}{a} ({speaker}).wav",
        _numbers(5),
        {
            "angry": "a anger",
            "disgusted": "d disgust",
            "fearful": "f fear",
            "happy": "h happiness",
            "sad": "s sadness",
        },
        [(number, "") for number in _numbers(20, 2)],
        44_100,
    ),
    "MESD": FakeNames(
        "{emotion}_{speaker}_A_{a}.wav",
        ("F", "M", "C"),
        {
            "angry": "Anger",
            "disgusted": "Disgust",
            "fearful": "Fear",
            "happy": "Happiness",
            "neutral": "Neutral",
            "sad": "Sadness",
        },
        [(word, "") for word in ("abajo", "adios", "antes", "apenas", "arriba", "basta", "bueno", "cerca")],
        48_000,
    ),
    "SUBESCO": FakeNames(
        "{speaker}_S_{a}_{emotion}_{b}.wav",
        ("F_05_MOUNI", "M_05_RAJU", "F_01_OISHI", "M_01_JAHID"),
        {
            "angry": "ANGRY",
            "disgusted": "DISGUST",
            "fearful": "FEAR",
            "happy": "HAPPY",
            "neutral": "NEUTRAL",
            "sad": "SAD",
            "surprised": "SURPRISE",
        },
        [(sentence, take) for take in _numbers(5) for sentence in _numbers(10)],
        48_000,
    ),
    "JLCorpus": FakeNames(
        "Raw JL corpus (unchecked and unannotated)/JL(wav+txt)/{speaker}_{emotion}_{a}_{b}.wav",
        ("female1", "female2", "male1", "male2"),
        {
            name: name
            for name in (
                *("angry", "excited", "happy", "neutral", "sad"),
                *("anxious", "apologetic", "assertive", "concerned", "encouraging"),
            )
        },
        [(f"{number}{half}", take) for take in "12" for number in _numbers(15) for half in "ab"],
        44_100,
    ),
    "CASIA": FakeNames(
        "{speaker}/{emotion}/{a}.wav",
        ("liuchanhg", "wangzhe", "zhaoquanyin", "ZhaoZuoxiang"),
        {
            "angry": "angry",
            "fearful": "fear",
            "happy": "happy",
            "neutral": "neutral",
            "sad": "sad",
            "surprised": "surprise",
        },
        [(str(number), "") for number in range(201, 251)],
    ),
    "EmoVDB": FakeNames(
        "{speaker}_{folder}/{emotion}_1-28_{a}.wav",
        ("bea", "jenie", "josh", "sam"),
        {
            "amused": "amused Amused",
            "angry": "anger Angry",
            "disgusted": "disgust Disgusted",
            "neutral": "neutral Neutral",
            "sleepy": "sleepiness Sleepy",
        },
        [(number, "") for number in _numbers(28, 4)],
    ),
}
"""Corpora whose labels are in the file names, by registered name."""
