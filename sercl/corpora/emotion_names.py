"""The many words for an emotion in label files, mapped to the names of `labels.EMOTIONS`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from sercl.corpora.cells import is_missing, key_of, whole_number
from sercl.corpora.labels import EMOTIONS
from sercl.errors import UnknownNameError, UsageError, near_names

DROP = "drop"
"""Besides emotions, what a user may map a label to: its utterances are left out and counted."""

# English, German, French, Spanish, Italian, Portuguese, Dutch, Polish, Turkish, Russian, Chinese in both
# scripts, Japanese, Korean, Arabic, Persian, Hindi. Adjectives and nouns; "_" for a space.
_SYNONYMS: Mapping[str, str] = {
    "angry": "anger ang mad furious rage ärger aerger ärgerlich wut wütend wuetend zorn zornig "
    "verärgert colère colere en_colère fâché énervé enojo enojado enojada ira enfado enfadado enfadada "
    "rabia rabbia arrabbiato arrabbiata raiva zangado bravo boos woede złość gniew zły wściekłość öfke "
    "kızgın злость гнев злой сердитый 生气 生氣 愤怒 憤怒 怒 怒り 怒った 분노 화남 화 غضب غاضب خشم "
    "عصبانی गुस्सा क्रोध",
    "happy": "happiness hap joy joyful cheerful glad freude fröhlich froehlich glücklich gluecklich "
    "freudig joie joyeux joyeuse heureux heureuse alegría alegria alegre feliz felicidad gioia felice "
    "felicità contento felicidade blij geluk vreugde radość szczęście wesoły mutlu mutluluk радость "
    "счастье радостный весёлый 快乐 快樂 高兴 高興 开心 開心 喜悦 喜悅 喜び 喜 嬉しい 幸せ 기쁨 행복 "
    "즐거움 سعادة سعيد فرح شادی خوشحال खुशी खुश आनंद",
    "neutral": "neutrality neu neutre neutro neutra neutrale neutralität neutraal neutralny neutralność "
    "nötr нейтральный нейтрально нейтральность 中立 中性 中立的 ニュートラル 중립 محايد حيادي तटस्थ",
    "sad": "sadness sorrow unhappy trauer traurig traurigkeit tristesse triste tristeza tristezza "
    "verdriet verdrietig droevig smutek smutny üzgün üzüntü грусть печаль грустный 伤心 傷心 悲伤 悲傷 "
    "难过 難過 悲哀 哀 悲しみ 悲しい 슬픔 حزن حزين غم غمگین दुखी दुख उदास उदासी दुःख",
    "fearful": "fear fea afraid scared frightened terrified angst ängstlich aengstlich furcht peur "
    "effrayé apeuré miedo temor asustado asustada paura spaventato spaventata medo assustado strach "
    "korku страх испуг 害怕 恐惧 恐懼 恐怖 恐れ 怖い 怖れ 공포 두려움 무서움 خوف خائف ترس डर भय",
    "disgusted": "disgust dis disgusting ekel angeekelt abscheu disgusto disgustato disgustata dégoût "
    "degout dégoûté asco asqueado repugnancia nojo walging wstręt obrzydzenie iğrenme отвращение 厌恶 "
    "厭惡 嫌悪 혐오 역겨움 اشمئزاز قرف نفرت घृणा",
    "surprised": "surprise sur astonished pleasant_surprise pleasantly_surprised ps überraschung "
    "ueberraschung überrascht ueberrascht étonné étonnement surpris sorpresa sorprendido sorprendida "
    "sorpreso surpresa surpreso verrassing verrast zaskoczenie zdziwienie şaşkın şaşkınlık удивление "
    "удивлённый 惊喜 驚喜 惊讶 驚訝 驚き 驚いた 놀람 놀라움 مفاجأة دهشة تعجب आश्चर्य",
    "calm": "calmness calme ruhig ruhe calma calmo tranquilo tranquila спокойствие спокойный 平静 平靜 "
    "落ち着き 평온 هدوء शांत",
    "bored": "boredom langeweile gelangweilt ennui ennuyé aburrimiento aburrido noia annoiato tédio "
    "скука 无聊 無聊 退屈 지루함 ملل",
    "excited": "excitement exc aufgeregt aufregung excité excitado eccitato 兴奋 興奮 흥분",
    "frustrated": "frustration fru frustriert frustré frustración frustrado frustrazione frustrato",
    "amused": "amusement amüsiert amusé",
    "sleepy": "sleepiness schläfrig müde somnolent",
    "anxious": "anxiety nervous anxieux ansiedad ansioso 焦虑",
    "other": "oth others andere autre otro otra altro outro 其他 其它 その他 기타",
    "unknown": "xxx unk",
}


def _form(name: str) -> str:
    return whole_number(key_of(name)).replace(" ", "_").replace("-", "_")


_BY_NAME = {_form(name): name for name in EMOTIONS} | {
    _form(word): emotion for emotion, words in _SYNONYMS.items() for word in words.split()
}


def to_emotion(name: str) -> str:
    """Return the name of `labels.EMOTIONS` for a word or code, in any case and form.

    Args:
        name: An emotion's name, or a common other word for it ("anger", "joy", "neu", "Pleasant surprise").

    Raises:
        UnknownNameError: For a word that is not an emotion; the message suggests similar ones.
    """
    key = _form(name)
    if key in _BY_NAME:
        return _BY_NAME[key]
    raise UnknownNameError("emotion", name, EMOTIONS, "Use 'other' for one that is not listed.")


class UnknownLabelError(UsageError):
    """A label that is not an emotion; the message is short, since a table may have many."""


@dataclass(frozen=True)
class EmotionWords:
    """Reads the labels of a table as common words for emotions, or by a user's own map.

    Args:
        words: Label, in any case and form -> an emotion, or "drop" to leave its utterances out.

    Raises:
        UnknownNameError: For a label that is mapped to anything else.
    """

    words: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for label, emotion in self.words.items():
            if _form(str(emotion)) not in {DROP, *_BY_NAME}:
                hint = f"It is what the label {str(label)!r} is mapped to."
                raise UnknownNameError("emotion", emotion, (*EMOTIONS, DROP), hint)

    def read(self, label: str | None, *others: str) -> str | None:
        """Return the emotion of a label; None if the label is dropped.

        Args:
            label: As in the table; None for an empty cell.
            *others: Other names of the same label that the map may use.

        Raises:
            UnknownLabelError: For a label that is empty, or neither mapped nor a word for an emotion.
        """
        names = [_form(name) for name in (label or "", *others)]
        mapped = next((self._own[name] for name in names if name in self._own), None)
        if mapped is not None:
            return None if mapped == DROP else _BY_NAME[mapped]
        if names[0] in _BY_NAME:
            return _BY_NAME[names[0]]
        if label is None or is_missing(label):
            raise UnknownLabelError(f"no emotion (the cell holds {label or ''!r})")
        raise UnknownLabelError(_unknown(label))

    @cached_property
    def _own(self) -> dict[str, str]:
        return {_form(str(label)): _form(str(emotion)) for label, emotion in self.words.items()}


def _unknown(word: str) -> str:
    near = near_names(word, EMOTIONS)
    guess = f". Did you mean {' or '.join(map(repr, near))}?" if near else ""
    return f"unknown emotion {word!r}{guess}"
