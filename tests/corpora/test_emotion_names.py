import unicodedata

import pytest

from sercl.corpora.emotion_names import EmotionWords, UnknownLabelError, to_emotion
from sercl.corpora.labels import EMOTIONS
from sercl.errors import UnknownNameError


@pytest.mark.parametrize("name", EMOTIONS)
def test_every_emotion_names_itself(name: str) -> None:
    assert to_emotion(name) == name
    assert to_emotion(f" {name.upper()} ") == name


@pytest.mark.parametrize(
    ("word", "emotion"),
    [
        ("anger", "angry"),
        ("ANG", "angry"),
        ("happiness", "happy"),
        ("joy", "happy"),
        ("neutrality", "neutral"),
        ("sadness", "sad"),
        ("fear", "fearful"),
        ("disgust", "disgusted"),
        ("surprise", "surprised"),
        ("Pleasant Surprise", "surprised"),
        ("生气", "angry"),
    ],
)
def test_common_words_are_understood(word: str, emotion: str) -> None:
    assert to_emotion(word) == emotion


def test_surprised_is_never_taken_for_sad() -> None:
    assert to_emotion("s" + "urprised") != to_emotion("sad")
    with pytest.raises(UnknownNameError):
        to_emotion("s")


def test_an_unknown_word_is_answered_with_near_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown emotion 'angri'\. Did you mean 'angry'") as caught:
        to_emotion("angri")
    assert "frustrated" in str(caught.value)


@pytest.mark.parametrize(
    ("emotion", "words"),
    {
        "angry": "Wütend WUT colère enojo rabbia raiva 愤怒 憤怒 生氣 怒り 분노 злость غضب गुस्सा",
        "happy": "Freude joie alegría felicità 快乐 快樂 喜び 기쁨 радость سعادة खुशी",
        "neutral": "neutre neutro 中立 中性 중립 нейтральный محايد",
        "sad": "Trauer tristesse tristeza 悲伤 悲傷 悲しみ 슬픔 грусть حزن उदास",
        "fearful": "Angst peur miedo paura medo 恐惧 恐れ 공포 страх خوف डर",
        "disgusted": "Ekel dégoût asco nojo 厌恶 厭惡 嫌悪 혐오 отвращение",
        "surprised": "Überraschung étonnement sorpresa surpresa 惊讶 驚訝 驚き 놀람 удивление",
    }.items(),
)
def test_words_of_the_larger_languages(emotion: str, words: str) -> None:
    assert {word: to_emotion(word) for word in words.split()} == dict.fromkeys(words.split(), emotion)


def test_the_form_of_a_word_does_not_matter() -> None:
    apart = unicodedata.normalize("NFD", "dégoût")
    assert [to_emotion(word) for word in (apart, "\ufeffSAD\u00a0", "ｓａｄ", "pleasant  surprise")] == [
        "disgusted",
        "sad",
        "sad",
        "surprised",
    ]


def test_a_map_of_the_users_own() -> None:
    words = EmotionWords({"Furius": "angry", "Unklar": "drop", "sad": "Trauer", "0": "happy"})
    assert [words.read(label) for label in ("furius ", "unklar", "sad", "0", "joy")] == [
        "angry",
        None,
        "sad",
        "happy",
        "happy",
    ]
    assert words.read("L0", "0") == "happy"


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("angri", "Did you mean 'angry'"),
        ("contempt", "unknown emotion"),
        ("nan", "no emotion"),
        (None, "no emotion"),
    ],
)
def test_a_label_without_meaning(label: str | None, said: str) -> None:
    with pytest.raises(UnknownLabelError, match=said):
        EmotionWords().read(label)


def test_unknown_is_an_emotion_of_its_own() -> None:
    assert [EmotionWords().read(word) for word in ("unknown", "Unknown", "xxx", "unk")] == ["unknown"] * 4


def test_a_map_to_what_is_no_emotion() -> None:
    with pytest.raises(UnknownNameError, match=r"'angri'. Did you mean 'angry'.*the label 'x' is mapped to"):
        EmotionWords({"x": "angri"})
