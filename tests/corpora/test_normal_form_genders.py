import pytest

from sercl.corpora.normal_form import to_gender


@pytest.mark.parametrize(
    "word",
    [
        "F",
        "f",
        "female",
        "FEMALE",
        "weiblich",
        "w",
        "Frau",
        "femme",
        "mujer",
        "donna",
        "女",
        "女性",
        "여성",
        "женский",
        "Female_Feminine",
        "(F)",
    ],
)
def test_words_for_female(word: str) -> None:
    assert to_gender(f" {word}\u00a0") == "female"


@pytest.mark.parametrize(
    "word",
    [
        "M",
        "m",
        "male",
        "Male",
        "männlich",
        "homme",
        "H",
        "hombre",
        "uomo",
        "男",
        "男性",
        "남성",
        "мужской",
        "m.",
    ],
)
def test_words_for_male(word: str) -> None:
    assert to_gender(word) == "male"


@pytest.mark.parametrize("cell", [None, "", "nan", "Unknown", "-"])
def test_nothing(cell: str | None) -> None:
    assert to_gender(cell) is None


def test_other_words_stay() -> None:
    assert to_gender("Divers ") == "divers"
    assert to_gender(1) == "1"
