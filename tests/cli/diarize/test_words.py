import pytest

from sercl.cli.diarize.words import with_clips
from sercl.errors import UsageError


def test_a_corpus_becomes_one_that_clips_are_built_from():
    words = ["--data", "EmoDB", "--data.root", "emodb", "--data.folds.index=1", "--data.clips.per_epoch", "9"]
    assert with_clips(words) == [
        "--data", "Diarization", "--data.corpora+=EmoDB", "--data.corpora.root", "emodb",
        "--data.corpora.folds.index=1", "--data.clips.per_epoch", "9",
    ]  # fmt: skip


def test_further_corpora_add_up():
    words = [
        "--data=EmoDB",
        "--data.root",
        "a",
        "--data",
        "RAVDESS",
        "--data.root",
        "b",
        "--data.loader.seed",
        "1",
    ]
    assert with_clips(words) == [
        "--data", "Diarization", "--data.corpora+=EmoDB", "--data.corpora.root", "a",
        "--data.corpora+=RAVDESS", "--data.corpora.root", "b", "--data.loader.seed", "1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [
        ["--data", "Diarization", "--data.corpora+=EmoDB", "--data.corpora.root", "emodb"],
        ["--data=sercl.data.datamodules.Diarization"],
        ["-c", "a.yaml", "--data.clips.per_epoch", "9"],
    ],
)
def test_other_words_stay_as_they_are(words):
    assert with_clips(words) == words


def test_a_name_is_needed():
    with pytest.raises(UsageError, match="--data needs the name of a corpus"):
        with_clips(["--data"])
