import pytest

from sercl.corpora.emotion_names import to_emotion
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
