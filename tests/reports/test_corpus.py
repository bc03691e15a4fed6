from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from sercl.corpora.base import Problem
from sercl.corpora.registry import CORPORA
from sercl.reports.corpus import clock, confound_sentence, corpora_table, headline, inspection_report
from sercl.studies.corpus_inspection import Confound, Coverage, Duplicate, Inspection

TOY = Inspection(
    corpus="Toy",
    utterances=5,
    files=4,
    emotions={"angry": 3, "sad": 2},
    languages={"de": 5},
    genders={"female": {"angry": 3}, "male": {"sad": 2}},
    speakers={"anna": {"angry": 3}, "bert": {"sad": 2}},
    seconds={"angry": (1.0, 2.0, 4.5), "sad": ()},
    rates={16000: 4, 48000: 1},
    channels={1: 5},
    problems=(),
    duplicates=(),
    confounds=(),
    coverage=(Coverage("4", {"angry": 3, "happy": 0, "neutral": 0, "sad": 2}, {"bored": 7}),),
)


def _text(renderable: RenderableType, width: int = 120) -> str:
    console = Console(width=width, no_color=True, legacy_windows=False)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def test_a_corpus_that_cannot_be_trained_on_says_so_in_place_of_how_folds_are_cut() -> None:
    balanced = "a different label scheme may select different test speakers"
    assert balanced in _text(inspection_report(TOY))
    text = _text(inspection_report(replace(TOY, refused="2 speakers cannot fill 5 folds.")))
    assert "sercl fit cannot train on it: 2 speakers cannot fill 5 folds." in text
    assert balanced not in text


def _row(text: str, first: str) -> Sequence[str]:
    return next(line.split() for line in text.splitlines() if line.split()[:1] == [first])


def test_every_registered_corpus_stands_in_the_list() -> None:
    text = _text(corpora_table(corpus.info for corpus in CORPORA.values()), width=250)
    for corpus in CORPORA.values():
        assert _row(text, corpus.info.name)[1].rstrip(",") == corpus.info.languages[0]
        assert corpus.info.layout in text
    assert _row(text, "EmoDB")[:3] == ["EmoDB", "de", "10"]


def test_file_names_are_whole_in_a_terminal_of_80_columns() -> None:
    text = _text(corpora_table(corpus.info for corpus in CORPORA.values()), width=80)
    assert {word for corpus in CORPORA.values() for word in corpus.info.layout.split()} <= set(text.split())


def test_what_is_left_out_without_loss_is_no_problem() -> None:
    left = (
        Problem(Path("a.flac"), "why", kind="copy"),
        *[Problem(Path("s.wav"), "song", kind="excluded")] * 3,
    )
    text = _text(inspection_report(replace(TOY, problems=left)))
    assert "Problems: none" in text
    assert "Skipped, no data lost: 3 excluded, 1 copy" in text
    assert "a.flac: why" in text
    assert text.count("s.wav: song") == 1


def test_a_clean_corpus_says_so() -> None:
    text = _text(inspection_report(TOY))
    assert text.splitlines()[:2] == [
        "Toy: 5 utterances, 2 speakers, de, 8 s",
        "4 files, 16,000 Hz (4) and 48,000 Hz (1), mono",
    ]
    for line in ("Problems: none", "Duplicates: none", "Confounds: none found"):
        assert line in text


def test_emotions_speakers_and_labels_are_counted() -> None:
    text = _text(inspection_report(TOY))
    assert _row(text, "angry") == ["angry", "3", "60%", "3", "0", "1.00", "2.00", "4.50"]
    assert _row(text, "sad") == ["sad", "2", "40%", "0", "2", "-", "-", "-"]
    assert _row(text, "bert") == ["bert", "0", "2", "2"]
    assert "angry 3, happy 0, neutral 0, sad 2" in text
    assert "bored 7" in text


def test_many_speakers_are_summed_up() -> None:
    speakers = {f"s{i}": {"angry": i} if i % 2 else {"sad": 1} for i in range(1, 31)}
    text = _text(inspection_report(replace(TOY, speakers=speakers)))
    assert "30 speakers" in text
    assert ["angry", "15", "1", "29"] in [line.split() for line in text.splitlines()]
    assert "s17" not in text


def test_many_problems_are_counted_by_kind_and_cut() -> None:
    problems = tuple(Problem(Path(f"/{i}.wav"), "not on disk", kind="missing") for i in range(12))
    problems += (Problem(Path("labels.txt"), "no label", line=3),)
    text = _text(inspection_report(replace(TOY, problems=problems)))
    assert "Problems: 12 missing, 1 with a bad label" in text
    assert "/9.wav: not on disk" in text
    assert "/10.wav" not in text
    assert "labels.txt:3: no label" in text
    assert "and 2 more" in text


def test_contradicting_duplicates_come_first() -> None:
    same = Duplicate(("a", "b"), ("sad", "sad"), ("x", "x"))
    other = Duplicate(("c", "d"), ("sad", "angry"), ("x", None))
    lines = _text(inspection_report(replace(TOY, duplicates=(same, other)))).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("Duplicates: 2 groups"))
    assert lines[start + 1] == "  c = d: contradicting labels (unknown angry, x sad)"
    assert lines[start + 2] == "  a = b"


def test_confounds_are_sentences() -> None:
    own = Confound("text", "neutral", 1.0, 0.005, 1.0, 3126)
    part = Confound("speaker", "sad", 0.256, 0.005, 0.4, 50)
    assert confound_sentence(own) == "neutral shares no text with the other emotions (score 1.00)"
    assert confound_sentence(part) == (
        "speaker reveals sad (40% of its utterances have one that no other emotion has; score 0.26)"
    )
    assert confound_sentence(own) in _text(inspection_report(replace(TOY, confounds=(own,))))


def test_what_is_known_is_said_of_the_whole_corpus_not_of_the_part_at_hand() -> None:
    assert "Known of the whole corpus: a trap" in _text(inspection_report(TOY, ["a trap"]))


def test_a_corpus_without_utterances() -> None:
    empty = replace(
        TOY,
        utterances=0,
        files=0,
        emotions={},
        languages={},
        genders={},
        speakers={},
        seconds={},
        rates={},
        channels={},
    )
    assert headline(empty) == "Toy: 0 utterances, 0 speakers, no language, 0 s"
    assert "0 files\n" in _text(inspection_report(empty))


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (954, "15 min 54 s"), (104_760, "29 h 6 min")]
)
def test_durations_in_words(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_a_corpus_that_cannot_be_trained_on_is_no_clean_one() -> None:
    coverage = replace(TOY.coverage[0], unusable=3)
    text = _text(inspection_report(replace(TOY, refused="one speaker only.", coverage=(coverage,))), 200)
    assert "sercl fit cannot train on it: one speaker only." in text
    assert "bored 7, unusable audio 3" in text
    assert "Speaker folds are balanced" not in text
    assert "Speaker folds are balanced" in _text(inspection_report(TOY))
