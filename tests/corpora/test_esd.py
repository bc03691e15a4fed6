from pathlib import Path

import pytest

from sercl.corpora.base import Listing
from sercl.corpora.esd import read
from sercl.errors import CorpusNotFoundError, UnknownNameError
from sercl.testing.corpora import FakeSize, fake_corpus, fake_esd


def build(folder: Path, *names: str, transcript: bytes | None = None) -> Path:
    """An ESD of empty files, which is enough: a reader never decodes audio."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    if transcript is not None:
        speaker = Path(names[0]).parts[0]
        (folder / speaker / f"{speaker}.txt").write_bytes(transcript)
    return folder


def only(listing: Listing) -> object:
    (utterance,) = listing.utterances
    return utterance


@pytest.mark.parametrize("layout", ["flat", "split"])
def test_both_layouts_give_the_same_utterances(tmp_path: Path, layout: str) -> None:
    size = FakeSize(speakers=1, per_emotion=6, seconds=0.02, same_audio=True)
    listing = read(fake_esd(tmp_path, size, layout))
    assert listing.problems == ()
    by_split = {item.id: item.split for item in listing.utterances}
    # (n - 1) % 350: 0-19 evaluation, 20-49 test, the rest training.
    assert by_split["0001_000001"] == by_split["0001_000352"] == "validation"
    assert by_split["0001_000021"] == by_split["0001_000722"] == "test"
    assert by_split["0001_000051"] == by_split["0001_001452"] == "train"
    assert sorted(by_split.values()) == ["test"] * 10 + ["train"] * 10 + ["validation"] * 10


def test_the_folder_of_a_part_wins_over_the_number(tmp_path: Path) -> None:
    listing = read(build(tmp_path, "0011/Neutral/train/0011_000001.wav"))
    assert only(listing).split == "train"
    assert listing.problems == ()


def test_the_official_split_has_its_sizes(tmp_path: Path) -> None:
    listing = read(build(tmp_path, *(f"0001/Happy/0001_{number:06d}.wav" for number in range(701, 1051))))
    parts = [item.split for item in listing.utterances]
    assert parts == ["validation"] * 20 + ["test"] * 30 + ["train"] * 300


@pytest.mark.parametrize(
    ("number", "folder", "emotion"),
    [
        (1, "Neutral", "neutral"),
        (350, "Neutral", "neutral"),
        (351, "Angry", "angry"),
        (1050, "Happy", "happy"),
        (1051, "Sad", "sad"),
        (1750, "Surprise", "surprised"),
    ],
)
def test_number_and_folder_agree_without_a_problem(
    tmp_path: Path, number: int, folder: str, emotion: str
) -> None:
    listing = read(build(tmp_path, f"0001/{folder}/0001_{number:06d}.wav"))
    assert only(listing).emotion == emotion
    assert listing.problems == ()


def test_a_number_that_contradicts_its_folder_is_reported_and_the_folder_taken(tmp_path: Path) -> None:
    listing = read(build(tmp_path, "0001/Angry/0001_000350.wav"))
    assert only(listing).emotion == "angry"
    (problem,) = listing.problems
    assert (problem.kind, problem.reason) == (
        "label",
        "in the folder of angry, but its number says neutral; the folder is used",
    )


def test_gender_language_and_speaker(tmp_path: Path) -> None:
    speakers = [f"{number:04d}" for number in range(1, 21)]
    root = build(tmp_path, *(f"{name}/Sad/{name}_001051.wav" for name in speakers))
    utterances = read(root).utterances
    assert [item.speaker for item in utterances] == speakers
    male = [int(item.speaker) for item in utterances if item.gender == "male"]
    assert male == [4, 5, 6, 8, 10, 11, 12, 13, 14, 20]
    assert [item.language for item in utterances] == ["zh"] * 10 + ["en"] * 10
    assert [item.speaker for item in read(root, language="zh").utterances] == speakers[:10]
    assert [item.speaker for item in read(root, language="en").utterances] == speakers[10:]
    with pytest.raises(UnknownNameError, match=r"unknown language of ESD 'de'\. Valid: zh, en"):
        read(root, language="de")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8", "utf-8-sig", "gb18030"])
def test_chinese_transcripts_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    line = "0001_000351\t打远一看，它们的确很是美丽。\t生气\n".encode(encoding)
    listing = read(build(tmp_path, "0001/Angry/0001_000351.wav", transcript=line))
    assert only(listing).text == "打远一看，它们的确很是美丽。"
    assert listing.problems == ()


@pytest.mark.parametrize("text", ["It’s the nine, café.", "The “eggs” cost 3 £."])
@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "utf-16"])
def test_english_transcripts_are_not_taken_for_chinese(tmp_path: Path, text: str, encoding: str) -> None:
    line = f"0011_000351\t{text}\tAngry\n".encode(encoding)
    assert only(read(build(tmp_path, "0011/Angry/0011_000351.wav", transcript=line))).text == text


def test_bytes_of_no_encoding_fall_back_to_latin_1(tmp_path: Path) -> None:
    line = b"0011_000351\tcaf\xe9 \x81\tAngry\n"
    assert only(read(build(tmp_path, "0011/Angry/0011_000351.wav", transcript=line))).text == "café"


def test_a_line_without_tabs_keeps_its_text(tmp_path: Path) -> None:
    line = "0001_000351  打远 一看。 生气\n".encode()
    listing = read(build(tmp_path, "0001/Angry/0001_000351.wav", transcript=line))
    assert only(listing).text == "打远 一看。"
    assert listing.problems == ()


def test_a_bad_line_costs_only_its_text(tmp_path: Path) -> None:
    transcript = "0001_000351\t好\t生气\n\n0001_000352好生气\nnonsense\n".encode()
    root = build(tmp_path, "0001/Angry/0001_000351.wav", "0001/Angry/0001_000352.wav", transcript=transcript)
    listing = read(root)
    assert [item.text for item in listing.utterances] == ["好", None]
    assert [(item.kind, item.line, item.costs_only_text) for item in listing.problems] == [
        ("transcript", 3, True),
        ("transcript", 4, True),
    ]


def test_a_file_that_a_bad_line_lists_is_still_missed(tmp_path: Path) -> None:
    transcript = "0001_000351\t好\t生气\n0001_001050好\n".encode()
    listing = read(build(tmp_path, "0001/Angry/0001_000351.wav", transcript=transcript))
    missing = [item.path for item in listing.problems if item.kind == "missing"]
    assert missing == [tmp_path / "0001/Happy/0001_001050.wav"]


def test_files_that_do_not_belong_are_reported(tmp_path: Path) -> None:
    root = build(
        tmp_path,
        "0001/Angry/0001_000351.wav",
        "0001/Angry/0002_000352.wav",
        "0001/Angry/0001_009999.wav",
        "0001/Bored/0001_000353.wav",
        "0001/0001_000354.wav",
    )
    listing = read(root)
    assert only(listing).id == "0001_000351"
    assert sorted((item.path.name, item.kind) for item in listing.problems) == [
        ("0001_000353.wav", "label"),
        ("0001_000354.wav", "label"),
        ("0001_009999.wav", "name"),
        ("0002_000352.wav", "name"),
    ]


def test_one_speakers_folder_is_not_silently_the_whole_corpus(tmp_path: Path) -> None:
    root = fake_corpus("ESD", tmp_path, speakers=2, per_emotion=1, seconds=0.02, same_audio=True)
    with pytest.raises(CorpusNotFoundError, match=r"Did you mean .*\(ESD\)\?"):
        read(root / "0001")


def test_a_file_in_two_layouts_at_once_counts_once(tmp_path: Path) -> None:
    listing = read(build(tmp_path, "0001/Angry/0001_000351.wav", "0001/Angry/train/0001_000351.wav"))
    assert only(listing).path == tmp_path / "0001/Angry/0001_000351.wav"
    assert [item.kind for item in listing.problems] == ["duplicate"]


def test_the_papers_size_is_quick_to_fake_and_read(tmp_path: Path) -> None:
    root = fake_corpus("ESD", tmp_path, speakers=10, per_emotion=50, same_audio=True)
    listing = read(root)
    assert len(listing.utterances) == 10 * 5 * 50
    assert {item.language for item in listing.utterances} == {"zh"}
