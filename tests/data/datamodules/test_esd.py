import pytest

from sercl.data.datamodules import ESD
from sercl.errors import UnknownNameError
from sercl.testing.corpora import fake_corpus


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    speakers = ["0001", "0002", "0011", "0012", "0013"]
    return fake_corpus("ESD", tmp_path_factory.mktemp("esd"), speakers=speakers, per_emotion=1, seconds=0.1)


@pytest.mark.parametrize(
    ("language", "name", "speakers"),
    [("all", "ESD", 5), ("zh", "ESD zh", 2), ("en", "ESD en", 3)],
)
def test_a_language_is_a_corpus_of_its_own(root, language, name, speakers):
    module = ESD(root, language=language)
    listing = module.read()
    assert module.corpus == name
    assert len({utterance.speaker for utterance in listing.utterances}) == speakers
    assert {utterance.language for utterance in listing.utterances} == (
        {"zh", "en"} if language == "all" else {language}
    )


def test_another_language_is_refused_before_the_folder_is_read(tmp_path):
    with pytest.raises(UnknownNameError, match=r"language of ESD 'de'.*Valid: zh, en, all"):
        ESD(tmp_path / "nowhere", language="de")
