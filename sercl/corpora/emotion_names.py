"""The many words for an emotion in label files, mapped to the names of `labels.EMOTIONS`."""

from collections.abc import Mapping

from sercl.corpora.labels import EMOTIONS
from sercl.errors import UnknownNameError

_SYNONYMS: Mapping[str, str] = {
    "angry": "anger ang ärger wut wütend rabbia colère colere wściekłość 生气 愤怒",
    "happy": "happiness hap joy joyful freude glücklich gioia joie 快乐 高兴 开心",
    "neutral": "neutrality neu neutre neutrale 中立 中性",
    "sad": "sadness trauer traurig tristezza tristesse 伤心 悲伤 难过",
    "fearful": "fear fea afraid scared angst paura peur 害怕 恐惧",
    "disgusted": "disgust dis disgusting ekel disgusto dégoût degout 厌恶",
    "surprised": "surprise sur pleasant_surprise pleasantly_surprised ps überraschung sorpresa 惊喜 惊讶",
    "calm": "calmness",
    "bored": "boredom langeweile",
    "excited": "excitement exc",
    "frustrated": "frustration fru",
    "amused": "amusement",
    "sleepy": "sleepiness",
    "anxious": "anxiety",
    "other": "oth",
    "unknown": "xxx",
}
_BY_NAME = {name: name for name in EMOTIONS} | {
    word: emotion for emotion, words in _SYNONYMS.items() for word in words.split()
}


def to_emotion(name: str) -> str:
    """Return the name of `labels.EMOTIONS` for a word or code, ignoring case.

    Args:
        name: An emotion's name, or a common other word for it ("anger", "joy", "neu", "Pleasant surprise").

    Raises:
        UnknownNameError: For a word that is none; it names the near ones.
    """
    key = name.strip().lower().replace(" ", "_").replace("-", "_")
    if key in _BY_NAME:
        return _BY_NAME[key]
    raise UnknownNameError("emotion", name, EMOTIONS, "Use 'other' for one that is not listed.")
