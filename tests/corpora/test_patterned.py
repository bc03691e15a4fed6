from pathlib import Path

import pytest

from sercl.corpora.base import CorpusInfo, Problem, Utterance
from sercl.corpora.patterned import Pattern, read_pattern, unique_listing
from sercl.errors import CorpusNotFoundError

INFO = CorpusInfo("Toy", "Toy corpus", ("de",), 2, ("angry", "sad"), "free", "free", "anna_1_ANG_s2.wav")
TOY = Pattern(
    INFO,
    regex=r"/(?P<speaker>[a-z]+)_(?P<sentence>\d)_(?P<emotion>[A-Z]{3})_(?P<level>s\d)?\.wav$",
    emotions={"ang": "angry", "sad": "sad"},
    genders={"anna": "female"},
    id="{speaker}-{stem}",
    speakers={"ana": "anna"},
    values={"level": {"s2": "strong"}},
    texts={"1": "Guten Tag."},
)


def write(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_groups_become_the_fields_they_are_named_after(tmp_path: Path) -> None:
    (found,) = read_pattern(TOY, write(tmp_path, "x/anna_1_ANG_s2.wav")).utterances
    assert found == Utterance(
        "anna-anna_1_ANG_s2",
        tmp_path / "x" / "anna_1_ANG_s2.wav",
        "angry",
        "Toy",
        language="de",
        speaker="anna",
        gender="female",
        text="Guten Tag.",
        extra={"sentence": "1", "level": "strong"},
    )


def test_what_a_name_does_not_say_stays_unknown(tmp_path: Path) -> None:
    (found,) = read_pattern(TOY, write(tmp_path, "bert_9_sad_.wav")).utterances
    assert (found.speaker, found.gender, found.text, found.extra) == ("bert", None, None, {"sentence": "9"})


def test_a_misspelt_speaker_is_the_one_that_is_meant_also_in_the_id(tmp_path: Path) -> None:
    (found,) = read_pattern(TOY, write(tmp_path, "Ana_1_SAD_s1.wav")).utterances
    assert (found.speaker, found.gender, found.id) == ("anna", "female", "anna-Ana_1_SAD_s1")
    assert found.extra["level"] == "s1"


def test_names_of_another_shape_and_unknown_codes_are_problems(tmp_path: Path) -> None:
    listing = read_pattern(
        TOY, write(tmp_path, "anna_1_ANG_s2.wav", "anna_1_FUN_.wav", "noise.wav", "read.txt")
    )
    assert len(listing.utterances) == 1
    assert {problem.path.name: problem.kind for problem in listing.problems} == {
        "anna_1_FUN_.wav": "label",
        "noise.wav": "name",
    }
    reasons = " ".join(problem.reason for problem in listing.problems)
    assert "unknown emotion 'FUN'; valid: ang, sad" in reasons
    assert "not a file name of Toy (anna_1_ANG_s2.wav)" in reasons


def test_a_folder_without_such_a_file_is_not_the_corpus(tmp_path: Path) -> None:
    with pytest.raises(CorpusNotFoundError, match=r"anna_1_ANG_s2\.wav"):
        read_pattern(TOY, write(tmp_path, "noise.wav"))


def utterance(name: str, path: str) -> Utterance:
    return Utterance(name, Path(path), "sad", "Toy")


def test_of_files_with_one_id_the_shortest_path_is_kept_and_the_others_are_reported() -> None:
    own = Problem(Path("x"), "why")
    found = [utterance("b", "/z/b.wav"), utterance("a", "/copy/deep/a.wav"), utterance("a", "/z/a.wav")]
    listing = unique_listing(found, [own])
    assert [str(item.path) for item in listing.utterances] == ["/z/a.wav", "/z/b.wav"]
    first, copy = listing.problems
    assert first == own
    assert (copy.path, copy.kind) == (Path("/copy/deep/a.wav"), "duplicate")
    assert copy.reason == "a second file for utterance a; /z/a.wav is used"
    assert unique_listing(reversed(found), [own]) == listing


GROUPS = Pattern(
    INFO,
    regex=r"/(?P<speaker>(?P<session>s\d)(?P<gender>[FM]))_(?P<emotion>ang)_(?P<text>[^_]+)_(?P<split>[^_]+)"
    r"_(?P<dialect>[^_]+)_(?P<language>[a-z]+)_(?P<take>\d)\.wav$",
    emotions={"ang": "angry"},
    values={"session": {"s1": "first"}},
)


def test_groups_named_after_fields_of_an_utterance_give_them(tmp_path: Path) -> None:
    (found,) = read_pattern(GROUPS, write(tmp_path, "s1F_ang_Hallo_dev_bairisch_de_2.wav")).utterances
    assert (found.speaker, found.session, found.gender) == ("s1F", "first", "female")
    assert (found.text, found.split, found.dialect, found.language) == (
        "Hallo", "validation", "bairisch", "de",
    )  # fmt: skip
    assert found.extra == {"take": "2"}


def test_a_split_that_is_none_is_a_problem(tmp_path: Path) -> None:
    names = ("s1F_ang_Hallo_dev_bairisch_de_2.wav", "s1F_ang_Hallo_spare_bairisch_de_2.wav")
    (problem,) = read_pattern(GROUPS, write(tmp_path, *names)).problems
    assert "unknown split 'spare'" in problem.reason
