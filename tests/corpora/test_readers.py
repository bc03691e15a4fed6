"""What holds for every registered corpus, seen on a fake in its true layout."""

import os
from collections import Counter
from pathlib import Path

import pytest
import soundfile

from sercl.corpora.base import Listing
from sercl.corpora.labels import EMOTIONS
from sercl.corpora.registry import CORPORA, read_corpus
from sercl.errors import CorpusNotFoundError
from sercl.testing.corpora import fake_corpus

NAMES = sorted(CORPORA)
SPEAKERS = {"PAVOQUE": 1, "TESS": 2, "MESD": 3}
LISTED = ("ESD", "IEMOCAP", "ZED", "nEMO", "Emozionalmente", "PAVOQUE")


@pytest.fixture(scope="module")
def fakes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("fakes")
    return {
        name: fake_corpus(name, root / name, speakers=SPEAKERS.get(name), seconds=0.02, same_audio=True)
        for name in NAMES
    }


def read(fakes: dict[str, Path], name: str) -> Listing:
    return read_corpus(name, fakes[name])


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_corpus_is_read_without_a_problem(fakes: dict[str, Path], name: str) -> None:
    listing, info = read(fakes, name), CORPORA[name].info
    assert not [item for item in listing.problems if item.costs_an_utterance]
    assert {item.kind for item in listing.problems} == ({"excluded"} if name == "PAVOQUE" else set())
    assert {item.corpus for item in listing.utterances} == {name}
    assert {item.language for item in listing.utterances} == set(info.languages)
    found, possible = {item.emotion for item in listing.utterances}, set(info.emotions)
    assert found == possible - ({"neutral"} if name == "ZED" else {"unknown"} if name == "PAVOQUE" else set())
    assert possible <= set(EMOTIONS)


@pytest.mark.parametrize("name", NAMES)
def test_counts_per_speaker_and_emotion(fakes: dict[str, Path], name: str) -> None:
    counts = Counter((item.speaker, item.emotion) for item in read(fakes, name).utterances)
    if name == "MESD":
        assert counts == {(None, emotion): 6 for emotion in CORPORA[name].info.emotions}
        return
    assert len({speaker for speaker, _ in counts}) == SPEAKERS.get(name, 4)
    once = {"happy", "excited", "frustrated", "surprised", "fearful", "disgusted", "other", "unknown"}
    for (speaker, emotion), count in counts.items():
        assert speaker
        assert count == (1 if name == "IEMOCAP" and emotion in once else 2)


@pytest.mark.parametrize("name", NAMES)
def test_every_utterance_is_there_once_and_in_order(fakes: dict[str, Path], name: str) -> None:
    utterances = read(fakes, name).utterances
    ids = [item.id for item in utterances]
    assert ids == sorted(set(ids))
    assert utterances == read(fakes, name).utterances
    assert all(item.path.is_absolute() and soundfile.info(item.path).frames for item in utterances)


@pytest.mark.parametrize("name", NAMES)
def test_a_root_one_level_too_high_works(name: str, tmp_path: Path) -> None:
    root = fake_corpus(name, tmp_path / "x", speakers=1, per_emotion=1, seconds=0.02, same_audio=True)
    assert read_corpus(name, root.parent) == read_corpus(name, root)


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_root_says_what_was_looked_for_and_found(name: str, tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(CorpusNotFoundError, match=rf"^{name}: .*looked for .*found holiday\.jpg"):
        read_corpus(name, tmp_path)
    with pytest.raises(CorpusNotFoundError, match="no such folder"):
        read_corpus(name, tmp_path / "absent")
    with pytest.raises(CorpusNotFoundError, match="is a file, not a folder"):
        read_corpus(name, tmp_path / "holiday.jpg")


@pytest.mark.parametrize("name", LISTED)
def test_half_a_listed_corpus_reports_every_missing_file(name: str, tmp_path: Path) -> None:
    root = fake_corpus(name, tmp_path, speakers=1, seconds=0.02, same_audio=True)
    whole = read_corpus(name, root).utterances
    gone = sorted({item.path for item in whole})[::2]
    for path in gone:
        path.unlink()
    half = read_corpus(name, root)
    costly = [problem for problem in half.problems if problem.costs_an_utterance]
    assert sorted(problem.path for problem in costly) == gone
    assert {problem.kind for problem in costly} == {"missing"}
    assert half.utterances == tuple(item for item in whole if item.path not in gone)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"ESD", "IEMOCAP", "ZED", "PAVOQUE"}))
def test_hidden_files_of_macos_are_skipped(name: str, tmp_path: Path) -> None:
    root = fake_corpus(name, tmp_path, speakers=1, per_emotion=1, seconds=0.02, same_audio=True)
    before = read_corpus(name, root)
    for item in before.utterances:
        (item.path.parent / f"._{item.path.name}").write_bytes(b"\0\5\26\7")
    (root / "__MACOSX").mkdir()
    (root / "__MACOSX" / "x.wav").touch()
    assert read_corpus(name, root) == before


def mess_up(root: Path, store: Path, listing: Listing) -> None:
    """Do to a corpus what happens to corpora: strays, other formats, links, loops, odd suffixes."""
    first, second, third = sorted({item.path for item in listing.utterances})[:3]
    for stray in (root / "holiday.wav", first.parent / "talk.m4a", root / "new" / "music.Opus"):
        stray.parent.mkdir(exist_ok=True)
        stray.write_bytes(b"x")
    twin = first.with_suffix(".flac" if first.suffix == ".wav" else ".ogg")
    twin.write_bytes(first.read_bytes())
    second.rename(second.with_name(f"{second.stem}{second.suffix.upper()}"))
    third.rename(third.with_suffix(".aiff"))
    folder = max(child for child in root.iterdir() if child.is_dir())
    folder.rename(store / folder.name)
    folder.symlink_to(store / folder.name)
    (root / "again").symlink_to(store / folder.name)
    (store / folder.name / "loop").symlink_to(root)
    (root / "gone.wav").symlink_to("/nonexistent/gone.wav")


def audio_on_disk(root: Path) -> set[Path]:
    suffixes = {".wav", ".flac", ".ogg", ".m4a", ".opus", ".aiff"}
    found, entered = set(), set()
    for parent, folders, names in os.walk(root, followlinks=True):
        folders[:] = [name for name in folders if Path(parent, name).resolve() not in entered]
        entered |= {Path(parent, name).resolve() for name in folders} | {root}
        found |= {Path(parent, name).resolve() for name in names if Path(name).suffix.lower() in suffixes}
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_audio_file_on_disk_is_accounted_for(name: str, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    root = fake_corpus(
        name, tmp_path / "root" / "x", seconds=0.02, same_audio=True, speakers=SPEAKERS.get(name)
    )
    before = read_corpus(name, root)
    mess_up(root, tmp_path / "store", before)
    after = read_corpus(name, root)
    used = {item.path.resolve() for item in after.utterances}
    reported = [item.path.resolve() for item in after.problems]
    assert used | set(reported) == audio_on_disk(root)
    assert not used & set(reported)
    assert len(reported) == len(set(reported))
    # Nothing is lost: neither by a link, nor by another suffix.
    assert {item.id for item in after.utterances} == {item.id for item in before.utterances}
    kinds = Counter(item.kind for item in after.problems)
    assert (kinds["copy"], kinds["missing"]) == (1, 1)
    assert sum(kinds.values()) - kinds["excluded"] == 5  # and three strays
