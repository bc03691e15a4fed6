from sercl.data.datamodules import Manifest
from tests.data.corpora import write_manifest, write_rows


def test_a_table_is_named_after_its_file_unless_it_is_given_a_name(tmp_path):
    table = write_manifest(tmp_path)
    assert Manifest(table).corpus == "list"
    assert {utterance.corpus for utterance in Manifest(table).read().utterances} == {"list"}
    named = Manifest(table, name="TJD", language="zh")
    assert named.corpus == "TJD"
    assert {(item.corpus, item.language) for item in named.read().utterances} == {("TJD", "zh")}


def test_columns_say_more_than_options(tmp_path):
    write_manifest(tmp_path, speakers=1, per_emotion=1)
    rows = [("0_sad_0.wav", "sad", "x", "ESD", "en")]
    table = write_rows(tmp_path / "own.csv", rows, ("path", "emotion", "speaker", "corpus", "language"))
    (utterance,) = Manifest(table, language="zh").read().utterances
    assert (utterance.corpus, utterance.language, utterance.speaker) == ("ESD", "en", "x")
