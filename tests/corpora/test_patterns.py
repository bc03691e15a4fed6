from collections import Counter
from pathlib import Path

import pytest

from sercl.corpora.base import Utterance
from sercl.corpora.patterns import PATTERNS
from sercl.corpora.registry import read_corpus


def only(name: str, root: Path, path: str) -> Utterance:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    listing = read_corpus(name, root)
    assert listing.problems == ()
    (utterance,) = listing.utterances
    return utterance


@pytest.mark.parametrize(
    ("name", "path", "emotion", "speaker", "gender", "id_"),
    [
        ("EmoDB", "wav/03a01Fa.wav", "happy", "03", "male", "03a01Fa"),
        ("EmoDB", "wav/16b10Lb.wav", "bored", "16", "female", "16b10Lb"),
        ("CREMAD", "AudioWAV/1001_DFA_ANG_XX.wav", "angry", "1001", None, "1001_DFA_ANG_XX"),
        ("CREMAD", "AudioWAV/1040_ITH_SAD_X.wav", "sad", "1040", None, "1040_ITH_SAD_X"),
        ("TESS", "OAF_back_angry.wav", "angry", "OAF", "female", "OAF_back_angry"),
        ("TESS", "OAF_Fear/OAF_bean_fear.wav", "fearful", "OAF", "female", "OAF_bean_fear"),
        ("TESS", "YAF_young_ps.wav", "surprised", "YAF", "female", "YAF_young_ps"),
        ("TESS", "OA_bite_neutral.wav", "neutral", "OAF", "female", "OA_bite_neutral"),
        ("SAVEE", "AudioData/DC/a01.wav", "angry", "DC", "male", "DC_a01"),
        ("SAVEE", "ALL/DC_a01.wav", "angry", "DC", "male", "DC_a01"),
        ("SAVEE", "KL_sa15.wav", "sad", "KL", "male", "KL_sa15"),
        ("SAVEE", "JK/su03.wav", "surprised", "JK", "male", "JK_su03"),
        ("CaFE", "Col\udce8re/Fort/01-C-1-1.wav", "angry", "01", "male", "01-C-1-1"),
        ("CaFE", "Neutre/12-N-1-6.wav", "neutral", "12", "female", "12-N-1-6"),
        ("EMOVO", "f1/rab-f1-b1.wav", "angry", "f1", "female", "rab-f1-b1"),
        ("EMOVO", "m3/gio-m3-n4.wav", "happy", "m3", "male", "gio-m3-n4"),
        ("URDU", "Angry/SM1_F1_A01.wav", "angry", "SM1", "male", "SM1_F1_A01"),
        ("URDU", "Sad/SF11_F10_S100.wav", "sad", "SF11", "female", "SF11_F10_S100"),
        ("ShEMO", "female/F21W08.wav", "surprised", "F21", "female", "F21W08"),
        ("ShEMO", "male/M56F01.wav", "fearful", "M56", "male", "M56F01"),
        ("AESDD", "anger/a01 (1).wav", "angry", "1", None, "a01 (1)"),
        ("AESDD", "sadness/s20 (5)b.wav", "sad", "5", None, "s20 (5)b"),
        ("MESD", "Anger_C_A_abajo.wav", "angry", None, None, "Anger_C_A_abajo"),
        ("MESD", "Sadness_F_B_otra vez.wav", "sad", None, "female", "Sadness_F_B_otra vez"),
        ("SUBESCO", "F_05_MOUNI_S_9_SAD_1.wav", "sad", "F_05", "female", "F_05_MOUNI_S_9_SAD_1"),
        ("JLCorpus", "female1_angry_12a_2.wav", "angry", "female1", "female", "female1_angry_12a_2"),
        ("JLCorpus", "male2_encouraging_1b_1.wav", "encouraging", "male2", "male", "male2_encouraging_1b_1"),
        ("CASIA", "liuchanhg/angry/201.wav", "angry", "liuchanhg", None, "liuchanhg-angry-201"),
        ("EmoVDB", "bea_Angry/anger_1-28_0011.wav", "angry", "bea", "female", "bea-anger_1-28_0011"),
        (
            "EmoVDB",
            "sam/Sleepy/sleepiness_1-28_01.wav",
            "sleepy",
            "sam",
            "male",
            "sam-sleepiness_1-28_01",
        ),
        ("Oreau", "12a07Ca.wav", "angry", "12", None, "12a07Ca"),
        ("Oreau", "m/session/12a07Sb.wav", "surprised", "12", None, "12a07Sb"),
    ],
)
def test_names(
    tmp_path: Path, name: str, path: str, emotion: str, speaker: str | None, gender: str | None, id_: str
) -> None:
    utterance = only(name, tmp_path, path)
    found = (utterance.emotion, utterance.speaker, utterance.gender, utterance.id)
    assert found == (emotion, speaker, gender, id_)


def test_child_voices_are_neither_woman_nor_man(tmp_path: Path) -> None:
    assert only("MESD", tmp_path, "Anger_C_A_abajo.wav").extra["voice"] == "child"


def test_a_speakers_own_folder_as_root_still_tells_the_speaker(tmp_path: Path) -> None:
    assert only("SAVEE", tmp_path / "DC", "a01.wav").speaker == "DC"
    assert only("CASIA", tmp_path / "wangzhe", "sad/201.wav").speaker == "wangzhe"


def test_equal_file_names_of_different_speakers_stay_apart(tmp_path: Path) -> None:
    for path in ("liuchanhg/angry/201.wav", "liuchanhg/sad/201.wav", "wangzhe/angry/201.wav"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).touch()
    listing = read_corpus("CASIA", tmp_path)
    assert len(listing.utterances) == 3
    assert listing.problems == ()


def test_files_of_another_shape_or_label_are_reported(tmp_path: Path) -> None:
    for name in ("03a01Fa", "03a01Xa", "readme", "3a01Fa"):
        (tmp_path / f"{name}.wav").touch()
    listing = read_corpus("EmoDB", tmp_path)
    assert [item.id for item in listing.utterances] == ["03a01Fa"]
    assert sorted((item.path.stem, item.kind) for item in listing.problems) == [
        ("03a01Xa", "label"),
        ("3a01Fa", "name"),
        ("readme", "name"),
    ]
    unknown = next(item for item in listing.problems if item.kind == "label")
    assert unknown.reason == "unknown emotion 'X'; valid: w, l, e, a, f, t, n"


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.info.name)
def test_facts_and_codes_agree(pattern: object) -> None:
    assert set(pattern.emotions.values()) == set(pattern.info.emotions)
    codes = (*pattern.emotions, *pattern.genders, *pattern.speakers, *pattern.texts)
    assert all(code == code.lower() for code in codes)


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.info.name)
def test_the_layout_that_is_shown_is_one_that_is_read(pattern: object) -> None:
    for example in pattern.info.layout.split(" or "):
        assert pattern.compiled.search(f"/corpus/{example}")


@pytest.mark.shared
def test_the_real_emodb(shared: Path) -> None:
    listing = read_corpus("EmoDB", shared / "data" / "emodb")
    assert listing.problems == ()
    counts = Counter(item.emotion for item in listing.utterances)
    assert counts == {"angry": 127, "happy": 71, "neutral": 79, "sad": 62}
    speakers = {item.speaker: item.gender for item in listing.utterances}
    assert Counter(speakers.values()) == {"male": 5, "female": 5}
    assert all(item.text for item in listing.utterances)
    assert listing == read_corpus("EmoDB", shared / "data" / "emodb" / "wav")
