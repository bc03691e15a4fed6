"""The many words for a gender, mapped to "female" and "male"."""

from collections.abc import Mapping

from sercl.corpora.cells import key_of, word_of

_WORDS: Mapping[str, str] = {
    "female": "f fem female woman women girl lady feminine female_feminine w weiblich frau mädchen "
    "femme féminin feminin féminine mujer femenino femenina femmina femminile donna feminino feminina "
    "mulher vrouw vrouwelijk kobieta kvinna kvinde żeńska женский женщина жен ж 女 女性 女声 女聲 女生 "
    "여 여성 여자 أنثى انثى امرأة महिला स्त्री زن",
    "male": "m male man men boy masc masculine male_masculine männlich mann junge h homme masculin "
    "hombre masculino maschio maschile uomo homem man mannelijk mężczyzna męska mand мужской мужчина "
    "муж м 男 男性 男声 男聲 男生 남 남성 남자 ذكر رجل पुरुष مرد",
}
_BY_KEY = {key_of(word): gender for gender, words in _WORDS.items() for word in words.split()}


def to_gender(cell: object) -> str | None:
    """Return "female" or "male" for the usual words for them, another word in lower case, None for none."""
    word = word_of(cell)
    if word is None:
        return None
    key = key_of(word).strip("(). ")
    return _BY_KEY.get(key, word.lower())
