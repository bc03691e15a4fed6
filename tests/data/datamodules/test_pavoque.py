import pytest

from sercl.corpora.folds import FoldConfig
from sercl.data.datamodules import PAVOQUE
from sercl.errors import FoldError
from sercl.testing.corpora import fake_corpus


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return fake_corpus("PAVOQUE", tmp_path_factory.mktemp("pavoque"), per_emotion=3, seconds=0.15)


def test_outtakes_are_read_on_request(root):
    plain, more = PAVOQUE(root).read(), PAVOQUE(root, outtakes=True).read()
    extra = {item.id for item in more.utterances} - {item.id for item in plain.utterances}
    assert extra == {"spike0001-outtakes", "spike0001-outtakes-2"}


def test_one_speaker_needs_a_scheme_that_is_allowed_by_name(root):
    with pytest.raises(FoldError, match=r"one speaker only.*--data\.folds\.scheme paper"):
        PAVOQUE(root).setup()


OWN = {"angry": "spike", "happy": "poppy", "neutral": "prudence", "sad": "obadiah"}


def test_stretches_of_the_long_files_are_the_clips(root, tmp_path):
    for part, number in (("train", 1), ("validation", 2)):
        rows = [f"{series}000{number}-{style}.wav,{style}\n" for style, series in OWN.items()]
        (tmp_path / f"{part}.csv").write_text("file,answer\n" + "".join(rows))
    rows = ["m0001-angry.wav,angry\n", "m0001-sad.wav,sad\n"]
    (tmp_path / "test.csv").write_text("file,answer\n" + "".join(rows))
    folds = FoldConfig(scheme="csv", lists=str(tmp_path), allow_speaker_overlap=True)
    module = PAVOQUE(root, folds=folds)
    module.setup()
    (batch,) = module.test_dataloader()
    assert sorted(batch.ids) == ["m0001-angry", "m0001-sad"]
    assert batch.lengths.tolist() == [2400, 2400]  # 0.15 s out of files of 0.45 s, at 16 kHz
    assert "speaker-dependent: pavoque in both training and test" in module.report.notes
