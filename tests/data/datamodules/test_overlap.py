from pathlib import Path

import pytest

from sercl.corpora.base import Utterance
from sercl.data.datamodules.overlap import check_clips, check_ids, check_speakers
from sercl.errors import FoldError, SpeakerOverlapError


def utterance(name, path=None, corpus="Toy", **changes):
    return Utterance(name, Path(path or f"/{name}.wav"), "sad", corpus, **changes)


def test_a_clip_of_the_source_may_not_be_held_out_in_the_target():
    source = [utterance("a"), utterance("b")]
    check_clips(source, [utterance("c"), utterance("d")])
    with pytest.raises(FoldError, match=r"1 clips .* first 'other'"):
        check_clips(source, [utterance("c"), utterance("other", "/b.wav")])


def test_stretches_of_one_file_are_clips_of_their_own():
    whole = utterance("a", "/long.flac", start=0.0, end=1.0)
    check_clips([whole], [utterance("b", "/long.flac", start=1.0, end=2.0)])
    with pytest.raises(FoldError):
        check_clips([whole], [utterance("b", "/long.flac", start=0.0, end=1.0)])


def test_a_link_to_a_clip_is_the_clip(tmp_path):
    (tmp_path / "a.wav").touch()
    (tmp_path / "b.wav").symlink_to(tmp_path / "a.wav")
    with pytest.raises(FoldError):
        check_clips([utterance("a", tmp_path / "a.wav")], [utterance("b", tmp_path / "b.wav")])


def test_an_id_may_stand_for_one_clip_only():
    check_ids([utterance("a")], [utterance("a"), utterance("b")])
    with pytest.raises(FoldError, match=r"1 ids denote different clips .* first 'a'.*column 'id'"):
        check_ids([utterance("a")], [utterance("a", "/else.wav")])


def test_only_corpora_of_one_name_share_speakers():
    source = [utterance("a", speaker="s1"), utterance("n")]
    check_speakers(source, [utterance("b", corpus="Other", speaker="s1")])
    check_speakers([utterance("a", corpus="Other", speaker="s1")], [utterance("b", speaker="s1")])
    check_speakers(source, [utterance("b", speaker="s2"), utterance("c")])
    with pytest.raises(SpeakerOverlapError, match=r"both Toy, and 1 speaker .*tested: s1\."):
        check_speakers(source, [utterance("b", speaker="s1"), utterance("c", speaker="s3")])
