from collections import Counter
from pathlib import Path

import pytest

from sercl.corpora.iemocap import EMOTIONS, read
from sercl.errors import CorpusNotFoundError
from sercl.testing.corpora import fake_corpus

HEAD = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
GOOD = "[6.2901 - 8.2357]\tSes01F_impro01_M000\tneu\t[2.5000, 3.5000, 1.5000]\n"
DIALOG = "Ses01F_impro01"


def build(folder: Path, labels: str, texts: str = "", *names: str) -> Path:
    session = folder / "Session1"
    wav = session / "sentences" / "wav" / DIALOG
    for place in (session / "dialog" / "EmoEvaluation", session / "dialog" / "transcriptions", wav):
        place.mkdir(parents=True)
    (session / "dialog" / "EmoEvaluation" / f"{DIALOG}.txt").write_text(HEAD + labels, encoding="utf-8")
    (session / "dialog" / "transcriptions" / f"{DIALOG}.txt").write_text(texts, encoding="utf-8")
    for name in names or (f"{DIALOG}_M000",):
        (wav / f"{name}.wav").touch()
    return folder


def test_the_speaker_is_the_last_letter_and_not_the_dialogs(tmp_path: Path) -> None:
    text = "Ses01F_impro01_M000 [006.2901-008.2357]: Excuse me.\n"
    listing = read(build(tmp_path, GOOD, text))
    (utterance,) = listing.utterances
    assert listing.problems == ()
    assert (utterance.speaker, utterance.gender, utterance.session) == ("Ses01M", "male", "Ses01")
    assert utterance.text == "Excuse me."
    assert utterance.emotion == "neutral"
    assert utterance.extra == {
        "setting": "improvised",
        "dialog": DIALOG,
        "valence": "2.5000",
        "activation": "3.5000",
        "dominance": "1.5000",
    }
    assert (utterance.start, utterance.end) == (None, None)


@pytest.mark.parametrize(
    ("name", "speaker", "setting"),
    [
        ("Ses01F_impro01_FXX0", "Ses01F", "improvised"),
        ("Ses05M_script03_2_M045", "Ses05M", "scripted"),
        ("Ses03M_script01_1b_F012", "Ses03F", "scripted"),
        ("Ses02F_script02_2_MXX1", "Ses02M", "scripted"),
    ],
)
def test_unusual_names(tmp_path: Path, name: str, speaker: str, setting: str) -> None:
    listing = read(build(tmp_path, GOOD.replace("Ses01F_impro01_M000", name), "", name))
    (utterance,) = listing.utterances
    assert (utterance.speaker, utterance.extra["setting"]) == (speaker, setting)


@pytest.mark.parametrize(("label", "emotion"), EMOTIONS.items())
def test_every_label_is_kept(tmp_path: Path, label: str, emotion: str) -> None:
    (utterance,) = read(build(tmp_path, GOOD.replace("neu", label))).utterances
    assert utterance.emotion == emotion


def test_excited_and_the_unclear_ones_stay_apart() -> None:
    assert (EMOTIONS["exc"], EMOTIONS["fru"], EMOTIONS["oth"], EMOTIONS["xxx"]) == (
        "excited",
        "frustrated",
        "other",
        "unknown",
    )


@pytest.mark.parametrize(
    ("line", "kind", "reason"),
    [
        (GOOD.replace("neu", "sus").replace("M000", "M001"), "label", "unknown label 'sus'"),
        (GOOD.replace("\tneu", " neu"), "label", "not a label line"),
        (GOOD.replace("Ses01F_impro01_M000", "Ses01F_impro01"), "label", "not a label line"),
        (GOOD.replace("M000", "M001"), "missing", "listed in Ses01F_impro01.txt:4 but not on disk"),
    ],
)
def test_a_bad_line_is_a_problem_and_costs_itself(tmp_path: Path, line: str, kind: str, reason: str) -> None:
    listing = read(build(tmp_path, GOOD + line))
    assert len(listing.utterances) == 1
    (problem,) = listing.problems
    assert problem.kind == kind
    assert reason in problem.reason
    assert problem.line == (4 if kind == "label" else None)


def test_a_bad_transcript_line_costs_only_its_text(tmp_path: Path) -> None:
    listing = read(build(tmp_path, GOOD, "Ses01F_impro01_M000 Excuse me.\nM: [LAUGHTER]\n"))
    assert [item.text for item in listing.utterances] == [None]
    assert [(item.kind, item.line) for item in listing.problems] == [("transcript", 1)]


def test_a_dialog_without_labels_or_transcript_is_reported(tmp_path: Path) -> None:
    root = build(tmp_path, GOOD)
    (root / "Session1" / "dialog" / "transcriptions" / f"{DIALOG}.txt").unlink()
    new = root / "Session1" / "sentences" / "wav" / "Ses01M_impro02"
    new.mkdir()
    (new / "Ses01M_impro02_F000.wav").touch()
    listing = read(root)
    assert len(listing.utterances) == 1
    assert sorted((item.kind, item.path.name) for item in listing.problems) == [
        ("label", "Ses01M_impro02_F000.wav"),
        ("transcript", "Ses01F_impro01.txt"),
    ]


def test_a_label_file_cut_short_loses_no_recording_in_silence(tmp_path: Path) -> None:
    root = build(tmp_path, GOOD + "[8.3 - 9.1]\tSes01F_impro01_F0")
    wav = root / "Session1" / "sentences" / "wav" / DIALOG
    for name in ("F000", "M001"):
        (wav / f"{DIALOG}_{name}.wav").touch()
    whole = root / "Session1" / "dialog" / "wav" / f"{DIALOG}.wav"
    whole.parent.mkdir()
    whole.touch()
    listing = read(root)
    assert len(listing.utterances) == 1
    assert [(item.kind, item.path.name) for item in listing.problems if item.path.suffix == ".wav"] == [
        ("excluded", f"{DIALOG}.wav"),
        ("label", f"{DIALOG}_F000.wav"),
        ("label", f"{DIALOG}_M001.wav"),
    ]
    assert "has no line for it. Is that file complete?" in listing.problems[-1].reason


def test_evaluators_files_and_strays_are_not_read(tmp_path: Path) -> None:
    root = fake_corpus("IEMOCAP", tmp_path, speakers=2, seconds=0.02, same_audio=True)
    labels = root / "Session1" / "dialog" / "EmoEvaluation"
    assert (labels / "Categorical").is_dir()
    assert (labels / f"._{DIALOG}.txt").is_file()
    listing = read(root)
    assert listing.problems == ()
    assert {item.speaker for item in listing.utterances} == {"Ses01F", "Ses01M"}


def test_the_papers_size(tmp_path: Path) -> None:
    root = fake_corpus("IEMOCAP", tmp_path, speakers=10, per_emotion=50, seconds=0.02, same_audio=True)
    counts = Counter((item.session, item.emotion) for item in read(root).utterances)
    for session in (f"Ses0{number}" for number in range(1, 6)):
        assert counts[session, "neutral"] == counts[session, "angry"] == counts[session, "sad"] == 100
        assert counts[session, "happy"] + counts[session, "excited"] == 100


def test_one_session_is_not_silently_the_whole_corpus(tmp_path: Path) -> None:
    with pytest.raises(CorpusNotFoundError, match="Did you mean"):
        read(build(tmp_path, GOOD) / "Session1")
